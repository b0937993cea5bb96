"""Compares assignments, equations, inequalities and sets of reals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from heartloop.grading.maths import lists
from heartloop.grading.maths.exact import exact
from heartloop.grading.maths.functions import proportional, vanishes
from heartloop.grading.maths.inequalities import FLIP
from heartloop.grading.maths.intervals import NoSet
from heartloop.grading.maths.realsets import pieces_of, same_sets
from heartloop.grading.maths.rules import Rules
from heartloop.grading.maths.tree import (
    Node,
    at,
    difference,
    negative,
    num,
    substitute,
    symbols,
)

Reading = tuple[Any, ...]


def _function_parts(name: str) -> tuple[str, list[str]] | None:
    match = re.fullmatch(r"(.+?)\(([^()]*)\)", name)
    return (match[1], match[2].split(",")) if match else None


def same_assignment(gold: Reading, answer: Reading, rules: Rules) -> bool | None:
    """Whether a named value equals another answer; None where names do not matter."""
    if gold[0] == "assign" and answer[0] == "assign":
        return _both_assigned(gold, answer, rules)
    named, other = (gold, answer) if gold[0] == "assign" else (answer, gold)
    if other[0] == "rel" and other[2] == ["="]:
        return _assignment_in_equation(named, other, rules)
    if other[0] == "rel" and other[2] == ["in"]:
        return None
    value = named[2]
    if other[0] in ("list", "tuple") and "(" in named[1] and value[0] in ("tuple", "list"):
        spread = _spread(named)
        if spread is not None and any(item[0] == "assign" for item in lists.items_of(other)):
            pair = (spread, other) if named is gold else (other, spread)
            return lists.same_lists(*pair, rules)
    return rules.same(value, answer) if named is gold else rules.same(gold, value)


def _both_assigned(gold: Reading, answer: Reading, rules: Rules) -> bool:
    first, second = _function_parts(gold[1]), _function_parts(answer[1])
    value = answer[2]
    if first and second and len(first[1]) == len(second[1]):
        mapping = {
            new.lstrip("\\"): ("sym", old.lstrip("\\"))
            for old, new in zip(first[1], second[1], strict=True)
            if old != new
        }
        if mapping:
            value = _rename_reading(value, mapping)
        return rules.same(gold[2], value)
    names = lists.fold_name(gold[1]), lists.fold_name(answer[1])
    if names[0] != names[1] and all(len(name) == 1 and name.isalpha() for name in names):
        if rules.distinct(*names):
            return False
    return rules.same(gold[2], answer[2])


def _rename_reading(reading: Any, mapping: Mapping[str, Any]) -> Any:
    if isinstance(reading, tuple):
        if reading and reading[0] == "sym":
            return mapping.get(reading[1], reading)
        return tuple(_rename_reading(part, mapping) for part in reading)
    if isinstance(reading, list):
        return [_rename_reading(part, mapping) for part in reading]
    return reading


def _spread(named: Reading) -> Reading | None:
    """``(x, y) = (1, 2)`` as the list ``x = 1, y = 2``."""
    inner = named[1].strip()
    if not (inner.startswith("(") and inner.endswith(")")):
        return None
    names, depth, current = [], 0, ""
    for char in inner[1:-1]:
        depth += char in "([{"
        depth -= char in ")]}"
        if char == "," and depth == 0:
            names.append(current)
            current = ""
        else:
            current += char
    names.append(current)
    values = lists.items_of(named[2])
    if len(names) != len(values):
        return None
    return (
        "list",
        [("assign", n.replace(" ", ""), v) for n, v in zip(names, values, strict=True)],
    )


def _difference(relation: Reading) -> Any:
    left, right = relation[1][0], relation[1][-1]
    if left[0] != "expr" or right[0] != "expr":
        raise NoSet("an equation of other things than expressions")
    return difference(left[1], right[1])


def _assignment_in_equation(named: Reading, equation: Reading, rules: Rules) -> bool:
    """``y = f(x)`` against an equation in x and y: inserted, it must hold everywhere."""
    if named[2][0] != "expr":
        return False
    name, value = named[1].lstrip("\\"), named[2][1]
    zero = _difference(equation)
    return proportional(zero, difference(("sym", name), value)) or _solves(name, value, zero)


def _solves(name: str, value: Node, zero: Node) -> bool:
    """Whether an expression in a symbol is zero for this value of it, and for no other."""
    if name not in symbols(zero) or name in symbols(value):
        return False
    if vanishes(zero):
        return False  # an identity is solved by everything
    # the equation must be linear in the symbol, else one branch would pass for the whole curve
    low, middle, high = (at(zero, name, k) for k in (-3, 0, 3))
    bend = ("add", low, high, ("mul", num(-2), middle))
    return vanishes(bend) and vanishes(substitute(zero, {name: value}))


def same_relation(gold: Reading, answer: Reading, rules: Rules) -> bool:
    """Relations, sets and intervals: the same set, the same equation or the same chain."""
    if gold[0] == "rel" and answer[0] == "rel" and _both_relations(gold, answer, rules):
        return True
    equation, other = (gold, answer) if gold[0] == "rel" else (answer, gold)
    if equation[0] == "rel" and equation[2] == ["="]:
        if other[0] == "rel":
            return False
        return other[0] == "expr" and _expression_in_equation(equation, other, rules)
    if gold[0] == "rel" and _ordered_names(gold, answer, rules):
        return True
    if not rules.relation_as_set and gold[0] == "rel" and "in" in gold[2]:
        if answer[0] == "rel" and "in" not in answer[2]:
            return False
    first, name = pieces_of(gold)
    second, other_name = pieces_of(answer)
    if name and other_name and name != other_name:
        if not _loose_names(name, other_name, rules):
            return False
    return same_sets(first, second, rules)


def _loose_names(one: str, two: str, rules: Rules) -> bool:
    """Whether two differently named quantities may be one: not both stand in the question."""
    names = [re.fullmatch(r"\('sym', '(\w+)'\)", name) for name in (one, two)]
    if names[0] and names[1]:
        return not rules.distinct(names[0][1], names[1][1])
    return one.replace(" ", "") == two.replace(" ", "")


def _both_relations(gold: Reading, answer: Reading, rules: Rules) -> bool:
    if gold[2] == answer[2] == ["="]:
        return proportional(_difference(gold), _difference(answer))
    for sides, operators in (
        (answer[1], answer[2]),
        (answer[1][::-1], [FLIP.get(op, op) for op in answer[2][::-1]]),
    ):
        if operators == gold[2] and len(sides) == len(gold[1]):
            if all(rules.same(one, two) for one, two in zip(gold[1], sides, strict=True)):
                return True
    if len(gold[2]) == len(answer[2]) == 1 and gold[2][0] in FLIP and answer[2][0] in FLIP:
        first, second = _difference(gold), _difference(answer)
        if gold[2] == answer[2]:
            return proportional(first, second, positive=True)
        if answer[2][0] == FLIP[gold[2][0]]:
            return proportional(first, negative(second), positive=True)
    return False


def _expression_in_equation(equation: Reading, other: Reading, rules: Rules) -> bool:
    """``y + 1 = −(2x−1)²`` against ``−4x² + 4x − 2``: the expression is the solved side."""
    if rules.conditional:
        return False
    if equation[1][0][0] == "expr" and _is_quantity(equation[1][0][1]):
        if rules.same(equation[1][-1], other):
            return True  # sin A = 1/2, p/q = 3/4: the value is what was asked
    zero = _difference(equation)
    return any(_solves(name, other[1], zero) for name in symbols(zero) - symbols(other[1]))


def _is_quantity(tree: Any) -> bool:
    """A function value or a quotient of names: a quantity with a value of its own."""
    if tree[0] == "fun" and symbols(tree):
        return True
    if tree[0] != "mul" or len(tree) != 3:
        return False
    top, bottom = tree[1], tree[2]
    return bool(_is_name(top) and bottom[0] == "pow" and _is_name(bottom[1]))


def _is_name(tree: Any) -> bool:
    """A symbol, or a segment between two points (``KL``)."""
    if tree[0] == "mul":
        return len(tree) == 3 and all(
            part[0] == "sym" and part[1][:1].isupper() for part in tree[1:]
        )
    return bool(tree[0] == "sym")


def _ordered_names(gold: Reading, answer: Reading, rules: Rules) -> bool:
    """``b < a < d`` against ``b, a, d``: the order of quantities, smallest first."""
    if answer[0] not in ("list", "tuple") or len(gold[1]) < 3 or not set(gold[2]) <= {"<", "le"}:
        return False
    items = lists.items_of(answer)
    return len(items) == len(gold[1]) and all(
        rules.same(one, two) for one, two in zip(gold[1], items, strict=True)
    )


def same_congruence(gold: Reading, answer: Reading, rules: Rules) -> bool:
    """Residues modulo the same number; a gold without modulus names its residue.

    ``x = 7k + 3`` is the class of 3 modulo 7.
    """
    if gold[0] == answer[0] == "cong":
        modulus, other = exact(gold[2]), exact(answer[2])
        if modulus is None or other is None:
            return rules.same(("expr", gold[2]), ("expr", answer[2])) and rules.same(
                ("expr", gold[1]), ("expr", answer[1])
            )
        first, second = exact(gold[1]), exact(answer[1])
        if abs(modulus) != abs(other) or modulus == 0:
            return False
        if first is None or second is None:
            return rules.same(("expr", gold[1]), ("expr", answer[1]))
        return (first - second) % abs(modulus) == 0
    congruence, plain = (gold, answer) if gold[0] == "cong" else (answer, gold)
    value = plain[2] if plain[0] == "assign" else plain
    if value[0] != "expr":
        return False
    if symbols(value[1]):
        return _is_class(congruence, value[1])
    return answer is congruence and rules.same(value, ("expr", congruence[1]))


def _is_class(congruence: Reading, tree: Any) -> bool:
    """Whether ``7k + 3`` runs through the class: linear in its one symbol, steps of the modulus."""
    modulus, residue = exact(congruence[2]), exact(congruence[1])
    names = symbols(tree)
    if modulus is None or residue is None or modulus == 0 or len(names) != 1:
        return False
    (name,) = names
    values = [exact(at(tree, name, k)) for k in (0, 1, 2, -3)]
    if any(value is None for value in values):
        return False
    zero, one, two, far = (value for value in values if value is not None)
    step = one - zero
    if abs(step) != abs(modulus) or two - one != step or far - zero != -3 * step:
        return False
    return (zero - residue) % abs(modulus) == 0
