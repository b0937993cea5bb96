"""Exact rational values of expression trees, capped."""

from __future__ import annotations

import math
from fractions import Fraction

from heartloop.grading.maths.caps import MAX_DIGITS, MAX_FACTORIAL, TooLarge, Unreadable
from heartloop.grading.maths.tree import Node

_BITS = int(MAX_DIGITS * 3.33)


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
