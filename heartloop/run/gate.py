"""Arms that are asked last, and only where the claim of their treatment stands."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection

from heartloop.run.folder import RunFolder
from heartloop.run.layout import Manifest
from heartloop.run.plan import Plan
from heartloop.types import Arm

Standing = Callable[[RunFolder], Collection[str]]
"""Names of the treatments whose claim stands, from the verdicts of a run folder."""


def first_arms(plan: Plan, manifest: Manifest) -> tuple[Arm, ...]:
    """The arms of the first phase: all but those that wait for a claim."""
    if "gate" in manifest:  # decided in an earlier session: what is left of the plan is asked
        return plan.arms
    return tuple(arm for arm in plan.arms if not arm.gated)


def decide_gate(
    plan: Plan, manifest: Manifest, standing: Collection[str]
) -> tuple[Plan, tuple[Arm, ...]]:
    """Fix which gated arms are asked; the others leave the plan, since they never will be.

    The claim block stays as it is: it names the twins that could be asked at most.

    Args:
        plan: with its gated arms.
        manifest: gets the facts and the shortened plan.
        standing: names of the treatments whose claim stands.

    Returns:
        The shortened plan, and the arms that are now to be asked.
    """
    gated = [arm for arm in plan.arms if arm.gated]
    asked = tuple(arm for arm in gated if set(arm.of) & set(standing))
    left_out = [arm.name for arm in gated if arm not in asked]
    plan = dataclasses.replace(
        plan, arms=tuple(arm for arm in plan.arms if arm.name not in left_out)
    )
    manifest["gate"] = {
        "stands": sorted(standing),
        "asked": [arm.name for arm in asked],
        "left_out": left_out,
    }
    manifest["plan"] = plan.to_dict()
    return plan, asked
