"""Small plots as SVG text: colours come from the page's style sheet, words stay selectable."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

SERIES = 8  # colours and dashes that the style sheet knows


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a line plot; y in percent, bands optional."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    step: bool = False


def _text(x: float, y: float, words: str, anchor: str = "start", css: str = "") -> str:
    name = f' class="{css}"' if css else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{name}>{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{css}"/>'


def _frame(width: float, height: float, title: str, body: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(title)}" '
        f'class="plot" width="{width:.0f}" height="{height:.0f}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(body)}</svg>'
    )


def short(text: str, length: int) -> str:
    """A label cut to a length."""
    return text if len(text) <= length else text[: length - 1] + "…"


def ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Round numbers that cover a range."""
    size = max(high - low, 1e-9) / count
    power = 10 ** math.floor(math.log10(size))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= size * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _number(value: float) -> str:
    text = f"{value:,.0f}" if abs(value - round(value)) < 1e-9 else f"{value:,.1f}"
    return text.replace("-", "−")


def lines(
    series: Sequence[Series],
    title: str,
    x_label: str,
    *,
    whole: bool = False,
    from_zero: bool = True,
    span: tuple[float, float] | None = None,
    unit: str = " %",
) -> str:
    """Lines, of percentages unless ``unit`` says otherwise, with bands and a legend that wraps.

    Args:
        series: at most `SERIES` of them.
        title: text alternative.
        x_label: under the axis.
        whole: the x axis has whole numbers only.
        from_zero: the x axis begins at 0, else at the first value.
        span: ends of the y axis; default as the values need, within 0 and 100.
        unit: behind the numbers of the y axis.
    """
    series = [s for s in series if len(s.x)][:SERIES]
    left, plot, height = 56.0, 560.0, 330.0
    top, bottom = 10.0, height - 50
    x_low = 0.0 if from_zero else min(s.x[0] for s in series)
    x_high = max(s.x[-1] for s in series)
    x_high = x_high if x_high > x_low else x_low + 1
    values = [v for s in series for v in (*s.y, *s.low, *s.high)]
    y_low, y_high = span or (max(0.0, min(values) - 3), min(100.0, max(values) + 3))

    def at_x(value: float) -> float:
        return left + plot * (value - x_low) / (x_high - x_low)

    def at_y(value: float) -> float:
        return bottom - (bottom - top) * (value - y_low) / max(y_high - y_low, 1e-9)

    body = []
    for tick in ticks(y_low, y_high):
        body += [
            _line(left, at_y(tick), left + plot, at_y(tick), "grid"),
            _text(left - 6, at_y(tick) + 4, f"{_number(tick)}{unit}", "end", "tick"),
        ]
    for tick in ticks(x_low, x_high, 8):
        if whole and abs(tick - round(tick)) > 1e-9:
            continue
        body.append(_text(at_x(tick), bottom + 16, _number(tick), "middle", "tick"))
    body.append(_line(left, bottom, left + plot, bottom, "zero"))
    body.append(_text(left + plot / 2, height - 6, x_label, "middle", "tick"))
    for i, s in enumerate(series):
        if s.low and len(s.x) > 1:
            ahead = _path(s.x, s.high, at_x, at_y, s.step)
            back = _path(s.x[::-1], s.low[::-1], at_x, at_y, s.step, reverse=True)
            body.append(f'<path d="M{ahead} L{back} Z" class="band s{i}"/>')
    for i, s in enumerate(series):
        if len(s.x) > 1:
            body.append(f'<path d="M{_path(s.x, s.y, at_x, at_y, s.step)}" class="line s{i}"/>')
        if len(s.x) <= 12:
            body += [
                f'<circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="3.4" class="mark s{i}">'
                f"<title>{escape(s.name)}: {y:.1f} % at {_number(x)}</title></circle>"
                for x, y in zip(s.x, s.y, strict=True)
            ]
    legend = "".join(
        f'<li><svg viewBox="0 0 30 10" width="30" height="10" aria-hidden="true">'
        f'<path d="M0,5 L30,5" class="line s{i}"/></svg>{escape(s.name)}</li>'
        for i, s in enumerate(series)
    )
    drawn = _frame(left + plot + 20, height, title, body).replace('"plot"', '"plot lines"', 1)
    return f'{drawn}<ul class="legend">{legend}</ul>'


def _path(
    xs: Sequence[float],
    ys: Sequence[float],
    at_x: object,
    at_y: object,
    step: bool,
    reverse: bool = False,
) -> str:
    assert callable(at_x) and callable(at_y)
    points = [(at_x(x), at_y(y)) for x, y in zip(xs, ys, strict=True)]
    out = [f"{points[0][0]:.1f},{points[0][1]:.1f}"]
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        if step:
            # A step holds its value until the next budget, in either direction of drawing.
            out.append(f"{x0:.1f},{y1:.1f}" if reverse else f"{x1:.1f},{y0:.1f}")
        out.append(f"{x1:.1f},{y1:.1f}")
    return " L".join(out)
