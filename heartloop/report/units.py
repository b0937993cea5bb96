"""What a claim's findings are made of: arms with figures, treatments with words, units of tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from heartloop.analysis.contrasts import Difference, Edges
from heartloop.analysis.words import Compared, Finding
from heartloop.data.perturb import OLD_ANSWER
from heartloop.report.bias_claim import BiasFindings, bias_sentence
from heartloop.run.speaking import Speaking
from heartloop.types import Contrast

ON_BIAS = "the claim is on preference bias"


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """One arm on the questions that speak; shares, tasks weighing the same.

    Attributes:
        arm, role: its name and what it is for.
        own: the task's own metric; ``interval``: its 95 % interval.
        content: the same under the content reading (as shares of right answers where the metric
            is normalised, so it may lie on another scale).
        lost: share of questions without a verdict (unscored or errors).
        tokens, calls: mean a question and seed.
    """

    arm: str
    role: str
    own: float
    interval: tuple[float, float]
    content: float
    lost: float
    tokens: float
    calls: float


@dataclass(frozen=True, slots=True)
class Treatment:
    """A finding about one arm, with its names.

    Attributes:
        arm: the treatment; ``none``, ``placebos``: its controls.
        finding: numbers and word.
        asks: what its words also ask for (``demand`` of the card), or empty.
        beyond: difference to its demand-only twin, tested behind its own word; None without one.
        beyond_p: its p-value times the number of treatments, not under that of the word.
    """

    arm: str
    none: str
    placebos: tuple[str, ...]
    finding: Finding
    asks: str = ""
    beyond: Difference | None = None
    beyond_p: float = 1.0


@dataclass(frozen=True, slots=True)
class Planned:
    """A planned contrast of a loop, or of named arms."""

    contrast: Contrast
    compared: Compared


@dataclass(frozen=True, slots=True)
class Unit:
    """One task, or a suite as the mean over its tasks, with one model.

    Attributes:
        name: the task's or suite's name.
        tasks: the tasks that speak, in their order; ``questions``: how many questions speak.
        left_out: questions that were begun and do not speak (a run stopped in the middle).
        metric: primary metric, in words.
        arms: every arm with a result, in the plan's order.
        treatments: findings on single-turn treatments.
        planned: contrasts of loops or named arms.
        controls: differences of ``again`` and of each placebo to the plain prompt: shown, and no
            hypotheses; their intervals hold for all of them at once.
        edges: floor and ceiling of the plain prompt (of the first contrast's control for loops).
        silent: why nothing is said; empty where something is.
        speaking: for a stopped run which questions speak, and at which budget; else None.
        decided: what a run that was stopped by looking came to, with its always-valid interval,
            which is all that may be said then.
        bias: the findings on tasks whose claim is one on preference bias; nothing else is said.
        verifier: what reads the answers where the task's card names nothing (own tables).
    """

    name: str
    tasks: tuple[str, ...]
    questions: int
    left_out: int
    metric: str
    arms: Mapping[str, ArmFigures]
    treatments: tuple[Treatment, ...]
    planned: tuple[Planned, ...]
    controls: Mapping[str, Difference]
    edges: Edges | None
    silent: str = ""
    speaking: Speaking | None = None
    decided: str = ""
    verifier: str = ""
    bias: BiasFindings | None = None

    @property
    def suite(self) -> bool:
        """Whether it is a mean over several tasks."""
        return len(self.tasks) > 1

    @property
    def silence(self) -> str:
        """What stands in place of a finding; empty where there are findings."""
        if self.decided:
            return f"{self.decided}; it was stopped by looking, so no other interval holds"
        if self.bias is not None and self.silent == ON_BIAS:
            return bias_sentence(self.bias)
        if self.check:
            return self.silent
        return f"no conclusion: {self.silent}" if self.silent else ""

    @property
    def check(self) -> bool:
        """Whether it is a check for contamination, which has no hypothesis."""
        return self.metric == OLD_ANSWER


@dataclass(frozen=True, slots=True)
class Findings:
    """What one model's part of a run comes to.

    Attributes:
        model: its name.
        units: tasks and suites; one family over all of them.
        several: how many models the run has; each is a family of its own.
    """

    model: str
    units: tuple[Unit, ...]
    several: int

    @property
    def treatments(self) -> list[tuple[Unit, Treatment]]:
        """All findings on treatments, with the unit each belongs to."""
        return [(unit, t) for unit in self.units for t in unit.treatments]
