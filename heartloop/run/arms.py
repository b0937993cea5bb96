"""From flags to arms: what is tried, and the controls beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from heartloop.errors import UsageError
from heartloop.run.plan import with_cues
from heartloop.types import Arm, Mode, Placement, Stimulus

LEVELS = ("none", "lean", "matched", "full")
"""How many controls: nothing; the plain prompt and the same again; placebos too, and the
demand-only twins of claims that stand; every twin at once."""
TRIED = ("stimulus", "paraphrase")  # kinds of stimuli; the others are controls beside them


def build_arms(
    method: str,
    *,
    stimuli: str | Sequence[str] | None = None,
    controls: str = "matched",
    mode: Mode = "oracle",
    placements: Sequence[Placement] = (),
    params: Mapping[str, Any] | None = None,
) -> tuple[Arm, ...]:
    """The arms that flags stand for: an arm for each stimulus, or the method; and its controls.

    With several placements every stimulus is an arm at each of them, ``EP02@before``, beside
    controls that stand where it does. A twin or placebo that is named beside stimuli is a control,
    not one more treatment.

    Raises:
        UsageError: an unknown method, level, stimulus or parameter.
    """
    from heartloop.cards import parse_stimuli
    from heartloop.methods import validate_arm
    from heartloop.run.doors import open_method

    method = open_method(method)
    params = dict(params or {})
    if not stimuli:
        return with_controls([with_cues(Arm(method, method, params=params))], controls, mode)
    validate_arm(with_cues(Arm(method, method, params=params)), mode)
    groups = parse_stimuli(stimuli)
    tried = [g for g in groups if len(g) > 1 or g[0].kind in TRIED] or groups
    where: Sequence[Placement | None] = placements or (None,)
    several = len(where) > 1

    def arms_of(chosen: Sequence[tuple[Stimulus, ...]]) -> list[Arm]:
        return [
            _stimulus_arm(method, group, place, params, f"@{place}" if several else "")
            for place in where
            for group in chosen
        ]

    treatments = arms_of(tried)
    named = arms_of([group for group in groups if group not in tried])
    return with_controls(treatments, controls, mode, named)


def with_controls(
    treatments: Sequence[Arm], level: str, mode: Mode, named: Sequence[Arm] = ()
) -> tuple[Arm, ...]:
    """Treatments of one method beside the controls of a level.

    ``lean`` has ``none`` and ``again`` (the same prompt once more: the spread of asking anew);
    ``matched`` adds the placebos of every stimulus's length class and, to be asked last, the
    demand-only twins of stimuli that also ask for something; ``full`` asks every twin at once,
    distractors included. A loop has the arms of `heartloop.methods.matched_controls`; a method of
    one turn has placebos where its own words stand.

    Args:
        treatments: not empty; with stimuli, or one arm without any.
        level: one of `LEVELS`.
        mode: for the check of the arms.
        named: controls that the user named.

    Raises:
        UsageError: an unknown level, or an arm that cannot run.
    """
    from heartloop.methods import SPECS, one_turn_controls, validate_arm

    if level not in LEVELS:
        raise UsageError(f"--controls {level!r} is none of {', '.join(LEVELS)}")
    if treatments[0].stimuli:
        arms = _beside_stimuli(treatments, level, named)
    elif level == "none":
        arms = list(treatments)
    elif "rounds" in SPECS[treatments[0].method].params:
        arms = [*treatments, *_beside_loop(treatments[0], mode, level)]
    else:
        arms = [*treatments, *one_turn_controls(treatments[0], mode, level)]
    for arm in arms:
        validate_arm(arm, mode)
    return tuple(_unique(arms))


def level_calls(arms: Sequence[Arm], questions: int) -> dict[str, tuple[int, int]]:
    """Level -> calls that stimuli in one turn take with its controls: without gated arms, and most.

    Args:
        arms: of a plan; empty where its treatments are not stimuli of one answer each.
        questions: times models and seeds.
    """
    treatments = [arm for arm in arms if arm.role == "treatment"]
    if not treatments or any(arm.method != "single" or not arm.stimuli for arm in treatments):
        return {}
    found = {}
    for level in LEVELS:
        every = with_controls(treatments, level, "oracle")
        sure = sum(not arm.gated for arm in every)
        found[level] = (sure * questions, len(every) * questions)
    return found


def _beside_loop(arm: Arm, mode: Mode, level: str) -> list[Arm]:
    from heartloop.methods import matched_controls

    if level == "lean":
        return [Arm("single", role="none"), Arm("again", params={"draw": 1}, role="again")]
    return [with_cues(other) for other in matched_controls(arm, mode)]


def _beside_stimuli(treatments: Sequence[Arm], level: str, named: Sequence[Arm]) -> list[Arm]:
    """Controls, stimuli, twins, in this order."""
    from heartloop.methods import SPECS, TWINS, placebo_arms, twin_arms

    own = [_as_control(arm, treatments) for arm in named]
    if level == "none":
        return [*treatments, *own]
    first = treatments[0]
    prefix = "" if first.method == "single" else f"{first.method}/"
    plain = dataclasses.replace(first, stimuli=(), placement="after_instruction")
    arms = [dataclasses.replace(plain, name=f"{prefix}none", role="none")]
    if "draw" in SPECS[first.method].params:
        again = {**first.params, "draw": 1}
        arms.append(dataclasses.replace(plain, name=f"{prefix}again", params=again, role="again"))
    if level != "lean":
        arms += placebo_arms(treatments, [arm.stimuli[0] for arm in named])
    used = {s.name for arm in arms for s in arm.stimuli}
    arms += [*treatments, *(arm for arm in own if arm.stimuli[0].name not in used)]
    if level == "full":
        arms += twin_arms(treatments, TWINS)
    elif level == "matched":
        arms += twin_arms(treatments, ("demand-only",), gated=True)
    return _once(arms)


def _as_control(arm: Arm, treatments: Sequence[Arm]) -> Arm:
    """An arm whose stimulus is of a control's kind, in that role."""
    said = arm.stimuli[0]
    of = tuple(t.name for t in treatments if said.of and said.of in {s.name for s in t.stimuli})
    return dataclasses.replace(arm, role=said.kind, of=of)


def _stimulus_arm(
    method: str,
    group: tuple[Stimulus, ...],
    placement: Placement | None,
    params: dict[str, Any],
    suffix: str = "",
) -> Arm:
    name = "+".join(s.id for s in group) + suffix
    if method != "single":
        name = f"{method}/{name}"
    place = placement or group[0].placement
    return with_cues(Arm(name, method, stimuli=group, placement=place, params=params))


def _once(arms: list[Arm]) -> list[Arm]:
    """Without twins that were named by hand already: the first of a name and its words stays."""
    found: dict[Any, Arm] = {}
    for arm in arms:
        found.setdefault((arm.name, tuple(s.text for s in arm.stimuli)), arm)
    return list(found.values())


def _unique(arms: list[Arm]) -> list[Arm]:
    seen: dict[str, Arm] = {}
    for arm in arms:
        if arm.name not in seen:
            seen[arm.name] = arm
        elif seen[arm.name] != arm:
            full = "+".join(s.name for s in arm.stimuli) or f"{arm.name}-2"
            seen[full] = dataclasses.replace(arm, name=full)
    return list(seen.values())
