"""What stands behind a bare score, a label of the item or an introduction is the answer."""

from __future__ import annotations

import asyncio

import pytest

from heartloop.grading import open_grader
from heartloop.types import Completion, Gold, Question


@pytest.mark.parametrize(
    ("item", "gold", "text", "right"),
    [
        ("14 37", "51", "1\nConfidence score: 0.5\nExplanation: The sum of 14 and 37 is 51.", True),
        ("14 37", "51", "Classification: 1.0\nThe output is 14 + 37, which equals 51.", True),
        ("14 37", "51", "Output: 84\nExplanation: 14 + 37 equals 51.", False),  # it said 84
        ("14 37", "51", "1. **Input**: `14 37`.\n2. **Result**: The result is `51`.\n3. As the "
         "result is the same as the sum, the confidence score is 1.", True),
        ("whale, flea", "whale", "Yes, we know that whale is larger than flea.", True),
        ("whale, flea", "whale", "4\n\nThis answer is correct. The larger animal is whale.", True),
        ("whale, flea", "whale", "Therefore, my classification decision is:\nThe larger animal is "
         "whale.", True),
        ("whale, flea", "whale", "Both live. In conclusion, based on this, whale is the larger"
         " animal.", True),
        ("Rome burnt.", "Rome did not burn.", "Sentence: Rome burnt.\nNegated sentence: Rome did "
         "not burn.", True),
        ("Rome burnt.", "Rome did not burn.", "It is odd.\nThe negated sentence is:\n\"Rome did "
         "not burn. \"", True),
        ("job", "profession", 'The word "job" translates to "profession" in French.', True),
    ],
)  # fmt: skip
def test_an_answer_is_found_behind_what_is_none(
    item: str, gold: str, text: str, right: bool
) -> None:
    async def grade() -> str:
        grader = open_grader("ii_exact")
        asked = Question("q", "t", 0, f"Instruction: Do it.\n\nInput: {item}\nOutput:")
        graded = await grader.grade(asked, Gold("q", (gold,)), Completion(text))
        await grader.close()
        return graded.content.outcome

    assert (asyncio.run(grade()) == "correct") is right
