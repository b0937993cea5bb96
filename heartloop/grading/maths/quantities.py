"""Quantities of several parts: 3 h 20 min, 5 ft 6 in; times of day; components of a vector."""

from __future__ import annotations

import re
from fractions import Fraction

from heartloop.grading.maths.units import parse_unit
from heartloop.grading.maths.words import spoken_number

_PART = re.compile(
    r"\s*(?P<sign>-?)(?P<number>\d+(?:\.\d+)?)\s*(?:\\text\s*\{\s*|\\mathrm\s*\{\s*)?"
    r"(?P<unit>[A-Za-z]+)\.?\s*\}?\s*(?:,|(?:\\text\s*\{\s*)?and\b\s*\}?)?"
)
_HOURS = re.compile(r"(?P<hours>\d+)\s*(?:h|hrs?|hours?)\s*(?P<minutes>[0-5]\d)m?")


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


_FEET = re.compile(
    r"(?:(?P<feet>\d+)\s*['′’])?\s*(?:(?P<inches>\d+(?:\.\d+)?)\s*(?:[\"″”]|''|′′))?\.?"
)
_GERMAN_CLOCK = re.compile(r"(?P<hour>\d{1,2})(?:[.:](?P<minute>\d{2}))?\s*Uhr")
_SPOKEN_CLOCK = re.compile(
    r"(?:at )?(?:(?:(?P<past>half|(?:a )?quarter|[a-z-]+?)(?: minutes)? (?P<side>past|to|after) )"
    r"(?P<hour>[a-z]+|\d{1,2})(?: o'?clock)?|(?P<full>[a-z]+|\d{1,2}) o'?clock)"
    r"(?:,? (?:in the (?P<part>morning|afternoon|evening)|at (?P<night>night)))?",
    re.I,
)
_SPOKEN_PART = re.compile(
    r"\b(?!and )(?P<number>[a-z-]{3,}) (?P<unit>[a-z]{3,})(?=$|,| and | )", re.I
)


def in_signs(text: str) -> str:
    """A length, a time of day or a quantity in words as signs write it; any other text as it is.

    6′2″ as ``6 ft 2 in``, “half past two in the afternoon” as ``2:30 p.m.``, “14.30 Uhr” as
    ``14:30``, “two hours and five minutes” as ``2 hours and 5 minutes``.
    """
    text = text.strip()
    feet = _FEET.fullmatch(text) if text[:1].isdigit() else None
    if feet:
        parts = (("ft", feet["feet"]), ("in", feet["inches"]))
        return " ".join(f"{number} {unit}" for unit, number in parts if number)
    german = _GERMAN_CLOCK.fullmatch(text)
    if german:
        return f"{german['hour']}:{german['minute'] or '00'}"
    if not text[:1].isalpha() and "clock" not in text.lower():
        return text
    return _clock_in_words(text.replace("’", "'")) or _quantity_in_words(text) or text


def _clock_in_words(text: str) -> str | None:
    said = _SPOKEN_CLOCK.fullmatch(text)
    if said is None:
        return None
    hour = _count(said["hour"] or said["full"])
    past = (said["past"] or "").lower().removeprefix("a ")
    minute = (
        {"half": 30, "quarter": 15, "": 0}.get(past)
        if past in ("half", "quarter", "")
        else _count(past)
    )
    if hour is None or minute is None or not 1 <= hour <= 12 or minute > 59:
        return None
    if said["side"] == "to":
        if past == "half":
            return None
        hour, minute = (hour - 2) % 12 + 1, 60 - minute
    part = (said["part"] or said["night"] or "").lower()
    half = {"morning": " a.m.", "afternoon": " p.m.", "evening": " p.m.", "night": " p.m."}
    return f"{hour}:{minute:02}{half.get(part, '')}"


def _quantity_in_words(text: str) -> str | None:
    parts = list(_SPOKEN_PART.finditer(text))
    if len(parts) < 2 or any(_count(part["number"]) is None for part in parts):
        return None
    if any(parse_unit(part["unit"]) is None for part in parts):
        return None
    return _SPOKEN_PART.sub(lambda part: f"{_count(part['number'])} {part['unit']}", text)


def _count(word: str) -> int | None:
    value = Fraction(word) if word.isdigit() else spoken_number(word)
    return int(value) if value is not None and value.denominator == 1 else None


def clock_face(minutes: str) -> int | None:
    """The number that ``3:20`` counts in its lesser unit (200), or None."""
    match = re.fullmatch(r"(\d{1,3}):([0-5]\d)", minutes.strip())
    return 60 * int(match[1]) + int(match[2]) if match else None
