"""Equal-compute curves: accuracy against tokens, dollars, calls or seconds, whatever the method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ComputeCurve:
    """Accuracy of one arm as the budget of a question grows; a step function.

    Attributes:
        budget: cap a question, ascending, in the unit of the costs.
        spent: mean actually spent a question under that cap.
        accuracy: share of all questions whose last affordable answer is right.
        low, high: pointwise bootstrap band over questions.
        area: mean accuracy over budgets from 0 to the last, the normalised area under the curve.
        questions: number of questions.
    """

    budget: tuple[float, ...]
    spent: tuple[float, ...]
    accuracy: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    area: float
    questions: int


@dataclass(frozen=True, slots=True)
class Attempts:
    """What was handed in at which cost: one entry an attempt, sorted by question, then by cost.

    Attributes:
        question: index 0 … questions - 1.
        cost: spent on the question up to and including this attempt.
        value: what the arm would hand in if it stopped here: 1 right, 0 not, or a score.
        questions: number of questions, those without an attempt included.
        group: with several seeds, ``question`` counts traces and this gives each trace's question;
            the seeds of a question are averaged and resampled together.
    """

    question: NDArray[np.int64]
    cost: FloatArray
    value: FloatArray
    questions: int
    group: NDArray[np.int64] | None = None


def attempts(
    question: ArrayLike, cost: ArrayLike, value: ArrayLike, questions: int | None = None
) -> Attempts:
    """Check and sort attempts.

    Args:
        question: index of each attempt's question.
        cost: cumulative cost of the question's trace, finite and not negative.
        value: worth of the answer handed in if the arm stopped after this attempt.
        questions: total; default the largest index + 1.

    Raises:
        ValueError: lengths that differ, indices out of range, or a cost that is no number.
    """
    q = np.asarray(question, dtype=np.int64)
    c, v = np.asarray(cost, dtype=float), np.asarray(value, dtype=float)
    total = questions if questions is not None else (int(q.max()) + 1 if len(q) else 0)
    if not q.shape == c.shape == v.shape or q.ndim != 1:
        raise ValueError("question, cost and value need one entry an attempt each")
    if len(q) and (q.min() < 0 or q.max() >= total or not np.isfinite(c).all() or c.min() < 0):
        raise ValueError("a question index or a cost is out of range")
    order = np.lexsort((c, q))
    return Attempts(q[order], c[order], v[order], total)


def _by_question(data: Attempts, table: FloatArray) -> FloatArray:
    if data.group is None:
        return table
    size = np.bincount(data.group)
    out = np.zeros((len(size), table.shape[1]))
    np.add.at(out, data.group, table)
    return np.asarray(out / size[:, None])


def step_table(data: Attempts, grid: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Value and spending of every question at every budget of a grid.

    Args:
        data: attempts.
        grid: budgets, ascending.

    Returns:
        Two arrays of shape (questions, budgets): the value of the last attempt whose cumulative
        cost is within the budget (0 before the first), and that cost (0 before the first).
    """
    value = np.zeros((data.questions, len(grid)))
    spent = np.zeros((data.questions, len(grid)))
    if not len(data.question):
        return value, spent
    # Position of each (question, budget) in the sorted attempts by one search. Costs go in as
    # ranks, so that a budget equal to a cost is never lost to rounding.
    ranks = np.unique(np.concatenate([data.cost, grid]))
    key = data.question * len(ranks) + np.searchsorted(ranks, data.cost)
    first = np.arange(data.questions)[:, None] * len(ranks)
    at = np.searchsorted(key, first + np.searchsorted(ranks, grid)[None, :], side="right") - 1
    own = (at >= 0) & (data.question[np.maximum(at, 0)] == np.arange(data.questions)[:, None])
    value[own], spent[own] = data.value[at[own]], data.cost[at[own]]
    return value, spent


def budget_grid(*arms: Attempts, points: int = 200) -> FloatArray:
    """Budgets at which the curves of these arms change, thinned to at most ``points``."""
    costs = np.unique(np.concatenate([arm.cost for arm in arms]))
    if len(costs) > points:
        costs = np.unique(np.quantile(costs, np.linspace(0, 1, points), method="nearest"))
    return np.asarray(costs, dtype=float)


def _bands(
    table: FloatArray, draws: int, seed: int, level: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Bootstrap over questions; returns low, high and all drawn curves (draws, budgets)."""
    questions = len(table)
    rng = np.random.default_rng(seed)
    out = np.empty((draws, table.shape[1]))
    step = max(1, 4_000_000 // max(questions, 1))
    for start in range(0, draws, step):
        height = min(step, draws - start)
        picks = rng.integers(0, questions, (height, questions))
        # one weight a question a draw: a product with the table replaces a gather for each budget
        weight = np.zeros((height, questions), dtype=np.float32)
        for row in range(height):
            weight[row] = np.bincount(picks[row], minlength=questions)
        out[start : start + height] = weight @ table.astype(np.float32) / questions
    low, high = np.quantile(out, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high, out


def compute_curve(
    data: Attempts,
    grid: ArrayLike | None = None,
    draws: int = 1_000,
    seed: int = 0,
    level: float = 0.95,
) -> ComputeCurve:
    """Accuracy against compute, step-wise from the attempts of one arm.

    At budget x every question counts with the last answer that the arm had when it had spent at
    most x on that question. The area is the integral over [0, last budget], divided by its length.

    Args:
        data: from :func:`attempts`; costs in tokens, dollars, calls or seconds.
        grid: budgets; default :func:`budget_grid` of this arm. Give arms the same grid to
            compare their areas.
        draws: bootstrap resamples of questions for the band.
        seed: of the resampling.
        level: pointwise coverage of the band.

    Raises:
        ValueError: no question or no attempt.
    """
    if data.questions == 0 or not len(data.cost):
        raise ValueError("a compute curve needs at least one question and one attempt")
    x = budget_grid(data) if grid is None else np.sort(np.asarray(grid, dtype=float))
    value, spent = (_by_question(data, table) for table in step_table(data, x))
    low, high, _ = _bands(value, draws, seed, level)
    accuracy = value.mean(axis=0)
    return ComputeCurve(
        budget=tuple(x.tolist()),
        spent=tuple(spent.mean(axis=0).tolist()),
        accuracy=tuple(accuracy.tolist()),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        area=_area(x, accuracy),
        questions=len(value),
    )


def _area(x: FloatArray, y: FloatArray) -> float:
    if x[-1] <= 0:
        return float(y[-1])
    return float((np.diff(x) * y[:-1]).sum() / x[-1])


@dataclass(frozen=True, slots=True)
class BreakEven:
    """From which budget on a loop is ahead of resampling.

    Attributes:
        budget: smallest budget a question from which on the loop stays strictly ahead; None where
            it never does.
        confident: smallest budget from which on the lower limit of the difference stays above 0;
            None where there is none.
        area_difference: difference of the areas, loop - resample, with its interval.
        share_ahead: share of bootstrap draws in which the loop has the larger area.
        budgets, difference, low, high: the difference curve and its pointwise band.
    """

    budget: float | None
    confident: float | None
    area_difference: tuple[float, float, float]
    share_ahead: float
    budgets: tuple[float, ...]
    difference: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def break_even(
    loop: Attempts,
    resample: Attempts,
    draws: int = 1_000,
    seed: int = 0,
    level: float = 0.95,
) -> BreakEven:
    """Break-even point of a loop against independent resampling, paired by question.

    Compared over budgets up to the smaller of both arms' largest cost: beyond, one arm has nothing
    more to show.

    Args:
        loop: attempts of the loop.
        resample: attempts of resampling on the same questions, in the same unit.
        draws: bootstrap resamples of questions, shared by both arms.
        seed: of the resampling.
        level: pointwise coverage.

    Raises:
        ValueError: numbers of questions that differ, or an arm without attempts.
    """
    if not len(loop.cost) or not len(resample.cost):
        raise ValueError("an arm has no attempt")
    last = min(loop.cost.max(), resample.cost.max())
    grid = budget_grid(loop, resample)
    grid = grid[grid <= last]
    first, second = (_by_question(arm, step_table(arm, grid)[0]) for arm in (loop, resample))
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} questions: both arms need the same ones")
    table = first - second
    low, high, drawn = _bands(table, draws, seed, level)
    difference = table.mean(axis=0)
    areas = np.array([_area(grid, row) for row in drawn])
    tails = np.quantile(areas, [(1 - level) / 2, (1 + level) / 2])
    return BreakEven(
        budget=_from_here_on(grid, difference),
        confident=_from_here_on(grid, low),
        area_difference=(_area(grid, difference), float(tails[0]), float(tails[1])),
        share_ahead=float((areas > 0).mean() + 0.5 * (areas == 0).mean()),
        budgets=tuple(grid.tolist()),
        difference=tuple(difference.tolist()),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
    )


def _from_here_on(grid: FloatArray, values: FloatArray) -> float | None:
    behind = np.flatnonzero(values <= 1e-12)
    first = int(behind[-1]) + 1 if len(behind) else 0
    return float(grid[first]) if first < len(grid) else None
