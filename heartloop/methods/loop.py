"""The feedback loop: `heart`, and the same loop as `reflect`, `neutral` and `neutral-varied`.

Round 0 is the question as it stands: nothing of the arm but its stimuli is in it, so that all
loops and `single` share that call. Round r + 1 is round r, the model's answer, and one more user
message, so that a prefix cache can keep everything before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from heartloop.errors import CallError
from heartloop.methods import wordings
from heartloop.methods.prompt import append_to_last, render
from heartloop.methods.recorder import Recorder, gather
from heartloop.methods.registry import Step, register, settings
from heartloop.methods.schedules import open_schedule
from heartloop.types import (
    AnswerBy,
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

MENDING = ("layout", "told_missing", "answer_by", "goes_on", "lost")
"""Parameters of every method with turns: what keeps a small model from losing the task."""

LOOP = ("rounds", "candidates", "history", *MENDING, "told_wrong", "temperatures", "stop")


def loop_shape(values: Mapping[str, Any]) -> list[list[Step]]:
    """The calls of a loop with one call a candidate, round by round."""
    kept = {"full": lambda r: (r, r), "last": lambda r: (1, 1), "none": lambda r: (0, 1)}
    turns = kept[values["history"]]
    first = Step(draws=values["candidates"])
    later = range(1, values["rounds"] + 1)
    return [[first], *([Step(*turns(r), draws=values["candidates"])] for r in later)]


def stops_early(values: Mapping[str, Any], oracle: bool) -> bool:
    """Whether an answer may end a method before its last round or draw."""
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
        "signal",
        "tables",
        "lag",
    ),
    cues="heart",
    shape=loop_shape,
    early=stops_early,
    summary="HEART-style loop, reconstructed: an emotional cue with every reflection round",
)
async def heart(question: Question, arm: Arm, ask: Ask, check: Check | None = None) -> Trace:
    """The HEART-style loop (reconstructed after Pinto et al. 2025, arXiv 2509.22876)."""
    values = settings(arm)
    learner = ask.learner if values["schedule"] == "bandit" else None
    if learner is None:
        return await feedback_loop(question, arm, ask, check, values)
    try:
        trace = await feedback_loop(question, arm, ask, check, values)
    except BaseException:
        learner.abandon(question.id)
        raise
    learner.close(trace)
    return trace


@register(
    "reflect",
    params=LOOP,
    shape=loop_shape,
    early=stops_early,
    summary="the same loop and reflection instruction without any affect",
)
async def reflect(question: Question, arm: Arm, ask: Ask, check: Check | None = None) -> Trace:
    """The loop with the reflection instruction alone."""
    return await feedback_loop(question, arm, ask, check, {**settings(arm), "schedule": "none"})


@register(
    "neutral",
    params=(*LOOP, "cues"),
    cues="neutral",
    shape=loop_shape,
    early=stops_early,
    summary="the same loop with one fixed neutral line in the cue's place",
)
async def neutral(question: Question, arm: Arm, ask: Ask, check: Check | None = None) -> Trace:
    """The loop with its first cue in every round."""
    return await feedback_loop(question, arm, ask, check, {**settings(arm), "schedule": "fixed"})


@register(
    "neutral-varied",
    params=(*LOOP, "cues"),
    cues="neutral-varied",
    shape=loop_shape,
    early=stops_early,
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
    """The loop whose feedback is a verdict or its stand-in, the reflection, and a cue."""
    recorder = Recorder(question, arm, ask)
    schedule = open_schedule(values, question, arm, ask, oracle=check is not None)
    base = render(question, arm.stimuli, arm.placement)

    async def turn(now: Turn) -> Next:
        if now.round > 1:
            schedule.learn(now.new)
        chosen = await schedule.choose(recorder.attempts)
        words = feedback(values, question.answer_format, chosen, now)
        messages, extends = extend(values["history"], base, now.messages, now.last, words)
        return Next(messages, extends, chosen.name if chosen else "")

    await run_rounds(recorder, base, ask, check, values, turn)
    recorder.notes.update(schedule.notes)
    return recorder.trace()


@dataclass(frozen=True, slots=True)
class Turn:
    """Where a loop stands when it needs its next round.

    Attributes:
        round: the round to come.
        messages: the conversation that led to the answer it goes on from.
        last: that answer.
        new: all attempts of the last round.
        wrong: whether the verifier refused that answer; False without a verifier.
        answer_by: which reading finds a final answer in it; None where there is none.
    """

    round: int
    messages: tuple[Message, ...]
    last: Completion
    new: tuple[Attempt, ...]
    wrong: bool
    answer_by: AnswerBy | None = "own"


@dataclass(frozen=True, slots=True)
class Next:
    """The next round: its conversation, the call it extends, its cue, its sampling."""

    messages: tuple[Message, ...]
    extends: Completion | None = None
    cue: str = ""
    sampling: Mapping[str, Any] = field(default_factory=dict)


async def run_rounds(
    recorder: Recorder,
    base: tuple[Message, ...],
    ask: Ask,
    check: Check | None,
    values: Mapping[str, Any],
    turn: Callable[[Turn], Awaitable[Next]],
) -> None:
    """Answer, then take turns until solved, stable, lost, out of rounds or without an answer.

    With several candidates a round, the conversation goes on from the first draw that holds an
    answer, one in the form that was asked for before others. A turn without any is left out again
    where an earlier one has an answer (``goes_on``), and two in a row end the loop (``lost``):
    after a turn without an answer a small model rarely gives one again. A failed call ends the
    loop unless another candidate of its round was answered; a call that fails inside of ``turn``
    makes the round to come an error.
    """
    oracle = check is not None
    back = values.get("goes_on") == "answered"
    stand: tuple[tuple[Message, ...], Attempt, AnswerBy] | None = None  # the last with an answer
    without = 0  # turns without an answer, in a row
    said = ""  # the newest reply
    repeats = 0
    draws = range(values.get("candidates", 1))
    step, round = Next(base), 0
    while True:
        before = len(recorder.attempts)
        await recorder.answer(
            step.messages,
            round=round,
            draws=draws,
            cue=step.cue,
            extends=step.extends,
            **{**temperature_of(values, round), **step.sampling},
        )
        await check_new(recorder, before, check)
        new = tuple(recorder.attempts[before:])
        replies = [attempt for attempt in new if attempt.completion is not None]
        holding = [(one, how) for one in replies if (how := await answer_by(ask, one, values))]
        without = 0 if holding else without + 1
        if holding:
            chosen, how = next((pair for pair in holding if pair[1] == "own"), holding[0])
            stand = (step.messages, chosen, how)
            if back:
                recorder.hand_in = recorder.attempts.index(chosen)
        if replies:
            repeats += round > 0 and all(_text(attempt) == said for attempt in replies)
            said = _text(replies[0])
        reason = await stop_reason(recorder.attempts, before, values, ask, oracle=oracle)
        if reason is None and values.get("lost") and without >= values["lost"]:
            reason = "lost"
        if reason is None and round == values["rounds"]:
            reason = "rounds"
        if reason is not None:
            break
        from_, last = stand[:2] if stand and back else (step.messages, replies[0])
        assert last.completion is not None
        round += 1
        try:
            held = stand[2] if stand and last is stand[1] else None
            step = await turn(Turn(round, from_, last.completion, new, last.checked is False, held))
        except CallError as error:
            recorder.fail(round, error)
            reason = "error"
            break
    recorder.notes["stopped"] = reason
    if repeats:
        recorder.notes["repeats"] = repeats


def feedback(values: Mapping[str, Any], form: str, cue: Stimulus | None, now: Turn) -> str:
    """The user message of a feedback round: cue, verdict or its stand-in, reflection, form.

    The task's own answer form ends it in every loop alike: with the cue at the end a small model
    answers the cue (``layout`` ``cue-last`` is that older order).
    """
    if values["history"] == "none":
        missing, unformed = wordings.NO_HISTORY_MISSING, wordings.NO_HISTORY_UNFORMED
        said = (wordings.NO_HISTORY_WRONG, wordings.NO_HISTORY_AGAIN, missing, unformed)
        first = opening(values, now, *said)
        words = f"{first} {wordings.NO_HISTORY_WORK}"
    else:
        first = opening(values, now, wordings.VERDICT_WRONG, wordings.CHECK_AGAIN)
        body = wordings.REFLECT
        if now.answer_by != "own" and _told_missing(values):
            cut = now.answer_by is None and _cut(now.last)
            body = wordings.WORK_BRIEFLY if cut else wordings.WORK_AGAIN
        words = f"{first} {body}"
    if values["layout"] == "cue-last":
        return f"{words}\n\n{cue.text}" if cue else words
    return answer_form(values, form, f"{cue.text}\n\n{words}" if cue else words)


def opening(
    values: Mapping[str, Any],
    now: Turn,
    wrong: str,
    again: str,
    missing: str = "",
    unformed: str = wordings.ANSWER_UNFORMED,
) -> str:
    """What a further turn begins with: the verdict, what is amiss with the form, or neither.

    An answer that was cut, is missing or is not in the form that was asked for is told so in
    either mode and never called incorrect: whether its content is right is not told.
    """
    if now.answer_by is None and _told_missing(values):
        return missing or (wordings.ANSWER_CUT if _cut(now.last) else wordings.ANSWER_MISSING)
    if now.answer_by == "content" and _told_missing(values):
        return unformed
    return wrong if now.wrong and values["told_wrong"] else again


def answer_form(values: Mapping[str, Any], form: str, words: str) -> str:
    """Words with the task's own answer form behind them, where the layout repeats it."""
    if values["layout"] == "cue-last" or not form:
        return words
    return f"{words}\n\n{form}"


def _told_missing(values: Mapping[str, Any]) -> bool:
    told = values.get("told_missing")
    return values["layout"] != "cue-last" if told is None else bool(told)


async def answer_by(ask: Ask, attempt: Attempt, values: Mapping[str, Any]) -> AnswerBy | None:
    """Which reading finds a whole final answer in an attempt; what the verifier took has one."""
    if attempt.completion is None:
        return None
    if attempt.checked:
        return "own"
    how = await ask.reader.answered(attempt.completion)
    return how if how == "own" or values.get("answer_by") != "own" else None


def _cut(completion: Completion) -> bool:
    return completion.finish_reason == "length"


def _text(attempt: Attempt) -> str:
    return attempt.completion.text if attempt.completion else ""


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
    answers = [answer for i in places if (answer := recorder.attempts[i].completion)]
    for place, right in zip(places, await gather([_right(check, a) for a in answers]), strict=True):
        old = recorder.attempts[place]
        recorder.attempts[place] = Attempt(
            old.round, old.draw, old.completion, old.cue, right, old.error, old.purpose
        )


async def _right(check: Check, answer: Completion) -> bool:
    return await check(answer)


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
