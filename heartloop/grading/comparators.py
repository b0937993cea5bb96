"""Comparators of plain text: exact, choice, label, set, F1, contains, numeric range."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from heartloop.types import Gold, Outcome, Question, UnscoredReason


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a comparator says of one answer.

    Attributes:
        outcome, reason, score, detail: as in Verdict.
        answer: the answer as it was understood, where that differs from the extracted text.
    """

    outcome: Outcome
    reason: UnscoredReason | None = None
    score: float | None = None
    detail: str = ""
    answer: str | None = None


Comparator = Callable[[Gold, Mapping[str, Any], str, "Question | None"], Judgement]


def _exact(
    gold: Gold, params: Mapping[str, Any], answer: str, question: Question | None
) -> Judgement:
    for accepted in gold.answers:
        if answer.strip() == accepted.strip():
            return Judgement("correct", None, 1.0, f"the same text as {accepted!r}")
    return Judgement("incorrect", None, 0.0, f"{answer!r} is not {gold.answers[0]!r}")


COMPARATORS: dict[str, Comparator] = {"exact": _exact}
