from __future__ import annotations

import pytest

from heartloop.cards import load_stimuli, parse_stimuli
from heartloop.errors import UsageError
from heartloop.methods import controls_for, length_difference, placebo_class, placebos_of
from heartloop.run.arms import LEVELS, build_arms, level_calls
from heartloop.run.plan import arm_from_dict, arm_to_dict
from heartloop.types import Arm

ALL = "emotionprompt,negativeprompt"


def of(arms: tuple[Arm, ...], role: str) -> list[str]:
    return [arm.name for arm in arms if arm.role == role]


def named(arms: tuple[Arm, ...], name: str) -> Arm:
    return next(arm for arm in arms if arm.name == name)


def test_levels_grow_from_nothing_to_every_twin() -> None:
    arms = {level: build_arms("single", stimuli=ALL, controls=level) for level in LEVELS}
    assert {level: len(found) for level, found in arms.items()} == {
        "none": 21,
        "lean": 23,
        "matched": 40,
        "full": 153,
    }
    assert of(arms["lean"], "none") == ["none"] and of(arms["lean"], "again") == ["again"]
    gated = [arm for arm in arms["matched"] if arm.gated]
    assert {arm.role for arm in gated} == {"demand-only"} and len(gated) == 9
    assert list(arms["matched"][-9:]) == gated  # last, and "at most"
    assert not any(arm.gated for arm in arms["full"])
    for role, count in (("affect-only", 8), ("shuffled", 21), ("paraphrase", 63)):
        assert len(of(arms["full"], role)) == count
    with pytest.raises(UsageError, match="--controls 'some' is none of none, lean, matched, full"):
        build_arms("single", stimuli="EP02", controls="some")


def test_the_placebos_of_a_stimulus_depend_on_it_alone() -> None:
    alone = {
        arm.name: controls_for(arm, found)["placebo"]
        for spec in [s.name for n in ALL.split(",") for s in load_stimuli(n).stimuli]
        for found in [build_arms("single", stimuli=spec)]
        for arm in found
        if arm.role == "treatment"
    }
    together = build_arms("single", stimuli=ALL)
    assert {
        arm.name: controls_for(arm, together)["placebo"]
        for arm in together
        if arm.role == "treatment"
    } == alone
    assert alone["EP02"] == ("placebo-short-1", "placebo-short-2")
    assert alone["EP06"] == ("placebo-long-1", "placebo-long-2")
    assert alone["EP01"] == ("placebo-middle-1-comma", "placebo-middle-2-comma")


def test_placebos_are_within_half_of_the_words_of_every_published_stimulus() -> None:
    for spec in ALL.split(","):
        for stimulus in load_stimuli(spec).stimuli:
            gap = length_difference((stimulus,), placebos_of((stimulus,)))
            assert abs(gap) <= 0.5, (stimulus.id, gap)
    for words in range(3, 51):
        pair = placebo_class(words)
        assert abs(len(pair[0].text.split()) / words - 1) <= 0.5, words


def test_placebos_are_joined_and_placed_as_their_stimulus() -> None:
    for place in (None, "before"):
        arms = build_arms("single", stimuli="EP01,EP02", placements=(place,) if place else ())
        for arm in arms:
            if arm.role != "treatment":
                continue
            for name in controls_for(arm, arms)["placebo"]:
                placebo = named(arms, name)
                assert placebo.placement == arm.placement
                assert placebo.stimuli[0].joiner == arm.stimuli[0].joiner


def test_a_combination_takes_the_class_of_its_words_together() -> None:
    [(first, second)] = parse_stimuli("EP02+EP11")  # 7 + 15 words
    assert [s.id for s in placebos_of((first, second))] == ["placebo-long-1", "placebo-long-2"]
    arms = build_arms("single", stimuli="EP02+EP11")
    assert of(arms, "demand-only") == []  # no twin of two at once


@pytest.mark.parametrize("method", ["cot", "emotional_cot", "planner"])
def test_one_turn_methods_have_the_plain_prompt_and_neutral_twins(method: str) -> None:
    arms = build_arms(method)
    assert (of(arms, "none"), of(arms, "again")) == (["single"], ["again"])
    twins = [arm for arm in arms if arm.role == "placebo"]
    assert len(twins) == 2
    for arm in twins:  # where the method puts its own words: a paragraph behind the input
        assert (arm.placement, arm.stimuli[0].joiner) == ("after_input", "\n\n")
    assert of(build_arms(method, controls="lean"), "placebo") == []
    assert len(build_arms(method, controls="none")) == 1


def test_draws_have_the_plain_prompt_and_adaptive_as_many_draws() -> None:
    assert of(build_arms("resample"), "none") == ["single"]
    arms = build_arms("adaptive", params={"draws": 8})
    assert named(arms, "resample").params["draws"] == 8


def test_a_twin_named_beside_its_stimulus_is_its_control() -> None:
    arms = build_arms("single", stimuli="EP03,SH-EP03,DO-EP03,cot")
    mine = controls_for(named(arms, "EP03"), arms)
    assert mine["shuffled"] == ("SH-EP03",) and mine["demand-only"] == ("DO-EP03",)
    assert mine["cot"] == ("COT01",)
    assert not named(arms, "DO-EP03").gated and len(of(arms, "demand-only")) == 1
    alone = build_arms("single", stimuli="SH-EP03")
    assert of(alone, "treatment") == ["SH-EP03"]


def test_controls_are_told_by_the_treatments_they_name() -> None:
    arms = build_arms("single", stimuli="EP01,EP02,EP06", controls="full")
    for arm in arms:
        if arm.role == "treatment":
            mine = controls_for(arm, arms)
            assert mine["none"] == ("none",) and len(mine["placebo"]) == 2
            assert len(mine["paraphrase"]) == 3
            assert all(arm.name in name for role in ("shuffled",) for name in mine[role])
    assert "demand-only" not in controls_for(named(arms, "EP02"), arms)


def test_a_control_without_names_is_of_every_treatment_and_old_names_still_hold() -> None:
    treatments = (Arm("A"), Arm("B"))
    placebo = Arm("placebo", role="placebo")
    old = Arm("resample for A", "resample", role="resample")
    arms = (*treatments, placebo, old)
    assert controls_for(treatments[0], arms) == {
        "placebo": ("placebo",),
        "resample": ("resample for A",),
    }
    assert controls_for(treatments[1], arms) == {"placebo": ("placebo",)}


def test_an_arm_goes_into_the_manifest_and_back_with_what_it_is_of() -> None:
    for arm in build_arms("single", stimuli="EP03"):
        assert arm_from_dict(arm_to_dict(arm), "plan") == arm


def test_the_plan_tells_what_every_level_costs() -> None:
    arms = build_arms("single", stimuli=ALL)
    assert level_calls(arms, 10) == {
        "none": (210, 210),
        "lean": (230, 230),
        "matched": (310, 400),
        "full": (1530, 1530),
    }
    assert level_calls(build_arms("heart"), 10) == {}
