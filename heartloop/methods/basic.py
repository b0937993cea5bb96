"""Methods without feedback: `single`, `cot` and independent draws, `resample`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heartloop.methods import wordings
from heartloop.methods.loop import check_new
from heartloop.methods.prompt import render
from heartloop.methods.recorder import Recorder, dice
from heartloop.methods.registry import Step, register, settings
from heartloop.types import Arm, Ask, Check, Question, Trace


@register("single", params=("draw",), summary="one answer to the question as it stands")
async def single(question: Question, arm: Arm, ask: Ask, check: Check | None = None) -> Trace:
    """One answer: round 0, draw 0 (the `again` control: draw 1)."""
    recorder = Recorder(question, arm, ask)
    messages = render(question, arm.stimuli, arm.placement)
    await recorder.answer(messages, round=0, draws=(settings(arm)["draw"],))
    return recorder.trace()


@register("cot", params=("draw",), summary="one answer, asked for step by step")
async def cot(question: Question, arm: Arm, ask: Ask, check: Check | None = None) -> Trace:
    """One answer after small written steps; the instruction follows the input."""
    recorder = Recorder(question, arm, ask)
    messages = render(question, arm.stimuli, arm.placement, notes=(wordings.STEP_BY_STEP,))
    await recorder.answer(messages, round=0, draws=(settings(arm)["draw"],))
    return recorder.trace()


GOLDEN = 0.6180339887498949  # its multiples fill [0, 1) more evenly than any draw


def draws_of(draws: float, question: Question) -> int:
    """How many draws this question gets: the whole part, and one more for the fraction's share.

    Decided by the question's task and index alone, before the run and never by answers or the run
    seed, so that the mean over a task's questions comes as near to ``draws`` as it can.
    """
    whole = int(draws)
    start = dice("draws", question.task).random()
    return whole + ((start + question.index * GOLDEN) % 1 < draws - whole)


def draws_shape(values: Mapping[str, Any]) -> list[list[Step]]:
    """Independent draws, one a round, since they may be asked one after another."""
    whole = int(values["draws"])
    rest = values["draws"] - whole
    return [[Step()] for _ in range(whole)] + ([[Step(draws=rest)]] if rest else [])


@register(
    "resample",
    params=("draws", "stop"),
    defaults={"stop": "never"},
    shape=draws_shape,
    early=lambda values, oracle: oracle and values["stop"] in ("auto", "solved"),
    summary="k independent draws of the first answer",
)
async def resample(question: Question, arm: Arm, ask: Ask, check: Check | None = None) -> Trace:
    """Independent draws 0 … k − 1 of round 0; draw 0 is the answer of `single`.

    ``stop=never`` asks for all of them at once (pass@k needs them all); ``stop=solved`` one
    after another up to the first right one, as a loop does in oracle mode.
    """
    values = settings(arm)
    recorder = Recorder(question, arm, ask)
    messages = render(question, arm.stimuli, arm.placement)
    draws = draws_of(values["draws"], question)
    if check is None or values["stop"] not in ("auto", "solved"):
        await recorder.answer(messages, round=0, draws=range(draws))
        await check_new(recorder, 0, check)
        recorder.notes["stopped"] = "draws"
        return recorder.trace()
    recorder.notes["stopped"] = "draws"
    for draw in range(draws):
        await recorder.answer(messages, round=0, draws=(draw,))
        await check_new(recorder, draw, check)
        if recorder.attempts[draw].checked:
            recorder.notes["stopped"] = "solved"
            break
    return recorder.trace()
