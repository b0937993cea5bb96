"""Sets of real numbers: intervals, unions, inequalities and set-builders brought to one form."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from heartloop.grading.maths.caps import TooLarge, Unreadable
from heartloop.grading.maths.expressions import equal
from heartloop.grading.maths.inequalities import solve
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
from heartloop.grading.maths.rules import Rules
from heartloop.grading.maths.tree import INFINITY, Node, expand_signs

Reading = tuple[Any, ...]


def pieces_of(reading: Reading) -> tuple[list[Piece], str | None]:
    """The intervals of a set, and the name of the quantity it is about (None: not named).

    Raises:
        NoSet: it is none, or not one that can be taken apart.
    """
    kind = reading[0]
    if kind == "reals":
        return [LINE], None
    if kind == "empty":
        return [], None
    if kind == "tuple" and len(reading[3]) == 2:
        low, high = map(_end, reading[3])
        if _falls(low, high):
            raise NoSet("a pair, not an interval: its ends fall")
        return [interval(low, high, reading[1] == "[", reading[2] == "]")], None
    if kind == "set":
        return [point(tree) for item in reading[1] for tree in _values(item)], None
    if kind == "expr":
        return [point(tree) for tree in _values(reading)], None
    if kind == "builder":
        return pieces_of(reading[2])
    if kind == "assign":
        return pieces_of(reading[2])[0], str(("sym", reading[1].lstrip("\\")))
    if kind in ("union", "list"):
        found: list[Piece] = []
        name = None
        for part in reading[1]:
            more, other = pieces_of(part)
            found += more
            name = name or other
        return found, name
    if kind == "inter":
        result, name = pieces_of(reading[1][0])
        result = ordered(result)
        for part in reading[1][1:]:
            result = intersect(result, pieces_of(part)[0])
        return result, name
    if kind == "minus":
        first, name = pieces_of(reading[1])
        return intersect(first, complement(pieces_of(reading[2])[0])), name
    if kind == "rel":
        return _relation(reading)
    raise NoSet(kind)


def _falls(low: Node, high: Node) -> bool:
    try:
        return low != INFINITY and bool(value_of(low) >= value_of(high))
    except NoSet:
        return False


def _end(item: Reading) -> Node:
    if item[0] != "expr":
        raise NoSet("an end point that is no expression")
    tree: Node = item[1]
    return tree


def _values(item: Reading) -> list[Node]:
    return expand_signs(_end(item[2] if item[0] == "assign" else item))


def _relation(reading: Reading) -> tuple[list[Piece], str | None]:
    sides, operators = reading[1], reading[2]
    if operators == ["in"]:
        return pieces_of(sides[1])[0], _quantity(sides[0])
    if operators == ["notin"]:
        return complement(pieces_of(sides[1])[0]), _quantity(sides[0])
    trees = [_end(side) for side in sides]
    result, name = solve(trees[0], operators[0], trees[1])
    for (left, right), operator in zip(pairwise(trees[1:]), operators[1:], strict=True):
        found, other = solve(left, operator, right)
        if name != other:
            raise NoSet("more than one quantity")
        result = _chain(result, found)
    return result, name


def _chain(first: list[Piece], second: list[Piece]) -> list[Piece]:
    """Intersect the two half-lines of ``a < x < b`` without comparing symbolic ends."""
    if len(first) == len(second) == 1:
        for one, two in ((first[0], second[0]), (second[0], first[0])):
            if one.high is None and two.low is None and one.low is not None is not two.high:
                return [Piece(one.low, two.high, one.low_closed, two.high_closed)]
    return intersect(first, second)


def _quantity(side: Reading) -> str | None:
    return str(side[1]) if side[0] == "expr" else str(side[1:]) if side[0] != "text" else None


def same_sets(first: list[Piece], second: list[Piece], rules: Rules) -> bool:
    """Whether two sets are equal: numerically ordered where possible, else piece by piece."""
    try:
        first, second = ordered(first), ordered(second)
    except (NoSet, TooLarge, Unreadable):
        return _same_in_any_order(first, second, rules)
    return len(first) == len(second) and all(
        _same_piece(one, two, rules) for one, two in zip(first, second, strict=True)
    )


def _same_in_any_order(first: list[Piece], second: list[Piece], rules: Rules) -> bool:
    left = list(second)
    for piece in first:
        match = next((other for other in left if _same_piece(piece, other, rules)), None)
        if match is None:
            return False
        left.remove(match)
    return not left


def _same_piece(one: Piece, two: Piece, rules: Rules) -> bool:
    if (one.low_closed, one.high_closed) != (two.low_closed, two.high_closed):
        return False
    return all(
        a is b is None or a is not None and b is not None and equal(a, b, rules)
        for a, b in ((one.low, two.low), (one.high, two.high))
    )
