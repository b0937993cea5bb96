"""Multiple choice by log-likelihood: every choice is scored as a continuation of the prompt."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from heartloop.calls import Client
from heartloop.errors import CallError, UsageError
from heartloop.grading.loglik import grade_loglik
from heartloop.methods import render
from heartloop.types import Address, Attempt, Completion, Graded, Trace, Usage

if TYPE_CHECKING:
    from heartloop.run.runner import Unit

KIND = "choice_loglik"


def prompt_text(unit: Unit) -> str:
    """The prompt as one raw text: no chat template stands between it and the choices."""
    messages = render(unit.question, unit.arm.stimuli, unit.arm.placement)
    return "\n\n".join(message.content for message in messages)


async def work_on_choices(client: Client, unit: Unit) -> tuple[Trace, list[Graded | None]]:
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
    address = Address(question.task, question.id, unit.model, 0, draw, unit.seed)
    continuations = [f" {choice}" for choice in question.choices]
    try:
        scored = await client.score(address, prompt_text(unit), continuations, arm.name)
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
    usage = sum((one.usage for one in scored), Usage())
    costs = [one.cost for one in scored if one.cost is not None]
    answer = Completion(
        text=verdict.answer or "",
        usage=usage,
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
        calls=len(scored),
        usage=usage,
        cost=sum(costs) if costs else None,
        notes={"log_likelihoods": scores},
    )
    return trace, [Graded(verdict, verdict)]
