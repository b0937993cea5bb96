"""Show a predictor of a copied program more than its caller gives: extra input fields."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import dspy

_NOTES = {
    "earlier_attempts": "What you answered to this before, oldest first",
    "feedback": "Feedback on the newest of these answers",
}


def carry(predictor: Any, texts: Mapping[str, str]) -> None:
    """Add input fields with these texts to a predictor, filled in whenever it is called."""
    carried: dict[str, str] = {}
    for name, text in texts.items():
        free = name
        while free in predictor.signature.fields:
            free += "_"
        predictor.signature = predictor.signature.append(free, dspy.InputField(desc=_NOTES[name]))
        carried[free] = text
    predictor.__class__ = _carrying(type(predictor))  # type: ignore[arg-type]
    predictor.carried = carried


@functools.cache
def _carrying(kind: type) -> type:
    """The predictor class, with its carried fields filled in on every call.

    A class and no closure, so that copies made by BestOfN or Refine carry their own.
    """

    class Carrying(kind):  # type: ignore[valid-type,misc]
        def forward(self, **given: Any) -> Any:
            return super().forward(**{**given, **self.carried})

        async def aforward(self, **given: Any) -> Any:
            return await super().aforward(**{**given, **self.carried})

    Carrying.__name__ = kind.__name__
    Carrying.__qualname__ = kind.__qualname__
    return Carrying


def redraw(predictor: Any, round: int) -> None:
    """Another rollout, so that a prompt that repeats word for word is a new draw."""
    lm = predictor.lm or dspy.settings.lm
    if lm is not None and lm.kwargs.get("temperature") != 0:
        predictor.lm = lm.copy(rollout_id=(lm.kwargs.get("rollout_id") or 0) + round)


def told(earlier: Sequence[Mapping[str, Any]]) -> str:
    """Earlier outputs as text, oldest first."""
    return "\n\n".join(
        f"Answer {number}\n" + "\n".join(f"{key}: {value}" for key, value in one.items())
        for number, one in enumerate(earlier, start=1)
    )
