"""The plan's power line: what the claim of a plan can see, from the numbers of its sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from heartloop.analysis import ABSENT, CORRECT
from heartloop.analysis.design import PowerPlan, power_plan
from heartloop.analysis.power import Pilot, pilot_noise
from heartloop.errors import UsageError
from heartloop.types import Claim

if TYPE_CHECKING:
    from heartloop.run.folder import RunFolder
    from heartloop.run.results import ArmResults


def power_of(
    claim: Claim,
    questions: int,
    seeds: int,
    *,
    units: int = 1,
    pilot: Pilot | None = None,
    source: str = "",
    target: float | None = None,
) -> PowerPlan | None:
    """What a claim's design can detect; None where it has no contrast.

    Args:
        claim: whose families and controls count.
        questions: of all its tasks.
        seeds: runs of each question.
        units: lone tasks and suites: one family over treatments x units.
        pilot: noise of an earlier run.
        source: its name.
        target: a difference to plan for, a share.
    """
    treatments = sum(c.family == "plain" for c in claim.contrasts)
    placebos = max((len(c.controls) for c in claim.contrasts if c.name == "placebo"), default=0)
    if not treatments:
        treatments = sum(c.family in ("loop", "arms") for c in claim.contrasts)
    if not treatments:
        return None
    return power_plan(
        max(1, questions // units),
        treatments * units,
        seeds,
        placebos=placebos,
        pilot=pilot,
        source=source,
        margin=claim.margin,
        target=target,
        alpha=claim.level,
    )


def noise_in(folder: RunFolder) -> tuple[Pilot, float | None, str]:
    """Noise of a run's noisiest arm against its plain prompt, tokens an answer, and a line.

    Raises:
        UsageError: it has no two arms with shared questions.
    """
    from heartloop.run.results import load_results

    return noise_of(load_results(folder), folder.name)


def noise_of(results: Sequence[ArmResults], name: str) -> tuple[Pilot, float | None, str]:
    """The same from results that were read already."""
    groups: dict[tuple[str, str], list[Any]] = {}
    for found in results:
        groups.setdefault((found.task, found.model), []).append(found)
    parts: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    control = ""
    used = asked = 0
    for arms in groups.values():
        first = next((arm for arm in arms if arm.role == "none"), arms[0])
        control = first.arm
        for arm in arms:
            used += int(arm.tokens.sum())
            asked += int((arm.outcomes != ABSENT).sum())
            if arm is first:
                continue
            row = {q: i for i, q in enumerate(first.questions)}
            both = [(i, row[q]) for i, q in enumerate(arm.questions) if q in row]
            if both:
                here, there = (list(side) for side in zip(*both, strict=True))
                parts.setdefault(arm.arm, []).append((arm.outcomes[here], first.outcomes[there]))
    noise: dict[str, Pilot] = {}
    for arm_name, tables in parts.items():
        a, b = (np.concatenate([pair[side] for pair in tables]) for side in (0, 1))
        mask = (a != ABSENT) & (b != ABSENT)
        if mask.any():
            noise[arm_name] = pilot_noise(a == CORRECT, b == CORRECT, mask)
    if not noise:
        raise UsageError(f"--power-from {name}: needs two arms with shared questions")
    worst = max(noise, key=lambda arm: noise[arm].discordance)
    line = f"{name}: {worst} against {control}, {noise[worst].questions} questions"
    return noise[worst], (used / asked if asked else None), line
