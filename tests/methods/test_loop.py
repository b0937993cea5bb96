"""The feedback loop: what is said, what is shared, when it ends, what an error does."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from method_fakes import CUES, FakeAsk, Killed, boxed, check_for, question

from heartloop.errors import CallError, Stopped
from heartloop.methods import METHODS, SPECS, expected_calls, wordings
from heartloop.types import Arm, Completion, Message, Usage

LOOPS = ("heart", "reflect", "neutral", "neutral-varied")
ONE_MORE = ("self_refine", "budget_force", "direct_refine")


def arm(method: str, **params) -> Arm:
    return Arm(method, method, cues=CUES if SPECS[method].cues else (), params=params)


def run(method, ask, check=None, **params):
    return asyncio.run(METHODS[method](question(), arm(method, **params), ask, check))


def by_round(call):
    return boxed(call.round)


@pytest.mark.parametrize("method", LOOPS)
def test_a_loop_ends_with_the_first_right_answer(method):
    ask = FakeAsk(by_round)
    trace = run(method, ask, check_for(3))
    assert [a.round for a in trace.attempts] == [0, 1, 2, 3]
    assert [a.checked for a in trace.attempts] == [False, False, False, True]
    assert trace.selected == 3
    assert trace.notes["stopped"] == "solved"
    assert trace.calls == 4
    assert trace.usage == sum((c.usage for c in ask.journal.values()), Usage())


@pytest.mark.parametrize("method", LOOPS)
def test_rounds_n_adds_n_feedback_rounds(method):
    trace = run(method, FakeAsk(by_round), check_for("never"), rounds=2)
    assert [a.round for a in trace.attempts] == [0, 1, 2]
    assert trace.notes["stopped"] == "rounds"
    assert trace.selected == 2


@pytest.mark.parametrize("method", [*LOOPS, *ONE_MORE])
def test_every_request_begins_with_the_one_before_byte_for_byte(method):
    ask = FakeAsk(by_round)
    run(method, ask, check_for("never"), rounds=4)
    for before, after in zip(ask.calls, ask.calls[1:], strict=False):
        assert after.messages[: len(before.messages)] == before.messages
        assert after.messages[len(before.messages)].role == "assistant"
        assert after.extends is not None


def test_all_loops_and_single_share_the_first_call():
    journal: dict[str, Completion] = {}
    paid = []
    for method in ("single", *LOOPS, *ONE_MORE, "resample"):
        ask = FakeAsk(by_round, journal=journal)
        params = {"draws": 1} if method == "resample" else {}
        run(method, ask, check_for(0) if method != "direct_refine" else check_for(0), **params)
        paid.append(ask.paid)
    assert sum(paid) == 1


def test_only_an_oracle_tells_a_verdict():
    told, neutral = FakeAsk(by_round), FakeAsk(by_round)
    run("heart", told, check_for("never"), rounds=1)
    run("heart", neutral, rounds=1)
    assert wordings.VERDICT_WRONG in told.calls[1].messages[-1].content
    assert wordings.VERDICT_WRONG not in neutral.calls[1].messages[-1].content
    assert wordings.CHECK_AGAIN in neutral.calls[1].messages[-1].content
    quiet = FakeAsk(by_round)
    run("heart", quiet, check_for("never"), rounds=1, told_wrong=False)
    assert [c.messages for c in quiet.calls] == [c.messages for c in neutral.calls]


def test_a_loop_that_does_not_stop_tells_no_wrong_verdict_about_a_right_answer():
    ask = FakeAsk(lambda call: boxed(1))
    trace = run("heart", ask, check_for(1), rounds=2, stop="never")
    assert [a.checked for a in trace.attempts] == [True, True, True]
    assert trace.selected == 0
    assert all(wordings.VERDICT_WRONG not in m.content for m in ask.calls[-1].messages)


def test_reflect_differs_from_heart_by_the_cue_alone():
    heart, reflect = FakeAsk(by_round), FakeAsk(by_round)
    run("heart", heart, check_for("never"), rounds=3)
    run("reflect", reflect, check_for("never"), rounds=3)
    for felt, plain in zip(heart.calls, reflect.calls, strict=True):
        cues = {cue.text for cue in CUES}
        for one, other in zip(felt.messages, plain.messages, strict=True):
            cue, _, words = one.content.partition("\n\n")
            if cue in cues:
                assert words == other.content
            else:
                assert one == other


def test_neutral_repeats_one_line_and_neutral_varied_never_does():
    fixed = run("neutral", FakeAsk(by_round), rounds=5)
    varied = run("neutral-varied", FakeAsk(by_round), rounds=5)
    assert {a.cue for a in fixed.attempts[1:]} == {CUES[0].name}
    assert len({a.cue for a in varied.attempts[1:]}) == 5


@pytest.mark.parametrize("history", ["full", "last", "none"])
def test_history_decides_what_the_model_is_shown(history):
    ask = FakeAsk(by_round)
    run("heart", ask, check_for("never"), rounds=3, history=history)
    last = ask.calls[-1].messages
    answers = [m.content for m in last if m.role == "assistant"]
    shown = {"full": [boxed(0), boxed(1), boxed(2)], "last": [boxed(2)], "none": []}
    assert answers == shown[history]
    assert last[0].content.startswith(ask.calls[0].messages[0].content)
    if history == "none":
        assert len(last) == 1
        assert wordings.NO_HISTORY_WRONG in last[0].content


def test_candidates_are_draws_of_one_request_and_the_loop_goes_on_from_the_first():
    ask = FakeAsk(lambda call: boxed(10 * call.round + call.draw))
    trace = run("heart", ask, check_for(12), candidates=3)
    assert [(a.round, a.draw) for a in trace.attempts] == [
        (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2),
    ]  # fmt: skip
    assert trace.selected == 5
    assert {c.messages for c in ask.calls[3:]} == {ask.calls[3].messages}
    assert ask.calls[3].messages[1] == Message("assistant", boxed(0))
    assert ask.peak == 3


def test_temperatures_begin_with_the_first_feedback_round():
    ask = FakeAsk(by_round)
    run("heart", ask, rounds=3, temperatures=[0.2, 0.9])
    assert [c.sampling for c in ask.calls] == [
        {}, {"temperature": 0.2}, {"temperature": 0.9}, {"temperature": 0.9},
    ]  # fmt: skip


def test_stop_stable_ends_with_an_answer_that_came_twice():
    said = {0: "1", 1: "2", 2: "2.0", 3: "3"}
    trace = run("heart", FakeAsk(lambda call: boxed(said[call.round])), stop="stable")
    assert [a.round for a in trace.attempts] == [0, 1, 2]
    assert trace.notes["stopped"] == "stable"


def test_a_failed_call_is_an_error_and_ends_the_trace():
    def process(call):
        if call.round == 2:
            return CallError("gone", kind="http_500", retryable=True)
        return boxed(call.round)

    trace = run("heart", FakeAsk(process), check_for("never"))
    last = trace.attempts[-1]
    assert (last.round, last.completion, last.error) == (2, None, "http_500")
    assert len(trace.attempts) == 3
    assert trace.notes["stopped"] == "error"
    assert trace.selected == 1
    assert trace.calls == 2


def test_a_failed_candidate_does_not_end_the_loop():
    def process(call):
        if call.draw == 0:
            return CallError("gone", kind="timeout")
        return boxed(call.round)

    trace = run("heart", FakeAsk(process), check_for(1), candidates=2)
    assert [a.error for a in trace.attempts] == ["timeout", None, "timeout", None]
    assert trace.selected == 3


def test_nothing_answered_selects_nothing():
    trace = run("single", FakeAsk(lambda call: CallError("no", kind="connection")))
    assert trace.selected is None
    assert trace.calls == 0


@pytest.mark.parametrize("text", ["", "no box here"])
def test_a_loop_goes_on_after_an_unscored_answer(text):
    ask = FakeAsk(lambda call: boxed(7) if call.round == 2 else text)
    trace = run("heart", ask, check_for(7), lost=0)
    assert trace.selected == 2
    shown = [m.content for m in ask.calls[2].messages if m.role == "assistant"]
    assert shown == [text or wordings.EMPTY_ANSWER] * 2


@pytest.mark.parametrize("method", LOOPS)
def test_a_feedback_turn_ends_with_the_tasks_answer_form_in_every_loop(method):
    ask = FakeAsk(by_round)
    run(method, ask, check_for("never"), rounds=2)
    for call in ask.calls[1:]:
        assert call.messages[-1].content.endswith(question().answer_format)
    old = FakeAsk(by_round)
    run(method, old, check_for("never"), rounds=2, layout="cue-last")
    assert question().answer_format not in old.calls[1].messages[-1].content


@pytest.mark.parametrize("oracle", [True, False])
@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Completion("so far x +", "length"), wordings.ANSWER_CUT),
        (Completion("Thank you!"), wordings.ANSWER_MISSING),
    ],
)
def test_a_cut_or_missing_answer_is_told_so_and_never_called_incorrect(reply, told, oracle):
    ask = FakeAsk(lambda call: reply if call.round == 0 else boxed(call.round))
    run("heart", ask, check_for("never") if oracle else None, rounds=2)
    assert told in ask.calls[1].messages[-1].content
    assert wordings.VERDICT_WRONG not in ask.calls[1].messages[-1].content
    assert told not in ask.calls[2].messages[-1].content


@pytest.mark.parametrize("layout", ["cue-last", "form-last"])
@pytest.mark.parametrize("told", [None, True, False])
def test_layout_and_what_is_said_of_a_missing_answer_are_set_apart(layout, told):
    ask = FakeAsk(lambda call: "Thank you!")
    run("heart", ask, check_for("never"), rounds=1, layout=layout, told_missing=told)
    turn = ask.calls[1].messages[-1].content
    said = wordings.ANSWER_MISSING in turn
    assert said == (layout == "form-last" if told is None else told)
    assert (wordings.VERDICT_WRONG in turn) is not said
    assert turn.endswith(question().answer_format) == (layout == "form-last")


@pytest.mark.parametrize("method", LOOPS)
def test_a_loop_goes_on_from_and_hands_in_the_last_turn_that_holds_an_answer(method):
    ask = FakeAsk(lambda call: "I am glad." if call.round in (1, 3) else boxed(call.round))
    trace = run(method, ask, check_for("never"), rounds=3)
    assert trace.selected == 2
    shown = [m.content for m in ask.calls[2].messages if m.role == "assistant"]
    assert shown == [boxed(0)]
    assert wordings.VERDICT_WRONG in ask.calls[2].messages[-1].content
    newest = FakeAsk(lambda call: "I am glad." if call.round in (1, 3) else boxed(call.round))
    trace = run(method, newest, check_for("never"), rounds=3, goes_on="newest")
    assert trace.selected == 3
    shown = [m.content for m in newest.calls[2].messages if m.role == "assistant"]
    assert shown == [boxed(0), "I am glad."]


BARE = "64 + 77 = 141."


@pytest.mark.parametrize("oracle", [True, False])
@pytest.mark.parametrize("method", [*LOOPS, *ONE_MORE])
def test_an_answer_in_another_form_is_an_answer_and_told_of_its_form_alone(method, oracle):
    check = check_for("never") if oracle else None
    ask = FakeAsk(lambda call: BARE)
    trace = run(method, ask, check, rounds=3)
    assert trace.notes["stopped"] == "rounds"  # never lost
    assert trace.selected == 3
    told = "feedback" if method == "self_refine" else "answer"
    turns = [c.messages[-1].content for c in ask.calls if c.round and c.purpose == told]
    for said in (wordings.VERDICT_WRONG, wordings.ANSWER_MISSING, wordings.CHECK_AGAIN):
        assert not any(said in turn for turn in turns)
    if method != "budget_force":
        assert all(wordings.ANSWER_UNFORMED in turn for turn in turns)
    old = run(method, FakeAsk(lambda call: BARE), check, rounds=3, answer_by="own")
    assert old.notes["stopped"] == "lost"


def test_without_a_history_the_form_is_told_too():
    ask = FakeAsk(lambda call: BARE)
    run("reflect", ask, None, rounds=1, history="none")
    assert wordings.NO_HISTORY_UNFORMED in ask.calls[1].messages[-1].content


def test_a_candidate_in_the_asked_form_is_gone_on_from_before_one_in_another():
    ask = FakeAsk(lambda call: boxed(1) if call.draw == 1 else BARE)
    trace = run("reflect", ask, check_for("never"), rounds=1, candidates=2)
    assert trace.selected == 3
    assert ask.calls[2].messages[-2].content == boxed(1)


@pytest.mark.parametrize("method", [*LOOPS, *ONE_MORE])
def test_two_turns_without_an_answer_end_every_loop_as_lost(method):
    ask = FakeAsk(lambda call: boxed(0) if call.round == 0 else "I am glad.")
    trace = run(method, ask, check_for("never"), rounds=5)
    assert trace.notes["stopped"] == "lost"
    assert [a.round for a in trace.attempts] == [0, 1, 2]
    assert trace.selected == 0
    assert run(method, ask, check_for("never"), rounds=5, lost=0).notes["stopped"] == "rounds"


def test_word_for_word_repeats_are_counted_and_end_nothing():
    trace = run("reflect", FakeAsk(lambda call: boxed(5)), check_for("never"), rounds=4)
    assert trace.notes == {"stopped": "rounds", "repeats": 4}


def test_a_stop_passes_through():
    def process(call):
        if call.round == 1:
            raise Stopped("cap")
        return boxed(0)

    with pytest.raises(Stopped):
        run("heart", FakeAsk(process), candidates=3)


RESUMED = [
    *(("heart", {"schedule": name}) for name in ("alternate", "random", "state", "contextual")),
    ("heart", {"candidates": 3, "rounds": 2}),
    ("self_refine", {}),
    ("budget_force", {}),
    ("resample", {}),
    ("resample", {"stop": "solved"}),
    ("adaptive", {}),
]


@pytest.mark.parametrize(("method", "params"), RESUMED)
def test_a_loop_killed_after_any_call_goes_on_to_the_same_trace(method, params):
    def process(call):
        return boxed(hash((call.round, call.draw)) % 3)

    whole = FakeAsk(process)
    expected = run(method, whole, check_for("never"), **params)
    for calls in range(whole.paid):
        journal: dict[str, Completion] = {}
        first = FakeAsk(process, journal=journal, die_after=calls)
        with pytest.raises(Killed):
            run(method, first, check_for("never"), **params)
        second = FakeAsk(process, journal=journal)
        resumed = run(method, second, check_for("never"), **params)
        assert first.paid + second.paid == whole.paid
        assert plain(resumed) == plain(expected)


def plain(trace):
    attempts = tuple(
        dataclasses.replace(
            a, completion=a.completion and dataclasses.replace(a.completion, shared=False)
        )
        for a in trace.attempts
    )
    return dataclasses.replace(trace, attempts=attempts)


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"critique"}))
@pytest.mark.parametrize("oracle", [True, False])
def test_calls_stay_within_what_the_plan_says(method, oracle):
    params = {"knowledge": {"knowledge": "x"}, "dialogue": {"rounds": 0}}.get(method, {})
    mode = "oracle" if oracle else "verifier-free"
    least, most = expected_calls(arm(method, **params), mode)
    solved = run(method, FakeAsk(lambda call: boxed(1)), check_for(1) if oracle else None, **params)
    assert least <= solved.calls <= most
    differ = FakeAsk(lambda call: boxed(f"{call.round}.{call.draw}1"))
    unsolved = run(method, differ, check_for(1) if oracle else None, **params)
    assert unsolved.calls == most
    if method == "adaptive":
        return
    if oracle or "lost" not in SPECS[method].params:
        assert solved.calls == least
    else:  # only a loop that finds no answer ends early
        assert run(method, FakeAsk(lambda call: "hm"), **params).calls == least
