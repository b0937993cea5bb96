"""What a claim's design can see: the figures of the plan's power line and of ``heartloop power``.

The same numbers as the sentence: the first step of Holm over the treatments, both contrasts
(against the plain prompt and against the mean of the own placebos), and TOST for equivalence.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from heartloop.analysis._special import norm_cdf, norm_ppf
from heartloop.analysis.power import CORRELATION, DISCORDANCE, Pilot, paired_power

MOST = 10_000_000
_GRID = np.linspace(-8.0, 8.0, 1601)


def claim_power(
    n: int,
    difference: float,
    discordance: float = DISCORDANCE,
    *,
    treatments: int = 1,
    placebos: int = 2,
    alpha: float = 0.05,
    seeds: int = 1,
    correlation: float = CORRELATION,
) -> float:
    """Probability that one treatment gets its word at the first step of Holm.

    Against the plain prompt it is `paired_power` at alpha / treatments. Against the mean of k
    placebos, which have no effect of their own, the variance of a question's difference is
    (1 + 1/k)/2 of that; both contrasts share the treatment's answers, so that they correlate
    1 / sqrt(2 (1 + 1/k)), and both must be significant: P = P(Z1 < a, Z2 < b).

    Args:
        n: questions.
        difference: true difference to the plain prompt and to the placebos, a share.
        discordance: share of questions on which treatment and plain prompt differ.
        treatments: size of the Holm family.
        placebos: sentences that are averaged; 0: the plain prompt alone.
        alpha: level of the family.
        seeds: runs of each question.
        correlation: of a question's differences over seeds.

    Raises:
        ValueError: values out of range.
    """
    each = alpha / max(1, treatments)
    plain = paired_power(n, difference, discordance, each, seeds, correlation)
    if placebos < 1 or not 0 < plain < 1:
        return plain
    pairs = n * seeds / (1 + (seeds - 1) * correlation)
    share = (1 + 1 / placebos) / 2
    delta, z = abs(difference), norm_ppf(1 - each / 2)
    spread = max(share * discordance - delta * delta, 1e-12)
    reach = (math.sqrt(pairs) * delta - z * math.sqrt(share * discordance)) / math.sqrt(spread)
    return _both(norm_ppf(plain), reach, 1 / math.sqrt(2 * (1 + 1 / placebos)))


def _both(a: float, b: float, r: float) -> float:
    """P(Z1 < a, Z2 < b) for standard normals with correlation r, by the trapezoid rule."""
    density = np.exp(-(_GRID**2) / 2) / math.sqrt(2 * math.pi)
    inner = np.array([norm_cdf((b - r * x) / math.sqrt(1 - r * r)) for x in _GRID])
    value = density * inner * (a >= _GRID)
    return float(min(1.0, max(0.0, ((value[1:] + value[:-1]) / 2 * np.diff(_GRID)).sum())))


def equivalence_power(
    n: int,
    margin: float = 0.03,
    discordance: float = DISCORDANCE,
    *,
    treatments: int = 1,
    alpha: float = 0.05,
    seeds: int = 1,
    correlation: float = CORRELATION,
) -> float:
    """Probability that TOST shows equivalence where nothing differs, at the first step of Holm.

    ``2 Φ((margin - 1/2N) / se - z) - 1`` with se as in `heartloop.analysis.contrasts.contrasts`:
    not below that of a binary metric at the margin.
    """
    pairs = n * seeds / (1 + (seeds - 1) * correlation)
    se = math.sqrt(discordance / pairs)
    used = max(se, math.sqrt(margin * (1 - margin) / n))
    reach = margin - 0.5 / n - norm_ppf(1 - alpha / max(1, treatments)) * used
    return max(0.0, 2 * norm_cdf(reach / se) - 1) if reach > 0 else 0.0


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


@dataclass(frozen=True, slots=True)
class PowerPlan:
    """What a design can see: the block that every plan prints.

    Attributes:
        questions, seeds, treatments: the design; the treatments are one Holm family.
        placebos: how many each treatment must beat the mean of, beside the plain prompt; 0: none.
        discordance, correlation: noise without a large effect.
        source: where it comes from, ``assumed`` or the run it was measured in.
        alpha: level of a single treatment at the first step of Holm.
        margin: half-width of equivalence.
        smallest: smallest difference that is named, a share; None: no difference is.
        equivalence: probability that equivalence is shown where nothing differs.
        tokens: estimated for the whole run; None where no estimate was given.
        target, needed, needed_tokens: for a difference asked about.
        needed_equivalence: questions for equivalence; None where out of reach.
    """

    questions: int
    seeds: int
    treatments: int
    placebos: int
    discordance: float
    correlation: float
    source: str
    power: float
    alpha: float
    margin: float
    smallest: float | None
    equivalence: float
    tokens: int | None
    target: float | None
    needed: int | None
    needed_tokens: int | None
    needed_equivalence: int | None

    @property
    def sentence(self) -> str:
        """One line for the screen."""
        design = _count(self.questions, "question")
        if self.seeds > 1:
            design += f" x {self.seeds} seeds"
        what = ", against the plain prompt and the placebos" if self.placebos else ""
        several = (
            f" (each of {self.treatments}, first step of Holm{what})"
            if self.treatments > 1
            else f" ({what[2:]})"
            if what
            else ""
        )
        if self.smallest is None:
            return f"{design} can show no difference{several}, however large: ask more questions"
        if self.smallest > self.discordance + 1e-4:
            # A difference is at most the share of pairs that differ: none within the assumed
            # noise is found, and the figure supposes that every pair that differs is a win.
            return (
                f"{design} are few: only a difference of {100 * self.smallest:.0f} points or more, "
                f"every change in its favour, is found with {self.power:.0%} power{several}; "
                "ask more questions"
            )
        text = (
            f"smallest difference found with {self.power:.0%} power{several}: "
            f"{100 * self.smallest:.1f} points, if the arms differ on {self.discordance:.0%} of "
            f"the questions ({self.source}); no difference beyond ±{100 * self.margin:g} points "
            f"would be shown with {self.equivalence:.0%} power"
        )
        if self.target is not None:
            needs = "out of reach" if self.needed is None else _count(self.needed, "question")
            text += f"; {100 * self.target:g} points: {needs}"
        return text


def power_plan(
    questions: int,
    treatments: int = 1,
    seeds: int = 1,
    *,
    placebos: int = 2,
    discordance: float | None = None,
    correlation: float | None = None,
    pilot: Pilot | None = None,
    source: str = "",
    margin: float = 0.03,
    target: float | None = None,
    tokens_per_question: float | None = None,
    power: float = 0.8,
    alpha: float = 0.05,
) -> PowerPlan:
    """Everything ``heartloop power`` and a printed plan say; takes milliseconds.

    Args:
        questions: in the task.
        treatments: that share the level.
        seeds: runs of each question.
        placebos: whose mean each treatment must beat, beside the plain prompt.
        discordance: share of pairs that differ; default the pilot's, else 0.10.
        correlation: of differences over seeds; default the pilot's, else 0.1.
        pilot: noise of an earlier run.
        source: its name.
        margin: half-width of equivalence, a share.
        target: a difference to plan for, a share.
        tokens_per_question: of all arms together.
        power: wanted probability of finding a difference.
        alpha: level of the family.

    Raises:
        ValueError: as in :func:`heartloop.analysis.power.paired_power`.
    """
    given = source or ("assumed" if pilot is None else "pilot")
    d = discordance if discordance is not None else (pilot.discordance if pilot else DISCORDANCE)
    rho = correlation if correlation is not None else (pilot.correlation if pilot else CORRELATION)

    def chance(n: int, delta: float) -> float:
        return claim_power(
            n, delta, min(1.0, max(d, delta)), treatments=treatments, placebos=placebos,
            alpha=alpha, seeds=seeds, correlation=rho,
        )  # fmt: skip

    def shown(n: int) -> float:
        return equivalence_power(
            n, margin, d, treatments=treatments, alpha=alpha, seeds=seeds, correlation=rho
        )

    smallest = None
    if chance(questions, 1.0) >= power:
        low, high = 0.0, 1.0
        while high - low > 1e-4:
            middle = 0.5 * (low + high)
            low, high = (low, middle) if chance(questions, middle) >= power else (middle, high)
        smallest = high
    needed = None if target is None else _first(lambda n: chance(n, abs(target)) >= power)
    each = None if tokens_per_question is None else tokens_per_question * seeds
    return PowerPlan(
        questions=questions,
        seeds=seeds,
        treatments=treatments,
        placebos=placebos,
        discordance=d,
        correlation=rho,
        source="assumed" if discordance is not None and not source else given,
        power=power,
        alpha=alpha / max(1, treatments),
        margin=margin,
        smallest=smallest,
        equivalence=shown(questions),
        tokens=None if each is None else math.ceil(each * questions),
        target=target,
        needed=needed,
        needed_tokens=None if each is None or needed is None else math.ceil(each * needed),
        needed_equivalence=_first(lambda n: shown(n) >= power),
    )


def _first(reached: Callable[[int], bool]) -> int | None:
    """Smallest number of questions for which something holds, by bisection; None above `MOST`."""
    high = 8
    while not reached(high):
        high *= 2
        if high > MOST:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high
