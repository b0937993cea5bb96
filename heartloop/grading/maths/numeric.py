"""Values of expression trees: exact fractions where possible, else 40 digits, always capped."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from heartloop.grading.maths.caps import (
    MAX_TERMS,
    TooLarge,
    Unreadable,
)
from heartloop.grading.maths.exact import exact

Node = tuple[Any, ...]
CONSTANTS = ("e", "i", "pi")


def symbols(tree: Node) -> set[str]:
    """Free symbols of a tree, constants aside."""
    found: set[str] = set()
    bound: set[str] = set()
    stack = [tree]
    while stack:
        node = stack.pop()
        if node[0] == "sym":
            if node[1] not in CONSTANTS:
                found.add(node[1])
        elif node[0] == "big":
            bound.add(node[2])
            stack.extend(node[3:])
        else:
            stack.extend(part for part in node[1:] if isinstance(part, tuple))
    return found - bound


def heads(tree: Node) -> set[str]:
    """Kinds of nodes, and names of functions, that occur in a tree."""
    found: set[str] = set()
    stack = [tree]
    while stack:
        node = stack.pop()
        found.add(node[0])
        if node[0] == "fun":
            found.add(node[1])
        stack.extend(part for part in node[1:] if isinstance(part, tuple))
    return found


def substitute(tree: Node, values: Mapping[str, Node]) -> Node:
    """Replace symbols by trees."""
    if tree[0] == "sym":
        return values.get(tree[1], tree)
    return tuple(substitute(part, values) if isinstance(part, tuple) else part for part in tree)


def expand_signs(tree: Node) -> list[Node]:
    """The values of a tree with ±: both signs, linked where ∓ occurs, else independent."""
    count = _count(tree, ("pm", "mp"))
    if count == 0:
        return [tree]
    if count > 4:
        raise TooLarge("too many ± signs")
    linked = _count(tree, ("mp",)) > 0
    choices: Iterator[tuple[int, ...]]
    if linked:
        choices = iter([(1,) * count, (-1,) * count])
    else:
        choices = itertools.product((1, -1), repeat=count)
    return [_choose(tree, iter(choice)) for choice in choices]


def _count(tree: Node, kinds: tuple[str, ...]) -> int:
    own = 1 if tree[0] in kinds else 0
    return own + sum(_count(part, kinds) for part in tree[1:] if isinstance(part, tuple))


def _choose(tree: Node, signs: Iterator[int]) -> Node:
    if tree[0] in ("pm", "mp"):
        left = _choose(tree[1], signs)
        sign = next(signs) * (1 if tree[0] == "pm" else -1)
        right = _choose(tree[2], signs)
        return ("add", left, right if sign > 0 else ("mul", ("num", Fraction(-1), None), right))
    return tuple(_choose(part, signs) if isinstance(part, tuple) else part for part in tree)


# --- to 40 digits ------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _mp() -> Any:
    import mpmath

    context = mpmath.mp.clone()
    context.dps = 40
    return context


def approximate(tree: Node, values: Mapping[str, Any]) -> Any:
    """The value to 40 digits (an mpmath number), symbols taken from ``values``.

    Raises:
        TooLarge: a cap was reached; Unreadable: the tree has no numeric meaning;
        ZeroDivisionError, ValueError: undefined at this point.
    """
    mp = _mp()
    head = tree[0]
    if head == "num":
        return mp.mpf(tree[1].numerator) / tree[1].denominator
    if head == "sym":
        return _constant(tree[1]) if tree[1] in CONSTANTS else values[tree[1]]
    if head == "add":
        return mp.fsum(approximate(part, values) for part in tree[1:])
    if head == "mul":
        product = mp.mpf(1)
        for part in tree[1:]:
            product *= approximate(part, values)
        return product
    if head == "pow":
        return _approximate_power(
            approximate(tree[1], values), approximate(tree[2], values), tree[2]
        )
    if head == "fun":
        return _approximate_function(tree, values)
    if head == "call":
        return _unknown(tree[1], [approximate(part, values) for part in tree[2:]])
    if head == "pct":
        return approximate(tree[1], values) / 100
    if head == "deg":
        return approximate(tree[1], values) * mp.pi / 180
    if head == "unit":
        return approximate(tree[1], values)
    if head == "base":
        found = exact(tree)
        return mp.mpf(int(found or 0))
    if head == "inf":
        return mp.inf
    if head == "dots":
        return values.get("…", mp.mpf(7) / 3)
    if head == "big":
        return _add_up(tree, values)
    raise Unreadable(f"no number: {head}")


def _constant(name: str) -> Any:
    mp = _mp()
    return {"e": mp.e, "pi": mp.pi, "i": mp.mpc(0, 1)}[name] + 0


def _approximate_power(base: Any, power: Any, tree: Node) -> Any:
    mp = _mp()
    if base == 0 and mp.re(power) < 0:
        raise ZeroDivisionError
    size = abs(power)
    if size > 40 and base != 0:
        if size * (abs(mp.log(abs(base))) + 1) > 10**6:
            raise TooLarge("a power with more than 400,000 digits")
    if mp.im(power) == 0 and mp.im(base) == 0 and mp.re(base) < 0:
        root = _odd_root(tree)
        if root is not None:  # (-8)^(1/3) is -2 among real numbers
            top, bottom = root
            value = mp.power(-mp.re(base), mp.mpf(top) / bottom)
            return value if top % 2 == 0 else -value
    if mp.im(power) == 0 and mp.re(power) == int(mp.re(power)) and size < 10**9:
        return base ** int(mp.re(power))
    return mp.power(base, power)


def _odd_root(tree: Node) -> tuple[int, int] | None:
    try:
        value = exact(tree)
    except (TooLarge, ZeroDivisionError, Unreadable):
        return None
    if value is None or value.denominator == 1 or value.denominator % 2 == 0:
        return None
    return value.numerator, value.denominator


def _approximate_function(tree: Node, values: Mapping[str, Any]) -> Any:
    mp = _mp()
    name = tree[1]
    if name == "prime":
        return _unknown("'", [approximate(tree[2], values)])
    arguments = [approximate(part, values) for part in tree[2:]]
    first = arguments[0]
    if name in ("factorial", "factorial2", "binom") and any(abs(a) > 10**5 for a in arguments):
        raise TooLarge("a factorial over 100000!")
    if name == "root":
        return _root(first, arguments[1], tree[3])
    if name == "log":
        return mp.log(first) / mp.log(arguments[1])
    if name in ("floor", "ceil"):
        if mp.im(first) != 0:
            raise ValueError("floor of a complex number")
        nearest = mp.nint(mp.re(first))
        if abs(first - nearest) < mp.mpf(10) ** -25:
            return nearest
        return mp.floor(first) if name == "floor" else mp.ceil(first)
    if name in _TABLE:
        return getattr(mp, _TABLE[name])(*arguments)
    if name in ("max", "min") and all(mp.im(a) == 0 for a in arguments):
        return (max if name == "max" else min)(mp.re(a) for a in arguments)
    if name == "cis":
        return mp.expjpi(first / mp.pi)
    return _unknown(name, arguments)


_TABLE = {
    "sin": "sin", "cos": "cos", "tan": "tan", "cot": "cot", "sec": "sec", "csc": "csc",
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arccot": "acot", "sinh": "sinh",
    "cosh": "cosh", "tanh": "tanh", "coth": "coth", "arsinh": "asinh", "arcosh": "acosh",
    "artanh": "atanh", "ln": "log", "abs": "fabs", "factorial": "factorial", "factorial2": "fac2",
    "binom": "binomial", "sgn": "sign", "sign": "sign", "Re": "re", "Im": "im", "arg": "arg",
}  # fmt: skip


def _root(value: Any, index: Any, tree: Node) -> Any:
    mp = _mp()
    if index == 0:
        raise ZeroDivisionError
    whole = mp.im(index) == 0 and mp.re(index) == int(mp.re(index))
    if whole and int(mp.re(index)) % 2 and mp.im(value) == 0 and mp.re(value) < 0:
        return -mp.power(-mp.re(value), 1 / index)
    return mp.sqrt(value) if index == 2 else mp.power(value, 1 / index)


def _unknown(name: str, arguments: list[Any]) -> Any:
    """A pseudo-random value for an unknown function: equal arguments, equal value."""
    mp = _mp()
    key = name + "|" + "|".join(mp.nstr(mp.mpc(a), 15) for a in arguments)
    digest = hashlib.sha256(key.encode()).digest()
    return mp.mpf(int.from_bytes(digest[:12], "big")) / (1 << 96) * 2 + mp.mpf(1) / 7


def _add_up(tree: Node, values: Mapping[str, Any]) -> Any:
    mp = _mp()
    _, kind, variable, low, high, body = tree
    start, stop = approximate(low, values), approximate(high, values)
    if mp.isinf(stop) or mp.isinf(start):
        raise Unreadable("an infinite sum")
    if mp.im(start) or mp.im(stop) or start != int(mp.re(start)) or stop != int(mp.re(stop)):
        raise ValueError("bounds that are not whole")
    if stop - start > MAX_TERMS:
        raise TooLarge(f"more than {MAX_TERMS} terms")
    total = mp.mpf(0 if kind == "sum" else 1)
    for k in range(int(start), int(stop) + 1):
        term = approximate(body, {**values, variable: mp.mpf(k)})
        total = total + term if kind == "sum" else total * term
    return total


# --- sample points -----------------------------------------------------------------------


def points(names: set[str], kind: str, count: int) -> list[dict[str, Any]]:
    """Deterministic sample points.

    Args:
        names: the symbols.
        kind: ``positive`` (reals in 0.4…2.6), ``mixed`` (both signs) or ``whole`` (1…30).
        count: how many.
    """
    mp = _mp()
    found = []
    for number in range(count):
        point = {}
        for name in sorted(names):
            seed = hashlib.sha256(f"{kind}|{number}|{name}".encode()).digest()
            draw = random.Random(seed)
            if kind == "whole":
                point[name] = mp.mpf(draw.randint(1, 12 if number < 6 else 30))
                continue
            value = mp.mpf(draw.randint(400_000, 2_600_000)) / 1_000_003
            if kind == "mixed" and draw.random() < 0.6:
                value = -value
            point[name] = value
        found.append(point)
    return found


def same_value(first: Any, second: Any) -> bool:
    """Whether two 40-digit values agree to 20 digits."""
    mp = _mp()
    if mp.isnan(first) or mp.isnan(second):
        raise ValueError("undefined")
    if mp.isinf(first) or mp.isinf(second):
        return bool(first == second)
    size = max(abs(first), abs(second))
    return bool(abs(first - second) <= mp.mpf(10) ** -20 * size or size < mp.mpf(10) ** -30)


def is_real(value: Any) -> bool:
    """Whether a value has no imaginary part beyond rounding."""
    mp = _mp()
    return bool(abs(mp.im(value)) <= mp.mpf(10) ** -25 * max(1, abs(value)))
