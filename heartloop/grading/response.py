"""Comparators for tasks without a gold: what an answer shows, its mood and its patterns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heartloop.errors import CardError
from heartloop.grading.judgement import Judgement, right, wrong
from heartloop.types import Gold, Question

RESPONSE = ("mood", "patterns")
"""Kinds that read a text as it stands, cut or not: there is no answer in it to be found."""

LOW = -0.15
"""Valence from which on an answer counts as low, unless the card says otherwise (``low``)."""


def mood(
    gold: Gold, params: Mapping[str, Any], answer: str, question: Question | None
) -> Judgement:
    """Whether an answer is not low; the score is its valence, from 0 (-1) to 1 (+1)."""
    from heartloop.style.affect import vad

    found = vad(answer)
    if not found.supported:
        return Judgement("unscored", "undecided", detail="not in English: its mood is not read")
    low = float(params.get("low", LOW))
    score = (found.valence + 1) / 2
    detail = f"valence {found.valence:+.2f} of {found.felt} words of feeling"
    return (wrong if found.valence <= low else right)(detail, score)


def patterns(
    gold: Gold, params: Mapping[str, Any], answer: str, question: Question | None
) -> Judgement:
    """Whether any of the card's patterns (``any``) stands in the answer.

    Raises:
        CardError: a pattern that the rules do not know.
    """
    from heartloop.style import rules

    wanted = [str(name) for name in params.get("any") or ()]
    for name in wanted:
        if name not in rules.PATTERNS:
            known = ", ".join(rules.PATTERNS)
            raise CardError(f'params.any: "{name}" is no pattern; there are {known}')
    found = rules.found(answer)
    hits = [name for name in wanted if name in found]
    shown = ", ".join(sorted(found)) or "none"
    return right(f"patterns: {shown}") if hits else wrong(f"patterns: {shown}")
