"""What `compare` prints stays within the screen, with every figure."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from synthetic_run import make_run, phrase

from heartloop.report.study import compare_specs
from heartloop.report.tables import render
from heartloop.report.writing import estimate, signed, text_table
from heartloop.types import Arm


def test_a_wide_table_becomes_several_and_intervals_stay_with_their_figures() -> None:
    heads = ["arm − control", "n", "diff", "95% CI", "p", "content", "95% CI", "p"]
    row = ["EP01 − none", "1,341", "−13.7", "[−16.6, −10.9]", "<.001", "+0.1", "[−9.9, +9.9]", "1"]
    assert text_table(heads, [row]).count("\n") == 1
    first, second = text_table(heads, [row], width=60).split("\n\n")
    assert first.splitlines()[0].split() == "arm − control n diff 95% CI p".split()
    assert second.splitlines()[0].split() == "arm − control content 95% CI p".split()
    assert max(map(len, (first + "\n" + second).splitlines())) <= 60


@pytest.mark.parametrize("width", [80, 120])
def test_compare_fits_the_screen_and_keeps_its_figures(tmp_path: Path, width: int) -> None:
    arms = [Arm("none", role="none"), *(Arm(f"P{i}", stimuli=(phrase(f"P{i}"),)) for i in (1, 2))]
    folder = make_run(tmp_path / "r", arms=arms, questions=60, tasks=("one", "two"))
    study = compare_specs([str(folder.path)], tmp_path, draws=200)
    wide, text = render(study), render(study, width=width)
    assert max(map(len, text.splitlines())) <= width < max(map(len, wide.splitlines()))
    figures = re.compile(r"[−+]?\d+\.\d")
    assert set(figures.findall(text)) == set(figures.findall(wide))


def test_figures_have_true_signs() -> None:
    assert signed(-0.04) == "0.0" and signed(0.04, 2) == "+0.04" and signed(-1.25, 2) == "−1.25"
    assert estimate(-1.0, -2.5, 0.5) == "−1.0 [−2.5, +0.5]"
