"""Quantities of several parts: 3 h 20 min, 5 ft 6 in; times of day; components of a vector."""

from __future__ import annotations

import re
from fractions import Fraction

from heartloop.grading.maths.units import parse_unit

_PART = re.compile(
    r"\s*(?P<sign>-?)(?P<number>\d+(?:\.\d+)?)\s*(?:\\text\s*\{\s*|\\mathrm\s*\{\s*)?"
    r"(?P<unit>[A-Za-z]+)\.?\s*\}?\s*(?:,|(?:\\text\s*\{\s*)?and\b\s*\}?)?"
)
_HOURS = re.compile(r"(?P<hours>\d+)\s*(?:h|hrs?|hours?)\s*(?P<minutes>[0-5]\d)")


def compound(text: str) -> str | None:
    """A quantity in falling units of one dimension in the last of them: ``200 min``, or None."""
    hours = _HOURS.fullmatch(text)
    if hours:
        return rf"{60 * int(hours['hours']) + int(hours['minutes'])} \text{{ min}}"
    at, total, parts = 0, Fraction(0), 0
    last: tuple[Fraction, object] | None = None
    unit = ""
    while at < len(text):
        part = _PART.match(text, at)
        read = parse_unit(part["unit"]) if part else None
        if part is None or read is None or part["sign"] and parts:
            return None
        if last is not None and (read[1] != last[1] or read[0] >= last[0] or not read[1]):
            return None
        total += Fraction(part["sign"] + part["number"]) * read[0]
        at, last, unit, parts = part.end(), read, part["unit"], parts + 1
    if parts < 2 or last is None:
        return None
    value = total / last[0]
    number = str(value.numerator) if value.denominator == 1 else f"({value})"
    return rf"{number} \text{{ {unit}}}"


_CLOCK = re.compile(
    r"(?P<hour>\d{1,2})(?:[:.h]\s?(?P<minute>\d{2}))?(?::(?P<second>\d{2}))?\s*"
    r"(?:\\text\s*\{)?\s*(?:(?P<half>a\.?\s?m|p\.?\s?m|noon|midnight)\b\.?)?\s*\}?",
    re.I,
)
_NAMED = {"noon": 43_200, "midday": 43_200, "midnight": 0}


def clock(text: str, whole_day: bool = False) -> int | None:
    """Seconds since midnight of a time with its half of the day (“3:00 p.m.”), or None.

    Args:
        text: an answer.
        whole_day: also read hours and minutes without one, by the 24 hours of the day (“14:30”).
    """
    text = text.strip()
    if text.lower() in _NAMED:
        return _NAMED[text.lower()]
    match = _CLOCK.fullmatch(text)
    if match is None or match["half"] is None and not (whole_day and match["minute"]):
        return None
    hour, minute, second = (int(match[name] or 0) for name in ("hour", "minute", "second"))
    if minute > 59 or second > 59 or hour > 23:
        return None
    if match["half"] is None:
        return hour * 3600 + minute * 60 + second
    if not 1 <= hour <= 12:
        return None
    late = match["half"].lower()[0] in "pn"
    return ((hour % 12) + (12 if late else 0)) * 3600 + minute * 60 + second
