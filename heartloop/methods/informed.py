"""Single answers that are told something first: `emotional_cot`, `planner`, `knowledge`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heartloop.errors import CallError
from heartloop.methods import wordings
from heartloop.methods.prompt import append_to_last, render
from heartloop.methods.recorder import Recorder
from heartloop.methods.registry import Step, register, settings
from heartloop.types import Arm, Ask, Check, Question, Trace


@register("emotional_cot", summary="the person's feelings are named before the answer")
async def emotional_cot(
    question: Question, arm: Arm, ask: Ask, check: Check | None = None
) -> Trace:
    """Say first how the person feels, then answer (a mitigation of Kang et al. 2024)."""
    return await _informed(Recorder(question, arm, ask), wordings.FEELING_FIRST)


def _planner_shape(values: Mapping[str, Any]) -> list[list[Step]]:
    if values["plan"] is not None:
        return [[Step(feedbacks=1)]]
    return [[Step(feedbacks=1)], [Step(answers=1, feedbacks=1)]]


@register(
    "planner",
    params=("plan",),
    shape=_planner_shape,
    summary="a plan from a file, a second model or the model itself comes before the answer",
)
async def planner(question: Question, arm: Arm, ask: Ask, check: Check | None = None) -> Trace:
    """Answer after a plan: the one handed in, else asked of ``ask.helper``, else of the model."""
    recorder = Recorder(question, arm, ask)
    given = settings(arm)["plan"]
    plan = _text_for(given, question)
    if plan is None and given is None:
        base = render(question, arm.stimuli, arm.placement)
        helper = ask.helper or ask
        try:
            said = await helper(append_to_last(base, wordings.ASK_PLAN), purpose="feedback")
        except CallError as error:
            recorder.fail(0, error)
            return recorder.trace()
        plan = recorder.book(said).text.strip() or None
    recorder.notes["plan"] = plan
    return await _informed(recorder, wordings.PLANNED.format(plan=plan) if plan else None)


@register(
    "knowledge",
    params=("knowledge",),
    shape=lambda values: [[Step(feedbacks=1)]],
    summary="background from a file comes before the answer",
)
async def knowledge(question: Question, arm: Arm, ask: Ask, check: Check | None = None) -> Trace:
    """Answer with lines of background; a question without any is asked as it stands, and noted."""
    recorder = Recorder(question, arm, ask)
    text = _text_for(settings(arm)["knowledge"], question)
    recorder.notes["informed"] = text is not None
    return await _informed(recorder, wordings.KNOWLEDGE.format(knowledge=text) if text else None)


def _text_for(given: str | Mapping[str, str] | None, question: Question) -> str | None:
    return given if given is None or isinstance(given, str) else given.get(question.id)


async def _informed(recorder: Recorder, note: str | None) -> Trace:
    arm = recorder.arm
    notes = (note,) if note else ()
    messages = render(recorder.question, arm.stimuli, arm.placement, notes=notes)
    await recorder.answer(messages, round=0)
    return recorder.trace()
