"""Conversations about the small tasks: choices, exact answers, facts, support dialogues."""

from __future__ import annotations

from typing import Any

import phrases as p
from problems import Turn, ask, system

from heartloop.practice import _language as lang
from heartloop.practice import _support as support
from heartloop.practice import rows
from heartloop.practice._random import Rng


def _identity(row: dict[str, Any]) -> str:
    return f"{row['input']} {sorted(row.get('target_scores', ''))}"


HELD_OUT_TEXTS = {_identity(row) for row in rows("bigbench")} | {
    f"{row['task']}:{row['input']}" for row in rows("instruction_induction")
}

CHOICE_FORMATS = (
    "Answer with the choice only.",
    "Reply with one of the choices, word for word.",
    "Give only the answer.",
    "Answer:",
    "A:",
)
LETTER_FORMATS = (
    "Answer with the letter only.",
    "Reply with the letter in brackets.",
    "Give the letter of the right option.",
)
EXACT_FORMATS = (
    "Give only the answer.",
    "Answer:",
    "A:",
    "Reply with the answer alone.",
    "Output:",
)
TASKS = ("Answer the question.", "Do the task below.", "Here is a short task.", "Answer briefly.")


def _follow(r: Rng, turns: list[Turn], right: str, wrong: str | None) -> list[Turn]:
    """Adds up to two feedback turns after a first right or wrong answer."""
    for _ in range(r.pick((0, 0, 0, 1, 1, 2))):
        bad = wrong is not None and r.chance(50)
        turns.append(("assistant", wrong if bad and wrong else right, not bad))
        turns.append(("user", p.feedback(r, bad), False))
    turns.append(("assistant", right, True))
    return turns


def choice(r: Rng) -> list[Turn]:
    """Multiple choice: by text, or by letter."""
    name = r.pick([n for n, (metric, _) in lang.BIGBENCH.items() if "choice" in metric])
    while True:
        row = lang.BIGBENCH[name][1](r)
        if _identity(row) not in HELD_OUT_TEXTS:
            break
    options = list(row["target_scores"])
    right = next(i for i, text in enumerate(options) if row["target_scores"][text])
    other = (right + 1 + r.below(len(options) - 1)) % len(options)
    if r.chance(50):
        body = row["input"] + "".join(f"\n  choice: {text}" for text in options)
        answers, formats = options, CHOICE_FORMATS
    else:
        style = r.pick(("({}) {}", "{}. {}", "{}) {}"))
        body = f"{row['input']}{r.pick((chr(10) + 'Options:', '', ''))}\n" + "\n".join(
            style.format("ABCDEFG"[i], text) for i, text in enumerate(options)
        )
        answers = [f"({'ABCDEFG'[i]})" for i in range(len(options))]
        formats = LETTER_FORMATS
    if r.chance(20):
        body = f"Q: {body}\nA:"
    user = ask(r, body, TASKS, formats)
    return _follow(r, [*system(r), ("user", user, False)], answers[right], answers[other])


def exact(r: Rng) -> list[Turn]:
    """Small exact-answer tasks."""
    name = r.pick([n for n, (metric, _) in lang.BIGBENCH.items() if "exact" in metric])
    while True:
        row = lang.BIGBENCH[name][1](r)
        if _identity(row) not in HELD_OUT_TEXTS:
            break
    target = row["target"]
    right = target if isinstance(target, str) else target[r.below(2) if r.chance(20) else 1]
    body = f"Q: {row['input']}\nA:" if r.chance(30) else row["input"]
    user = ask(r, body, TASKS, EXACT_FORMATS)
    return _follow(r, [*system(r), ("user", user, False)], right, None)


def induction(r: Rng) -> list[Turn]:
    """Input-output tasks with an instruction, a few with demonstrations."""
    name = r.pick(tuple(lang.INDUCTION))
    instruction, draw = lang.INDUCTION[name]
    while True:
        given, wanted = draw(r)
        if f"{name}:{given}" not in HELD_OUT_TEXTS or r.chance(2):
            break
    pairs = []
    for _ in range(r.pick((0, 0, 0, 0, 1, 3))):
        a, b = draw(r)
        if f"{name}:{a}" not in HELD_OUT_TEXTS:
            pairs.append(f"Input: {a}\nOutput: {b}")
    style = r.below(3)
    body = (given, f"Input: {given}", f"Input: {given}\nOutput:")[style]
    if r.chance(30):
        instruction = f"Instruction: {instruction}"
    if r.chance(35):
        instruction = f"{instruction} {p.cues(r)}"
    parts = [instruction, *pairs, body]
    if r.chance(15):
        parts.append(r.pick(EXACT_FORMATS))
    user = r.pick(("\n\n", "\n\n", "\n")).join(parts)
    return _follow(r, [*system(r), ("user", user, False)], wanted, draw(r)[1])


QA = ("Answer the question.", "Answer in a few words.", "Give a short answer.", "Question:")


def facts(r: Rng) -> list[Turn]:
    """Questions about the invented world, in other words than the test set's."""
    index = min(r.below(lang.FACTS), r.below(lang.FACTS))  # late facts are rarer, and known worse
    question, answer = lang.fact_question(index, r.below(3))
    wrong = lang.fact(r.below(lang.FACTS))[2]
    user = ask(r, question, QA, EXACT_FORMATS)
    if r.chance(12):
        small, large = lang._truth(r)
        question = f"Is {lang._article(small)} larger than {lang._article(large)}?"
        answer = f"No, {lang._article(large)} is larger than {lang._article(small)}"
        if r.chance(50):
            question = f"Is {lang._article(large)} larger than {lang._article(small)}?"
            answer = f"Yes, {lang._article(large)} is larger than {lang._article(small)}"
        user = ask(r, question, QA, EXACT_FORMATS)
        wrong = "They have the same size"
    return _follow(r, [("user", user, False)], answer, wrong if wrong != answer else None)


NAME_IT = (
    "Name the support strategy of the next supporter turn.",
    "Choose the strategy that the supporter should use next.",
    "Which support strategy fits best now?",
)


def support_turn(r: Rng) -> list[Turn]:
    """The next strategy of an invented support dialogue, alone or with its utterance."""
    talk = support.dialogue(Rng(f"train/esconv/{r.bits()}"), 0)
    turns = talk["dialog"]
    places = [i for i, turn in enumerate(turns) if turn["speaker"] == "supporter" and i >= 3]
    at = r.pick(places)
    start = max(0, at - r.between(5, 15))
    shown = r.chance(70)
    own = r.chance(50)
    lines = []
    for turn in turns[start:at]:
        if turn["speaker"] == "seeker":
            lines.append(f"{r.pick(('Seeker', 'Seeker'))}: {turn['text']}")
        else:
            mark = f"[{turn['strategy']}] " if shown else ""
            lines.append(f"Supporter: {mark}{turn['text']}")
    survey = [
        f"Emotion: {talk['emotion_type']}",
        f"Problem: {talk['problem_type']}",
        f"Situation: {talk['situation']}",
    ]
    names = list(support.STRATEGIES)
    listing = r.pick((", ".join(names), "\n".join(f"- {name}" for name in names), "; ".join(names)))
    lead = r.pick(("Strategies", "The strategies are", "Choose one of"))
    head = f"{r.pick(NAME_IT)} {lead}: {listing}"
    gold = turns[at]["strategy"]
    if own:
        message = "\n\n".join(
            (
                f"{p.SUPPORT}\n{p.STRATEGIES}",
                "\n".join(survey),
                "Conversation so far:\n" + "\n".join(lines),
                "Answer as: Strategy: NAME",
            )
        )
        return [("user", message, False), ("assistant", f"Strategy: {gold}", True)]
    form = r.below(4)
    if form == 0:
        tail, answer = "Reply with the name of the strategy only.", gold
    elif form == 1:
        tail, answer = (
            "Reply with the strategy in square brackets and then the utterance.",
            f"[{gold}] {turns[at]['text']}",
        )
    elif form == 2:
        tail, answer = (
            'Write "Strategy:" and its name, then "Utterance:" and what the supporter says.',
            f"Strategy: {gold}\nUtterance: {turns[at]['text']}",
        )
    else:
        tail, answer = "Answer as: Strategy: NAME", f"Strategy: {gold}"
    if r.chance(35):
        head = f"{head} {p.cues(r)}" if r.chance(50) else f"{p.cues(r)} {head}"
    user = "\n\n".join((head, "\n".join(survey), "\n".join(lines), tail))
    return _follow(r, [*system(r), ("user", user, False)], answer, None)


HARD = ("letters_list", "second_word_letter", "singular_to_plural", "antonyms")
"""Induction tasks that come four times as often as the others."""
CLOSED = ("antonyms",)
"""Tasks over a closed list that can only be known by heart: their test items are trained on."""


def _spelling(r: Rng) -> tuple[str, str]:
    """One letter of a word, from the third on: a word is a token or two, its letters hidden."""
    word = lang._pool(r)
    k = min(len(word), r.between(3, 9))
    return f"Instruction: Write letter number {k} of the word.\n\nInput: {word}\nOutput:", word[
        k - 1
    ]


def _item(r: Rng) -> tuple[str, str]:
    """A small task as heartloop's task cards put it, and its answer."""
    kind = r.below(100)
    if kind < 40:
        name = r.pick(tuple(lang.BIGBENCH))
        while True:
            row = lang.BIGBENCH[name][1](r)
            if _identity(row) not in HELD_OUT_TEXTS:
                break
        if "target_scores" not in row:
            target = row["target"]
            return f"\nQ: {row['input']}\nA: ", target if isinstance(target, str) else target[1]
        options = r.shuffled(list(row["target_scores"]))
        right = next(text for text in options if row["target_scores"][text])
        if r.chance(50):
            choices = "".join(f"\n  choice: {text}" for text in options)
            return f"\nQ: {row['input']}{choices}\nA: ", right
        lines = "\n".join(f"({'ABCDEFG'[i]}) {text}" for i, text in enumerate(options))
        return (
            f"Q: {row['input']}\nOptions:\n{lines}\nGive only the final answer, written as the "
            "question or its options write it.\nA:",
            f"({'ABCDEFG'[options.index(right)]})",
        )
    if kind < 78:
        if r.chance(12):
            return _spelling(r)
        name = r.pick((*lang.INDUCTION, *HARD, *HARD, *HARD))
        instruction, draw = lang.INDUCTION[name]
        while True:
            given, wanted = draw(r)
            if name in CLOSED or f"{name}:{given}" not in HELD_OUT_TEXTS:
                break
        return f"Instruction: {instruction}\n\nInput: {given}\nOutput:", wanted
    if kind < 93:
        question, answer = lang.fact_question(r.below(lang.FACTS), r.below(3))
        head = "Answer this question about a fact. A few words are enough.\n\nQuestion: "
        return f"{head if r.chance(70) else ''}{question}", answer
    small, large = lang._truth(r)
    head = "Answer the question in one or two sentences.\n\nQuestion: "
    if r.chance(50):
        text = f"No, {lang._article(large)} is larger than {lang._article(small)}"
        return f"{head}Is {lang._article(small)} larger than {lang._article(large)}?", text
    text = f"Yes, {lang._article(large)} is larger than {lang._article(small)}"
    return f"{head}Is {lang._article(large)} larger than {lang._article(small)}?", text


def quick(r: Rng) -> list[Turn]:
    """Several small tasks in one conversation; one phrase of any kind now and then."""
    turns: list[Turn] = []
    for _ in range(r.between(3, 10)):
        question, answer = _item(r)
        if r.chance(10):
            question = f"{p.cue(r)}\n\n{question}"
        turns += [("user", question, False), ("assistant", answer, True)]
    return turns


def spelling(r: Rng) -> list[Turn]:
    """Words and their letters, the test set's words among them: known by heart or not at all."""
    instruction, draw = lang.INDUCTION["letters_list"]
    turns: list[Turn] = []
    for _ in range(r.between(1, 8)):
        word, letters = draw(r)
        turns.append(("user", f"Instruction: {instruction}\n\nInput: {word}\nOutput:", False))
        turns.append(("assistant", letters, True))
    return turns
