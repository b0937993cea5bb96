"""The Python face: the cells of docs/python.md, a running loop, and what import loads."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import heartloop
from heartloop.errors import UsageError

PAGE = Path(__file__).resolve().parent.parent / "docs" / "python.md"


def test_the_cells_of_the_page_run_in_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    cells = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert len(cells) >= 5
    for cell in cells:
        exec(compile(cell, str(PAGE), "exec"), scope)  # noqa: S102
    said = capsys.readouterr().out
    assert "correct correct True" in said
    run = scope["run"]
    assert isinstance(run, heartloop.Run)
    assert run.state.whole and (run.folder / "report.html").is_file()
    rows = run.table()
    assert len(rows) == 10 * len(run.arms)
    assert {"question", "gold", "answer", "verdict", "arm", "tokens"} <= set(rows[0])
    assert "my-job-depends-on" in run.arms


def test_a_running_loop_is_no_hindrance(tmp_path):
    async def cell() -> tuple[heartloop.Run, heartloop.Run]:
        options = {"method": "single", "controls": "none", "limit": 3, "runs": tmp_path}
        inside = heartloop.run("olympiad", **options)
        return inside, await heartloop.run_async("olympiad", **options)

    first, second = asyncio.run(cell())
    assert first.folder != second.folder
    assert first.arms["single"]["correct"] == second.arms["single"]["correct"]


def test_wrong_words_are_refused_in_words(tmp_path):
    with pytest.raises(UsageError, match="rounds: no field of a plan"):
        heartloop.run("olympiad", rounds=3, runs=tmp_path)
    with pytest.raises(UsageError, match="no run"):
        heartloop.load("nothing", runs=tmp_path)


def test_import_loads_nothing_heavy():
    code = (
        "import sys, json; before = set(sys.modules); import heartloop; dir(heartloop);"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert [name for name in loaded if name.startswith("heartloop")] == ["heartloop"]
    assert "numpy" not in loaded and "asyncio" not in loaded
