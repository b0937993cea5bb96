"""Methods that go on from an answer, and single answers that are told something first."""

from __future__ import annotations

import asyncio
import re

import pytest
from method_fakes import FakeAsk, boxed, check_for, question

from heartloop.errors import CallError, UsageError
from heartloop.methods import METHODS, settings, validate_arm, wordings
from heartloop.types import Arm


def run(method, ask, check=None, **params):
    return asyncio.run(METHODS[method](question(), Arm(method, method, params=params), ask, check))


def talk(call):
    return "Check the sign." if call.purpose == "feedback" else boxed(call.round)


def test_self_refine_asks_for_feedback_and_then_for_a_new_answer():
    ask = FakeAsk(talk)
    trace = run("self_refine", ask, rounds=2)
    assert [c.purpose for c in ask.calls] == ["answer", "feedback", "answer", "feedback", "answer"]
    assert [a.round for a in trace.attempts] == [0, 1, 2]
    assert trace.calls == 5
    assert trace.usage.total == sum(c.usage.total for c in ask.journal.values())
    words = [m.content for m in ask.calls[-1].messages]
    assert words[1:5] == [
        boxed(0),
        wordings.GIVE_FEEDBACK,
        "Check the sign.",
        f"{wordings.USE_FEEDBACK}\n\n{question().answer_format}",
    ]


def test_self_refine_is_told_the_verdict_of_an_oracle():
    ask = FakeAsk(talk)
    trace = run("self_refine", ask, check_for(1))
    assert trace.selected == 1
    told = ask.calls[1].messages[-1].content
    assert told == f"{wordings.VERDICT_WRONG} {wordings.GIVE_FEEDBACK}"


def test_a_failed_review_makes_the_round_an_error():
    def process(call):
        return CallError("x", kind="timeout") if call.purpose == "feedback" else boxed(0)

    trace = run("self_refine", FakeAsk(process), rounds=3)
    assert [(a.round, a.error) for a in trace.attempts] == [(0, None), (1, "timeout")]
    assert trace.notes["stopped"] == "error"
    assert trace.selected == 0


def test_critique_shows_the_answer_to_a_second_model():
    ask, helper = FakeAsk(talk), FakeAsk(lambda call: "The sign is wrong.")
    ask.helper = helper
    trace = run("critique", ask, rounds=1)
    seen = helper.calls[0].messages[-1].content
    assert boxed(0) in seen
    assert question().input in seen
    assert "The sign is wrong." in ask.calls[-1].messages[-1].content
    assert trace.calls == 3
    with pytest.raises(UsageError, match="second model"):
        run("critique", FakeAsk(talk))


def test_budget_force_takes_a_further_turn_and_tells_no_verdict():
    ask = FakeAsk(talk)
    run("budget_force", ask, check_for("never"), rounds=2)
    turns = [m.content for m in ask.calls[-1].messages if m.role == "user"][1:]
    assert turns == [f"{wordings.KEEP_THINKING}\n\n{question().answer_format}"] * 2


def test_budget_force_can_continue_the_models_own_message():
    ask = FakeAsk(talk)
    run("budget_force", ask, force="continue", rounds=2)
    last = ask.calls[-1]
    assert last.sampling == {"continue_final_message": True}
    assert [m.role for m in last.messages] == ["user", "assistant"]
    wait = wordings.CONTINUE_THINKING
    assert last.messages[1].content == boxed(0) + wait + boxed(1) + wait


def test_direct_refine_iterates():
    ask = FakeAsk(talk)
    assert len(run("direct_refine", ask).attempts) == 2
    assert len(run("direct_refine", FakeAsk(talk), rounds=4).attempts) == 5


def test_cot_puts_its_line_between_input_and_answer_format():
    ask = FakeAsk(talk)
    run("cot", ask)
    text = ask.calls[0].messages[0].content
    q = question()
    assert text.index(q.input) < text.index(wordings.STEP_BY_STEP) < text.index(q.answer_format)


def test_emotional_cot_names_feelings_first():
    ask = FakeAsk(talk)
    run("emotional_cot", ask)
    assert wordings.FEELING_FIRST in ask.calls[0].messages[0].content


def test_planner_takes_a_plan_from_outside_or_asks_for_one():
    given, own, helped, helper = (FakeAsk(talk) for _ in range(4))
    run("planner", given, plan={"q0": "Question", "q9": "Information"})
    assert "Follow this plan: Question" in given.calls[0].messages[0].content
    assert len(given.calls) == 1
    trace = run("planner", own)
    assert [c.purpose for c in own.calls] == ["feedback", "answer"]
    assert "Follow this plan: Check the sign." in own.calls[1].messages[0].content
    assert trace.calls == 2
    helped.helper = helper
    run("planner", helped)
    assert (len(helper.calls), len(helped.calls)) == (1, 1)
    failed = FakeAsk(lambda call: CallError("x", kind="timeout"))
    assert run("planner", failed).attempts[0].error == "timeout"


def test_knowledge_is_added_where_there_is_some():
    ask = FakeAsk(talk)
    trace = run("knowledge", ask, knowledge={"q0": "Exams cause stress."})
    assert "Exams cause stress." in ask.calls[0].messages[0].content
    assert trace.notes["informed"] is True
    bare = FakeAsk(talk)
    trace = run("knowledge", bare, knowledge={"q1": "x"})
    assert trace.notes["informed"] is False


def test_traces_show_ones_own_shares_and_their_control_the_same_numbers_on_other_labels():
    shares = {"q0": {"Question": [50, 20], "Others": [30, 10], "Information": [20, 70]}}
    shown, control, bare = FakeAsk(talk), FakeAsk(talk), FakeAsk(talk)
    assert run("traces", shown, traces=shares).notes["informed"] is True
    line = "Question 50 % (20 %), Others 30 % (10 %), Information 20 % (70 %)."
    text = shown.calls[0].messages[0].content
    assert line in text and text.index(line) < text.index(question().answer_format)
    run("traces", control, traces=shares, shuffled=True)
    other = control.calls[0].messages[0].content
    assert line not in other and len(other) == len(text)
    assert sorted(re.findall(r"(\d+) % \(", other)) == ["20", "30", "50"]
    assert re.findall(r"\((\d+) %", other) == ["20", "10", "70"]
    assert run("traces", bare, traces={"q1": shares["q0"]}).notes["informed"] is False
    with pytest.raises(UsageError, match="--write-traces"):
        validate_arm(Arm("traces", "traces"))
    with pytest.raises(UsageError, match="label"):
        settings(Arm("traces", "traces", params={"traces": {"q0": [1, 2]}}))


def test_resample_stops_at_the_first_right_draw_only_where_it_is_told_to():
    def process(call):
        return boxed(call.draw)

    every = run("resample", FakeAsk(process), check_for(2), draws=5)
    assert [a.checked for a in every.attempts] == [False, False, True, False, False]
    assert every.selected == 2
    short = run("resample", FakeAsk(process), check_for(2), draws=5, stop="solved")
    assert [a.draw for a in short.attempts] == [0, 1, 2]
    assert short.notes["stopped"] == "solved"


def test_a_fraction_of_draws_is_met_on_average_and_fixed_by_the_question():
    async def count(number):
        arm = Arm("resample", "resample", params={"draws": 3.25})
        return len((await METHODS["resample"](question(number), arm, FakeAsk(talk))).attempts)

    counts = [asyncio.run(count(n)) for n in range(400)]
    assert set(counts) == {3, 4}
    assert sum(counts) / 400 == pytest.approx(3.25, abs=0.005)
    assert [asyncio.run(count(n)) for n in range(10)] == counts[:10]
