"""Preference bias of label predictions: does a model like some labels more than the gold does?

After Kang et al., ACL 2024 (arXiv 2402.13211): the preference p of a label is a Bradley-Terry
strength fitted to the confusions, the bias B its standard deviation.

*Confusion matrix*: ``W[predicted, gold]``, shape (K, K), or (K + 1, K) where the last row counts
predictions that could not be read. Unread predictions are wrong in every score, and play no part in
p, because nothing was preferred. All functions take a leading batch axis where they say so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from heartloop.analysis._bradley_terry import (
    ITERATIONS,
    FloatArray,
    Preference,
    Scores,
    balanced,
    checked_confusion,
    confusion_matrix,
    maximum_likelihood,
    preference,
    preference_scores,
    scores,
    strongly_connected,
)

__all__ = [
    "ITERATIONS",
    "LABELS",
    "PUBLISHED",
    "STAGES",
    "Preference",
    "PreferenceReport",
    "Reference",
    "Scores",
    "balanced",
    "confusion_matrix",
    "conversation_confusions",
    "maximum_likelihood",
    "pearson",
    "preference",
    "preference_bias",
    "preference_dict",
    "preference_scores",
    "reference_bias",
    "resample_confusions",
    "scores",
    "strongly_connected",
]

LABELS: tuple[str, ...] = (
    "Question",
    "Restatement or Paraphrasing",
    "Reflection of feelings",
    "Self-disclosure",
    "Affirmation and Reassurance",
    "Providing Suggestions",
    "Information",
    "Others",
)
"""The eight support strategies of ESConv, in the order of the test vector."""

STAGES: dict[str, tuple[str, ...]] = {
    "exploration": (LABELS[0], LABELS[1], LABELS[2], LABELS[3]),
    "comforting": (LABELS[2], LABELS[3], LABELS[4]),
    "action": (LABELS[3], LABELS[4], LABELS[5], LABELS[6]),
}
"""Strategies that belong to each stage of a support conversation."""

PUBLISHED: tuple[tuple[str, float, float | None], ...] = (
    ("ChatGPT 0-shot", 13.50, 1.38),
    ("ChatGPT + Direct-Refine", 13.40, 1.60),
    ("ChatGPT + Self-Refine", 12.37, 1.53),
    ("ChatGPT + Emotional-CoT", 9.55, 1.56),
    ("ChatGPT + commonsense", 12.78, 0.95),
    ("ChatGPT + 4 examples", 16.91, 0.82),
    ("ChatGPT + strategy planner", 21.09, 0.36),
    ("GPT-4 0-shot", 15.04, 1.35),
    ("GPT-4 2-shot", 18.38, 0.90),
    ("LLaMA2-70B 2-shot", 14.55, 0.47),
    ("random strategy", 12.21, None),
)
"""Published rows (name, Q in percent, B) of Kang et al. 2024, to print beside one's own."""


def pearson(x: ArrayLike, y: ArrayLike) -> float | None:
    """Correlation of two rows; None with fewer than two values or where one does not vary."""
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if len(a) < 2:
        return None
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float((a * a).sum()) * float((b * b).sum()))
    return float((a * b).sum()) / scale if scale > 1e-15 else None


@dataclass(frozen=True, slots=True)
class Reference:
    """Bias that a predictor without any knowledge would show on the same golds.

    Attributes:
        mean: of B over simulations.
        low, high: 2.5 and 97.5 % of them.
        macro: mean Q.
    """

    mean: float
    low: float
    high: float
    macro: float


def reference_bias(
    gold_counts: ArrayLike,
    predict: ArrayLike | None = None,
    simulations: int = 1_000,
    seed: int = 0,
) -> Reference:
    """Bias of random predictions on the same golds, by simulation.

    Args:
        gold_counts: items of each gold label, shape (K,).
        predict: probability of each prediction; default uniform.
        simulations: number of simulated prediction sets.
        seed: of the simulation.
    """
    counts = np.asarray(gold_counts, dtype=np.int64)
    labels = len(counts)
    chance = np.full(labels, 1 / labels) if predict is None else np.asarray(predict, dtype=float)
    rng = np.random.default_rng(seed)
    w = np.zeros((simulations, labels, labels))
    for gold, count in enumerate(counts.tolist()):
        w[:, :, gold] = rng.multinomial(count, chance, simulations)
    bias = preference_scores(w).std(axis=-1)
    low, high = np.quantile(bias, [0.025, 0.975])
    return Reference(float(bias.mean()), float(low), float(high), float(scores(w).macro.mean()))


@dataclass(frozen=True, slots=True)
class PreferenceReport:
    """Everything ``heartloop esc`` prints of one run. Intervals are (low, high), 95 %.

    Attributes:
        labels: names, in the order of the arrays.
        preference: p, B and flags.
        p_interval, bias_interval, macro_interval, accuracy_interval: bootstrap over conversations;
            None without conversations.
        macro: Q; weighted, accuracy, f1: see :class:`Scores`.
        stage_weighted: weighted F1 of each stage set that was given.
        p_maximum_likelihood: direct solution, None where none exists.
        uniform, gold_marginal: bias of predictors without knowledge.
        bias_balanced: B adjusted for the gold marginals (:func:`balanced`).
        p_f1_correlation: Pearson(p, F1).
        items, unread: counts.
        notes: sentences about degenerate cases.
    """

    labels: tuple[str, ...]
    preference: Preference
    macro: float
    weighted: float
    accuracy: float
    f1: tuple[float, ...]
    stage_weighted: Mapping[str, float]
    p_maximum_likelihood: tuple[float, ...] | None
    uniform: Reference
    gold_marginal: Reference
    bias_balanced: float
    p_f1_correlation: float | None
    items: int
    unread: int
    notes: tuple[str, ...]
    p_interval: tuple[tuple[float, float], ...] | None = None
    bias_interval: tuple[float, float] | None = None
    macro_interval: tuple[float, float] | None = None
    accuracy_interval: tuple[float, float] | None = None


def conversation_confusions(
    predicted: ArrayLike, gold: ArrayLike, conversations: ArrayLike, labels: int
) -> FloatArray:
    """Confusion matrix of each conversation, shape (conversations, K + 1, K).

    Args:
        predicted: label indices, negative where unread.
        gold: label indices.
        conversations: one id an item.
        labels: K.

    Raises:
        ValueError: lengths that differ.
    """
    ids = np.unique(np.asarray(conversations), return_inverse=True)[1].reshape(-1)
    given, true = np.asarray(predicted, dtype=np.int64), np.asarray(gold, dtype=np.int64)
    if not len(ids) == len(given) == len(true):
        raise ValueError("predicted, gold and conversations must have the same length")
    confusion_matrix(given, true, labels)  # checks the indices
    row = np.where(given < 0, labels, given)
    cell = (ids * (labels + 1) + row) * labels + true
    groups = int(ids.max()) + 1 if len(ids) else 0
    counts = np.bincount(cell, minlength=groups * (labels + 1) * labels)
    return counts.reshape(groups, labels + 1, labels).astype(float)


def resample_confusions(
    by_conversation: ArrayLike, draws: int = 1_000, seed: int = 0
) -> FloatArray:
    """Confusion matrices of resampled conversations, shape (draws, K + 1, K).

    Whole conversations are drawn with replacement, by one multinomial count vector a draw; the
    same seed draws the same conversations, so that two runs are resampled together.
    """
    table = np.asarray(by_conversation, dtype=float)
    groups = table.shape[0]
    rng = np.random.default_rng(seed)
    picks = rng.multinomial(groups, np.full(groups, 1 / groups), draws).astype(float)
    return np.asarray((picks @ table.reshape(groups, -1)).reshape(draws, *table.shape[1:]))


def preference_bias(
    confusion: ArrayLike | None = None,
    labels: Sequence[str] = LABELS,
    *,
    by_conversation: ArrayLike | None = None,
    stages: Mapping[str, ArrayLike] | None = None,
    draws: int = 1_000,
    simulations: int = 1_000,
    seed: int = 0,
) -> PreferenceReport:
    """The whole preference-bias analysis of one set of predictions.

    Args:
        confusion: ``W[predicted, gold]``, (K, K) or (K + 1, K); default the sum over conversations.
        labels: K names.
        by_conversation: confusions of each conversation (:func:`conversation_confusions`), for
            bootstrap intervals.
        stages: confusion matrix of each stage's test set.
        draws: bootstrap resamples.
        simulations: of each reference predictor.
        seed: of both.

    Raises:
        ValueError: shapes that do not fit the labels, or neither matrix given.
    """
    if confusion is None:
        if by_conversation is None:
            raise ValueError("give a confusion matrix or the confusions by conversation")
        confusion = np.asarray(by_conversation).sum(axis=0)
    w = checked_confusion(confusion)
    if w.ndim != 2 or w.shape[-1] != len(labels):
        raise ValueError(f"{len(labels)} labels for a confusion matrix of shape {w.shape}")
    found, marks, gold = preference(w), scores(w), w.sum(axis=0)
    shares = gold / gold.sum() if gold.sum() else np.full(len(labels), 1 / len(labels))
    intervals: dict[str, tuple[float, float]] = {}
    p_interval: tuple[tuple[float, float], ...] | None = None
    if by_conversation is not None and len(np.asarray(by_conversation)) > 1:
        drawn = resample_confusions(by_conversation, draws, seed)
        p, redone = preference_scores(drawn), scores(drawn)
        low, high = np.quantile(p, [0.025, 0.975], axis=0)
        p_interval = tuple((float(a), float(b)) for a, b in zip(low, high, strict=True))
        for name, sample in (
            ("bias_interval", p.std(axis=-1)),
            ("macro_interval", redone.macro),
            ("accuracy_interval", redone.accuracy),
        ):
            a, b = np.quantile(sample, [0.025, 0.975])
            intervals[name] = (float(a), float(b))
    return PreferenceReport(
        labels=tuple(labels),
        preference=found,
        macro=float(marks.macro),
        weighted=float(marks.weighted),
        accuracy=float(marks.accuracy),
        f1=tuple(float(v) for v in marks.f1),
        stage_weighted={k: float(scores(v).weighted) for k, v in (stages or {}).items()},
        p_maximum_likelihood=maximum_likelihood(w),
        uniform=reference_bias(gold, None, simulations, seed),
        gold_marginal=reference_bias(gold, shares, simulations, seed),
        bias_balanced=float(preference_scores(balanced(w)).std()),
        p_f1_correlation=pearson(found.p, marks.f1),
        items=int(w.sum()),
        unread=int(w[len(labels) :].sum()),
        notes=_notes(found, labels),
        p_interval=p_interval,
        **intervals,
    )


def _notes(found: Preference, labels: Sequence[str]) -> tuple[str, ...]:
    def names(which: tuple[int, ...]) -> str:
        return ", ".join(labels[i] for i in which)

    notes = []
    if len(found.outside) == len(labels):
        notes.append("no confusions at all: every preference is 1 and the bias 0 by definition")
    elif found.outside:
        notes.append(f"no confusions with {names(found.outside)}: p = 1, outside of the scaling")
    if found.never_predicted:
        notes.append(f"never a wrong prediction: {names(found.never_predicted)}: p = 0")
    if found.never_lost:
        notes.append(f"never passed over: {names(found.never_lost)}: p takes its limit")
    if not found.mle_exists:
        notes.append("the likelihood has no finite maximum (mle_exists: false): read B with care")
    return tuple(notes)


def preference_dict(report: PreferenceReport) -> dict[str, Any]:
    """A report as plain data for ``--json``: arrays by label become mappings.

    Keys: ``p``, ``f1`` (by label), ``B``, ``Q``, ``weighted_f1``, ``accuracy``, ``mle_exists``,
    ``intervals``, ``stage_weighted_f1``, ``p_maximum_likelihood``, ``references`` (``uniform``,
    ``gold_marginal``), ``B_adjusted``, ``pearson_p_f1``, ``items``, ``unread``, ``notes``,
    ``published``.
    """

    def by_label(values: Sequence[Any] | None) -> dict[str, Any] | None:
        if values is None:
            return None
        return dict(zip(report.labels, values, strict=True))

    return {
        "p": by_label(report.preference.p),
        "B": report.preference.bias,
        "Q": report.macro,
        "weighted_f1": report.weighted,
        "accuracy": report.accuracy,
        "f1": by_label(report.f1),
        "mle_exists": report.preference.mle_exists,
        "intervals": {
            "p": by_label(report.p_interval),
            "B": report.bias_interval,
            "Q": report.macro_interval,
            "accuracy": report.accuracy_interval,
        },
        "stage_weighted_f1": dict(report.stage_weighted),
        "p_maximum_likelihood": by_label(report.p_maximum_likelihood),
        "references": {
            "uniform": asdict(report.uniform),
            "gold_marginal": asdict(report.gold_marginal),
        },
        "B_adjusted": report.bias_balanced,
        "pearson_p_f1": report.p_f1_correlation,
        "items": report.items,
        "unread": report.unread,
        "notes": list(report.notes),
        "published": [{"name": n, "Q": q / 100, "B": b} for n, q, b in PUBLISHED]
        if set(report.labels) == set(LABELS)
        else [],
    }
