"""A summary is the same to the last digit in whatever order a run's lines came."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from heartloop.calls import Journal
from heartloop.calls.keys import call_key
from heartloop.errors import CallError
from heartloop.run.folder import RunFolder
from heartloop.run.summary import summarize
from heartloop.run.totals import journal_totals
from heartloop.types import Address, Completion, Message, Request, Usage

SEEDS = (0, 1, 2)
MANIFEST: Any = {
    "plan": {
        "seeds": SEEDS,
        "models": ["m"],
        "arms": [
            {"name": name, "method": method, "role": "treatment", "stimuli": [], "params": {}}
            for name, method in (("loop", "heart"), ("draws", "resample"))
        ],
    },
    "tasks": [{"task": task, "mode": "verifier-free", "items": 9} for task in ("t", "a")],
    "data": [],
}


def line(task: str, question: int, seed: int, arm: str, place: int, **more: Any) -> dict[str, Any]:
    draw = random.Random(f"{task} {question} {seed} {arm} {place}")
    outcome = draw.choice(["correct", "incorrect", "incorrect", "unscored"])
    score = {"correct": 1.0, "incorrect": round(draw.random(), 3), "unscored": None}[outcome]
    loop = arm == "loop"
    return {
        "task": task, "question": f"q{question}", "index": question, "seed": seed, "model": "m",
        "arm": arm, "round": place if loop else 0, "draw": 0 if loop else place,
        "purpose": "answer", "key": f"{place:02}", "outcome": outcome, "reason": None,
        "answer": draw.choice("xyz"), "score": score, "content": {"outcome": outcome},
        "detail": "", "selected": False, "last": False, "finish_reason": "stop", "calls": 1,
        "usage": {"prompt": 1, "completion": 1, "reasoning": 0, "cached": 0},
        "cost": draw.random() / 7, "holds_gold": {"gold": "g", "answer": draw.choice("pqrstuv")},
        **more,
    }  # fmt: skip


def traces() -> list[list[dict[str, Any]]]:
    found = []
    for task in ("t", "a"):
        for question in range(9):
            for seed in SEEDS[: 3 if question else 2]:  # one question is not finished
                for arm in ("loop", "draws"):
                    lines = [line(task, question, seed, arm, place) for place in range(4)]
                    lines[-1] |= {"selected": True, "last": True}
                    found.append(lines)
    return found


def written(lines: list[list[dict[str, Any]]]) -> str:
    paid: Any = {"calls": 0, "tokens": {}, "cost": None, "selecting": {}}
    return json.dumps(
        summarize(lines, MANIFEST, run="r", paid=paid, wall_s=0.0, stopped="interrupted")
    )


def test_no_figure_hangs_on_the_order_of_the_verdicts() -> None:
    lines = traces()
    first = written(lines)
    rows = json.loads(first)["arms"]
    assert {row["repeats"]["draws"] for row in rows if row["arm"] == "draws"} == {8}
    assert all(row["cost"] and row["score"] for row in rows)
    assert list(json.loads(first)["doubtful"]) == ["a", "t"]
    for seed in range(5):
        random.Random(seed).shuffle(lines)
        assert written(lines) == first


def test_no_figure_hangs_on_the_order_of_the_journal(tmp_path: Path) -> None:
    def asked(question: int) -> Request:
        address = Address("task", str(question), "m", 0, 0, 0)
        return Request(address, (Message("user", f"{question}?"),), arm="a")

    with Journal.open(tmp_path) as journal:
        for i in range(40):
            key = call_key(asked(i))
            if i % 4 == 1 or i == 2:
                error = CallError(f"no {i % 8}", kind="http_500" if i % 3 else "timeout")
                journal.append_error(asked(i), error, key=key)
            if i % 4 != 1:
                said = Completion("yes", usage=Usage(3, i), cost=i / 7, key=key)
                journal.append(asked(i), said)
    file = tmp_path / "calls.jsonl"
    rows = file.read_bytes().splitlines(keepends=True)
    first = journal_totals(RunFolder(tmp_path))
    assert first[0]["cost"] == pytest.approx(sum(i / 7 for i in range(40) if i % 4 != 1))
    assert sum(error["count"] for error in first[1]) == 10  # what was answered is no error
    for seed in range(5):
        random.Random(seed).shuffle(rows)
        file.write_bytes(b"".join(rows))
        assert journal_totals(RunFolder(tmp_path)) == first
