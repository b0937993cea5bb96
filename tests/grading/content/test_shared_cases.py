"""Choices, texts and hand-read real answers: what a careful reader writes down."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from heartloop.data import load_data, resolve_tasks
from heartloop.grading import open_grader
from heartloop.types import Completion, Gold, Graded, Question


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def graded(verifier: str, question: Question, gold: Gold, text: str, **options: Any) -> Graded:
    async def run() -> Graded:
        grader = open_grader(verifier, **options)
        try:
            return await grader.grade(question, gold, Completion(text))
        finally:
            await grader.close()

    return asyncio.run(run())


def test_every_choice_is_read_and_no_letter_is_wrong(shared: Path) -> None:
    missed = []
    for case in rows(shared / "cases" / "choice.jsonl"):
        question = Question("q", "t", 0, "?", choices=tuple(case["choices"]))
        answer = graded("choice", question, Gold("q", (case["gold"],)), case["text"]).own.answer
        if answer != case["expected_letter"]:
            missed.append((case["text"], case["expected_letter"], answer))
    assert missed == []


def test_every_short_text_is_judged_as_a_person_does(shared: Path) -> None:
    missed = []
    for case in rows(shared / "cases" / "text.jsonl"):
        golds = case["gold"] if isinstance(case["gold"], list) else [case["gold"]]
        question = Question("q", "t", 0, case["question"])
        own = graded("text", question, Gold("q", tuple(golds)), case["prediction"]).own
        if (own.outcome == "correct") != case["expected"]:
            missed.append((golds, case["prediction"], own))
    assert missed == []


REAL = {"correct": "correct", "incorrect": "incorrect", "no_answer": "unscored"}


def test_real_answers_that_were_read_by_hand(shared: Path) -> None:
    missed = []
    for case in rows(shared / "cases" / "real_answers.jsonl"):
        card = resolve_tasks(case["task"])[0]
        data = load_data(card, data_dir=str(shared / "data"), shots=0)
        by_id = {question.id: question for question in data.questions}
        question = by_id.get(case["question"])
        if question is None:
            question = Question("q", case["task"], 0, "", choices=tuple(case["choices"]))
        gold = data.golds.get(question.id) or Gold("q", tuple(case["gold"]))
        content = graded(
            data.card.verifier, question, gold, case["answer"], params=data.card.params
        ).content
        if content.outcome != REAL[case["right_verdict"]]:
            missed.append((case["task"], case["answer"][:60], content.outcome))
    # An echo of the loop's words goes on to box two values: they are an answer, and a wrong one.
    assert [m for m in missed if not m[1].startswith("Your answer was checked")] == []
    assert all(outcome == "incorrect" for *_, outcome in missed)


@pytest.mark.parametrize(
    "text",
    [
        "I apologize for the mistake. Please look at it again and give the final answer in the "
        "form that was asked for.",
        "Sure, please go through the steps and then give your final answer.",
        "The final answer is correct.",
        "I'm glad I could help.",
    ],
)
def test_words_of_the_loop_are_no_answer(text: str) -> None:
    found = graded("math", Question("q", "t", 0, "?"), Gold("q", ("12",)), text)
    assert found.own.outcome == found.content.outcome == "unscored"
    assert found.own.reason == "unparsed"


@pytest.mark.parametrize(
    ("task", "outcome", "detail"),
    [
        ("instruction_induction/letters_list", "unscored", "not the task: only a number"),
        ("bigbench/causal_judgment", "unscored", "not the task: only a number"),
        ("instruction_induction/sum", "incorrect", "'1' with"),  # there a number is an answer
        ("bigbench/object_counting", "incorrect", "'1' is not"),
    ],
)
def test_a_bare_confidence_has_one_name_in_every_suite(
    shared_data: Path, task: str, outcome: str, detail: str
) -> None:
    (card,) = resolve_tasks(task)
    data = load_data(card, data_dir=shared_data, download=False)
    question = data.questions[0]
    content = graded(
        data.card.verifier, question, data.golds[question.id], "1", params=dict(data.card.params)
    ).content
    assert content.outcome == outcome and detail in content.detail
