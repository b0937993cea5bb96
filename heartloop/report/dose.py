"""Dose and response: rows for the terminal and for the report."""

from __future__ import annotations

import math
from collections.abc import Sequence

from heartloop.errors import UsageError
from heartloop.report.html import note, table
from heartloop.run.doses import OUTCOMES, Dose, load_doses
from heartloop.run.folder import RunFolder

HEADS = ["outcome", "feeling", "by intensity", "slope a step", "", "items"]
READING = (
    "Intensity 0 is the plain prompt. slope: change of the outcome per step of intensity (points; "
    "words for `words`), mean of each item's own slope; its interval holds for all feelings of an "
    "outcome together. rises, falls: it excludes 0; open: it does not, which is no proof of none. "
    "Several outcomes are read here: one line among many may stand by chance."
)


def rows_of(found: Sequence[Dose]) -> list[list[str]]:
    """A row an outcome and feeling."""
    several = len({(d.task, d.model) for d in found}) > 1
    rows = []
    for one in found:
        scale = 1.0 if one.outcome == "words" else 100.0
        means = [
            f"{dose}: {scale * mean:.1f}"
            for dose, mean in zip(one.doses, one.means, strict=True)
            if not math.isnan(mean)
        ]
        s = one.slope
        slope, word = "none", ""
        if not math.isnan(s.low):
            slope = f"{scale * s.value:+.2f} [{scale * s.low:+.2f}, {scale * s.high:+.2f}]"
            word = "rises" if s.low > 0 else "falls" if s.high < 0 else "open"
        name = f"{one.outcome}, {one.task} [{one.model}]" if several else one.outcome
        rows.append([name, one.feeling, "  ".join(means), slope, word, str(one.items)])
    return rows


def dose_section(folder: RunFolder) -> str:
    """The table as HTML; empty for a run without a graded family, or without its data."""
    try:
        found = load_doses(folder)
    except UsageError:
        return ""
    told = "; ".join(f"{name}: {words}" for name, words in OUTCOMES.items())
    return table(HEADS, rows_of(found)) + note(READING) + note(told)
