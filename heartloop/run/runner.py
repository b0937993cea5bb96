"""Work through a plan: open units of work, ask, grade, write verdicts, count."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from heartloop.calls import Client
from heartloop.errors import Decided, HeartloopError, NotInJournal, Stopped
from heartloop.methods import first_calls, open_learner, settings
from heartloop.methods.bandit import Learner
from heartloop.run.ask import BoundAsk
from heartloop.run.reserve import Block, Reserve
from heartloop.run.summary import final_line
from heartloop.run.unit import Unit
from heartloop.run.verdicts import VerdictLog, candidate_lines
from heartloop.run.work import internal_error, unfinished, work_on
from heartloop.turn import turn
from heartloop.types import Graded, Trace, Usage

if TYPE_CHECKING:
    from heartloop.run.decide import Decider

FIRST_LOOK = 50  # answers of an arm before its unread share means anything
WARN_UNSCORED = 0.2
BESIDE = 8  # units graded again at a time, so that a turn of the event loop stays short
OPEN_BESIDE = 32  # units beyond twice the calls in flight: they wait for their grading


@dataclass(slots=True)
class Live:
    """What the screen shows while a run is going on.

    Attributes:
        total, done: units (question × arm × model × seed).
        solved: by arm, right answers so far; by_round: by arm, cumulative by round (oracle).
        errors: units that ended in an error.
        unscored: by arm, units whose answer has no verdict.
        notices: what the user should read while there is time to stop.
    """

    total: int = 0
    done: int = 0
    solved: dict[str, int] = field(default_factory=dict)
    finished: dict[str, int] = field(default_factory=dict)
    by_round: dict[str, list[int]] = field(default_factory=dict)
    errors: int = 0
    last_error: str = ""
    unscored: dict[str, int] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    def count(self, arm: str, lines: Sequence[dict[str, Any]], final: Mapping[str, Any]) -> None:
        """Book one finished unit; ``final`` is the line that decides it (`final_line`)."""
        self.done += 1
        self.finished[arm] = self.finished.get(arm, 0) + 1
        self.solved[arm] = self.solved.get(arm, 0) + (final["outcome"] == "correct")
        first, last = None, 0
        for line in lines:
            last = max(last, line["round"])
            if first is None and line["outcome"] == "correct":
                first = line["round"]
        rounds = self.by_round.setdefault(arm, [])
        while len(rounds) <= last:
            rounds.append(0)
        if first is not None:
            rounds[first] += 1
        if lines[-1]["outcome"] == "error":
            self.errors += 1
            self.last_error = lines[-1]["error"] or ""
        self.unscored[arm] = self.unscored.get(arm, 0) + (final["outcome"] == "unscored")

    def mostly_unread(self, arm: str, limit: float) -> str:
        """Why an arm's answers so far are too often without a verdict; empty where they are not."""
        n, lost = self.finished[arm], self.unscored[arm]
        if n < FIRST_LOOK or lost <= limit * n:
            return ""
        return (
            f"{lost} of the first {n} answers of {arm} have no verdict ({lost / n:.0%}; limit "
            f"{limit:.0%}): read some in the report, then mend the answer format, the verifier or "
            "--max-tokens"
        )


class Runner:
    """Runs units so that the number of calls in flight stays at the client's limit.

    Attributes:
        live: for the screen.
        incomplete: units that a journal could not complete; ``unfinished`` gets what they have.
        decider: ends the run when its primary contrast is decided.
        helper: model spec of a second model.
        reserve: keeps tokens for the questions that are open.
        opening: model → (task, question) in the order of opening; None: as the data have them.
    """

    def __init__(self, client: Client, selector: str, log: VerdictLog) -> None:
        self.live = Live()
        self.incomplete = 0
        self.unfinished: VerdictLog | None = None
        self.decider: Decider | None = None
        self.helper: str | None = None
        self.max_unscored: float | None = None  # stop above this share; None warns only
        self._told: set[str] = set()
        self.reserve: Reserve | None = None
        self.opening: Callable[[str], Sequence[tuple[str, str]]] | None = None
        self._learners: dict[tuple[str, str, int, str], Learner | None] = {}
        self._client = client
        self._selector = selector
        self._log = log
        self._open: set[asyncio.Task[None]] = set()
        self._left: Counter[Block] = Counter()  # units of a question that are not finished
        self._first: dict[tuple[str, str, str], int] = {}  # calls a unit makes together at first
        self._ended = asyncio.Event()
        self._of_model: Counter[str] = Counter()  # units taken up and not finished
        self._released: set[str] = set()  # models of which no further unit comes
        self._resting: set[asyncio.Task[None]] = set()

    def release(self, models: Sequence[str]) -> None:
        """Let models rest, each when its last unit is finished: others wait for their GPUs."""
        for model in models:
            self._released.add(model)
            self._rest(model)

    def _rest(self, model: str) -> None:
        if model in self._released and not self._of_model[model]:
            self._released.discard(model)
            self._resting.add(asyncio.create_task(self._client.rest(model)))

    def _counted(self, units: Iterator[Unit]) -> Iterator[Unit]:
        for unit in units:
            self._of_model[unit.model] += 1
            yield unit

    async def run(self, units: Iterator[Unit], total: int, again: Iterable[Unit] = ()) -> None:
        """Work until every unit is done.

        Args:
            units: are opened in this order, as places get free.
            total: how many there are, those done before included.
            again: further ones whose answers all stand in the journal: they are graded while the
                calls of the others are under way.

        Raises:
            Stopped: a cap was reached or the client was stopped; calls in flight were awaited, and
                what was paid for is journalled.
            HeartloopError: the run cannot go on (circuit breaker, full disk).
        """
        self.live.total = total
        rest = iter(again)
        beside = [asyncio.create_task(self._go_through(rest)) for _ in range(BESIDE)]
        try:
            async for unit in self._paced(self._counted(units)):
                self._open.add(asyncio.create_task(self._guard(unit)))
            while self._open:
                await self._wait()
            await asyncio.gather(*self._resting, *beside)
        finally:
            for task in (*self._open, *beside):
                task.cancel()
            await asyncio.gather(*self._open, *beside, return_exceptions=True)
        self._client.raise_if_stopped()

    async def _go_through(self, units: Iterator[Unit]) -> None:
        """Work on units that need no place, one after the other, until the client is stopped."""
        for unit in units:
            if self._client.stopped is not None:
                return
            self._left[unit.model, unit.turn] += 1
            self._of_model[unit.model] += 1
            await self._guard(unit)
            await asyncio.sleep(0)  # calls under way come first

    async def _paced(self, units: Iterator[Unit]) -> AsyncIterator[Unit]:
        """Units one by one, as soon as each may be opened.

        Younger ones wait while older ones wait for their grading or their next round, so that the
        questions finish in about the order in which they were opened.
        """
        for _, block in groupby(units, lambda unit: (unit.model, unit.turn)):
            together = list(block)
            try:
                await self._open_question(together[0])
                self._left[together[0].model, together[0].turn] += len(together)
                for unit in together:
                    while len(self._open) >= 2 * self._client.limit + OPEN_BESIDE:
                        await self._wait()
                    # Raises once the client was told to stop.
                    await self._client.hungry(calls=self._first_calls(unit))
                    yield unit
            except HeartloopError as error:
                self._client.stop(error)
                return

    def _first_calls(self, unit: Unit) -> int:
        key = (unit.arm.name, unit.model, unit.task.card.name)
        if key not in self._first:
            self._first[key] = first_calls(unit.arm, unit.task.mode)
        return self._first[key]

    async def _open_question(self, unit: Unit) -> None:
        """Wait until the caps have room for a question; the open ones are finished first.

        Raises:
            BudgetExceeded: no question is open and the next does not fit.
        """
        while self.reserve is not None and not self.reserve.open(unit):
            if not self._open:
                raise self.reserve.refusal()
            await self._wait()
            self._client.raise_if_stopped()

    async def _wait(self) -> None:
        self._ended.clear()
        await self._ended.wait()

    def _closed(self, model: str) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.discard(task)
        self._of_model[model] -= 1
        self._rest(model)
        self._ended.set()

    async def _guard(self, unit: Unit) -> None:
        turn.set(unit.turn)
        try:
            await self._work(unit)
            self._finish(unit)
        except NotInJournal:
            self.incomplete += 1
            self._finish(unit)
        except HeartloopError as error:
            self._client.stop(error)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            failure = internal_error(unit, error)
            failure.__cause__ = error
            self._client.stop(failure)
        finally:
            self._closed(unit.model)

    def _finish(self, unit: Unit) -> None:
        block = (unit.model, unit.turn)
        self._left[block] -= 1
        if not self._left[block]:
            del self._left[block]
            if self.reserve is not None:
                self.reserve.close(block)

    async def _work(self, unit: Unit) -> None:
        ask = BoundAsk(self._client, unit, learner=self._learner(unit), helper=self.helper)
        try:
            trace, graded = await work_on(unit, ask, self._selector)
        except NotInJournal:
            if self.unfinished is not None and (begun := await unfinished(unit, ask)):
                self.unfinished.write(candidate_lines(unit, *begun, ask.spent))
            raise
        if self.reserve is not None:
            self.reserve.paid(unit, ask.paid_tokens)
        self._record(unit, trace, graded, ask.spent if len(trace.attempts) > 1 else {})

    def _record(
        self,
        unit: Unit,
        trace: Trace,
        graded: list[Graded | None],
        spent: Mapping[str, tuple[int, Usage]],
    ) -> None:
        """Write a finished trace and count it."""
        lines = candidate_lines(unit, trace, graded, spent)
        self._log.write(lines)
        final = final_line(lines, unit.task.mode)
        self.live.count(unit.arm.name, lines, final)
        self._look_for_unread(unit.arm.name)
        if self.decider is not None:
            state = self.decider.add({**lines[0], **final})
            if state is not None:
                self._client.stop(Decided(self.decider.sentence(state)))

    def _look_for_unread(self, arm: str) -> None:
        """Say once, before more is spent, that an arm's answers are mostly not read."""
        if arm in self._told:
            return
        why = self.live.mostly_unread(arm, self.max_unscored or WARN_UNSCORED)
        if not why:
            return
        self._told.add(arm)
        if self.max_unscored is None:
            self.live.notices.append(why)
        else:
            self._client.stop(Stopped(f"--max-unscored: {why}"))

    def _learner(self, unit: Unit) -> Learner | None:
        """What the arm's `bandit` schedule has learnt on this task; None for other schedules."""
        key = (unit.task.card.name, unit.model, unit.seed, unit.arm.name)
        if key not in self._learners:
            bandit = settings(unit.arm).get("schedule") == "bandit"
            self._learners[key] = self._open_learner(unit) if bandit else None
        return self._learners[key]

    def _open_learner(self, unit: Unit) -> Learner | None:
        name = unit.task.card.name
        order = unit.task.data.ids
        if self.opening is not None:
            order = [q for task, q in self.opening(unit.model) if task == name]
        return open_learner(unit.arm, order)
