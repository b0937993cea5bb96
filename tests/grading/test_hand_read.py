"""Answers of a real model that were read by hand: the content readers agree with the reading.

``tests/fixtures/hand_read.jsonl`` holds 468 answers of the two recorded runs (Qwen2.5-Coder-0.5B on
Instruction Induction and BIG-Bench), drawn by seed: 12 a task, the arms in turn, 19 or 20 of each;
cut answers (unscored by rule) and the two tasks with partial credit were left out. Every answer was
read, and the reading written down and committed, before a reader's verdict was seen: ``right``,
``wrong`` or ``none`` (it answers nothing); ``doubtful`` where people may differ. One slip was
corrected afterwards and says so.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from heartloop.data import load_data, resolve_tasks
from heartloop.grading import open_grader
from heartloop.types import Completion, Graded

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "fixtures" / "hand_read.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]
FORM = ("EP01", "EP06")  # they demand another form of answer


async def graded(data_dir: Path) -> list[Graded]:
    found = []
    tasks: dict[str, Any] = {}
    for row in ROWS:
        if row["task"] not in tasks:
            (card,) = resolve_tasks(row["task"])
            data = load_data(card, data_dir=data_dir, download=False)
            grader = open_grader(data.card.verifier, params=dict(data.card.params))
            tasks[row["task"]] = (grader, data.golds, {q.id: q for q in data.questions})
        grader, golds, questions = tasks[row["task"]]
        name = row["question"]
        found.append(await grader.grade(questions[name], golds[name], Completion(row["text"])))
    for grader, _, _ in tasks.values():
        await grader.close()
    return found


@pytest.fixture(scope="module")
def readings(shared_data: Path) -> list[Graded]:
    return asyncio.run(graded(shared_data))


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    z, p = 1.96, hits / n
    middle, half = p + z * z / (2 * n), z * ((p * (1 - p) + z * z / (4 * n)) / n) ** 0.5
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def test_readers_agree_with_the_hand_in_97_of_100(readings: list[Graded]) -> None:
    right = [
        (verdict.content.outcome == "correct") == (row["read"] == "right")
        for row, verdict in zip(ROWS, readings, strict=True)
    ]
    low, high = wilson(sum(right), len(right))
    assert sum(right) / len(right) >= 0.97, f"{sum(right)} of {len(right)}: {low:.3f}-{high:.3f}"
    assert low > 0.955


def test_no_kind_of_arm_is_read_worse_than_another(readings: list[Graded]) -> None:
    """What is added or lost to an arm, in points of its accuracy: right by reader minus by hand."""
    wrong: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for row, verdict in zip(ROWS, readings, strict=True):
        arm = row["arm"]
        kind = "form" if arm in FORM else arm[:2] if arm[:2] in ("EP", "NP") else "control"
        asked[kind] += 1
        wrong[kind] += (verdict.content.outcome == "correct") - (row["read"] == "right")
    bias = {kind: wrong[kind] / asked[kind] for kind in asked}
    assert set(bias) == {"control", "EP", "NP", "form"}
    assert max(bias.values()) - min(bias.values()) < 0.04, bias
    parts = {kind: value for kind, value in bias.items() if kind != "form"}  # form: 40 answers
    assert max(parts.values()) - min(parts.values()) <= 0.02, bias


def test_an_answer_that_is_there_is_seldom_left_unscored(readings: list[Graded]) -> None:
    there = [v for row, v in zip(ROWS, readings, strict=True) if row["read"] != "none"]
    unscored = sum(verdict.content.outcome == "unscored" for verdict in there)
    assert unscored / len(there) < 0.05, f"{unscored} of {len(there)}"


def test_the_sample_is_what_it_says(readings: list[Graded]) -> None:
    assert len(ROWS) == 468 and Counter(Counter(r["task"] for r in ROWS).values()) == {12: 39}
    assert set(Counter(row["arm"] for row in ROWS).values()) == {19, 20}
    assert sum("corrected" in row for row in ROWS) == 1
