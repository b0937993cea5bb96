"""Compares two mathematical answers (runs inside a worker of the maths pool)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from heartloop.grading import numeric
from heartloop.grading.answers import is_condition, readings
from heartloop.grading.caps import MAX_LENGTH, TooLarge, Unreadable
from heartloop.grading.expressions import Rules, equal, proportional
from heartloop.grading.fast import tolerance_of
from heartloop.grading.realsets import NoSet, pieces_of, same_sets
from heartloop.grading.words import DENIALS, NEGATIONS, content_words

Reading = tuple[Any, ...]
_SETS = ("union", "inter", "minus", "builder", "reals", "empty")


def warm_up() -> None:
    """Load what comparisons need, before the memory limit and the clock apply."""
    compare_answers(r"\sin(x)+\frac{1}{2}", r"\cos(x)", {}, "")


def compare_answers(
    gold: str, answer: str, params: Mapping[str, Any], question: str
) -> tuple[str, str]:
    """Compare an answer with the gold.

    Args:
        gold: the accepted answer.
        answer: the extracted answer.
        params: ``tolerance``/``precision``/``error``, ``rounding``, ``strict``,
            ``allow_set_relation_comp``, ``unit``; all optional.
        question: the question's text, or empty: tells free parameters from its quantities.

    Returns:
        ``correct``, ``incorrect`` or ``undecided``, and a reason a person can read.
    """
    if len(gold) > MAX_LENGTH or len(answer) > MAX_LENGTH:
        return "undecided", f"longer than {MAX_LENGTH} characters"
    rules = _rules(params, question)
    try:
        answers = readings(answer)
    except TooLarge as error:
        return "undecided", f"the answer was not computed: {error}"
    if not answers:
        return "incorrect", "the answer is empty"
    try:
        golds = readings(gold)
    except TooLarge as error:
        return "undecided", f"the gold was not computed: {error}"
    undecided = ""
    for one in golds:
        for two in answers:
            rules.notes.clear()
            try:
                if same(one, two, rules):
                    notes = f" ({', '.join(dict.fromkeys(rules.notes))})" if rules.notes else ""
                    return "correct", f"{_short(answer)} equals {_short(gold)}{notes}"
            except TooLarge as error:
                undecided = f"not computed: {error}"
            except (Unreadable, RecursionError) as error:
                undecided = undecided or f"not compared: {error or type(error).__name__}"
            except (ZeroDivisionError, ValueError, OverflowError, NoSet):
                continue
    if undecided:
        return "undecided", undecided
    return "incorrect", f"{_short(answer)} is not {_short(gold)}"


_ADVANCED = re.compile(
    r"\\(?:int|iint|oint|lim|frac\s*\{\s*d|partial|nabla|sum|prod|det|operatorname|begin)(?![a-zA-Z])"
)


def wants_sympy(gold: str, answer: str, detail: str) -> bool:
    """Whether both texts are formulas that the own reader does not know and sympy may."""
    if detail.startswith("not computed") or max(len(gold), len(answer)) > 500:
        return False
    return bool(_ADVANCED.search(gold) and _ADVANCED.search(answer))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:77] + "..."


def _rules(params: Mapping[str, Any], question: str) -> Rules:
    tolerances: tuple[float, ...] = ()
    for name in ("tolerance", "error", "precision"):
        value = params.get(name)
        if isinstance(value, (list, tuple)):
            tolerances = tuple(float(item) for item in value)
    return Rules(
        tolerance=tolerance_of(params),
        tolerances=tolerances,
        rounding=bool(params.get("rounding", True)),
        relation_as_set=params.get("allow_set_relation_comp") is not False,
        strict=bool(params.get("strict", False)),
        question=question,
    )


# --- any two readings --------------------------------------------------------------------


def same(gold: Reading, answer: Reading, rules: Rules) -> bool:
    """Whether two readings mean the same answer."""
    if gold == answer:
        return True
    kind, other = gold[0], answer[0]
    if kind == "text" or other == "text":
        return _same_text(gold, answer, rules)
    if kind == "assign" or other == "assign":
        found = _same_assignment(gold, answer, rules)
        if found is not None:
            return found
    if kind == "ratio" or other == "ratio":
        return _same_ratio(gold, answer, rules)
    if kind == "matrix" or other == "matrix":
        return _same_matrix(gold, answer, rules)
    if kind == "rel" or other == "rel" or kind in _SETS or other in _SETS:
        return _same_relation(gold, answer, rules)
    if kind == "expr" and other == "expr":
        return _same_expression(gold[1], answer[1], rules)
    if kind == "tuple" and other == "tuple":
        return _same_tuple(gold, answer, rules)
    return _same_lists(gold, answer, rules)


def _same_expression(gold: Any, answer: Any, rules: Rules) -> bool:
    golds, answers = numeric.expand_signs(gold), numeric.expand_signs(answer)
    if len(golds) == len(answers) == 1:
        return equal(golds[0], answers[0], rules)
    return _match([("expr", g) for g in golds], [("expr", a) for a in answers], rules)


def _same_text(gold: Reading, answer: Reading, rules: Rules) -> bool:
    """Texts: the same words; or a short answer that names what a sentence says."""
    if gold[0] == "text" and answer[0] == "text":
        one, two = content_words(gold[1]), content_words(answer[1])
        if one == two:
            return bool(one) or gold[1] == answer[1]
        if sorted(one) == sorted(two) and ("," in gold[1] or len(one) <= 2):
            return True
        if (set(one) & DENIALS) != (set(two) & DENIALS):
            return False
        # "Kafelnikov" answers "Kafelnikov served in the first game"
        if two and len(one) >= 3 and len(two) <= len(one) / 2 and _inside(two, one):
            rules.notes.append("named within the gold's sentence")
            return True
        return bool(one) and len(two) >= 3 and len(one) <= len(two) / 2 and _inside(one, two)
    text, value = (gold, answer) if gold[0] == "text" else (answer, gold)
    words = text[1].split()
    if value == ("expr", ("inf",)):
        return content_words(text[1])[:1] == ["infinite"] and len(words) <= 4
    if value[0] == "expr" and value[1][0] in ("sym", "mul"):
        joined = "".join(part[1] for part in _flat(value[1]) if part[0] == "sym")
        if joined and joined.lower() == text[1].replace(" ", ""):
            return True
    if value[0] == "assign":
        return same(gold, answer[2], rules) if answer is value else same(gold[2], answer, rules)
    if gold[0] == "text" and not set(words) & NEGATIONS:
        return _numbers_named(gold[1], answer, rules)
    return False


def _inside(few: list[str], many: list[str]) -> bool:
    """Whether words stand in a row within others."""
    return any(many[i : i + len(few)] == few for i in range(len(many) - len(few) + 1))


def _flat(tree: Any) -> list[Any]:
    return [p for part in tree[1:] for p in _flat(part)] if tree[0] == "mul" else [tree]


def _numbers_named(words: str, answer: Reading, rules: Rules) -> bool:
    """A gold in prose that names numbers, an answer that is those numbers, in their order."""
    named = re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.]*\d)", words)
    if not named or len(named) > 4:
        return False
    items = _flatten(answer, rules)
    if len(items) != len(named):
        return False
    return all(
        same(("expr", ("num", Fraction(number), None)), item, rules)
        for number, item in zip(named, items, strict=True)
    )


# --- assignments -------------------------------------------------------------------------


def _fold_name(name: str) -> str:
    return re.sub(r"[\\{}\s]|mathrm|text|max|min|_$", "", name)


def _function_parts(name: str) -> tuple[str, list[str]] | None:
    match = re.fullmatch(r"(.+?)\(([^()]*)\)", name)
    return (match[1], match[2].split(",")) if match else None


def _same_assignment(gold: Reading, answer: Reading, rules: Rules) -> bool | None:
    if gold[0] == "assign" and answer[0] == "assign":
        return _both_assigned(gold, answer, rules)
    named, other = (gold, answer) if gold[0] == "assign" else (answer, gold)
    if other[0] == "rel" and other[2] == ["="]:
        return _assignment_in_equation(named, other, rules)
    if other[0] == "rel" and other[2] in (["in"],):
        return None
    value = named[2]
    if other[0] in ("list", "tuple") and "(" in named[1] and value[0] in ("tuple", "list"):
        spread = _spread(named)
        if spread is not None and any(item[0] == "assign" for item in _items(other)):
            pair = (spread, other) if named is gold else (other, spread)
            return _same_lists(*pair, rules)
    if other[0] == "expr" and value[0] in ("expr",):
        return same(value, other, rules) if named is gold else same(other, value, rules)
    if named is gold:
        return same(value, answer, rules)
    return same(gold, value, rules)


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
        return same(gold[2], value, rules)
    names = _fold_name(gold[1]), _fold_name(answer[1])
    if names[0] != names[1] and len(names[0]) == len(names[1]) == 1:
        if names[0].isalpha() and names[1].isalpha():
            asked = [
                bool(re.search(rf"(?<![A-Za-z\\]){n}(?![A-Za-z])", rules.question)) for n in names
            ]
            if not rules.question or all(asked):
                return False
    return same(gold[2], answer[2], rules)


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
    values = _items(named[2])
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
    return ("add", left[1], ("mul", ("num", Fraction(-1), None), right[1]))


def _assignment_in_equation(named: Reading, equation: Reading, rules: Rules) -> bool:
    """``y = f(x)`` against an equation in x and y: inserted, it must hold everywhere."""
    if named[2][0] != "expr":
        return False
    difference = _difference(equation)
    left = (
        "add",
        ("sym", named[1].lstrip("\\")),
        ("mul", ("num", Fraction(-1), None), named[2][1]),
    )
    if proportional(difference, left):
        return True
    return _solves(named[1].lstrip("\\"), named[2][1], difference, rules)


def _solves(name: str, value: Any, difference: Any, rules: Rules) -> bool:
    if name not in numeric.symbols(difference) or name in numeric.symbols(value):
        return False
    if _vanishes(difference, rules):
        return False  # an identity is solved by everything
    # the equation must be linear in the symbol, else one branch would pass for the whole curve
    at = [numeric.substitute(difference, {name: ("num", Fraction(k), None)}) for k in (0, 1, 2)]
    minus = ("num", Fraction(-1), None)
    bend = ("add", at[0], at[2], ("mul", minus, ("num", Fraction(2), None), at[1]))
    zero = ("num", Fraction(0), None)
    inserted = numeric.substitute(difference, {name: value})
    return _vanishes(bend, rules) and _vanishes(inserted, rules) and bend != zero


def _vanishes(tree: Any, rules: Rules) -> bool:
    names = numeric.symbols(tree)
    seen = 0
    for point in numeric.points(names, "positive", 6):
        try:
            if abs(numeric.approximate(tree, point)) > 1e-20:
                return False
            seen += 1
        except (ZeroDivisionError, ValueError, OverflowError):
            continue
    return seen >= 3


# --- relations and sets ------------------------------------------------------------------


def _same_relation(gold: Reading, answer: Reading, rules: Rules) -> bool:
    if gold[0] == "rel" and answer[0] == "rel":
        found = _both_relations(gold, answer, rules)
        if found:
            return True
    equation, other = (gold, answer) if gold[0] == "rel" else (answer, gold)
    if equation[0] == "rel" and equation[2] == ["="]:
        if other[0] == "rel":
            return False
        return other[0] == "expr" and _expression_in_equation(equation, other, rules)
    if gold[0] == "rel" and answer[0] in ("list", "tuple"):
        if _ordered_names(gold, answer, rules):
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
    if not names[0] or not names[1]:
        return one.replace(" ", "") == two.replace(" ", "")
    if not rules.question:
        return False
    return not all(
        re.search(rf"(?<![A-Za-z\\]){match[1]}(?![A-Za-z])", rules.question)
        for match in names
        if match
    )


_FLIP = {"<": ">", ">": "<", "le": "ge", "ge": "le"}


def _both_relations(gold: Reading, answer: Reading, rules: Rules) -> bool:
    if gold[2] == answer[2] == ["="]:
        return proportional(_difference(gold), _difference(answer))
    for sides, operators in (
        (answer[1], answer[2]),
        (answer[1][::-1], [_FLIP.get(op, op) for op in answer[2][::-1]]),
    ):
        if operators == gold[2] and len(sides) == len(gold[1]):
            if all(same(one, two, rules) for one, two in zip(gold[1], sides, strict=True)):
                return rules.relation_as_set or "in" not in gold[2] or "in" in operators
    if len(gold[2]) == len(answer[2]) == 1 and gold[2][0] in _FLIP and answer[2][0] in _FLIP:
        first, second = _difference(gold), _difference(answer)
        if gold[2] == answer[2]:
            return proportional(first, second, positive=True)
        if answer[2][0] == _FLIP[gold[2][0]]:
            flipped = ("mul", ("num", Fraction(-1), None), second)
            return proportional(first, flipped, positive=True)
    return False


def _expression_in_equation(equation: Reading, other: Reading, rules: Rules) -> bool:
    """``y + 1 = −(2x−1)²`` against ``−4x² + 4x − 2``: the expression is the solved side."""
    if equation[1][0][0] == "expr" and _is_quantity(equation[1][0][1]):
        if same(equation[1][-1], other, rules):
            return True  # sin A = 1/2, p/q = 3/4: the value is what was asked
    difference = _difference(equation)
    inside = numeric.symbols(other[1])
    for name in sorted(numeric.symbols(difference) - inside):
        if _solves(name, other[1], difference, rules):
            return True
    return False


def _is_quantity(tree: Any) -> bool:
    """A function value or a quotient of names: a quantity with a value of its own."""
    if tree[0] == "fun" and numeric.symbols(tree):
        return True
    if tree[0] != "mul" or len(tree) != 3:
        return False
    top, bottom = tree[1], tree[2]
    return bool(top[0] == "sym" and bottom[0] == "pow" and bottom[1][0] == "sym")


def _ordered_names(gold: Reading, answer: Reading, rules: Rules) -> bool:
    """``b < a < d`` against ``b, a, d``: the order of quantities, smallest first."""
    if len(gold[1]) < 3 or not set(gold[2]) <= {"<", "le"}:
        return False
    items = _items(answer)
    return len(items) == len(gold[1]) and all(
        same(one, two, rules) for one, two in zip(gold[1], items, strict=True)
    )


# --- ratios, matrices, tuples, lists -----------------------------------------------------


def _ratio_value(items: list[Reading]) -> Any:
    top, bottom = items[0][1], items[1][1]
    return ("mul", top, ("pow", bottom, ("num", Fraction(-1), None)))


def _same_ratio(gold: Reading, answer: Reading, rules: Rules) -> bool:
    if gold[0] == "ratio" and answer[0] == "ratio":
        if gold[2] == answer[2]:
            return True
        if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", gold[2]):  # a time of day
            return False
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
        return same(value, other, exact_rules) if ratio is gold else same(other, value, exact_rules)
    if other[0] in ("tuple", "list"):
        items = _items(other)
        return len(items) == len(ratio[1]) and all(
            same(one, two, rules) for one, two in zip(ratio[1], items, strict=True)
        )
    return False


def _same_matrix(gold: Reading, answer: Reading, rules: Rules) -> bool:
    if gold[0] == "matrix" and answer[0] == "matrix":
        return [len(row) for row in gold[1]] == [len(row) for row in answer[1]] and all(
            same(one, two, rules)
            for first, second in zip(gold[1], answer[1], strict=True)
            for one, two in zip(first, second, strict=True)
        )
    matrix, other = (gold, answer) if gold[0] == "matrix" else (answer, gold)
    cells = [cell for row in matrix[1] for cell in row]
    if len(matrix[1]) != 1 and any(len(row) != 1 for row in matrix[1]):
        return False
    items = _items(other) if other[0] in ("tuple", "list") else [other]
    pairs = zip(cells, items, strict=False) if matrix is gold else zip(items, cells, strict=False)
    return len(items) == len(cells) and all(same(one, two, rules) for one, two in pairs)


def _same_tuple(gold: Reading, answer: Reading, rules: Rules) -> bool:
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
    return same(gold, answer, rules)


def _items(reading: Reading) -> list[Reading]:
    if reading[0] in ("list", "set", "union", "inter"):
        found: list[Reading] = reading[1]
        return found
    if reading[0] == "tuple":
        return list(reading[3])
    return [reading]


def _flatten(reading: Reading, rules: Rules) -> list[Reading]:
    """The values of a list, with nested lists opened and ± signs written out."""
    kind = reading[0]
    if kind in ("list", "set") or kind == "union" and not is_condition(reading):
        return [item for part in reading[1] for item in _flatten(part, rules)]
    if kind == "expr":
        return [("expr", tree) for tree in numeric.expand_signs(reading[1])]
    if kind == "assign":
        inner = _flatten(reading[2], rules)
        return [("assign", reading[1], item) for item in inner]
    if kind == "tuple":
        rows: list[list[Reading]] = [[]]
        for item in reading[3]:
            options = _flatten(item, rules) if item[0] == "expr" else [item]
            rows = [[*row, option] for row in rows for option in options]
            if len(rows) > 64:
                raise TooLarge("too many ± signs")
        return [("tuple", reading[1], reading[2], row) for row in rows]
    return [reading]


def _same_lists(gold: Reading, answer: Reading, rules: Rules) -> bool:
    """Several values: as sets of equal size; a tuple against a list in its written order."""
    if "tuple" in (gold[0], answer[0]) and not _holds_tuples(gold, answer):
        one, two = _items(gold), _items(answer)
        if gold[0] == "tuple" and gold[1:3] == ("(", ")") or answer[0] == "tuple":
            if len(one) == len(two):
                return all(
                    _element(rules, i, g, a) for i, (g, a) in enumerate(zip(one, two, strict=True))
                )
    if gold[0] in ("list", "set") and answer[0] in ("list", "set"):
        if _match(_items(gold), _items(answer), rules):
            return True
    golds, answers = _flatten(gold, rules), _flatten(answer, rules)
    if "set" in (gold[0], answer[0]):
        golds, answers = _distinct(golds, rules), _distinct(answers, rules)
    if len(golds) == 1 and len(answers) == 1 and (golds[0], answers[0]) != (gold, answer):
        return same(golds[0], answers[0], rules)
    return len(golds) + len(answers) > 2 and _match(golds, answers, rules)


def _holds_tuples(gold: Reading, answer: Reading) -> bool:
    for reading in (gold, answer):
        if reading[0] in ("list", "set") and any(item[0] == "tuple" for item in reading[1]):
            return True
    return False


def _distinct(items: list[Reading], rules: Rules) -> list[Reading]:
    found: list[Reading] = []
    for item in items[:100]:
        if not any(same(item, other, rules) for other in found):
            found.append(item)
    return found


def _match(golds: list[Reading], answers: list[Reading], rules: Rules) -> bool:
    """Whether two lists hold the same values in any order."""
    if len(golds) != len(answers) or len(golds) > 200:
        return False
    named = all(item[0] == "assign" for item in (*golds, *answers))
    if named and len({item[1] for item in golds}) == len(golds) > 1:
        by_name = {_fold_name(item[1]): item for item in answers}
        if {_fold_name(item[1]) for item in golds} == set(by_name):
            return all(
                _element(rules, i, item, by_name[_fold_name(item[1])])
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
