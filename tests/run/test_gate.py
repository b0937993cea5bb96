"""Demand-only twins are asked last, and only for claims that stand."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from heartloop.run.arms import build_arms
from heartloop.run.execute import execute, prepare
from heartloop.run.folder import RunFolder
from heartloop.run.plan import Plan
from heartloop.run.state import run_state


@pytest.fixture
def sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"q{i},What is {i} + 1?,{i + 1}\n" for i in range(4))
    (tmp_path / "sums.csv").write_text("id,question,answer\n" + rows)
    return tmp_path


def _run(folder: Path, stands: set[str]) -> tuple[RunFolder, list[list[str]]]:
    arms = build_arms("single", stimuli="EP03,EP04,EP02")
    plan = Plan(("sums.csv",), ("pocket",), arms)
    asked: list[list[str]] = []

    def standing(run: RunFolder) -> set[str]:
        seen = [json.loads(x) for x in (run.path / "verdicts.jsonl").read_text().splitlines()]
        asked.append(sorted({line["arm"] for line in seen}))
        return stands

    run = RunFolder(folder / "r")
    run.path.mkdir()
    asyncio.run(execute(prepare(plan), run, signals=False, standing=standing))
    return run, asked


def test_only_the_twin_of_a_claim_that_stands_is_asked_and_after_all_others(sums: Path) -> None:
    run, seen = _run(sums, {"EP03"})
    lines = [json.loads(x) for x in (run.path / "verdicts.jsonl").read_text().splitlines()]
    arms = {line["arm"] for line in lines}
    assert "DO-EP03" in arms and "DO-EP04" not in arms
    assert len(seen) == 1 and "DO-EP03" not in seen[0] and "EP04" in seen[0]
    last = [line["arm"] for line in lines][-4:]
    assert set(last) == {"DO-EP03"}
    gate = run.manifest["gate"]
    assert gate == {"stands": ["EP03"], "asked": ["DO-EP03"], "left_out": ["DO-EP04"]}
    # what was left out is no part of the plan any longer, and the claim still names it
    assert run_state(run).whole
    assert run.manifest["claim"]["controls"]["EP04"]["demand-only"] == ["DO-EP04"]


def test_without_a_claim_no_twin_is_asked_and_the_run_is_whole(sums: Path) -> None:
    run, _ = _run(sums, set())
    assert run.manifest["gate"]["asked"] == []
    assert run_state(run).whole
    again = asyncio.run(
        execute(prepare(Plan(("sums.csv",), ("pocket",), build_arms("single", stimuli="EP02"))),
                RunFolder(_new(sums / "s")), signals=False)
    )  # fmt: skip
    assert "gate" not in RunFolder(sums / "s").manifest and again["stopped"] is None


def _new(path: Path) -> Path:
    path.mkdir()
    return path
