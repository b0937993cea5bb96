"""The label reader: what counts as naming a strategy, strictly and leniently."""

from __future__ import annotations

import asyncio

import pytest

from heartloop.analysis.preference import LABELS
from heartloop.cards import load_verifier
from heartloop.data.readers.esconv_build import ALIASES, normal_label
from heartloop.grading import open_grader
from heartloop.types import Completion, Gold, Graded, Question

QUESTION = Question("q", "esconv/action", 0, "…", choices=LABELS)
GOLD = Gold("q", ("Reflection of feelings",), {"utterance": "You sound sad."})


def graded(text: str, finish: str = "stop") -> Graded:
    async def run() -> Graded:
        grader = open_grader("esconv")
        try:
            return await grader.grade(QUESTION, GOLD, Completion(text, finish_reason=finish))
        finally:
            await grader.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Strategy: Reflection of feelings", "Reflection of feelings"),
        ("Strategy: Reflection of Feelings.", "Reflection of feelings"),
        ("**Strategy:** [Questions]\nUtterance: What happened?", "Question"),
        ("strategy: other", "Others"),
        ("Self-disclosure", "Self-disclosure"),
        ("They feel lost.\n\nStrategy: Restatement\nUtterance: So you lost it.", LABELS[1]),
        ('{"strategy": "Information", "utterance": "Others went through it."}', "Information"),
        ("\\boxed{Providing Suggestions}", "Providing Suggestions"),
        ("Strategy: Question\n…\nOn reflection:\nStrategy: Affirmation and Reassurance", LABELS[4]),
    ],
)
def test_the_strict_reader_takes_the_form_that_was_asked_for(text: str, label: str) -> None:
    found = graded(text)
    assert found.own.answer == found.content.answer == label
    assert found.own.outcome == ("correct" if label == GOLD.answers[0] else "incorrect")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("[Question] What happened?", "Question"),
        ("Question: what happened, and do you need information?", "Question"),
        ("I would use the strategy of self-disclosure here.", "Self-disclosure"),
        ("The best choice here would be Affirmation and Reassurance, I think.", LABELS[4]),
    ],
)
def test_the_content_reader_finds_a_label_in_other_forms(text: str, label: str) -> None:
    found = graded(text)
    assert found.own.outcome == "unscored" and found.own.reason == "unparsed"
    assert found.content.answer == label


@pytest.mark.parametrize("text", ["Strategy: be kind", "I am so sorry.", "Strategy:", "4"])
def test_no_label_is_unscored_and_never_others(text: str) -> None:
    found = graded(text)
    for verdict in (found.own, found.content):
        assert verdict.outcome == "unscored"
        assert verdict.answer != "Others"


def test_a_cut_answer_before_any_label_is_truncated() -> None:
    assert graded("The person feels", "length").own.reason == "truncated"


def test_labels_and_spellings_stand_in_the_card_as_in_the_reader() -> None:
    params = load_verifier("esconv").params
    assert tuple(params["labels"]) == LABELS
    assert {normal_label(k): v for k, v in params["aliases"].items()} == {
        v: v for v in params["aliases"].values()
    }
    assert {normal_label(k) for k in ALIASES} <= set(LABELS)
    assert len(params["aliases"]) == len(ALIASES)
    for spelling in ("[Question]", "Questions", "Other", "Reflection of Feelings", "reflection"):
        assert normal_label(spelling) in LABELS
    assert normal_label("Validation") is None
