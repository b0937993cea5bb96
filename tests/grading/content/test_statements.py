"""Where an answer stands in wordy text: markers, headings, remarks and numbers beside it."""

from __future__ import annotations

import asyncio

import pytest

from heartloop.grading import open_grader
from heartloop.grading.content.surface import said_over_and_over
from heartloop.types import Completion, Gold, Question

FILMS = ("The Mask of Zorro", "Batman Begins", "Cannonball Run", "Heat")
LIKE = "Find a movie similar to Braveheart, Se7en:"


def read(kind: str, gold: str, text: str, shown: str, choices: tuple[str, ...] = ()) -> str:
    async def grade() -> str:
        grader = open_grader(kind)
        question = Question("q", "t", 0, shown, choices=choices)
        graded = await grader.grade(question, Gold("q", (gold,)), Completion(text))
        await grader.close()
        return str(graded.content.outcome)

    return asyncio.run(grade())


@pytest.mark.parametrize(
    ("gold", "text", "outcome"),
    [
        ("41", "The sum of the two numbers, 19 and 22, is 41.", "correct"),
        ("41", "The two numbers are 19 and 22.\n\nThe answer is 41.", "correct"),
        ("41", "0.9\nExplanation: 19 + 22 = 41\nMy confidence is 0.9", "correct"),
        ("41", "0.9\nExplanation: 19 + 22 = 42\nMy confidence is 0.9", "incorrect"),
        ("41", "result = add(19, 22)\n\nThe result is 41.", "correct"),
    ],
)
def test_a_sum_stands_where_the_text_gives_it(gold: str, text: str, outcome: str) -> None:
    assert read("ii_exact", gold, text, "19 22") == outcome


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("My recommendation is: Batman Begins", "correct"),
        ("I am confident in my answer. Batman Begins is similar.", "correct"),
        ("Why Heat is not the answer: it is slow.\n\nAnswer: Batman Begins", "correct"),
        ("The Mask of Zoro", "incorrect"),
        ("A film like Canonball Run", "incorrect"),
        ('The film like it is "Inception". It is not slow, unlike Heat.', "incorrect"),
        (
            "Based on the list:\n\n1. Inception\n   It is slow.\n\nThe main reason is its end.",
            "incorrect",
        ),
        ("There is no film like these.", "unscored"),
        ("I'm sorry, I cannot determine it. It is a popular film.", "unscored"),
        ("It is Batman Begins. To explain why that is the best choice:\nIt is slow.", "correct"),
    ],
)
def test_an_option_is_known_by_its_own_words(text: str, outcome: str) -> None:
    assert read("choice_text", FILMS[1], text, LIKE, FILMS) == outcome


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("Who was the founder of CBS?", "correct"),
        ("Who was the president of CBS?", "incorrect"),
    ],
)
def test_a_question_is_known_by_the_words_that_carry_it(text: str, outcome: str) -> None:
    asked = ("What was the name of CBS's founder?", "In 1951, who was the president of UPT?")
    shown = "The appropriate question is:\n"
    assert read("choice_text", asked[0], shown + text, "CBS was founded.", asked) == outcome


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ('"We won by nothing" is sarcastic. It does not praise the team or us.', "correct"),
        ('"We won by nothing" is not sarcastic.', "unscored"),
        ('"We won by a lot" is sarcastic since it is not so.', "incorrect"),
    ],
)
def test_a_labelled_statement_is_named_by_what_is_said_of_it(text: str, outcome: str) -> None:
    shown = "Q: (a) We won by nothing (b) We won by a lot"
    assert read("choice_text", "(a)", text, shown, ("(a)", "(b)")) == outcome


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("Invalid\nIt has no fallacies, making it a valid statement.", "incorrect"),
        (
            "Invalid\nOne might think that the first step is valid. Hence it is not valid.",
            "correct",
        ),
        ("Invalid\nTo be valid the second premise would have to hold.", "correct"),
    ],
)
def test_an_answer_whose_contrary_is_concluded_is_none_of_both(text: str, outcome: str) -> None:
    shown = "Q: All A are B. Therefore all B are A."
    assert read("choice_text", "Invalid", text, shown, ("Valid", "Invalid")) == outcome


def test_a_text_that_says_the_same_over_and_over_is_read_by_its_first_repeats() -> None:
    once = "The answer is Oslo. "
    for head, unit, tail in (("Hm. ", once, ""), ("", "```\n", ""), ("1, 2: ", once * 3, once[:9])):
        text = head + unit * (4000 // len(unit)) + tail
        short = said_over_and_over(text)
        assert text.startswith(short) and len(short) < len(head) + 8 * len(unit)
        assert short.endswith(text[-len(unit) :])
        # far more of it takes no longer: what is read does not grow
        assert len(said_over_and_over(head + unit * 4000 + tail)) < len(head) + 8 * len(unit)
    counted = "".join(f"{number}. The answer is Oslo.\n" for number in range(80))
    assert said_over_and_over(counted) == counted
    assert said_over_and_over("ab " * 20) == "ab " * 20
