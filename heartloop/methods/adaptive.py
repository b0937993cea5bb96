"""`adaptive`: independent draws until the leading answer is known to stay in the lead."""

from __future__ import annotations

import asyncio
from collections import deque

from heartloop.errors import CallError
from heartloop.methods.basic import draws_of, draws_shape
from heartloop.methods.loop import check_new
from heartloop.methods.prompt import render
from heartloop.methods.recorder import Recorder
from heartloop.methods.registry import register, settings
from heartloop.methods.voting import classify, decided, pick
from heartloop.types import Arm, Ask, Attempt, Check, Completion, Question, Trace, Usage


@register(
    "adaptive",
    params=("draws", "threshold", "window"),
    defaults={"draws": 16},
    shape=draws_shape,
    early=lambda values, oracle: True,
    summary="draws until a Beta posterior says that the leading answer stays",
)
async def adaptive(question: Question, arm: Arm, ask: Ask, check: Check | None = None) -> Trace:
    """Draw in a sliding window, read the draws in order, stop when decided.

    A draw goes out only when all but ``window − 1`` of those before it have been read, so the
    decision and the set of calls it cancels depend on the answers alone, not on their timing.
    What is in flight then is cancelled and booked: the prompt of the same request and the mean
    completion of the draws that were read, marked in the notes as an estimate.
    """
    values = settings(arm)
    recorder = Recorder(question, arm, ask)
    messages = render(question, arm.stimuli, arm.placement)
    most = draws_of(values["draws"], question)
    flying: deque[asyncio.Future[Completion]] = deque()
    answers: list[str | None] = []
    sent = 0
    recorder.notes["stopped"] = "draws"
    try:
        while len(recorder.attempts) < most:
            while sent < most and len(flying) < values["window"]:
                flying.append(asyncio.ensure_future(ask(messages, round=0, draw=sent)))
                sent += 1
            draw = len(recorder.attempts)
            try:
                completion = await flying[0]
                recorder.add(Attempt(0, draw, completion))
                answers.append(ask.reader.extract(completion.text))
            except CallError as error:
                recorder.add(Attempt(0, draw, None, error=error.kind))
                answers.append(None)
            flying.popleft()
            classes = await classify(answers, ask.reader.same)
            sizes = [len(members) for members in classes.members]
            if decided(sizes, values["threshold"]):
                recorder.notes["stopped"] = "decided"
                break
    finally:
        await _cancel(flying)
    _book(recorder, len(flying))
    recorder.notes["classes"] = sizes
    await check_new(recorder, 0, check)
    if not classes.members:
        return recorder.trace()
    place, tied = pick(sizes, question, "adaptive")
    recorder.notes["tied"] = tied
    return recorder.trace(classes.members[place][0])


async def _cancel(flying: deque[asyncio.Future[Completion]]) -> None:
    for task in flying:
        task.cancel()
    await asyncio.gather(*flying, return_exceptions=True)


def _book(recorder: Recorder, cancelled: int) -> None:
    """Book the calls that were in flight at the decision."""
    if not cancelled:
        return
    calls = max(1, recorder.calls)
    each = Usage(
        round(recorder.usage.prompt / calls),
        round(recorder.usage.completion / calls),
        round(recorder.usage.reasoning / calls),
    )
    recorder.calls += cancelled
    for _ in range(cancelled):
        recorder.usage += each
    recorder.notes.update(cancelled=cancelled, cancelled_tokens_estimated=cancelled * each.total)
