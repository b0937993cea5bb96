"""What the frames of a framed task did: rows for the terminal and for the report."""

from __future__ import annotations

import math
from collections.abc import Sequence

from heartloop.analysis.frames import FrameEffect, Mean, Shift
from heartloop.analysis.proportions import Interval
from heartloop.errors import UsageError
from heartloop.report.html import note, table
from heartloop.report.writing import estimate, points
from heartloop.run.folder import RunFolder
from heartloop.run.framed import FrameTable, frame_tables, load_framed

READING = (
    "flips: decisions that differ from the base frame's, of items decided in both; again: when the "
    "base prompt is asked once more (arm `again`, else another seed). Intervals hold for all "
    "frames together; the items are the clusters. "
    "same: within ±{margin:g} points (TOST, 5 %); moved: the interval excludes 0; open: neither. "
    "robustness: 0.3 (low end for people, arXiv 2601.21439) / |h|, and at least how much."
)


def title_of(found: FrameTable, several: bool) -> str:
    """What a table is about, in one line."""
    one = found.of
    model = f" [{one.model}]" if several else ""
    practice = " PRACTICE SET." if one.practice else ""
    return f"{one.task}, {one.arm}{model}: {len(one.items)} items, base {one.frames[0]}{practice}"


def heads_of(found: FrameTable) -> list[str]:
    """The columns."""
    kind = [f"{found.of.kind} %, points"] if found.of.kind else []
    tail = ["right %, points", "h", "", "confidence", "robustness"]
    return ["frame", "flips %", "again %", *kind, *tail]


def rows_of(found: FrameTable, domains: bool = False) -> list[list[str]]:
    """A row a frame, and with ``domains`` a row a frame and domain behind them."""
    groups: list[tuple[str, Sequence[FrameEffect]]] = [("", found.effects)]
    groups += list(found.domains.items()) if domains else []
    return [_row(name, effect) for name, effects in groups for effect in effects]


def _row(domain: str, effect: FrameEffect) -> list[str]:
    told = effect.toward if effect.toward is not None else effect.right
    row = [f"{effect.frame} ({domain})" if domain else effect.frame]
    row += [_share(effect.flips), _share(effect.again)]
    if effect.toward is not None:
        row.append(_shift(effect.toward))
    row.append(_shift(effect.right))
    if not told.pairs:
        return [*row, "none", "", _drift(effect.confidence), "none"]
    ratio = "∞" if math.isinf(effect.robustness) else f"{effect.robustness:.1f}"
    return [
        *row,
        estimate(told.h, told.h_low, told.h_high, 2),
        told.verdict,
        _drift(effect.confidence),
        f"{ratio} (≥ {effect.robustness_low:.1f})",
    ]


def _share(part: Interval | None) -> str:
    if part is None or part.estimate is None or part.low is None or part.high is None:
        return "none"
    return f"{100 * part.estimate:.1f} [{100 * part.low:.1f}, {100 * part.high:.1f}]"


def _shift(shift: Shift) -> str:
    if not shift.pairs:
        return "none"
    change = estimate(100 * shift.difference, 100 * shift.low, 100 * shift.high)
    return f"{100 * shift.base:.1f} → {100 * shift.share:.1f}, {change}"


def _drift(mean: Mean | None) -> str:
    if mean is None:
        return "none"
    return estimate(100 * mean.value, 100 * mean.low, 100 * mean.high)


def overview_of(tables: Sequence[FrameTable]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of many arms: how far every frame moves what it may pull towards."""
    frames = list(dict.fromkeys(e.frame for t in tables for e in t.effects))
    rows = []
    for one in tables:
        by = {e.frame: e.toward if e.toward is not None else e.right for e in one.effects}
        cells = [
            f"{points(by[f].difference)}{'*' if by[f].verdict in ('moved', 'both') else ''}"
            if f in by and by[f].pairs
            else "none"
            for f in frames
        ]
        rows.append([one.of.arm, *cells])
    return [f"{tables[0].of.kind or 'right'}, points", *frames], rows


def frames_section(folder: RunFolder) -> str:
    """The tables as HTML; empty for a run without framed tasks, or without its data."""
    try:
        tables = frame_tables(load_framed(folder), draws=1000)
    except UsageError:
        return ""
    several = len({t.of.model for t in tables}) > 1
    parts = [
        table(heads_of(t), rows_of(t, domains=True), caption=title_of(t, several)) for t in tables
    ]
    return "".join(parts) + note(READING.format(margin=3))
