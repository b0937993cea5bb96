"""Winner's curse and selection efficiency."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from heartloop.analysis.selection import best_of_arms

ROOT = Path(__file__).parents[2]


def useless(rng: np.random.Generator, questions: int = 400, arms: int = 11) -> np.ndarray:
    rate = rng.beta(0.25, 0.25, questions)
    return (rng.random((arms, questions)) < rate).astype(float)


def test_the_maximum_of_useless_arms_gains_and_honest_estimates_do_not() -> None:
    rng = np.random.default_rng(0)
    found = [
        best_of_arms(useless(rng), tasks=np.arange(400) % 8, repeats=3, seed=i) for i in range(60)
    ]
    selected = np.array([f.selected_maximum for f in found])
    noise = np.array([f.noise_maximum for f in found])
    assert selected.mean() > 0.015
    assert noise.mean() == pytest.approx(selected.mean(), abs=0.006)
    for name in ("held_out", "cross_fitted", "over_tasks"):
        gains = np.array([getattr(f, name).gain for f in found])
        assert abs(gains.mean()) < 3 * gains.std() / np.sqrt(60) + 1e-3
        covered = np.mean([getattr(f, name).low <= 0 <= getattr(f, name).high for f in found])
        assert covered > 0.85


def test_a_real_effect_survives_every_reading() -> None:
    rng = np.random.default_rng(1)
    table = useless(rng, 1000)
    table[4] = np.maximum(table[4], rng.random(1000) < 0.3)
    found = best_of_arms(table, tasks=np.arange(1000) % 10)
    true = 0.15
    assert found.arm == 4
    assert found.cross_fitted.picks[4] == 1.0
    for estimate in (found.held_out, found.cross_fitted, found.over_tasks):
        assert estimate is not None and estimate.low is not None
        assert estimate.low > 0 and estimate.gain == pytest.approx(true, abs=0.06)
    assert found.selected_maximum == pytest.approx(found.cross_fitted.gain, abs=1e-9)


def test_the_control_is_never_chosen() -> None:
    rng = np.random.default_rng(2)
    table = useless(rng, 200, 3)
    table[1] = 1.0
    found = best_of_arms(table, control=1)
    assert found.arm in (0, 2) and found.cross_fitted.gain < 0


def test_clusters_are_not_torn_apart_by_folds() -> None:
    rng = np.random.default_rng(3)
    table = np.repeat(useless(rng, 60), 10, axis=1)
    free = best_of_arms(table)
    kept = best_of_arms(table, clusters=np.repeat(np.arange(60), 10))
    width = lambda e: e.high - e.low  # noqa: E731
    assert width(kept.cross_fitted) > 2 * width(free.cross_fitted)


def test_too_little_to_choose_is_refused() -> None:
    with pytest.raises(ValueError, match="two or more"):
        best_of_arms(np.ones((3, 1)))
    with pytest.raises(ValueError, match="arms"):
        best_of_arms(np.ones((1, 5)))


def test_the_worked_example_prints_what_the_page_says() -> None:
    page = (ROOT / "docs" / "best-of-ten.md").read_text(encoding="utf-8")
    shown = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "examples" / "best_of_ten.py"), "--quick"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    ).stdout
    labels = re.findall(r"^\| ([a-z][^|]+) \|", page, re.M)
    for label in labels:
        assert label in shown
    value = {
        row[0]: row for row in re.findall(r"^\| ([^|]+) \| ([^|]*) \| ([^|]+) \|", shown, re.M)
    }
    best = float(value["best stimulus of each task, chosen on its test items"][2])
    honest = float(value["cross-fitted over questions"][2])
    assert 3.5 < best < 5.5 and abs(honest) < 1
