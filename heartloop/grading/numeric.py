"""Values of expression trees: exact fractions where possible, else 40 digits, always capped."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from heartloop.grading.caps import (
    MAX_DIGITS,
    MAX_FACTORIAL,
    MAX_TERMS,
    TooLarge,
    Unreadable,
)

Node = tuple[Any, ...]
CONSTANTS = ("e", "i", "pi")
_BITS = int(MAX_DIGITS * 3.33)


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


# --- exact -------------------------------------------------------------------------------


def exact(tree: Node) -> Fraction | None:
    """The exact rational value, or None where it is not rational by rational arithmetic alone.

    Raises:
        TooLarge: a cap was reached.
        ZeroDivisionError: a division by zero.
    """
    head = tree[0]
    if head == "num":
        value: Fraction = tree[1]
        return value
    if head == "base":
        try:
            return Fraction(int(tree[1], tree[2]))
        except ValueError:
            raise Unreadable(f"{tree[1]} is no number in base {tree[2]}") from None
    if head == "add":
        total = Fraction(0)
        for part in tree[1:]:
            value_or_none = exact(part)
            if value_or_none is None:
                return None
            total += value_or_none
        return total
    if head == "mul":
        product = Fraction(1)
        for part in tree[1:]:
            value_or_none = exact(part)
            if value_or_none is None:
                return None
            product *= value_or_none
            _check_size(product)
        return product
    if head == "pow":
        base, power = exact(tree[1]), exact(tree[2])
        if base is None or power is None:
            return None
        return _power(base, power)
    if head == "pct":
        inner = exact(tree[1])
        return None if inner is None else inner / 100
    if head == "fun":
        return _exact_function(tree)
    return None


def _check_size(value: Fraction) -> None:
    if value.numerator.bit_length() > _BITS or value.denominator.bit_length() > _BITS:
        raise TooLarge(f"more than {MAX_DIGITS} digits")


def _power(base: Fraction, power: Fraction) -> Fraction | None:
    if power.denominator != 1:
        return _rational_root(base, power)
    exponent = int(power)
    if base == 0 and exponent < 0:
        raise ZeroDivisionError
    if base in (0, 1, -1):
        return base ** (abs(exponent) % 2 + 2 if exponent else 0)
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if abs(exponent) * bits > _BITS:
        raise TooLarge(f"a power with more than {MAX_DIGITS} digits")
    return base**exponent


def _rational_root(base: Fraction, power: Fraction) -> Fraction | None:
    """``4^(1/2)`` is 2: roots of perfect powers stay exact."""
    if base < 0 or power.denominator > 12 or base.numerator.bit_length() > 4000:
        return None
    top = _integer_root(base.numerator, power.denominator)
    bottom = _integer_root(base.denominator, power.denominator)
    if top is None or bottom is None:
        return None
    return _power(Fraction(top, bottom), Fraction(power.numerator))


def _integer_root(value: int, index: int) -> int | None:
    if value in (0, 1):
        return value
    low, high = 0, 1 << (value.bit_length() // index + 1)
    while low < high:
        middle = (low + high + 1) // 2
        if middle**index <= value:
            low = middle
        else:
            high = middle - 1
    return low if low**index == value else None


def _exact_function(tree: Node) -> Fraction | None:
    name = tree[1]
    if name == "root":
        inner, index = exact(tree[2]), exact(tree[3])
        if inner is None or index is None or index == 0:
            return None
        if inner < 0 and index.denominator == 1 and index % 2 == 1:
            found = _rational_root(-inner, 1 / index)
            return None if found is None else -found
        return _rational_root(inner, 1 / index)
    if name not in (
        "factorial",
        "factorial2",
        "abs",
        "floor",
        "ceil",
        "binom",
        "gcd",
        "lcm",
        "max",
        "min",
    ):
        return None
    values = [exact(part) for part in tree[2:]]
    if any(value is None for value in values):
        return None
    known = [value for value in values if value is not None]
    return _exact_call(name, known)


def _exact_call(name: str, values: list[Fraction]) -> Fraction | None:
    import math

    first = values[0]
    if name == "abs":
        return abs(first)
    if name == "floor":
        return Fraction(math.floor(first))
    if name == "ceil":
        return Fraction(math.ceil(first))
    if name == "max":
        return max(values)
    if name == "min":
        return min(values)
    if any(value.denominator != 1 for value in values):
        return None
    whole = [int(value) for value in values]
    if name in ("factorial", "factorial2"):
        if whole[0] < 0:
            raise ZeroDivisionError
        if whole[0] > MAX_FACTORIAL:
            raise TooLarge(f"a factorial over {MAX_FACTORIAL}!")
        step = 1 if name == "factorial" else 2
        return Fraction(math.prod(range(whole[0], 0, -step)))
    if name == "binom":
        if whole[0] < 0 or whole[1] < 0:
            return None
        if max(whole) > MAX_FACTORIAL:
            raise TooLarge(f"a binomial coefficient over {MAX_FACTORIAL}")
        return Fraction(math.comb(whole[0], whole[1]))
    if name == "gcd":
        return Fraction(math.gcd(*whole))
    return Fraction(math.lcm(*whole)) if name == "lcm" else None


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
