"""Intervals of the real line, and unions of them: sorted, intersected, complemented."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from heartloop.grading.maths.numeric import approximate, context, is_real
from heartloop.grading.maths.tree import INFINITY, Node, negative

_INFINITE = (INFINITY, negative(INFINITY))


class NoSet(Exception):
    """A reading that is no set of reals, or none that can be taken apart."""


@dataclass(frozen=True, slots=True)
class Piece:
    """An interval; ``low`` or ``high`` None is infinite; a point has equal ends, both closed."""

    low: Node | None = None
    high: Node | None = None
    low_closed: bool = False
    high_closed: bool = False

    def bottom(self) -> Any:
        """The value of the lower end.

        Raises:
            NoSet: it has no real value.
        """
        return -context().inf if self.low is None else value_of(self.low)

    def top(self) -> Any:
        """The value of the upper end.

        Raises:
            NoSet: it has no real value.
        """
        return context().inf if self.high is None else value_of(self.high)


LINE = Piece()


def point(tree: Node) -> Piece:
    """The set of one number."""
    return Piece(tree, tree, True, True)


def interval(low: Node, high: Node, low_closed: bool, high_closed: bool) -> Piece:
    """The numbers between two ends, which may be infinite."""
    return Piece(
        None if low in _INFINITE else low,
        None if high in _INFINITE else high,
        low_closed and low not in _INFINITE,
        high_closed and high not in _INFINITE,
    )


def value_of(tree: Node) -> Any:
    """The real value of a tree.

    Raises:
        NoSet: it has none.
    """
    try:
        found = approximate(tree, {})
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise NoSet("an end point without a value") from error
    if not is_real(found):
        raise NoSet("an end point that is not real")
    return context().re(found)


def ordered(pieces: list[Piece]) -> list[Piece]:
    """The same numbers in rising intervals that neither touch nor overlap; none is empty.

    Raises:
        NoSet: an end point has no real value.
    """
    rows = []
    for piece in pieces:
        low, high = piece.bottom(), piece.top()
        if low < high or low == high and piece.low_closed and piece.high_closed:
            rows.append((low, not piece.low_closed, high, piece))
    rows.sort(key=lambda row: row[:2])
    joined: list[Piece] = []
    for low, _, high, piece in rows:
        last = joined[-1] if joined else None
        if last is None or (low, not piece.low_closed) > (last.top(), last.high_closed):
            joined.append(piece)
        elif (high, piece.high_closed) > (last.top(), last.high_closed):
            joined[-1] = replace(last, high=piece.high, high_closed=piece.high_closed)
    return joined


def intersect(first: list[Piece], second: list[Piece]) -> list[Piece]:
    """The numbers that are in both sets."""
    found = []
    for one in first:
        for two in second:
            low = max(one, two, key=lambda piece: (piece.bottom(), not piece.low_closed))
            high = min(one, two, key=lambda piece: (piece.top(), piece.high_closed))
            found.append(Piece(low.low, high.high, low.low_closed, high.high_closed))
    return ordered(found)


def complement(pieces: list[Piece]) -> list[Piece]:
    """The numbers that are not in a set."""
    result = [LINE]
    for piece in pieces:
        parts = []
        if piece.low is not None:
            parts.append(Piece(high=piece.low, high_closed=not piece.low_closed))
        if piece.high is not None:
            parts.append(Piece(low=piece.high, low_closed=not piece.high_closed))
        result = intersect(result, parts)
    return result
