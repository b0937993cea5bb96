"""What the three recorded runs of a small real model may be said to show, and what not.

The readers of answers improve, so rules and shapes are held here rather than digits.
"""

from __future__ import annotations

import asyncio
import csv
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from heartloop.cli import main
from heartloop.report.answered import answered
from heartloop.report.arms import Loaded, entries, load_run
from heartloop.report.conclusion import conclusion_of
from heartloop.report.findings import findings
from heartloop.report.study import compare_specs
from heartloop.report.units import Unit
from heartloop.run.folder import RunFolder
from heartloop.run.rescore import rescore

pytestmark = pytest.mark.timeout(900)  # tens of thousands of answers are graded


Scored = tuple[Loaded, Unit, str]
RUNS = {"olympiad_heart": 2_753, "ii_stimuli": 32_184, "bigbench_stimuli": 23_647}
"""The recorded runs with the calls in their journals."""


@pytest.fixture(scope="module")
def folders(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives a recorded run, unpacked and graded anew by this checkout: once for all tests."""
    root = tmp_path_factory.mktemp("recorded")

    def folder(name: str) -> Path:
        if not (root / name).exists():
            with tarfile.open(shared_data / "recorded_runs" / f"{name}.tar.xz") as archive:
                archive.extractall(root, filter="data")
            asyncio.run(rescore(RunFolder(root / name), data_dir=str(shared_data)))
        return root / name

    return folder


@pytest.fixture(scope="module")
def scored(folders: Callable[[str], Path]) -> Callable[[str], Scored]:
    """Gives a recorded run, its one unit and its sentence."""

    def read(name: str) -> Scored:
        run = load_run(RunFolder(folders(name)))
        (found,) = findings(run)
        return run, found.units[0], conclusion_of(run, [found])

    return read


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    out, err = capsys.readouterr()
    assert ended.value.code in (0, None), err
    return out


@pytest.mark.parametrize("name", RUNS)
def test_every_command_reads_a_run_of_the_past(
    name: str,
    folders: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = str(folders(name))
    shown = json.loads(command(capsys, "status", folder, "--json"))
    assert shown["calls"] == RUNS[name]
    assert shown["state"] == ("whole" if name == "ii_stimuli" else "partial")
    two = ("heart", "reflect") if name == "olympiad_heart" else ("none", "EP02")
    pair = [f"{folder}:{arm}" for arm in two]
    assert json.loads(command(capsys, "compare", *pair, "--json"))
    page = tmp_path / "report.html"
    command(capsys, "report", folder, "-o", str(page))
    assert "<html" in page.read_text()[:500].lower()
    table = tmp_path / "table.csv"
    command(capsys, "export", folder, "--to", "csv", "-o", str(table))
    with table.open(newline="") as lines:
        rows = sum(1 for _ in csv.DictReader(lines))
    assert 0.9 * RUNS[name] < rows <= RUNS[name]  # calls of units that were not finished are not in


def on_screen(run: Loaded, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What a run prints at its end: with its plan at most 25 lines, none wider than 80."""
    from heartloop.cli._result import LINES, show_result

    assert run.summary is not None
    capsys.readouterr()
    show_result(run.summary, run.folder)
    shown = capsys.readouterr()
    lines = (shown.out + shown.err).splitlines()
    paths = [line for line in lines if run.folder.name in line]
    assert len(lines) <= LINES
    assert len(paths) <= 2
    assert max(len(line) for line in lines if line not in paths) <= 80
    return lines


def test_instruction_induction_no_phrase_beats_the_plain_prompt(
    scored: Callable[[str], Scored], capsys: pytest.CaptureFixture[str]
) -> None:
    run, unit, sentence = scored("ii_stimuli")
    assert sentence.startswith("No phrase beats the plain prompt (")
    assert "best of 21" in sentence
    assert "simultaneous [" in sentence
    assert "are below none and below the placebo; over tasks like these only EP01" in sentence
    assert "one placebo was run" in sentence
    assert "“own placebo” does not apply" in sentence
    assert "of 24 tasks at the floor" in sentence
    assert "of 21 phrases left more in the answers than a placebo" in sentence
    assert "not fixed beforehand" in sentence
    for word in ("better", "worse", "works", "hurts"):
        assert word not in sentence
    by_arm = {t.arm: t.finding for t in unit.treatments}
    assert (len(unit.tasks), unit.questions) == (24, 1341)
    placebo = unit.controls["placebo"]  # the placebo itself costs: its 14.4 % made the old claim
    assert -0.04 < placebo.estimate < -0.015
    assert placebo.high < 0
    assert unit.controls["again"].low < 0 < unit.controls["again"].high
    for arm in ("EP09", "EP11", "NP03"):
        assert by_arm[arm].word in ("equivalent", "undecided")
        assert not by_arm[arm].both
        split = by_arm[arm].measured.split
        assert split is not None
        assert split.content_low <= 0  # no gain in content
    for arm in ("EP09", "EP11"):
        split = by_arm[arm].measured.split
        assert split is not None
        assert split.form > max(split.content, 0)  # what lead there is, is form
    for arm in ("EP01", "EP04"):
        f = by_arm[arm]
        assert (f.word, f.both) == ("below", True)
        split = f.measured.split
        assert split is not None
        assert split.content_high < 0
        assert abs(split.content) > abs(split.form)  # the loss is content
    assert {arm for arm, f in by_arm.items() if f.both and f.over} == {"EP01"}
    lines = on_screen(run, capsys)
    assert "and 14 more: report" in lines
    for arm in ("none", "again", "placebo", "EP01", "EP11"):
        assert sum(line.startswith(f"{arm} ") for line in lines) == 1  # one figure an arm
    assert any(line.startswith("No phrase beats the plain prompt") for line in lines)
    how = {a.arm: a for a in answered(run, entries(run))}
    assert how["EP01"].shares["only a number"] > 0.6
    assert how["EP04"].shares["about the phrase"] > 0.15
    assert how["EP06"].tokens > 10 * how["none"].tokens


def test_bigbench_says_what_its_prefix_carries(
    scored: Callable[[str], Scored], capsys: pytest.CaptureFixture[str]
) -> None:
    run, unit, sentence = scored("bigbench_stimuli")
    assert sentence.startswith("[PARTIAL RUN")
    assert unit.questions < 21 * 60
    assert unit.left_out < unit.questions / 10
    assert unit.edges is not None
    assert unit.edges.blind  # a model below chance on most tasks
    assert not any(t.finding.word in ("works", "above", "equivalent") for t in unit.treatments)
    for word in ("better", "works"):
        assert word not in sentence
    assert "ever right" not in sentence  # scores below chance are no answers that are all wrong
    assert any("PARTIAL RUN" in line for line in on_screen(run, capsys))


def test_olympiad_compares_no_solved_questions_with_all(
    scored: Callable[[str], Scored], capsys: pytest.CaptureFixture[str]
) -> None:
    run, unit, sentence = scored("olympiad_heart")
    assert sentence.startswith("[PARTIAL RUN")
    for figure in ("100.0", "25.0", "−75.0"):  # eight solved questions against a hundred
        assert figure not in sentence
    assert not any(p.compared.word == "above" for p in unit.planned)
    assert not any("100.0" in line for line in on_screen(run, capsys))
    # The stage that every arm has: first draws on all 100 questions, not on the solved ones.
    assert unit.questions == 100
    assert unit.speaking is not None and unit.speaking.budget is not None
    assert unit.speaking.stages["resample"].answers >= 5
    assert unit.speaking.stages["resample"].right < 0.1
    assert "tokens a question" in sentence
    assert "resample had ended on" in sentence
    assert "(28% read)" in sentence or "could not be read" in sentence  # answered shares
    assert "the control is at the floor" in sentence
    shown = compare_specs([str(run.folder.path)], run.folder.path.parent)
    assert all(abs(row.difference.estimate) < 0.5 for row in shown.rows)
