"""Yes and no: what a clause says, what takes it back, what says the question again."""

from __future__ import annotations

import asyncio

import pytest

from heartloop.grading import open_grader
from heartloop.grading.content.polar import restates
from heartloop.types import Completion, Gold, Question

WALK = "If you follow these instructions, do you return to the starting point?"
MEANS = "Speaker 2: 'The stars don't tell the future.' Does Speaker 2's answer mean yes or no?"
CAUSED = "Did the hedgehog cause the problem?"
MEANT = "Did Mark intentionally kill some people?"
MIXER = "Did the guitar play because Sara did not turn off the mixer?"


@pytest.mark.parametrize(
    ("question", "text", "read"),
    [
        (WALK, "A: No, you do not return to the starting point.", "no"),
        (WALK, "No, I return to the starting point.", None),  # it takes itself back
        (WALK, "Yes, I am sure that's your final answer.", None),  # it speaks of itself
        (WALK, "Yes, I am out of my depth here.", None),
        (WALK, "No, I am not returning to the starting point.", "no"),
        (WALK, "Therefore, you cannot return to the starting point.", "no"),
        (MEANS, "0\nThis answer does not mean yes. It says nothing else.", "no"),
        (MEANS, "A: 1\n\nConfidence score: 0.7, as the speaker's answer does not mean no.", "yes"),
        (MEANS, "No, Speaker 2's answer does not mean yes or no.", "neither"),
        (MEANS, "The score is 0. His answer is not necessarily yes or no.", "neither"),
        (MEANS, 'I would classify this answer as "no".', "no"),
        (MEANS, "Both are positive. Therefore, my classification decision is yes.", "yes"),
        (MEANS, "Therefore, the answer is not yes but no.", "no"),
        (MEANS, "There is no information about what the speaker meant.", None),
        (MEANS, "Speaker 2's answer is \"The stars don't tell the future.\" It means no.", "no"),
        (CAUSED, "The hedgehog did not cause the problem.", "no"),
        (CAUSED, "Since no pencils were left, the hedgehog did cause the problem.", "yes"),
        (CAUSED, "The bear did not cause the problem.", None),
        (MEANT, "A: No, Mark intentionally killed some people.", None),
        (MEANT, "Mark killed some people.", None),  # the adverb was asked for
        (MIXER, "Yes, the guitar played because Sara turned off the mixer.", "yes"),
        (MIXER, "No, the guitar did not play because Sara did not turn off the mixer.", "no"),
    ],
)
def test_a_clause_is_read_as_yes_or_no(question: str, text: str, read: str | None) -> None:
    async def grade() -> str | None:
        grader = open_grader("choice_text")
        asked = Question("q", "t", 0, f"Q: {question}\nA: ", choices=("yes", "no"))
        graded = await grader.grade(asked, Gold("q", ("yes",)), Completion(text))
        await grader.close()
        return graded.content.answer if graded.content.outcome != "unscored" else None

    assert asyncio.run(grade()) == read


@pytest.mark.parametrize(
    ("clause", "agrees"),
    [
        ("Joe intentionally paid one dollar more.", True),
        ("Joe did not intentionally pay one dollar more.", False),
        ("Joe paid one dollar more.", None),
        ("It is not accidental that Joe paid one dollar more, intentionally.", True),
    ],
)
def test_a_question_is_known_when_it_is_said_again(clause: str, agrees: bool | None) -> None:
    assert restates(clause, "Did Joe intentionally pay one dollar more?") is agrees


def test_a_question_that_names_both_is_not_said_again() -> None:
    assert restates("Speaker 2's answer means something.", MEANS) is None
