"""One call that gives everything that ``compare`` prints."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from heartloop.analysis import (
    compare_arms,
    compute_curve,
    look,
    power_plan,
)
from heartloop.analysis.curves import attempts
from heartloop.analysis.diagnostics import by_round
from heartloop.analysis.paired import mcnemar


def codes(rng: np.random.Generator, n: int, p: float, seeds: int = 1) -> np.ndarray:
    return (rng.random((n, seeds)) < p).astype(np.int8)


def test_one_pair_a_question_is_tested_by_mcnemar() -> None:
    rng = np.random.default_rng(0)
    found = compare_arms(codes(rng, 400, 0.7), codes(rng, 400, 0.5))
    assert found.test == "McNemar" and found.mcnemar is not None
    assert found.p == mcnemar(found.table.only_a, found.table.only_b).mid_p
    assert found.verdict == "above" and found.low > 0
    assert found.bootstrap.low > 0 and found.bootstrap.h_low > 0
    assert "points" in found.sentence


def test_several_seeds_are_tested_over_questions() -> None:
    rng = np.random.default_rng(1)
    a, b = codes(rng, 100, 0.6, 3), codes(rng, 100, 0.5, 3)
    found = compare_arms(a, b)
    assert found.test == "sign-flip permutation" and found.mcnemar is None
    assert found.clusters == 100 and found.table.n == 300


def test_lost_answers_count_against_an_arm_of_all_and_not_of_scored() -> None:
    rng = np.random.default_rng(2)
    b = codes(rng, 1000, 0.6)[:, 0]
    a = b.copy()
    a[:200] = -1
    found = compare_arms(a, b)
    assert found.difference < -0.1
    assert found.of_scored.difference == 0 and found.of_scored.pairs == 800
    assert any("unscored" in note for note in found.notes)


def test_pairs_that_one_arm_never_tried_are_left_out() -> None:
    a = np.array([1, 1, -3, 0], dtype=np.int8)
    b = np.array([1, 0, 1, -3], dtype=np.int8)
    found = compare_arms(a, b)
    assert found.questions == 2 and found.difference == pytest.approx(0.5)
    with pytest.raises(ValueError, match="no question"):
        compare_arms(np.array([-3], dtype=np.int8), np.array([1], dtype=np.int8))


def test_no_effect_can_be_a_finding() -> None:
    rng = np.random.default_rng(3)
    b = codes(rng, 2000, 0.6)
    flip = rng.random((2000, 1)) < 0.02
    found = compare_arms(np.where(flip, 1 - b, b), b)
    assert found.verdict == "equivalent"
    assert "equivalent within ±3 points" in found.sentence


def test_several_tasks_are_a_sample_of_tasks() -> None:
    rng = np.random.default_rng(4)
    tasks = np.repeat(np.arange(20), 50)
    gain = rng.normal(0.0, 0.15, 20)[tasks]
    a = (rng.random(1000) < 0.5 + gain).astype(np.int8)
    found = compare_arms(a, codes(rng, 1000, 0.5)[:, 0], tasks=tasks)
    assert found.suite is not None and found.suite.tasks == 20
    assert found.suite.se > found.suite.se_fixed  # type: ignore[operator]
    assert compare_arms(a, a, tasks=np.zeros(1000)).suite is None


def test_arms_that_never_differ_make_no_claim_of_a_difference() -> None:
    same = np.ones((30, 2), dtype=np.int8)
    found = compare_arms(same, same)
    assert found.p == 1 and found.difference == 0 and found.verdict == "undecided"


def test_importing_the_package_loads_no_numpy() -> None:
    code = (
        "import sys, heartloop.analysis; print('numpy' in sys.modules); "
        "heartloop.analysis.wilson(3, 5); print('numpy' in sys.modules, 'scipy' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["False", "True", "False"]


def test_every_public_name_exists() -> None:
    import heartloop.analysis as analysis

    for name in analysis.__all__:
        assert getattr(analysis, name) is not None
    with pytest.raises(AttributeError, match="no attribute"):
        _ = analysis.nothing_of_the_kind


def test_results_are_plain_data_for_json() -> None:
    rng = np.random.default_rng(6)
    one, other = codes(rng, 60, 0.5, 2), codes(rng, 60, 0.5, 2)
    found = compare_arms(one, other, tasks=np.arange(60) % 3, draws=100)
    curve = compute_curve(attempts(np.arange(5), np.ones(5), np.ones(5)), draws=10)
    for value in (found, curve, by_round(one), power_plan(60), look([1.0, -1.0])):
        text = json.dumps(dataclasses.asdict(value), allow_nan=False)
        assert len(text) > 50
