"""What fits on a screen: the lines, bars and cuts of what commands print."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic_run import make_run, phrase

from heartloop.cli import main
from heartloop.cli._arms import result_lines
from heartloop.cli._result import folded, warning_lines
from heartloop.cli._show import amount, bar, cut, sparkline
from heartloop.report.arms import load_run
from heartloop.report.findings import findings
from heartloop.run.claim import read_claim
from heartloop.run.warnings import Warned
from heartloop.types import Arm


def lines_of(argv: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(argv)
    shown = capsys.readouterr()
    return (shown.err + shown.out).splitlines()


RUN = ["run", "--task", "olympiad", "--rounds", "2", "--model", "pocket", "--practice",
       "--limit", "12", "--runs", "runs"]  # fmt: skip


def test_a_practice_run_fits_on_a_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    lines = lines_of([*RUN, "--name", "a"], capsys)
    lines = [line for line in lines if " done (" not in line]  # progress off a terminal
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("plan  PRACTICE SET olympiad, 12 questions")
    assert not any("…" in line for line in lines[1:3])  # cost, and what the design can see
    assert any("can see" in line or "too few questions to see" in line for line in lines[1:3])
    assert any("heart − neutral-varied" in line and "●" in line for line in lines)
    assert not any("\x1b" in line for line in lines)  # no terminal, no colour

    quiet = lines_of([*RUN, "--name", "b", "--quiet"], capsys)
    assert len(quiet) == 2
    assert quiet[0].startswith("[PRACTICE SET")
    assert quiet[1] == "report: heartloop report a".replace(" a", " b")

    every = lines_of(["status", "a", "--runs", "runs", "--verbose"], capsys)
    assert len(every) > len(lines) - 3
    assert not any("clauses (--verbose)" in line for line in every)

    monkeypatch.setenv("COLUMNS", "150")
    wide = lines_of(["status", "a", "--runs", "runs"], capsys)
    assert max(map(len, wide)) > 80
    assert max(map(len, wide)) <= 150


def test_many_tasks_are_one_line_each_and_the_rest_are_counted(tmp_path: Path) -> None:
    arms = [
        Arm("none", role="none"),
        *(Arm(f"S{i}", stimuli=(phrase(f"S{i}"),)) for i in range(12)),
    ]
    tasks = [f"a task with a long name {i}" for i in range(14)]
    run = load_run(make_run(tmp_path / "many", arms=arms, questions=6, tasks=tasks))
    lines = result_lines(run, findings(run), read_claim(run.manifest), 80)
    assert len(lines) == 12  # 14 tasks with 13 arms each: heads, ten tasks and what is left
    assert lines[-1] == "and 4 more: report"
    assert max(map(len, lines)) <= 80
    for task, line in zip(tasks, lines[1:-1], strict=False):
        assert line.startswith(task[:12])


def test_bars_show_interval_estimate_and_zero() -> None:
    assert bar(-0.1, 0.0, 0.1, (-0.1, 0.1), 11) == "─────●─────"
    assert bar(0.05, 0.1, 0.1, (-0.1, 0.1), 11) == "     │  ──●"
    assert bar(-9, -9, 9, (-0.1, 0.1), 5) == "●─┼──"  # an interval beyond the scale ends with it


def test_counts_cuts_and_sparklines() -> None:
    assert [amount(n) for n in (981, 12_400, 471_200, 2_736_663)] == [
        "981", "12,400", "471 k", "2.7 M"]  # fmt: skip
    assert cut("one two  three", 9) == "one two…"
    assert sparkline([0.1, None, 0.2]) == "▅ █"
    assert sparkline([0.0, 0.0]) == "▁▁"


def test_a_sentence_is_folded_by_whole_clauses() -> None:
    text = "; ".join(f"clause number {i} says something" for i in range(30))
    lines = folded(text, 80, 3)
    assert len(lines) <= 3
    assert max(map(len, lines)) <= 80
    assert " ".join(lines).endswith("more clauses (--verbose)")
    assert folded("short; whole", 80) == ["short; whole"]


def test_a_kind_of_warning_is_one_line_with_its_section() -> None:
    kinds = [Warned("Tasks", tuple(f"kind {k} {'x' * 90} {i}" for i in range(k))) for k in (1, 3)]
    one, three = warning_lines(kinds, 80)
    assert len(one) <= 80
    assert one.endswith("→ Tasks")
    assert three.endswith("… (+2) → Tasks")
    assert warning_lines(kinds, 80, 1) == ["! and 2 more kinds of warning → report, --verbose"]
