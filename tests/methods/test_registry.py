"""Parameters, matched controls and what they cost: refused or right before anything is asked."""

from __future__ import annotations

import pytest
from method_fakes import CUES, boxed, question

from heartloop.errors import UsageError
from heartloop.methods import (
    METHODS,
    PARAMS,
    SPECS,
    TokenAverages,
    draws_for_equal_tokens,
    expected_calls,
    expected_tokens,
    first_calls,
    matched_controls,
    register,
    render,
    settings,
    validate_arm,
)
from heartloop.types import Arm, Completion, Usage

HEART = Arm("heart", "heart", cues=CUES)


@pytest.mark.parametrize(
    ("method", "params", "says"),
    [
        ("hart", {}, "did you mean 'heart'"),
        ("heart", {"round": 3}, "did you mean 'rounds'"),
        ("single", {"rounds": 3}, "single takes no parameter 'rounds'"),
        ("heart", {"rounds": -1}, "at least 0"),
        ("heart", {"rounds": 2.5}, "whole number"),
        ("heart", {"rounds": True}, "whole number"),
        ("heart", {"candidates": 0}, "at least 1"),
        ("heart", {"history": "ful"}, "did you mean 'full'"),
        ("heart", {"told_wrong": "yes"}, "true or false"),
        ("heart", {"temperatures": "hot"}, "number"),
        ("heart", {"stop": "soon"}, "auto, solved, stable, never"),
        ("heart", {"order": 3}, "1 or 2"),
        ("heart", {"alpha": 2}, "0 to 1"),
        ("heart", {"first_valence": "happy"}, "critical, encouraging"),
        ("resample", {"draws": 0.5}, "at least 1"),
        ("heart", {"tables": 3}, "tables"),
        ("knowledge", {}, "give a text"),
        ("planner", {"plan": 3}, "one text"),
    ],
)
def test_a_wrong_arm_is_refused_with_a_remedy(method, params, says):
    cues = CUES if method == "heart" else ()
    with pytest.raises(UsageError, match=says) as error:
        validate_arm(Arm("mine", method, cues=cues, params=params))
    assert "mine" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_loop_without_cues_is_refused():
    with pytest.raises(UsageError, match="cues"):
        validate_arm(Arm("heart", "heart"))


def test_the_defaults_are_those_that_are_documented():
    values = settings(HEART)
    assert values["rounds"] == 5
    assert values["candidates"] == 1
    assert values["schedule"] == "alternate"
    assert values["first_valence"] == "critical"
    assert values["history"] == "full"
    assert settings(Arm("r", "resample"))["stop"] == "never"
    for name, param in PARAMS.items():
        assert param.doc
        assert any(name in spec.params for spec in SPECS.values()), name
        if param.default is not None and name != "temperatures":
            assert param.check(param.default) == param.default


def test_an_integration_registers_its_own_method():
    @register("mine-for-this-test", params=("rounds",), summary="a test")
    async def mine(question, arm, ask, check=None):
        raise NotImplementedError

    try:
        assert expected_calls(Arm("m", "mine-for-this-test"), "oracle") == (1, 1)
        with pytest.raises(ValueError, match="registered already"):
            register("mine-for-this-test")(mine)
        with pytest.raises(ValueError, match="not declared"):
            register("another", params=("colour",))(mine)
    finally:
        del METHODS["mine-for-this-test"], SPECS["mine-for-this-test"]


def test_matched_controls_differ_in_what_is_tested_alone():
    heart = Arm("heart", "heart", cues=CUES, params={"rounds": 3, "history": "last", "order": 2})
    controls = {c.method: c for c in matched_controls(heart, "oracle")}
    assert list(controls) == ["single", "resample", "reflect", "neutral", "neutral-varied"]
    for loop in ("reflect", "neutral", "neutral-varied"):
        assert controls[loop].params == {"rounds": 3, "history": "last"}
    assert controls["resample"].params == {"draws": 4, "stop": "solved"}
    assert {c.role for c in controls.values()} == {
        "none", "resample", "reflect", "neutral", "neutral-varied",
    }  # fmt: skip
    assert matched_controls(Arm("single"), "oracle") == []
    assert [c.method for c in matched_controls(Arm("reflect", "reflect"), "oracle")] == [
        "single", "resample", "neutral", "neutral-varied",
    ]  # fmt: skip
    assert matched_controls(Arm("hot", "heart"), "oracle")[0].name == "single for hot"


def test_calls_and_tokens_of_a_loop_by_hand():
    arm = Arm("heart", "heart", cues=CUES, params={"rounds": 2, "candidates": 2})
    assert expected_calls(arm, "oracle") == (2, 6)
    assert expected_calls(arm, "verifier-free") == (4, 6)  # lost after two turns at the earliest
    assert expected_calls(arm, "verifier-free", "synthesis") == (5, 7)
    tokens = TokenAverages(prompt=100, completion=50, visible=20, chars_per_token=1e9)
    least, most = expected_tokens(arm, "oracle", tokens)
    assert least == Usage(200, 100)
    # Rounds 0, 1, 2 send 100, 120, 140, twice each.
    assert most == Usage(2 * (100 + 120 + 140), 2 * 150)
    assert draws_for_equal_tokens(arm, "oracle", tokens) == pytest.approx((720 + 300) / 150)


@pytest.mark.parametrize(("history", "prompts"), [("full", 420), ("last", 380), ("none", 300)])
def test_the_history_sets_the_price(history, prompts):
    arm = Arm("heart", "reflect", params={"rounds": 2, "history": history})
    tokens = TokenAverages(100, 40, 40, chars_per_token=1e9)
    most = expected_tokens(arm, "oracle", tokens)[1]
    assert most.prompt == prompts


def test_averages_come_from_lengths_alone():
    def pilot(text):
        return [
            (render(question(n)), Completion(text, usage=Usage(20, 200, 150))) for n in range(4)
        ]

    first, second = TokenAverages.of(pilot(boxed(1))), TokenAverages.of(pilot(boxed(2)))
    assert first == second
    assert first.prompt == 20
    sent = len(render(question(0))[0].content)
    assert first.visible == pytest.approx(len(boxed(1)) * 20 / sent)
    longer = TokenAverages.of(pilot(boxed(1)), [render(question(0, input="x" * 1000))])
    assert longer.prompt == pytest.approx(
        len(render(question(0, input="x" * 1000))[0].content) * 20 / sent
    )
    with pytest.raises(ValueError, match="pilot"):
        TokenAverages.of([])


@pytest.mark.parametrize(
    ("arm", "mode", "calls"),
    [
        (Arm("a"), "oracle", 1),
        (Arm("a", "resample", params={"draws": 500}), "oracle", 500),
        (Arm("a", "resample", params={"draws": 3.4}), "verifier-free", 3),
        (Arm("a", "resample", params={"draws": 9, "stop": "solved"}), "oracle", 1),
        (Arm("a", "resample", params={"draws": 9, "stop": "solved"}), "verifier-free", 9),
        (Arm("a", "heart", cues=CUES, params={"candidates": 3}), "oracle", 3),
        (Arm("a", "reflect", params={"candidates": 3, "history": "none"}), "verifier-free", 3),
        (Arm("a", "planner"), "oracle", 1),
    ],
)
def test_calls_that_go_out_together_at_first_are_known_beforehand(arm, mode, calls):
    assert first_calls(arm, mode) == calls


def test_a_fractional_number_of_draws_is_planned_as_such():
    arm = Arm("resample", "resample", params={"draws": 3.4})
    assert expected_calls(arm, "verifier-free") == (3, 4)
    most = expected_tokens(arm, "verifier-free", TokenAverages(100, 50))[1]
    assert most == Usage(340, 170)
