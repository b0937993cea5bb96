"""The scripted dialogue: its state follows the text by the formula, and the model is told it."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from method_fakes import CUES, FakeAsk, question

from heartloop.errors import CallError, UsageError
from heartloop.methods import METHODS, expected_calls, matched_controls, select, state
from heartloop.style.affect import vad
from heartloop.types import Arm

TURNS = ["I am sad.", "I am so happy!", "Next line of the list."]


def talk(process=lambda call: "Fine.", turns=TURNS, **params):
    asked = dataclasses.replace(question(0), input="Hello.", meta={"turns": turns})
    arm = Arm("d", "dialogue", cues=CUES, params=params)
    ask = FakeAsk(process)
    trace = asyncio.run(METHODS["dialogue"](asked, arm, ask))
    return trace, ask


def point(text: str) -> tuple[float, float, float]:
    found = vad(text)
    return found.valence, found.arousal, found.dominance


def test_the_state_is_moved_by_the_users_words_by_the_formula() -> None:
    trace, _ = talk(dynamics="second", hears="user", mu=0.5, gain=0.4)
    s, v = [0.0] * 3, [0.0] * 3
    for told, said in zip(trace.notes["states"], ["Hello.", *TURNS], strict=True):
        v = [0.5 * b + 0.4 * (a - c) for a, b, c in zip(point(said), v, s, strict=True)]
        s = [min(1.0, max(-1.0, a + b)) for a, b in zip(s, v, strict=True)]
        assert told == pytest.approx(s, abs=1e-5)
    assert trace.notes["states"][1][0] < 0


def test_what_the_model_said_moves_it_too() -> None:
    def grim(call):
        return "I am in despair." if call.round == 0 else "Fine."

    alone, _ = talk(dynamics="first", alpha=1.0, hears="user")
    both, _ = talk(grim, dynamics="first", alpha=1.0, hears="both")
    own, _ = talk(grim, dynamics="first", alpha=1.0, hears="self")
    low = point("I am in despair.")[0]
    assert own.notes["states"][1][0] == pytest.approx(low, abs=1e-5)
    middle = (low + point(TURNS[0])[0]) / 2
    assert both.notes["states"][1][0] == pytest.approx(middle, abs=1e-5)
    assert alone.notes["states"] != both.notes["states"]


def test_the_state_is_told_in_one_line_a_cue_or_both_and_prompts_only_grow() -> None:
    trace, ask = talk(dynamics="first", told="line")
    sent = [call.messages for call in ask.calls]
    assert len(sent) == 4 and all(a == b[: len(a)] for a, b in zip(sent, sent[1:], strict=False))
    assert [m.role for m in sent[-1]] == ["user", "assistant"] * 3 + ["user"]
    valence = trace.notes["states"][1][0]
    assert f"valence {valence:+.2f}" in sent[1][-1].content
    assert sent[1][-1].content.startswith(TURNS[0])
    cued, ask = talk(dynamics="first", alpha=1.0, hears="user", told="cue")
    emotion = {c.name: c.emotion for c in CUES}
    assert emotion[cued.attempts[1].cue] in ("happiness", "surprise")  # answers sadness
    assert emotion[cued.attempts[2].cue] not in ("happiness", "surprise")
    assert "Your mood" not in ask.calls[1].messages[-1].content
    _, ask = talk(dynamics="first", told="both")
    assert "Your mood" in ask.calls[1].messages[-1].content
    assert any(c.text in ask.calls[1].messages[-1].content for c in CUES)


def test_without_dynamics_nothing_is_told_but_what_was_heard_is_kept() -> None:
    trace, ask = talk(dynamics="none", hears="user")
    assert [call.messages[-1].content for call in ask.calls][1:] == TURNS
    assert trace.notes["states"] == trace.notes["heard"]


def test_a_failed_call_ends_it_and_the_last_answer_is_handed_in_without_a_selector() -> None:
    def fails(call):
        return CallError("down", kind="http_500") if call.round == 2 else f"Fine {call.round}."

    trace, ask = talk(fails)
    assert [a.round for a in trace.attempts] == [0, 1, 2] and trace.selected == 1
    arm = Arm("d", "dialogue", cues=CUES)
    chosen = asyncio.run(select("synthesis", trace, question(0), arm, ask))
    assert chosen.selected == 1 and len(ask.calls) == 3


def test_a_task_without_a_script_is_one_turn_and_a_faulty_script_is_refused() -> None:
    trace, _ = talk(turns=None)
    assert len(trace.attempts) == 1
    with pytest.raises(UsageError, match="turns: must be a list"):
        talk(turns="Hello?")


def test_its_controls_are_the_other_dynamics_and_it_costs_a_call_a_turn() -> None:
    arm = Arm("dialogue", "dialogue", cues=CUES, params={"mu": 0.8})
    others = matched_controls(arm, "verifier-free")
    assert {o.name: o.params["dynamics"] for o in others} == {
        "stateless": "none", "first-order": "first",
    }  # fmt: skip
    assert all(o.params["mu"] == 0.8 for o in others)
    assert expected_calls(arm, "verifier-free", "synthesis")[1] == 25


def test_a_state_in_words() -> None:
    assert state.in_words((-0.6, 0.3, 0.0)) == "very low, tense and steady"
    assert state.in_words(state.REST) == "even, awake and steady"


def test_a_personality_is_a_constant_offset_of_all_that_is_heard() -> None:
    nervous = [0.2, 0.1, -0.5, 0.4, -0.8]
    o, c, e, a, s = nervous
    offset = (0.21 * e + 0.59 * a + 0.19 * s, 0.15 * o + 0.3 * a - 0.57 * s,
              0.25 * o + 0.17 * c + 0.6 * e - 0.32 * a)  # fmt: skip
    assert state.temperament(nervous) == pytest.approx(offset)
    plain, _ = talk(hears="user", dynamics="none")
    moved, _ = talk(hears="user", dynamics="none", personality=nervous)
    for before, after in zip(plain.notes["heard"], moved.notes["heard"], strict=True):
        wanted = [min(1, max(-1, x + y)) for x, y in zip(before, offset, strict=True)]
        assert after == pytest.approx(wanted, abs=1e-5)
    settled, _ = talk(turns=["Go on."] * 9, hears="user", personality=nervous)
    assert settled.notes["states"][0] == settled.notes["states"][-1]  # it begins where it rests
    with pytest.raises(UsageError, match="five numbers"):
        talk(personality=[0.1, 0.2])
