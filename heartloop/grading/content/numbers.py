"""Numbers in a text, in digits or English words."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from heartloop import regex as re
from heartloop.grading.maths.words import NUMBER_WORDS, SCALES, spoken_number

_VALUE = re.compile(
    r"(?<![\w.,])(?P<sign>(?:(?<=[=:(\s])|^)(?:[-+]|minus\s|negative\s)\s?)?[$€£]?\s?"
    r"(?P<whole>\d{1,3}(?:,\d{3})+|\d+)?(?P<part>(?:\.\d+)|(?<=\d))(?P<exp>e[-+]?\d+)?(?![\w]*\d)",
    re.I,
)
_SCALE = re.compile(rf"\s?({'|'.join(SCALES)})s?\b", re.I)
_DIGIT = re.compile(r"\d")
_FIRST_WORD = "|".join([*NUMBER_WORDS, "a(?= hundred)", "a(?= thousand)"])
_NEXT_WORD = "|".join([*NUMBER_WORDS, *SCALES])
_WORD_NUMBER = re.compile(
    rf"\b(?:(?:minus|negative)\s+)?(?:{_FIRST_WORD})\b(?:[\s-]+(?:and\s+)?(?:{_NEXT_WORD})\b)*",
    re.I,
)


@lru_cache(maxsize=8192)
def value_of(text: str) -> Fraction | None:
    """The number that a text is, in digits or English words; None where it is anything else."""
    found = values_in(text)
    if len(found) != 1:
        return None
    start, end, value = found[0]
    return None if re.search(r"\w", text[:start] + text[end:]) else value


RESULT = re.compile(
    r"(?:=|\b(?:equals?|gives?(?: us)?|is|makes?|get|are|yields?|results? in|resulting in|"
    r"adds? up to|comes to)\b)\s*:?\s*"
    r"(?:(?:an?|the) (?:\w+ ){0,2}?(?:total|sum|difference|result|value|number) (?:of|as)\s*)?"
    r"(?=[-+$€£.]?\s?\d)",
    re.I,
)
"""What stands in front of a result: “=”, “gives us”, “results in a difference of”."""
_FAR = 80
"""How far behind its sign a result is looked for; a text that repeats itself has many signs."""
_GOES_ON = re.compile(r"\s*(?:[-+*/×]|and\b|from\b|to\b)\s*[-+$]?\d")
_SCORE = re.compile(r"\b(?:confidence|certainty|score)\b", re.I)
_OPERANDS = re.compile(r"[\d\s.,;+-]+")
_OPERATION = re.compile(
    r"\b(?:add(?:s|ed|ing|ition)?|sum|plus|subtract\w*|minus|differ\w*)\b", re.I
)


def result_in(text: str) -> tuple[int, int, Fraction] | None:
    """The number behind the last sign of a result, where it stands alone; None without one."""
    for sign in reversed(list(RESULT.finditer(text))):
        found = values_in(text[sign.end() : sign.end() + _FAR])
        if not found:
            continue
        start, end, value = found[0]
        if not _GOES_ON.match(text, sign.end() + end):
            return sign.end() + start, sign.end() + end, value
    return None


def works_out(statement: str, item: str) -> bool:
    """Whether a statement gives the result of working with the numbers that an item consists of."""
    if not _OPERANDS.fullmatch(item):
        return False
    numbers = [value for _, _, value in values_in(item)]
    given, result = set(numbers), result_in(statement)
    if len(numbers) < 2 or result is None or _SCORE.search(statement, 0, result[0]):
        return False
    named = {value for _, _, value in values_in(statement[: result[0]])}
    return given <= named or bool(_OPERATION.search(statement)) and result[2] not in given


_COUNTED = re.compile(r"\s+(?:\w+ )?(?:numbers?|values|digits|operands|integers)\b", re.I)
"""“The two numbers are 19 and 52”: how many there are is no answer."""


def answers_in(text: str) -> list[tuple[int, int, Fraction]]:
    """Numbers of a text as ``values_in`` finds them, but for how many numbers there are."""
    return [item for item in values_in(text) if not _COUNTED.match(text, item[1])]


def values_in(text: str) -> list[tuple[int, int, Fraction]]:
    """Numbers of a bare text in order: start, end, value."""
    found = []
    for match in _VALUE.finditer(text) if _DIGIT.search(text) else ():
        if not (match["whole"] or match["part"]):
            continue
        digits = (match["whole"] or "0").replace(",", "") + (match["part"] or "")
        exponent = int((match["exp"] or "e0")[1:])
        if abs(exponent) > 400:
            continue
        value = Fraction(digits) * Fraction(10) ** exponent
        sign = -1 if (match["sign"] or "").lower().startswith(("-", "minus", "neg")) else 1
        scale = _SCALE.match(text, match.end())
        times = SCALES[scale[1].lower()] if scale else 1
        end = scale.end() if scale else match.end()
        found.append((match.start(), end, sign * value * times))
    for match in _WORD_NUMBER.finditer(text):
        number = spoken_number(match.group())
        if number is not None:
            found.append((match.start(), match.end(), number))
    return sorted(found)
