"""The training stream: conversations made by the practice generator, none from the test sets."""

from __future__ import annotations

from typing import Any

import phrases as p

from heartloop.methods import wordings
from heartloop.practice import _language as lang
from heartloop.practice import _maths as maths
from heartloop.practice import _support as support
from heartloop.practice import rows
from heartloop.practice._problem import Problem, make, slipped
from heartloop.practice._random import Rng

Turn = tuple[str, str, bool]
"""Role, content, whether the loss counts this turn (right assistant turns only)."""


def _identity(row: dict[str, Any]) -> str:
    return f"{row['input']} {sorted(row.get('target_scores', ''))}"


HELD_OUT = {
    text
    for seed in ("test", "dev")
    for problem in maths.held_out(seed)
    for text in (problem.key, problem.question)
}
"""Keys and texts of the test problems, and of as many others on which choices are made."""
HURRIES = {"skills": 33, "conversation": 33, "feedback": 33, "verdict": 45}
HURRY = HURRIES["skills"]
"""Percent of answers that are given at once, without steps, where nothing asks for care.

The training sets it at the start of each phase, as it fills :data:`MISTAKES`.
"""
HELD_OUT_TEXTS = {_identity(row) for row in rows("bigbench")} | {
    f"{row['task']}:{row['input']}" for row in rows("instruction_induction")
}


def problem(r: Rng) -> tuple[Problem, str]:
    """A problem outside of the test set, and its seed."""
    names = list(maths.FAMILIES)
    while True:
        name = r.pick(names)
        seed = f"train/{r.bits()}"
        found = make(maths.FAMILIES[name], seed)
        if found.key not in HELD_OUT and found.question not in HELD_OUT:
            return found, seed


def solution(found: Problem) -> str:
    """The worked solution with its boxed answer."""
    return f"{found.steps} {maths.boxed(found)}"


def answer(r: Rng, found: Problem, asked: str) -> str:
    """The right answer to a user turn: worked out, or at once.

    After a turn that says "wrong" or asks for steps it is always worked out; otherwise it comes
    at once in :data:`HURRY` percent of the cases, drawn without regard to anything else.
    """
    if p.says_wrong(asked) or p.asks_for_steps(asked) or not r.chance(HURRY):
        return solution(found)
    return maths.boxed(found)


def _wrong(found: Problem, seed: str, r: Rng, asked: str = "") -> str | None:
    bad = slipped(maths.FAMILIES[found.family], seed, r)
    if bad is None:
        return None
    text = answer(r, bad, asked)
    return text[: r.below(len(text))] if r.chance(3) else text


def ask(r: Rng, body: str, instructions: tuple[str, ...], formats: tuple[str, ...]) -> str:
    """A first user message: instruction, input and answer format, with or without a phrase."""
    instruction = r.pick(instructions) if r.chance(85) else ""
    form = r.pick(formats) if r.chance(85) else ""
    if r.chance(12):
        instruction = f"{instruction} {r.pick(p.COT)}".strip()
    if r.chance(45):
        words = p.cues(r)
        place = r.below(10)
        if place < 5 and instruction:
            instruction = f"{instruction} {words}"
        elif place < 8:
            body = f"{body}{r.pick((' ', chr(10), chr(10) * 2))}{words}"
        else:
            instruction = f"{words} {instruction}".strip()
    if r.chance(15):
        body = r.pick(("Problem: ", "Question: ", "Problem:\n", "Question:\n", "Q: ")) + body
    parts = [part for part in (instruction, body, form) if part]
    return r.pick(("\n\n", "\n\n", "\n\n", "\n", " ")).join(parts)


def _system(r: Rng) -> list[Turn]:
    if not r.chance(8):
        return []
    return [("system", r.pick(p.SYSTEMS) if r.chance(60) else p.cues(r), False)]


def _rounds(r: Rng) -> int:
    kind = r.below(100)
    for rounds, below in enumerate((48, 78, 88, 94)):
        if kind < below:
            return rounds
    return r.between(4, 6)


def olympiad(r: Rng) -> list[Turn]:
    """Question, worked answer, and up to six feedback turns."""
    found, seed = problem(r)
    body = found.question
    if r.chance(4):
        other, _ = problem(r)
        body = f"Example: {other.question}\n{solution(other)}\n\n{body}"
    turns = [*_system(r), ("user", ask(r, body, p.INSTRUCTIONS, p.FORMATS), False)]
    for _ in range(_rounds(r)):
        bad = _wrong(found, seed, r, turns[-1][1]) if r.chance(65) else None
        turns.append(("assistant", bad or answer(r, found, turns[-1][1]), bad is None))
        turns.append(("user", p.feedback(r, bad is not None), False))
    turns.append(("assistant", answer(r, found, turns[-1][1]), True))
    return turns


def synthesis(r: Rng) -> list[Turn]:
    """One message that lists candidate answers; the right solution is the reply."""
    found, seed = problem(r)
    label, merge = r.pick(p.LABELS), r.pick(p.MERGE)
    own = r.chance(50)
    short = r.chance(25)
    lines = []
    rate = r.pick((20, 50, 80))
    for i in range(r.between(2, 6)):
        bad = _wrong(found, seed, r) if not r.chance(rate) else None
        text = bad or answer(r, found, "")
        if short and "\\boxed" in text:
            text = text[text.index("$\\boxed") :]
        if own:
            lines.append(wordings.CANDIDATE.format(number=i + 1, text=text))
        else:
            lines.append(f"{label} {i + 1}:{r.pick((chr(10), ' '))}{text}")
    listing = r.pick(("\n\n", "\n")).join(lines)
    question = ask(r, found.question, p.INSTRUCTIONS, p.FORMATS)
    if own:
        head = wordings.SYNTHESIS_HEAD.format(count=len(lines))
        end = wordings.CANDIDATES_END
        message = "\n\n".join((question, head, *lines, end, wordings.SYNTHESIS_TASK))
        return [*_system(r), ("user", message, False), ("assistant", solution(found), True)]
    parts = [question, merge, listing] if r.chance(60) else [merge, question, listing]
    if r.chance(50):
        parts.append(r.pick(p.FORMATS))
    return [*_system(r), ("user", "\n\n".join(parts), False), ("assistant", solution(found), True)]


CRITIQUE = (
    wordings.GIVE_FEEDBACK,
    wordings.GIVE_FEEDBACK,
    "Give short feedback on this answer. Do not solve the problem again.",
    "Point out what is weak in the answer above.",
    "Review the answer and say what could be improved.",
    "Write a brief critique of the solution.",
)
IMPROVE = (
    wordings.USE_FEEDBACK,
    wordings.USE_FEEDBACK,
    "Now use the feedback to write an improved answer.",
    "Improve the answer with this feedback.",
    "Write the answer again with the feedback in mind.",
)


def critique(r: Rng) -> list[Turn]:
    """Own feedback, then a new answer; in one conversation, or in one message."""
    found, seed = problem(r)
    bad = _wrong(found, seed, r) if r.chance(50) else None
    text = bad or answer(r, found, "")
    said = (
        r.pick(
            ("One of the steps looks wrong. Do the numbers again.", "There is a slip in a step.")
        )
        if bad
        else r.pick(("The steps look right.", "I see no mistake in the steps."))
    )
    question = ask(r, found.question, p.INSTRUCTIONS, p.FORMATS)
    if r.chance(60):
        return [
            ("user", question, False),
            ("assistant", text, bad is None),
            ("user", r.pick(CRITIQUE), False),
            ("assistant", said, True),
            ("user", r.pick(IMPROVE), False),
            ("assistant", solution(found), True),
        ]
    message = f"{question}\n\nAnswer:\n{text}\n\nFeedback:\n{said}\n\n{r.pick(IMPROVE)}"
    return [("user", message, False), ("assistant", solution(found), True)]


RATE = (
    "Rate the answer above from 0 to 10. Reply with the number only.",
    "How sure are you that the answer is right? Give a number from 0 to 10.",
    "Score this solution between 0 and 10.",
)
BETTER = (
    "Which answer is better, A or B? Reply with one letter.",
    "Choose the better of the two answers. Reply with A or B only.",
    "Which of the two solutions is right? Answer with the letter.",
)


def judge(r: Rng) -> list[Turn]:
    """A score for one answer, or the better of two."""
    found, seed = problem(r)
    bad = _wrong(found, seed, r)
    question = ask(r, found.question, p.INSTRUCTIONS, p.FORMATS)
    if bad is None:
        return olympiad(r)
    good = answer(r, found, "")
    if r.chance(50):  # heartloop's own wordings
        if r.chance(50):
            right = r.chance(50)
            shown = wordings.CANDIDATE.format(number=1, text=good if right else bad)
            parts = (question, wordings.SCORE_HEAD, shown, wordings.CANDIDATES_END)
            score = r.between(60, 95) if right else r.between(5, 40)
            message = "\n\n".join((*parts, wordings.SCORE_TASK))
            return [("user", message, False), ("assistant", f"Score: {score}", True)]
        first = r.chance(50)
        listed = [
            wordings.CANDIDATE.format(number=i + 1, text=text)
            for i, text in enumerate((good, bad) if first else (bad, good))
        ]
        parts = (question, wordings.COMPARE_HEAD, *listed, wordings.CANDIDATES_END)
        message = "\n\n".join((*parts, wordings.COMPARE_TASK))
        return [("user", message, False), ("assistant", f"Better: {1 if first else 2}", True)]
    if r.chance(50):
        right = r.chance(50)
        text = good if right else bad
        score = str(r.between(7, 10) if right else r.between(0, 4))
        if r.chance(50):
            return [
                ("user", question, False),
                ("assistant", text, False),
                ("user", r.pick(RATE), False),
                ("assistant", score, True),
            ]
        message = f"{question}\n\n{r.pick(('Answer', 'Solution'))}:\n{text}\n\n{r.pick(RATE)}"
        return [("user", message, False), ("assistant", score, True)]
    first = r.chance(50)
    pair = (good, bad) if first else (bad, good)
    head = r.pick(("Answer ", "Solution ", "", "Candidate "))
    message = f"{question}\n\n{head}A:\n{pair[0]}\n\n{head}B:\n{pair[1]}\n\n{r.pick(BETTER)}"
    return [("user", message, False), ("assistant", "A" if first else "B", True)]


# --- The small tasks ---------------------------------------------------------------------

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
    return _follow(r, [*_system(r), ("user", user, False)], answers[right], answers[other])


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
    return _follow(r, [*_system(r), ("user", user, False)], right, None)


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
    return _follow(r, [*_system(r), ("user", user, False)], wanted, draw(r)[1])


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
    return _follow(r, [*_system(r), ("user", user, False)], answer, None)


def drill(r: Rng) -> list[Turn]:
    """Several problems in one conversation, with few words around them."""
    turns: list[Turn] = []
    for _ in range(r.between(2, 5)):
        found, _ = problem(r)
        body = found.question
        if r.chance(30):
            body = f"{body}{r.pick((' ', chr(10) * 2))}{r.pick(p.FORMATS)}"
        turns += [("user", body, False), ("assistant", answer(r, found, body), True)]
    return turns


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


MISTAKES: list[dict[str, Any]] = []
"""What a checkpoint said to training problems (``mistakes.py``); filled before the third phase."""


def own_answer(r: Rng) -> list[Turn]:
    """Pocket's own earlier answer, right or wrong, feedback, and the right solution."""
    wanted = r.chance(60)  # wrong ones
    for _ in range(200):
        record = r.pick(MISTAKES)
        # Answers at once are mostly wrong: the worked-out mistakes teach more.
        hurried = record["said"].startswith("The answer is") and r.chance(60)
        if record["right"] != wanted and not hurried:
            break
    else:  # a checkpoint that is never right, or never wrong
        return olympiad(r)
    turns = [*_system(r), ("user", record["question"], False)]
    turns.append(("assistant", record["said"], False))
    turns.append(("user", p.feedback(r, not record["right"]), False))
    if r.chance(20):  # the same mistake again, and told again
        turns.append(("assistant", record["said"], False))
        turns.append(("user", p.feedback(r, not record["right"]), False))
    found = make(maths.FAMILIES[record["family"]], record["seed"])
    return [*turns, ("assistant", answer(r, found, turns[-1][1]), True)]


PHASES = {
    "skills": (
        50,
        (
            (olympiad, 52),
            (synthesis, 7),
            (critique, 3),
            (judge, 4),
            (choice, 7),
            (exact, 3),
            (induction, 3),
            (facts, 3),
            (support_turn, 3),
            (quick, 15),
        ),
    ),
    "conversation": (
        15,
        (
            (olympiad, 40),
            (synthesis, 7),
            (critique, 3),
            (judge, 3),
            (choice, 8),
            (exact, 2),
            (induction, 3),
            (facts, 2),
            (support_turn, 4),
            (quick, 28),
        ),
    ),
    "feedback": (
        5,
        (
            (own_answer, 34),
            (olympiad, 20),
            (synthesis, 6),
            (critique, 3),
            (judge, 3),
            (choice, 8),
            (exact, 2),
            (induction, 3),
            (facts, 1),
            (support_turn, 4),
            (quick, 16),
        ),
    ),
    "verdict": (
        5,
        (
            (own_answer, 43),
            (olympiad, 20),
            (synthesis, 6),
            (critique, 3),
            (judge, 2),
            (choice, 5),
            (exact, 2),
            (induction, 2),
            (facts, 1),
            (support_turn, 3),
            (quick, 8),
            (spelling, 5),
        ),
    ),
}
"""For each phase of the training: percent of drills, and the share of 100 of each other kind."""


def conversation(seed: str, phase: str = "conversation") -> list[Turn]:
    """The conversation with this seed in one phase of the training."""
    r = Rng(seed)
    drills, mix = PHASES[phase]
    if r.chance(drills):
        return drill(r)
    at = r.below(100)
    for kind, share in mix:
        if at < share:
            return kind(r)
        at -= share
    raise AssertionError("shares do not add up to 100")
