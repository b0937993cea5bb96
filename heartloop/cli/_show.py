"""Pieces of what commands print: tables, cut lines, counts, bars in characters."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence

NARROW, WIDEST = 80, 160
BARS = "▁▂▃▄▅▆▇█"


def table(headers: list[str], rows: list[list[str]], *, right: set[int] | None = None) -> str:
    """A plain aligned table; columns in ``right`` are right-aligned."""
    right = right or set()
    widths = [max(len(row[i]) for row in [headers, *rows]) for i in range(len(headers))]
    lines = []
    for row in [headers, *rows]:
        cells = [
            c.rjust(w) if i in right else c.ljust(w)
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def fitted(headers: list[str], rows: list[list[str]], *, right: set[int], keep: int = 1) -> str:
    """A table as several where it is too wide, each with the first ``keep`` columns again.

    A column without a head stays with the one before it.
    """
    widths = [max(len(row[i]) for row in [headers, *rows]) for i in range(len(headers))]
    units: list[list[int]] = []
    for i in range(keep, len(headers)):
        if headers[i] or not units:
            units.append([i])
        else:
            units[-1].append(i)
    first = list(range(keep))
    parts: list[list[int]] = [first]
    for unit in units:
        if (
            len(parts[-1]) > keep
            and sum(widths[j] + 2 for j in (*parts[-1], *unit)) - 2 > width_now()
        ):
            parts.append(first)
        parts[-1] = [*parts[-1], *unit]
    return "\n\n".join(
        table(
            [headers[i] for i in part],
            [[row[i] for i in part] for row in rows],
            right={n for n, i in enumerate(part) if i in right},
        )
        for part in parts
    )


def width_now() -> int:
    """Columns of the terminal between 80 and 160; 80 where there is none."""
    if not sys.stdout.isatty() and "COLUMNS" not in os.environ:
        return NARROW
    return min(WIDEST, max(NARROW, shutil.get_terminal_size((NARROW, 24)).columns))


def cut(text: str, width: int) -> str:
    """One line, cut with an ellipsis."""
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def amount(number: float) -> str:
    """A count as people say it: 981, 12,400, 471 k, 2.7 M."""
    for size, unit in ((1e9, "G"), (1e6, "M")):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number / 1e3:.0f} k" if number >= 1e5 else f"{number:,.0f}"


def sparkline(shares: Sequence[float | None]) -> str:
    """Shares by round as bars; the scale ends at their largest, so that growth is seen."""
    top = max((s for s in shares if s is not None), default=0.0) or 1.0
    return "".join(" " if s is None else BARS[round(7 * max(0.0, s) / top)] for s in shares)


def bar(low: float, value: float, high: float, ends: tuple[float, float], width: int) -> str:
    """An interval in characters on a scale of ``width`` cells; ``│`` is no difference."""

    def cell(x: float) -> int:
        share = (x - ends[0]) / ((ends[1] - ends[0]) or 1.0)
        return round(min(1.0, max(0.0, share)) * (width - 1))

    cells = [" "] * width
    for i in range(cell(low), cell(high) + 1):
        cells[i] = "─"
    cells[cell(0.0)] = "┼" if cells[cell(0.0)] == "─" else "│"
    cells[cell(value)] = "●"
    return "".join(cells)
