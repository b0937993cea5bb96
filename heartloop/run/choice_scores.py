"""Multiple choice by log-likelihood: every choice is scored as a continuation of the prompt."""

from __future__ import annotations

import math

from heartloop.errors import CallError, UsageError
from heartloop.grading.loglik import grade_loglik
from heartloop.methods import render
from heartloop.run.ask import BoundAsk
from heartloop.run.unit import Unit
from heartloop.types import Attempt, Completion, Graded, Trace

KIND = "choice_loglik"


def prompt_text(unit: Unit) -> str:
    """The prompt as one raw text: no chat template stands between it and the choices."""
    messages = render(unit.question, unit.arm.stimuli, unit.arm.placement)
    return "\n\n".join(message.content for message in messages)


async def work_on_choices(unit: Unit, ask: BoundAsk) -> tuple[Trace, list[Graded | None]]:
    """Score the choices of one question; log-likelihoods are summed over a choice's tokens.

    Raises:
        UsageError: the question shows no choices.
        HeartloopError: the run is being stopped.
    """
    question, arm = unit.question, unit.arm
    if not question.choices:
        raise UsageError(
            f"task {question.task}: question {question.id} has no choices to score; "
            "use another --verifier"
        )
    draw = int(arm.params.get("draw", 0))
    continuations = [f" {choice}" for choice in question.choices]
    try:
        scored = await ask.score(prompt_text(unit), continuations, draw=draw)
    except CallError as error:
        attempt = Attempt(0, draw, None, error=error.kind)
        return Trace(question.id, arm.name, (attempt,), None), [None]
    scores = [
        math.nan if one.logprob is None else one.logprob * one.logprob_tokens for one in scored
    ]
    verdict = grade_loglik(
        scores,
        unit.gold,
        choices=question.choices,
        metric=unit.task.grader.params.get("metric"),
    )
    answer = Completion(
        text=verdict.answer or "",
        usage=ask.usage,
        key=scored[0].key,
        started=min(one.started for one in scored),
        finished=max(one.finished for one in scored),
        endpoint=scored[0].endpoint,
    )
    trace = Trace(
        question.id,
        arm.name,
        (Attempt(0, draw, answer),),
        0,
        calls=ask.calls,
        usage=ask.usage,
        cost=ask.cost,
        notes={"log_likelihoods": scores},
    )
    return trace, [Graded(verdict, verdict)]
