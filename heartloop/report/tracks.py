"""Tables with a picture in each row: intervals on one scale, or shares of a whole.

One element is both the picture and its numbers: a screen reader reads the cells, a narrow screen
shows each row as a card with its picture across the whole width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from heartloop.report.html import e, head_cells
from heartloop.report.svg import ticks

WIDE = ' class="wide"'
SCALE = 1000  # units of a picture's own coordinates, stretched to the cell


@dataclass(frozen=True, slots=True)
class Mark:
    """One estimate with its interval, in points; ``kind`` is a CSS class of the style sheet."""

    value: float
    low: float
    high: float
    kind: str = "main"


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar from 0 to a value, in points."""

    value: float
    kind: str


@dataclass(frozen=True, slots=True)
class Track:
    """One row.

    Attributes:
        label: its name; ``title``: a line below it (the words of a stimulus).
        marks: intervals, drawn below one another; ``bars``: drawn below them, one on the other.
        cells: further cells, in the order of the heads.
        css: of the row: ``reference`` or ``strong``.
    """

    label: str
    marks: tuple[Mark, ...]
    cells: tuple[str, ...]
    bars: tuple[Bar, ...] = ()
    title: str = ""
    css: str = ""


def intervals(
    rows: Sequence[Track], heads: Sequence[str], *, margin: float, caption: str, axis: str
) -> str:
    """A forest plot as a table.

    Args:
        rows: from top to bottom.
        heads: of the label, of the picture and of the cells.
        margin: half-width of the shaded region of no difference, in points.
        caption: what is shown.
        axis: what the scale means, with its unit.
    """
    marks = [m for row in rows for m in row.marks]
    bars = [b.value for row in rows for b in row.bars]
    low = min([-margin, *(max(m.low, -100.0) for m in marks), *bars])
    high = max([margin, *(min(m.high, 100.0) for m in marks), *bars])
    steps = ticks(low, high, 5)
    step = steps[1] - steps[0] if len(steps) > 1 else 2 * margin or 1.0
    if low < steps[0]:
        steps = [steps[0] - step, *steps]
    if high > steps[-1]:
        steps = [*steps, steps[-1] + step]
    ends = steps[0] - step / 2, steps[-1] + step / 2

    def at(value: float) -> float:
        return SCALE * (min(max(value, ends[0]), ends[1]) - ends[0]) / (ends[1] - ends[0])

    scale = "".join(f"<span>{_number(s)}</span>" for s in steps)
    body = [_row(row, heads, at, margin, steps) for row in rows]
    foot = (
        f'<tr class="axis"><td></td><td class="picture"><div class="scale">{scale}</div>'
        f"<p>{e(axis)}</p></td>{'<td></td>' * (len(heads) - 2)}</tr>"
    )
    return (
        f'<table class="tracks"><caption>{e(caption)}</caption>'
        f"<thead><tr>{head_cells(heads)}</tr></thead>"
        f"<tbody>{''.join(body)}{foot}</tbody></table>"
    )


def _row(row: Track, heads: Sequence[str], at: object, margin: float, steps: object) -> str:
    assert callable(at) and isinstance(steps, list)
    height = 10 + 12 * len(row.marks) + (8 if row.bars else 0)
    drawn = [
        f'<rect class="region" x="{at(-margin):.0f}" y="0" '
        f'width="{at(margin) - at(-margin):.0f}" height="{height}"/>',
        *(f'<line class="grid" x1="{at(s):.0f}" x2="{at(s):.0f}" y1="0" y2="{height}"/>'
          for s in steps),
        f'<line class="zero" x1="{at(0):.0f}" x2="{at(0):.0f}" y1="0" y2="{height}"/>',
    ]  # fmt: skip
    for i, m in enumerate(row.marks):
        y = 11 + 12 * i
        drawn += [
            f'<line class="whisker {m.kind}" x1="{at(m.low):.1f}" x2="{at(m.high):.1f}" '
            f'y1="{y}" y2="{y}"/>',
            f'<line class="dot {m.kind}" x1="{at(m.value):.1f}" x2="{at(m.value):.1f}" '
            f'y1="{y}" y2="{y}"/>',
        ]
    ends = {1: 0.0, -1: 0.0}
    for b in row.bars:
        side = 1 if b.value > 0 else -1
        start, ends[side] = ends[side], ends[side] + b.value
        left, right = sorted((at(start), at(ends[side])))
        drawn.append(
            f'<rect class="part {b.kind}" x="{left:.1f}" y="{height - 9}" '
            f'width="{right - left:.1f}" height="6"/>'
        )
    picture = (
        f'<svg class="track" viewBox="0 0 {SCALE} {height}" preserveAspectRatio="none" '
        f'height="{height}" aria-hidden="true">{"".join(drawn)}</svg>'
    )
    words = f"<small>{e(row.title)}</small>" if row.title else ""
    css = f' class="{row.css}"' if row.css else ""
    cells = "".join(
        f'<td data-head="{e(h, quote=True)}"{WIDE if "[" in c else ""}>{e(c)}</td>'
        for h, c in zip(heads[2:], row.cells, strict=True)
    )
    return (
        f'<tr{css}><th scope="row">{e(row.label)}{words}</th>'
        f'<td class="picture">{picture}</td>{cells}</tr>'
    )


def shares(
    rows: Sequence[tuple[str, Sequence[float]]], kinds: Sequence[str], *, caption: str
) -> str:
    """Shares of a whole, one bar a row; ``kinds`` are CSS classes and heads."""
    body = []
    for label, values in rows:
        at, drawn, cells = 0.0, [], []
        for kind, share in zip(kinds, values, strict=True):
            width = SCALE * share
            drawn.append(
                f'<rect class="{kind}" x="{at:.1f}" y="3" width="{width:.1f}" height="16"/>'
            )
            cells.append(f'<td data-head="{e(kind, quote=True)} %">{100 * share:.1f}</td>')
            at += width
        picture = (
            f'<svg class="track" viewBox="0 0 {SCALE} 22" preserveAspectRatio="none" height="22" '
            f'aria-hidden="true">{"".join(drawn)}</svg>'
        )
        body.append(
            f'<tr><th scope="row">{e(label)}</th><td class="picture">{picture}</td>'
            f"{''.join(cells)}</tr>"
        )
    heads = head_cells(["arm", "share of the answers", *(f"{k} %" for k in kinds)])
    return (
        f'<table class="tracks shares"><caption>{e(caption)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(body)}</tbody></table>"
    )


def _number(value: float) -> str:
    text = f"{value:+.0f}" if abs(value - round(value)) < 1e-9 else f"{value:+.1f}"
    return "0" if float(text) == 0 else text.replace("-", "−")
