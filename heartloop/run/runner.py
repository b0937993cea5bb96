"""Work through a plan: open units of work, ask, grade, write verdicts, count."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from heartloop.calls import Client
from heartloop.cards import TaskCard
from heartloop.data import TaskData
from heartloop.errors import Decided, HeartloopError, NotInJournal, Stopped
from heartloop.grading import Grader
from heartloop.methods import METHODS, open_learner, select
from heartloop.methods.bandit import Learner
from heartloop.run import loglik
from heartloop.run.decide import Decider
from heartloop.run.summary import final_line
from heartloop.run.verdicts import VerdictLog, candidate_lines
from heartloop.types import (
    Address,
    Arm,
    Completion,
    Gold,
    Graded,
    Message,
    Mode,
    Question,
    Reader,
    Request,
    Sampling,
    Trace,
    Usage,
)

MAX_OPEN_UNITS = 2000  # bounds memory when grading is slower than the model


@dataclass(slots=True)
class LoadedTask:
    """A task with its data and its grader."""

    card: TaskCard
    data: TaskData
    grader: Grader
    sampling: Sampling
    mode: Mode


@dataclass(frozen=True, slots=True)
class Unit:
    """One question under one arm, for one model and one run seed."""

    task: LoadedTask
    question: Question
    gold: Gold
    arm: Arm
    model: str
    seed: int


@dataclass(slots=True)
class Live:
    """What the screen shows while a run is going on.

    Attributes:
        total, done: units (question × arm × model × seed).
        solved: by arm, right answers so far; by_round: by arm, cumulative by round (oracle).
        errors: units that ended in an error.
    """

    total: int = 0
    done: int = 0
    solved: dict[str, int] = field(default_factory=dict)
    finished: dict[str, int] = field(default_factory=dict)
    by_round: dict[str, list[int]] = field(default_factory=dict)
    errors: int = 0
    last_error: str = ""

    def count(self, arm: str, lines: Sequence[dict[str, Any]], right: bool) -> None:
        """Book one finished unit."""
        self.done += 1
        self.finished[arm] = self.finished.get(arm, 0) + 1
        self.solved[arm] = self.solved.get(arm, 0) + right
        first = next((line["round"] for line in lines if line["outcome"] == "correct"), None)
        rounds = self.by_round.setdefault(arm, [])
        while len(rounds) <= max(line["round"] for line in lines):
            rounds.append(0)
        if first is not None:
            rounds[first] += 1
        if lines[-1]["outcome"] == "error":
            self.errors += 1
            self.last_error = lines[-1]["error"] or ""


class BoundAsk:
    """`Ask` for one unit; adds up what the unit uses, shared calls included."""

    def __init__(
        self,
        client: Client,
        unit: Unit,
        stopping: asyncio.Event,
        *,
        learner: Learner | None = None,
        helper: str | None = None,
    ) -> None:
        self.reader: Reader = QuestionReader(unit.task.grader, unit.question)
        self.seed = unit.seed
        self.learner = learner
        self.helper: BoundAsk | None = None
        if helper is not None:
            self.helper = BoundAsk(client, dataclasses.replace(unit, model=helper), stopping)
        self.finish_reasons: dict[str, str] = {}  # of the answers so far, by their text
        self.calls = 0
        self.usage = Usage()
        self.cost: float | None = None
        self.spent: dict[str, tuple[int, Usage]] = {}  # key → totals when that answer came
        self._client = client
        self._unit = unit
        self._stopping = stopping

    async def __call__(
        self,
        messages: tuple[Message, ...],
        *,
        round: int = 0,
        draw: int = 0,
        purpose: str = "answer",
        extends: Completion | None = None,
        **sampling: Any,
    ) -> Completion:
        """Ask for one completion; see `heartloop.types.Ask`."""
        if self._stopping.is_set():
            raise Stopped("stopping")
        unit = self._unit
        request = Request(
            Address(unit.task.card.name, unit.question.id, unit.model, round, draw, unit.seed),
            messages,
            dataclasses.replace(unit.task.sampling, **sampling),
            extends=extends.key if extends else None,
            purpose=purpose,
            arm=unit.arm.name,
        )
        completion = await self._client.ask(request)
        self.finish_reasons[completion.text] = completion.finish_reason
        self.calls += 1
        self.usage += completion.usage
        if completion.cost is not None:
            self.cost = (self.cost or 0.0) + completion.cost
        self.spent[completion.key] = (self.calls, self.usage)
        return completion


@dataclass(frozen=True, slots=True)
class QuestionReader:
    """`Reader` for one question: the grader without the gold."""

    grader: Grader
    question: Question

    def extract(self, text: str) -> str | None:
        """The final answer in a text, or None."""
        return self.grader.extract(text, self.question)

    async def same(self, first: str, second: str) -> bool:
        """Whether two extracted answers are equivalent."""
        return await self.grader.same(first, second, self.question)


judged: contextvars.ContextVar[tuple[str, str, int, int, int]] = contextvars.ContextVar("judged")
"""Task, question, seed, round and draw of the answer being judged, for the judge's address."""


def judge_ask(client: Client, model: str, sampling: Sampling) -> Callable[..., Any]:
    """How a grader asks its judge model; the calls land in the same journal."""

    async def ask(
        messages: tuple[Message, ...],
        *,
        question: tuple[str, str],
        draw: int = 0,
        **changes: Any,
    ) -> Completion:
        # Neither arm, round nor run seed: equal answers to a question are judged once.
        address = Address(*question, model, 0, draw)
        settings = dataclasses.replace(sampling, **changes)
        return await client.ask(Request(address, messages, settings, purpose="judge"))

    return ask


def units_of(
    tasks: Sequence[LoadedTask],
    models: Sequence[str],
    seeds: Sequence[int],
    arms: Sequence[Arm],
    shard: tuple[int, int] | None = None,
) -> Iterator[Unit]:
    """All units, the arms of one question side by side so that prefix caches stay warm."""
    for task in tasks:
        for model in models:
            for seed in seeds:
                for question in task.data.questions:
                    if shard and shard_of(task.card.name, question.id, shard[1]) != shard[0]:
                        continue
                    for arm in arms:
                        gold = task.data.golds[question.id]
                        yield Unit(task, question, gold, arm, model, seed)


def shard_of(task: str, question: str, shards: int) -> int:
    """The shard of a question: the same for every arm, model and seed."""
    digest = hashlib.sha256(f"{task}\0{question}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % shards


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
    return dataclasses.replace(trace, calls=calls, usage=usage, cost=cost)


class Runner:
    """Runs units so that the number of calls in flight stays at the client's limit."""

    def __init__(self, client: Client, selector: str, log: VerdictLog) -> None:
        self.live = Live()
        self.stopping = asyncio.Event()
        self.incomplete = 0
        self.shard: tuple[int, int] | None = None
        self.decider: Decider | None = None
        self.helper: str | None = None
        self._learners: dict[tuple[str, str, int, str], Learner | None] = {}
        self._client = client
        self._selector = selector
        self._log = log
        self._failure: HeartloopError | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()
        self._room = asyncio.Semaphore(MAX_OPEN_UNITS)

    async def run(self, units: Iterator[Unit], total: int) -> None:
        """Work until every unit is done.

        Raises:
            Stopped: a cap was reached or `stop` was called; what was paid for is journalled.
            HeartloopError: the run cannot go on (circuit breaker, full disk).
        """
        self.live.total = total
        try:
            async for unit in self._paced(units):
                task = asyncio.create_task(self._guard(unit))
                self._open.add(task)
                task.add_done_callback(self._closed)
            while self._open:
                self._ended.clear()
                await self._ended.wait()
        finally:
            for task in self._open:
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)
        if self._failure is not None:
            raise self._failure

    def stop(self, reason: HeartloopError) -> None:
        """Open nothing more and send nothing more; calls in flight are awaited."""
        if self._failure is None:
            self._failure = reason
        self.stopping.set()
        self._client.stop(reason)

    async def _paced(self, units: Iterator[Unit]) -> AsyncIterator[Unit]:
        for unit in units:
            await self._room.acquire()
            try:
                await self._client.hungry()  # raises once the client was told to stop
            except HeartloopError as error:
                self.stop(error)
                return
            yield unit

    def _closed(self, task: asyncio.Task[None]) -> None:
        self._open.discard(task)
        self._ended.set()

    async def _guard(self, unit: Unit) -> None:
        try:
            await self._work(unit)
        except NotInJournal:
            self.incomplete += 1
        except HeartloopError as error:
            self.stop(error)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            where = f"{unit.task.card.name}, question {unit.question.id}, arm {unit.arm.name}"
            failure = HeartloopError(f"internal error at {where}: {type(error).__name__}: {error}")
            failure.__cause__ = error
            self.stop(failure)
        finally:
            self._room.release()

    async def _work(self, unit: Unit) -> None:
        if unit.task.grader.verifier.kind == loglik.KIND:
            if self.stopping.is_set():
                raise Stopped("stopping")
            trace, graded = await loglik.work_on_choices(self._client, unit)
            self._record(unit, trace, graded, {})
            return
        learner = self._learner(unit)
        ask = BoundAsk(self._client, unit, self.stopping, learner=learner, helper=self.helper)
        grader, question, gold = unit.task.grader, unit.question, unit.gold

        async def check(text: str) -> bool:
            reason = ask.finish_reasons.get(text, "stop")
            return await grader.check(question, gold, Completion(text, reason))

        method = METHODS[unit.arm.method]
        if unit.task.mode == "oracle":
            trace = await method(question, unit.arm, ask, check)
        else:
            trace = await method(question, unit.arm, ask)
            trace = await select(self._selector, trace, question, unit.arm, ask)
        trace = with_totals(trace, ask)
        graded = await self._grade(unit, trace)
        self._record(unit, trace, graded, ask.spent)

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
        right = any(x["outcome"] == "correct" for x in lines)
        if unit.task.mode != "oracle":
            right = any(x["selected"] and x["outcome"] == "correct" for x in lines)
        self.live.count(unit.arm.name, lines, right)
        if self.decider is not None:
            state = self.decider.add({**lines[0], **final_line(lines, unit.task.mode)})
            if state is not None:
                self.stop(Decided(self.decider.sentence(state)))

    def _learner(self, unit: Unit) -> Learner | None:
        """What the arm's `bandit` schedule has learnt on this task; None for other schedules."""
        key = (unit.task.card.name, unit.model, unit.seed, unit.arm.name)
        if key not in self._learners:
            name = unit.task.card.name
            order = [
                q.id
                for q in unit.task.data.questions
                if self.shard is None or shard_of(name, q.id, self.shard[1]) == self.shard[0]
            ]
            self._learners[key] = open_learner(unit.arm, order)
        return self._learners[key]

    async def _grade(self, unit: Unit, trace: Trace) -> list[Graded | None]:
        graded: list[Graded | None] = []
        for attempt in trace.attempts:
            if attempt.completion is None:
                graded.append(None)
                continue
            judged.set(
                (unit.task.card.name, unit.question.id, unit.seed, attempt.round, attempt.draw)
            )
            graded.append(
                await unit.task.grader.grade(unit.question, unit.gold, attempt.completion)
            )
        return graded
