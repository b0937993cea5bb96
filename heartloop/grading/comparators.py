"""Comparators of plain text: exact, choice, label, set, F1, contains, regex, numeric range."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from heartloop.grading.content.reading import shows_letters
from heartloop.grading.content.text import same_name
from heartloop.grading.extract import choice_letter, compiled, find_label
from heartloop.grading.judgement import (
    Judgement,
    denied,
    f1_score,
    fold_words,
    right,
    shown,
    wrong,
)
from heartloop.grading.response import mood, patterns
from heartloop.types import Gold, Outcome, Question

Comparator = Callable[[Gold, Mapping[str, Any], str, "Question | None"], Judgement]


def _golds(gold: Gold) -> str:
    first = shown(gold.answers[0]) if gold.answers else "no gold"
    return first if len(gold.answers) < 2 else f"{first} or {len(gold.answers) - 1} more"


def normalise(text: str, steps: Sequence[str]) -> str:
    """Apply named normalisations in order.

    Args:
        text: a text.
        steps: ``strip``, ``lower``, ``casefold``, ``squeeze`` (runs of white space to one space),
            ``punctuation`` (ASCII punctuation dropped), ``articles`` (a, an, the dropped),
            ``final_stop`` (one final full stop dropped), ``quotes`` (surrounding quotes dropped).

    Raises:
        ValueError: an unknown step.
    """
    for step in steps:
        if step not in NORMALISATIONS:
            raise ValueError(f"unknown normalisation {step!r}; one of {sorted(NORMALISATIONS)}")
        text = NORMALISATIONS[step](text)
    return text


_PUNCTUATION = str.maketrans("", "", string.punctuation)
NORMALISATIONS: dict[str, Callable[[str], str]] = {
    "strip": str.strip,
    "lower": str.lower,
    "casefold": str.casefold,
    "squeeze": lambda text: " ".join(text.split()),
    "punctuation": lambda text: text.translate(_PUNCTUATION),
    "articles": lambda text: " ".join(
        word for word in text.split() if word.lower() not in ("a", "an", "the")
    ),
    "final_stop": lambda text: text[:-1] if text.endswith(".") else text,
    "quotes": lambda text: text.strip("\"'“”‘’`"),
}


def _steps(params: Mapping[str, Any]) -> Sequence[str]:
    steps = params.get("normalise", ("strip",))
    return (steps,) if isinstance(steps, str) else tuple(steps)


# --- exact -------------------------------------------------------------------------------


def exact(
    gold: Gold, params: Mapping[str, Any], answer: str, question: Question | None
) -> Judgement:
    """String equality with any accepted answer, after the normalisations of the card.

    With ``stop_string`` or ``regex`` (the task's ``output_regex``) this is BIG-Bench's
    exact_str_match: cut at the stop string, apply the expression, compare with case.
    """
    steps = _steps(params)
    text = answer
    stop = params.get("stop_string")
    if stop:
        stops = [stop] if isinstance(stop, str) else list(stop)
        text = text[: min((at for at in map(text.find, stops) if at >= 0), default=len(text))]
    pattern = params.get("regex") or params.get("output_regex")
    if pattern:
        match = compiled(str(pattern)).search(text)
        text = (match.group(1) if match.re.groups else match.group()) if match else ""
    text = normalise(text, steps)
    for accepted in gold.answers:
        if text == normalise(accepted, steps):
            return right(f"{shown(text)} is an accepted answer", answer=text)
    return wrong(f"{shown(text)} is not {_golds(gold)}", answer=text)


def text(
    gold: Gold, params: Mapping[str, Any], answer: str, question: Question | None
) -> Judgement:
    """The same name or number as an accepted answer: case, marks, article and spelling aside."""
    for accepted in gold.answers:
        if same_name(accepted, answer, question):
            return right(f"{shown(answer)} is the same as {shown(accepted)}")
    return wrong(f"{shown(answer)} is not {_golds(gold)}")


# --- choices and labels ------------------------------------------------------------------


def _choice_index(text: str, choices: Sequence[str], letters: bool = True) -> int | None:
    """Which choice a text means: by its letter where letters were shown, or by its words."""
    if text in choices:
        return list(choices).index(text)
    letter = choice_letter(text, len(choices)) if letters else None
    if letter is not None:
        return ord(letter) - 65
    label = find_label(re.sub(r"^\(?[A-Z]\)?[.):]\s*", "", text), choices)
    if label is None:
        label = find_label(text, choices)
    return None if label is None else list(choices).index(label)


def choice(
    gold: Gold, params: Mapping[str, Any], answer: str, question: Question | None
) -> Judgement:
    """The chosen letter (or the text of one choice) against the gold letter or text."""
    choices = tuple(question.choices) if question is not None else ()
    picked = _choice_index(answer, choices)
    wanted = {_choice_index(accepted, choices) for accepted in gold.answers} - {None}
    if picked is None or (choices and picked >= len(choices)):
        return Judgement("unscored", "unparsed", detail=f"{shown(answer)} names no choice")
    letter = chr(65 + picked)
    names = "/".join(sorted(chr(65 + i) for i in wanted if i is not None)) or _golds(gold)
    if picked in wanted:
        return right(f"choice {letter}", answer=letter)
    return wrong(f"choice {letter}, gold {names}", answer=letter)


def choice_text(
    gold: Gold, params: Mapping[str, Any], answer: str, question: Question | None
) -> Judgement:
    """A generated text against the choices' texts: not BIG-Bench's log-likelihood metric.

    With ``target_scores`` in the params the score is that of the choice that was named; the
    outcome is correct where it is the highest. Any other text scores nothing.
    """
    targets = params.get("target_scores") or {}
    choices = tuple(question.choices) if question is not None and question.choices else ()
    choices = choices or tuple(targets) or gold.answers
    letters = question is not None and shows_letters(question.input, choices)
    if question is not None and question.answer_format.strip():
        answer = answer.removeprefix(question.answer_format.strip()).strip()
        if not answer:
            return wrong("only the prompt's own last words")
    index = _choice_index(answer, choices, letters)
    if index is None or index >= len(choices):
        # BIG-Bench gives a generated text that is no target nothing (exact_str_match): it is wrong
        return wrong(f"{shown(answer)} is none of the choices")
    name = choices[index]
    if targets:
        best = max(float(value) for value in targets.values())
        score = float(targets.get(name, 0.0))
        outcome: Outcome = "correct" if score == best and best > 0 else "incorrect"
        return Judgement(outcome, None, score, f"choice {shown(name)} scores {score:g}", name)
    if any(fold_words(name) == fold_words(accepted) for accepted in gold.answers):
        return right(f"choice {shown(name)}", answer=name)
    return wrong(f"choice {shown(name)}, gold {_golds(gold)}", answer=name)


def label(
    gold: Gold, params: Mapping[str, Any], answer: str, question: Question | None
) -> Judgement:
    """One label out of the card's list (or the question's choices), spelling variants folded."""
    labels = [str(name) for name in params.get("labels") or ()]
    labels = labels or (list(question.choices) if question is not None else [])
    aliases = {fold_words(str(k)): str(v) for k, v in (params.get("aliases") or {}).items()}
    known = labels or list(gold.answers)
    name = find_label(aliases.get(fold_words(answer), answer), known)
    if name is None:
        return Judgement("unscored", "unparsed", detail=f"{shown(answer)} is none of the labels")
    accepted = {fold_words(aliases.get(fold_words(text), text)) for text in gold.answers}
    if fold_words(name) in accepted:
        return right(f"label {shown(name)}", answer=name)
    return wrong(f"label {shown(name)}, gold {_golds(gold)}", answer=name)


# --- sets, overlap -----------------------------------------------------------------------


def _members(text: str, params: Mapping[str, Any]) -> Counter[str]:
    pattern = str(params.get("separator", r"[,;\n]|\band\b"))
    parts = compiled(pattern).split(text)
    parts = [re.sub(r"^\s*(?:[-*•]|\d+[.)])\s+", "", part) for part in parts]
    found = Counter(fold_words(part) for part in parts)
    del found[""]
    return found if params.get("multiset") else Counter(dict.fromkeys(found, 1))


def set_of(
    gold: Gold, params: Mapping[str, Any], answer: str, question: Question | None
) -> Judgement:
    """The same members in any order; several golds are alternatives unless ``multiple`` is set."""
    mine = _members(answer, params)
    golds = ["\n".join(gold.answers)] if params.get("multiple") else list(gold.answers)
    best = wrong("the answer has no members")
    for accepted in golds:
        wanted = _members(accepted, params)
        if mine == wanted:
            return right(f"the same {len(wanted)} members")
        missing, extra = list(wanted - mine), list(mine - wanted)
        best = wrong(f"missing {missing[:5]}, extra {extra[:5]}")
    return best


def f1(gold: Gold, params: Mapping[str, Any], answer: str, question: Question | None) -> Judgement:
    """The best F1 over the golds; correct from ``threshold`` on (1.0 by default)."""
    steps = tuple(params.get("normalise", ("lower", "punctuation", "articles", "squeeze")))
    text = normalise(answer, steps)
    score = max((f1_score(text, normalise(g, steps)) for g in gold.answers), default=0.0)
    outcome: Outcome = "correct" if score >= float(params.get("threshold", 1.0)) else "incorrect"
    return Judgement(outcome, None, score, f"F1 {score:.3f} with {_golds(gold)}")


def contains(
    gold: Gold, params: Mapping[str, Any], answer: str, question: Question | None
) -> Judgement:
    """Any gold stands in the answer as whole words; an echo or a denied mention does not count.

    ``echo: ignore`` in the params turns the echo guard off. It exists because a scorer of this
    kind gives full marks to an answer that repeats its input.
    """
    text = f" {fold_words(answer)} "
    if question is not None and params.get("echo") != "ignore":
        echoed = fold_words(question.input)
        if echoed and len(echoed.split()) >= 3:
            text = text.replace(f" {echoed} ", " ")
    for accepted in gold.answers:
        if (
            fold_words(accepted)
            and f" {fold_words(accepted)} " in text
            and not denied(answer, accepted)
        ):
            return right(f"contains {shown(accepted)}")
    return wrong(f"contains none of {_golds(gold)}")


def regex(
    gold: Gold, params: Mapping[str, Any], answer: str, question: Question | None
) -> Judgement:
    """Any gold, read as a regular expression, matches the whole answer (``search`` for a part)."""
    flags = str(params.get("flags", "i"))
    for accepted in gold.answers:
        pattern = compiled(accepted, flags)
        match = pattern.search(answer) if params.get("search") else pattern.fullmatch(answer)
        if match:
            return right(f"matches {shown(accepted)}")
    return wrong(f"matches none of {_golds(gold)}")


# --- numeric range -----------------------------------------------------------------------

_NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?")
_RANGE = re.compile(
    r"acceptable range:?\s*(?:anything\s+)?(?:between\s+)?(?P<low>[-+\d.,]+)\D*?"
    r"(?:-|–|—|to|and)\s*\D*?(?P<high>[-+\d.,]+)",
    re.I,
)
_SCALE = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}


def parse_range(text: str) -> tuple[float, float] | None:
    """The range in a gold like ``120 (acceptable range: anything between 118 and 122)``."""
    match = _RANGE.search(text)
    if match is None:
        return None
    low, high = (_to_float(match[name].strip(".,")) for name in ("low", "high"))
    return None if low is None or high is None else (min(low, high), max(low, high))


def _to_float(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def numbers_in(text: str) -> list[float]:
    """Numbers of a text in order, thousands separators and “million” understood."""
    found = []
    for match in _NUMBER.finditer(text):
        value = _to_float(match.group())
        if value is None:
            continue
        word = re.match(r"\s*(thousand|million|billion|trillion)\b", text[match.end() :], re.I)
        found.append(value * _SCALE[word[1].lower()] if word else value)
    return found


def numeric_range(
    gold: Gold, params: Mapping[str, Any], answer: str, question: Question | None
) -> Judgement:
    """One number within the accepted range; ``range: [low, high]`` or in the gold's own words."""
    bounds = params.get("range")
    span = (float(bounds[0]), float(bounds[1])) if bounds else None
    span = span or next((r for r in map(parse_range, gold.answers) if r is not None), None)
    numbers = numbers_in(answer)
    if not numbers:
        return Judgement("unscored", "unparsed", detail=f"no number in {shown(answer)}")
    if len(set(numbers)) > 1 and params.get("single", True):
        return Judgement("unscored", "unparsed", detail=f"more than one number in {shown(answer)}")
    value = numbers[-1]
    if span is None:
        wanted = numbers_in(gold.answers[0]) if gold.answers else []
        if not wanted:
            return Judgement("unscored", "undecided", detail="the gold has no number")
        slack = float(params.get("tolerance", 0.0))
        span = (wanted[0] - slack, wanted[0] + slack)
    detail = f"{value:g} in {span[0]:g} … {span[1]:g}"
    if span[0] <= value <= span[1]:
        return right(detail)
    return wrong(detail.replace(" in ", " is not in "))


from heartloop.grading.induction import INDUCTION  # noqa: E402  (uses the helpers above)
from heartloop.grading.negativeprompt import ii_negativeprompt  # noqa: E402

COMPARATORS: dict[str, Comparator] = {
    "exact": exact,
    "choice": choice,
    "choice_text": choice_text,
    "label": label,
    "text": text,
    "set": set_of,
    "f1": f1,
    "contains": contains,
    "regex": regex,
    "numeric_range": numeric_range,
    **INDUCTION,
    "ii_negativeprompt": ii_negativeprompt,
    "mood": mood,
    "patterns": patterns,
}
