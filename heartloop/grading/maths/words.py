"""Words in answers: folding for comparison, numbers in words, yes and no."""

from __future__ import annotations

import re
from fractions import Fraction

_UNITS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14,
    "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70,
    "eighty": 80, "ninety": 90,
}  # fmt: skip
SCALES = {
    "dozen": 12,
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
NUMBER_WORDS = (*_UNITS, *_TENS)
"""Words that a number in English begins with."""
_ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7,
    "eighth": 8, "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12, "thirteenth": 13,
    "fourteenth": 14, "fifteenth": 15, "sixteenth": 16, "seventeenth": 17, "eighteenth": 18,
    "nineteenth": 19, "twentieth": 20, "once": 1, "twice": 2, "thrice": 3, "none": 0,
}  # fmt: skip
_SHARES = {"half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4,
           "fourth": 4, "fourths": 4, "fifth": 5, "fifths": 5, "sixth": 6, "sixths": 6,
           "seventh": 7, "sevenths": 7, "eighth": 8, "eighths": 8, "ninth": 9, "ninths": 9,
           "tenth": 10, "tenths": 10, "twelfth": 12, "twelfths": 12, "hundredth": 100,
           "hundredths": 100, "thousandth": 1000, "thousandths": 1000}  # fmt: skip
_PARTS = {"half", "quarter", "quarters", "third", "thirds"}
STOP = {
    "a", "an", "the", "is", "are", "was", "were", "be", "will", "of", "to", "in", "on", "at", "and",
    "or", "it", "its", "that", "this", "there", "by", "for", "with", "as", "so", "then", "we", "i",
    "answer", "option", "choice", "text", "quad",
}  # fmt: skip
DENIALS = {"not", "no", "never", "none", "neither", "nor", "except", "without"}
NEGATIONS = DENIALS | {
    "cannot", "isn't", "doesn't", "don't", "non", "only", "less", "more", "least", "most", "under",
    "over",
}  # fmt: skip
_SAME = {
    "infinitely": "infinite", "infinity": "infinite", "infty": "infinite", "infinite": "infinite",
    "yes": "yes", "true": "true", "no": "no", "false": "false", "doesn": "not", "cannot": "not",
    "can't": "not", "exists": "exist", "solutions": "solution",
}  # fmt: skip


def fold_words(text: str) -> str:
    r"""Lower-case words of a text, without LaTeX commands, brackets and punctuation."""
    text = re.sub(r"\\(?:text|mathrm|left|right|quad|qquad|boxed)(?![a-zA-Z])", " ", text)
    text = re.sub(r"\\([a-zA-Z]+)", r" \1 ", text)
    text = re.sub(r"[^\w\s+\-*/^=<>|']", " ", text.lower())
    text = re.sub(r"(?<!\w)'|'(?!\w)", " ", text)
    return re.sub(r"\s+", " ", text).strip()


def content_words(words: str) -> list[str]:
    """Words that carry meaning, with a few synonyms made one."""
    return [_SAME.get(word, word) for word in words.split() if word not in STOP]


DOES_NOT_EXIST = re.compile(
    r"(?:\\text\s*\{)?\s*(?:the limit |it |limit )?(?:no limit|DNE|dne|D\.N\.E\.?|does not exist|"
    r"doesn't exist|"
    r"do not exist|non-?existent|(?:is )?(?:undefined|not defined)|"
    r"no such \w+ exists?|\\nexists)\s*\}?",
    re.I,
)


def leading_polar(text: str) -> tuple[str, bool] | None:
    """A leading yes or no (true or false), and whether anything follows it."""
    bare = re.sub(r"\\(?:text|mathrm|textbf)\s*\{([^{}]*)\}", r"\1", text).strip(" $.{}*")
    match = re.match(
        r"(yes|no|true|false)(?![\w-])\s*(?:$|[.,;:!(]|\b(?:when|if|for|because|since|at|as)\b)",
        bare,
        re.I,
    )
    if match is None:
        return None
    return match[1].lower(), bool(bare[match.end(1) :].strip(" .,;:!"))


def spoken_number(text: str) -> Fraction | None:
    """The value of a number in English words, or None.

    ``twenty-one``, ``two thousand``, ``three quarters``, ``three and a half``, ``minus five``,
    ``three point one four``.
    """
    if re.search(r"\d", text) or not re.search(r"[a-z]{3}", text, re.I):
        return None
    text = re.sub(r"\\text\s*\{([^{}]*)\}", r"\1", text.lower())
    if re.search(r"[^a-z\s,-]", text):
        return None
    words = text.replace("-", " ").replace(",", " ").split()
    words = [word for word in words if word not in ("the", "exactly", "only")]
    if not words or len(words) > 16:
        return None
    if words[0] in ("minus", "negative"):
        value = _spoken(words[1:])
        return None if value is None else -value
    return _spoken(words)


def _spoken(words: list[str]) -> Fraction | None:
    if "point" in words:
        at = words.index("point")
        digits = [_UNITS.get(word, 10) for word in words[at + 1 :]]
        whole = _spoken(words[:at]) if at else Fraction(0)
        if whole is None or not digits or max(digits) > 9:
            return None
        return whole + Fraction(int("".join(map(str, digits))), 10 ** len(digits))
    if len(words) > 1 and words[-1] in SCALES and not _PARTS.isdisjoint(words):
        part = words[:-1]  # "two and a half million", "a quarter of a million"
        while part and part[-1] in ("a", "of"):
            part = part[:-1]
        value = _spoken(part)
        return None if value is None else value * SCALES[words[-1]]
    if words and words[-1] in _SHARES:
        below = _SHARES[words[-1]]
        if "and" in words:
            at = len(words) - 1 - words[::-1].index("and")
            whole, above = _spoken(words[:at]), words[at + 1 : -1]
        else:
            whole, above = Fraction(0), words[:-1]
        count = Fraction(1) if above in ([], ["a"], ["an"]) else _whole(above)
        single = words[-1][-1] != "s" and words[-1] not in ("half", "quarter")
        if single and count != 1:
            count = None  # "twenty-fifth" is an ordinal
        if whole is not None and count is not None:
            if above or words[-1] in ("half", "quarter"):
                return whole + count / below
    return _whole(words)


def _whole(words: list[str]) -> Fraction | None:
    total, current = 0, 0
    words = [word for word in words if word != "and"]
    for i, word in enumerate(words):
        if word in ("a", "an") and i == 0 and len(words) > 1 and words[1] in SCALES:
            current = 1
        elif word in _UNITS:
            if current % 10 or (current % 100 and current % 100 < 20):
                return None  # "two three"
            current += _UNITS[word]
        elif word in _TENS:
            if current % 100:
                return None
            current += _TENS[word]
        elif word in ("hundred", "dozen"):
            current = max(current, 1) * SCALES[word]
        elif word in SCALES:
            total += max(current, 1) * SCALES[word]
            current = 0
        elif word in _ORDINALS and i == len(words) - 1:
            current += _ORDINALS[word]
        else:
            return None
    return Fraction(total + current) if words else None
