"""The recipes of docs/extending.md, typed as a stranger would; foreign code and edited files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)(?: file=(\S+))?\n(.*?)```", PAGE, re.S)
SECTIONS = re.split(r"^## ", PAGE, flags=re.M)[1:]


def shell(line: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    line = line.replace("heartloop ", f"{sys.executable} -m heartloop ", 1)
    line = re.sub(r"^python ", f"{sys.executable} ", line)
    paths = os.pathsep.join([str(ROOT), str(folder)])
    return subprocess.run(
        line, shell=True, cwd=folder, capture_output=True, text=True, timeout=170,  # noqa: S602
        env={**os.environ, "PYTHONPATH": paths, "XDG_CONFIG_HOME": str(folder / "config"), **more},
    )  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every file of the page, its package installed as pip would note it."""
    folder = tmp_path_factory.mktemp("stranger")
    for _, name, text in BLOCKS:
        if name:
            (folder / name).write_text(text, encoding="utf-8")
    facts = folder / "heartloop_echo-1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: heartloop-echo\nVersion: 1\n")
    (facts / "entry_points.txt").write_text("[heartloop.models]\necho = echo:Echo\n")
    return folder


def test_there_are_six_recipes_of_at_most_two_files():
    assert len(SECTIONS) == 6
    for section in SECTIONS:
        assert 0 < len(re.findall(r"```\w+ file=", section)) <= 2


@pytest.mark.parametrize("line", [t.strip() for kind, _, t in BLOCKS if kind == "sh"])
def test_every_command_of_the_page_runs(line: str, place: Path):
    if line.startswith("python"):
        first = shell("heartloop run --task olympiad --model pocket --limit 3 --yes", place)
        assert first.returncode == 0, first.stderr
    done = shell(line, place)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_an_own_method_is_pinned_and_foreign_code_waits_for_a_word(place: Path):
    line = "heartloop run --task olympiad --model pocket --limit 3 --method devil.py:devil"
    done = shell(f"{line} --controls none --name own --param words=Hm.", place)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((place / "runs/own/manifest.json").read_text())
    assert re.fullmatch(r"devil\.py:devil@[0-9a-f]{8}", manifest["plan"]["arms"][0]["method"])
    assert manifest["plan"]["arms"][0]["params"] == {"words": "Hm."}
    for command in ("score own", "report own", "compare own", "status"):
        done = shell(f"heartloop {command}", place)
        assert "Traceback" not in done.stderr and done.returncode in (0, 2), done.stderr
    assert shell("heartloop score own", place).returncode == 0
    foreign = shell("heartloop score own", place, XDG_CONFIG_HOME=str(place / "another"))
    assert foreign.returncode == 2 and "--allow-code" in foreign.stderr
    assert shell(
        "heartloop score own --allow-code", place, XDG_CONFIG_HOME=str(place / "another")
    ).returncode == 0  # fmt: skip
    text = (place / "devil.py").read_text()
    (place / "devil.py").write_text(text + "# edited\n")
    edited = shell("heartloop score own --allow-code", place)
    unasked = shell("heartloop score own", place)
    (place / "devil.py").write_text(text)
    assert edited.returncode == 2 and "changed since the run was begun" in edited.stderr
    assert unasked.returncode == 2 and "or its code has changed" in unasked.stderr


def test_a_packages_code_is_pinned_and_a_run_does_not_go_on_with_another(tmp_path: Path):
    facts = tmp_path / "offers-1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: offers\nVersion: 1\n")
    (facts / "entry_points.txt").write_text(
        "[heartloop.methods]\nplainly = offered:plainly\nlost = offered:lost\n"
    )
    text = (
        "from heartloop.methods import render\n"
        "from heartloop.methods.recorder import Recorder\n"
        "async def plainly(question, arm, ask, check=None):\n"
        "    recorder = Recorder(question, arm, ask)\n"
        "    await recorder.answer(render(question, arm.stimuli, arm.placement), round=0)\n"
        "    return recorder.trace()\n"
    )
    (tmp_path / "offered.py").write_text(text)
    line = "heartloop run --task olympiad --model pocket --limit 3 --method"
    done = shell(f"{line} plainly --controls none --name own --max-total-tokens 1", tmp_path)
    assert done.returncode == 3, done.stderr
    manifest = json.loads((tmp_path / "runs/own/manifest.json").read_text())
    assert manifest["meaning"]["packages"]["plainly"].startswith("offers 1 (sha256 ")
    (tmp_path / "offered.py").write_text(text + "# another\n")
    changed = shell("heartloop resume own --max-total-tokens 100000", tmp_path)
    assert changed.returncode == 2 and "code of plainly: offers 1 (sha256" in changed.stderr
    (tmp_path / "offered.py").write_text(text)
    assert shell("heartloop resume own --max-total-tokens 100000", tmp_path).returncode == 0
    lost = shell(f"{line} lost", tmp_path)
    assert lost.returncode == 2 and "lost of offered:lost: AttributeError" in lost.stderr


def test_a_bug_of_ones_own_is_told_with_its_file_and_line(place: Path):
    (place / "buggy.py").write_text(
        "async def buggy(question, arm, ask, check=None):\n    return 1 / 0\n"
    )
    line = "heartloop run --task olympiad --model pocket --limit 2 --controls none --method"
    done = shell(f"{line} buggy.py:buggy", place)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert re.search(
        r"arm buggy\.py:buggy@[0-9a-f]{8}: ZeroDivisionError.*\(buggy\.py, line 2\)", done.stderr
    )


def test_an_own_verifier_decides(place: Path):
    (place / "near.py").write_text(
        "def near(answer, gold, question):\n    return 'a' in answer.lower()\n"
    )
    done = shell(
        "heartloop run --task capitals.csv --model echo/x --method single --controls none --yes "
        "--verifier near.py:near --json", place,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    arm = json.loads(done.stdout)["arms"][0]
    assert arm["correct"] + arm["incorrect"] == 2


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ("--method none.py:f", "none.py: No such file"),
        ("--method devil.py:angel", "there is no function angel"),
        ("--selector broken.py:f --mode verifier-free", "SyntaxError"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_one_line(flag: str, says: str, place: Path):
    (place / "broken.py").write_text("def f(:\n")
    done = shell(f"heartloop run --task olympiad --model pocket --limit 2 {flag}", place)
    assert done.returncode == 2 and says in done.stderr
    assert "Traceback" not in done.stderr
