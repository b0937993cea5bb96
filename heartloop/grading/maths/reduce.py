"""Finds the mathematics in an answer that is wrapped in a sentence."""

from __future__ import annotations

import re
from typing import Any

from heartloop.grading.marks import ENVIRONMENT, answer_is, boxed
from heartloop.grading.positional import last_latex, last_number

_GLUE_WORDS = {
    "and",
    "or",
    "to",
    "by",
    "percent",
    "pct",
    "th",
    "st",
    "nd",
    "rd",
    "x",
    "i",
    "a",
    "is",
    "are",
}
_WORD = re.compile(r"[A-Za-z]{2,}")


def outside_words(text: str) -> list[str]:
    """Words of a text that stand outside of its formulas."""
    bare = ENVIRONMENT.sub(" ", text)
    bare = re.sub(r"\\[a-zA-Z]+", " ", bare)
    return [word for word in _WORD.findall(bare) if word.lower() not in _GLUE_WORDS]


_REMARK = re.compile(
    r"(?<=[\w$}\])%])\s*[(\[](?=[^()\[\]]*[A-Za-z]{3,}[^()\[\]]* [^()\[\]]*[A-Za-z]{2,})[^()"
    r"\[\]$]*[)\]]\s*\.?\s*$"
)


_NOT = re.compile(
    r"(?<=[\w$}\])%])\s*\(\s*(?:and |so )?(?:not|instead of|"
    r"rather than|nicht|pas|non|niet|inte|ikke|не|no)\b[^()]*\)\s*\.?\s*$"
)


def without_remark(text: str) -> str:
    """Without a remark in brackets at the end: “42 (see above, where we found 17)”."""
    return _NOT.sub("", _REMARK.sub("", text))


_BUT = re.compile(
    r"(?:it is )?(?:not|nicht)\s+[^.]{1,60}?,?\s+(?:but|sondern)\s+"
    r"(?:rather\s+)?(?P<said>[^.]+)[.!]?",
    re.I,
)
_NOT_SO = re.compile(
    r"(?:\b(?:not|never|neither|nor|cannot)\b|n't\b)(?:\s+[A-Za-z']+){0,2}[\s:$(\\]*$", re.I
)
_WRONG = re.compile(r"[\s$)\\]*(?:is|are|was)\s+(?:not|wrong|incorrect|false)\b", re.I)
_COUNTED = re.compile(
    r"(?!(?:nicht|kein\w*|non?|pas|не|not|about|over|under)\b)[^\W\d_]{2,}\s+(?P<number>\d+)\s+"
    r"(?!per\b)[^\W\d_]{3,}[.!]?",
    re.I,
)
"""A number between two words, as in any language: “Hay 18 estudiantes.”."""
_NOTHING = re.compile(r"\b(?:nothing|unknown)\b", re.I)
_OPEN = re.compile(
    r"\b(?:of|the|is|are|to|and|or|that|a|an|for|with|by|from)\s*(?:\.{3})?\s*$", re.I
)
"""A sentence that stops before its end."""


def reductions(text: str, match_types: Any = None) -> list[str]:
    """Shorter texts that a wrapped answer may mean, the best first; empty where it is not wrapped.

    Args:
        text: an answer.
        match_types: Math-Verify's extraction targets; with ``["latex"]`` alone a formula must
            not be broken over lines, with ``expr`` a bare last number counts.
    """
    remark = without_remark(text)
    if remark != text:
        return [remark, *reductions(remark, match_types)]
    types = set(match_types) if isinstance(match_types, (list, tuple)) else {"latex", "expr"}
    found: list[str] = []
    box = boxed(text)
    if box is not None and box != text:
        found.append(box)
        return found
    has_formula = ENVIRONMENT.search(text) is not None
    counted = _COUNTED.fullmatch(text)
    if counted and "expr" in types:
        return [counted["number"]]
    words = outside_words(text)
    if not words:
        return found
    said = answer_is(text)
    if said is not None and said[0] != text:
        found.append(said[0])
        if ENVIRONMENT.search(said[0]) and outside_words(said[0]) and _stands_at_the_end(said[0]):
            formula = last_latex(said[0], one_line="expr" not in types)
            found += [formula] if formula else []
    contrast = _BUT.fullmatch(text.strip())
    if contrast:
        return [contrast["said"]]
    if _OPEN.search(text):
        return found  # a sentence without an end
    tail = re.split(r"\b(?:is|are|equals|be|was)\b", ENVIRONMENT.sub(_opaque, text))[-1]
    tail = text[len(text) - len(tail) :].strip(" :")
    if tail and tail != text.strip():
        found.append(tail)
    if has_formula:
        formula = last_latex(text, one_line="expr" not in types)
        if formula and _stands_at_the_end(text):
            found.append(formula)
    elif "expr" in types and len(words) >= 3:
        number = last_number(text)
        if number:
            found.append(number)
    return [
        item
        for item in dict.fromkeys(found)
        if item.strip() and item != text and not _denied(text, item)
    ]


def _denied(text: str, value: str) -> bool:
    """Whether a sentence denies the value that it names: “it is not 9”, “9 is wrong”."""
    at = text.rfind(value)
    before, behind = text[: max(at, 0)], text[max(at, 0) + len(value) :]
    return bool(_NOT_SO.search(before) or _WRONG.match(behind) or _NOTHING.search(text))


def _stands_at_the_end(text: str) -> bool:
    """Whether little follows the last formula, or a word that makes it the subject."""
    rest = text[max(match.end() for match in ENVIRONMENT.finditer(text)) :]
    words = _WORD.findall(rest)
    return len(words) <= 3 or words[0].lower() in ("is", "are")


def _opaque(match: re.Match[str]) -> str:
    """A formula as so many dots: words inside of it do not count."""
    return "." * len(match.group())


def needs_formula(text: str, match_types: Any) -> bool:
    """Whether only a formula counts, and the text has none that can be read."""
    if not isinstance(match_types, (list, tuple)) or set(match_types) != {"latex"}:
        return False
    return boxed(text) is None and last_latex(text, one_line=True) is None
