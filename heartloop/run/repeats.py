"""What several draws of the same question tell: pass@k, pass^k, maj@k, best@k, and the spread."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from heartloop.analysis import CODES

Draw = tuple[str, str | None, float | None]
"""Outcome, answer and score of one independent answer."""


def first_answers(trace: Sequence[Mapping[str, Any]]) -> list[Draw]:
    """The independent answers of a trace: those of round 0 that are no merged ones."""
    return [
        (line["outcome"], line["answer"], line["score"])
        for line in trace
        if line["round"] == 0 and line["purpose"] == "answer"
    ]


def repeat_figures(draws: Mapping[str, Sequence[Draw]], whole: bool) -> dict[str, Any] | None:
    """Figures of an arm whose questions were answered several times; None where they were not.

    ``k`` goes over the powers of two and the fewest draws that every question has. Intervals are
    95 % and over questions (mean ± 1.96 standard errors of the per-question values).

    Args:
        draws: question → its independent answers, run seeds side by side.
        whole: False where an arm stops at the first right draw: then its draws are no fair sample.
    """
    fewest = min(map(len, draws.values()), default=0)
    if not whole or fewest < 2:
        return None
    # Most runs ask once, and need none of this.
    import numpy as np

    from heartloop.analysis.passk import (
        answer_classes,
        best_at_k,
        maj_at_k,
        pass_at_k,
        pass_hat_k,
        variance_components,
    )

    rows = [list(found)[:fewest] for found in draws.values()]
    codes = np.array([[CODES[outcome] for outcome, _, _ in row] for row in rows], np.int8)
    answers = np.empty(codes.shape, object)
    answers[:] = [[answer for _, answer, _ in row] for row in rows]
    classes = answer_classes(answers, codes)
    partial = any(s not in (None, 0.0, 1.0) for row in rows for _, _, s in row)
    scores = np.array([[s or 0.0 for _, _, s in row] for row in rows])
    by_k = []
    for k in sorted({*(2**i for i in range(int(math.log2(fewest)) + 1)), fewest}):
        values = {
            "pass": pass_at_k(codes, k),
            "all": pass_hat_k(codes, k),
            "maj": maj_at_k(classes, codes, k),
        }
        if partial:
            values["best"] = best_at_k(scores, k)
        by_k.append({"k": k, **{name: _mean(x) for name, x in values.items()}})
    parts = variance_components(codes) if len(rows) > 1 else None
    return {
        "draws": fewest,
        "questions": len(rows),
        "by_k": by_k,
        "sd_between_questions": _root(parts.between_questions if parts else None),
        "sd_between_draws": _root(parts.within_questions if parts else None),
        "se_from_questions": parts.se_questions if parts else None,
        "se_from_draws": parts.se_draws if parts else None,
    }


def _root(variance: float | None) -> float | None:
    return None if variance is None else math.sqrt(max(variance, 0.0))


def _mean(values: Any) -> list[float]:
    """Mean and its interval."""
    import numpy as np

    mean = float(np.mean(values))
    half = 1.96 * float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 1.0
    return [mean, min(mean, max(0.0, mean - half)), max(mean, min(1.0, mean + half))]


NAMES = {"pass": "pass@k", "all": "pass^k", "maj": "maj@k", "best": "best@k"}


def repeat_lines(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Table rows (arm, draws, k, each of `NAMES`) of a summary's arms, in per cent."""
    found = []
    for row in rows:
        figures = row.get("repeats")
        for at in figures["by_k"] if figures else ():
            cells = [
                f"{100 * at[n][0]:.1f} [{100 * at[n][1]:.1f}, {100 * at[n][2]:.1f}]"
                if n in at
                else ""
                for n in NAMES
            ]
            found.append([f"{row['arm']} ({row['task']})", str(at["k"]), *cells])
    return found
