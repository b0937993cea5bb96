"""Measures of a trajectory and slopes on a dose: found where planted, nothing where not."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from heartloop.analysis.dose import slope_over
from heartloop.analysis.trajectory import branch_area, lag_one, measures
from heartloop.style.affect import vad

HEARD = np.array([0.0] * 5 + [-0.6] * 9 + [0.6] * 8 + [0.0] * 3)


def second(mu: float, gain: float = 0.5, heard: np.ndarray = HEARD) -> np.ndarray:
    s = v = 0.0
    path = []
    for a in heard:
        v = mu * v + gain * (a - s)
        s = min(1.0, max(-1.0, s + v))
        path.append(s)
    return np.array(path)


def first(alpha: float) -> np.ndarray:
    s, path = 0.0, []
    for a in HEARD:
        s = (1 - alpha) * s + alpha * a
        path.append(s)
    return np.array(path)


def test_a_path_without_memory_has_no_delay_no_overshoot_and_no_hysteresis() -> None:
    found = measures(HEARD, HEARD, 5, 14, 22)
    assert (found.delay, found.recovery, found.overshoot) == (0, 0, 0)
    assert found.hysteresis == pytest.approx(0, abs=1e-12)


def test_memory_delays_and_only_the_second_order_overshoots() -> None:
    slow, fast = measures(first(0.2), HEARD, 5, 14, 22), measures(first(0.8), HEARD, 5, 14, 22)
    assert slow.delay > fast.delay and slow.recovery > fast.recovery
    assert slow.overshoot == fast.overshoot == 0
    # 1 - 0.8^(n+1) >= half of 1 - 0.8^9 from n = 2 on
    assert slow.delay == 2
    swinging = measures(second(0.6), HEARD, 5, 14, 22)
    assert swinging.overshoot == pytest.approx(
        max(second(0.6).max() - 0.6, -0.6 - second(0.6).min())
    )
    assert swinging.overshoot > 0.05


SCRIPTS = np.array(  # valence of the user's turns of state25
    [
        [vad(turn).valence for turn in (row["question"], *row["turns"])]
        for row in map(json.loads, Path("tasks/state25.jsonl").read_text().splitlines())
    ]
)
SCRIPT = SCRIPTS[0]


@pytest.mark.parametrize(
    ("gain", "momenta"),
    [(0.2, (0, 0.3, 0.6, 0.9)), (0.5, (0.3, 0.6, 0.8, 0.95)), (1, (0, 0.3, 0.6, 0.95))],
)
def test_hysteresis_grows_with_momentum(gain: float, momenta: tuple[float, ...]) -> None:
    areas = [
        np.mean([measures(second(mu, gain, a), a, 5, 14, 22).hysteresis for a in SCRIPTS])
        for mu in momenta
    ]
    assert areas == sorted(areas) and areas[-1] > areas[0] + 0.04


def test_no_hysteresis_where_none_is_planted() -> None:
    for memoryless in (SCRIPT, 0.4 * SCRIPT - 0.1, SCRIPT * 0):
        assert measures(memoryless, SCRIPT, 5, 14, 22).hysteresis == pytest.approx(0, abs=1e-12)
    assert measures(SCRIPT**3, SCRIPT, 5, 14, 22).hysteresis < 0.05  # chords of a curve, no memory


def test_a_path_that_never_comes_back_and_one_that_does_not_move() -> None:
    down = np.where(np.arange(25) < 5, 0.0, -0.5)
    assert measures(down, HEARD, 5, 14, 22).recovery == math.inf
    flat = measures(np.zeros(25), HEARD, 5, 14, 22)
    assert math.isnan(flat.delay) and math.isnan(flat.coherence)
    with pytest.raises(ValueError, match="stretches"):
        measures(HEARD, HEARD, 5, 5, 22)


def test_area_and_autocorrelation_by_hand() -> None:
    # The fall along y = 0, the rise along y = x: a triangle; where they cross both halves count.
    assert branch_area([1, 0], [0, 0], [0, 1], [0, 1]) == pytest.approx(0.5)
    assert branch_area([1, 0], [0, 0], [0, 1], [-1, 1]) == pytest.approx(0.5)
    assert branch_area([2, 0, 0], [0, 1, 3], [0, 1], [2, 1]) == pytest.approx(0)
    assert math.isnan(branch_area([0, 0], [0, 1], [0, 1], [0, 1]))
    path = [1.0, 2.0, 3.0, 2.0]
    assert lag_one(path) == pytest.approx(np.polyfit([0], [0], 0)[0] + (-1 * 0 + 0 * 1 + 1 * 0) / 2)


def test_a_planted_slope_is_found_and_its_interval_covers() -> None:
    rng = np.random.default_rng(5)
    ease = rng.uniform(0.2, 0.6, (300, 1))
    doses = np.arange(5)
    right = (rng.random((300, 5)) < ease + 0.05 * doses).astype(float)
    found = slope_over(doses, right)
    by_hand = np.mean([np.polyfit(doses, row, 1)[0] for row in right])
    assert found.value == pytest.approx(by_hand)
    assert found.low < 0.05 < found.high and found.low > 0
    covered = 0
    for seed in range(200):
        draw = np.random.default_rng(seed).random((60, 5)) < 0.5
        null = slope_over(doses, draw.astype(float))
        covered += null.low <= 0 <= null.high
    assert covered >= 0.95 * 200 - 3 * math.sqrt(200 * 0.05 * 0.95)


def test_missing_doses_and_seeds() -> None:
    outcomes = np.array([[[0, 0], [1, np.nan], [2, 2]], [[1, 1], [np.nan, np.nan], [np.nan, 1]]])
    found = slope_over([0, 1, 2], outcomes)
    assert found.n == 2 and found.value == pytest.approx(0.5)
    assert math.isnan(slope_over([0, 1], [[np.nan, 1.0]]).value)
