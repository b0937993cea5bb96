"""Multiple choice by log-likelihood: BIG-Bench's official grade, TruthfulQA's MC1 and MC2."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from heartloop.errors import UsageError
from heartloop.types import Gold, Verdict


def grade_loglik(
    scores: Mapping[str, float] | Sequence[float],
    gold: Gold,
    *,
    choices: Sequence[str] = (),
    metric: str | None = None,
) -> Verdict:
    """Grade one item by the log-likelihoods of its choices.

    Args:
        scores: log-likelihood in nats of every choice, by text, or in the order of ``choices``.
        gold: accepted choices; ``params.target_scores`` gives each choice's worth.
        choices: needed where ``scores`` is a sequence.
        metric: ``multiple_choice_grade`` (BIG-Bench: the worth of the likeliest choice; ties
            share it evenly), ``mc1`` (whether the likeliest choice is true) or ``mc2`` (the share
            of probability on true choices, ``Σ_true e^s / Σ e^s``; Lin et al. 2022, arXiv
            2109.07958). By default the params' ``metric``, else the first.

    Returns:
        A verdict whose score is in [0, 1]; correct where the likeliest choice is the best.

    Raises:
        UsageError: scores and choices do not fit together, or an unknown metric.
    """
    if not isinstance(scores, Mapping):
        if len(scores) != len(choices):
            raise UsageError(f"{len(scores)} log-likelihoods for {len(choices)} choices")
        scores = dict(zip(choices, scores, strict=True))
    if not scores or any(value is None or math.isnan(value) for value in scores.values()):
        return Verdict("unscored", "unparsed", None, None, "no log-likelihood for some choice")
    worth = dict(gold.params.get("target_scores") or {})
    worth = worth or {name: 1.0 if name in gold.answers else 0.0 for name in scores}
    missing = [name for name in worth if name not in scores]
    if missing:
        raise UsageError(f"no log-likelihood for choice {missing[0]!r}")
    metric = metric or str(gold.params.get("metric") or "multiple_choice_grade")
    top = max(scores[name] for name in worth)
    likeliest = [name for name in worth if scores[name] == top]
    detail = f"likeliest: {likeliest[0]!r} ({top:.3f} nats)"
    if len(likeliest) > 1:
        detail += f", tied with {len(likeliest) - 1} more"
    if metric == "mc2":
        weights = {name: math.exp(scores[name] - top) for name in worth}
        true = sum(weights[name] for name in worth if worth[name] > 0)
        score = true / sum(weights.values())
    elif metric == "mc1":
        score = sum(1.0 for name in likeliest if worth[name] > 0) / len(likeliest)
    elif metric == "multiple_choice_grade":
        score = sum(worth[name] for name in likeliest) / len(likeliest)
    else:
        raise UsageError(f"unknown metric {metric!r}; one of multiple_choice_grade, mc1, mc2")
    best = max(worth.values())
    solved = len(likeliest) == 1 and worth[likeliest[0]] == best and best > 0
    return Verdict("correct" if solved else "incorrect", None, likeliest[0], score, detail)
