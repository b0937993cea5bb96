"""Invariants of all content readers: content is never less than an own reader's verdict."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heartloop.cards import list_cards, load_verifier
from heartloop.errors import CardError
from heartloop.grading import open_grader
from heartloop.grading.content import READERS, Asked
from heartloop.grading.grader import Grader
from heartloop.grading.phrases import without_own_words
from heartloop.grading.response import RESPONSE
from heartloop.methods import wordings
from heartloop.types import Completion, Gold, Graded, Question

CHOICES = ("red panda", "blue whale", "green frog")
QUESTIONS = {
    "choice": (Question("q", "t", 0, "Which?", choices=CHOICES), Gold("q", ("B",))),
    "choice_text": (
        Question("q", "t", 0, "Which?", choices=CHOICES),
        Gold("q", ("blue whale",), {"target_scores": {name: 0.0 for name in CHOICES}}),
    ),
    "label": (Question("q", "t", 0, "Which?", choices=CHOICES), Gold("q", ("blue whale",))),
    "esconv": (Question("q", "t", 0, "?"), Gold("q", ("Question",))),
    "math": (Question("q", "t", 0, "?"), Gold("q", ("42",))),
    "numeric_range": (Question("q", "t", 0, "?"), Gold("q", ("42",), {"range": [40, 44]})),
    "regex": (Question("q", "t", 0, "?"), Gold("q", ("blue.*",))),
}
PLAIN = (Question("q", "t", 0, "What is big and blue?"), Gold("q", ("blue whale",)))
OWN = [
    ref.name
    for ref in list_cards("verifiers")
    if load_verifier(ref.name).kind not in ("judge", "choice_loglik")
    and not load_verifier(ref.name).published
]
PIECES = [
    "blue whale", "Blue whale.", "the blue whale", "B", "(B)", "42", "Question", "red panda", "not",
    "Answer:", "The answer is", "\\boxed{blue whale}", "\\boxed{42}", "\\boxed{B}", "or", "because",
    "Wait,", "Strategy: Question", "\n", "**", '"', "It is", "Output:", "is larger than", ", 0.9",
]  # fmt: skip


def grade(grader: Grader, name: str, text: str) -> Graded:
    question, gold = QUESTIONS.get(name, PLAIN)

    async def run() -> Graded:
        try:
            return await grader.grade(question, gold, Completion(text))
        finally:
            await grader.close()

    return asyncio.run(run())


@pytest.mark.parametrize("name", OWN)
def test_content_is_never_less_than_an_own_metric(name: str) -> None:
    seen = set()

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.sampled_from(PIECES), max_size=7))
    def check(pieces: list[str]) -> None:
        found = grade(open_grader(name), name, " ".join(pieces))
        seen.add(found.own.outcome)
        if found.own.outcome == "correct":
            assert found.content.outcome == "correct"
        if name not in RESPONSE:  # a mood has no form that was asked for
            assert (found.form is None) == (found.content.outcome != "correct")

    check()
    assert name in RESPONSE or "incorrect" in seen or "unscored" in seen


@pytest.mark.parametrize("name", OWN)
def test_a_published_rule_is_read_apart(name: str) -> None:
    grader = open_grader(name, params={"compat": "official"})
    found = grade(grader, name, "I doubt that it is the blue whale.")
    assert found.content.outcome != "correct" or name in ("contains", "regex")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200), st.sampled_from(sorted(READERS)))
def test_any_text_can_be_read(text: str, reader: str) -> None:
    found = READERS[reader](text, Asked("Which?", CHOICES))
    for candidate in found.candidates:
        assert candidate.answer.strip() or reader == "whole"
        if candidate.span is not None:
            assert 0 <= candidate.span[0] <= candidate.span[1] <= len(text)
    assert found.candidates or found.reason and found.detail


def test_the_loops_own_words_are_known() -> None:
    sentences = [
        sentence
        for name, value in vars(wordings).items()
        if name.isupper() and isinstance(value, str)
        for sentence in re.split(r"(?<=[.!?])\s+|\n+", value)
        if re.search(r"\banswer\b.*(?:asked for|correct|once more|task)|checked|reached", sentence)
        and not re.search(r"given to|Here |Do not (?:answer|write)|reviewer", sentence)
    ]
    assert len(sentences) >= 8
    for sentence in sentences:
        left = without_own_words(sentence)
        assert len(left) == len(sentence)
        assert len(left.split()) < len(sentence.split()) / 2, sentence


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("I'm sorry, but I can't help with that.", "refused"),
        ("As an AI, I am unable to answer this.", "refused"),
        ("I must decline to answer.", "refused"),
        ("I'm sorry to hear that you feel this way.", "unparsed"),
        ("I apologize for my mistake. Let me work on it.", "unparsed"),
        ("I'm afraid this makes me sad.", "unparsed"),
    ],
)
def test_a_refusal_declines_the_task(text: str, reason: str) -> None:
    found = grade(open_grader("math"), "math", text)
    assert found.own.reason == found.content.reason == reason


@pytest.mark.parametrize("verifier", ["choice", "text", "math"])
def test_a_cut_answer_is_no_answer(verifier: str) -> None:
    text = {"choice": "The answer is B", "text": "It is blue whale", "math": "The answer is 42"}
    question, gold = QUESTIONS.get(verifier, PLAIN)

    async def run() -> Graded:
        grader = open_grader(verifier)
        try:
            return await grader.grade(question, gold, Completion(text[verifier], "length"))
        finally:
            await grader.close()

    assert asyncio.run(run()).own.reason == "truncated"


def test_a_card_of_before_and_an_unknown_reader_are_refused_in_words(tmp_path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nkind: exact\nextract:\n  lenient: [boxed]\n")
    with pytest.raises(CardError, match=r"mine.yaml:4: extract.lenient: is replaced by"):
        open_grader(str(path))
    path.write_text("name: mine\nkind: exact\ncontent: prose\n")
    with pytest.raises(CardError, match='unknown reader "prose"; one of: choice, label'):
        open_grader(str(path))
