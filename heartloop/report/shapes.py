"""What a comparison of arms comes to: plain values, shares rather than points."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heartloop.analysis.compare import Comparison
    from heartloop.analysis.contrasts import Difference
    from heartloop.analysis.curves import BreakEven
    from heartloop.analysis.selection import BestArm
    from heartloop.analysis.suites import ClassEffect
    from heartloop.analysis.words import Compared
    from heartloop.report.across import Across
    from heartloop.report.answered import Answered
    from heartloop.report.arrived import Arrived
    from heartloop.report.beside import Beside
    from heartloop.report.units import Findings
    from heartloop.types import Claim


@dataclass(frozen=True, slots=True)
class EqualSpending:
    """Arm and control cut where both spend the same a question, on the task's own metric.

    Attributes:
        unit: ``tokens``, ``completion tokens`` or ``dollars``.
        cut: ``arm``, ``control`` or ``neither``: whose journal was cut.
        cap: amount a question at which it was cut; None where neither was.
        spent_arm, spent_control: mean amount a question and seed that is left.
        ratio: the first over the second: 1 is equal.
        own_arm, own_control: the own metric of both at that cut.
        difference: arm minus control at that cut; its interval is by itself.
        break_even: from which budget on the arm is ahead; tokens only.
    """

    unit: str
    cut: str
    cap: float | None
    spent_arm: float
    spent_control: float
    ratio: float | None
    own_arm: float
    own_control: float
    difference: Difference
    break_even: BreakEven | None


@dataclass(frozen=True, slots=True)
class Lost:
    """Answers of an arm without a verdict, as shares of those asked for."""

    unscored: float
    error: float

    @property
    def whole(self) -> float:
        """Both together."""
        return self.unscored + self.error


@dataclass(frozen=True, slots=True)
class Row:
    """An arm against a control on one task, or a suite as the mean over its tasks; shares.

    Differences are arm minus control.

    Attributes:
        arm, control: labels; ``arm_role``, ``control_role``, ``model``, ``control_model``.
        unit: name of the task or suite; ``tasks``: how many it has; ``metric``: their own metric.
        questions, seeds, clusters: size of the comparison.
        own_arm, own_control: the own metric of both; ``difference``: between them, its interval
            holds for all rows at once.
        compared: the word, adjusted over all rows (Holm); ``p_bh``: Benjamini-Hochberg.
        content: the difference under the content reading.
        flips: own metric and content lead to different readings (above, below, neither).
        scored: the own metric where both arms' answers could be read; None where all could.
        lost_arm, lost_control: shares of answers without a verdict.
        counts: counts of right answers with exact tests, where the own metric is right or not on
            one task; else None.
        picked: post hoc: out of how many arms it was picked; 0 where it was planned.
        picked_low, picked_high: interval of the difference that holds for all arms it might have
            been picked from.
        tokens_arm, tokens_control: mean tokens a question and seed; ``calls_*`` likewise.
        equal: both at equal tokens, completion tokens and dollars, where both ask more than once.
        notes: what was left out or dropped.
    """

    arm: str
    control: str
    arm_role: str
    control_role: str
    model: str
    control_model: str
    unit: str
    tasks: int
    metric: str
    questions: int
    seeds: int
    clusters: int
    own_arm: float
    own_control: float
    difference: Difference
    compared: Compared
    p_bh: float
    content: Difference
    flips: bool
    scored: Difference | None
    lost_arm: Lost
    lost_control: Lost
    counts: Comparison | None
    tokens_arm: float
    tokens_control: float
    calls_arm: float
    calls_control: float
    equal: tuple[EqualSpending, ...]
    notes: tuple[str, ...]
    picked: int = 0
    picked_low: float | None = None
    picked_high: float | None = None


@dataclass(frozen=True, slots=True)
class Best:
    """The best of several treatments against one control on a task or suite.

    Attributes:
        model, control, unit: where; ``arms``: out of which, ``name``: which.
        best: its gain on the own metric, with and without the winner's curse.
    """

    model: str
    control: str
    unit: str
    arms: tuple[str, ...]
    name: str
    best: BestArm


@dataclass(frozen=True, slots=True)
class StimulusClass:
    """Effect of a class of stimuli on the own metric, its wordings as a sample.

    Attributes:
        model, control, unit: against what, on which task or suite.
        label: the class; ``wordings``: its arms.
        sample: what else is a sample: ``tasks`` or ``questions``.
        effect: the effect.
    """

    model: str
    control: str
    unit: str
    label: str
    wordings: tuple[str, ...]
    sample: str
    effect: ClassEffect


@dataclass(frozen=True, slots=True)
class Study:
    """Everything that ``compare`` prints.

    Attributes:
        runs: names of the runs.
        rows: comparisons; p-values adjusted over all of them.
        best: winner's curse by model and control, where several treatments share a control.
        classes: stimulus classes.
        forced: what differs between the runs, where ``--force`` compared them all the same.
        notes: what a reader must know about all of it.
        margin, level, draws: settings.
        claim: the run's claim, where one run was compared by its own claim; else None.
        findings: what the claim comes to, one a model.
        across: the claim's contrasts over the models of one or several runs of it; empty where
            there is one model and one run, or the runs do not share a claim.
        beside: further figures of one run, with intervals and without words.
        answered: how the arms answered, one a model, where a share differs by over five points.
        arrived: the manipulation check of each treatment, where one run was compared.
        post_hoc: why no word is said: what was chosen after the fact; empty where nothing was.
    """

    runs: tuple[str, ...]
    rows: tuple[Row, ...]
    best: tuple[Best, ...]
    classes: tuple[StimulusClass, ...]
    forced: tuple[str, ...]
    notes: tuple[str, ...]
    margin: float
    level: float
    draws: int
    claim: Claim | None = None
    findings: tuple[Findings, ...] = ()
    post_hoc: tuple[str, ...] = ()
    answered: tuple[tuple[Answered, ...], ...] = ()
    arrived: tuple[Arrived, ...] = ()
    across: tuple[Across, ...] = ()
    beside: Beside | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for ``--json``: shares, not points."""
        found = asdict(self)
        for check, plain in zip(self.arrived, found["arrived"], strict=True):
            plain |= {"read": check.read, "sentence": check.sentence}
        for row, plain in zip(self.rows, found["rows"], strict=True):
            word = row.compared.word
            plain["word"] = None if self.claim or self.post_hoc else word
        return found
