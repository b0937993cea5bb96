"""Extraction chains: takes the final answer out of a text, step by step as a card declares it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from heartloop.cards.verifier import Step
from heartloop.errors import CardError
from heartloop.grading.marks import after, answer_is, boxed, conclusion, final_answer
from heartloop.grading.phrases import REFUSAL
from heartloop.grading.positional import (
    choice_letter,
    final_line,
    find_label,
    first_line,
    json_field,
    last_latex,
    last_math,
    last_number,
    quoted,
)
from heartloop.thinking import split_thinking
from heartloop.types import Question
from heartloop.values import quick

MAX_TEXT = 40_000
"""Characters of a text that extraction looks at: the last ones, where answers stand."""


@quick
@dataclass(frozen=True, slots=True)
class Found:
    """What a chain found.

    Attributes:
        answer: the extracted text, stripped, not empty.
        step: name of the step that found it.
        closed: the answer is complete even if the text was cut right behind what was read:
            it stands between marks, or something follows it.
    """

    answer: str
    step: str
    closed: bool


@quick
@dataclass(frozen=True, slots=True)
class Context:
    """What a step may look at beside the text: choices and labels, never the gold."""

    choices: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


def visible_text(text: str) -> tuple[str, bool]:
    """The part of a text that may be graded: the answer without any thinking, its end if long.

    Returns:
        The visible text, and whether thinking was left open: such a text was cut.
    """
    answer, _, closed = split_thinking(text)
    if not closed and not answer:
        return "", True
    return answer[-MAX_TEXT:], not closed


# --- chains ------------------------------------------------------------------------------

_Extractor = Callable[[str, Any, Context], "tuple[str, bool] | None"]


def _marked(function: Callable[[str], str | None]) -> _Extractor:
    def run(text: str, value: Any, context: Context) -> tuple[str, bool] | None:
        answer = function(text)
        return None if answer is None else (answer, True)

    return run


def _placed(function: Callable[[str], str | None]) -> _Extractor:
    def run(text: str, value: Any, context: Context) -> tuple[str, bool] | None:
        answer = function(text)
        return None if answer is None else (answer, False)

    return run


def _after(text: str, value: Any, context: Context) -> tuple[str, bool] | None:
    markers = value if isinstance(value, list) else [value]
    for marker in markers:
        found = after(text, str(marker))
        if found:
            return found
    return None


def _after_exact(text: str, value: Any, context: Context) -> tuple[str, bool] | None:
    """All text behind the last marker, case-sensitive, one final full stop dropped."""
    at = text.rfind(str(value))
    if at < 0:
        return None
    answer = text[at + len(str(value)) :]
    answer = answer[:-1] if answer.endswith(".") else answer
    return (answer, False) if answer else None


def _regex(text: str, value: Any, context: Context) -> tuple[str, bool] | None:
    options = value if isinstance(value, Mapping) else {"pattern": value}
    pattern = compiled(str(options.get("pattern", "")), str(options.get("flags", "")))
    matches = list(pattern.finditer(text))
    if not matches:
        return None
    match = matches[0] if options.get("which") == "first" else matches[-1]
    group = options.get("group", 1 if pattern.groups else 0)
    found = match.group(group)
    return None if found is None else (found, match.end() < len(text))


_COMPILED: dict[tuple[str, str], re.Pattern[str]] = {}


def compiled(pattern: str, flags: str = "") -> re.Pattern[str]:
    """A compiled pattern of a card; flags are the letters i, m, s.

    Raises:
        CardError: not a regular expression.
    """
    key = (pattern, flags)
    if key not in _COMPILED:
        bits = 0
        for letter in flags:
            bits |= {"i": re.I, "m": re.M, "s": re.S}.get(letter, 0)
        try:
            _COMPILED[key] = re.compile(pattern, bits)
        except re.error as error:
            raise CardError(f"regex {pattern!r} is not valid ({error}); mend the card") from error
    return _COMPILED[key]


def _choice(text: str, value: Any, context: Context) -> tuple[str, bool] | None:
    letter = choice_letter(text, len(context.choices))
    return None if letter is None else (letter, False)


def _choice_answer(text: str, value: Any, context: Context) -> tuple[str, bool] | None:
    """The letter in the box, behind “answer is”, or in the final line."""
    for found in (boxed(text), (answer_is(text) or ("", False))[0], final_line(text), text):
        if found:
            letter = choice_letter(found, len(context.choices))
            if letter:
                return letter, True
    return None


def _bracketed(text: str, value: Any, context: Context) -> tuple[str, bool] | None:
    """The option that the text settles on, as BIG-Bench Hard writes it: ``(B)``."""
    for place in (boxed(text), (answer_is(text) or (None,))[0], final_line(text)):
        letters = re.findall(r"\(([A-Z])\)", place or "")
        if letters and len(set(letters)) == 1:
            return f"({letters[0]})", True
    return None


def _label(strict: bool) -> _Extractor:
    def run(text: str, value: Any, context: Context) -> tuple[str, bool] | None:
        labels = context.labels or context.choices
        if isinstance(value, list):
            labels = tuple(str(label) for label in value)
        places = [boxed(text), (answer_is(text) or (None,))[0], text, final_line(text)]
        for place in places:
            found = find_label(place, labels) if place else None
            if found:
                return found, True
        if strict:
            return None
        found = find_label(text, labels, strict=False)
        return None if found is None else (found, True)

    return run


def _json(text: str, value: Any, context: Context) -> tuple[str, bool] | None:
    found = json_field(text, str(value or "answer"))
    return None if found is None else (found, True)


STEPS: dict[str, _Extractor] = {
    "boxed": _marked(boxed),
    "conclusion": lambda text, value, context: conclusion(text),
    "final_answer": lambda text, value, context: final_answer(text),
    "answer_is": lambda text, value, context: answer_is(text),
    "after": _after,
    "after_exact": _after_exact,
    "json_field": _json,
    "choice_letter": _choice,
    "choice_answer": _choice_answer,
    "bracketed_letter": _bracketed,
    "label": _label(True),
    "label_anywhere": _label(False),
    "regex": _regex,
    "quoted": _marked(quoted),
    "latex": _marked(last_latex),
    "number": _placed(last_number),
    "last_math": _placed(last_math),
    "final_line": _placed(final_line),
    "first_line": _placed(first_line),
    "single_line": _placed(
        lambda text: text if text.strip() and "\n" not in text.strip() else None
    ),
    "whole_text": _placed(lambda text: text),
    "raw": _placed(lambda text: text),
}
"""Every extractor a card may name."""

VERBATIM = {"raw", "after_exact"}
"""Steps whose answer is not stripped: exact reproductions of published scorers."""


def check_steps(steps: Iterable[Step], where: str) -> None:
    """Refuse a chain with an unknown step.

    Raises:
        CardError: names the step and the known ones.
    """
    for step in steps:
        if step.name == "content":
            continue  # the content reader's answer
        if step.name not in STEPS:
            raise CardError(
                f'{where}: extract: unknown step "{step.name}"; one of: {", ".join(sorted(STEPS))}'
            )
        if step.name == "regex":
            _regex("", step.value, Context())


def run_chain(chain: Sequence[Step], text: str, context: Context) -> Found | None:
    """The first step that finds an answer gives it.

    Args:
        chain: steps of a verifier card.
        text: the visible text (see ``visible_text``).
        context: choices and labels of the question.
    """
    for step in chain:
        found = STEPS[step.name](text, step.value, context)
        if found is None:
            continue
        answer = found[0] if step.name in VERBATIM else found[0].strip()
        if answer.strip():
            return Found(answer, step.name, found[1])
    return None


def context_for(question: Question | None, params: Mapping[str, Any]) -> Context:
    """Choices of the question and labels of the card, for the steps that need them."""
    labels = params.get("labels") or ()
    return Context(question.choices if question is not None else (), tuple(map(str, labels)))


# --- refusals ----------------------------------------------------------------------------


def is_refusal(text: str) -> bool:
    """Whether a text declines the task in its first 300 characters.

    Being sorry, afraid or apologetic declines nothing. Used only where no answer could be
    extracted; documented in docs/grading.md.
    """
    return bool(REFUSAL.search(text.strip()[:300].replace("’", "'")))
