"""Solves a relation in one quantity: linear, quadratic, or with absolute values of such."""

from __future__ import annotations

import operator as op
from fractions import Fraction
from typing import Any

from heartloop.grading.maths.caps import TooLarge
from heartloop.grading.maths.intervals import (
    LINE,
    NoSet,
    Piece,
    complement,
    intersect,
    interval,
    ordered,
    point,
    value_of,
)
from heartloop.grading.maths.numeric import same_value
from heartloop.grading.maths.tree import (
    INFINITY,
    MINUS_ONE,
    TWO,
    Node,
    at,
    children,
    difference,
    heads,
    negative,
    num,
    symbols,
)

_COMPARE = {"<": op.lt, ">": op.gt, "le": op.le, "ge": op.ge, "=": op.eq, "ne": op.ne}
FLIP = {"<": ">", ">": "<", "le": "ge", "ge": "le"}
"""A relation read from the right."""


def solve(left: Node, operator: str, right: Node) -> tuple[list[Piece], str]:
    """The numbers for which a relation holds, and the quantity they are (its tree as text).

    Raises:
        NoSet: it has several quantities, or is of another kind.
        TooLarge: too many absolute values.
    """
    if _is_constant(left) or (left[0] != "sym" and right[0] == "sym"):
        left, right, operator = right, left, FLIP.get(operator, operator)
    if left[0] in ("sym", "call"):
        return _half_line(operator, right), str(left)
    tree = _without_roots(difference(left, right))
    names = symbols(tree)
    if len(names) != 1:
        raise NoSet("an inequality in several quantities")
    (name,) = names
    return _solve(tree, operator, name, 0), str(("sym", name))


def _is_constant(tree: Node) -> bool:
    return not symbols(tree) and "call" not in heads(tree)


def _half_line(operator: str, bound: Node) -> list[Piece]:
    """The numbers that stand in this relation to a bound."""
    below = interval(negative(INFINITY), bound, False, operator == "le")
    above = interval(bound, INFINITY, operator == "ge", False)
    if operator in ("<", "le"):
        return [below]
    if operator in (">", "ge"):
        return [above]
    if operator == "=":
        return [point(bound)]
    if operator == "ne":
        return [below, above]
    raise NoSet(operator)


def _solve(tree: Node, operator: str, name: str, depth: int) -> list[Piece]:
    """Where ``tree operator 0`` holds."""
    inside = _absolute(tree, name)
    if inside is None:
        return _solve_polynomial(tree, operator, name)
    if depth > 4:
        raise TooLarge("too many absolute values")
    found: list[Piece] = []
    for sign, side in ((1, "ge"), (-1, "<")):
        region = _solve(inside, side, name, depth + 1)
        branch = _opened(tree, inside, ("mul", num(sign), inside))
        found += intersect(region, _solve(branch, operator, name, depth + 1))
    return ordered(found)


def _without_roots(tree: Node) -> Node:
    """The root of a square as an absolute value."""
    parts = tuple(_without_roots(part) if isinstance(part, tuple) else part for part in tree)
    if parts[:2] == ("fun", "root") and parts[3] == TWO:
        body = parts[2]
        if body[0] == "pow" and body[2] == TWO:
            return ("fun", "abs", body[1])
    return parts


def _absolute(tree: Node, name: str) -> Node | None:
    """What stands in an innermost ``|…|`` of the symbol."""
    for part in children(tree):
        found = _absolute(part, name)
        if found is not None:
            return found
    return tree[2] if tree[:2] == ("fun", "abs") and name in symbols(tree) else None


def _opened(tree: Node, inside: Node, by: Node) -> Node:
    """A tree with one ``|…|`` replaced."""
    if tree == ("fun", "abs", inside):
        return by
    return tuple(_opened(part, inside, by) if isinstance(part, tuple) else part for part in tree)


def _solve_polynomial(tree: Node, operator: str, name: str) -> list[Piece]:
    """Where ``a x² + b x + c operator 0`` holds; the coefficients come from three values."""
    c, one, minus = (at(tree, name, x) for x in (0, 1, -1))
    half = num(Fraction(1, 2))
    a = ("add", ("mul", half, one), ("mul", half, minus), negative(c))
    b = ("add", ("mul", half, one), ("mul", MINUS_ONE, half, minus))
    first, second, third = map(value_of, (a, b, c))
    for x in (2, -3, 5, Fraction(-21, 2)):  # a floor is no line
        if not same_value(value_of(at(tree, name, x)), first * x * x + second * x + third):
            raise NoSet("an inequality that is neither linear nor quadratic")
    if abs(first) < 1e-25 and abs(second) < 1e-25:
        return [LINE] if _holds(third, operator) else []
    if abs(first) < 1e-25:
        bound = ("mul", MINUS_ONE, c, ("pow", b, MINUS_ONE))
        return _half_line(FLIP.get(operator, operator) if second < 0 else operator, bound)
    under = second * second - 4 * first * third
    if under < 0:
        return [LINE] if _holds(first, operator) else []
    root = ("fun", "root", ("add", ("pow", b, TWO), ("mul", num(-4), a, c)), TWO)
    twice = ("pow", ("mul", TWO, a), MINUS_ONE)
    low, high = (
        ("mul", ("add", negative(b), ("mul", num(sign), root)), twice)
        for sign in ((-1, 1) if first > 0 else (1, -1))
    )
    if operator in ("=", "ne"):
        points = [point(low)] if under == 0 else [point(low), point(high)]
        return points if operator == "=" else complement(points)
    closed = operator in ("le", "ge")
    if (operator in ("<", "le")) == (first > 0):
        return ordered([Piece(low, high, closed, closed)])
    return [Piece(high=low, high_closed=closed), Piece(low=high, low_closed=closed)]


def _holds(value: Any, operator: str) -> bool:
    """Whether a number stands in this relation to zero."""
    return bool(_COMPARE[operator](value, 0))
