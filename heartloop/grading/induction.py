"""Instruction Induction's metrics, as published and with its traps repaired.

Source: Honovich et al. 2022, arXiv 2205.10782, and the evaluation code of
orhonovich/instruction-induction. ``compat: official`` in the params takes the published rules.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from heartloop.grading.judgement import Judgement, denied, f1_score, shown
from heartloop.types import Gold, Outcome, Question

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ANY_PUNCTUATION = re.compile(r"[^\w\s\0]")
_MINUS = re.compile(r"(?<![\w)])[-–—−]\s?(?=\d)")
_LABEL = re.compile(r"^\s*(?:output|answer|response)\s*:\s*", re.I)
_STOP = re.compile(r"(?<!\d)\.(?=\s|$)|(?<=\d)\.(?=\s+\D|\s*$)")


def normalise_official(text: str) -> str:
    """The published normalisation: first line, up to the first full stop, lower, bare words."""
    text = text.replace(" and ", " ").replace("Sentence 1:", " ").replace("Sentence 2:", " ")
    text = text.strip().split("\n")[0].split(".")[0].lower().replace("-", " ")
    return text.translate(_PUNCTUATION).strip()


@lru_cache(maxsize=4096)
def normalise_repaired(text: str) -> str:
    """The same idea without its accidents.

    The first line that says something (not an empty one), without an “Output:” label; cut at the
    end of a sentence (not inside 3.5); typographic punctuation goes as ASCII does, but the sign of
    a number stays; white space is one space.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    text = _LABEL.sub("", lines[0]) if lines else ""
    text = re.sub(r"\bsentence [12]:", " ", text, flags=re.I).strip()
    text = _STOP.split(text, maxsplit=1)[0].lower()
    text = _MINUS.sub("\0", text)
    text = re.sub(r"[-–—−]", " ", text)
    text = _ANY_PUNCTUATION.sub("", text).replace("\0", "-")
    return " ".join(word for word in text.split() if word != "and")


def _golds(gold: Gold, params: Mapping[str, Any], question: Question | None) -> list[str]:
    """Accepted answers; the official list has the input itself among the rhymes."""
    if params.get("compat") == "official":
        return [str(text) for text in params.get("official_answers") or gold.answers]
    if "official_answers" not in params or question is None:
        return list(gold.answers)
    given = normalise_repaired(str(question.meta.get("raw_input", question.input)))
    return [text for text in gold.answers if normalise_repaired(text) != given]


def _run(
    gold: Gold,
    params: Mapping[str, Any],
    answer: str,
    question: Question | None,
    score: Callable[[str, str], float],
    name: str,
) -> Judgement:
    official = params.get("compat") == "official"
    normal = normalise_official if official else normalise_repaired
    text = normal(answer)
    accepted = _golds(gold, params, question)
    best, which = max(
        ((score(text, normal(wanted)), wanted) for wanted in accepted),
        key=lambda pair: pair[0],
        default=(0.0, ""),
    )
    outcome: Outcome = "correct" if best >= 1.0 else "incorrect"
    rules = ", published rules" if official else ""
    return Judgement(
        outcome, None, best, f"{name} {best:.3g} of {shown(text)} with {shown(which)}{rules}", text
    )


def ii_exact(
    gold: Gold, params: Mapping[str, Any], answer: str, question: Question | None
) -> Judgement:
    """Equality after normalisation, best over the golds."""
    return _run(gold, params, answer, question, lambda a, g: float(a == g), "exact match")


def ii_f1(
    gold: Gold, params: Mapping[str, Any], answer: str, question: Question | None
) -> Judgement:
    """Token F1 after normalisation, best over the golds; correct only at 1."""
    return _run(gold, params, answer, question, f1_score, "F1")


def ii_set(
    gold: Gold, params: Mapping[str, Any], answer: str, question: Question | None
) -> Judgement:
    """The same words in any order."""

    def score(text: str, wanted: str) -> float:
        return float(bool(wanted) and set(text.split()) == set(wanted.split()))

    return _run(gold, params, answer, question, score, "set match")


def ii_contains(
    gold: Gold, params: Mapping[str, Any], answer: str, question: Question | None
) -> Judgement:
    """The gold stands in the answer as whole words.

    Repaired: neither an echoed input nor a denied mention counts.
    """
    official = params.get("compat") == "official"
    echoed: set[str] = set()
    if not official and question is not None:
        echoed = {normalise_repaired(str(question.meta.get("raw_input", "")))} - {""}

    def score(text: str, wanted: str) -> float:
        if not wanted or wanted in echoed:
            return 0.0
        if not official and denied(answer, wanted):
            return 0.0
        return float(re.search(rf"\b{re.escape(wanted)}\b", text) is not None)

    return _run(gold, params, answer, question, score, "contains")


INDUCTION: dict[str, Callable[..., Any]] = {
    "ii_exact": ii_exact,
    "ii_f1": ii_f1,
    "ii_set": ii_set,
    "ii_contains": ii_contains,
}
