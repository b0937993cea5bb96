"""Equality of two expressions: units, percent and degrees first, then the value itself."""

from __future__ import annotations

import re
from fractions import Fraction

from heartloop.grading.maths import numeric
from heartloop.grading.maths.caps import TooLarge, Unreadable
from heartloop.grading.maths.exact import exact
from heartloop.grading.maths.fast import close, rounds_to, significant
from heartloop.grading.maths.functions import renamed, same_function, try_to_compute
from heartloop.grading.maths.rules import Rules
from heartloop.grading.maths.tree import INFINITY, MINUS_ONE, Node, factors, heads, num, symbols
from heartloop.grading.maths.units import known, parse_unit


def equal(gold: Node, answer: Node, rules: Rules) -> bool:
    """Whether two expressions have the same value.

    Raises:
        TooLarge: a cap was reached on the answer's side.
    """
    if gold == answer:
        return True
    gold, gold_unit = _peel(gold)
    answer, answer_unit = _peel(answer)
    if "pct" in (gold_unit, answer_unit):
        return _equal_percent(gold, gold_unit, answer, answer_unit, rules)
    if "deg" in (gold_unit, answer_unit):
        return _equal_angles(gold, gold_unit, answer, answer_unit, rules)
    if not gold_unit and not answer_unit and _same(gold, answer, rules):
        return True
    lone, other_lone = not symbols(gold), not symbols(answer)
    if not answer_unit and not other_lone:
        answer, answer_unit = _letter_unit(answer)
    if not gold_unit and not lone and (answer_unit or other_lone and rules.spaced_gold):
        gold, gold_unit = _letter_unit(gold)
    if not gold_unit and lone and rules.unit:
        gold_unit = rules.unit
    one, two = parse_unit(gold_unit), parse_unit(answer_unit)
    if one is None or two is None or one == two:
        return _same(gold, answer, rules)
    if one[1] != two[1]:
        return False
    rules.notes.append(f"{answer_unit} converted to {gold_unit}")
    answer = _scaled(answer, two[0] / one[0])
    return _same(gold, answer, rules) or _near(gold, answer)


# --- units, percent, degrees -------------------------------------------------------------


def _peel(tree: Node) -> tuple[Node, str]:
    """An expression without its outermost unit, and that unit (``pct``, ``deg`` or words)."""
    if tree[0] in ("pct", "deg"):
        return tree[1], tree[0]
    if tree[0] == "unit":
        words = tree[2].lower()
        if re.match(r"(?:percent|pct|percentage)\b", words):
            return tree[1], "pct"
        if re.match(r"degrees?\b", words) and "c" not in words.split()[1:]:
            return tree[1], "deg"
        inner, unit = _peel(tree[1])
        return inner, unit or tree[2]
    if tree[0] == "mul":
        last, unit = _peel(tree[-1])
        if last is not tree[-1]:
            return (*tree[:-1], last), unit
    return tree, ""


def _letter_unit(tree: Node) -> tuple[Node, str]:
    """``5 m/s^2``: letters behind a number that together are a unit; else the tree as it is."""
    parts = factors(tree)
    first = next((i for i, part in enumerate(parts) if symbols(part)), len(parts))
    letters = [_unit_power(part) for part in parts[first:]]
    if first == 0 or not letters:
        return tree, ""
    unit = " ".join(f"{name}^{power}" for name, power in letters)
    if parse_unit(unit) is None or not all(known(name) for name, _ in letters):
        return tree, ""
    return parts[0] if first == 1 else ("mul", *parts[:first]), unit


def _unit_power(tree: Node, power: int = 1) -> tuple[str, int]:
    """The letter of a power and its exponent; no name where it is anything else."""
    if tree[0] == "sym":
        return tree[1], power
    if tree[0] == "pow" and tree[2][0] == "num" and tree[2][1].denominator == 1:
        return _unit_power(tree[1], power * int(tree[2][1]))
    return "", 0


def _equal_percent(
    gold: Node, gold_unit: str, answer: Node, answer_unit: str, rules: Rules
) -> bool:
    if gold_unit == answer_unit:
        return _same(gold, answer, rules)
    if _same(gold, answer, rules):
        rules.notes.append("percent sign ignored")
        return True
    hundredth = Fraction(1, 100)
    if gold_unit == "pct":
        return _same(_scaled(gold, hundredth), answer, rules)
    return _same(gold, _scaled(answer, hundredth), rules)


def _equal_angles(gold: Node, gold_unit: str, answer: Node, answer_unit: str, rules: Rules) -> bool:
    if gold_unit == answer_unit:
        return _same(gold, answer, rules)
    other = answer_unit if gold_unit == "deg" else gold_unit
    if not other.startswith("rad") and _same(gold, answer, rules):
        return True
    turn = ("mul", ("sym", "pi"), num(Fraction(1, 180)))
    if gold_unit == "deg":
        return _same(("mul", gold, turn), answer, rules)
    return _same(gold, ("mul", answer, turn), rules)


def _scaled(tree: Node, factor: Fraction) -> Node:
    return ("mul", num(factor), tree)


def _near(gold: Node, answer: Node) -> bool:
    """After a conversion of units: equal to 6 significant digits."""
    try:
        first, second = numeric.approximate(gold, {}), numeric.approximate(answer, {})
        return bool(abs(first - second) <= abs(first) * 5e-7)
    except (KeyError, ValueError, ZeroDivisionError, Unreadable, TooLarge):
        return False


# --- values ------------------------------------------------------------------------------


def _same(gold: Node, answer: Node, rules: Rules) -> bool:
    if gold == answer:
        return True
    if (gold[0] == "base") != (answer[0] == "base") and _same_digits(gold, answer):
        return True
    if INFINITY in (gold, answer):
        return False
    try:
        first = exact(gold)
    except TooLarge:
        return _gold_too_large(answer)
    except ZeroDivisionError:
        return False
    try:
        second = exact(answer)
    except ZeroDivisionError:
        return False
    if first is not None and second is not None:
        return _same_rational(gold, first, answer, second, rules)
    if ("deg" in heads(gold)) != ("deg" in heads(answer)):
        if "deg" in heads(gold):
            answer = _in_degrees(answer)
        else:
            gold = _in_degrees(gold)
    if symbols(gold) != symbols(answer):
        answer = renamed(gold, answer, rules) or answer
    if not symbols(gold) and not symbols(answer):
        return _same_numbers(gold, answer, rules)
    return same_function(gold, answer)


_ANGLED = {"sin", "cos", "tan", "cot", "sec", "csc"}


def _in_degrees(tree: Node) -> Node:
    """The same formula with plain arguments of its functions in degrees."""
    parts = tuple(_in_degrees(part) if isinstance(part, tuple) else part for part in tree)
    if tree[0] == "fun" and tree[1] in _ANGLED and not symbols(tree[2]):
        if "pi" not in str(tree[2]):
            return ("fun", tree[1], ("deg", parts[2]))
    return parts


def _same_digits(gold: Node, answer: Node) -> bool:
    """A number in a base against one that leaves it out: by their digits."""
    based, plain = (gold, answer) if gold[0] == "base" else (answer, gold)
    return plain[0] == "num" and str(plain[1]) == str(based[1])


def _gold_too_large(answer: Node) -> bool:
    """A gold beyond the caps differs from every answer that can be computed."""
    try_to_compute(answer)
    return False


def _places(tree: Node) -> int:
    """Decimals that a number was written with, 0 for anything but a decimal."""
    if tree[0] == "num":
        return tree[2] or 0
    if tree[:2] == ("mul", MINUS_ONE) and len(tree) == 3:
        return _places(tree[2])
    return 0


def _same_rational(
    gold: Node, first: Fraction, answer: Node, second: Fraction, rules: Rules
) -> bool:
    if first == second:
        return True
    if rules.tolerance is not None:
        return close(first, second, rules.tolerance)
    if not rules.rounding:
        return False
    places, more = _places(gold), _places(answer)
    if places >= 2 and not more and second.denominator > 1:
        if significant(first, places) >= 2 and rounds_to(second, first, places):
            rules.notes.append(f"rounded to {places} decimals")
            return True
    return more >= 7 and not places and first.denominator > 1 and rounds_to(first, second, more)


def _same_numbers(gold: Node, answer: Node, rules: Rules) -> bool:
    try:
        first = numeric.approximate(gold, {})
    except TooLarge:
        return _gold_too_large(answer)
    except (ZeroDivisionError, ValueError, OverflowError):
        return False
    try:
        second = numeric.approximate(answer, {})
        if numeric.same_value(first, second):
            return True
    except (ZeroDivisionError, ValueError, OverflowError):
        return False
    difference = abs(first - second)
    if rules.tolerance is not None:
        if abs(first) < 10 * rules.tolerance < 1e-3:
            return bool(difference <= abs(first) * 1e-6)
        return bool(difference <= rules.tolerance * 1.01)
    if not rules.rounding:
        return False
    for tree, other, least in ((gold, second, 2), (answer, first, 7)):
        places = _places(tree)
        if places >= 2 and numeric.is_real(other):
            decimal = exact(tree)
            if decimal is not None and significant(decimal, places) >= least:
                if bool(difference <= 10.0 ** (-places) * 0.5000001):
                    rules.notes.append(f"rounded to {places} decimals")
                    return True
    return False
