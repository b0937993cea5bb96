"""``compare``, ``report`` and ``export`` as a user types them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))

from synthetic_run import make_run

from heartloop.cli import main


def heartloop(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def test_compare_prints_tables_and_json(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    make_run(tmp_path / "a")
    assert heartloop("compare", "a", "--runs", str(tmp_path)) == 0
    text = capsys.readouterr().out
    assert "heart − resample" in text and "TOST ±3" in text
    assert heartloop("compare", "a", "--runs", str(tmp_path), "--json", "--margin", "5") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["margin"] == pytest.approx(0.05)
    assert "--margin 5 was chosen after the fact" in found["post_hoc"][0]
    assert found["rows"][0]["word"] is None
    assert heartloop("compare", "a", "--runs", str(tmp_path), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["findings"][0]["units"][0]["planned"][0]["contrast"]["family"] == "loop"
    assert found["claim"]["sha256"]
    assert found["rows"][0]["counts"]["mcnemar"]["p"] >= 0


def test_usage_errors_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    make_run(tmp_path / "a")
    make_run(tmp_path / "b", sha="1" * 64)
    assert heartloop("compare", "a", "b", "--runs", str(tmp_path)) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert heartloop("compare", "a:x", "--runs", str(tmp_path)) == 2
    assert heartloop("report", "zzz", "--runs", str(tmp_path)) == 2
    nowhere = str(tmp_path / "no" / "x")
    assert heartloop("export", "a", "--to", "csv", "-o", nowhere, "--runs", str(tmp_path)) == 2


def test_report_and_export_land_in_the_run_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    make_run(tmp_path / "a")
    assert heartloop("report", "a", "--runs", str(tmp_path)) == 0
    assert heartloop("export", "a", "--to", "jsonl", "--runs", str(tmp_path)) == 0
    assert (tmp_path / "a" / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert (tmp_path / "a" / "export.jsonl").exists()
    assert "report.html" in capsys.readouterr().out
