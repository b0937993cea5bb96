"""The arms of a search: stimuli × placements × pairs, or schedules of a loop, beside controls."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from heartloop.cards import parse_stimuli
from heartloop.errors import UsageError
from heartloop.types import PLACEMENTS, Arm, Mode, Placement, Stimulus

MOST_ARMS = 500


def placebo_for(groups: Sequence[Sequence[Stimulus]]) -> Stimulus | None:
    """A placebo of the stimulus of median length, joined as it is; None without any."""
    from heartloop.methods import placebos_of

    ranked = sorted((g for g in groups if g), key=lambda g: sum(len(s.text) for s in g))
    return placebos_of(ranked[(len(ranked) - 1) // 2])[0] if ranked else None


def search_arms(
    stimuli: str | Sequence[str] | None,
    *,
    method: str = "single",
    placements: Sequence[str] = (),
    pairs: bool = False,
    schedules: Sequence[str] = (),
    params: Mapping[str, Any] | None = None,
    mode: Mode = "oracle",
) -> list[Arm]:
    """Every arm of a search, "none" first and the placebo second.

    Args:
        stimuli: as ``--stimuli`` takes them; an arm each. None for a search over schedules alone.
        method: what every arm runs; with ``schedules`` a loop such as ``heart``.
        placements: places to try; none tries each card's own.
        pairs: also every two of the single stimuli together.
        schedules: cue schedules to try, each with no stimulus and with every stimulus; the
            controls are the loop that says nothing (``reflect``) and the one with neutral lines.
        params: further parameters of the method.
        mode: for the check of the arms.

    Returns:
        Distinct arms; the first is what all others are compared with.

    Raises:
        UsageError: nothing to search over, an unknown name, or too many arms.
    """
    from heartloop.methods import validate_arm
    from heartloop.run.plan import arm_from_dict, with_cues

    for place in placements:
        if place not in PLACEMENTS:
            raise UsageError(f"--placement {place!r} is none of {', '.join(PLACEMENTS)}")
    groups = parse_stimuli(stimuli) if stimuli else []
    if not groups and not schedules:
        raise UsageError("--stimuli: nothing to search over; name stimuli, or --schedule for loops")
    if pairs:
        singles = [group[0] for group in groups if len(group) == 1]
        groups += [pair for pair in combinations(singles, 2) if pair not in groups]
    if schedules and method == "single":
        method = "heart"
    base = dict(params or {})
    arms: list[Arm] = []

    def add(
        name: str, method: str, group: Sequence[Stimulus], place: Placement, **more: Any
    ) -> None:
        role = more.pop("role", "treatment")
        values = {**base, **more}
        plain = arm_from_dict(
            {"name": name, "method": method, "params": values, "role": role}, "search"
        )
        arm = dataclasses.replace(plain, stimuli=tuple(group), placement=place)
        arms.append(with_cues(arm))

    placebo = placebo_for(groups)
    place_of = placements[0] if placements else "after_instruction"
    if schedules:
        add("none", "reflect", (), "after_instruction", role="none")
        add("placebo", "neutral", (), "after_instruction", role="placebo")
        for schedule in schedules:
            add(schedule, method, (), "after_instruction", schedule=schedule)
    else:
        add("none", method, (), "after_instruction", role="none")
        if placebo is not None:
            add("placebo", method, (placebo,), place_of, role="placebo")  # type: ignore[arg-type]
    for group in groups:
        for place in placements or (group[0].placement,):
            for schedule in schedules or ("",):
                label = "+".join(stimulus.name for stimulus in group)
                label += f"@{place}" if len(placements) > 1 else ""
                label += f"/{schedule}" if schedule else ""
                more = {"schedule": schedule} if schedule else {}
                add(label, method, group, place, **more)  # type: ignore[arg-type]
    if len(arms) > MOST_ARMS:
        raise UsageError(f"{len(arms)} arms are too many for one search (at most {MOST_ARMS})")
    if len({arm.name for arm in arms}) < len(arms):
        raise UsageError("--stimuli: two arms have the same name; leave one out")
    for arm in arms:
        validate_arm(arm, mode)
    return arms
