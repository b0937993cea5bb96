"""The style of a run as text and as plain data: 80 columns, or JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from heartloop.analysis.bands import Band
from heartloop.report.arrived import Arrived, lines
from heartloop.report.style import LEAST, Contrast, Style
from heartloop.report.writing import filled, text_table
from heartloop.style.measures import MEASURES, Measure

WIDTH = 80
BY_NAME = {measure.name: measure for measure in MEASURES}


def number(value: float, measure: Measure, sign: bool = False) -> str:
    """A value in its measure's unit: shares as per cent or points, moods with two decimals."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    shown = 100 * value if measure.share else value
    digits = 2 if measure.unit == "score" or (measure.unit == "count" and abs(value) < 1) else 1
    text = f"{shown:{'+' if sign else ''},.{digits}f}"
    zero = f"{0:.{digits}f}"
    return zero if text.strip("+-") == zero else text.replace("-", "−")


def band(found: Band, measure: Measure) -> str:
    """A difference with its band."""
    low, high = (number(x, measure, True) for x in (found.low, found.high))
    return f"{number(found.estimate, measure, True)} [{low}, {high}]"


def name_of(measure: Measure) -> str:
    """A measure's name with its unit."""
    return f"{measure.name} %" if measure.share else measure.name


def _short(name: str, room: int) -> str:
    """An arm's name in a narrow column."""
    return name if len(name) <= room else name[: room - 1] + "…"


# --- Text ---------------------------------------------------------------------------------


def render(styles: Sequence[Style], checks: Sequence[Sequence[Arrived]], arm: str = "") -> str:
    """Everything that ``heartloop style`` prints; with an arm, every measure of it."""
    out = []
    for style, check in zip(styles, checks, strict=True):
        head = f"{style.model}: style of {style.answers:,} answers"
        if style.without:
            head += f" ({style.without:,} candidates have no text)"
        out.append(head + ". Descriptive: bands hold over all arms and rounds of a measure.")
        if arm:
            out += list(arm_tables(style, arm))
            out += _checked([c for c in check if c.arm == arm])
            continue
        tables = [text_table(*levels(style, room)) for room in range(12, 5, -1)]
        out.append(next((t for t in tables if t.index("\n") <= WIDTH), tables[-1]))
        out += _apart(style)
        out += carried_table(style)
        out += _checked(check)
    return "\n\n".join(_wrapped(block) for block in out)


def levels(style: Style, room: int = 12) -> tuple[list[str], list[list[str]]]:
    """Mean of each measure: controls, then the arms that lie lowest and highest.

    Args:
        style: of one model.
        room: characters that an arm's name may take.
    """
    compared = {n for c in style.contrasts for n in (c.arm, *c.control.split(" and "))}
    means = {
        name: _over_rounds(rounds)
        for name, rounds in style.levels.items()
        if name in compared or not compared
    }
    controls = list(dict.fromkeys(c for x in style.contrasts for c in x.control.split(" and ")))
    base = [c for c in controls if c in means][:2] or list(means)[:1]
    several = len(means) > len(base)
    heads = [
        "mean of an arm",
        *(_short(c, room) for c in base),
        *(["lowest", "highest"] if several else []),
    ]
    rows = []
    for one in MEASURES:
        known = {a: m[one.name] for a, m in means.items() if not math.isnan(m[one.name])}
        if not known:
            continue
        ends = [min(known, key=known.__getitem__), max(known, key=known.__getitem__)]
        cells = [number(means[c][one.name], one) for c in base]
        shown = [f"{_short(a, room)} {number(known[a], one)}" for a in ends] if several else []
        rows.append([name_of(one), *cells, *shown])
    return heads, rows


def _over_rounds(rounds: Mapping[int, Mapping[str, float]]) -> dict[str, float]:
    """Mean over the rounds after feedback, or of the single one."""
    used = [r for r in rounds if r > 0] or list(rounds)
    out = {}
    for one in MEASURES:
        values = [rounds[r][one.name] for r in used if not math.isnan(rounds[r][one.name])]
        out[one.name] = sum(values) / len(values) if values else math.nan
    return out


def _apart(style: Style) -> list[str]:
    """One paragraph an arm and control: the measures whose band leaves out zero."""
    found = apart(style)
    if not found:
        return ["No arm has a control in this run: nothing to set it against."]
    told = [filled(f"{pair}: {text}", WIDTH, subsequent_indent="  ") for pair, text in found]
    return [f"{apart_head(style)}:\n" + "\n".join(told)]


def apart_head(style: Style) -> str:
    """What the list of `apart` shows."""
    loops = any(c.round > 0 for c in style.contrasts)
    return "Measures whose band leaves out zero" + (" (first … last rounds)" if loops else "")


def apart(style: Style) -> list[tuple[str, str]]:
    """Arm and control, and the measures on which they stand apart, in words."""
    out = []
    for (arm, control), rounds in _by_pair(style.contrasts).items():
        parts = []
        for one in MEASURES:
            found = [c.differences[one.name] for c in rounds]
            if not any(b.apart for b in found):
                continue
            ends = found if len(found) == 1 else [found[0], found[-1]]
            values = " … ".join(number(b.estimate, one, True) for b in ends)
            parts.append(f"{name_of(one)} {values}")
        out.append((f"{arm} − {control}", "; ".join(parts) or "nothing stands apart"))
    return out


def _by_pair(contrasts: Sequence[Contrast]) -> dict[tuple[str, str], list[Contrast]]:
    found: dict[tuple[str, str], list[Contrast]] = {}
    for one in contrasts:
        found.setdefault((one.arm, one.control), []).append(one)
    return found


def arm_tables(style: Style, arm: str) -> Iterator[str]:
    """Every measure of an arm against each of its controls, one table a control and round."""
    mine = [c for c in style.contrasts if c.arm == arm]
    if not mine:
        yield f"{arm}: it has no control in this run; its means are in --json."
    for one in mine:
        rounds = range(one.round, one.last + 1)
        where = f", round {one.round}" if one.round else ""
        if len(rounds) > 1:
            where = f", rounds {one.round} to {one.last}"
        rows = [
            [
                name_of(m),
                number(_level(style, arm, rounds, m.name), m),
                band(d, m),
                f"{d.questions:,}",
            ]
            for m, d in ((BY_NAME[name], d) for name, d in one.differences.items())
            if d.questions
        ]
        if not rows:
            yield f"{arm} − {one.control}{where}: too few answers in both (under {LEAST} pairs)"
            continue
        yield (
            filled(f"{arm} − {one.control}{where}:", WIDTH)
            + "\n"
            + text_table(["measure", "mean", "difference", "n"], rows)
        )


def _level(style: Style, arm: str, rounds: Iterable[int], name: str) -> float:
    """Mean of an arm's level over rounds that have it."""
    found = [style.levels[arm][n][name] for n in rounds if n in style.levels[arm]]
    there = [value for value in found if not math.isnan(value)]
    return sum(there) / len(there) if there else math.nan


def carried_table(style: Style) -> list[str]:
    """How much of the cue's valence stands in the answers; nothing where it was not measured."""
    heads, rows = carried(style)
    return [text_table(heads, rows, 2)] if rows else []


def carried(style: Style) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the carry-over."""
    rows = [
        [name, "this turn" if s.lag == 0 else f"{s.lag} before",
         f"{s.estimate:+.2f} [{s.low:+.2f}, {s.high:+.2f}]".replace("-", "−"), f"{s.answers:,}"]
        for name, slopes in style.carried.items()
        for s in slopes
    ]  # fmt: skip
    return ["valence carried over", "cue of", "share", "n"], rows


def _checked(found: Sequence[Arrived]) -> list[str]:
    told = [filled(line, WIDTH, subsequent_indent="  ") for line in lines(found)]
    return ["Did the words arrive?\n" + "\n".join(told)] if told else []


def _wrapped(block: str) -> str:
    """Prose in 80 columns; tables and lists as they are."""
    return block if "\n" in block else filled(block, WIDTH)


# --- Data ---------------------------------------------------------------------------------


def to_dict(styles: Sequence[Style], checks: Sequence[Sequence[Arrived]]) -> dict[str, Any]:
    """Everything as plain data; shares are shares, and what is not there is null."""
    models = []
    for style, check in zip(styles, checks, strict=True):
        one = dataclasses.asdict(style)
        one["contrasts"] = [
            {**c, "differences": {n: d for n, d in c["differences"].items() if d["questions"]}}
            for c in one["contrasts"]
        ]
        one["arrived"] = [
            {**dataclasses.asdict(c), "read": c.read, "sentence": c.sentence} for c in check
        ]
        models.append(one)
    meanings = {m.name: {"meaning": m.meaning, "unit": m.unit} for m in MEASURES}
    plain: dict[str, Any] = _plain({"measures": meanings, "models": models})
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
