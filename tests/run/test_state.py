"""What a run is, told from its files: whole, partial, killed, running, damaged."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "report"))
from synthetic_run import make_run

from heartloop.calls.lock import FolderLock
from heartloop.cli import main
from heartloop.run.folder import RunFolder, list_folders, new_folder, unborn
from heartloop.run.state import headline, run_state
from heartloop.run.status import run_status


def sessions(folder: RunFolder, **changes: object) -> None:
    """Change the last session of a run."""
    manifest = folder.manifest
    last = {"started": "2026-01-01T00:00:00+00:00", "ended": None, "wall_s": 0.0}
    manifest["sessions"] = [{**last, **changes}]
    folder.write_manifest(manifest)


def cut(folder: RunFolder, name: str, keep: int) -> None:
    """Keep the first lines of a file."""
    lines = (folder.path / name).read_bytes().splitlines(keepends=True)
    (folder.path / name).write_bytes(b"".join(lines[:keep]))


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return make_run(tmp_path / "a", questions=12)


def test_a_whole_run_is_whole_whatever_its_summary_says(run: RunFolder) -> None:
    sessions(run, ended="2026-01-01T01:00:00+00:00")
    (run.path / "summary.json").write_text('{"stopped": "interrupted"}')
    state = run_state(run)
    assert (state.state, state.done, state.why) == ("whole", state.total, "")
    assert headline(state) == ""


def test_a_killed_run_is_partial_in_words_though_its_summary_is_whole(run: RunFolder) -> None:
    sessions(run)
    cut(run, "verdicts.jsonl", 20)
    state = run_state(run)
    assert state.state == "killed" and 0 < state.done < state.total
    assert headline(state).startswith(f"PARTIAL RUN, killed: {state.done} of {state.total} ")


def test_a_stopped_run_says_why(run: RunFolder) -> None:
    sessions(run, ended="2026-01-01T01:00:00+00:00", stopped="interrupted")
    cut(run, "verdicts.jsonl", 20)
    state = run_state(run)
    assert state.state == "partial" and state.why == "interrupted"
    assert "interrupted" in headline(state)


def test_verdicts_that_vanished_after_the_end_are_damage(run: RunFolder) -> None:
    sessions(run, ended="2026-01-01T01:00:00+00:00")
    cut(run, "verdicts.jsonl", 20)
    assert run_state(run).state == "damaged"


def test_a_run_in_use_is_running(run: RunFolder) -> None:
    sessions(run)
    cut(run, "verdicts.jsonl", 20)
    lock = FolderLock(run.path)
    try:
        assert run_state(run).state == "running"
    finally:
        lock.release()


def test_verdicts_without_their_calls_are_damage(run: RunFolder) -> None:
    sessions(run, ended="2026-01-01T01:00:00+00:00")
    cut(run, "calls.jsonl", 5)
    state = run_state(run)
    assert state.state == "damaged" and "does not hold" in state.why


def spoil(name: str, content: bytes) -> Callable[[RunFolder], None]:
    return lambda run: (run.path / name).write_bytes(content) and None


def spoil_line(name: str, line: bytes) -> Callable[[RunFolder], None]:
    def change(run: RunFolder) -> None:
        lines = (run.path / name).read_bytes().splitlines(keepends=True)
        lines[1:2] = [line]
        (run.path / name).write_bytes(b"".join(lines))

    return change


DAMAGE = {
    "manifest torn": spoil("manifest.json", b'{"plan": {'),
    "manifest empty": spoil("manifest.json", b""),
    "manifest of brackets": spoil("manifest.json", b"[" * 100_000),
    "manifest {}": spoil("manifest.json", b"{}"),
    "manifest a list": spoil("manifest.json", b"[]"),
    "manifest not UTF-8": spoil("manifest.json", b"\xff\xfe"),
    "verdict 5": spoil_line("verdicts.jsonl", b"5\n"),
    "verdict {}": spoil_line("verdicts.jsonl", b"{}\n"),
    "verdict torn": spoil_line("verdicts.jsonl", b'{"task":\n'),
    "verdict of brackets": spoil_line("verdicts.jsonl", b"[" * 100_000 + b"\n"),
    "call torn": spoil_line("calls.jsonl", b'{"key":"00\n'),
    "call NULs": spoil_line("calls.jsonl", b"\0" * 300 + b"\n"),
    "call 5": spoil_line("calls.jsonl", b"5\n"),
    "call {}": spoil_line("calls.jsonl", b"{}\n"),
    "call deep": spoil_line("calls.jsonl", b"[" * 100_000 + b"\n"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_a_state_and_one_line_of_every_command(
    run: RunFolder, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sessions(run, ended="2026-01-01T01:00:00+00:00")
    DAMAGE[kind](run)
    state = run_state(run)
    assert state.state == "damaged" and state.why, kind
    assert "\n" not in headline(state)
    for command in (
        ["status"],
        ["report"],
        ["compare"],
        ["score"],
        ["export", "--to", "csv", "--texts"],
        ["resume"],
    ):
        with pytest.raises(SystemExit) as ended:
            main([command[0], str(run.path), *command[1:]])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        if ended.value.code:
            assert ended.value.code in (1, 2) and said.err.count("\n") == 1, (command, said.err)


def test_one_damaged_run_does_not_hide_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b", "c"):
        sessions(make_run(tmp_path / name, questions=3), ended="2026-01-01T01:00:00+00:00")
    (tmp_path / "b/manifest.json").write_text("{")
    with pytest.raises(SystemExit) as ended:
        main(["status", "--runs", str(tmp_path), "--json"])
    assert ended.value.code == 0
    found = {x["run"]: x["state"] for x in json.loads(capsys.readouterr().out)}
    assert found == {"a": "whole", "b": "damaged", "c": "whole"}


def test_a_folder_killed_before_its_plan_is_listed_and_its_name_is_free(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.mkdir()
    (path / "lock").touch()
    (path / "calls.jsonl").touch()
    assert unborn(path)
    assert [f.name for f in list_folders(tmp_path)] == ["x"]
    status = run_status(RunFolder(path))
    assert status["state"] == "killed" and "before its plan" in status["why"]
    assert new_folder(tmp_path, "x", "").path == path
    (path / "calls.jsonl").write_text("{}\n")
    assert not unborn(path)


def test_private_runs_are_closed_to_others(tmp_path: Path) -> None:
    folder = new_folder(tmp_path / "runs", "x", "", private=True)
    assert folder.path.stat().st_mode & 0o077 == 0
