"""Cue schedules: which phrase a loop says in which round.

A schedule never depends on anything but the question, the run seed, its own parameters and the
attempts so far, so that a resumed or replayed loop says the same words, and so that arms that
differ in something else meet the same choices. `bandit` alone also depends on other questions
(see `heartloop.methods.bandit`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from heartloop.methods import state
from heartloop.methods.bandit import BanditSchedule
from heartloop.methods.recorder import dice, run_seed
from heartloop.methods.schedule_names import cues_named
from heartloop.types import Arm, Ask, Attempt, Question, Stimulus

EKMAN = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
INTERNAL = ("none", "fixed", "varied")
"""Of the control loops: no cue, always the first cue, all cues dealt out without repeats."""


class Schedule(Protocol):
    """Chooses the cue of the next feedback round."""

    notes: dict[str, Any]

    async def choose(self, attempts: Sequence[Attempt]) -> Stimulus | None:
        """The cue of the next round, given all attempts so far; None says no cue."""
        ...

    def learn(self, attempts: Sequence[Attempt]) -> None:
        """The attempts that the last chosen cue led to, checked where a verifier is at hand."""
        ...


def open_schedule(
    values: Mapping[str, Any], question: Question, arm: Arm, ask: Ask, *, oracle: bool
) -> Schedule:
    """The schedule of one question.

    Raises:
        UsageError: `bandit` without a verifier or without a learner (`open_learner`).
    """
    name: str = values["schedule"]
    key = (run_seed(ask), question.task, question.id)
    if name == "none":
        return _Silent()
    if name in ("fixed", "varied", "random", "alternate") or ":" in name:
        return _Dealt(name, arm.cues, key, values.get("first_valence", "critical"))
    if name == "bandit":
        return BanditSchedule(question, arm, ask, key, oracle=oracle)
    return _Felt(values, arm.cues, key, ask, oracle=oracle)


class Deck:
    """Deals each pool out in an order fixed by the key, without repeats until it is exhausted."""

    def __init__(self, key: tuple[Any, ...]) -> None:
        self._key = key
        self._dealt: Counter[str] = Counter()

    def deal(self, name: str, pool: Sequence[Any]) -> Any:
        """The next of a pool, dealt under a name."""
        number = self._dealt[name]
        self._dealt[name] += 1
        order = list(pool)
        dice("deck", *self._key, name, number // len(order)).shuffle(order)
        return order[number % len(order)]

    def emotion(self, side: str, cues: Sequence[Stimulus]) -> Stimulus:
        """A cue of a side: first its emotions are dealt, then the phrases of the emotion."""
        pool = cues_named(cues, side)
        emotion = self.deal(side, sorted({cue.emotion for cue in pool}))
        return self.phrase(f"{side}/{emotion}", [cue for cue in pool if cue.emotion == emotion])

    def phrase(self, name: str, pool: Sequence[Stimulus]) -> Stimulus:
        """The next cue of a pool, dealt under a name."""
        cue: Stimulus = self.deal(name, pool)
        return cue


class _Silent:
    """`reflect`: the loop without a cue."""

    def __init__(self) -> None:
        self.notes: dict[str, Any] = {}

    async def choose(self, attempts: Sequence[Attempt]) -> Stimulus | None:
        return None

    def learn(self, attempts: Sequence[Attempt]) -> None:
        return None


class _Dealt(_Silent):
    """Schedules that depend on the round alone: alternate, static, cycle, random, fixed, varied."""

    def __init__(
        self, name: str, cues: Sequence[Stimulus], key: tuple[Any, ...], first: str
    ) -> None:
        super().__init__()
        self._name, self._cues, self._key = name, cues, key
        self._deck = Deck(key)
        self._sides = [first, "encouraging" if first == "critical" else "critical"]
        self._round = 0

    async def choose(self, attempts: Sequence[Attempt]) -> Stimulus | None:
        turn, self._round = self._round, self._round + 1
        if self._name == "fixed":
            return self._cues[0]
        if self._name == "varied":
            return self._deck.phrase("varied", self._cues)
        if self._name == "random":
            return dice("random", *self._key, turn).choice(self._cues)
        if self._name == "alternate":
            return self._deck.emotion(self._sides[turn % 2], self._cues)
        names = self._name.partition(":")[2].split(",")
        return self._named(names[turn % len(names)])

    def _named(self, name: str) -> Stimulus:
        if name in ("critical", "encouraging"):
            return self._deck.emotion(name, self._cues)
        return self._deck.phrase(name, cues_named(self._cues, name))


class _Felt(_Silent):
    """Schedules that read the last attempt and its words: `state` and `contextual`."""

    def __init__(
        self,
        values: Mapping[str, Any],
        cues: Sequence[Stimulus],
        key: tuple[Any, ...],
        ask: Ask,
        *,
        oracle: bool,
    ) -> None:
        super().__init__()
        self._values, self._cues, self._ask, self._oracle = values, cues, ask, oracle
        self._deck = Deck(key)
        self._state = state.REST
        self._speed = state.REST
        self._before: str | None = None
        self._seen = 0
        self._said = ""
        self._by_text = values["signal"] == "text"

    async def choose(self, attempts: Sequence[Attempt]) -> Stimulus | None:
        kind = await self._kind(attempts)
        mood = state.heard(self._said) if self._by_text else state.REST
        if self._values["schedule"] == "contextual":
            side = state.CONTEXT[kind]
            if mood[0] <= state.LOW:  # it lost heart, whatever became of the answer
                side, kind = "encouraging", f"{kind}, low"
            self.notes.setdefault("contexts", []).append(kind)
            return self._deck.emotion(side, self._cues)
        tables = self._values.get("tables") or {}
        points = {**state.ATTEMPT_POINTS, **tables.get("attempts", {})}
        emotions = {**state.EMOTION_POINTS, **tables.get("emotions", {})}
        self._state, self._speed = state.step(
            self._state,
            self._speed,
            state.moved_by(points[kind], mood),
            order=self._values["order"],
            alpha=self._values["alpha"],
            mu=self._values["mu"],
            gain=self._values["gain"],
        )
        here = {cue.emotion for cue in self._cues}
        emotion = state.answering(
            self._state, {name: point for name, point in emotions.items() if name in here}
        )
        self.notes.setdefault("states", []).append([round(x, 6) for x in self._state])
        return self._deck.phrase(emotion, [cue for cue in self._cues if cue.emotion == emotion])

    async def _kind(self, attempts: Sequence[Attempt]) -> str:
        """What the last attempt looks like without any gold, but for the verdict in oracle mode."""
        last = next((a for a in reversed(attempts) if a.completion is not None), None)
        text = last.completion.text if last is not None and last.completion else ""
        self._said = text
        answer = self._ask.reader.extract(text) if text else None
        before, self._before = self._before, answer
        self._seen += 1
        if answer is None:
            return "unparsed"
        if before is not None and await self._ask.reader.same(before, answer):
            return "unchanged"
        if self._oracle and last is not None and not last.checked:
            return "moved" if self._by_text and before is not None else "wrong"
        return "first" if self._seen == 1 else "changed"
