"""Equality of two expressions: exact, else by value at sample points; units, percent, degrees."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from heartloop.grading.maths import numeric
from heartloop.grading.maths.caps import TooLarge, Unreadable
from heartloop.grading.maths.fast import close, rounds_to, significant
from heartloop.grading.maths.units import known, parse_unit

Node = tuple[Any, ...]
_WHOLE_NAMES = set("nkmlpqrNKM")
_PARAMETERS = set("knmltsrpqcCNKMTdabuvzx")


@dataclass
class Rules:
    """How two answers are to be compared.

    Attributes:
        tolerance: absolute tolerance, or None for exact comparison.
        tolerances: one for each of several values, where given.
        rounding: a decimal gold of at least three digits accepts exact values that round to it.
        relation_as_set: an inequality may answer where the gold is a membership.
        strict: free symbols must keep their names.
        question: the question's text: symbols that stand in it keep their names.
        conditional: the gold says under which condition it holds.
        spaced_gold: in the gold a space stands behind a number: a letter there may be a unit
            (``6 m``), while ``0.64N`` holds a variable.
        unit: the gold's unit where the params name it.
        gold_over: the gold reached a cap (and the answer did not).
        notes: what was granted, said with a right answer.
        compare: compares any two readings (`compare.same`).
    """

    tolerance: float | None = None
    tolerances: tuple[float, ...] = ()
    rounding: bool = True
    relation_as_set: bool = True
    strict: bool = False
    question: str = ""
    conditional: bool = False
    unit: str = ""
    spaced_gold: bool = True
    gold_over: bool = False
    notes: list[str] = field(default_factory=list)
    compare: Callable[[Node, Node, Rules], bool] | None = None

    def same(self, gold: Node, answer: Node) -> bool:
        """Whether two readings mean the same answer; lists and relations ask it of their parts."""
        assert self.compare is not None
        return self.compare(gold, answer, self)


def equal(gold: Node, answer: Node, rules: Rules) -> bool:
    """Whether two expressions have the same value.

    Raises:
        TooLarge: a cap was reached on the answer's side.
    """
    if gold == answer:
        return True
    gold, gold_unit = _peel(gold)
    answer, answer_unit = _peel(answer)
    if gold_unit == "pct" or answer_unit == "pct":
        if gold_unit == answer_unit:
            return _same(gold, answer, rules)
        if _same(gold, answer, rules):
            rules.notes.append("percent sign ignored")
            return True
        if gold_unit == "pct":
            return _same(_scaled(gold, Fraction(1, 100)), answer, rules)
        return _same(gold, _scaled(answer, Fraction(1, 100)), rules)
    if "deg" in (gold_unit, answer_unit):
        return _equal_angles(gold, gold_unit, answer, answer_unit, rules)
    if not gold_unit and not answer_unit and _same(gold, answer, rules):
        return True
    lone, other_lone = not numeric.symbols(gold), not numeric.symbols(answer)
    if not answer_unit and not other_lone:
        answer, answer_unit = _letter_unit(answer)
    if not gold_unit and not lone and (answer_unit or other_lone and rules.spaced_gold):
        gold, gold_unit = _letter_unit(gold)
    if not gold_unit and lone and rules.unit:
        gold_unit = rules.unit
    one = parse_unit(gold_unit) if gold_unit else None
    two = parse_unit(answer_unit) if answer_unit else None
    if one is not None and two is not None:
        if one[1] != two[1]:
            return False
        if one[0] != two[0]:
            rules.notes.append(f"{answer_unit} converted to {gold_unit}")
            answer = _scaled(answer, two[0] / one[0])
            if _same(gold, answer, rules):
                return True
            return one[0] != 0 and _near(gold, answer)
    return _same(gold, answer, rules)


def _letter_unit(tree: Node) -> tuple[Node, str]:
    """``5 m/s^2``: letters behind a number that together are a unit; else the tree as it is."""
    factors = _factors(tree)
    first = next((i for i, part in enumerate(factors) if numeric.symbols(part)), len(factors))
    letters = [_unit_power(part) for part in factors[first:]]
    if first == 0 or not letters or None in letters:
        return tree, ""
    unit = " ".join(f"{name}^{power}" for name, power in (part for part in letters if part))
    if parse_unit(unit) is None or not all(known(part[0]) for part in letters if part):
        return tree, ""
    head = factors[0] if first == 1 else ("mul", *factors[:first])
    return head, unit


def _factors(tree: Node) -> list[Node]:
    return [f for part in tree[1:] for f in _factors(part)] if tree[0] == "mul" else [tree]


def _unit_power(tree: Node, power: int = 1) -> tuple[str, int] | None:
    if tree[0] == "sym":
        return tree[1], power
    if tree[0] == "pow" and tree[2][0] == "num" and tree[2][1].denominator == 1:
        return _unit_power(tree[1], power * int(tree[2][1]))
    return None


def _near(gold: Node, answer: Node) -> bool:
    """After a conversion of units: equal to 4 significant digits of relative difference."""
    try:
        first, second = numeric.approximate(gold, {}), numeric.approximate(answer, {})
        return bool(abs(first - second) <= abs(first) * 5e-7)
    except (KeyError, ValueError, ZeroDivisionError, Unreadable, TooLarge):
        return False


def _peel(tree: Node) -> tuple[Node, str]:
    """An expression without its outermost unit, and that unit (``pct``, ``deg`` or words)."""
    if tree[0] == "pct":
        return tree[1], "pct"
    if tree[0] == "deg":
        return tree[1], "deg"
    if tree[0] == "unit":
        words = tree[2].lower()
        if re.match(r"(?:percent|pct|percentage)\b", words):
            return tree[1], "pct"
        if re.match(r"degrees?\b", words) and "c" not in words.split()[1:]:
            return tree[1], "deg"
        inner, unit = _peel(tree[1])
        return inner, unit or tree[2]
    if tree[0] == "mul" and len(tree) > 1:
        last, unit = _peel(tree[-1])
        if unit:
            return ("mul", *tree[1:-1], last), unit
    if tree[0] == "mul" and tree[1] == ("num", Fraction(-1), None) and len(tree) == 3:
        inner, unit = _peel(tree[2])
        return ("mul", tree[1], inner), unit
    return tree, ""


def _scaled(tree: Node, factor: Fraction) -> Node:
    return ("mul", ("num", factor, None), tree)


def _equal_angles(gold: Node, gold_unit: str, answer: Node, answer_unit: str, rules: Rules) -> bool:
    if gold_unit == answer_unit:
        return _same(gold, answer, rules)
    other = answer_unit if gold_unit == "deg" else gold_unit
    if not other.startswith("rad") and _same(gold, answer, rules):
        return True
    turn = ("mul", ("sym", "pi"), ("num", Fraction(1, 180), None))
    if gold_unit == "deg":
        return _same(("mul", gold, turn), answer, rules)
    return _same(gold, ("mul", answer, turn), rules)


def _same(gold: Node, answer: Node, rules: Rules) -> bool:
    if gold == answer:
        return True
    if gold[0] == "base" or answer[0] == "base":
        found = _same_base(gold, answer)
        if found is not None:
            return found
    if ("inf",) in (gold, answer):
        return gold == answer
    try:
        first = numeric.exact(gold)
    except TooLarge:
        return _gold_too_large(answer)
    except ZeroDivisionError:
        return False
    try:
        second = numeric.exact(answer)
    except ZeroDivisionError:
        return False
    if first is not None and second is not None:
        return _same_rational(gold, first, answer, second, rules)
    if ("deg" in numeric.heads(gold)) != ("deg" in numeric.heads(answer)):
        if "deg" in numeric.heads(gold):
            answer = _in_degrees(answer)
        else:
            gold = _in_degrees(gold)
    names, other_names = numeric.symbols(gold), numeric.symbols(answer)
    if names != other_names:
        renamed = _renamed(gold, answer, names, other_names, rules)
        if renamed is None:
            return _independent(gold, answer, names, other_names)
        answer = renamed
    if not names:
        return _same_numbers(gold, answer, rules)
    return same_function(gold, answer, names)


_ANGLED = {"sin", "cos", "tan", "cot", "sec", "csc"}


def _in_degrees(tree: Node) -> Node:
    """The same formula with plain arguments of its functions in degrees."""
    parts = tuple(_in_degrees(part) if isinstance(part, tuple) else part for part in tree)
    if tree[0] == "fun" and tree[1] in _ANGLED and not numeric.symbols(tree[2]):
        if "pi" not in str(tree[2]):
            return ("fun", tree[1], ("deg", parts[2]))
    return parts


def _same_base(gold: Node, answer: Node) -> bool | None:
    """Numbers in a base: by value when both name it, by digits when one side leaves it out."""
    if gold[0] == answer[0] == "base":
        return numeric.exact(gold) == numeric.exact(answer)
    based, plain = (gold, answer) if gold[0] == "base" else (answer, gold)
    if plain[0] == "num" and plain[1].denominator == 1 and str(plain[1]) == str(based[1]):
        return True
    return None


def _gold_too_large(answer: Node) -> bool:
    """A gold beyond the caps differs from every answer that can be computed."""
    if numeric.exact(answer) is None:
        value = numeric.approximate(answer, _blank(answer))
        del value
    return False


def _blank(tree: Node) -> Mapping[str, Any]:
    return numeric.points(numeric.symbols(tree), "positive", 1)[0]


def _places(tree: Node) -> int | None:
    """Decimals that a number was written with, None for anything but a decimal."""
    if tree[0] == "num":
        places: int | None = tree[2]
        return places
    if tree[0] == "mul" and len(tree) == 3 and tree[1] == ("num", Fraction(-1), None):
        return _places(tree[2])
    return None


def _same_rational(
    gold: Node, first: Fraction, answer: Node, second: Fraction, rules: Rules
) -> bool:
    if first == second:
        return True
    if rules.tolerance is not None:
        return close(first, second, rules.tolerance)
    places = _places(gold)
    if not rules.rounding:
        return False
    if places and places >= 2 and _places(answer) is None and second.denominator > 1:
        if significant(first, places) >= 2 and rounds_to(second, first, places):
            rules.notes.append(f"rounded to {places} decimals")
            return True
    more = _places(answer)
    if more and more >= 7 and places is None and first.denominator > 1:
        return rounds_to(first, second, more)
    return False


def _same_numbers(gold: Node, answer: Node, rules: Rules) -> bool:
    try:
        first = numeric.approximate(gold, {})
    except TooLarge:
        return _gold_too_large(answer)
    except (ZeroDivisionError, ValueError, OverflowError):
        return False
    try:
        second = numeric.approximate(answer, {})
    except (ZeroDivisionError, ValueError, OverflowError):
        return False
    try:
        if numeric.same_value(first, second):
            return True
    except ValueError:
        return False
    difference = abs(first - second)
    if rules.tolerance is not None:
        if abs(first) < 10 * rules.tolerance < 1e-3:
            return bool(difference <= abs(first) * 1e-6)
        return bool(difference <= rules.tolerance * 1.01)
    if not rules.rounding:
        return False
    for tree, value, other, least in ((gold, first, second, 2), (answer, second, first, 7)):
        places = _places(tree)
        if places and places >= 2 and numeric.is_real(other):
            decimal = numeric.exact(tree)
            if decimal is not None and significant(decimal, places) >= least:
                if bool(abs(value - other) <= 10.0 ** (-places) * 0.5000001):
                    rules.notes.append(f"rounded to {places} decimals")
                    return True
    return False


# --- with symbols ------------------------------------------------------------------------


def _in_question(name: str, question: str) -> bool:
    bare = name.split("_")[0]
    if len(bare) > 1:
        return bare in question
    return re.search(rf"(?<![A-Za-z\\]){re.escape(bare)}(?![A-Za-z])", question) is not None


def _renamed(
    gold: Node, answer: Node, names: set[str], other_names: set[str], rules: Rules
) -> Node | None:
    """The answer with a free parameter renamed to the gold's, where that is a mere name."""
    lost, new = sorted(names - other_names), sorted(other_names - names)
    folded = {_fold_name(name): name for name in lost}
    mapping = {name: folded[_fold_name(name)] for name in new if _fold_name(name) in folded}
    rest_lost = [name for name in lost if name not in mapping.values()]
    rest_new = [name for name in new if name not in mapping]
    if len(rest_lost) == len(rest_new) == 1:
        one, two = rest_lost[0], rest_new[0]
        if not rules.strict and {one, two} == {"c", "C"}:  # a constant of integration
            return numeric.substitute(answer, {two: ("sym", one), **_mapped(mapping)})
        if rules.strict or not {one, two} <= _PARAMETERS:
            return None
        if rules.question:
            # a parameter of the solution, not a quantity of the question
            free = not _in_question(two, rules.question) or not _in_question(one, rules.question)
        else:
            free = "pi" in str(gold) and {one, two} <= _WHOLE_NAMES
        if not free:
            return None
        rules.notes.append(f"{two} renamed to {one}")
        mapping[two] = one
    elif rest_lost or rest_new:
        return None
    return numeric.substitute(answer, {new: ("sym", old) for new, old in mapping.items()})


def _mapped(mapping: Mapping[str, str]) -> dict[str, Node]:
    return {new: ("sym", old) for new, old in mapping.items()}


def _fold_name(name: str) -> str:
    name = name.replace("var", "").replace("{", "").replace("}", "").replace(" ", "")
    return re.sub(r"mathrm|text|\\", "", name)


def _independent(gold: Node, answer: Node, names: set[str], other_names: set[str]) -> bool:
    """Different symbols: equal only where the extra ones cancel (``x − x + 2`` and ``2``)."""
    return same_function(gold, answer, names | other_names)


def same_function(gold: Node, answer: Node, names: set[str]) -> bool:
    """Whether two expressions agree as functions of their symbols, tried at sample points.

    Positive points must agree; points of both signs too, unless even roots or logarithms make
    positive symbols the natural domain; expressions of whole numbers (factorials, floors,
    powers of −1) need to agree at whole points only.
    """
    kinds = numeric.heads(gold) | numeric.heads(answer)
    if kinds & {"floor", "ceil", "gcd", "lcm", "big"}:
        if names <= _WHOLE_NAMES or "big" in kinds:
            return _agree(gold, answer, names, "whole", 14, least=4)
        return _agree(gold, answer, names, "whole", 14, least=4) and _agree(
            gold, answer, names, "mixed", 12, least=4
        )
    if _agree(gold, answer, names, "positive", 6, least=3):
        domain_matters = "abs" in kinds or "sgn" in kinds
        natural = bool(names & {"x", "y", "z", "t", "u"}) or domain_matters
        if natural or not kinds & {"root", "ln", "log", "pow"}:
            return _agree(gold, answer, names, "mixed", 6, least=0)
        return True
    whole = kinds & {"factorial", "factorial2", "binom", "sin", "cos", "tan"} or _minus_powers(gold)
    if whole and names <= _WHOLE_NAMES:
        return _agree(gold, answer, names, "whole", 14, least=4)
    return False


def _minus_powers(tree: Node) -> bool:
    if tree[0] == "pow":
        try:
            base = numeric.exact(tree[1])
        except (TooLarge, ZeroDivisionError):
            base = None
        if base is not None and base < 0 and numeric.symbols(tree[2]):
            return True
    return any(_minus_powers(part) for part in tree[1:] if isinstance(part, tuple))


def _agree(gold: Node, answer: Node, names: set[str], kind: str, count: int, *, least: int) -> bool:
    """Whether values agree at all sample points where both are defined (at least ``least``)."""
    agreed = 0
    for point in numeric.points(names, kind, count):
        try:
            first = numeric.approximate(gold, point)
            second = numeric.approximate(answer, point)
            same = numeric.same_value(first, second)
        except (ZeroDivisionError, ValueError, OverflowError):
            continue
        if kind == "mixed" and not (numeric.is_real(first) and numeric.is_real(second)):
            continue
        if not same:
            return False
        agreed += 1
    return agreed >= least


def proportional(first: Node, second: Node, *, positive: bool = False) -> bool:
    """Whether two expressions differ by a constant factor (positive where asked)."""
    names = numeric.symbols(first) | numeric.symbols(second)
    if not names:
        return False
    ratio = None
    agreed = 0
    for point in numeric.points(names, "mixed", 8) + numeric.points(names, "positive", 6):
        try:
            top = numeric.approximate(first, point)
            bottom = numeric.approximate(second, point)
            if abs(bottom) < 1e-25 and abs(top) < 1e-25:
                continue
            here = top / bottom
        except (ZeroDivisionError, ValueError, OverflowError):
            continue
        if not numeric.is_real(here) or abs(here) < 1e-25:
            return False
        if ratio is None:
            ratio = here
            if positive and here.real < 0:
                return False
        if not numeric.same_value(ratio, here):
            return False
        agreed += 1
    return agreed >= 4
