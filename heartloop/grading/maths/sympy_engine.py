"""Math-Verify and sympy as a second opinion, inside a worker, behind its limits."""

from __future__ import annotations

import re

from heartloop.grading.maths.clean import repair

_INDEXED_CALL = re.compile(r"[A-Za-z]_\{[^{}]*\}\s*(?:\\left)?\s*\(")


def is_one_formula(text: str) -> bool:
    """Whether a text is one formula as a whole, so that a tree of it covers all of it.

    Where the text holds words, several formulas, or what the LaTeX parser has no word for (cases,
    arrays, indexed names called as functions), Math-Verify reads a part and calls it the whole.
    """
    if re.search(r"\$|\\(?:\(|\[|text|mathrm|mbox|left\s*\\\{|begin\{(?:cases|array))", text):
        return False
    bare = re.sub(r"\\[A-Za-z]+", " ", text)
    if re.search(r"[A-Za-z]{4,}", bare):
        return False
    return _INDEXED_CALL.search(text) is None


def compare_with_sympy(gold: str, answer: str) -> tuple[str, str]:
    """Whether Math-Verify calls two formulas equal in both directions.

    Its own time limits are signals and are switched off: the pool kills the process instead.

    Returns:
        ``correct``, ``incorrect`` or ``undecided``, and a reason.
    """
    from math_verify import LatexExtractionConfig, parse, verify

    trees = []
    for text in (gold, answer):
        text = " ".join(repair(text).split()).strip("$ .")
        if not is_one_formula(text):
            return "undecided", "more than one formula"
        trees.append(
            parse(
                f"${text}$",
                extraction_config=[LatexExtractionConfig()],
                fallback_mode="no_fallback",
                parsing_timeout=None,
                raise_on_error=False,
            )
        )
    if not all(trees):
        return "undecided", "sympy cannot read it"
    if all(isinstance(tree[0], str) for tree in trees):
        return "undecided", "sympy reads it as text"
    forth = verify(trees[0], trees[1], timeout_seconds=None)
    back = forth and verify(trees[1], trees[0], timeout_seconds=None)
    if forth and back:
        return "correct", "equal under Math-Verify, in both directions"
    return "incorrect", "different under Math-Verify"
