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
    text = f"{100 * value:+.1f}" if sign else f"{100 * value:.1f}"
    return ("0.0" if text in ("+0.0", "-0.0") else text).replace("-", "−")


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


def text_table(headers: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A plain table; the first ``left`` columns are left-aligned."""
    widths = [max(len(r[i]) for r in (headers, *rows)) for i in range(len(headers))]
    lines = [
        "  ".join(
            cell.ljust(w) if i < left else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (headers, *rows)
    ]
    return "\n".join(lines)


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
