"""HeartLoop: cues and attempts reach the next round; rewards, selectors, failures, usage."""

import asyncio
import re

import pytest

dspy = pytest.importorskip("dspy")

from dspy_parts import chat, scripted  # noqa: E402

from heartloop.cards import load_stimuli  # noqa: E402
from heartloop.errors import BudgetExceeded, UsageError  # noqa: E402
from heartloop.integrations.dspy import HeartLoop, loop_trace, with_stimulus  # noqa: E402
from heartloop.methods import wordings  # noqa: E402

pytestmark = pytest.mark.dspy
CUES = {cue.name: cue for cue in load_stimuli("heart").stimuli}


def counting():
    """A model that answers 1, 2, 3, …"""
    number = iter(range(1, 100))
    return lambda call: chat(answer=str(next(number)))


def reaches(goal):
    return lambda inputs, prediction: int(prediction.answer) / goal


def run(program, reply, asynchronous=False, **inputs):
    with scripted(reply, temperature=0.7) as (model, lm), dspy.context(lm=lm):
        if asynchronous:
            return asyncio.run(program.acall(**inputs)), model
        return program(**inputs), model


@pytest.mark.parametrize("asynchronous", [False, True])
def test_it_goes_on_until_the_reward_is_reached(asynchronous):
    qa = dspy.Predict("question -> answer")
    loop = HeartLoop(qa, rounds=5, reward_fn=reaches(3), threshold=1.0)
    prediction, model = run(loop, counting(), asynchronous, question="2 + 1?")
    trace = loop_trace(prediction)
    assert prediction.answer == "3" and len(model.calls) == 3
    assert trace.stopped == "solved" and trace.chosen == 2
    assert [round(one.reward, 2) for one in trace.attempts] == [0.33, 0.67, 1.0]
    assert prediction.get_lm_usage()["test/scripted"]["total_tokens"] == 330
    assert [call.place.round for call in model.calls] == [0, 1, 2]
    assert list(prediction.keys()) == ["answer"]


def test_cue_verdict_and_attempts_are_in_the_next_prompt_and_not_in_the_first():
    loop = HeartLoop(
        dspy.Predict("question -> answer"), rounds=2, reward_fn=reaches(99), threshold=1.0
    )
    prediction, model = run(loop, counting(), question="2 + 1?")
    trace = loop_trace(prediction)
    assert trace.attempts[0].cue == "" and "earlier_attempts" not in model.prompt(0)
    for index in (1, 2):
        cue = CUES[trace.attempts[index].cue]
        assert cue.text in model.prompt(index)
        assert wordings.VERDICT_WRONG in model.prompt(index)
    assert "Answer 1\nanswer: 1" in model.prompt(1)
    assert "Answer 2\nanswer: 2" in model.prompt(2) and "Answer 1\nanswer: 1" in model.prompt(2)
    sides = [CUES[one.cue].valence for one in trace.attempts[1:]]
    assert sides == ["critical", "encouraging"]


def test_history_last_and_none():
    for history, shown in (("last", ["answer: 2"]), ("none", [])):
        loop = HeartLoop(dspy.Predict("question -> answer"), rounds=2, history=history)
        _, model = run(loop, counting(), question="2 + 1?")
        assert re.findall(r"answer: \d", model.prompt(2)) == shown
        if history == "none":
            assert len({call.draw for call in model.calls}) == 3


def saying(words):
    answers = iter(words.split())
    return lambda call: chat(answer=next(answers))


def test_without_a_reward_nothing_says_wrong_and_a_selector_picks():
    loop = HeartLoop(dspy.Predict("question -> answer"), rounds=3)
    prediction, model = run(loop, saying("7 4 5 4"), question="2 + 2?")
    assert prediction.answer == "4" and loop_trace(prediction).chosen == 1
    assert all(wordings.VERDICT_WRONG not in model.prompt(i) for i in range(4))
    assert wordings.CHECK_AGAIN in model.prompt(1)
    for selector, expected in (("last", 3), ("first", 0), (lambda found, given: 2, 2)):
        loop = HeartLoop(dspy.Predict("question -> answer"), rounds=3, selector=selector)
        prediction, _ = run(loop, saying("7 4 5 4"), question="2 + 2?")
        assert loop_trace(prediction).chosen == expected


def test_every_predictor_sees_its_own_attempts():
    class Two(dspy.Module):
        def __init__(self):
            super().__init__()
            self.plan = dspy.Predict("question -> plan")
            self.solve = dspy.Predict("question, plan -> answer")

        def forward(self, question):
            return self.solve(question=question, plan=self.plan(question=question).plan)

    def reply(call):
        return (
            chat(plan="count")
            if "starting with the field `[[ ## plan" in (call.messages[-1].content)
            else chat(answer="4")
        )

    prediction, model = run(HeartLoop(Two(), rounds=1), reply, question="2 + 2?")
    assert "plan: count" in model.prompt(2) and "answer: 4" not in model.prompt(2)
    assert "answer: 4" in model.prompt(3)
    only = HeartLoop(Two(), rounds=1, predictors=["solve"])
    _, model = run(only, reply, question="2 + 2?")
    assert "earlier_attempts" not in model.prompt(2) and "earlier_attempts" in model.prompt(3)


def test_failures_are_counted_afresh_for_every_call_and_never_printed(capsys):
    def reply(call):
        return chat(answer="4") if call.place.round != 1 else "unreadable"

    loop = HeartLoop(dspy.Predict("question -> answer"), rounds=2, fail_count=1)
    for _ in range(3):
        prediction, _ = run(loop, reply, question="2 + 2?")
        trace = loop_trace(prediction)
        assert trace.failures == 1 and trace.attempts[1].error.startswith("AdapterParseError")
    strict = HeartLoop(dspy.Predict("question -> answer"), rounds=2, fail_count=0)
    with pytest.raises(Exception, match="[Pp]arse"):
        run(strict, reply, question="2 + 2?")
    with pytest.raises(Exception, match="[Pp]arse"):
        run(HeartLoop(dspy.Predict("question -> answer"), rounds=1), "x" * 9, question="?")
    assert capsys.readouterr().out == ""


def test_a_budget_that_is_spent_ends_the_loop_at_once():
    def reply(call):
        return BudgetExceeded("no tokens left") if call.place.round else chat(answer="4")

    loop = HeartLoop(dspy.Predict("question -> answer"), rounds=3)
    with pytest.raises(BudgetExceeded):
        run(loop, reply, question="2 + 2?")


def test_feedback_survives_the_second_try_in_json():
    replies = [chat(answer="1"), "nothing readable", '{"answer": "2"}']
    loop = HeartLoop(dspy.Predict("question -> answer"), rounds=1)
    prediction, model = run(loop, replies, question="2 + 2?")
    cue = CUES[loop_trace(prediction).attempts[1].cue]
    assert cue.text in model.prompt(1) and cue.text in model.prompt(2)


def test_it_stands_inside_other_modules_and_takes_programs_with_stimuli():
    qa = with_stimulus(dspy.Predict("question -> answer"), "emotionprompt:EP02")
    best = dspy.BestOfN(HeartLoop(qa, rounds=1), N=2, reward_fn=reaches(99), threshold=1.0)
    _, model = run(best, counting(), question="2 + 2?")
    assert len(model.calls) == 4
    assert all("important to my career" in model.system(i) for i in range(4))
    assert sum("earlier_attempts" in model.prompt(i) for i in range(4)) == 2
    assert len({(call.draw, call.place.round) for call in model.calls}) == 4


def test_the_trace_names_the_programs_own_predictors():
    qa = dspy.Predict("question -> answer")
    loop = HeartLoop(qa, rounds=1, selector="last")
    with scripted(counting()) as (_, lm), dspy.context(lm=lm, trace=[]):
        loop(question="2 + 2?")
        ((predictor, inputs, prediction),) = dspy.settings.trace
    assert predictor is qa and inputs == {"question": "2 + 2?"} and prediction.answer == "2"


def test_usage_goes_up_to_whoever_tracks_it():
    loop = HeartLoop(dspy.Predict("question -> answer"), rounds=2)
    with scripted(counting()) as (_, lm), dspy.context(lm=lm, track_usage=True):
        prediction = loop(question="2 + 2?")
    assert prediction.get_lm_usage()["test/scripted"]["prompt_tokens"] == 300


def test_bad_settings_are_refused():
    qa = dspy.Predict("question -> answer")
    for wrong in (
        {"schedule": "alternat"},
        {"schedule": "bandit"},
        {"history": "some"},
        {"selector": "best"},
        {"rounds": -1},
        {"cues": "hart"},
        {"predictors": ["x"]},
    ):
        with pytest.raises(UsageError):
            HeartLoop(qa, **wrong)
