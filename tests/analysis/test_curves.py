"""Equal-compute curves and the break-even point."""

from __future__ import annotations

import numpy as np
import pytest

from heartloop.analysis.curves import (
    attempts,
    break_even,
    compute_curve,
    step_table,
)


def test_a_curve_is_the_step_function_of_the_attempts() -> None:
    # question 0: right from 30 tokens on; question 1: never; question 2: right at 10, wrong at 20
    data = attempts([0, 0, 1, 2, 2], [10, 30, 15, 10, 20], [0, 1, 0, 1, 0], questions=3)
    found = compute_curve(data, draws=50)
    assert found.budget == (10, 15, 20, 30)
    assert found.accuracy == pytest.approx((1 / 3, 1 / 3, 0, 1 / 3))
    assert found.spent == pytest.approx((20 / 3, 35 / 3, 45 / 3, 65 / 3))
    # 0 up to 10, a third up to 20, 0 up to 30
    assert found.area == pytest.approx((10 * 0 + 10 / 3) / 30)


def test_questions_without_an_attempt_count_as_not_right() -> None:
    data = attempts([0], [5], [1], questions=4)
    assert compute_curve(data, draws=10).accuracy == (0.25,)


def test_dollars_are_not_lost_to_rounding() -> None:
    cost = np.array([0.1, 0.3, 0.7]) * 1e-4
    data = attempts(np.repeat(np.arange(1000), 3), np.tile(cost, 1000), np.tile([0, 0, 1], 1000))
    value, spent = step_table(data, cost)
    assert value[:, 2].all() and not value[:, 1].any()
    np.testing.assert_array_equal(spent, np.tile(cost, (1000, 1)))


def test_step_table_agrees_with_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    q, c, v = rng.integers(0, 20, 200), rng.integers(1, 500, 200), rng.random(200)
    data, grid = attempts(q, c, v, questions=22), np.array([0.5, 10, 100, 250, 499])
    value, _ = step_table(data, grid)
    for i in range(22):
        for j, budget in enumerate(grid.tolist()):
            own = [k for k in range(200) if data.question[k] == i and data.cost[k] <= budget]
            assert value[i, j] == (data.value[own[-1]] if own else 0.0)


def test_bands_have_the_error_of_a_share() -> None:
    rng = np.random.default_rng(1)
    right = (rng.random(900) < 0.5).astype(float)
    found = compute_curve(attempts(np.arange(900), np.ones(900), right), draws=2000)
    assert found.high[0] - found.low[0] == pytest.approx(2 * 1.96 * 0.5 / 30, rel=0.1)


def chain(rng: np.random.Generator, n: int, step: float, chance: list[float]) -> tuple:
    value = np.maximum.accumulate(rng.random((n, len(chance))) < chance, axis=1)
    cost = np.tile(step * np.arange(1, len(chance) + 1), n)
    return np.repeat(np.arange(n), len(chance)), cost, value.ravel()


def test_break_even_is_where_the_loop_gets_ahead_for_good() -> None:
    rng = np.random.default_rng(2)
    resample = attempts(*chain(rng, 4000, 100, [0.3, 0.1, 0.1, 0.1, 0.1, 0.1]))
    loop = attempts(*chain(rng, 4000, 150, [0.3, 0.4, 0.4, 0.4]))
    found = break_even(loop, resample, draws=200)
    assert found.budget == 300 and found.confident == 300
    assert found.area_difference[1] < found.area_difference[0] < found.area_difference[2]


def test_a_loop_that_never_gets_ahead_has_no_break_even() -> None:
    rng = np.random.default_rng(3)
    resample = attempts(*chain(rng, 500, 100, [0.4, 0.3, 0.3]))
    loop = attempts(*chain(rng, 500, 150, [0.1, 0.05]))
    found = break_even(loop, resample, draws=100)
    assert found.budget is None and found.confident is None and found.share_ahead == 0


def test_arms_on_other_questions_are_refused() -> None:
    a, b = attempts([0], [1], [1]), attempts([0, 1], [1, 1], [1, 1])
    with pytest.raises(ValueError, match="same ones"):
        break_even(a, b)
    with pytest.raises(ValueError, match="out of range"):
        attempts([0], [np.nan], [1])


def test_seeds_of_a_question_are_no_questions_of_their_own() -> None:
    rng = np.random.default_rng(4)
    one = rng.integers(0, 2, 300)
    single = attempts(np.arange(300), np.ones(300), one)
    alone = compute_curve(single, draws=2000)
    same = attempts(np.repeat(np.arange(300), 5), np.ones(1500), np.repeat(one, 5))
    found = compute_curve(same, draws=2000)
    assert found.questions == 300
    assert found.high[0] - found.low[0] == pytest.approx(alone.high[0] - alone.low[0], rel=0.1)
    assert break_even(same, single).budget is None
