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
from heartloop.run.clients import make_client
from heartloop.run.load import Prepared
from heartloop.run.plan import Plan
from heartloop.run.unit import LoadedTask, opening_order
from heartloop.types import Address, Arm, Completion, Message, Request

PILOT_QUESTIONS = 16
FEW_QUESTIONS = 100
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
    facts: dict[str, Any] = {"questions": sum(map(len, answered.values())), "tokens": {}}
    draws: dict[str, dict[str, dict[str, float]]] = {}
    for task in prepared.tasks:
        for model in plan.models:
            found = answered.get((model, task.card.name))
            if not found:
                continue  # the draws stay at equal calls; the errors will end the run anyway
            forms = [len(question.answer_format) for question in task.data.questions]
            tokens = dataclasses.replace(
                TokenAverages.of(found, prompts=list(_first_prompts(plan, task))),
                form=sum(forms) / len(forms),
            )
            facts["tokens"].setdefault(model, {})[task.card.name] = dataclasses.asdict(tokens)
            for arm in plan.arms:
                loop = loop_of(arm, plan.arms) if arm.role == "resample" else None
                if loop is not None:
                    draws.setdefault(arm.name, {}).setdefault(model, {})[task.card.name] = (
                        draws_for_equal_tokens(loop, task.mode, tokens, plan.selector)
                    )
    facts["draws"] = draws
    return dataclasses.replace(plan, draws=draws, match="fixed"), facts


def loop_of(control: Arm, arms: Sequence[Arm]) -> Arm | None:
    """The loop that a control belongs to: named after ``for``, else the first loop.

    None where a plan of the user's own has no loop, so that its draws stay as they are.
    """
    name = control.name.partition(" for ")[2]
    loops = [
        arm for arm in arms if arm.role == "treatment" and "rounds" in SPECS[arm.method].params
    ]
    return next((arm for arm in loops if arm.name == name), loops[0] if loops else None)


def _first_prompts(plan: Plan, task: LoadedTask) -> Iterator[tuple[Message, ...]]:
    loop = next((a for a in plan.arms if a.role == "treatment"), plan.arms[0])
    for question in task.data.questions:
        yield render(question, loop.stimuli, loop.placement)


async def _ask_first(
    prepared: Prepared, client: Client, count: int
) -> dict[tuple[str, str], list[Answered]]:
    """First answers to a task's first questions in the order of opening, by model and task.

    A task of fewer than 100 questions is asked all of them, since few answers would miss its mean
    by several per cent; the run asks these calls anyway. Under a cap ``count`` has to do.
    """
    plan = prepared.plan
    caps = client.ledger.caps
    capped = caps.total_tokens is not None or caps.usd is not None
    loop = next((arm for arm in plan.arms if arm.role == "treatment"), plan.arms[0])
    jobs: dict[str, list[tuple[str, Request]]] = {model: [] for model in plan.models}
    for task in prepared.tasks:
        name = task.card.name
        few = len(task.data.questions) < FEW_QUESTIONS and count == PILOT_QUESTIONS
        share = len(task.data.questions) if few and not capped else count
        for model in plan.models:
            opened = opening_order([task], model, plan.seeds, plan.order)
            for _, id in opened[:share]:
                messages = render(task.data.question(id), loop.stimuli, loop.placement)
                address = Address(name, id, model, 0, 0, plan.seeds[0])
                request = Request(address, messages, task.sampling, arm=loop.name)
                jobs[model].append((name, request))
    answered: dict[tuple[str, str], list[Answered]] = {}
    waves = client.waves(plan.models)
    for wave in waves:
        asked = [(model, name, request) for model in wave for name, request in jobs[model]]
        # Calls under way are waited for even when one is refused: none is paid for in vain.
        found = await asyncio.gather(*(_one(client, r) for *_, r in asked), return_exceptions=True)
        for (model, name, _), pair in zip(asked, found, strict=True):
            if isinstance(pair, BaseException):
                raise pair
            if pair is not None:
                answered.setdefault((model, name), []).append(pair)
        if len(waves) > 1:
            await asyncio.gather(*map(client.rest, wave))
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
            client, _ = make_client(prepared.plan, journal, prepared.tasks, in_waves=True)
            try:
                started = time.monotonic()
                by_task = await _ask_first(prepared, client, PROBE_QUESTIONS)
                answered = [pair for pairs in by_task.values() for pair in pairs]
                seconds = time.monotonic() - started
            finally:
                await client.close()
    if not answered:
        return None
    return Probe(len(answered), TokenAverages.of(answered), seconds, len(answered))
