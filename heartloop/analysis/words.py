"""Which word a difference may carry: the one place where a p-value becomes a claim.

A *word* needs more than a small p-value. A stimulus **works** (**hurts**) if it is above (below)
both the plain prompt and the mean of its own two placebo sentences: the p-value is the larger of
both (Berger 1982, Technometrics 24:295), or 1 where the signs differ, and Holm goes over all
treatments. **Below** or **above the plain prompt** needs the plain prompt alone, in a Holm family
of its own; **equivalent** is TOST against the plain prompt, a third family. Content and form only
take words away: where the answers are as right as before and merely in another form, none is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from heartloop.analysis.content_form import Split, split
from heartloop.analysis.contrasts import (
    FLIPS,
    Difference,
    Edges,
    Sample,
    contrasts,
    edges,
    level_of,
)
from heartloop.analysis.multiplicity import holm

Word = Literal["works", "hurts", "above", "below", "equivalent", "undecided"]
"""``above``, ``below``: than the plain prompt (or the control of a single contrast)."""

Gate = Literal["", "form", "mixed", "placebos", "lost"]
"""Why a word was taken away: the difference is one of ``form``; content and form are not told apart
(``mixed``); the two placebos disagree (``placebos``); ``lost``: of all answers and of those that
could be read it has opposite signs."""


@dataclass(frozen=True, slots=True)
class Roles:
    """Rows of a `Sample` that belong to one treatment.

    Attributes:
        arm: its own row.
        none: the row of the plain prompt.
        placebos: rows of its own placebo sentences; taken as fixed and averaged.
    """

    arm: int
    none: int
    placebos: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """One treatment on one task or suite, before anything is adjusted.

    Attributes:
        arm: its row.
        none: difference to the plain prompt.
        placebo: difference to the mean of its placebos; None without any.
        alone: difference to each of its placebos by itself.
        split: content and form against the plain prompt; None with under 20 right answers.
        edges: floor and ceiling of the plain prompt.
        lost: whether of-scored and of-all differences to the plain prompt have opposite signs.
    """

    arm: int
    none: Difference
    placebo: Difference | None
    alone: tuple[float, ...]
    split: Split | None
    edges: Edges
    lost: bool = False

    @property
    def p_works(self) -> float:
        """The larger of both p-values; 1 where the signs differ or there is no placebo."""
        if self.placebo is None or self.none.estimate * self.placebo.estimate <= 0:
            return 1.0
        return max(self.none.p, self.placebo.p)

    @property
    def p_works_over_tasks(self) -> float:
        """The same over tasks like these; 1 with fewer than six."""
        none, placebo = self.none, self.placebo
        if placebo is None or none.over is None or placebo.over is None:
            return 1.0
        return 1.0 if none.estimate * placebo.estimate <= 0 else max(none.over.p, placebo.over.p)


@dataclass(frozen=True, slots=True)
class Finding:
    """What may be said of one treatment.

    Attributes:
        measured: the numbers.
        word: what it may be called.
        gate: why a stronger word was taken away; empty where none was.
        both: beyond the plain prompt and its placebo, both with the same sign and significant;
            with fewer than two placebos this is said, but is no "works" or "hurts".
        plain: significantly above or below the plain prompt.
        inside: equivalent to the plain prompt within the margin.
        over: the same (beyond both controls where ``both``, else against the plain prompt) holds
            over tasks like these; None with fewer than six tasks.
        p_works, p_plain, p_equal: Holm-adjusted in their families.
    """

    measured: Measured
    word: Word
    gate: Gate
    both: bool
    plain: bool
    inside: bool
    over: bool | None
    p_works: float
    p_plain: float
    p_equal: float

    @property
    def sign(self) -> int:
        """Direction of the difference to the plain prompt: 1 above, -1 below."""
        return 1 if self.measured.none.estimate > 0 else -1


def measure(
    found: Sample,
    treatments: Sequence[Roles],
    *,
    margin: float = 0.03,
    level: float = 0.95,
    lost: Sequence[bool] | None = None,
    flips: int = FLIPS,
    draws: int = 2_000,
    seed: int = 0,
) -> list[Measured]:
    """Numbers of all treatments of one model on one task or suite.

    Args:
        found: results of the treatments and their controls.
        treatments: rows of each.
        margin: half-width of the region of equivalence.
        level: coverage of the intervals, over all contrasts to the plain prompt and to placebos.
        lost: for each treatment, whether unread answers turn the sign of its difference.
        flips: random flips of the tests.
        draws: resamples of the intervals of content and form.
        seed: of both.

    Raises:
        ValueError: rows that do not exist.
    """
    if not treatments:
        return []
    weights, owners = [], []
    for i, roles in enumerate(treatments):
        for controls in ((roles.none,), roles.placebos):
            if controls:
                row = [0.0] * len(found.own)
                row[roles.arm] = 1.0
                for control in controls:
                    row[control] -= 1.0 / len(controls)
                weights.append(row)
                owners.append((i, controls is roles.placebos))
    tested = contrasts(found, weights, margin=margin, level=level, flips=flips, seed=seed)
    by_owner = dict(zip(owners, tested, strict=True))
    # One plain prompt a model as a rule; several (one-turn methods) are split one by one.
    parts: dict[int, Split | None] = {}
    for none in dict.fromkeys(r.none for r in treatments):
        mine = [i for i, r in enumerate(treatments) if r.none == none]
        rows = [treatments[i].arm for i in mine]
        parts |= dict(zip(mine, split(found, rows, none, draws=draws, seed=seed), strict=True))
    ends = {r.none: edges(found, r.none) for r in treatments}
    return [
        Measured(
            arm=roles.arm,
            none=by_owner[i, False],
            placebo=by_owner.get((i, True)),
            alone=tuple(_gap(found, roles.arm, p) for p in roles.placebos),
            split=parts[i],
            edges=ends[roles.none],
            lost=bool(lost[i]) if lost is not None else False,
        )
        for i, roles in enumerate(treatments)
    ]


def _gap(found: Sample, arm: int, control: int) -> float:
    return level_of(found, arm) - level_of(found, control)


def decide(measured: Sequence[Measured], level: float = 0.95) -> list[Finding]:
    """Words for all treatments of one model: Holm within each of the three families.

    Args:
        measured: everything that one model's run measured (several lone tasks are one family).
        level: 1 - level is the error rate of each family.
    """
    if not measured:
        return []
    alpha = 1 - level + 1e-12
    works = holm([m.p_works for m in measured])
    plain = holm([m.none.p for m in measured])
    equal = holm([m.none.p_equal for m in measured])
    far_works = holm([m.p_works_over_tasks for m in measured])
    far_plain = holm([m.none.over.p if m.none.over else 1.0 for m in measured])
    out = []
    for i, m in enumerate(measured):
        both, differs = bool(works[i] <= alpha), bool(plain[i] <= alpha)
        inside = bool(equal[i] <= alpha) and not m.edges.blind
        up = m.none.estimate > 0
        word: Word = "equivalent" if inside else "undecided"
        gate: Gate = ""
        if differs:
            word = "above" if up else "below"
        if both and len(m.alone) >= 2:
            if all((gap > 0) == up for gap in m.alone):
                word = "works" if up else "hurts"
            else:
                gate = "placebos"
        if word in ("works", "hurts", "above", "below"):
            taken = _taken(m, up)
            if taken:
                word, gate = ("equivalent" if inside else "undecided"), taken
        over = None
        if m.none.over is not None:
            far = far_works if both and not gate else far_plain
            over = bool(far[i] <= alpha)
        out.append(
            Finding(
                m, word, gate, both, differs, inside, over,
                float(works[i]), float(plain[i]), float(equal[i]),
            )
        )  # fmt: skip
    return out


def _taken(m: Measured, up: bool) -> Gate:
    """What takes the word away: form, or that content and form are not told apart."""
    if m.lost:
        return "lost"
    s = m.split
    if s is None:
        return ""
    if s.form_low == s.form_high == 0:
        return ""  # no right answer of either arm was in another form: nothing to tell apart
    content_zero = s.content_low <= 0 <= s.content_high
    form_zero = s.form_low <= 0 <= s.form_high
    if not content_zero:
        return "" if (s.content > 0) == up else "form"
    return "mixed" if form_zero else "form"


@dataclass(frozen=True, slots=True)
class Compared:
    """One planned contrast that carries no "works": a loop's, or two named arms.

    Attributes:
        difference: the numbers.
        word: ``above``, ``below``, ``equivalent`` or ``undecided``.
        inside: equivalent within the margin.
        over: the word holds over tasks like these; None with fewer than six tasks.
        p_holm, p_equal: adjusted over the family.
    """

    difference: Difference
    word: Word
    inside: bool
    over: bool | None
    p_holm: float
    p_equal: float


def compare_all(
    differences: Sequence[Difference], level: float = 0.95, blind: bool = False
) -> list[Compared]:
    """Words for contrasts of one family: Holm over them, equivalence as a second family.

    Args:
        differences: the contrasts.
        level: 1 - level is the error rate of each family.
        blind: no equivalence, because the controls are at the floor or ceiling.
    """
    if not differences:
        return []
    alpha = 1 - level + 1e-12
    p, equal = holm([d.p for d in differences]), holm([d.p_equal for d in differences])
    far = holm([d.over.p if d.over else 1.0 for d in differences])
    out = []
    for i, d in enumerate(differences):
        inside = bool(equal[i] <= alpha) and not blind
        word: Word = "equivalent" if inside else "undecided"
        if p[i] <= alpha:
            word = "above" if d.estimate > 0 else "below"
        over = None if d.over is None else bool(far[i] <= alpha)
        out.append(Compared(d, word, inside, over, float(p[i]), float(equal[i])))
    return out
