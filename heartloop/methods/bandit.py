"""The `bandit` schedule: Thompson sampling over cues, learning from question to question.

A cue's success is the share of its rounds whose answer the verifier took. The state that a
question decides by is made of the finished traces of exactly those questions that stand at least
``lag`` places before it in the run's order, and of its own earlier rounds. It waits for them. So
its decisions do not depend on which answer happened to arrive first, on the concurrency or on a
restart: a resumed run walks through its journal and takes the same decisions.

What follows for comparisons: results depend on the order of the questions, the questions of this
arm are not independent of one another, and the verifier's verdicts on earlier questions have
reached later prompts (as words chosen, never as gold).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from heartloop.errors import Stopped, UsageError
from heartloop.methods.recorder import dice
from heartloop.methods.registry import settings
from heartloop.types import Arm, Ask, Attempt, Question, Stimulus, Trace

Play = tuple[str, bool]
"""A cue's full name, and whether its round was solved."""


class Learner:
    """What one arm has learnt so far; one a task, model, run seed and arm.

    Args:
        order: the ids of the run's questions, in the order in which they are opened.
        lag: a question learns from those at least this many places before it.
    """

    def __init__(self, order: Sequence[str], lag: int) -> None:
        self._place = {question: place for place, question in enumerate(order)}
        self._lag = lag
        self._plays: dict[int, list[Play]] = {}
        self._folded = 0  # questions 0 … folded − 1 are in the totals
        self._tried: Counter[str] = Counter()
        self._won: Counter[str] = Counter()
        self._news = asyncio.Event()
        self._broken = False

    async def before(self, question: str) -> tuple[Counter[str], Counter[str]]:
        """How often each cue was tried and won in the questions this one may learn from.

        Raises:
            Stopped: one of them was abandoned.
        """
        until = max(0, self._place[question] - self._lag + 1)
        while self._folded < until:
            if self._broken:
                raise Stopped("the run is being stopped")
            self._news.clear()
            await self._news.wait()
        tried, won = self._tried.copy(), self._won.copy()
        for place in range(until, self._folded):
            for cue, solved in self._plays[place]:
                tried[cue] -= 1
                won[cue] -= solved
        return +tried, +won

    def close(self, trace: Trace) -> None:
        """A question is finished; also to be called with traces that a resumed run skips."""
        place = self._place[trace.question]
        self._plays.setdefault(place, plays(trace))
        while self._folded in self._plays:
            for cue, solved in self._plays[self._folded]:
                self._tried[cue] += 1
                self._won[cue] += solved
            self._folded += 1
        self._news.set()

    def abandon(self, question: str) -> None:
        """A question will not be finished in this process: nobody waits for it any longer."""
        self._broken = True
        self._news.set()


def plays(trace: Trace) -> list[Play]:
    """The cues of a trace, round by round, each with whether any candidate was right."""
    rounds: dict[int, Play] = {}
    for attempt in trace.attempts:
        if attempt.cue and attempt.checked is not None:
            solved = rounds.get(attempt.round, ("", False))[1] or attempt.checked
            rounds[attempt.round] = (attempt.cue, solved)
    return [rounds[number] for number in sorted(rounds)]


def open_learner(arm: Arm, order: Sequence[str]) -> Learner | None:
    """The learner of an arm whose schedule is `bandit`, to be set as ``ask.learner``; else None.

    Args:
        arm: the arm.
        order: ids of the run's questions in the order in which they are opened.
    """
    values = settings(arm)
    return Learner(order, values["lag"]) if values.get("schedule") == "bandit" else None


def thompson(
    cues: Sequence[Stimulus], tried: Counter[str], won: Counter[str], key: tuple[Any, ...]
) -> Stimulus:
    """The cue with the highest draw from its posterior Beta(1 + wins, 1 + losses).

    The draws are fixed by the key (run seed, task, question, round).
    """
    chance = dice("bandit", *key)

    def draw(cue: Stimulus) -> float:
        wins = won[cue.name]
        return chance.betavariate(1 + wins, 1 + tried[cue.name] - wins)

    return max(cues, key=draw)


class BanditSchedule:
    """Chooses by `thompson`; the state of other questions is asked for before the first cue."""

    def __init__(
        self, question: Question, arm: Arm, ask: Ask, key: tuple[Any, ...], *, oracle: bool
    ) -> None:
        learner = ask.learner
        if not oracle:
            raise UsageError(
                f"arm {arm.name!r}: schedule: bandit learns from a verifier; use --mode oracle"
            )
        if learner is None:
            raise UsageError(
                f"arm {arm.name!r}: schedule: bandit needs ask.learner, the same for all questions "
                "(heartloop.methods.open_learner)"
            )
        self.notes: dict[str, Any] = {}
        self._learner = learner
        self._question, self._cues, self._key = question.id, arm.cues, key
        self._state: tuple[Counter[str], Counter[str]] | None = None
        self._round = 0

    async def choose(self, attempts: Sequence[Attempt]) -> Stimulus:
        """The cue of the next round."""
        if self._state is None:
            self._state = await self._learner.before(self._question)
            self.notes["learned_from"] = sum(self._state[0].values())
        self._round += 1
        return thompson(self._cues, *self._state, (*self._key, self._round))

    def learn(self, attempts: Sequence[Attempt]) -> None:
        """Its own round counts at once."""
        assert self._state is not None
        cue = attempts[0].cue
        self._state[0][cue] += 1
        self._state[1][cue] += any(attempt.checked for attempt in attempts)
