"""Answer text → verdict: extraction chains, comparators, judges and the killable maths pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heartloop.grading.grader import Grader, open_grader
    from heartloop.grading.maths.pool import MathPool
    from heartloop.grading.pairs import grade_pairs

__all__ = ["Grader", "MathPool", "grade_pairs", "open_grader"]

_HOMES = {
    "Grader": "grader",
    "open_grader": "grader",
    "MathPool": "maths.pool",
    "grade_pairs": "pairs",
}


if not TYPE_CHECKING:  # mypy knows the names above, and no others

    def __getattr__(name: str) -> Any:
        """Import a public name when it is first used."""
        if name in _HOMES:
            import importlib

            return getattr(importlib.import_module(f"heartloop.grading.{_HOMES[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
