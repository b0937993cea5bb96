"""Math-Verify and sympy as a second opinion, inside a worker, behind its limits."""

from __future__ import annotations

from heartloop.grading.maths.clean import repair


def compare_with_sympy(gold: str, answer: str) -> tuple[str, str]:
    """Whether Math-Verify calls two formulas equal in both directions.

    Its own time limits are signals and are switched off: the pool kills the process instead.

    Returns:
        ``correct``, ``incorrect`` or ``undecided``, and a reason.
    """
    from math_verify import parse, verify

    trees = []
    for text in (gold, answer):
        text = repair(text).strip().strip("$")
        trees.append(parse(f"${text}$", parsing_timeout=None, raise_on_error=False))
    if not all(trees):
        return "undecided", "sympy cannot read it"
    if all(isinstance(tree[0], str) for tree in trees):
        return "undecided", "sympy reads it as text"
    forth = verify(trees[0], trees[1], timeout_seconds=None)
    back = forth and verify(trees[1], trees[0], timeout_seconds=None)
    if forth and back:
        return "correct", "equal under Math-Verify, in both directions"
    return "incorrect", "different under Math-Verify"
