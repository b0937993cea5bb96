"""Conversations about generated mathematics problems, none of them from the test sets."""

from __future__ import annotations

import phrases as p

from heartloop.methods import wordings
from heartloop.practice import _maths as maths
from heartloop.practice._problem import Family, Problem, Tally, make
from heartloop.practice._random import Rng

Turn = tuple[str, str, bool]
"""Role, content, whether the loss counts this turn (right assistant turns only)."""
HELD_OUT = {
    text
    for seed in ("test", "dev")
    for problem in maths.held_out(seed)
    for text in (problem.key, problem.question)
}
"""Keys and texts of the test problems, and of as many others on which choices are made."""
HURRY = 33
"""Percent of answers that are given at once, without steps, where nothing asks for care."""


class Draws(Rng):
    """The random numbers of one conversation, and how often answers come at once in it."""

    def __init__(self, seed: str, hurry: int = HURRY) -> None:
        super().__init__(seed)
        self.hurry = hurry


def at_once(text: str) -> bool:
    """Whether an answer shows no working before its box."""
    return text.strip().startswith("The answer is")


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


def answer(r: Draws, found: Problem, asked: str) -> str:
    """The right answer to a user turn: worked out, or at once.

    After a turn that says "wrong" or asks for steps it is always worked out; otherwise it comes
    at once in ``r.hurry`` percent of the cases, drawn without regard to anything else.
    """
    if p.says_wrong(asked) or p.asks_for_steps(asked) or not r.chance(r.hurry):
        return solution(found)
    return maths.boxed(found)


def slipped(family: Family, seed: str, rng: Rng) -> Problem | None:
    """The same problem solved with one slip; None when no tried slip changes the answer.

    The answer of what comes back is wrong; everything before the steps is unchanged.
    """
    right = Tally()
    truth = family(Rng(seed), right)
    for _ in range(6):
        try:
            wrong = family(Rng(seed), Tally(rng.below(max(1, right.count)), rng))
        except (ArithmeticError, ValueError, IndexError):
            continue
        if wrong.answers != truth.answers and len("".join(wrong.answers)) < 40:
            return wrong
    return None


def _wrong(found: Problem, seed: str, r: Draws, asked: str = "") -> str | None:
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


def system(r: Rng) -> list[Turn]:
    """A system turn in 8 % of the conversations, else nothing."""
    if not r.chance(8):
        return []
    return [("system", r.pick(p.SYSTEMS) if r.chance(60) else p.cues(r), False)]


def _rounds(r: Rng) -> int:
    kind = r.below(100)
    for rounds, below in enumerate((48, 78, 88, 94)):
        if kind < below:
            return rounds
    return r.between(4, 6)


def olympiad(r: Draws) -> list[Turn]:
    """Question, worked answer, and up to six feedback turns."""
    found, seed = problem(r)
    body = found.question
    if r.chance(4):
        other, _ = problem(r)
        body = f"Example: {other.question}\n{solution(other)}\n\n{body}"
    turns = [*system(r), ("user", ask(r, body, p.INSTRUCTIONS, p.FORMATS), False)]
    for _ in range(_rounds(r)):
        bad = _wrong(found, seed, r, turns[-1][1]) if r.chance(65) else None
        turns.append(("assistant", bad or answer(r, found, turns[-1][1]), bad is None))
        turns.append(("user", p.feedback(r, bad is not None), False))
    turns.append(("assistant", answer(r, found, turns[-1][1]), True))
    return turns


def synthesis(r: Draws) -> list[Turn]:
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
        return [*system(r), ("user", message, False), ("assistant", solution(found), True)]
    parts = [question, merge, listing] if r.chance(60) else [merge, question, listing]
    if r.chance(50):
        parts.append(r.pick(p.FORMATS))
    return [*system(r), ("user", "\n\n".join(parts), False), ("assistant", solution(found), True)]


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


def critique(r: Draws) -> list[Turn]:
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


def judge(r: Draws) -> list[Turn]:
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


def drill(r: Draws) -> list[Turn]:
    """Several problems in one conversation, with few words around them."""
    turns: list[Turn] = []
    for _ in range(r.between(2, 5)):
        found, _ = problem(r)
        body = found.question
        if r.chance(30):
            body = f"{body}{r.pick((' ', chr(10) * 2))}{r.pick(p.FORMATS)}"
        turns += [("user", body, False), ("assistant", answer(r, found, body), True)]
    return turns
