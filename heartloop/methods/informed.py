"""Single answers told something first: `emotional_cot`, `planner`, `knowledge`, `traces`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heartloop.errors import CallError
from heartloop.methods import wordings
from heartloop.methods.prompt import append_to_last, render
from heartloop.methods.recorder import Recorder, dice, run_seed
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


@register(
    "traces",
    params=("traces", "shuffled"),
    shape=lambda values: [[Step(feedbacks=1)]],
    summary="the model is shown its own choices of an earlier run beside the base rate",
)
async def traces(question: Question, arm: Arm, ask: Ask, check: Check | None = None) -> Trace:
    """Answer with one line of one's own choices so far; a question without any is asked as it is.

    The line names every label with the share of the model's own choices and people's. Its control
    (``shuffled``) has the same numbers, the own ones on other labels.
    """
    recorder = Recorder(question, arm, ask)
    values = settings(arm)
    shares = (values["traces"] or {}).get(question.id, {})
    own = [mine for mine, _ in shares.values()]
    if values["shuffled"]:
        dice("traces", run_seed(ask), question.task, question.id).shuffle(own)
    choices = [
        wordings.TRACE_CHOICE.format(label=label, own=mine, people=people)
        for mine, (label, (_, people)) in zip(own, shares.items(), strict=True)
    ]
    recorder.notes["informed"] = bool(choices)
    note = wordings.TRACE.format(choices=", ".join(choices)) if choices else None
    return await _informed(recorder, note)


def _text_for(given: str | Mapping[str, str] | None, question: Question) -> str | None:
    return given if given is None or isinstance(given, str) else given.get(question.id)


async def _informed(recorder: Recorder, note: str | None) -> Trace:
    arm = recorder.arm
    notes = (note,) if note else ()
    messages = render(recorder.question, arm.stimuli, arm.placement, notes=notes)
    await recorder.answer(messages, round=0)
    return recorder.trace()
