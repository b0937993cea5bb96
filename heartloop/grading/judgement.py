"""What a comparator says of one answer, and what all comparators use to say it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from heartloop.grading.phrases import DENIAL
from heartloop.types import Outcome, UnscoredReason


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


def right(detail: str, score: float = 1.0, answer: str | None = None) -> Judgement:
    """A correct judgement."""
    return Judgement("correct", None, score, detail, answer)


def wrong(detail: str, score: float = 0.0, answer: str | None = None) -> Judgement:
    """An incorrect judgement."""
    return Judgement("incorrect", None, score, detail, answer)


def shown(text: str) -> str:
    """A text as reasons print it: quoted, one line, at most 60 characters."""
    text = " ".join(text.split())
    return repr(text if len(text) <= 60 else text[:57] + "...")


def fold_words(text: str) -> str:
    """The words of a text in lower case, one space between them."""
    return re.sub(r"[^\w]+", " ", text.lower()).strip()


def f1_score(answer: str, gold: str) -> float:
    """Token-overlap F1 of two normalised texts, in [0, 1].

    2·P·R / (P + R) with P and R the shares of common tokens, counted with multiplicity (SQuAD,
    Rajpurkar et al. 2016). Two empty texts score 1.
    """
    mine, wanted = answer.split(), gold.split()
    if not mine or not wanted:
        return float(mine == wanted)
    common = sum((Counter(mine) & Counter(wanted)).values())
    if common == 0:
        return 0.0
    precision, recall = common / len(mine), common / len(wanted)
    return 2 * precision * recall / (precision + recall)


def denied(text: str, name: str) -> bool:
    """Whether a text names something only to deny it: “it is not X”, “anything but X”."""
    statements = re.split(r"(?<=[.!?;])\s+|\n", text)
    wanted = f" {fold_words(name)} "
    naming = [s for s in statements if wanted in f" {fold_words(s)} "]
    return bool(naming) and all(
        DENIAL.search(s[: max(s.lower().find(name.lower()), 0)]) for s in naming
    )
