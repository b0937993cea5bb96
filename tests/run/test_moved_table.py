"""A run on one's own table is scored anywhere: its folder keeps the table."""

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
