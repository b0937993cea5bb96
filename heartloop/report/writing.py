"""Figures, intervals and tables as text."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import Any


def points(value: float | None, sign: bool = True) -> str:
    """A share as points with one decimal, with a true minus sign."""
    if value is None:
        return "–"
    return signed(100 * value) if sign else signed(100 * value).removeprefix("+")


def signed(value: float, digits: int = 1) -> str:
    """A figure with its sign, a true minus; zero has none."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def estimate(value: float, low: float, high: float, digits: int = 1) -> str:
    """A figure and its interval, all of them with their signs."""
    return f"{signed(value, digits)} [{signed(low, digits)}, {signed(high, digits)}]"


def p_value(value: float | None) -> str:
    """A p-value with two digits."""
    if value is None:
        return "–"
    return "<.001" if value < 0.001 else "1" if value >= 0.9995 else f"{value:.3f}".lstrip("0")


def span(low: float | None, high: float | None) -> str:
    """An interval in points."""
    return f"[{points(low)}, {points(high)}]"


def some_rounds(count: int, most: int = 7) -> list[int]:
    """The rounds that a table has room for: all, or every k-th of them and the last."""
    step = -(-max(count - 1, 1) // (most - 1))
    return sorted({*range(0, count, step), count - 1}) if count else []


def text_table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    left: int = 1,
    width: int | None = None,
) -> str:
    """A plain table; the first ``left`` columns are left-aligned.

    Where it is wider than ``width`` it becomes several, each with the left columns again; an
    interval and its p-value stay with the figure before them.
    """
    widths = [max(len(r[i]) for r in (headers, *rows)) for i in range(len(headers))]
    if width is not None and sum(widths) + 2 * (len(widths) - 1) > width:
        parts = _parts(headers, widths, left, width)
        if len(parts) > 1:
            return "\n\n".join(
                text_table([headers[i] for i in part], [[r[i] for i in part] for r in rows], left)
                for part in parts
            )
    lines = [
        "  ".join(
            cell.ljust(w) if i < left else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (headers, *rows)
    ]
    return "\n".join(lines)


def _parts(heads: Sequence[str], widths: list[int], left: int, width: int) -> list[list[int]]:
    """The columns of each table that a wide one becomes."""
    first = list(range(left))
    units: list[list[int]] = []
    for i in range(left, len(heads)):
        if units and (not heads[i] or heads[i] in ("p", "mid-p") or heads[i].endswith("CI")):
            units[-1].append(i)
        else:
            units.append([i])
    parts: list[list[int]] = []
    for unit in units:
        if not parts or sum(widths[i] + 2 for i in (*parts[-1], *unit)) - 2 > width:
            parts.append([*first, *unit])
        else:
            parts[-1] += unit
    return parts


def fitted(text: str, width: int) -> str:
    """A text whose prose is folded; lines of tables stay as they are."""
    return "\n".join(
        line if len(line) <= width or "  " in line.strip() else filled(line, width)
        for line in text.split("\n")
    )


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A Markdown table."""
    rule = [":--" if i < left else "--:" for i in range(len(headers))]
    lines = (headers, rule, *rows)
    return "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in r) + " |" for r in lines)


_HELD = re.compile(r"(?<=[\d)\]]) (?=%)|(?<=±) (?=\d)")


def wrapped(text: str, width: int, **how: Any) -> list[str]:
    """Lines of a text within a width (`textwrap.wrap`); a number and its sign stay together."""
    lines = textwrap.wrap(_HELD.sub("\xa0", text), width, **how)
    return [line.replace("\xa0", " ") for line in lines]


def filled(text: str, width: int, **how: Any) -> str:
    """`wrapped`, as one text."""
    return "\n".join(wrapped(text, width, **how))
