"""Whether two expressions with symbols agree as functions of them, tried at sample points."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator
from typing import Any

from heartloop.grading.maths.caps import TooLarge
from heartloop.grading.maths.exact import exact
from heartloop.grading.maths.numeric import approximate, context, is_real, same_value
from heartloop.grading.maths.rules import Rules
from heartloop.grading.maths.tree import Node, children, heads, substitute, symbols

_WHOLE_NAMES = set("nkmlpqrNKM")
_PARAMETERS = set("knmltsrpqcCNKMTdabuvzx")


def same_function(gold: Node, answer: Node) -> bool:
    """Whether two expressions agree wherever both are defined.

    Positive points must agree; points of both signs too, unless even roots or logarithms make
    positive symbols the natural domain; expressions of whole numbers (factorials, floors,
    powers of −1) need to agree at whole points only. Symbols of one side alone must cancel
    (``x − x + 2`` and ``2``).
    """
    names = symbols(gold) | symbols(answer)
    kinds = heads(gold) | heads(answer)
    if kinds & {"floor", "ceil", "gcd", "lcm", "big"}:
        return _agree(gold, answer, names, "whole", 14, least=4) and (
            names <= _WHOLE_NAMES
            or "big" in kinds
            or _agree(gold, answer, names, "mixed", 12, least=4)
        )
    if _agree(gold, answer, names, "positive", 6, least=3):
        domain_matters = names & {"x", "y", "z", "t", "u"} or kinds & {"abs", "sgn"}
        if domain_matters or not kinds & {"root", "ln", "log", "pow"}:
            return _agree(gold, answer, names, "mixed", 6, least=0)
        return True
    whole = kinds & {"factorial", "factorial2", "binom", "sin", "cos", "tan"} or _minus_powers(gold)
    return (
        bool(whole) and names <= _WHOLE_NAMES and _agree(gold, answer, names, "whole", 14, least=4)
    )


def _minus_powers(tree: Node) -> bool:
    """Whether a negative number is raised to a power with symbols."""
    if tree[0] == "pow":
        try:
            base = exact(tree[1])
        except (TooLarge, ZeroDivisionError):
            base = None
        if base is not None and base < 0 and symbols(tree[2]):
            return True
    return any(map(_minus_powers, children(tree)))


def _agree(gold: Node, answer: Node, names: set[str], kind: str, count: int, *, least: int) -> bool:
    """Whether values agree at all sample points where both are defined (at least ``least``)."""
    agreed = 0
    for first, second in _values((gold, answer), names, kind, count):
        if kind == "mixed" and not (is_real(first) and is_real(second)):
            continue
        if not same_value(first, second):
            return False
        agreed += 1
    return agreed >= least


def proportional(first: Node, second: Node, *, positive: bool = False) -> bool:
    """Whether two expressions differ by a constant factor (positive where asked)."""
    names = symbols(first) | symbols(second)
    if not names:
        return False
    ratio = None
    agreed = 0
    for kind, count in (("mixed", 8), ("positive", 6)):
        for top, bottom in _values((first, second), names, kind, count):
            if bottom == 0 or max(abs(top), abs(bottom)) < 1e-25:
                continue
            here = top / bottom
            if not is_real(here) or abs(here) < 1e-25:
                return False
            if ratio is None:
                ratio = here
                if positive and here.real < 0:
                    return False
            if not same_value(ratio, here):
                return False
            agreed += 1
    return agreed >= 4


def vanishes(tree: Node) -> bool:
    """Whether an expression is zero wherever it is defined."""
    seen = 0
    for (value,) in _values((tree,), symbols(tree), "positive", 6):
        if abs(value) > 1e-20:
            return False
        seen += 1
    return seen >= 3


def try_to_compute(tree: Node) -> None:
    """Compute a tree, at one point where it has symbols.

    Raises:
        TooLarge: a cap was reached; Unreadable: it has no value.
    """
    if exact(tree) is None:
        next(_values((tree,), symbols(tree), "positive", 1), None)


def _values(
    trees: tuple[Node, ...], names: set[str], kind: str, count: int
) -> Iterator[tuple[Any, ...]]:
    """The values of trees at deterministic sample points, where all of them are defined.

    Args:
        trees: the expressions.
        names: their symbols.
        kind: ``positive`` (reals in 0.4…2.6), ``mixed`` (both signs) or ``whole`` (1…30).
        count: how many points are tried.
    """
    for number in range(count):
        point = {name: _sample(kind, number, name) for name in names}
        try:
            values = tuple(approximate(tree, point) for tree in trees)
        except (ZeroDivisionError, ValueError, OverflowError):
            continue
        if not any(context().isnan(value) for value in values):
            yield values


def _sample(kind: str, number: int, name: str) -> Any:
    draw = random.Random(hashlib.sha256(f"{kind}|{number}|{name}".encode()).digest())
    if kind == "whole":
        return context().mpf(draw.randint(1, 12 if number < 6 else 30))
    value = context().mpf(draw.randint(400_000, 2_600_000)) / 1_000_003
    return -value if kind == "mixed" and draw.random() < 0.6 else value


def renamed(gold: Node, answer: Node, rules: Rules) -> Node | None:
    """The answer with a free parameter renamed to the gold's, where that is a mere name."""
    names, other_names = symbols(gold), symbols(answer)
    lost, new = sorted(names - other_names), sorted(other_names - names)
    folded = {_fold_name(name): name for name in lost}
    mapping = {name: folded[_fold_name(name)] for name in new if _fold_name(name) in folded}
    lost = [name for name in lost if name not in mapping.values()]
    new = [name for name in new if name not in mapping]
    if len(lost) != len(new) or len(lost) > 1:
        return None
    for one, two in zip(lost, new, strict=True):
        if rules.strict:
            return None
        if {one, two} != {"c", "C"}:  # a constant of integration
            if not _is_parameter(one, two, gold, rules):
                return None
            rules.notes.append(f"{two} renamed to {one}")
        mapping[two] = one
    return substitute(answer, {new: ("sym", old) for new, old in mapping.items()})


def _is_parameter(one: str, two: str, gold: Node, rules: Rules) -> bool:
    """Whether two letters name one parameter of the solution, no quantity of the question."""
    if not {one, two} <= _PARAMETERS:
        return False
    return not rules.distinct(one, two) or (
        not rules.question and {one, two} <= _WHOLE_NAMES and "pi" in str(gold)
    )


def _fold_name(name: str) -> str:
    return re.sub(r"[{} ]|var|mathrm|text|\\", "", name)
