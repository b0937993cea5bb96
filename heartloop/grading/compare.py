"""Compares two mathematical answers (runs inside a worker of the maths pool)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heartloop.grading.caps import MAX_LENGTH


def warm_up() -> None:
    """Import what comparisons need, before the memory limit and the clock apply."""
    import math_verify  # noqa: F401


def compare_answers(
    gold: str, answer: str, params: Mapping[str, Any], question: str
) -> tuple[str, str]:
    """Compare an answer with the gold.

    Returns:
        ``correct``, ``incorrect`` or ``undecided``, and a reason a person can read.
    """
    from math_verify import parse, verify

    if len(gold) > MAX_LENGTH or len(answer) > MAX_LENGTH:
        return "undecided", "too long"
    one = parse(f"${gold}$", parsing_timeout=None, raise_on_error=False)
    two = parse(f"${answer}$", parsing_timeout=None, raise_on_error=False)
    if not one or not two:
        return "undecided", "could not be read"
    if verify(one, two, timeout_seconds=None):
        return "correct", f"{answer} equals {gold}"
    return "incorrect", f"{answer} does not equal {gold}"
