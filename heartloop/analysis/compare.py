"""Everything that ``heartloop compare`` prints about two arms, or several against a control."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heartloop.analysis import ABSENT, CORRECT, UNSCORED
from heartloop.analysis.paired import (
    Bootstrap,
    PairTable,
    PValues,
    cluster_differences,
    cohens_h,
    mcnemar,
    pair_table,
    paired_bootstrap,
    permutation_test,
)
from heartloop.analysis.power import smallest_detectable
from heartloop.analysis.proportions import Accuracy, accuracy, as_matrix
from heartloop.analysis.score import Equivalence, score_interval, tost
from heartloop.analysis.suites import SuiteEffect, suite_effect

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ScoredDifference:
    """The comparison on pairs that both arms had scored.

    Attributes:
        pairs: number of them.
        difference: first minus second arm, a share; None without a pair.
        low, high: score interval.
        p: mid-p of the same test as of all.
    """

    pairs: int
    difference: float | None
    low: float
    high: float
    p: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """First arm minus second, on the questions they share; shares, not points.

    Attributes:
        a, b: accuracy of both arms on the shared pairs.
        questions, seeds, clusters: size of the comparison.
        table: counts of pairs, discordance and design effect.
        difference: of all, a share.
        low, high: score interval of the difference (cluster-robust).
        p: the reported p-value, two-sided mid-p of ``test``.
        p_exact: of the same test: never too small.
        test: ``McNemar`` (one pair a question) or ``sign-flip permutation``.
        mcnemar: exact and mid-p McNemar; None where pairs are not independent.
        permutation: the permutation test over clusters.
        bootstrap: paired (cluster) bootstrap of the difference and of Cohen's h.
        cohens_h: effect size.
        equivalence: TOST against the region.
        of_scored: the same on pairs scored in both arms.
        smallest_detectable: difference that this design finds with 80 % power at the observed
            discordance; None where it finds none.
        suite: mean over tasks with tasks as the sample; None with one task.
        p_holm, p_bh: adjusted over the comparisons it is one of, by who makes them; else p.
        level: coverage of intervals; 1 - level is the level of the tests.
        notes: what a reader must know.
    """

    a: Accuracy
    b: Accuracy
    questions: int
    seeds: int
    clusters: int
    table: PairTable
    difference: float
    low: float
    high: float
    p: float
    p_exact: float
    test: str
    mcnemar: PValues | None
    permutation: PValues
    bootstrap: Bootstrap
    cohens_h: float
    equivalence: Equivalence
    of_scored: ScoredDifference
    smallest_detectable: float | None
    suite: SuiteEffect | None
    p_holm: float
    p_bh: float
    level: float
    notes: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """``above``, ``below``, ``equivalent`` or ``undecided``, by the Holm-adjusted p-value."""
        if self.p_holm <= 1 - self.level:
            return "above" if self.difference > 0 else "below"
        return "equivalent" if self.equivalence.equivalent else "undecided"

    @property
    def sentence(self) -> str:
        """The answer in one sentence with its uncertainty."""
        margin = f"±{100 * self.equivalence.margin:g} points"
        meaning = {
            "above": "the first arm is above the second",
            "below": "the first arm is below the second",
            "equivalent": f"equivalent within {margin}",
            "undecided": f"undecided: neither a difference nor equivalence within {margin}",
        }[self.verdict]
        return (
            f"{100 * self.difference:+.1f} points ({self.level:.0%} interval "
            f"{100 * self.low:+.1f} to {100 * self.high:+.1f}; {self.test} mid-p "
            f"{self.p:.3g}, exact {self.p_exact:.3g}): {meaning}"
        )


def compare_arms(
    a: ArrayLike,
    b: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    tasks: ArrayLike | None = None,
    margin: float = 0.03,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Paired comparison of two arms, models or runs on the questions they share.

    "Of all": unscored answers and errors are not right. Pairs with an ABSENT side are left out.
    Give only columns that are replicates (``passk.repeated_runs`` says which).

    Args:
        a: codes of the first arm, shape (questions,) or (questions, seeds).
        b: codes of the second arm: the same questions in the same order.
        clusters: one label a question where questions are not independent.
        tasks: one label a question; with several, the mean over tasks is given too.
        margin: half-width of the region of equivalence, a share.
        level: coverage of intervals.
        draws: bootstrap resamples.
        seed: of the bootstrap.

    Raises:
        ValueError: shapes that differ, codes that are no outcomes, or no shared question.
    """
    first, second = as_matrix(a), as_matrix(b)
    if first.shape != second.shape:
        raise ValueError(
            f"arms have shapes {first.shape} and {second.shape}: pairs need the same questions"
        )
    shared = (first != ABSENT) & (second != ABSENT)
    if not shared.any():
        raise ValueError("the arms share no question")
    x, y = (first == CORRECT) & shared, (second == CORRECT) & shared
    table = pair_table(x, y, shared, clusters)
    permutation = permutation_test(cluster_differences(x, y, shared, clusters))
    independent = table.clusters == table.n
    plain = mcnemar(table.only_a, table.only_b) if independent else None
    headline = plain or permutation
    low, high = score_interval(table, level)
    here_a = accuracy(np.where(shared, first, ABSENT), clusters, level)
    here_b = accuracy(np.where(shared, second, ABSENT), clusters, level)
    # Above 1e-6 so that two arms that never differ still have a discordance to plan with.
    effective = max(1, round(table.n / table.design_effect))
    visible = smallest_detectable(
        effective, min(1.0, max(table.discordance, 0.5 / table.n)), alpha=1 - level
    )
    return Comparison(
        a=here_a,
        b=here_b,
        questions=int(shared.any(axis=1).sum()),
        seeds=first.shape[1],
        clusters=table.clusters,
        table=table,
        difference=table.difference,
        low=low,
        high=high,
        p=headline.mid_p,
        p_exact=headline.p,
        test="McNemar" if plain else "sign-flip permutation",
        mcnemar=plain,
        permutation=permutation,
        bootstrap=paired_bootstrap(x, y, shared, clusters, draws, seed, level),
        cohens_h=cohens_h(here_a.of_all.estimate or 0.0, here_b.of_all.estimate or 0.0),
        equivalence=tost(table, margin, 1 - level),
        of_scored=_of_scored(first, second, shared, clusters, level),
        smallest_detectable=visible,
        suite=_by_task(x, y, shared, tasks, level),
        p_holm=headline.mid_p,
        p_bh=headline.mid_p,
        level=level,
        notes=_notes(table, here_a, here_b),
    )


def _of_scored(
    first: NDArray[np.int8],
    second: NDArray[np.int8],
    shared: BoolArray,
    clusters: ArrayLike | None,
    level: float,
) -> ScoredDifference:
    both = shared & (first > UNSCORED) & (second > UNSCORED)
    x, y = (first == CORRECT) & both, (second == CORRECT) & both
    table = pair_table(x, y, both, clusters)
    if table.n == 0:
        return ScoredDifference(0, None, -1.0, 1.0, 1.0)
    p = permutation_test(cluster_differences(x, y, both, clusters)).mid_p
    return ScoredDifference(table.n, table.difference, *score_interval(table, level), p)


def _by_task(
    x: BoolArray, y: BoolArray, shared: BoolArray, tasks: ArrayLike | None, level: float
) -> SuiteEffect | None:
    if tasks is None:
        return None
    labels = np.unique(np.asarray(tasks), return_inverse=True)[1].reshape(-1)
    if len(labels) != len(x):
        raise ValueError(f"{len(x)} questions but {len(labels)} task labels: give one a question")
    if labels.max() == 0:
        return None
    effects, errors = [], []
    for task in range(int(labels.max()) + 1):
        rows = labels == task
        count = shared[rows].sum(axis=1)
        total = (x[rows].astype(float) - y[rows]).sum(axis=1)
        n, g = count.sum(), int((count > 0).sum())
        if n == 0:
            continue
        mean = float(total.sum() / n)
        effects.append(mean)
        scale = g / (g - 1) if g > 1 else 1.0
        errors.append(float(np.sqrt(scale * ((total - mean * count) ** 2).sum()) / n))
    return suite_effect(effects, errors, level)


def _notes(table: PairTable, a: Accuracy, b: Accuracy) -> tuple[str, ...]:
    notes = []
    different = table.only_a + table.only_b
    if different < 10:
        notes.append(f"only {different} pairs differ: little can be said")
    if table.clusters < 20:
        notes.append(
            f"only {table.clusters} independent groups: intervals and bootstrap are rough, "
            "the permutation test is not"
        )
    for name, arm in (("first", a), ("second", b)):
        lost = arm.unscored_rate + arm.error_rate
        if lost > 0.05:
            notes.append(f"{lost:.0%} of the {name} arm's answers are unscored or errors")
    if abs(a.unscored_rate + a.error_rate - b.unscored_rate - b.error_rate) > 0.02:
        notes.append("the arms lose answers at different rates: compare of all with of scored")
    return tuple(notes)
