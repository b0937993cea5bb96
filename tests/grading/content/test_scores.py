"""An answer beside its confidence score, its reasons and other remarks on itself."""

from __future__ import annotations

import asyncio

import pytest

from heartloop.grading import open_grader
from heartloop.types import Completion, Gold, Question, Verdict

MOVIES = ("Seven", "Batman", "The Fifth Element", "Forrest Gump")
EDITS = ("pet shop boys", "pet shop toys", "pt shop boys")
ASKED = ("Where does the parliament's work get done?", "Who leads the parliament in Scotland now?")
NLI = ("entailment", "non-entailment")


def content(verifier: str, question: Question, gold: str, text: str) -> Verdict:
    async def grade() -> Verdict:
        grader = open_grader(verifier)
        graded = await grader.grade(question, Gold("q", (gold,)), Completion(text))
        await grader.close()
        return graded.content

    return asyncio.run(grade())


@pytest.mark.parametrize(
    ("gold", "text", "right"),
    [
        ("fights", '0\n\nThe plural of the noun "fight" is "fights".', True),
        ("c", "1. First letter: c\n2. Confidence score: 0.5\n3. Reason: it comes first.", True),
        (
            "letra",
            'The word translates to Spanish as "letra" and has a confidence score of 0.',
            True,
        ),
        ("humpback whale", "Of ant and humpback whale, the larger one is:\nhumpback whale", True),
        ("rabbit", "Rabbit.\nTherefore, the main reason for this decision is its size.", True),
        ("rabbit", "Output: 0.8\nMain reasons:\n1. Rabbit is a long-eared animal.", False),
        ("There was a storm.", "The cause of Sentence 2 is that there was a storm.", True),
        ("53", "No, your final answer is not accurate. 62 minus 9 is 53.", True),
        (
            "17",
            "The result is \\(\\boxed{17}\\). The confidence score is \\(\\boxed{0.6}\\).",
            True,
        ),
        ("4", "The result is 4, which corresponds to a confidence score of 0.5.", True),
        ("professor", "The words are:\n1. professor\n2. jealousy", False),
    ],
)
def test_a_short_text_is_read_beside_its_score(gold: str, text: str, right: bool) -> None:
    verdict = content("ii_exact", Question("q", "t", 0, "?"), gold, text)
    assert (verdict.outcome == "correct") is right, verdict


@pytest.mark.parametrize(
    ("choices", "gold", "text", "outcome"),
    [
        (MOVIES, "Seven", 'It is "Seven". Therefore, the answer is 1.', "correct"),
        (MOVIES, "Seven", "Seven. The confidence score for this answer is 1.", "correct"),
        (MOVIES, "The Fifth Element", 'The movie closest to Alien and Seven, is '
         '"The Fifth Element" (1997).', "correct"),
        (MOVIES, "Seven", "Here are some movies:\n\n1. **Seven**: dark.\n2. **Batman**: odd.",
         "incorrect"),
        (MOVIES, "Seven", "Seven is a classic.\n\nBatman is a classic.", "incorrect"),
        (MOVIES, "Seven", 'The movie similar to "Heat" is "Inception".', "incorrect"),
        (MOVIES, "Seven", "The movie that is closest to Heat is **Seven**, which I suggest.",
         "correct"),
        (NLI, "non-entailment", "We can conclude that there is no entailment between them.",
         "correct"),
        (MOVIES, "Seven", 'Based on the choice "Seven," here are some similar movies:\n1. Alien\n'
         "2. Heat\n3. Ran", "incorrect"),
        (EDITS, "pet shop toys", 'This edit of "pet shop boys" is "pet shop toys".', "correct"),
        (ASKED, ASKED[0], "Which place does the parliament's work get done?", "correct"),
        (ASKED, ASKED[0], f"Question: {ASKED[0]}\nThe short answer is \"committee\".", "correct"),
        (NLI, "entailment", "They are entailed by each other.\n\nConfidence score: 1", "correct"),
        (NLI, "entailment", "The answer is 'entailment' and the confidence score is 1.", "correct"),
        (NLI, "non-entailment", "Since they are not the same, the relation between them is "
         "**non-entailment**.", "correct"),
        (NLI, "non-entailment", "Non-entailment\n\nIf one is true, so is the other. This is the "
         "essence of entailment.", "correct"),
    ],
)  # fmt: skip
def test_a_choice_is_read_beside_its_score(
    choices: tuple[str, ...], gold: str, text: str, outcome: str
) -> None:
    shown = "Which?\n" + "\n".join(f"  choice: {choice}" for choice in choices)
    question = Question("q", "t", 0, shown, choices=choices)
    assert content("choice_text", question, gold, text).outcome == outcome


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("```\n[ [ ] ]\n```", "correct"),
        ("```json\n[\n  { }\n]\n```", "incorrect"),  # lines of one block are one sequence
        ("[ [ ] ]\n\nTherefore, the output is 1.", "incorrect"),
        ("The sequence is fine.\n\nOutput: 3", "incorrect"),
        ("Input: [ [ ]\nOutput: [ [ ] ]\n\nThe brace `[]` is closed.", "correct"),
        ("The completed sequence:\n\n1. [ [ ]", "incorrect"),
    ],
)
def test_signs_of_one_block_are_one_sequence(text: str, outcome: str) -> None:
    question = Question("q", "t", 0, "Input: [ [ ]")
    assert content("exact", question, "]", text).outcome == outcome
