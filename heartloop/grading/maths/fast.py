r"""What plain string and number logic decides, so that most pairs never reach a worker."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

_PLAIN = re.compile(
    r"(?P<sign>[-+]?)(?:(?P<int>\d{1,60}|[1-9]\d{0,2}(?:,\d{3}){1,15})(?P<dec>\.\d{0,60})?|"
    r"(?P<dot>\.\d{1,60}))"
    r"(?:[eE](?P<exp>[-+]?\d{1,3}))?"
)
_RATIO = re.compile(r"(?P<sign>[-+]?)(?P<a>\d{1,30})\s*/\s*(?P<b>\d{1,30})")
_FRAC = re.compile(
    r"(?P<sign>[-+]?)\s*\\[dt]?frac\s*\{\s*(?P<s2>-?)(?P<a>\d{1,30})\s*\}\s*\{\s*(?P<b>\d{1,"
    r"30})\s*\}"
)
_TAIL = " \t\r\n.;"


def trim(text: str) -> str:
    """An answer without surrounding space, dollars, a box, and a final full stop."""
    text = text.strip()
    for _ in range(4):
        before = text
        text = text.rstrip(_TAIL if not text.endswith("..") else " ").lstrip()
        for left, right in (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]")):
            if text.startswith(left) and text.endswith(right) and len(text) > len(left + right):
                inner = text[len(left) : -len(right)]
                if left[-1] not in inner or left[0] == "\\" and left not in inner:
                    text = inner.strip()
                    break
        if text.startswith("\\boxed{") and text.endswith("}") and "}" not in text[7:-1]:
            text = text[7:-1].strip()
        if text == before:
            return text
    return text


def number(text: str) -> tuple[Fraction, int | None] | None:
    r"""A plain number, and the decimals it was written with (None: not written as a decimal).

    Reads integers, proper thousands separators, decimals, ``a/b`` and ``\frac{a}{b}``; anything
    else is left to the maths workers.
    """
    match = _PLAIN.fullmatch(text)
    if match:
        digits = (match["int"] or "0").replace(",", "")
        tail = match["dec"] or match["dot"] or ""
        value = Fraction(Decimal(f"{match['sign']}{digits}{tail if len(tail) > 1 else ''}"))
        if match["exp"]:
            return value * Fraction(10) ** int(match["exp"]), None
        return value, (len(tail) - 1 if len(tail) > 1 else None)
    match = _RATIO.fullmatch(text) or _FRAC.fullmatch(text)
    if match:
        if int(match["b"]) == 0:
            return None
        value = Fraction(int(match["a"]), int(match["b"]))
        negative = (match["sign"] == "-") != (match.groupdict().get("s2") == "-")
        return (-value if negative else value), None
    return None


def has_several(params: Mapping[str, Any]) -> bool:
    """Whether the params say that the gold holds several answers, so that commas separate."""
    return any(params.get(name) is True for name in ("is_multiple_answer", "multiple"))


def tolerance_of(params: Mapping[str, Any]) -> float | None:
    """The absolute tolerance that params ask for, or None where none is named.

    ``tolerance``, ``precision`` or ``error``: below 1 a tolerance; a whole number of at least 1
    under ``precision`` is Math-Verify's number of decimals; of a list, its first value's.
    """
    for name in ("tolerance", "error", "precision"):
        value = params.get(name)
        if value is None or value == "":
            continue
        if isinstance(value, (list, tuple)):
            if not value:
                continue
            value = value[0]
        if name == "precision" and isinstance(value, int) and not isinstance(value, bool):
            if 1 <= value <= 30:
                return 0.5 * 10.0 ** (-value)
            continue
        try:
            found = float(value)
        except (TypeError, ValueError):
            continue
        if found >= 0:
            return found
    return None


def close(gold: Fraction, answer: Fraction, tolerance: float) -> bool:
    """Whether two numbers are within an absolute tolerance (with OlympiadBench's 1 % of slack).

    A gold much smaller than the tolerance is compared relatively instead: 2e-10 is not 1e-10.
    """
    if gold == answer:
        return True
    difference = abs(gold - answer)
    if gold != 0 and tolerance < 1e-4 and abs(gold) < 10 * Fraction(tolerance):
        return difference <= abs(gold) * Fraction(1, 10**6)
    return difference <= Fraction(tolerance) * Fraction(101, 100)


def rounds_to(value: Fraction, decimal: Fraction, places: int) -> bool:
    """Whether a value rounds to a decimal with that many places (half either way)."""
    return abs(value - decimal) <= Fraction(1, 2 * 10**places)


def significant(decimal: Fraction, places: int) -> int:
    """Significant digits of a decimal written with so many places."""
    return len(str(abs(int(decimal * 10**places))).lstrip("0"))


def decide(gold: str, answer: str, params: Mapping[str, Any]) -> tuple[str, str] | None:
    """Outcome and reason where plain logic decides, else None.

    Returns:
        ``("correct" | "incorrect", detail)`` or None.
    """
    first, second = trim(gold), trim(answer)
    if first == second and first:
        return "correct", "the same text"
    if has_several(params) and ("," in first or "," in second):
        return None
    one, two = number(first), number(second)
    if one is None or two is None:
        return None
    tolerance = tolerance_of(params)
    if one[0] == two[0]:
        return "correct", f"{first} = {second}"
    if tolerance is not None:
        if close(one[0], two[0], tolerance):
            return "correct", f"{second} is within {tolerance:g} of {first}"
        return "incorrect", f"{second} is not within {tolerance:g} of {first}"
    if one[1] is not None and two[1] is None and "." not in second and two[0].denominator > 1:
        if one[1] >= 2 and significant(one[0], one[1]) >= 2 and rounds_to(two[0], one[0], one[1]):
            return "correct", f"{second} rounds to {first}"
    if two[1] is not None and two[1] >= 7 and one[1] is None and rounds_to(one[0], two[0], two[1]):
        return "correct", f"{first} rounds to {second}"
    return "incorrect", f"{second} is not {first}"
