r"""Sets of numbers in English words: “all real numbers except 0”, “x is at least 2”."""

from __future__ import annotations

import re

_LEAD = (
    r"(?:[a-z]\s+(?:can|may|must|could|is|has\s+to)\s+(?:be\s+)?)?"
    r"(?:the\s+set\s+of\s+|the\s+|set\s+of\s+)?(?:all\s+(?:of\s+)?|any\s+|every\s+|each\s+)?(?:the\s+)?"
)
_SIGN = r"(?:(?P<sign>non-?\s?negative|non-?\s?positive|positive|negative|non-?\s?zero)\s+)?"
_KIND = (
    r"(?P<kind>real\s+numbers?|reals?|\\R|numbers?|integers?|whole\s+numbers|natural\s+numbers?|"
    r"naturals|rational\s+numbers?|rationals|complex\s+numbers?)"
)
_MORE = {
    "greater than or equal to": r"\ge",
    "less than or equal to": r"\le",
    "at least": r"\ge",
    "at most": r"\le",
    "not less than": r"\ge",
    "not greater than": r"\le",
    "no less than": r"\ge",
    "no more than": r"\le",
    "greater than": ">",
    "more than": ">",
    "bigger than": ">",
    "larger than": ">",
    "less than": "<",
    "smaller than": "<",
    "not equal to": r"\ne",
    "strictly between": "between",
    "between": "between",
}
_RELATION = "|".join(name.replace(" ", r"\s+") for name in sorted(_MORE, key=len, reverse=True))
_WORDS = re.compile(
    rf"{_LEAD}{_SIGN}{_KIND}"
    rf"(?:\s*,?\s*(?:(?P<but>except(?:\s+for)?|other\s+than|but|not\s+equal\s+to)|"
    rf"(?:that\s+(?:is|are)\s+|which\s+(?:is|are)\s+)?(?P<relation>{_RELATION}))"
    rf"\s+(?:[a-z]\s*=\s*)?(?P<values>.+))?",
    re.I,
)
_COMPARED = re.compile(
    rf"(?P<name>[a-z])?\s*(?:is\s+|must\s+be\s+|has\s+to\s+be\s+)?(?:strictly\s+)?"
    rf"(?P<relation>{_RELATION})\s+(?P<values>[^a-z]+(?:\s+and\s+[^a-z]+?)?)"
    rf"(?:\s*,?\s*\(?(?P<ends>inclusive|exclusive|strictly)\)?)?",
    re.I,
)
_SETS = {"int": r"\Z", "nat": r"\N", "rat": r"\Q", "com": r"\C"}
_SIGNED = {
    "positive": r"(0,\infty)",
    "negative": r"(-\infty,0)",
    "nonnegative": r"[0,\infty)",
    "nonpositive": r"(-\infty,0]",
    "nonzero": r"(-\infty,0)\cup(0,\infty)",
}


def set_in_words(text: str) -> str | None:
    """A set of numbers that a text names in LaTeX, or None."""
    if not _NAMES.search(text):
        return None
    bare = re.sub(r"\\text\s*\{([^{}]*)\}", r"\1", text)
    bare = re.sub(r"\s+", " ", bare).strip(" .")
    ends = _INTERVAL.fullmatch(bare)
    if ends:
        left, right = ("(", ")") if ends["kind"].lower() == "open" else ("[", "]")
        return f"{left}{ends['low']},{ends['high']}{right}"
    ends = _FROM_TO.fullmatch(bare)
    if ends:
        return f"[{ends['low']},{ends['high']}]"
    match = _WORDS.fullmatch(bare)
    if match is None:
        return _compared(bare)
    kind = match["kind"].lower()
    sign = re.sub(r"[-\s]", "", (match["sign"] or "").lower())
    named = bool(match["but"] or match["relation"])
    if kind[:3] in _SETS:
        return _SETS[kind[:3]] if not sign and not named else None
    if kind.startswith("whole") or kind.startswith("number") and not sign and not named:
        return None
    if not named:
        return _SIGNED[sign] if sign else r"\R"
    if sign:
        return None
    values = re.sub(r"\s+(?:and|or)\s+", ",", match["values"])
    values = re.sub(r"\bzero\b", "0", values)
    if match["but"] or match["relation"].lower().startswith("not equal"):
        return rf"\R \setminus \{{{values}\}}"
    return _interval(match["relation"], values, "")


_INTERVAL = re.compile(
    r"(?:the )?(?P<kind>open|closed) interval (?:from |between )?(?P<low>-?[\d.]+) "
    r"(?:to|and) (?P<high>-?[\d.]+)",
    re.I,
)
_FROM_TO = re.compile(
    r"(?:from )?(?P<low>-?[\d.]+) (?:to|through) (?P<high>-?[\d.]+),? \(?inclusive\)?", re.I
)
_NAMES = re.compile(
    r"inclusive|interval|real|number|integer|natural|rational|\\R|than|at (?:least|most)|between",
    re.I,
)


def _compared(text: str) -> str | None:
    """“x is greater than or equal to 2”, “between 2 and 6 inclusive”."""
    match = _COMPARED.fullmatch(text)
    if match is None or not re.search(r"\d", match["values"]):
        return None
    values = re.sub(r"\s+and\s+", ",", match["values"].strip())
    ends = "strictly" if re.search(r"\bstrictly\b", text, re.I) else (match["ends"] or "").lower()
    if match["name"] is None and "between" not in match["relation"].lower():
        return None  # "at least 9": no set, but how much
    return _interval(match["relation"], values, ends)


def _interval(relation: str, values: str, ends: str) -> str | None:
    sign = _MORE[" ".join(relation.lower().split())]
    if sign == "between":
        if values.count(",") != 1 or not ends and "strictly" not in relation.lower():
            return None  # with its ends or without them?
        return f"[{values}]" if ends == "inclusive" else f"({values})"
    if "," in values:
        return None
    return {
        ">": rf"({values},\infty)",
        r"\ge": rf"[{values},\infty)",
        "<": rf"(-\infty,{values})",
        r"\le": rf"(-\infty,{values}]",
    }.get(sign)
