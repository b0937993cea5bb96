"""Invariant 1: without a verifier, no gold reaches a request, whatever the method and selector."""

from __future__ import annotations

import asyncio
import inspect

import pytest
from method_fakes import CUES, FakeAsk, question

from heartloop.grading.grader import open_grader
from heartloop.methods import METHODS, SELECTORS, SPECS, matched_controls, select
from heartloop.run.ask import QuestionReader
from heartloop.types import Arm, Gold

CANARY = "canary-7f3a"
GOLD = Gold("q0", (CANARY,), {"note": CANARY})
SCHEDULES = ("alternate", "static:fear", "cycle:anger,surprise", "random", "state", "contextual")


def arms():
    params = {"knowledge": {"knowledge": "Some background."}}
    for name, spec in SPECS.items():
        cues = CUES if spec.cues else ()
        yield Arm(name, name, cues=cues, params=params.get(name, {}))
        if "schedule" in spec.params:
            for schedule in SCHEDULES:
                yield Arm(schedule, name, cues=cues, params={"schedule": schedule})
        if "history" in spec.params:
            for history in ("last", "none"):
                yield Arm(f"{name} {history}", name, cues=cues, params={"history": history})
    yield Arm("continue", "budget_force", params={"force": "continue"})


class GradingReader:
    """A reader as a run has it: it stands beside a gold and tells nothing of it."""

    def __init__(self, gold: Gold) -> None:
        self._gold = gold

    def extract(self, text: str) -> str | None:
        return text.rpartition(" ")[2] or None

    async def same(self, first: str, second: str) -> bool:
        return first == second

    async def answered(self, completion):
        return "own"


@pytest.mark.parametrize("selector", SELECTORS)
def test_no_request_of_a_verifier_free_run_holds_the_gold(selector):
    requests = 0
    for arm in arms():
        ask = FakeAsk(lambda call: f"answer {call.round * 10 + call.draw}")
        ask.reader = GradingReader(GOLD)
        ask.helper = FakeAsk(lambda call: "a remark")

        async def story(arm=arm, ask=ask):
            trace = await METHODS[arm.method](question(), arm, ask)
            return await select(selector, trace, question(), arm, ask)

        trace = asyncio.run(story())
        assert all(attempt.checked is None for attempt in trace.attempts)
        for call in [*ask.calls, *ask.helper.calls]:
            requests += 1
            assert CANARY not in repr((call.messages, call.sampling, call.purpose))
    assert requests > 100


def test_the_canary_test_would_sing():
    """The same harness notices a method that is handed a gold."""
    leaky = question(meta={"gold": CANARY}, answer_format=CANARY)
    ask = FakeAsk(lambda call: "x")
    asyncio.run(METHODS["single"](leaky, Arm("single"), ask))
    assert CANARY in repr(ask.calls[0].messages)


def test_in_oracle_mode_a_method_learns_one_bit_and_says_nothing_else():
    """With a verifier: the requests are those of a verifier that knows nothing of the gold."""

    def requests(check):
        ask = FakeAsk(lambda call: f"answer {call.round}")
        arm = Arm("heart", "heart", cues=CUES)
        asyncio.run(METHODS["heart"](question(), arm, ask, check))
        return [call.messages for call in ask.calls]

    async def graded(text: str) -> bool:
        return text == GOLD.answers[0]

    async def always_no(text: str) -> bool:
        return False

    assert requests(graded) == requests(always_no)


@pytest.mark.parametrize("said", ["141", "64 + 77 = 141."])
@pytest.mark.parametrize("oracle", [True, False])
def test_an_answer_in_another_form_is_met_with_the_same_words_right_or_wrong(said, oracle):
    async def turns(gold: str) -> list[object]:
        grader = open_grader("math")
        asked, right = question(), Gold("q0", (gold,))
        ask = FakeAsk(lambda call: said)
        ask.reader = QuestionReader(grader, asked)

        async def check(completion) -> bool:
            return await grader.check(asked, right, completion)

        arm = Arm("heart", "heart", cues=CUES)
        trace = await METHODS["heart"](asked, arm, ask, check if oracle else None)
        await grader.close()
        assert trace.notes["stopped"] == "rounds"
        return [call.messages for call in ask.calls]

    assert asyncio.run(turns("141")) == asyncio.run(turns("999"))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_takes_the_same_four_arguments(name):
    parameters = inspect.signature(METHODS[name]).parameters
    assert list(parameters) == ["question", "arm", "ask", "check"]
    assert parameters["check"].default is None


def test_controls_of_a_verifier_free_loop_never_stop_early():
    heart = Arm("heart", "heart", cues=CUES)
    resample = {c.method: c for c in matched_controls(heart, "verifier-free")}["resample"]
    assert resample.params["stop"] == "never"
