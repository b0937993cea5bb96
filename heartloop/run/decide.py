"""``--stop-when decided``: end a run when its main comparison is settled, at a kept error rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from heartloop.analysis import ABSENT, CODES
from heartloop.analysis.sequential import Look, look, ordered_differences
from heartloop.run.plan import Plan
from heartloop.types import Arm

EVERY = 10  # finished units between two looks; looking more often changes no error rate
STRICTEST = ("resample", "placebo", "neutral-varied", "neutral", "reflect", "none", "again")


def main_pair(arms: Sequence[Arm]) -> tuple[Arm, Arm] | None:
    """The comparison a run is about: its first treatment against the strictest control it has."""
    treatment = next((arm for arm in arms if arm.role == "treatment"), None)
    if treatment is None:
        return None
    for role in STRICTEST:
        for arm in arms:
            if arm.role == role:
                return treatment, arm
    return None


class Decider:
    """Watches the main comparison; pairs count in the plan's order, whatever finishes first."""

    def __init__(
        self, plan: Plan, questions: Sequence[tuple[str, str, str]], margin: float
    ) -> None:
        """Begin with nothing seen.

        Args:
            plan: the plan, with a treatment and a control.
            questions: (task, question, cluster) in the plan's order.
            margin: half-width of the region of equivalence, a share.
        """
        pair = main_pair(plan.arms)
        self.names = tuple(arm.name for arm in pair) if pair else ()
        rows = [(t, q, model) for model in plan.models for t, q, _ in questions]
        self._row = {row: i for i, row in enumerate(rows)}
        self._clusters = [f"{t}\0{c}\0{m}" for m in plan.models for t, _, c in questions]
        self._seed = {seed: j for j, seed in enumerate(plan.seeds)}
        self._margin = margin
        shape = (len(rows), len(plan.seeds))
        self._outcomes = {name: np.full(shape, ABSENT, np.int8) for name in self.names}
        self._since = 0

    def add(self, line: dict[str, Any]) -> Look | None:
        """Count the deciding line of a finished trace; a Look when it decides the comparison."""
        if line["arm"] not in self._outcomes:
            return None
        row = self._row[line["task"], line["question"], line["model"]]
        self._outcomes[line["arm"]][row, self._seed[line["seed"]]] = CODES[line["outcome"]]
        self._since += 1
        if self._since % EVERY:
            return None
        first, second = (self._outcomes[name] for name in self.names)
        state = look(ordered_differences(first, second, self._clusters), self._margin)
        return state if state.decision != "open" else None

    def sentence(self, state: Look) -> str:
        """Why the run ended."""
        treatment, control = self.names
        return (
            f"decided: {treatment} and {control} are {state.decision} after {state.questions} "
            f"questions ({100 * state.difference:+.1f} points, always-valid interval "
            f"{100 * state.low:+.1f} to {100 * state.high:+.1f})"
        )
