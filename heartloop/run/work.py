"""The one place where a method meets a verifier: a unit in, its trace and its verdicts out."""

from __future__ import annotations

import traceback
from pathlib import Path

from heartloop.errors import HeartloopError
from heartloop.methods import METHODS, select
from heartloop.run import choice_scores
from heartloop.run.ask import BoundAsk
from heartloop.run.unit import Unit
from heartloop.types import Completion, Graded, Trace

Worked = tuple[Trace, list[Graded | None]]
"""A trace with its totals, and the verdict of each attempt; None where the call was an error."""


async def work_on(unit: Unit, ask: BoundAsk, selector: str) -> Worked:
    """Run a unit's method, let the selector choose, and grade every candidate.

    In oracle mode the method is given a check that tells the outcome of the own metric and
    nothing else; it grades as the end does, finish reason included, and what it graded is
    not graded again. Verifiers that score choices take their own way.

    Args:
        unit: what is worked on.
        ask: bound to the unit; it stops when its client is stopped.
        selector: name of the selector, for verifier-free mode.

    Raises:
        NotInJournal: the client answers from the journal alone, and a call was never made.
        HeartloopError: the run cannot go on, or the method has a bug (``internal error at …``).
    """
    try:
        if unit.task.grader.verifier.kind == choice_scores.KIND:
            return await choice_scores.work_on_choices(unit, ask)
        return await _work(unit, ask, selector)
    except HeartloopError:
        raise
    except Exception as error:
        raise internal_error(unit, error) from error


async def answer(unit: Unit, ask: BoundAsk, selector: str) -> Trace:
    """Run a unit's method without a verifier and let the selector choose; nothing is graded.

    All there is to a question without a gold: one that a person or a program asks.

    Args:
        unit: what is worked on; its gold is not looked at.
        ask: bound to the unit.
        selector: name of the selector.
    """
    trace = await METHODS[unit.arm.method](unit.question, unit.arm, ask)
    return with_totals(await select(selector, trace, unit.question, unit.arm, ask), ask)


def internal_error(unit: Unit, error: Exception) -> HeartloopError:
    """A bug, told in one line that says at which unit and in which line of code."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return HeartloopError(f"internal error at {unit.where}: {type(error).__name__}: {error}{place}")


async def _work(unit: Unit, ask: BoundAsk, selector: str) -> Worked:
    known: dict[tuple[str, str], Graded] = {}

    async def grade(completion: Completion) -> Graded:
        name = (completion.key, completion.text)
        if name not in known:
            known[name] = await unit.task.grader.grade(unit.question, unit.gold, completion)
        return known[name]

    async def check(completion: Completion) -> bool:
        return (await grade(completion)).own.outcome == "correct"

    if unit.task.mode == "oracle":
        trace = await METHODS[unit.arm.method](unit.question, unit.arm, ask, check)
        trace = with_totals(trace, ask)
    else:
        trace = await answer(unit, ask, selector)
    answers = [attempt.completion for attempt in trace.attempts]
    return trace, [None if answer is None else await grade(answer) for answer in answers]


async def unfinished(unit: Unit, ask: BoundAsk) -> Worked | None:
    """What a unit that cannot go on had answered so far, graded; None where that is nothing."""
    attempts = ask.so_far
    if not attempts or unit.task.grader.verifier.kind in (choice_scores.KIND, "judge"):
        return None
    trace = Trace(unit.question.id, unit.arm.name, attempts, len(attempts) - 1)
    graded: list[Graded | None] = [
        await unit.task.grader.grade(unit.question, unit.gold, attempt.completion)
        for attempt in attempts
        if attempt.completion is not None
    ]
    return with_totals(trace, ask), graded


def with_totals(trace: Trace, ask: BoundAsk) -> Trace:
    """A trace with everything that was used for it.

    The ask counts what was answered, helpers' calls included; `adaptive` also knows what calls
    that it cancelled had used, so the larger count holds.
    """
    calls, usage, cost = ask.calls, ask.usage, ask.cost
    if ask.helper is not None:
        calls, usage = calls + ask.helper.calls, usage + ask.helper.usage
        if ask.helper.cost is not None:
            cost = (cost or 0.0) + ask.helper.cost
    if trace.usage.total > usage.total:
        calls, usage = max(trace.calls, calls), trace.usage
    if calls == trace.calls and usage == trace.usage and cost == trace.cost:
        return trace
    return Trace(  # `dataclasses.replace` takes four times as long
        trace.question, trace.arm, trace.attempts, trace.selected, calls, usage, cost, trace.notes
    )
