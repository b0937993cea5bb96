"""The way to one model: its limits, its circuit breaker, its retries, its seeds."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from heartloop.calls.breaker import BUSY, Breaker, Patience
from heartloop.calls.keys import derive_seed
from heartloop.calls.limits import Bucket, Gate, Limits
from heartloop.calls.retry import Retry, try_again
from heartloop.calls.siblings import Siblings
from heartloop.errors import CallError, HeartloopError
from heartloop.models.refusals import refused_field
from heartloop.provider import (
    Balanced,
    Bounded,
    JoinsDraws,
    Prepares,
    RequestSeeds,
    TakesNotes,
    TakesSeeds,
)
from heartloop.types import Completion, Model, Request

SEED_DEATH = "CPU Generator does not use offset"
SEED_FIELD = {"seed": re.compile(r"(?i)\bseeds?\b")}
ENGINE_DEATH = ("EngineCore encountered", "EngineDeadError", "AsyncEngineDeadError")
SEED_NOTE = (
    "{words}; going on without request seeds, so draws cannot be repeated exactly. "
    "vLLM on CPU takes seeds with --max-num-batched-tokens 65536"
)

Failed = Callable[[Request, CallError, float], None]


@dataclass(frozen=True, slots=True)
class LaneStats:
    """How one model is doing: calls in flight, their limit, and what waits."""

    in_flight: int
    limit: int
    queued: int
    waiting: int
    next_retry_in: float | None
    request_seeds: bool
    servers: int
    servers_well: int


class Lane:
    """Everything that calls to one model share.

    Attributes:
        model: the provider.
        gate: places in flight.
        breaker: opens when going on is pointless.
        wanted: calls that are being made: in flight, queued or waiting for a share, not those
            that wait after a failure.
        retries: attempts beyond the first.
        siblings: joins draws of the same request, where the model is to be asked so; else None.
        seeds: whether requests are sent their seed; seeds_stopped: they were until the server
            turned out not to bear them.
        notes: what the user should know; what the model notices by itself is among it.
        pool: the servers behind the model, or None.
    """

    def __init__(
        self, model: Model, limits: Limits, retry: Retry, patience: Patience | None
    ) -> None:
        self.model = model
        self.gate = Gate(limits, model.max_concurrency if isinstance(model, Bounded) else None)
        self.breaker = Breaker(patience)
        self.retry = retry
        self.wanted = 0
        self.retries = 0
        self.notes: list[str] = model.notes if isinstance(model, TakesNotes) else []
        self._seed_choice = _seeds_of(model)
        self.seeds = self._seed_choice != "off"
        self.seeds_stopped = False
        self.siblings: Siblings | None = None
        if isinstance(model, JoinsDraws) and model.use_n:
            self.siblings = Siblings(model, self.notes)
        self.pool = model.pool if isinstance(model, Balanced) else None
        self._dead = False  # the engine, since the last answer
        self._deaths = 0
        self._prepared: asyncio.Future[None] | None = None
        self.requests = None if limits.rpm is None else Bucket(limits.rpm)
        self.tokens = None if limits.tpm is None else Bucket(limits.tpm)
        self.stopped: HeartloopError | None = None
        self._retry_at: dict[asyncio.Future[None], float] = {}

    def trip(self, request: Request, failed: Failed = lambda *_: None) -> Trip:
        """Prepare a call; ``failed`` hears of each attempt that ended in an error."""
        return Trip(self, request, failed)

    async def prepare(self) -> None:
        """Let the model get ready, once: it may find out that it takes no seeds."""
        if self._prepared is None:
            ready = self.model.prepare() if isinstance(self.model, Prepares) else asyncio.sleep(0)
            self._prepared = asyncio.ensure_future(ready)
        if not self._prepared.done():
            await asyncio.shield(self._prepared)
            self.seeds = self.seeds and _seeds_of(self.model) != "off"
        self._prepared.result()

    def stop(self, reason: HeartloopError) -> None:
        """Let nobody in any more, and wake those that wait after a failure."""
        self.stopped = reason
        self._wake()

    def settle(self, reserved: int, used: int) -> None:
        """Correct the share of tokens a call took beforehand."""
        if self.tokens is not None:
            self.tokens.correct(used - reserved)

    def check(self) -> None:
        """Raise where no attempt should be made."""
        if self.stopped is not None:
            raise self.stopped
        if self.breaker.problem is not None:
            raise self.breaker.problem

    async def pause(self, seconds: float) -> None:
        """Wait after a failure; a stop or an open circuit ends the wait."""
        self.check()
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        self._retry_at[waiter] = time.monotonic() + seconds
        timer = loop.call_later(seconds, _resolve, waiter)
        self.wanted -= 1
        try:
            await waiter
        finally:
            self.wanted += 1
            timer.cancel()
            del self._retry_at[waiter]
        self.check()

    def answered(self, latency: float) -> None:
        """Note an answered attempt."""
        self.breaker.answered()
        self._dead = False
        if self.gate.pace is not None:
            before = self.gate.limit
            self.gate.pace.answered(latency, time.monotonic())
            if self.gate.limit > before:
                self.gate.admit()

    def failed(self, error: CallError, *, seeded: bool = False) -> bool:
        """Note a failed attempt; returns whether it was refused for its seed alone."""
        if seeded and self._seed_choice == "auto":
            if refused_field(error, SEED_FIELD) is not None and SEED_DEATH not in str(error):
                if self.seeds:
                    self.seeds, self.seeds_stopped = False, True
                    self.notes.append(f"the server takes no seeds ({error}); none are sent")
                return True
        if self.gate.pace is not None and error.kind in BUSY:
            self.gate.pace.congested(time.monotonic())
        self.breaker.failed(error)
        if self.breaker.problem is not None:
            self._wake()
        if self.seeds and self._seed_choice == "auto":
            self._look_at_death(str(error))
        return False

    def _look_at_death(self, words: str) -> None:
        """Stop sending seeds to a server that dies of them."""
        if SEED_DEATH in words:
            cause = f"the server's engine died of seeded requests ({SEED_DEATH})"
        elif any(death in words for death in ENGINE_DEATH):
            # What it died of stands in its log alone. A second death is one too many.
            self._deaths += not self._dead
            self._dead = True
            if self._deaths < 2:
                return
            cause = "the server's engine died twice, on CPU most likely of seeded requests"
        else:
            return
        self.seeds, self.seeds_stopped = False, True
        self.notes.append(SEED_NOTE.format(words=cause))

    def stats(self, now: float) -> LaneStats:
        """How it is doing."""
        pool = self.pool
        return LaneStats(
            in_flight=self.gate.in_flight,
            limit=self.gate.limit,
            queued=self.wanted - self.gate.in_flight,
            waiting=len(self._retry_at),
            next_retry_in=max(0.0, min(self._retry_at.values()) - now) if self._retry_at else None,
            request_seeds=self.seeds,
            servers=len(pool.servers) if pool is not None else 1,
            servers_well=pool.healthy() if pool is not None else 1,
        )

    def server_facts(self) -> list[dict[str, Any]]:
        """How each server behind the model did; empty where there are none."""
        return [
            {"url": server.url, "answered": server.answered, "failed": server.failed}
            for server in (self.pool.servers if self.pool is not None else ())
        ]

    def room(self) -> int:
        """How many more calls are wanted to keep the places in flight taken.

        As many calls as there are places may wait after a failure without being counted; with
        more of them the server is refusing, and new work would only wait as well.
        """
        waiting = len(self._retry_at)
        return self.gate.limit - self.wanted - max(0, waiting - self.gate.limit)

    def _wake(self) -> None:
        for waiter in self._retry_at:
            _resolve(waiter)


class Trip:
    """One call on its way: its attempts.

    Attributes:
        request: as last sent, with its seed.
        attempts: made so far.
        started: Unix seconds of the first attempt.
        asking: an attempt is with the model at this moment.
    """

    __slots__ = ("_failed", "_lane", "asking", "attempts", "request", "started")

    def __init__(self, lane: Lane, request: Request, failed: Failed) -> None:
        self._lane = lane
        self._failed = failed
        self.request = request
        self.attempts = 0
        self.started = time.time()
        self.asking = False

    async def go(self, tokens: int) -> Completion:
        """Make attempts until one is answered or it is time to give up.

        Args:
            tokens: what the call may take, for the limit of tokens a minute.

        Raises:
            CallError: how the last attempt failed.
            Stopped, CircuitOpen: no attempt should be made any more.
        """
        lane = self._lane
        await lane.prepare()
        if lane.tokens is not None:
            delay = lane.tokens.take(tokens)
            if delay:
                await lane.pause(delay)
        try:
            return await self._attempt()
        except CallError as error:
            if not error.retryable:
                raise
            return await try_again(
                error,
                self._attempt,
                retry=lane.retry,
                sleep=lane.pause,
                hold_on=lambda last: lane.breaker.hold_on(last.kind, self.attempts),
                answering=lane.breaker.answering,
            )

    async def _attempt(self) -> Completion:
        """Make one attempt, in its turn."""
        lane = self._lane
        if lane.requests is not None:
            delay = lane.requests.take(1)
            if delay:
                await lane.pause(delay)
        again = self.attempts > 0
        await lane.gate.enter(first=again)
        try:
            lane.check()
            self.attempts += 1
            lane.retries += again
            seed = derive_seed(self.request.address) if lane.seeds else None
            if seed != self.request.seed:
                self.request = _seeded(self.request, seed)
            self.asking = True
            started = time.monotonic()
            if not again:
                self.started = time.time()
            try:
                if lane.siblings is None:
                    completion = await lane.model.complete(self.request)
                else:
                    completion, own_seed = await lane.siblings.complete(self.request)
                    if not own_seed:
                        self.request = _seeded(self.request, None)
            except CallError as error:
                self.asking = False
                self._failed(self.request, error, self.started)
                if lane.failed(error, seeded=seed is not None):
                    raise CallError(
                        str(error), kind=error.kind, retryable=True, retry_after=0.0
                    ) from error
                raise
            self.asking = False
            lane.answered(time.monotonic() - started)
            return completion
        finally:
            lane.gate.leave()


def _seeds_of(model: Model) -> RequestSeeds:
    return model.request_seeds if isinstance(model, TakesSeeds) else "auto"


def _seeded(request: Request, seed: int | None) -> Request:
    """The request with its seed; ``dataclasses.replace`` takes four times as long."""
    return Request(
        request.address,
        request.messages,
        request.sampling,
        request.extends,
        request.purpose,
        request.arm,
        seed,
    )


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
