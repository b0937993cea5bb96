"""A scripted dialogue with a mood: valence, arousal and dominance estimated from what is said.

The user's turns are the task's (``meta["turns"]``), so that every arm hears the same script. Before
each answer the mood is moved by what was heard, and the model is told it in one line, or by an
emotional cue that answers it. After Subaharan 2026 (arXiv 2601.16087), whose protocol, estimator
and equations are not published: a reconstruction (`heartloop.methods.state`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heartloop.errors import UsageError
from heartloop.methods import state, wordings
from heartloop.methods.prompt import append_to_last, render
from heartloop.methods.recorder import Recorder, run_seed
from heartloop.methods.registry import Step, register, settings
from heartloop.methods.schedules import Deck
from heartloop.types import Arm, Ask, Check, Message, Question, Stimulus, Trace

ORDER = {"none": 0, "first": 1, "second": 2}


def dialogue_shape(values: Mapping[str, Any]) -> list[list[Step]]:
    """One call a turn; a script with fewer turns ends earlier."""
    return [[Step(r, r)] for r in range(values["rounds"] + 1)]


@register(
    "dialogue",
    params=("rounds", "dynamics", "told", "hears", "alpha", "mu", "gain", "personality", "cues"),
    defaults={"rounds": 24},
    cues="heart",
    shape=dialogue_shape,
    early=lambda values, oracle: True,
    summary="a scripted dialogue whose mood is estimated from the text and told to the model",
)
async def dialogue(question: Question, arm: Arm, ask: Ask, check: Check | None = None) -> Trace:
    """The user's turns one after the other, each with the mood of that moment.

    Notes: ``heard`` (the point that moved the state before each answer), ``states`` (the state
    then), ``state_from`` (the round of the first of them).

    Raises:
        UsageError: the script is no list of texts.
    """
    values = settings(arm)
    turns = turns_of(question)[: values["rounds"] + 1]
    recorder = Recorder(question, arm, ask)
    deck = Deck((run_seed(ask), question.task, question.id))
    offset = state.temperament(values["personality"])
    now, speed = offset, state.REST
    heard: list[list[float]] = []
    states: list[list[float]] = []
    messages: tuple[Message, ...] = ()
    said = None
    for round, turn in enumerate(turns):
        if said is None:
            messages = render(question, arm.stimuli, arm.placement)
        else:
            answer = Message("assistant", said.text or wordings.EMPTY_ANSWER)
            messages = (*messages, answer, Message("user", turn))
        before = said.text if said is not None else ""
        signal = state.moved_by(offset, state.heard(*_listened(values["hears"], turn, before)))
        if values["dynamics"] == "none":
            now = signal  # without memory; nothing of it is told
        else:
            now, speed = state.step(
                now,
                speed,
                signal,
                order=ORDER[values["dynamics"]],
                alpha=values["alpha"],
                mu=values["mu"],
                gain=values["gain"],
            )
        heard.append([round_(x) for x in signal])
        states.append([round_(x) for x in now])
        cue = None
        if values["dynamics"] != "none":
            messages, cue = _tell(values["told"], messages, now, arm, deck)
        extends = said if said is not None and said.text else None
        (attempt,) = await recorder.answer(
            messages, round=round, cue=cue.name if cue else "", extends=extends
        )
        said = attempt.completion
        if said is None:
            break
    recorder.notes.update(heard=heard, states=states, state_from=0)
    return recorder.trace()


def round_(value: float) -> float:
    """A number as notes keep it."""
    return round(value, 6)


def turns_of(question: Question) -> tuple[str, ...]:
    """What the user says, turn by turn; a task without a script is a dialogue of one turn.

    Raises:
        UsageError: the script is no list of texts.
    """
    turns = question.meta.get("turns") or ()
    if not isinstance(turns, (list, tuple)) or not all(isinstance(t, str) for t in turns):
        raise UsageError(
            f"{question.task}: question {question.id}: turns: must be a list of what the user says"
        )
    return (question.input, *turns)


def _listened(hears: str, turn: str, answer: str) -> tuple[str, ...]:
    """The texts that move the state before an answer."""
    own = (answer,) if answer else ()
    return {"user": (turn,), "self": own, "both": (turn, *own)}[hears]


def _tell(
    told: str, messages: tuple[Message, ...], now: state.Point, arm: Arm, deck: Deck
) -> tuple[tuple[Message, ...], Stimulus | None]:
    """The conversation with the mood in one line, the cue that answers it, or both."""
    cue = None
    if told in ("line", "both"):
        valence, arousal, dominance = now
        line = wordings.MOOD.format(
            words=state.in_words(now), valence=valence, arousal=arousal, dominance=dominance
        )
        messages = append_to_last(messages, line)
    if told in ("cue", "both"):
        here = {cue.emotion for cue in arm.cues}
        points = {n: p for n, p in state.EMOTION_POINTS.items() if n in here}
        emotion = state.answering(now, points)
        cue = deck.phrase(emotion, [c for c in arm.cues if c.emotion == emotion])
        messages = append_to_last(messages, cue.text)
    return messages, cue
