"""Values of expression trees to 40 digits (`exact` has the rational ones), always capped."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from heartloop.grading.maths.caps import MAX_TERMS, TooLarge, Unreadable
from heartloop.grading.maths.exact import exact
from heartloop.grading.maths.tree import CONSTANTS, Node


@lru_cache(maxsize=1)
def context() -> Any:
    """Mpmath at 40 digits; imported by the first use."""
    import mpmath

    found = mpmath.mp.clone()
    found.dps = 40
    return found


def approximate(tree: Node, values: Mapping[str, Any]) -> Any:
    """The value to 40 digits (an mpmath number), symbols taken from ``values``.

    Raises:
        TooLarge: a cap was reached; Unreadable: the tree has no numeric meaning;
        ZeroDivisionError, ValueError: undefined at this point.
    """
    mp = context()
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
    mp = context()
    return {"e": mp.e, "pi": mp.pi, "i": mp.mpc(0, 1)}[name] + 0


def _approximate_power(base: Any, power: Any, tree: Node) -> Any:
    mp = context()
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
    mp = context()
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
    mp = context()
    if index == 0:
        raise ZeroDivisionError
    whole = mp.im(index) == 0 and mp.re(index) == int(mp.re(index))
    if whole and int(mp.re(index)) % 2 and mp.im(value) == 0 and mp.re(value) < 0:
        return -mp.power(-mp.re(value), 1 / index)
    return mp.sqrt(value) if index == 2 else mp.power(value, 1 / index)


def _unknown(name: str, arguments: list[Any]) -> Any:
    """A pseudo-random value for an unknown function: equal arguments, equal value."""
    mp = context()
    key = name + "|" + "|".join(mp.nstr(mp.mpc(a), 15) for a in arguments)
    digest = hashlib.sha256(key.encode()).digest()
    return mp.mpf(int.from_bytes(digest[:12], "big")) / (1 << 96) * 2 + mp.mpf(1) / 7


def _add_up(tree: Node, values: Mapping[str, Any]) -> Any:
    mp = context()
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


def same_value(first: Any, second: Any) -> bool:
    """Whether two 40-digit values agree to 20 digits."""
    mp = context()
    if mp.isnan(first) or mp.isnan(second):
        raise ValueError("undefined")
    if mp.isinf(first) or mp.isinf(second):
        return bool(first == second)
    size = max(abs(first), abs(second))
    return bool(abs(first - second) <= mp.mpf(10) ** -20 * size or size < mp.mpf(10) ** -30)


def is_real(value: Any) -> bool:
    """Whether a value has no imaginary part beyond rounding."""
    mp = context()
    return bool(abs(mp.im(value)) <= mp.mpf(10) ** -25 * max(1, abs(value)))
