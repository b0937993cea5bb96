"""Answers of a real model that were read by hand: the content readers agree with the reading.

Files of answers of the two recorded runs (Qwen2.5-Coder-0.5B on Instruction Induction and
BIG-Bench), cut answers left out. ``hand_read.jsonl``: 468, 12 a task, the arms in turn.
``hand_read_2.jsonl``: 256, drawn later by another seed among the others: 48 of each of none, EP01,
EP04 and EP06, 64 of the other arms, the tasks in turn within each. Every answer was read, and the
reading written down and committed, before a reader's verdict was seen: ``right``, ``wrong`` or
``none`` (it answers nothing); ``doubtful`` where people may differ. Blind, the second set agreed in
254 of 256. ``hand_read_3.jsonl``: 272 of BIG-Bench alone, 16 a task, 51 of each of the four arms,
read blind by another session after its choices had been mended: 264 agreed, and 7 of the 189 that
hold an answer were unscored. ``hand_read_4.jsonl``: 400, 20 of each BIG-Bench task and 60 of
Instruction Induction, 100 of each of the four arms; before any mend 387 agreed (none 98, EP01 95,
EP04 100, EP06 94), and 12 of the 274 that hold an answer were unscored. One slip of the first was
corrected afterwards and says so. ``hand_read_5.jsonl`` to ``hand_read_12.jsonl``: 6,849 more, each
read by two readers apart; where they differed (21 on right or not, κ 0.98 to 1.00), a third reading
settled it (``settled``). ``hand_read_13.jsonl`` and ``hand_read_14.jsonl``: 921 and 1,433 more,
read twice likewise (5 settled, κ 0.99); 1,312 of them were generated later (``run``: ``later``) by
the same model from the recorded prompts, on questions that the runs had not asked (but for
cause_and_effect, which has no others). docs/grading.md says how the readers stood when each was
opened.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pytest

from heartloop.data import load_data, resolve_tasks
from heartloop.grading import open_grader
from heartloop.types import Completion, Graded

FIXTURES = Path(__file__).parent.parent / "fixtures"


def read_rows(name: str) -> list[dict[str, Any]]:
    lines = (FIXTURES / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


FIRST, SECOND = read_rows("hand_read.jsonl"), read_rows("hand_read_2.jsonl")
THIRD, FOURTH = read_rows("hand_read_3.jsonl"), read_rows("hand_read_4.jsonl")
TWICE = [read_rows(f"hand_read_{number}.jsonl") for number in range(5, 15)]
PARTS = (FIRST, SECOND, THIRD, FOURTH, *TWICE)
ROWS = [row for part in PARTS for row in part]
NAMED = ("EP01", "EP04", "EP06")  # arms that answer in a form of their own


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


STARTS = [0, *accumulate(map(len, PARTS))]


@pytest.mark.parametrize("part", [slice(a, b) for a, b in pairwise(STARTS)])
def test_readers_agree_with_the_hand_in_97_of_100(readings: list[Graded], part: slice) -> None:
    right = [
        (verdict.content.outcome == "correct") == (row["read"] == "right")
        for row, verdict in zip(ROWS[part], readings[part], strict=True)
    ]
    low, high = wilson(sum(right), len(right))
    assert sum(right) / len(right) >= 0.97, f"{sum(right)} of {len(right)}: {low:.3f}-{high:.3f}"
    assert low > 0.955


def test_no_kind_of_arm_is_read_worse_than_another(readings: list[Graded]) -> None:
    """What is added or lost to an arm, in points of its accuracy: right by reader minus by hand.

    2,381 answers or more an arm that is named here; one answer is 0.04 points. What is read wrong
    either way, added or lost, is no more than 2 points apart either, as it was in draw 14 blind.
    """
    wrong: Counter[str] = Counter()
    either: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for row, verdict in zip(ROWS, readings, strict=True):
        arm = row["arm"]
        kind = arm if arm in (*NAMED, "none") else "others"
        asked[kind] += 1
        added = (verdict.content.outcome == "correct") - (row["read"] == "right")
        wrong[kind] += added
        either[kind] += abs(added)
    assert {kind: asked[kind] >= 800 for kind in asked} == dict.fromkeys(
        (*NAMED, "none", "others"), True
    )
    bias = {kind: wrong[kind] / asked[kind] for kind in asked}
    assert max(bias.values()) - min(bias.values()) <= 0.02, bias
    named = {kind: either[kind] / asked[kind] for kind in ("none", *NAMED)}
    assert max(named.values()) - min(named.values()) <= 0.02, named


@pytest.mark.parametrize("suite", ["instruction_induction", "bigbench"])
def test_an_answer_that_is_there_is_seldom_left_unscored(
    readings: list[Graded], suite: str
) -> None:
    there = [
        verdict
        for row, verdict in zip(ROWS, readings, strict=True)
        if row["read"] != "none" and row["task"].startswith(suite)
    ]
    unscored = sum(verdict.content.outcome == "unscored" for verdict in there)
    assert unscored / len(there) < 0.05, f"{unscored} of {len(there)}"


def test_the_samples_are_what_they_say() -> None:
    assert len(FIRST) == 468 and Counter(Counter(r["task"] for r in FIRST).values()) == {12: 39}
    assert set(Counter(row["arm"] for row in FIRST).values()) == {19, 20}
    assert sum("corrected" in row for row in FIRST) == 1
    arms = Counter(row["arm"] for row in SECOND)
    assert len(SECOND) == 256 and {arms[arm] for arm in ("none", *NAMED)} == {48}
    arms = Counter(row["arm"] for row in THIRD)
    assert len(THIRD) == 272 and {arms[arm] for arm in ("none", *NAMED)} == {51}
    arms = Counter(row["arm"] for row in FOURTH)
    assert len(FOURTH) == 400 and {arms[arm] for arm in ("none", *NAMED)} == {100}
    arms = [Counter(row["arm"] for row in part) for part in TWICE]
    assert [len(part) for part in TWICE] == [
        1280, 1246, 1040, 780, 818, 541, 528, 616, 921, 1433,
    ]  # fmt: skip

    least = [min(found[arm] for arm in ("none", *NAMED)) for found in arms]
    assert least == [292, 282, 232, 189, 193, 125, 132, 154, 204, 356]
    assert sum("settled" in row for part in TWICE for row in part) == 26
    assert sum(row.get("run") == "later" for row in ROWS) == 1312
    asked = [(row["task"], row["question"], row["arm"], row.get("run")) for row in ROWS]
    assert len(set(asked)) == len(asked)
