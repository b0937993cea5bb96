"""How two answers are to be compared: what the params of a gold grant and forbid."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from heartloop.grading.maths.fast import tolerance_of

_SPACED = re.compile(r"[\d}](?:\s|\\[,;:! ]|~|\\(?:text|mathrm|quad))")


@dataclass
class Rules:
    """How two answers are to be compared.

    Attributes:
        compare: compares any two readings (`compare.same`).
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
        notes: what was granted, said with a right answer.
    """

    compare: Callable[[Any, Any, Rules], bool]
    tolerance: float | None = None
    tolerances: tuple[float, ...] = ()
    rounding: bool = True
    relation_as_set: bool = True
    strict: bool = False
    question: str = ""
    conditional: bool = False
    unit: str = ""
    spaced_gold: bool = True
    notes: list[str] = field(default_factory=list)

    def same(self, gold: Any, answer: Any) -> bool:
        """Whether two readings mean the same answer; lists and relations ask it of their parts."""
        return self.compare(gold, answer, self)

    def granted(self) -> str:
        """The notes in brackets, or nothing."""
        return f" ({', '.join(dict.fromkeys(self.notes))})" if self.notes else ""

    def distinct(self, *names: str) -> bool:
        """Whether names stand for different quantities: all are in the question, if it is known."""
        return not self.question or all(map(self._asked, names))

    def _asked(self, name: str) -> bool:
        bare = name.split("_")[0]
        if len(bare) > 1:
            return bare in self.question
        return (
            re.search(rf"(?<![A-Za-z\\]){re.escape(bare)}(?![A-Za-z])", self.question) is not None
        )


def rules_of(
    params: Mapping[str, Any], question: str, gold: str, compare: Callable[[Any, Any, Rules], bool]
) -> Rules:
    """The rules that a gold's params ask for; see `compare.compare_answers` for their names."""
    lists = [params.get(name) for name in ("tolerance", "error", "precision")]
    several = [value for value in lists if isinstance(value, (list, tuple))]
    return Rules(
        compare,
        tolerance=tolerance_of(params),
        tolerances=tuple(float(item) for item in several[-1]) if several else (),
        rounding=bool(params.get("rounding", True)),
        relation_as_set=params.get("allow_set_relation_comp") is not False,
        strict=bool(params.get("strict", False)),
        question=question,
        unit=str(params.get("unit") or ""),
        spaced_gold=_SPACED.search(gold) is not None,
    )
