"""``--stop-when decided``: end a run when its primary contrast is settled, at a kept error rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from heartloop.analysis.sequential import Look, look, ordered_gains
from heartloop.errors import UsageError
from heartloop.types import Claim

EVERY = 10  # finished units between two looks; looking more often changes no error rate


def primary_contrasts(claim: Claim) -> tuple[tuple[str, ...], ...]:
    """The controls that the primary arm is held against, each a tuple of arms that are averaged.

    A stimulus has the plain prompt and its own placebos, and is different only if it differs from
    both in one direction; a loop has the first of its contrasts.

    Raises:
        UsageError: no primary arm is named, or the arm has nothing to be compared with.
    """
    if claim.primary is None:
        known = ", ".join(claim.treatments)
        raise UsageError(
            "--stop-when decided watches one comparison that is named beforehand; add --primary "
            f"ARM ({known})"
        )
    mine = [c for c in claim.contrasts if c.arm == claim.primary]
    for family in ("works", "loop", "plain", "arms"):
        found = [c.controls for c in mine if c.family == family]
        if found:
            return tuple(found[:1] if family == "loop" else found)
    raise UsageError(f"--primary {claim.primary}: the plan has no control of it")


class Decider:
    """Watches the primary contrast; questions count in their order of opening."""

    def __init__(
        self, claim: Claim, order: Sequence[tuple[str, str, str, str]], seeds: Sequence[int]
    ) -> None:
        """Begin with nothing seen.

        Args:
            claim: with a primary arm.
            order: (model, task, question, cluster) in the order of opening.
            seeds: of the plan.

        Raises:
            UsageError: the claim has no primary contrast.
        """
        self._against = primary_contrasts(claim)
        self._margin, self._alpha = claim.margin, claim.level
        self.arm = str(claim.primary)
        self.names = tuple(dict.fromkeys((self.arm, *(c for g in self._against for c in g))))
        self._row = {(m, t, q): i for i, (m, t, q, _) in enumerate(order)}
        self._clusters = [f"{t}\0{c}\0{m}" for m, t, _, c in order]
        self._seed = {seed: j for j, seed in enumerate(seeds)}
        shape = (len(order), len(self._seed))
        self._values = {name: np.full(shape, np.nan) for name in self.names}
        self._since = 0

    def add(self, line: Mapping[str, Any]) -> tuple[Look, ...] | None:
        """Count the deciding line of a finished trace; looks where they decide the comparison."""
        if line["arm"] not in self._values:
            return None
        row = self._row[line["model"], line["task"], line["question"]]
        self._values[line["arm"]][row, self._seed[line["seed"]]] = value_of(line)
        self._since += 1
        if self._since % EVERY:
            return None
        return self.looks() if decision(self.looks(interval=False)) != "open" else None

    def looks(self, interval: bool = True) -> tuple[Look, ...]:
        """The state of the arm against each of its controls, with intervals where wanted."""
        return tuple(
            look(
                ordered_gains(
                    self._values[self.arm],
                    np.mean([self._values[name] for name in group], axis=0),
                    self._clusters,
                ),
                self._margin,
                self._alpha,
                interval,
            )
            for group in self._against
        )

    def sentence(self, looks: Sequence[Look]) -> str:
        """Why the run ended."""
        parts = [
            f"{100 * one.difference:+.1f} points to {_names(group)}, always-valid interval "
            f"[{100 * one.low:+.1f}, {100 * one.high:+.1f}]"
            for group, one in zip(self._against, looks, strict=True)
        ]
        return (
            f"decided: {self.arm} is {decision(looks)} after {looks[0].questions} questions "
            f"({'; '.join(parts)})"
        )


def value_of(line: Mapping[str, Any]) -> float:
    """The metric of a trace by its deciding line: the official score, else 1 for a right answer."""
    if line["score"] is not None and line["outcome"] in ("correct", "incorrect"):
        return float(line["score"])
    return float(line["outcome"] == "correct")


def decision(looks: Sequence[Look]) -> str:
    """``different``: from every control, in one direction; ``equivalent``: to the first; or open.

    The first control of a stimulus is the plain prompt, which alone carries equivalence. Both keep
    their error: a union of rejections in one direction needs each of them, and equivalence is one
    test.
    """
    if all(one.decision == "different" for one in looks):
        if len({one.difference > 0 for one in looks}) == 1:
            return "different"
    return "equivalent" if looks[0].decision == "equivalent" else "open"


def _names(group: Sequence[str]) -> str:
    return group[0] if len(group) == 1 else f"the mean of {' and '.join(group)}"
