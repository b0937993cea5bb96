"""Extractors by position and kind: the last line, formula or number, a field, a letter, a label."""

from __future__ import annotations

import json
from collections.abc import Sequence

from heartloop import regex as re
from heartloop.grading.marks import ENVIRONMENT


def final_line(text: str) -> str | None:
    """The last line that says something, without list marks, emphasis and an “Answer:” label."""
    for line in reversed(text.splitlines()):
        line = re.sub(r"^(?:[\s>#*_`]|-\s)+|[\s*_`]+$", "", line).strip()
        line = re.sub(r"^(?:final\s+)?answer\s*[:=]\s*", "", line, flags=re.I).strip().strip("*_` ")
        if line and not re.fullmatch(r"[-=*_~`$\\\[\]()\s]+", line):
            return line
    return None


def first_line(text: str) -> str | None:
    """The first line that says something."""
    return next((line.strip() for line in text.splitlines() if line.strip()), None)


_ONE_LINE = re.compile(
    r"\$\$(?P<a>[^$]{1,2000}?)\$\$|\\\[(?P<b>[\s\S]{1,2000}?)\\\]|"
    r"\\\((?P<c>[^\n]{1,2000}?)\\\)|(?<!\\)\$(?P<d>(?:\\.|[^$\\\n]){1,2000}?)(?<!\\)\$"
)


def last_latex(text: str, one_line: bool = False) -> str | None:
    """The last formula between dollars or LaTeX brackets."""
    found = None
    for match in (_ONE_LINE if one_line else ENVIRONMENT).finditer(text):
        content = next((g for g in match.groups() if g is not None), "").strip()
        if content:
            found = content
    return found


_NUMBER = re.compile(
    r"(?<![\w.])[-+−]?[$€£]?\s?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+|(?<=\d))"
    r"(?:[eE][-+]?\d+)?(?:\s*/\s*\d+)?\s?(?:\\?%)?"
)


def last_number(text: str) -> str | None:
    """The last number of a text, with sign, thousands separators, fraction and percent sign."""
    found = None
    for match in _NUMBER.finditer(text):
        if any(char.isdigit() for char in match.group()):
            found = match.group().strip()
    return found


def last_math(text: str) -> str | None:
    """The last formula, or the last number outside of formulas where that comes later."""
    formula, end = None, 0
    for match in ENVIRONMENT.finditer(text):
        content = next((g for g in match.groups() if g is not None), "").strip()
        if content:
            formula, end = content, match.end()
    number = last_number(text[end:])
    return number or formula


def json_field(text: str, name: str) -> str | None:
    """A field of the last JSON object in the text that has it."""
    decoder = json.JSONDecoder()
    at = text.rfind("{")
    tries = 0
    while at >= 0 and tries < 200:
        tries += 1
        try:
            value, _ = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict) and value.get(name) is not None:
            found = value[name]
            answer = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
            return answer.strip() or None
        at = text.rfind("{", 0, at) if at else -1
    return None


_QUOTED = re.compile(r"\"([^\"\n]{1,500})\"|“([^”\n]{1,500})”|«([^»\n]{1,500})»|`([^`\n]{1,500})`")


def quoted(text: str) -> str | None:
    """The last span between quotation marks."""
    found = None
    for match in _QUOTED.finditer(text):
        content = next(g for g in match.groups() if g is not None).strip()
        found = content or found
    return found


_WRAP = re.compile(r"\\(?:text|mathrm|textbf|mathbf)\s?\{([^{}]{0,20})\}")
_ALONE = re.compile(
    r"(?:(?:option|choice|answer)[\s:]{1,3})?[(\[{]{0,2}([A-Za-z])[)\]}]{0,2}\s?(?P<end>[.:)]|$)",
    re.I,
)
_LETTER_MARK = re.compile(
    r"\(([A-Z])\)|\b(?:option|choice|answer)[\s:]{1,3}\(?([A-Z])\b\)?|\*\*\(?([A-Z])\)?[.:]?\*\*"
)


def choice_letter(text: str, count: int = 0) -> str | None:
    """The letter that a text settles on: alone, in brackets, or behind “option”.

    Args:
        text: an answer, not a whole derivation.
        count: number of choices; letters beyond are not read (0: any letter).
    """
    allowed = {chr(65 + i) for i in range(count)} if 0 < count <= 26 else None

    def ok(letter: str) -> bool:
        return allowed is None or letter.upper() in allowed

    bare = _WRAP.sub(r"\1", text.strip().strip("*_`\"'$ \t"))
    found = [next(g for g in m.groups() if g) for m in _LETTER_MARK.finditer(bare)]
    found = [letter for letter in found if ok(letter)]
    if len(set(found)) > 1:
        return None  # "(A) or (B)"
    match = _ALONE.match(bare)
    if match and ok(match[1]):
        whole = match.end() == len(bare)
        # "B. Paris" names B; "a. m." and "I: …" in running text name nothing unless upper case
        if whole and len(bare) <= 3 or match[1].isupper() and (whole or match["end"] != ""):
            return match[1].upper()
    return found[0] if found else None


def find_label(text: str, labels: Sequence[str], *, strict: bool = True) -> str | None:
    """A label named in a text.

    Args:
        text: what is searched.
        labels: the labels, in their canonical spelling.
        strict: the text must be the label (case, punctuation and a leading article aside);
            else the label that is named last is taken, where no longer label covers it.

    Returns:
        The canonical label, or None.
    """
    folded = {_fold(label): label for label in labels if _fold(label)}
    if strict:
        return folded.get(_fold(text))
    best: tuple[int, int] | None = None
    winner = None
    lowered = " " + _fold(text) + " "
    for key, label in folded.items():
        at = lowered.rfind(" " + key + " ")
        if at >= 0:
            place = (at + len(key) + 1, len(key))
            if best is None or place > best:
                best, winner = place, label
    return winner


def _fold(text: str) -> str:
    text = re.sub(r"[^\w\s%+-]", " ", text.lower())
    text = re.sub(r"\s+", " ", text).strip()
    return re.sub(r"^(?:the|a|an) ", "", text)
