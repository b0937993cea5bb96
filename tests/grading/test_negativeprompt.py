"""The NegativePrompt code's scorers: what they accept, traps included, and content beside them."""

from __future__ import annotations

import asyncio

import pytest

from heartloop.grading import open_grader
from heartloop.types import Completion, Gold, Graded, Question


def grade(task: str, shown: str, golds: tuple[str, ...], text: str) -> Graded:
    question = Question("1", f"instruction_induction/{task}", 0, shown, meta={"raw_input": shown})
    grader = open_grader("ii_negativeprompt")
    return asyncio.run(grader.grade(question, Gold("1", golds), Completion(text)))


@pytest.mark.parametrize(
    ("task", "shown", "gold", "text", "right"),
    [
        ("sum", "9 53", "62", "Yes, I am sure that 9 + 53 equals 62", True),
        ("sum", "9 53", "62", "The sum is 61.", False),
        ("singular_to_plural", "sum", "sums", 'The plural of the noun "sum" is "sums".', True),
        ("sentence_similarity", "…", "3 - probably", "I would say 3", True),
        ("sentence_similarity", "…", "3 - probably", "4 - almost perfectly", False),
        ("larger_animal", "owl, tiger", "tiger", "The tiger is larger than the owl.", True),
        ("larger_animal", "owl, tiger", "tiger", "An owl is larger than a tiger.", False),
        ("first_word_letter", "cat", "c", "The first letter is c", True),
        ("first_word_letter", "cat", "c", "c", True),
        ("word_in_context", "…", "not the same", "Different.", True),
        ("sentiment", "…", "positive", "It is a positive text", True),
        ("sentiment", "…", "positive", "positive or negative", False),
        ("letters_list", "cat", "c a t", "C, A, T", True),
        ("rhymes", "beat", "meat", "meat", True),
        ("negation", "It is.", "It is not.", "It isn't.", False),
        ("negation", "I do.", "I do not.", "I don't.", True),
        ("synonyms", "big", "large", "large or huge", True),
        ("cause_and_effect", "Sentence 1: It rained. Sentence 2: I am wet.", "It rained.",
         "Sentence 1 is the cause.", True),
    ],
)  # fmt: skip
def test_rules_by_task(task: str, shown: str, gold: str, text: str, right: bool) -> None:
    verdict = grade(task, shown, (gold,), text)
    assert (verdict.own.outcome == "correct") == right, verdict.own.detail


def test_an_explained_mention_counts_there_and_not_by_content() -> None:
    verdict = grade("sum", "9 53", ("62",), "It is not 62 but 71.")
    assert verdict.own.outcome == "correct" and verdict.content.outcome != "correct"


def test_two_tasks_have_token_f1() -> None:
    verdict = grade("informal_to_formal", "Hi", ("Good morning sir",), "Good morning")
    assert verdict.own.score == pytest.approx(0.8)
