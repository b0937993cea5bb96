"""Dose and response: rows for the terminal and for the report."""

from __future__ import annotations

import math
from collections.abc import Sequence

from heartloop.analysis.frames import Mean
from heartloop.errors import UsageError
from heartloop.report.html import note, table
from heartloop.report.writing import estimate
from heartloop.run.doses import OUTCOMES, Dose, load_doses
from heartloop.run.folder import RunFolder

HEADS = ["outcome", "feeling", "said − plain", "", "slope a step", "", "items", "by intensity"]
READING = (
    "Points; words for `words`. Intensity 0 is the plain prompt. said − plain: the mean over all "
    "intensities that were said, minus the plain prompt: what any sentence may do. slope: change "
    "per step among those that were said, mean of each item's own slope: what the strength does. "
    "Intervals hold for all feelings of an outcome together. above, below, rises, falls: they "
    "exclude 0; open: they do not, which is no proof of none. Several outcomes are read here: one "
    "line among many may stand by chance."
)


def rows_of(found: Sequence[Dose]) -> list[list[str]]:
    """A row an outcome and feeling, but for outcomes that `same_lines` tells in words."""
    several = len({(d.task, d.model) for d in found}) > 1
    rows = []
    for one in found:
        if not several and (_constant(one.outcome, found) or _as_right(one.outcome, found)):
            continue
        scale = 1.0 if one.outcome == "words" else 100.0
        means = [
            f"{dose}: {scale * mean:.1f}"
            for dose, mean in zip(one.doses, one.means, strict=True)
            if not math.isnan(mean)
        ]
        name = f"{one.outcome}, {one.task} [{one.model}]" if several else one.outcome
        rows.append(
            [
                name,
                one.feeling,
                *_cells(one.said, scale, "above", "below"),
                *_cells(one.slope, scale, "rises", "falls"),
                str(one.items),
                "  ".join(means),
            ]
        )
    return rows


def _cells(mean: Mean, scale: float, up: str, down: str) -> tuple[str, str]:
    if math.isnan(mean.low):
        return "none", ""
    text = estimate(scale * mean.value, scale * mean.low, scale * mean.high, 2)
    return text, up if mean.low > 0 else down if mean.high < 0 else "open"


def same_lines(found: Sequence[Dose]) -> list[str]:
    """Outcomes without a row: the same everywhere, or by content what is right by the metric."""
    if len({(d.task, d.model) for d in found}) > 1:
        return []
    lines = []
    for outcome in dict.fromkeys(d.outcome for d in found):
        if _constant(outcome, found):
            first = next(d for d in found if d.outcome == outcome)
            scale = 1.0 if outcome == "words" else 100.0
            lines.append(f"{outcome}: {scale * first.means[0]:.1f} at every intensity of all.")
        elif _as_right(outcome, found):
            lines.append("content: as right.")
    return lines


def _constant(outcome: str, found: Sequence[Dose]) -> bool:
    means = {mean for d in found if d.outcome == outcome for mean in d.means}
    return len(means) == 1 and not math.isnan(means.pop())


def _as_right(outcome: str, found: Sequence[Dose]) -> bool:
    by = {(d.outcome, d.feeling): d.means for d in found}
    return outcome == "content" and all(
        by["right", feeling] == means for (name, feeling), means in by.items() if name == outcome
    )


def dose_section(folder: RunFolder) -> str:
    """The table as HTML; empty for a run without a graded family, or without its data."""
    try:
        found = load_doses(folder)
    except UsageError:
        return ""
    told = "; ".join(f"{name}: {words}" for name, words in OUTCOMES.items())
    parts = [table(HEADS, rows_of(found)), *map(note, same_lines(found))]
    return "".join(parts) + note(READING) + note(told)
