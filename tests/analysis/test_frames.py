"""Effects of frames: found where planted, nothing where not; against hand-made figures."""

from __future__ import annotations

import math

import numpy as np
import pytest

from heartloop.analysis.frames import frame_effects, mean_over


def made(rng, items: int, pull: float):
    """Decisions in two frames: the second one says yes more often, by ``pull``."""
    draw = rng.random((items, 1, 1))
    said = np.concatenate([draw < 0.4, draw < 0.4 + pull], axis=1)
    return np.where(said, "yes", "no").astype(object), said


def test_a_planted_pull_is_found_with_its_size() -> None:
    decisions, said = made(np.random.default_rng(1), 400, 0.2)
    right = np.ones(said.shape, np.int8)
    (found,) = frame_effects(decisions, right, ["plain", "sad"], toward=said)
    p0, p1 = said[:, 0].mean(), said[:, 1].mean()
    h = 2 * math.asin(math.sqrt(p1)) - 2 * math.asin(math.sqrt(p0))
    assert found.toward is not None
    assert found.toward.h == pytest.approx(h) and found.toward.h_low < h < found.toward.h_high
    assert found.flips.estimate == pytest.approx(p1 - p0)
    assert found.toward.verdict == "moved" and found.right.verdict == "same"
    assert found.robustness == pytest.approx(0.3 / h) and found.robustness_low < 0.3 / h
    assert found.again is None and found.confidence is None


def test_nothing_planted_nothing_found_and_equivalence_needs_enough_items() -> None:
    decisions, said = made(np.random.default_rng(2), 400, 0.0)
    right = np.ones(said.shape, np.int8)
    (found,) = frame_effects(decisions, right, ["plain", "sad"], toward=said)
    assert found.toward is not None and found.toward.verdict == "same"
    assert found.flips.estimate == 0 and found.robustness == math.inf
    assert 1 < found.robustness_low < 20  # 400 equal answers prove no infinite robustness
    (few,) = frame_effects(decisions[:20], right[:20], ["plain", "sad"], toward=said[:20])
    assert few.toward is not None and few.toward.verdict == "open"


def test_false_alarms_stay_at_their_level_for_all_frames_together() -> None:
    rng = np.random.default_rng(3)
    alarms = 0
    for _ in range(200):
        said = rng.random((60, 6, 1)) < 0.5
        decisions = np.where(said, "yes", "no").astype(object)
        found = frame_effects(
            decisions, said.astype(np.int8), list("abcdef"), toward=said, draws=50
        )
        alarms += any(e.toward is not None and e.toward.verdict == "moved" for e in found)
    assert alarms <= 0.05 * 200 + 3 * math.sqrt(200 * 0.05 * 0.95)


def test_flips_beside_those_of_asking_again_and_drift_of_confidence() -> None:
    decisions = np.array([["yes", "no"], ["no", "no"], ["yes", None], ["no", "yes"]], object)
    decisions = decisions[:, :, None]
    again = np.array([["yes", "x"], ["yes", "x"], ["yes", "x"], ["no", "x"]], object)[:, :, None]
    right = np.array([[1, 0], [1, 1], [1, -1], [0, 1]], np.int8)[:, :, None]
    stated = np.array([[0.9, 0.7], [0.8, 0.7], [0.5, np.nan], [0.6, 0.6]])[:, :, None]
    (found,) = frame_effects(
        decisions, right, ["plain", "sad"], confidence=stated, again=again, draws=50
    )
    assert found.flips.n == 3 and found.flips.estimate == pytest.approx(2 / 3)
    assert found.again is not None and found.again.estimate == pytest.approx(1 / 4)
    assert found.confidence is not None and found.confidence.n == 3
    assert found.confidence.value == pytest.approx(-0.1)
    assert found.right.pairs == 4 and found.right.difference == pytest.approx(-0.25)


def test_mean_over_items_not_over_seeds() -> None:
    mean = mean_over([[1.0, 1.0, 1.0], [0.0, np.nan, np.nan]])
    assert (mean.value, mean.n) == (0.5, 2)
    assert math.isnan(mean_over([0.3]).low)
