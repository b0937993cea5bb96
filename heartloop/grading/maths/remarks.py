"""Words around a value that say nothing of it: what introduces it, under which condition it holds.

Every function takes the text of an answer and gives it back without them, or as it is.
"""

from __future__ import annotations

import re

_CONDITION = re.compile(
    r"(?:\\text\{\s*,?\s*|(?<![\w\\]))"
    r"\(?(?:for (?:all|any|some|every|each|real|integer|positive)|"
    r"for(?=\s+[$\\a-zA-Z])|where|with|when|whenever|such that|if|in which|is both|as)\b.*",
    re.S,
)
_REMARK = re.compile(r"\\text\{\s*,?\s*\(?(?:is|are|where|with|such that|which|since|because)\b")
_VALUE = re.compile(r"[\d=]")
_DOMAIN = re.compile(
    r"^\s*\(?\s?[a-zA-Z](?:\s?,\s?[a-zA-Z]){0,5}\s*\\in\s*\\(?:[ZNRQ]|mathbb)(?![a-zA-Z])"
)
_EXPLANATION = re.compile(r"\s*(?:\\text\{\s*)?(?:where|with|such that|for all|for some|for any)\b")
_LABEL = re.compile(
    r"^\s*(?:\\text\{\s*(?:only|so|thus|then|hence|therefore)\s*\}|(?:only|so|thus|hence)\b)\s*"
)
_LEAD = re.compile(
    r"(?:\\text\{\s?)?(?:only|about|approximately|approx|around|exactly|roughly|is|are|"
    r"answer|rs|usd|us|eur|there|it|its|the|value|option|no)\b\.?\s?\}?[\s:]{0,3}|[=≈:]\s?",
    re.I,
)


def without_condition(text: str) -> str:
    """Without “for all x”, “where …” and the like behind it."""
    return _before(_CONDITION, text) or text


def without_remark(text: str, *, condition: bool = False) -> str:
    """Without “is …” or “since …” (or a condition) behind a number or an equation."""
    bare = _before(_CONDITION if condition else _REMARK, text)
    return bare if _VALUE.search(bare) else text


def _before(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return text[: found.start()].rstrip(" ,(") if found else ""


def without_explanation(pieces: list[str]) -> list[str]:
    """The pieces of an answer between commas up to the first that explains: “where …”, x ∈ ℝ."""
    pieces = [piece for i, piece in enumerate(pieces) if not (i and _DOMAIN.match(piece))]
    end = next((i for i, piece in enumerate(pieces) if i and _EXPLANATION.match(piece)), None)
    return pieces[:end]


def without_label(text: str) -> str:
    """Without “so”, “thus”, “only” in front of it."""
    return _LABEL.sub("", text)


def without_lead(text: str) -> str:
    """Without introductory words, where a quantity follows them."""
    at = 0
    for _ in range(8):
        match = _LEAD.match(text, at)
        if match is None:
            break
        at = match.end()
    return text[at:] if re.match(r"[\d.(\\\-+]", text[at:]) else text
