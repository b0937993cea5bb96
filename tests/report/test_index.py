"""An index of many runs: grouped by claim, linked to their reports, damage named."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from synthetic_run import make_run, phrase

from heartloop.cli import main
from heartloop.errors import UsageError
from heartloop.report.index import write_index
from heartloop.report.page import write_report
from heartloop.run.folder import RunFolder
from heartloop.types import Arm

ARMS = (Arm("none", role="none"), Arm("S", stimuli=(phrase("S"),)))


def sections(text: str) -> dict[str, str]:
    parts = re.findall(r'<section id="([^"]+)">(.*?)</section>', text, re.DOTALL)
    return dict(parts)


def test_runs_of_one_claim_stand_together_and_damage_is_named(tmp_path: Path) -> None:
    rates = {"none": 0.4, "S": 0.8}
    runs = [
        make_run(tmp_path / f"m{i}", arms=ARMS, rates=rates, model=f"server/m{i}", questions=60)
        for i in range(2)
    ]
    other = make_run(tmp_path / "other", questions=20)
    write_report([runs[0]])
    broken = tmp_path / "broken"
    broken.mkdir()
    path = write_index([*runs, other, RunFolder(broken)])
    assert path == tmp_path / "index.html"
    text = path.read_text()
    found = sections(text)
    assert set(found) == {"g0", "g1", "unread"}
    assert "server/m0" in found["g0"]
    assert "server/m1" in found["g0"]
    assert "2 models: a forest and no summary (from 4 models on)" in found["g0"]
    assert 'href="m0/report.html"' in found["g0"]
    assert "m1/report.html" not in text  # no link to a page that is not there
    assert "other" in found["g1"]
    assert "broken: " in found["unread"]
    assert "<script" not in text
    with pytest.raises(UsageError, match="none of 1 runs can be read"):
        write_index([RunFolder(broken)])


def test_three_runs_on_the_command_line_make_an_index(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [str(make_run(tmp_path / n, arms=ARMS, questions=10).path) for n in "abc"]
    (tmp_path / "index.html").write_text("<!DOCTYPE html> report of heartloop")
    names.append(str(tmp_path / "index.html"))  # as runs/* has it the second time
    with pytest.raises(SystemExit):
        main(["report", *names, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["report"] == str(tmp_path / "index.html")
    assert set(told["conclusions"]) == {"a", "b", "c"}
