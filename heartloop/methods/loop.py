"""The feedback loop: `heart`, and the same loop as `reflect`, `neutral` and `neutral-varied`.

Round 0 is the question as it stands: nothing of the arm but its stimuli is in it, so that all
loops and `single` share that call. Round r + 1 is round r, the model's answer, and one more user
message, so that a prefix cache can keep everything before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from heartloop.methods import wordings
from heartloop.methods.prompt import append_to_last, render
from heartloop.methods.recorder import Recorder, gather
from heartloop.methods.registry import register, settings
from heartloop.methods.schedules import open_schedule
from heartloop.types import (
    Arm,
    Ask,
    Attempt,
    Check,
    Completion,
    Message,
    Question,
    Stimulus,
    Trace,
)

LOOP = ("rounds", "candidates", "history", "told_wrong", "temperatures", "stop")


def loop_calls(values: Mapping[str, Any], oracle: bool) -> tuple[int, int]:
    """Calls of a loop with one call a candidate: one round at least where it may stop early."""
    most = (values["rounds"] + 1) * values["candidates"]
    early = values["candidates"] if stops_early(values, oracle) else most
    return min(early, most), most


def stops_early(values: Mapping[str, Any], oracle: bool) -> bool:
    """Whether a method may end before its last round or draw."""
    return values["stop"] == "stable" or (oracle and values["stop"] != "never")


@register(
    "heart",
    params=(
        *LOOP,
        "schedule",
        "first_valence",
        "cues",
        "order",
        "alpha",
        "mu",
        "gain",
        "tables",
        "lag",
    ),
    cues="heart",
    calls=loop_calls,
    summary="HEART-style loop, reconstructed: an emotional cue with every reflection round",
)
async def heart(question: Question, arm: Arm, ask: Ask, check: Check | None = None) -> Trace:
    """The HEART-style loop (reconstructed after Pinto et al. 2025, arXiv 2509.22876)."""
    return await feedback_loop(question, arm, ask, check, settings(arm))


@register(
    "reflect",
    params=LOOP,
    calls=loop_calls,
    summary="the same loop and reflection instruction without any affect",
)
async def reflect(question: Question, arm: Arm, ask: Ask, check: Check | None = None) -> Trace:
    """The loop with the reflection instruction alone."""
    return await feedback_loop(question, arm, ask, check, {**settings(arm), "schedule": "none"})


@register(
    "neutral",
    params=(*LOOP, "cues"),
    cues="neutral",
    calls=loop_calls,
    summary="the same loop with one fixed neutral line in the cue's place",
)
async def neutral(question: Question, arm: Arm, ask: Ask, check: Check | None = None) -> Trace:
    """The loop with its first cue in every round."""
    return await feedback_loop(question, arm, ask, check, {**settings(arm), "schedule": "fixed"})


@register(
    "neutral-varied",
    params=(*LOOP, "cues"),
    cues="neutral-varied",
    calls=loop_calls,
    summary="the same loop with varied neutral lines: prompt diversity without affect",
)
async def neutral_varied(
    question: Question, arm: Arm, ask: Ask, check: Check | None = None
) -> Trace:
    """The loop with neutral cues, each said once before one is said again."""
    return await feedback_loop(question, arm, ask, check, {**settings(arm), "schedule": "varied"})


async def feedback_loop(
    question: Question, arm: Arm, ask: Ask, check: Check | None, values: Mapping[str, Any]
) -> Trace:
    """Answer, then reflect and answer again, until solved, stable or out of rounds.

    With several candidates a round, the conversation goes on from the first draw that was
    answered. A failed call ends the trace unless another candidate of its round was answered.
    """
    recorder = Recorder(question, arm, ask)
    schedule = open_schedule(values, question, arm, ask, oracle=check is not None)
    base = render(question, arm.stimuli, arm.placement)
    draws = range(values["candidates"])
    messages, extends, cue, round = base, None, "", 0
    while True:
        before = len(recorder.attempts)
        await recorder.answer(
            messages,
            round=round,
            draws=draws,
            cue=cue,
            extends=extends,
            **temperature_of(values, round),
        )
        await check_new(recorder, before, check)
        new = recorder.attempts[before:]
        if round:
            schedule.learn(new)
        reason = await stop_reason(recorder.attempts, before, values, ask, oracle=check is not None)
        if reason is None and round == values["rounds"]:
            reason = "rounds"
        if reason is not None:
            break
        last = next(attempt for attempt in new if attempt.completion is not None)
        assert last.completion is not None
        chosen = await schedule.choose(recorder.attempts)
        cue = chosen.name if chosen else ""
        words = feedback(values, chosen, wrong=last.checked is False)
        messages, extends = extend(values["history"], base, messages, last.completion, words)
        round += 1
    recorder.notes.update(schedule.notes, stopped=reason)
    return recorder.trace()


def feedback(values: Mapping[str, Any], cue: Stimulus | None, *, wrong: bool) -> str:
    """The user message of a feedback round: verdict or its neutral stand-in, reflection, cue.

    What all loops say comes first and the cue last, so that arms share as much as they can.
    """
    told = wrong and values["told_wrong"]
    if values["history"] == "none":
        opening = wordings.NO_HISTORY_WRONG if told else wordings.NO_HISTORY_AGAIN
        body = wordings.NO_HISTORY_WORK
    else:
        opening = wordings.VERDICT_WRONG if told else wordings.CHECK_AGAIN
        body = wordings.REFLECT
    words = f"{opening} {body}"
    return f"{words}\n\n{cue.text}" if cue else words


def extend(
    history: str,
    base: tuple[Message, ...],
    messages: tuple[Message, ...],
    last: Completion,
    words: str,
) -> tuple[tuple[Message, ...], Completion | None]:
    """The next round's messages, and the call that they extend byte for byte.

    History ``full`` keeps every turn, ``last`` the question and the newest answer, ``none`` the
    question alone with the feedback as a further paragraph.
    """
    if history == "none":
        return append_to_last(base, words), None
    kept = messages if history == "full" else base
    turn = Message("assistant", last.text or wordings.EMPTY_ANSWER)
    extends = last if last.text and kept == messages else None
    return (*kept, turn, Message("user", words)), extends


def temperature_of(values: Mapping[str, Any], round: int) -> dict[str, Any]:
    """Sampling of a feedback round; round 0 always has the task's, which all arms share."""
    temperatures = values.get("temperatures") or ()
    if round == 0 or not temperatures:
        return {}
    return {"temperature": temperatures[min(round, len(temperatures)) - 1]}


async def check_new(recorder: Recorder, since: int, check: Check | None) -> None:
    """Ask the verifier about the attempts added since; errors stay unchecked."""
    if check is None:
        return
    places = [i for i in range(since, len(recorder.attempts)) if recorder.attempts[i].completion]
    texts = [recorder.attempts[i].completion.text for i in places]  # type: ignore[union-attr]
    for place, right in zip(places, await gather([_right(check, t) for t in texts]), strict=True):
        old = recorder.attempts[place]
        recorder.attempts[place] = Attempt(
            old.round, old.draw, old.completion, old.cue, right, old.error, old.purpose
        )


async def _right(check: Check, text: str) -> bool:
    return await check(text)


async def stop_reason(
    attempts: Sequence[Attempt],
    since: int,
    values: Mapping[str, Any],
    ask: Ask,
    *,
    oracle: bool,
) -> str | None:
    """Why the loop ends after this round: ``error``, ``solved``, ``stable``; None goes on."""
    new = attempts[since:]
    answered = [attempt for attempt in new if attempt.completion is not None]
    if not answered:
        return "error"
    if oracle and values["stop"] != "never" and any(a.checked for a in new):
        return "solved"
    if values["stop"] == "stable" and since:
        before = next(a for a in reversed(attempts[:since]) if a.completion is not None)
        first, second = (_extract(ask, a) for a in (before, answered[0]))
        if first is not None and second is not None and await ask.reader.same(first, second):
            return "stable"
    return None


def _extract(ask: Ask, attempt: Attempt) -> str | None:
    assert attempt.completion is not None
    return ask.reader.extract(attempt.completion.text)
