"""Small plots as SVG text: colours come from the page's style sheet, words stay selectable."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

SERIES = 8  # colours and dashes that the style sheet knows


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One line of a forest plot, in points.

    Attributes:
        label: what is compared.
        value, low, high: estimate and interval.
        note: text at the right end.
        strong: the main comparison.
    """

    label: str
    value: float
    low: float
    high: float
    note: str = ""
    strong: bool = False


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


def forest(rows: Sequence[ForestRow], margin: float, title: str) -> str:
    """Differences with intervals, the region of no difference shaded; in points."""
    label_width = 30 + 7.3 * max(len(short(r.label, 42)) for r in rows)
    note_width = 30 + 6.4 * max(len(r.note) for r in rows)
    plot, height = 520.0, 26.0 * len(rows) + 46
    low = min(-margin, *(max(r.low, -100) for r in rows))
    high = max(margin, *(min(r.high, 100) for r in rows))
    pad = 0.06 * (high - low)
    low, high = low - pad, high + pad

    def at(value: float) -> float:
        return label_width + plot * (min(max(value, low), high) - low) / (high - low)

    bottom = height - 34
    body = [
        f'<rect x="{at(-margin):.1f}" y="6" width="{at(margin) - at(-margin):.1f}" '
        f'height="{bottom - 6:.1f}" class="region"/>'
    ]
    for tick in ticks(low, high):
        body += [
            _line(at(tick), 6, at(tick), bottom, "grid"),
            _text(at(tick), bottom + 14, _number(tick), "middle", "tick"),
        ]
    body.append(_line(at(0), 6, at(0), bottom, "zero"))
    body.append(
        _text(label_width + plot / 2, height - 4, "points, arm minus control", "middle", "tick")
    )
    for i, row in enumerate(rows):
        y = 22 + 26 * i
        css = "strong" if row.strong else ""
        body += [
            _text(label_width - 10, y + 4, short(row.label, 42), "end", css),
            _line(at(row.low), y, at(row.high), y, "whisker"),
            f'<rect x="{at(row.value) - 4.5:.1f}" y="{y - 4.5}" width="9" height="9" class="dot"/>',
            _text(label_width + plot + 10, y + 4, row.note, "start", "value"),
        ]
    return _frame(label_width + plot + note_width, height, title, body)


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
    """Lines, of percentages unless ``unit`` says otherwise, with bands and labels at their ends.

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
    names = 20 + 6.8 * max(len(short(s.name, 26)) for s in series)
    left, plot, height = 46.0, 680.0, 350.0
    top, bottom = 10.0, height - 42
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
    body += _end_labels(series, at_x, at_y, left + plot, top, bottom)
    return _frame(left + plot + names + 20, height, title, body)


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


def _end_labels(
    series: Sequence[Series], at_x: object, at_y: object, right: float, top: float, bottom: float
) -> list[str]:
    """Names beside the ends of their lines, pushed apart where they would overlap."""
    assert callable(at_x) and callable(at_y)
    order = sorted(range(len(series)), key=lambda i: at_y(series[i].y[-1]))
    places: list[float] = []
    for i in order:
        places.append(max(at_y(series[i].y[-1]), places[-1] + 15 if places else top))
    over = (places[-1] - bottom) if places else 0
    if over > 0:
        places = [p - over for p in places]
    out = []
    for i, y in zip(order, places, strict=True):
        end = at_x(series[i].x[-1]), at_y(series[i].y[-1])
        out.append(_line(end[0], end[1], right + 12, y, f"lead s{i}"))
        out.append(_text(right + 16, y + 4, short(series[i].name, 26), "start", f"name s{i}"))
    return out


def stacked(rows: Sequence[tuple[str, Sequence[float]]], classes: Sequence[str], title: str) -> str:
    """Horizontal bars of shares that add up to 1; ``classes`` are CSS names of the parts."""
    label_width = 24 + 6.6 * max(len(short(name, 42)) for name, _ in rows)
    plot, height = 620.0, 24.0 * len(rows) + 26
    body = []
    for i, (name, shares) in enumerate(rows):
        y = 6 + 24 * i
        body.append(_text(label_width - 10, y + 13, short(name, 42), "end"))
        x = label_width
        for css, share in zip(classes, shares, strict=True):
            width = plot * share
            if width > 0:
                body.append(
                    f'<rect x="{x:.1f}" y="{y}" width="{width:.2f}" height="18" class="part {css}">'
                    f"<title>{escape(css)}: {share:.1%}</title></rect>"
                )
            if width > 34:
                label = f"{100 * share:.0f} %"
                body.append(_text(x + width / 2, y + 13, label, "middle", f"on {css}"))
            x += width
    for tick in (0, 25, 50, 75, 100):
        x = label_width + plot * tick / 100
        body.append(_text(x, height - 6, f"{tick} %", "middle", "tick"))
    return _frame(label_width + plot + 24, height, title, body)


def flips(rows: Sequence[tuple[str, Sequence[tuple[int, int, int]]]], title: str) -> str:
    """Gains above and losses below a line, by round; rows hold (round, gained, lost) counts."""
    most = max([1, *(max(g, lost) for _, rounds in rows for _, g, lost in rounds)])
    columns = max(len(rounds) for _, rounds in rows)
    width = max(120.0, columns * 30 + 34.0)
    half, gap = 52.0, 26.0
    per_line = max(1, int(900 // (width + gap)))
    body = []
    for i, (name, rounds) in enumerate(rows):
        x0, y0 = (i % per_line) * (width + gap) + 8, (i // per_line) * (2 * half + 80) + 40
        middle = y0 + half + 4
        body.append(_text(x0, y0 - 22, short(name, 24), "start", "strong"))
        body.append(_line(x0, middle, x0 + width - 20, middle, "zero"))
        for j, (number, gained, lost) in enumerate(rounds):
            x = x0 + 8 + 30 * j
            up, down = half * gained / most, half * lost / most
            body += [
                f'<rect x="{x}" y="{middle - up:.1f}" width="20" height="{up:.1f}" class="gain"/>',
                f'<rect x="{x}" y="{middle:.1f}" width="20" height="{down:.1f}" class="loss"/>',
                _text(x + 10, middle - up - 3, str(gained), "middle", "tick"),
                _text(x + 10, middle + down + 12, str(lost), "middle", "tick"),
                _text(x + 10, y0 + 2 * half + 26, f"r{number}", "middle", "tick"),
            ]
    total_rows = math.ceil(len(rows) / per_line)
    used = min(len(rows), per_line) * (width + gap)
    return _frame(used, total_rows * (2 * half + 80) + 8, title, body)
