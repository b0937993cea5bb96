"""Compares two mathematical answers (runs inside a worker of the maths pool)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from heartloop.grading.dates import date_of
from heartloop.grading.maths import lists, relations
from heartloop.grading.maths.answers import readings
from heartloop.grading.maths.caps import MAX_LENGTH, TooLarge, Unreadable
from heartloop.grading.maths.expressions import equal
from heartloop.grading.maths.fast import has_several
from heartloop.grading.maths.intervals import NoSet
from heartloop.grading.maths.numeric import approximate
from heartloop.grading.maths.quantities import clock, clock_face
from heartloop.grading.maths.rules import Rules, rules_of
from heartloop.grading.maths.tree import INFINITY, expand_signs, factors, num, symbols
from heartloop.grading.maths.units import parse_unit
from heartloop.grading.maths.words import DENIALS, NEGATIONS, content_words, leading_polar

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
    rules = rules_of(params, question, gold, same)
    several = has_several(params)
    try:
        answers = readings(answer, several)
    except TooLarge as error:
        return "undecided", f"the answer was not computed: {error}"
    if not answers:
        return "incorrect", "the answer is empty"
    try:
        golds = readings(gold, several)
    except TooLarge as error:
        return "undecided", f"the gold was not computed: {error}"
    dates = [date_of(text) for text in (gold, answer)]
    if dates[0] is not None and dates[1] is not None:
        if dates[0] == dates[1]:
            return "correct", "the same day"
        return "incorrect", f"{_short(answer)} is not {_short(gold)}"
    polar, other_polar = leading_polar(gold), leading_polar(answer)
    if polar is not None and other_polar is not None:
        if polar[0] != other_polar[0]:
            return "incorrect", f"{other_polar[0]} is not {polar[0]}"
        if not polar[1] or not other_polar[1]:
            return "correct", f"both say {polar[0]}"
    tails = [_WHEN.search(text) for text in (gold, answer)]
    if tails[0] is not None and "=" in tails[0].group():
        rules.conditional = True
        if tails[1] is not None:
            parts = [readings(tail["tail"]) for tail in tails if tail is not None]
            if not any(_holds(one, two, rules) for one in parts[0] for two in parts[1]):
                return "incorrect", "the conditions differ"
    undecided = ""
    for one in golds:
        for two in answers:
            rules.notes.clear()
            try:
                if same(one, two, rules):
                    return "correct", f"{_short(answer)} equals {_short(gold)}{rules.granted()}"
            except TooLarge as error:
                undecided = f"not computed: {error}"
            except (Unreadable, RecursionError) as error:
                undecided = undecided or f"not compared: {error or type(error).__name__}"
            except (ZeroDivisionError, ValueError, OverflowError, NoSet):
                continue
    if undecided:
        return "undecided", undecided
    return "incorrect", f"{_short(answer)} is not {_short(gold)}"


_WHEN = re.compile(
    r"\b(?:when|whenever|if)\b(?P<tail>.*?)(?:\bfor (?:any|all|some|every)\b.*)?$", re.S
)


def _holds(gold: Reading, answer: Reading, rules: Rules) -> bool:
    try:
        return same(gold, answer, rules)
    except (TooLarge, Unreadable, RecursionError, ZeroDivisionError, ValueError, NoSet):
        return False


_ADVANCED = re.compile(
    r"\\(?:int|iint|oint|lim|frac\s*\{\s*d|partial|nabla|sum|prod|det|operatorname|"
    r"begin)(?![a-zA-Z])"
)


def wants_sympy(gold: str, answer: str, detail: str) -> bool:
    """Whether both texts are formulas that the own reader does not know and sympy may."""
    if detail.startswith("not computed") or max(len(gold), len(answer)) > 500:
        return False
    return bool(_ADVANCED.search(gold) and _ADVANCED.search(answer))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:77] + "..."


# --- any two readings --------------------------------------------------------------------


def same(gold: Reading, answer: Reading, rules: Rules) -> bool:
    """Whether two readings mean the same answer."""
    if gold == answer:
        return True
    kind, other = gold[0], answer[0]
    if kind == "chain" or other == "chain":
        return _same_chain(gold, answer, rules)
    if kind == "time" or other == "time":
        return _same_time(gold, answer)
    if kind == "cong" or other == "cong":
        return relations.same_congruence(gold, answer, rules)
    if kind == "text" or other == "text":
        return _same_text(gold, answer, rules)
    if kind == "assign" or other == "assign":
        found = relations.same_assignment(gold, answer, rules)
        if found is not None:
            return found
    if {kind, other} == {"ratio", "expr"} and _same_lasting(gold, answer):
        return True
    if kind == "ratio" or other == "ratio":
        return lists.same_ratio(gold, answer, rules)
    if "expr" in (kind, other) and {kind, other} & {"tuple", "matrix"}:
        found = lists.same_components(gold, answer, rules)
        if found is not None:
            return found
    if kind == "matrix" or other == "matrix":
        return lists.same_matrix(gold, answer, rules)
    if kind == "reals" and answer == ("expr", ("sym", "R")):
        return True
    if kind == "rel" or other == "rel" or kind in _SETS or other in _SETS:
        return relations.same_relation(gold, answer, rules)
    if kind == "expr" and other == "expr":
        return _same_expression(gold[1], answer[1], rules)
    if kind == "tuple" and other == "tuple":
        return lists.same_tuple(gold, answer, rules)
    return lists.same_lists(gold, answer, rules)


def _same_time(gold: Reading, answer: Reading) -> bool:
    """“2:30 p.m.” against “14:30”: hours and minutes without a half of the day count 24 hours."""
    seconds = [
        one[1] if one[0] == "time" else clock(one[2], whole_day=True) if one[0] == "ratio" else None
        for one in (gold, answer)
    ]
    return seconds[0] is not None and seconds[0] == seconds[1]


def _same_lasting(gold: Reading, answer: Reading) -> bool:
    """“3:20” against “3 h 20 min” or “3 min 20 s”, “14h30” against “14:30”."""
    ratio, quantity = (gold, answer) if gold[0] == "ratio" else (answer, gold)
    tree = quantity[1]
    if tree[0] != "unit" or tree[1][0] != "num" or parse_unit(tree[2]) not in _LESSER:
        return False
    return clock_face(ratio[2]) == tree[1][1]


_LESSER = (parse_unit("min"), parse_unit("s"))


def _same_chain(gold: Reading, answer: Reading, rules: Rules) -> bool:
    r"""``a \\approx b``: any member of the gold's answers it; all of two chains must agree."""
    if gold[0] == answer[0] == "chain":
        return len(gold[1]) == len(answer[1]) and all(
            same(one, two, rules) for one, two in zip(gold[1], answer[1], strict=True)
        )
    if gold[0] == "chain":
        return any(same(member, answer, rules) for member in gold[1])
    if answer[1][0][0] == "assign":
        return same(gold, answer[1][0], rules)  # the named value decides
    values = [member[2] if member[0] == "assign" else member for member in answer[1]]
    if not all(_agrees(values[0], other) for other in values[1:]):
        return False  # the answer contradicts itself
    return any(same(gold, member, rules) for member in answer[1])


def _agrees(exact: Reading, rounded: Reading) -> bool:
    """Whether a rounded value is one of an exact one, to one unit of its last place."""
    if exact[0] != "expr" or rounded[0] != "expr":
        return True
    if symbols(exact[1]) or symbols(rounded[1]):
        return True
    try:
        one, two = approximate(exact[1], {}), approximate(rounded[1], {})
    except (ZeroDivisionError, ValueError, OverflowError, KeyError):
        return True
    places = rounded[1][2] if rounded[1][0] == "num" and rounded[1][2] is not None else None
    slack = 10.0**-places if places is not None else abs(two) * 0.01
    return bool(abs(one - two) <= slack)


def _same_expression(gold: Any, answer: Any, rules: Rules) -> bool:
    golds, answers = expand_signs(gold), expand_signs(answer)
    if len(golds) == len(answers) == 1:
        return equal(golds[0], answers[0], rules)
    return lists.match_sets([("expr", g) for g in golds], [("expr", a) for a in answers], rules)


def _same_text(gold: Reading, answer: Reading, rules: Rules) -> bool:
    """Texts: the same words; or a short answer that names what a sentence says."""
    if gold[0] == "text" and answer[0] == "text":
        one, two = content_words(gold[1]), content_words(answer[1])
        if one == two:
            return bool(one) or bool(gold[1]) and gold[1] == answer[1]
        if sorted(one) == sorted(two) and ("," in gold[1] or len(one) <= 2):
            return True
        if "".join(one) == "".join(two):
            return True  # a damaged file lost its spaces
        if (set(one) & DENIALS) != (set(two) & DENIALS):
            return False
        predicate = _predicate(gold[1])
        if predicate is not None:
            return two == predicate
        if _predicate(answer[1]) == one:
            return True
        # "Kafelnikov" answers "Kafelnikov served in the first game"
        if two and len(one) >= 3 and len(two) <= len(one) / 2 and _inside(two, one):
            rules.notes.append("named within the gold's sentence")
            return True
        return bool(one) and len(two) >= 3 and len(one) <= len(two) / 2 and _inside(one, two)
    text, value = (gold, answer) if gold[0] == "text" else (answer, gold)
    words = text[1].split()
    if value == ("expr", INFINITY):
        return content_words(text[1])[:1] == ["infinite"] and len(words) <= 4
    if value[0] == "expr" and value[1][0] in ("sym", "mul"):
        joined = "".join(part[1] for part in factors(value[1]) if part[0] == "sym")
        if joined and joined.lower() == text[1].replace(" ", ""):
            return True
    if value[0] == "assign":
        return same(gold, answer[2], rules) if answer is value else same(gold[2], answer, rules)
    if gold[0] == "text" and not set(words) & NEGATIONS:
        return _numbers_named(gold[1], answer, rules)
    return False


def _predicate(words: str) -> list[str] | None:
    """What a short sentence says of its subject: “the sequence is decreasing”."""
    found = re.match(r"[^,]+?\b(?:is|are|was|were)\s+(?P<said>[^,]+)$", words)
    if found and len(found["said"].split()) <= 3:
        return content_words(found["said"])
    verb = re.match(r"(?:the|this)\s+\w+\s+(?P<said>[a-z]+s)$", words)
    return content_words(verb["said"]) if verb else None


def _inside(few: list[str], many: list[str]) -> bool:
    """Whether words stand in a row within others."""
    return any(many[i : i + len(few)] == few for i in range(len(many) - len(few) + 1))


def _numbers_named(words: str, answer: Reading, rules: Rules) -> bool:
    """A gold in prose that names numbers, an answer that is those numbers, in their order.

    Other mathematics in the sentence (a letter, a relation, an interval) makes its numbers parts of
    something else; “8 at x = 5” names 8.
    """
    words = re.sub(r"\b(?:at|when|where|for|if)\b.*=.*$", "", words)
    tokens = words.split()
    named = [token for token in tokens if re.fullmatch(r"-?\d+(?:\.\d+)?\^?", token)]
    if not named or len(named) > 4:
        return False
    for token in tokens:
        if token not in named and not re.fullmatch(r"[a-z][a-z'-]+|[a-di]|%", token):
            return False
        if token in ("infty", "frac", "sqrt", "pi", "cup", "to", "on"):
            return False
    items = lists.flatten(answer, rules)
    if len(items) != len(named):
        return False
    return all(
        same(("expr", num(Fraction(number.rstrip("^")))), item, rules)
        for number, item in zip(named, items, strict=True)
    )
