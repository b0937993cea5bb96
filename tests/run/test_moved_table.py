"""A run on one's own table goes on anywhere by the copy it keeps, and says where it uses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from heartloop.cli import main


def heartloop(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def test_a_run_on_ones_own_table_is_scored_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun, received = tmp_path / "begun", tmp_path / "received"
    begun.mkdir()
    received.mkdir()
    (begun / "ta.csv").write_text("id,question,answer\nq1,2+2?,4\nq2,3+3?,6\n")
    monkeypatch.chdir(begun)
    asked = ("--task", "ta.csv", "--method", "single", "--model", "pocket", "--yes", "--name", "t")
    assert heartloop("run", *asked) == 0
    (begun / "runs").rename(received / "runs")
    (begun / "ta.csv").unlink()
    monkeypatch.chdir(received)
    capsys.readouterr()
    assert heartloop("score", "t") == 0
    assert "ta" in capsys.readouterr().out


def test_a_table_that_was_edited_since_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    table = tmp_path / "ta.csv"
    table.write_text(old := "id,question,answer\nq1,2+2?,4\nq2,3+3?,6\n")
    asked = ("--task", "ta.csv", "--method", "single", "--model", "pocket", "--yes", "--name", "t")
    assert heartloop("run", *asked) == 0
    for text, told in ((old, 0), (old + "q3,4+4?,8\n", 1), (None, 0)):
        table.write_text(text) if text else table.unlink()
        for command in ("resume", "score"):
            capsys.readouterr()
            assert heartloop(command, "t", "--json") == 0
            said = capsys.readouterr()
            assert said.err.count("note: ta.csv is not what it was when the run began") == told
            assert ("runs/t/data/ta.csv" in said.err) == bool(told) and '"n": 2' in said.out
