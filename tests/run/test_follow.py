"""Watching a run that another process is doing, from its files alone."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from heartloop.calls.lines import read_lines
from heartloop.run.folder import CALLS, VERDICTS, RunFolder
from heartloop.run.follow import Follower, Grown
from heartloop.run.status import run_status

RUN = ["run", "--task", "olympiad", "--rounds", "2", "--model", "pocket", "--practice",
       "--limit", "12", "--name", "a", "--quiet"]  # fmt: skip


def start(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "heartloop", *RUN, "--runs", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_a_follower_sees_what_another_process_does(tmp_path: Path) -> None:
    process = start(tmp_path)
    folder = RunFolder(tmp_path / "a")
    until = time.monotonic() + 60
    while not (folder.path / "manifest.json").exists() and time.monotonic() < until:
        time.sleep(0.05)
    follower = Follower(folder)
    seen = [follower.live.done]
    while follower.going_on and time.monotonic() < until:
        follower.look()
        seen.append(follower.live.done)
        time.sleep(0.05)
    assert process.wait(60) == 0
    follower.look()
    status = run_status(folder)
    assert seen == sorted(seen)
    assert follower.live.done == follower.live.total == status["total"] == 12 * 6
    assert follower.totals.paid["calls"] == status["calls"]
    summary = status["summary"]
    assert follower.live.solved == {row["arm"]: row["correct"] for row in summary["arms"]}
    assert follower.live.by_round["heart"][0] == summary["arms"][0]["rounds"][0]["accuracy"] * 12


def test_half_written_lines_wait_and_a_new_file_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "x"
    grown = Grown(path)
    assert list(grown.lines()) == []
    path.write_bytes(b"one\ntw")
    assert list(grown.lines()) == [b"one\n"]
    with path.open("ab") as file:
        file.write(b"o\n")
    assert list(grown.lines()) == [b"two\n"]
    assert not grown.again
    other = tmp_path / "y"
    other.write_bytes(b"ONE\n")
    other.replace(path)
    assert list(grown.lines()) == [b"ONE\n"]
    assert grown.again


def test_status_reads_a_journal_once(tmp_path: Path, monkeypatch: Any) -> None:
    assert start(tmp_path).wait(120) == 0
    opened: list[str] = []

    def counted(path: Path, size: int) -> Any:
        opened.append(path.name)
        return read_lines(path, size)

    for module in ("heartloop.calls.lines", "heartloop.calls.journal"):
        monkeypatch.setattr(f"{module}.read_lines", counted)
    status = run_status(RunFolder(tmp_path / "a"))
    assert opened == [CALLS]
    assert status["state"] == "whole"
    paid = json.loads((tmp_path / "a" / "summary.json").read_text())["paid"]
    assert (status["calls"], status["tokens"]) == (
        paid["calls"],
        paid["tokens"]["prompt"] + paid["tokens"]["completion"],
    )
    assert (tmp_path / "a" / VERDICTS).exists()
