"""Answers that nobody can read are told while there is time to stop."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from heartloop.run.runner import Live


def run(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable, "-m", "heartloop", "run", "--task", "sums.jsonl", "--verifier", "math",
            "--model", "replay/said.jsonl", "--method", "single", "--controls", "none",
            "--name", "r", *more,
        ],
        cwd=folder, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.fixture
def chatty(tmp_path: Path) -> Path:
    """Eighty sums; a third of the recorded answers only chats."""
    rows = [{"id": f"q{i}", "question": f"{i} + 1?", "answer": str(i + 1)} for i in range(80)]
    said = [
        {"id": f"q{i}", "text": "Thank you so much!" if i % 3 == 0 else f"\\boxed{{{i + 1}}}"}
        for i in range(80)
    ]
    for name, lines in (("sums.jsonl", rows), ("said.jsonl", said)):
        (tmp_path / name).write_text("".join(json.dumps(x) + "\n" for x in lines))
    return tmp_path


def test_a_limit_stops_the_run_cleanly_and_says_why(chatty):
    done = run(chatty, "--max-unscored", "0.2")
    assert done.returncode == 3, done.stderr
    assert "of the first 50 answers of single have no verdict" in done.stderr
    assert "heartloop resume" in done.stderr
    resumed = subprocess.run(
        [sys.executable, "-m", "heartloop", "resume", "runs/r", "--max-unscored", "0.9"],
        cwd=chatty, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert resumed.returncode == 0, resumed.stderr


def test_without_a_limit_the_run_goes_on(chatty):
    assert run(chatty).returncode == 0


def test_an_arm_is_judged_from_fifty_answers_on():
    live = Live(finished={"a": 49}, unscored={"a": 49})
    assert not live.mostly_unread("a", 0.2)
    live = Live(finished={"a": 60}, unscored={"a": 12})
    assert not live.mostly_unread("a", 0.2)
    live.unscored["a"] = 13
    assert "13 of the first 60 answers of a have no verdict (22%; limit 20%)" in (
        live.mostly_unread("a", 0.2)
    )
