"""Compares ratios, matrices, tuples, lists and sets of answers."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from heartloop.grading.maths.caps import TooLarge
from heartloop.grading.maths.expressions import equal
from heartloop.grading.maths.intervals import NoSet
from heartloop.grading.maths.rules import Rules
from heartloop.grading.maths.structure import is_condition
from heartloop.grading.maths.tree import MINUS_ONE, ONE, ZERO, expand_signs

Reading = tuple[Any, ...]


def fold_name(name: str) -> str:
    """A name without braces, backslashes and font commands."""
    return re.sub(r"[\\{}\s]|mathrm|text|max|min|_$", "", name)


def _ratio_value(items: list[Reading]) -> Any:
    top, bottom = items[0][1], items[1][1]
    return ("mul", top, ("pow", bottom, MINUS_ONE))


def same_ratio(gold: Reading, answer: Reading, rules: Rules) -> bool:
    """Ratios up to a common factor; a ratio of two against its value."""
    if gold[0] == "ratio" and answer[0] == "ratio":
        if gold[2] == answer[2]:
            return True
        if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", gold[2]):  # a time of day
            return gold[2].lstrip("0") == answer[2].lstrip("0")
        if len(gold[1]) != len(answer[1]):
            return False
        return all(
            equal(_ratio_value([gold[1][0], g]), _ratio_value([answer[1][0], a]), rules)
            for g, a in zip(gold[1][1:], answer[1][1:], strict=True)
        )
    ratio, other = (gold, answer) if gold[0] == "ratio" else (answer, gold)
    if len(ratio[1]) == 2 and other[0] == "expr":
        value = ("expr", _ratio_value(ratio[1]))
        exact_rules = replace(rules, rounding=False, notes=rules.notes)
        return exact_rules.same(value, other) if ratio is gold else exact_rules.same(other, value)
    if other[0] in ("tuple", "list"):
        items = items_of(other)
        return len(items) == len(ratio[1]) and all(
            rules.same(one, two) for one, two in zip(ratio[1], items, strict=True)
        )
    return False


def same_matrix(gold: Reading, answer: Reading, rules: Rules) -> bool:
    """Matrices cell by cell; a single row or column against a tuple."""
    if gold[0] == "matrix" and answer[0] == "matrix":
        return [len(row) for row in gold[1]] == [len(row) for row in answer[1]] and all(
            rules.same(one, two)
            for first, second in zip(gold[1], answer[1], strict=True)
            for one, two in zip(first, second, strict=True)
        )
    matrix, other = (gold, answer) if gold[0] == "matrix" else (answer, gold)
    if other[0] == "tuple" and other[3] and all(item[0] == "tuple" for item in other[3]):
        rows = ("matrix", [list(item[3]) for item in other[3]])
        if matrix is gold:
            return same_matrix(matrix, rows, rules)
        return same_matrix(rows, matrix, rules)
    cells = [cell for row in matrix[1] for cell in row]
    if len(matrix[1]) != 1 and any(len(row) != 1 for row in matrix[1]):
        return False
    items = items_of(other) if other[0] in ("tuple", "list") else [other]
    pairs = zip(cells, items, strict=False) if matrix is gold else zip(items, cells, strict=False)
    return len(items) == len(cells) and all(rules.same(one, two) for one, two in pairs)


_AXES = ("i", "j", "k")


def same_components(gold: Reading, answer: Reading, rules: Rules) -> bool | None:
    """A vector by its components (``3i − j``) against one in brackets; None where it is none."""
    named, other = (gold, answer) if gold[0] == "expr" else (answer, gold)
    found: dict[str, Any] = {}
    for term in named[1][1:] if named[1][0] == "add" else [named[1]]:
        factors = list(term[1:]) if term[0] == "mul" else [term]
        axes = [part[1] for part in factors if part[0] == "sym" and part[1] in _AXES]
        if len(axes) != 1 or axes[0] in found:
            return None
        rest = [part for part in factors if part != ("sym", axes[0])]
        found[axes[0]] = ("mul", ONE, *rest)
    if not {"j", "k"} & set(found):
        return None
    cells = items_of(other) if other[0] == "tuple" else [c for row in other[1] for c in row]
    if len(cells) not in (2, 3) or set(found) > set(_AXES[: len(cells)]):
        return False
    mine = [("expr", found.get(axis, ZERO)) for axis in _AXES[: len(cells)]]
    pairs = zip(mine, cells, strict=True) if named is gold else zip(cells, mine, strict=True)
    return all(rules.same(one, two) for one, two in pairs)


def same_tuple(gold: Reading, answer: Reading, rules: Rules) -> bool:
    """Tuples and intervals of the same brackets, element by element."""
    if len(gold[3]) != len(answer[3]):
        return False
    brackets = (gold[1], gold[2]) == (answer[1], answer[2])
    if len(gold[3]) == 2 and not brackets:
        return False
    if not brackets and {gold[1], answer[1]} != {"(", "["}:
        return False
    return all(
        _element(rules, i, g, a) for i, (g, a) in enumerate(zip(gold[3], answer[3], strict=True))
    )


def _element(rules: Rules, place: int, gold: Reading, answer: Reading) -> bool:
    if rules.tolerances:
        tolerance = rules.tolerances[min(place, len(rules.tolerances) - 1)]
        rules = replace(rules, tolerance=tolerance, tolerances=(), notes=rules.notes)
    return rules.same(gold, answer)


def items_of(reading: Reading) -> list[Reading]:
    """The elements of a list, set or tuple; anything else is its own only element."""
    if reading[0] in ("list", "set", "union", "inter"):
        found: list[Reading] = reading[1]
        return found
    if reading[0] == "tuple":
        return list(reading[3])
    return [reading]


def flatten(reading: Reading, rules: Rules) -> list[Reading]:
    """The values of a list, with nested lists opened and ± signs written out."""
    kind = reading[0]
    if kind in ("list", "set") or kind == "union" and not is_condition(reading):
        return [item for part in reading[1] for item in flatten(part, rules)]
    if kind == "expr":
        return [("expr", tree) for tree in expand_signs(reading[1])]
    if kind == "assign":
        inner = flatten(reading[2], rules)
        return [("assign", reading[1], item) for item in inner]
    if kind == "tuple":
        rows: list[list[Reading]] = [[]]
        for item in reading[3]:
            options = flatten(item, rules) if item[0] == "expr" else [item]
            rows = [[*row, option] for row in rows for option in options]
            if len(rows) > 64:
                raise TooLarge("too many ± signs")
        return [("tuple", reading[1], reading[2], row) for row in rows]
    return [reading]


def same_lists(gold: Reading, answer: Reading, rules: Rules) -> bool:
    """Several values: as sets of equal size; a tuple against a list in its written order."""
    if "tuple" in (gold[0], answer[0]) and not _holds_tuples(gold, answer):
        one, two = items_of(gold), items_of(answer)
        if gold[0] == "tuple" and gold[1:3] == ("(", ")") or answer[0] == "tuple":
            if len(one) == len(two):
                return all(
                    _element(rules, i, g, a) for i, (g, a) in enumerate(zip(one, two, strict=True))
                )
    if gold[0] in ("list", "set") and answer[0] in ("list", "set"):
        if match_sets(items_of(gold), items_of(answer), rules):
            return True
    golds, answers = flatten(gold, rules), flatten(answer, rules)
    if "set" in (gold[0], answer[0]) or _holds_tuples(gold, answer):
        golds, answers = _distinct(golds, rules), _distinct(answers, rules)
    if len(golds) == 1 and len(answers) == 1 and (golds[0], answers[0]) != (gold, answer):
        return rules.same(golds[0], answers[0])
    return len(golds) + len(answers) > 2 and match_sets(golds, answers, rules)


def _holds_tuples(gold: Reading, answer: Reading) -> bool:
    for reading in (gold, answer):
        if reading[0] in ("list", "set") and any(item[0] == "tuple" for item in reading[1]):
            return True
    return False


def _distinct(items: list[Reading], rules: Rules) -> list[Reading]:
    found: list[Reading] = []
    for item in items[:100]:
        if not any(rules.same(item, other) for other in found):
            found.append(item)
    return found


def match_sets(golds: list[Reading], answers: list[Reading], rules: Rules) -> bool:
    """Whether two lists hold the same values in any order."""
    if len(golds) != len(answers) or len(golds) > 200:
        return False
    named = all(item[0] == "assign" for item in (*golds, *answers))
    if named and len({item[1] for item in golds}) == len(golds) > 1:
        by_name = {fold_name(item[1]): item for item in answers}
        if {fold_name(item[1]) for item in golds} == set(by_name):
            return all(
                _element(rules, i, item, by_name[fold_name(item[1])])
                for i, item in enumerate(golds)
            )
    left = list(answers)
    for i, gold in enumerate(golds):
        # the same place first: it is the likely partner and saves comparisons
        order = sorted(range(len(left)), key=lambda j: abs(j - min(i, len(left) - 1)) > 0)
        hit = next((j for j in order if _try(rules, i, gold, left[j])), None)
        if hit is None:
            return False
        left.pop(hit)
    return True


def _try(rules: Rules, place: int, gold: Reading, answer: Reading) -> bool:
    try:
        return _element(rules, place, gold, answer)
    except (NoSet, ZeroDivisionError, ValueError):
        return False
