"""Which verifier judges a table that names none: chosen from the golds, and said why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_MANY_WORDS = 12
"""Golds whose median is longer are texts that no reader can compare word for word."""

_NUMBER = re.compile(
    r"[-+−]?\s*(?:[$€£]\s?)?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:[eE][-+]?\d+)?"
    r"(?:\s*/\s*\d+)?\s*%?"
)
_POLAR = ({"yes", "no"}, {"true", "false"}, {"y", "n"}, {"ja", "nein"}, {"oui", "non"})


@dataclass(frozen=True, slots=True)
class Picked:
    """A verifier for a table.

    Attributes:
        verifier: name of the card.
        why: what the golds are, in words for the plan ("the answers are short labels").
        params: laid over the card's params (the labels).
    """

    verifier: str
    why: str
    params: Mapping[str, Any] = field(default_factory=dict)


def verifier_for(golds: Sequence[Sequence[str]], *, choices: bool = False) -> Picked:
    """Choose the verifier of a table from its golds.

    Args:
        golds: the accepted answers of each question.
        choices: every question shows choices.

    Returns:
        ``choice``; ``math`` for numbers and formulas; ``label`` for yes/no and for few short
        answers that come again and again; ``text`` for short texts; ``f1`` for long ones, which a
        judge would read better (``why`` says so).
    """
    texts = [answer.strip() for answers in golds for answer in answers if answer.strip()]
    if choices:
        return Picked("choice", "every question shows choices")
    if texts and all(map(looks_mathematical, texts)):
        return Picked("math", "the answers are numbers or formulas")
    words = sorted(len(text.split()) for text in texts)
    if words and words[len(words) // 2] > _MANY_WORDS:
        return Picked(
            "f1", "the answers are long texts: word overlap; `--verifier judge` reads meaning"
        )
    singles = [answers for answers in golds if len(answers) == 1]
    counts = Counter(text.casefold() for text in texts)
    if len(singles) == len(golds) and counts:
        labels = sorted({text.casefold(): text for text in texts}.values(), key=str.casefold)
        if set(counts) in _POLAR or len(counts) == 1 and any(set(counts) < p for p in _POLAR):
            polar = next(p for p in _POLAR if set(counts) <= p)
            both = [*labels, *sorted(polar - set(counts))]
            return Picked("label", "the answers are yes or no", {"labels": both})
        few = 2 <= len(counts) <= 20 and len(texts) >= 5 * len(counts)
        if few and max(len(text.split()) for text in texts) <= 4:
            return Picked("label", f"the answers are {len(counts)} labels", {"labels": labels})
    return Picked("text", "the answers are short texts")


def looks_mathematical(answer: str) -> bool:
    """Whether an answer is a number or LaTeX, so that ``math`` can judge it."""
    text = answer.strip()
    if not text:
        return False
    if _NUMBER.fullmatch(text):
        return any(char.isdigit() for char in text)
    return (
        "\\" in text
        or (text[0] == "$" and text[-1] == "$" and len(text) > 2)
        or ("^" in text and " " not in text)
    )
