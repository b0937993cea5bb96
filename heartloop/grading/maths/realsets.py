"""Sets of real numbers: intervals, unions, inequalities and set-builders brought to one form."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from heartloop.grading.maths import numeric
from heartloop.grading.maths.caps import TooLarge, Unreadable
from heartloop.grading.maths.expressions import Rules, equal

Node = tuple[Any, ...]
Reading = tuple[Any, ...]
_MINUS = ("num", Fraction(-1), None)
_INFINITE = (("inf",), ("mul", _MINUS, ("inf",)))


@dataclass(frozen=True, slots=True)
class Piece:
    """An interval; ``low`` or ``high`` None is infinite; a point has equal ends, both closed."""

    low: Node | None
    high: Node | None
    low_closed: bool
    high_closed: bool


class NoSet(Exception):
    """A reading that is no set of reals."""


def pieces_of(reading: Reading) -> tuple[list[Piece], str | None]:
    """The intervals of a set, and the name of the quantity it is about (None: not named).

    Raises:
        NoSet: it is none, or not one that can be taken apart.
    """
    kind = reading[0]
    if kind == "reals":
        return [Piece(None, None, False, False)], None
    if kind == "empty":
        return [], None
    if kind == "tuple" and len(reading[3]) == 2:
        low, high = (_end(item) for item in reading[3])
        if _falls(low, high):
            raise NoSet("a pair, not an interval: its ends fall")
        return [
            Piece(
                None if low in _INFINITE else low,
                None if high in _INFINITE else high,
                reading[1] == "[" and low not in _INFINITE,
                reading[2] == "]" and high not in _INFINITE,
            )
        ], None
    if kind == "set":
        return [_point(tree) for item in reading[1] for tree in _values(item)], None
    if kind == "expr":
        return [_point(tree) for tree in numeric.expand_signs(reading[1])], None
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
        parts = [pieces_of(part) for part in reading[1]]
        result = _ordered(parts[0][0])
        for other_pieces, _ in parts[1:]:
            result = intersect(result, _ordered(other_pieces))
        return result, parts[0][1]
    if kind == "minus":
        first, name = pieces_of(reading[1])
        second, _ = pieces_of(reading[2])
        return intersect(_ordered(first), complement(_ordered(second))), name
    if kind == "rel":
        return _relation(reading)
    raise NoSet(kind)


def _falls(low: Node, high: Node) -> bool:
    try:
        return bool(_value(low, 0.0) >= _value(high, 0.0)) and low not in _INFINITE
    except NoSet:
        return False


def _end(item: Reading) -> Node:
    if item[0] != "expr":
        raise NoSet("an end point that is no expression")
    tree: Node = item[1]
    return tree


def _values(item: Reading) -> list[Node]:
    return numeric.expand_signs(_end(item[2] if item[0] == "assign" else item))


def _point(tree: Node) -> Piece:
    return Piece(tree, tree, True, True)


def _relation(reading: Reading) -> tuple[list[Piece], str | None]:
    sides, operators = reading[1], reading[2]
    if operators == ["in"]:
        name = _quantity(sides[0])
        return pieces_of(sides[1])[0], name
    if operators == ["notin"]:
        return complement(_ordered(pieces_of(sides[1])[0])), _quantity(sides[0])
    if "in" in operators or any(side[0] != "expr" for side in sides):
        raise NoSet("a relation of other things than expressions")
    trees = [side[1] for side in sides]
    result: list[Piece] | None = None
    name = None
    for left, operator, right in zip(trees, operators, trees[1:], strict=False):
        found, this = _one_relation(left, operator, right)
        name = name or this
        if this is not None and name != this:
            raise NoSet("more than one quantity")
        result = found if result is None else _chain(result, found)
    if result is None:
        raise NoSet("an empty relation")
    return result, name


def _chain(first: list[Piece], second: list[Piece]) -> list[Piece]:
    """Intersect the two half-lines of ``a < x < b`` without comparing symbolic ends."""
    if len(first) == len(second) == 1:
        one, two = first[0], second[0]
        if one.high is None and two.low is None and one.low is not None and two.high is not None:
            return [Piece(one.low, two.high, one.low_closed, two.high_closed)]
        if one.low is None and two.high is None and two.low is not None and one.high is not None:
            return [Piece(two.low, one.high, two.low_closed, one.high_closed)]
    return intersect(_ordered(first), _ordered(second))


def _quantity(side: Reading) -> str | None:
    return str(side[1]) if side[0] == "expr" else str(side[1:]) if side[0] != "text" else None


def _is_constant(tree: Node) -> bool:
    return not numeric.symbols(tree) and "call" not in numeric.heads(tree)


def _one_relation(left: Node, operator: str, right: Node) -> tuple[list[Piece], str | None]:
    if _is_constant(left) or (left[0] != "sym" and right[0] == "sym"):
        left, right = right, left
        operator = {"<": ">", ">": "<", "le": "ge", "ge": "le"}.get(operator, operator)
    if left[0] not in ("sym", "call"):
        return _solved(left, operator, right)
    return _half_line(operator, right), str(left)


_FLIP = {"<": ">", ">": "<", "le": "ge", "ge": "le"}


def _solved(left: Node, operator: str, right: Node) -> tuple[list[Piece], str | None]:
    """Solve a relation in its one symbol: linear, quadratic, or with absolute values of such.

    Raises:
        NoSet: it is of another kind.
    """
    difference = _without_roots(("add", left, ("mul", _MINUS, right)))
    names = numeric.symbols(difference)
    if len(names) != 1:
        raise NoSet("an inequality in several quantities")
    (name,) = names
    return _solve(difference, operator, name, 0), str(("sym", name))


def _solve(tree: Node, operator: str, name: str, depth: int) -> list[Piece]:
    """Where ``tree operator 0`` holds."""
    inner = _absolute(tree, name)
    if inner is not None:
        if depth > 4:
            raise TooLarge("too many absolute values")
        found: list[Piece] = []
        for sign, side in ((1, "ge"), (-1, "<")):
            region = _solve(inner[1], side, name, depth + 1)
            branch = _replaced(tree, inner, ("mul", ("num", Fraction(sign), None), inner[1]))
            found += intersect(region, _ordered(_solve(branch, operator, name, depth + 1)))
        return _ordered(found)
    line = _linear(tree, name)
    if line is not None:
        if isinstance(line, str):
            value = _value(numeric.substitute(tree, {name: ("num", Fraction(0), None)}), 0.0)
            holds = {"<": value < 0, ">": value > 0, "le": value <= 0, "ge": value >= 0}
            true = holds.get(operator, (value == 0) == (operator == "="))
            return [Piece(None, None, False, False)] if true else []
        bound, flipped = line
        return _half_line(_FLIP.get(operator, operator) if flipped else operator, bound)
    return _quadratic(tree, operator, name)


def _without_roots(tree: Node) -> Node:
    """The root of a square as an absolute value."""
    if not isinstance(tree, tuple):
        return tree
    parts = tuple(_without_roots(part) if isinstance(part, tuple) else part for part in tree)
    if parts[:2] == ("fun", "root") and parts[3] == ("num", Fraction(2), None):
        body = parts[2]
        if body[0] == "pow" and body[2] == ("num", Fraction(2), None):
            return ("fun", "abs", body[1])
    return parts


def _absolute(tree: Node, name: str) -> Node | None:
    """An innermost ``|…|`` of the symbol, as ``("abs", inside)`` is found in the tree."""
    for part in tree[1:]:
        if isinstance(part, tuple):
            found = _absolute(part, name)
            if found is not None:
                return found
    if tree[:2] == ("fun", "abs") and name in numeric.symbols(tree):
        return ("abs", tree[2])
    return None


def _replaced(tree: Node, inner: Node, by: Node) -> Node:
    if tree[:2] == ("fun", "abs") and tree[2] == inner[1]:
        return by
    return tuple(_replaced(part, inner, by) if isinstance(part, tuple) else part for part in tree)


def _quadratic(tree: Node, operator: str, name: str) -> list[Piece]:
    zero, one, minus = (
        numeric.substitute(tree, {name: ("num", Fraction(x), None)}) for x in (0, 1, -1)
    )
    half = ("num", Fraction(1, 2), None)
    a = ("add", ("mul", half, one), ("mul", half, minus), ("mul", _MINUS, zero))
    b = ("add", ("mul", half, one), ("mul", _MINUS, half, minus))
    first, second, third = (_value(part, 0.0) for part in (a, b, zero))
    for x in (2, -3, 7):
        at = _value(numeric.substitute(tree, {name: ("num", Fraction(x), None)}), 0.0)
        if not numeric.same_value(at, first * x * x + second * x + third):
            raise NoSet("an inequality that is neither linear nor quadratic")
    square = (
        "add",
        ("pow", b, ("num", Fraction(2), None)),
        ("mul", ("num", Fraction(-4), None), a, zero),
    )
    under = second * second - 4 * first * third
    line = Piece(None, None, False, False)
    if under < 0:
        above = first > 0
        return (
            [line]
            if operator == "ne" or (operator in (">", "ge")) == above and operator != "="
            else []
        )
    twice = ("pow", ("mul", ("num", Fraction(2), None), a), _MINUS)
    root = ("fun", "root", square, ("num", Fraction(2), None))
    low, high = (
        ("mul", ("add", ("mul", _MINUS, b), ("mul", ("num", Fraction(s), None), root)), twice)
        for s in ((-1, 1) if first > 0 else (1, -1))
    )
    if operator in ("=", "ne"):
        points = [_point(low)] if under == 0 else [_point(low), _point(high)]
        return points if operator == "=" else complement(points)
    closed = operator in ("le", "ge")
    between = Piece(low, high, closed, closed)
    if (operator in ("<", "le")) == (first > 0):
        return _ordered([between])
    return [Piece(None, low, False, closed), Piece(high, None, closed, False)]


def _half_line(operator: str, bound: Node) -> list[Piece]:
    if bound in _INFINITE:
        return [Piece(None, None, False, False)]
    if operator in ("<", "le"):
        return [Piece(None, bound, False, operator == "le")]
    if operator in (">", "ge"):
        return [Piece(bound, None, operator == "ge", False)]
    if operator == "=":
        return [_point(bound)]
    if operator == "ne":
        return [Piece(None, bound, False, False), Piece(bound, None, False, False)]
    raise NoSet(operator)


def _linear(tree: Node, name: str) -> tuple[Node, bool] | str | None:
    """Where a tree that is linear in a symbol is zero, and whether it falls.

    Returns:
        Bound and direction, ``"constant"`` where the symbol does not matter, None if not linear.
    """
    try:
        values = {}
        for x in (0, 1, 2, 5, -3, -11):
            at = numeric.substitute(tree, {name: ("num", Fraction(x), None)})
            values[x] = numeric.approximate(at, {})
        slope = values[1] - values[0]
        for x, value in values.items():
            if not numeric.same_value(value - values[0], x * slope):
                return None
    except (ValueError, ZeroDivisionError, Unreadable, KeyError, OverflowError):
        return None
    if abs(slope) < 1e-25:
        return "constant"
    at_zero = numeric.substitute(tree, {name: ("num", Fraction(0), None)})
    at_one = numeric.substitute(tree, {name: ("num", Fraction(1), None)})
    slope_tree = ("add", at_one, ("mul", _MINUS, at_zero))
    bound = ("mul", _MINUS, at_zero, ("pow", slope_tree, _MINUS))
    return bound, bool(slope.real < 0)


# --- operations on numeric sets ----------------------------------------------------------


def _value(tree: Node | None, default: float) -> Any:
    if tree is None:
        return numeric._mp().mpf(default)
    try:
        found = numeric.approximate(tree, {})
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise NoSet("an end point without a value") from error
    if not numeric.is_real(found):
        raise NoSet("an end point that is not real")
    return numeric._mp().re(found)


def _ordered(pieces: list[Piece]) -> list[Piece]:
    """Numeric pieces sorted, with those that touch or overlap joined; empty ones dropped."""
    rows = []
    for piece in pieces:
        low, high = _value(piece.low, float("-inf")), _value(piece.high, float("inf"))
        if low > high or (low == high and not (piece.low_closed and piece.high_closed)):
            continue
        rows.append((low, not piece.low_closed, high, piece))
    rows.sort(key=lambda row: (row[0], row[1]))
    joined: list[Piece] = []
    for low, _, high, piece in rows:
        if joined:
            last = joined[-1]
            end = _value(last.high, float("inf"))
            if low < end or (low == end and (piece.low_closed or last.high_closed)):
                if high > end:
                    joined[-1] = Piece(last.low, piece.high, last.low_closed, piece.high_closed)
                elif high == end and piece.high_closed:
                    joined[-1] = Piece(last.low, last.high, last.low_closed, True)
                continue
        joined.append(piece)
    return joined


def intersect(first: list[Piece], second: list[Piece]) -> list[Piece]:
    """Intersection of two numeric sets."""
    found = []
    for one in first:
        for two in second:
            low = _pick(one.low, one.low_closed, two.low, two.low_closed, lower=True)
            high = _pick(one.high, one.high_closed, two.high, two.high_closed, lower=False)
            found.append(Piece(low[0], high[0], low[1], high[1]))
    return _ordered(found)


def _pick(
    one: Node | None, one_closed: bool, two: Node | None, two_closed: bool, *, lower: bool
) -> tuple[Node | None, bool]:
    default = float("-inf") if lower else float("inf")
    first, second = _value(one, default), _value(two, default)
    if (
        numeric._mp().isinf(first)
        and numeric._mp().isinf(second)
        or (not numeric._mp().isinf(first) and first == second)
    ):
        return one, one_closed and two_closed
    if (first > second) == lower:
        return one, one_closed
    return two, two_closed


def complement(pieces: list[Piece]) -> list[Piece]:
    """Complement within the reals of a numeric set."""
    result = [Piece(None, None, False, False)]
    for piece in pieces:
        parts = []
        if piece.low is not None:
            parts.append(Piece(None, piece.low, False, not piece.low_closed))
        if piece.high is not None:
            parts.append(Piece(piece.high, None, not piece.high_closed, False))
        result = intersect(result, parts)
    return result


def same_sets(first: list[Piece], second: list[Piece], rules: Rules) -> bool:
    """Whether two sets are equal: numerically ordered where possible, else piece by piece."""
    try:
        first, second = _ordered(first), _ordered(second)
        ordered = True
    except (NoSet, TooLarge, Unreadable):
        ordered = False
    if len(first) != len(second):
        return False
    if ordered:
        return all(_same_piece(a, b, rules) for a, b in zip(first, second, strict=True))
    left = list(second)
    for piece in first:
        match = next((other for other in left if _same_piece(piece, other, rules)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def _same_piece(one: Piece, two: Piece, rules: Rules) -> bool:
    if (one.low_closed, one.high_closed) != (two.low_closed, two.high_closed):
        return False
    for a, b in ((one.low, two.low), (one.high, two.high)):
        if (a is None) != (b is None):
            return False
        if a is not None and b is not None and not equal(a, b, rules):
            return False
    return True
