"""The practice set in OlympiadBench's schema: which families, which test problems."""

from __future__ import annotations

from typing import Any

from heartloop.practice import _algebra, _number
from heartloop.practice._problem import Family, Problem, make

FAMILIES: dict[str, Family] = {
    family.__name__: family
    for family in (
        _number.remainder,
        _number.gcd,
        _number.lcm,
        _number.modpower,
        _number.divisors,
        _number.multiples,
        _number.base,
        _number.fractions,
        _number.choose,
        _number.arrange,
        _number.probability,
        _algebra.linear,
        _algebra.quadratic,
        _algebra.polynomial,
        _algebra.expand,
        _algebra.nth_term,
        _algebra.arithmetic_sum,
        _algebra.geometric,
        _algebra.recurrence,
        _algebra.system,
        _algebra.absolute,
        _algebra.inequality,
        _algebra.midpoint,
        _algebra.rectangle,
        _algebra.pythagoras,
        _algebra.angle,
    )
}
PER_FAMILY = 16
"""Test problems of each family; with 26 families the set has 416 problems."""


def held_out(seed: str = "test") -> list[Problem]:
    """The fixed test problems, family by family in turn, no two with the same key.

    Another seed gives another such set, for choices that must not be made on the test problems.
    """
    out: list[Problem] = []
    seen: set[str] = set()
    columns: dict[str, list[Problem]] = {}
    for name, family in FAMILIES.items():
        column: list[Problem] = []
        draw = 0
        while len(column) < PER_FAMILY:
            problem = make(family, f"{seed}/{name}/{draw}")
            draw += 1
            if problem.key not in seen:
                seen.add(problem.key)
                column.append(problem)
        columns[name] = column
    # Family after family in turn, so that any first N questions are a mixture.
    for i in range(PER_FAMILY):
        out.extend(column[i] for column in columns.values())
    return out


def final_answer(problem: Problem) -> str:
    """The answer as one LaTeX string, dollar signs included, several answers joined by commas."""
    return ",".join(f"${answer}$" for answer in problem.answers)


def boxed(problem: Problem) -> str:
    """The closing sentence of a worked solution."""
    return f"The answer is $\\boxed{{{','.join(problem.answers)}}}$."


def row(problem: Problem, index: int) -> dict[str, Any]:
    """The problem in OlympiadBench's schema, with ``family`` and ``practice`` beside it."""
    return {
        "id": 900000 + index,
        "subfield": problem.subfield,
        "context": None,
        "question": problem.question,
        "solution": [f"{problem.steps} {boxed(problem)}"],
        "final_answer": [final_answer(problem)],
        "is_multiple_answer": len(problem.answers) > 1,
        "unit": problem.unit,
        "answer_type": problem.answer_type,
        "error": None,
        "family": problem.family,
        "practice": True,
    }


def olympiad_rows() -> list[dict[str, Any]]:
    """The practice olympiad test set."""
    return [row(problem, index) for index, problem in enumerate(held_out())]
