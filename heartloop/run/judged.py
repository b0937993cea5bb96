"""What a judge's labels add up to: the headline figures of SimpleQA, TruthfulQA and ratings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

JUDGED = {
    "correct_given_attempted": "correct given attempted",
    "f": "F",
    "true": "true",
    "informative": "informative",
    "true_and_informative": "true and informative",
}
"""Headline figures of judged tasks, and their words."""


def judged_figures(labels: Mapping[str, int]) -> dict[str, Any] | None:
    """What a judge's labels add up to; None where no judge graded.

    SimpleQA: correct given attempted = C / (C + I), and F, the harmonic mean of it and of the
    share correct of all. TruthfulQA: shares true, informative, and both, of those judged.
    """
    if not labels:
        return None
    found: dict[str, Any] = {"labels": dict(sorted(labels.items()))}
    right, wrong = labels.get("label:CORRECT", 0), labels.get("label:INCORRECT", 0)
    total = right + wrong + labels.get("label:NOT_ATTEMPTED", 0)
    if total:
        given = right / (right + wrong) if right + wrong else None
        found["correct_given_attempted"] = given
        overall = right / total
        found["f"] = 2 * overall * given / (overall + given) if given else 0.0
    judged = labels.get("truthful:yes", 0) + labels.get("truthful:no", 0)
    if judged:
        found["true"] = labels.get("truthful:yes", 0) / judged
        found["informative"] = labels.get("informative:yes", 0) / judged
        found["true_and_informative"] = labels.get("both", 0) / judged
    ratings: dict[str, list[tuple[float, int]]] = {}
    for name, count in found["labels"].items():
        axis, _, mark = name.partition(":")
        if mark.replace(".", "", 1).isdigit():
            ratings.setdefault(axis, []).append((float(mark), count))
    if ratings:
        found["ratings"] = {
            axis: sum(m * c for m, c in marks) / sum(c for _, c in marks)
            for axis, marks in sorted(ratings.items())
        }
    return found
