"""Token-only pilots: first answers whose lengths, and nothing else, fix budgets before a run."""

from __future__ import annotations

import asyncio
import dataclasses
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heartloop.calls import Client, Journal
from heartloop.errors import CallError
from heartloop.methods import SPECS, TokenAverages, draws_for_equal_tokens, render
from heartloop.run.load import Prepared, make_client
from heartloop.run.plan import Plan
from heartloop.types import Address, Arm, Completion, Message, Request

PILOT_QUESTIONS = 16
PROBE_QUESTIONS = 4

Answered = tuple[tuple[Message, ...], Completion]


@dataclass(frozen=True, slots=True)
class Probe:
    """What a short probe found.

    Attributes:
        calls: answered; tokens: mean prompt and completion tokens of one.
        seconds: mean time of an answer with ``in_flight`` of them at once.
    """

    calls: int
    tokens: TokenAverages
    seconds: float
    in_flight: int


def needs_pilot(plan: Plan) -> bool:
    """Whether a `resample` control still waits for its number of draws."""
    return plan.match == "tokens" and any(
        arm.role == "resample" and loop_of(arm, plan.arms) for arm in plan.arms
    )


async def fix_draws(prepared: Prepared, client: Client) -> tuple[Plan, dict[str, Any]]:
    """Give every `resample` control the draws that cost what its loop costs at most.

    The pilot asks round 0, draw 0 of a few questions: calls that every arm of the run shares, so
    it costs nothing extra. Their lengths alone are used, never their texts or outcomes.

    Returns:
        The plan with fixed draws, and the facts for the manifest.

    Raises:
        HeartloopError: the model cannot be asked at all.
    """
    plan = prepared.plan
    answered = await _ask_first(prepared, client, PILOT_QUESTIONS)
    facts: dict[str, Any] = {"questions": len(answered), "draws": {}}
    arms = list(plan.arms)
    if answered:
        tokens = TokenAverages.of(answered, prompts=list(_first_prompts(prepared)))
        facts["tokens"] = dataclasses.asdict(tokens)
        for i, arm in enumerate(arms):
            loop = loop_of(arm, arms) if arm.role == "resample" else None
            if loop is not None:
                draws = draws_for_equal_tokens(loop, _mode(prepared), tokens)
                arms[i] = dataclasses.replace(arm, params={**arm.params, "draws": draws})
                facts["draws"][arm.name] = draws
    # Without any answer the draws stay at equal calls; the errors will end the run anyway.
    return dataclasses.replace(plan, arms=tuple(arms), match="fixed"), facts


def _mode(prepared: Prepared) -> Any:
    return prepared.tasks[0].mode


def loop_of(control: Arm, arms: Sequence[Arm]) -> Arm | None:
    """The loop that a control belongs to: named after ``for``, else the first loop.

    None where a plan of the user's own has no loop, so that its draws stay as they are.
    """
    name = control.name.partition(" for ")[2]
    loops = [
        arm for arm in arms if arm.role == "treatment" and "rounds" in SPECS[arm.method].params
    ]
    return next((arm for arm in loops if arm.name == name), loops[0] if loops else None)


def _first_prompts(prepared: Prepared) -> Iterator[tuple[Message, ...]]:
    loop = next((a for a in prepared.plan.arms if a.role == "treatment"), prepared.plan.arms[0])
    for task in prepared.tasks:
        for question in task.data.questions:
            yield render(question, loop.stimuli, loop.placement)


async def _ask_first(prepared: Prepared, client: Client, count: int) -> list[Answered]:
    plan = prepared.plan
    jobs = []
    for task in prepared.tasks:
        share = max(1, count // len(prepared.tasks))
        questions = task.data.questions
        step = max(1, len(questions) // share)
        loop = next((arm for arm in plan.arms if arm.role == "treatment"), plan.arms[0])
        for question in questions[::step][:share]:
            messages = render(question, loop.stimuli, loop.placement)
            for model in plan.models:
                address = Address(task.card.name, question.id, model, 0, 0, plan.seeds[0])
                jobs.append(_one(client, Request(address, messages, task.sampling, arm=loop.name)))
    # Calls under way are waited for even when one is refused, so that none is paid for in vain.
    found = await asyncio.gather(*jobs, return_exceptions=True)
    answered = []
    for pair in found:
        if isinstance(pair, BaseException):
            raise pair
        if pair is not None:
            answered.append(pair)
    return answered


async def _one(client: Client, request: Request) -> Answered | None:
    try:
        return request.messages, await client.ask(request)
    except CallError:
        return None


async def probe(prepared: Prepared) -> Probe | None:
    """Ask a few questions for real and forget the answers; None where nothing answers.

    Raises:
        HeartloopError: the model cannot be asked at all.
    """
    with tempfile.TemporaryDirectory(prefix="heartloop-probe-") as folder:
        with Journal.open(Path(folder)) as journal:
            client, _ = make_client(prepared.plan, journal, prepared.tasks)
            try:
                started = time.monotonic()
                answered = await _ask_first(prepared, client, PROBE_QUESTIONS)
                seconds = time.monotonic() - started
            finally:
                await client.close()
    if not answered:
        return None
    return Probe(len(answered), TokenAverages.of(answered), seconds, len(answered))
