"""Compares two mathematical answers (runs inside a worker of the maths pool)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from heartloop.grading.maths import lists, numeric, relations
from heartloop.grading.maths.answers import readings
from heartloop.grading.maths.caps import MAX_LENGTH, TooLarge, Unreadable
from heartloop.grading.maths.expressions import Rules, equal
from heartloop.grading.maths.fast import tolerance_of
from heartloop.grading.maths.realsets import NoSet
from heartloop.grading.maths.words import DENIALS, NEGATIONS, content_words

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
        found = relations.same_assignment(gold, answer, rules)
        if found is not None:
            return found
    if kind == "ratio" or other == "ratio":
        return lists.same_ratio(gold, answer, rules)
    if kind == "matrix" or other == "matrix":
        return lists.same_matrix(gold, answer, rules)
    if kind == "rel" or other == "rel" or kind in _SETS or other in _SETS:
        return relations.same_relation(gold, answer, rules)
    if kind == "expr" and other == "expr":
        return _same_expression(gold[1], answer[1], rules)
    if kind == "tuple" and other == "tuple":
        return lists.same_tuple(gold, answer, rules)
    return lists.same_lists(gold, answer, rules)


def _same_expression(gold: Any, answer: Any, rules: Rules) -> bool:
    golds, answers = numeric.expand_signs(gold), numeric.expand_signs(answer)
    if len(golds) == len(answers) == 1:
        return equal(golds[0], answers[0], rules)
    return lists.match_sets([("expr", g) for g in golds], [("expr", a) for a in answers], rules)


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
    items = lists.flatten(answer, rules)
    if len(items) != len(named):
        return False
    return all(
        same(("expr", ("num", Fraction(number), None)), item, rules)
        for number, item in zip(named, items, strict=True)
    )
