"""Methods that go on from an answer without a cue: `self_refine`, `critique`, `budget_force`, …."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heartloop.methods import wordings
from heartloop.methods.loop import (
    MENDING,
    Next,
    Turn,
    answer_form,
    extend,
    opening,
    run_rounds,
    stops_early,
)
from heartloop.methods.prompt import append_to_last, render
from heartloop.methods.recorder import Recorder
from heartloop.methods.registry import Step, check_helper, register, settings
from heartloop.types import Arm, Ask, Check, Message, Question, Trace


def _two_a_round(values: Mapping[str, Any]) -> list[list[Step]]:
    rounds = range(1, values["rounds"] + 1)
    return [[Step()], *([Step(2 * r - 1, 2 * r - 1), Step(2 * r, 2 * r)] for r in rounds)]


def _critic_shape(values: Mapping[str, Any]) -> list[list[Step]]:
    rounds = range(1, values["rounds"] + 1)
    # The review is part of the next user message: a completion's worth of tokens once a round.
    return [[Step()], *([Step(1, 1), Step(2 * r, r)] for r in rounds)]


def _one_a_round(values: Mapping[str, Any]) -> list[list[Step]]:
    feedbacks = 0 if values.get("force") == "continue" else 1
    return [[Step()], *([Step(r, r * feedbacks)] for r in range(1, values["rounds"] + 1))]


REFINE = ("rounds", *MENDING, "told_wrong", "temperatures", "stop")


@register(
    "self_refine",
    params=REFINE,
    shape=_two_a_round,
    early=stops_early,
    summary="the model's own feedback on its answer, then a new answer",
)
async def self_refine(question: Question, arm: Arm, ask: Ask, check: Check | None = None) -> Trace:
    """Answer, own feedback, new answer … in one growing conversation (after Madaan et al. 2023)."""
    values = settings(arm)
    recorder = Recorder(question, arm, ask)

    async def turn(now: Turn) -> Next:
        words = _told(values, now, wordings.GIVE_FEEDBACK)
        asked, extends = extend("full", (), now.messages, now.last, words)
        review = await recorder.say(asked, round=now.round, purpose="feedback", extends=extends)
        words = answer_form(values, question.answer_format, wordings.USE_FEEDBACK)
        return Next(*extend("full", (), asked, review, words))

    base = render(question, arm.stimuli, arm.placement)
    await run_rounds(recorder, base, ask, check, values, turn)
    return recorder.trace()


@register(
    "critique",
    params=REFINE,
    shape=_critic_shape,
    early=stops_early,
    summary="a second model's feedback on the answer, then a new answer",
    helper=True,
)
async def critique(question: Question, arm: Arm, ask: Ask, check: Check | None = None) -> Trace:
    """As `self_refine`, but the feedback comes from ``ask.helper``, a second model.

    Raises:
        UsageError: the run names no second model.
    """
    values = settings(arm)
    recorder = Recorder(question, arm, ask)
    helper = _helper(arm, ask)
    base = render(question, arm.stimuli, arm.placement)

    async def turn(now: Turn) -> Next:
        shown = wordings.CANDIDATE.format(number=1, text=now.last.text or wordings.EMPTY_ANSWER)
        words = _told(values, now, wordings.GIVE_FEEDBACK)
        asked = append_to_last(base, f"{wordings.CRITIC_TASK}\n\n{shown}\n\n{words}")
        review = await helper(asked, round=now.round, purpose="feedback")
        recorder.book(review)
        said = review.text or wordings.EMPTY_ANSWER
        words = answer_form(
            values, question.answer_format, wordings.USE_CRITIQUE.format(review=said)
        )
        return Next(*extend("full", base, now.messages, now.last, words))

    await run_rounds(recorder, base, ask, check, values, turn)
    return recorder.trace()


@register(
    "budget_force",
    params=("rounds", "force", *MENDING, "temperatures", "stop"),
    shape=_one_a_round,
    early=stops_early,
    summary="the model is made to think on after it has answered",
)
async def budget_force(question: Question, arm: Arm, ask: Ask, check: Check | None = None) -> Trace:
    """Keep thinking, as a further turn or by continuing the model's own message.

    After the budget forcing of s1 (Muennighoff et al. 2025). No verdict is ever told. When the
    message is continued, an attempt's text is the continuation alone.
    """
    values = settings(arm)
    recorder = Recorder(question, arm, ask)
    base = render(question, arm.stimuli, arm.placement)
    written = ""
    if values["force"] == "continue":  # one long message: there is no turn to go back to
        values = {**values, "goes_on": "newest", "lost": 0}

    async def turn(now: Turn) -> Next:
        nonlocal written
        if values["force"] == "turn":
            words = answer_form(values, question.answer_format, wordings.KEEP_THINKING)
            return Next(*extend("full", base, now.messages, now.last, words))
        written += now.last.text + wordings.CONTINUE_THINKING
        messages = (*base, Message("assistant", written))
        return Next(messages, sampling={"continue_final_message": True})

    await run_rounds(recorder, base, ask, check, values, turn)
    return recorder.trace()


@register(
    "direct_refine",
    params=REFINE,
    defaults={"rounds": 1},
    shape=_one_a_round,
    early=stops_early,
    summary="the model is asked to improve its answer, without feedback",
)
async def direct_refine(
    question: Question, arm: Arm, ask: Ask, check: Check | None = None
) -> Trace:
    """Refine the answer directly; more rounds iterate it (a mitigation of Kang et al. 2024)."""
    values = settings(arm)
    recorder = Recorder(question, arm, ask)
    base = render(question, arm.stimuli, arm.placement)

    async def turn(now: Turn) -> Next:
        words = answer_form(
            values, question.answer_format, _told(values, now, wordings.DIRECT_REFINE)
        )
        return Next(*extend("full", base, now.messages, now.last, words))

    await run_rounds(recorder, base, ask, check, values, turn)
    return recorder.trace()


def _told(values: Mapping[str, Any], now: Turn, words: str) -> str:
    """The words, after the verdict or the missing answer where there is one to tell."""
    told = opening(values, now, wordings.VERDICT_WRONG, "")
    return f"{told} {words}" if told else words


def _helper(arm: Arm, ask: Ask) -> Ask:
    check_helper(arm, ask.helper)
    assert ask.helper is not None
    return ask.helper
