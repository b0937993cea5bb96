"""Pairs whose right verdict is known: each stands for a kind that was once graded wrongly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from heartloop.grading import grade_pairs

FIXTURE = Path(__file__).resolve().parents[2] / "fixtures/grading/maths_right_values.jsonl"


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def wrong(cases: list[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    graded = grade_pairs("math", cases)
    return [
        (case["id"], case["gold"], case["prediction"], row["verdict"])
        for case, row in zip(cases, graded, strict=True)
        if (row["verdict"] == "correct") != case["expected"]
    ]


@pytest.mark.parametrize("family", sorted({row["family"] for row in rows(FIXTURE)}))
def test_right_values(family: str) -> None:
    assert wrong([row for row in rows(FIXTURE) if row["family"] == family]) == []


def test_every_shared_case_of_maths(shared: Path) -> None:
    assert wrong(rows(shared / "cases" / "maths.jsonl")) == []
