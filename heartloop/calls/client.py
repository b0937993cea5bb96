"""``Client.ask``: one way to a completion, through journal, sharing, budget, limits and retries."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from heartloop.calls.breaker import Patience
from heartloop.calls.journal import Journal
from heartloop.calls.keys import call_key
from heartloop.calls.lane import Lane, LaneStats
from heartloop.calls.ledger import Caps, Ledger
from heartloop.calls.limits import Limits
from heartloop.calls.prices import Price, prices_for
from heartloop.calls.retry import Retry
from heartloop.errors import CallError, HeartloopError, NotInJournal, UsageError
from heartloop.models.scoring import scoring_request
from heartloop.provider import Checks, Lasting, TakesTurns, Tells
from heartloop.types import Address, Completion, Model, Request, Usage

PROMISE_SECONDS = 0.05  # within which a unit of work that was let in makes its first calls


@dataclass(frozen=True, slots=True)
class Stats:
    """How the client is doing, for the screen.

    Attributes:
        in_flight, queued: calls being answered, and waiting for a place.
        waiting, next_retry_in: calls that wait after a failure or for their share a minute, and
            the seconds until the first of them goes on (None where there is none):
            "N waiting, next in s".
        limit: calls that may be in flight, over all models.
        calls: answered now and paid for; shared: answered from the journal or another's call.
        errors: calls that ended in an error; cancelled: given up on by who asked.
        retries: attempts beyond the first.
        tokens, usage, cost: of what was paid now; ``tokens`` is the total of ``usage``.
        notes: what the user should know (seeds no longer sent, …), each said once.
        lanes: the same by model.
    """

    in_flight: int
    queued: int
    waiting: int
    next_retry_in: float | None
    limit: int
    calls: int
    shared: int
    errors: int
    cancelled: int
    retries: int
    tokens: int
    usage: Usage
    cost: float | None
    notes: tuple[str, ...]
    lanes: Mapping[str, LaneStats]


class _Flight:
    """A call that is being made, and who waits for it."""

    __slots__ = ("task", "waiting")

    def __init__(self) -> None:
        self.task: asyncio.Task[None]
        self.waiting: list[asyncio.Future[Completion]] = []

    def give_up(self) -> None:
        """Cancel all who still wait."""
        for waiter in self.waiting:
            waiter.cancel()


class Client:
    """Asks models for completions; each distinct call is made and paid once.

    Attributes:
        journal: where every completion is written before it is returned.
        ledger: what was spent.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        journal: Journal,
        *,
        limits: Limits | None = None,
        retry: Retry | None = None,
        caps: Caps | None = None,
        prices: Mapping[str, Price] | None = None,
        patience: Patience | None = None,
        replay_only: bool = False,
    ) -> None:
        """Set up.

        Args:
            models: by the name that stands in addresses.
            journal: of the run.
            limits: calls in flight and a minute, for each model.
            retry: how failed attempts are repeated.
            caps: what the run may spend, earlier sessions in the journal included.
            prices: the user's own, by model name; they go before those that litellm knows.
            patience: what the circuit breaker bears.
            replay_only: answer from the journal alone; a call that is not there raises.

        Raises:
            UsageError: dollars are capped and a model has no price.
        """
        self.journal = journal
        caps = caps or Caps()
        self.ledger = Ledger(caps, prices_for(models, prices, needed=caps.usd is not None))
        self.ledger.carry_over(*journal.paid)
        self._replay_only = replay_only
        limits = limits or Limits()
        self._lanes = {
            name: Lane(model, limits, retry or Retry(), patience) for name, model in models.items()
        }
        self._flights: dict[str, _Flight] = {}
        self._promises: deque[float] = deque()
        self._room = asyncio.Event()
        self._wake: asyncio.TimerHandle | None = None  # of those who wait for room
        self._stopped: HeartloopError | None = None
        self._calls = self._shared = self._errors = self._cancelled = 0
        self._usage = Usage()
        self._cost = 0.0
        self._priced = False

    async def ask(self, request: Request) -> Completion:
        """Answer a request: from the journal, from a call under way, or by asking the model.

        The order is: journal, shared call, reserve, limits, attempts, journal, settle, return.
        Cancelling one of several that wait for the same call leaves it running for the others;
        cancelling the last aborts it.

        Returns:
            The completion with its ``key``; ``shared`` where nothing was paid for it now.

        Raises:
            CallError: the call ended without a completion, after all retries.
            Stopped: a cap was reached or the run is being stopped; nothing was sent.
            CircuitOpen: every request fails the same way.
            NotInJournal: ``replay_only``, and the call was never made.
            JournalError: the answer could not be written down.
        """
        if self._promises:
            self._promises.popleft()
        key = call_key(request)
        known = self.journal.get(key)
        if known is not None:
            self._shared += 1
            self.ledger.book_question(request, known.usage)
            self._room.set()  # its promise is kept, and no flight will end to say so
            return known
        flight = self._flights.get(key)
        first = flight is None
        if flight is None:
            if self._replay_only:
                raise self._missing(request, key)
            self.raise_if_stopped()
            flight = self._flights[key] = _Flight()
            flight.task = asyncio.create_task(self._fly(request, key, flight))
        # A future of its own for everyone: a shielded task takes three turns of the loop, this one.
        waiter: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        flight.waiting.append(waiter)
        try:
            completion = await waiter
        except asyncio.CancelledError:
            flight.waiting.remove(waiter)
            if not flight.waiting:
                self._forget(key, flight)  # who asks for the same from now on makes a new call
                flight.task.cancel()
                # Let it book what it used before whoever cancelled goes on.
                await asyncio.wait([flight.task])
            raise
        self.ledger.book_question(request, completion.usage)
        if first:
            return completion
        self._shared += 1
        return replace(completion, shared=True)

    async def score(
        self, address: Address, prompt: str, continuations: Sequence[str], arm: str = ""
    ) -> list[Completion]:
        """Log-likelihoods of continuations of a prompt, each journalled as a call of its own.

        Args:
            address: shared by all of them.
            prompt: raw text; no chat template is applied.
            continuations: what is scored, each with its leading space where it needs one.
            arm: for the record.

        Returns:
            For each continuation a completion with the mean log-probability of its tokens in
            ``logprob`` (nats) and their number in ``logprob_tokens``.

        Raises:
            CallError: the server cannot do it (kind ``http_400`` …), or the call failed.
        """
        asked = [scoring_request(address, prompt, text, arm) for text in continuations]
        return list(await asyncio.gather(*(self.ask(request) for request in asked)))

    async def check(self) -> None:
        """Let every model that can tell so refuse what could never be answered.

        Raises:
            UsageError: a provider that nobody knows, or a key that is not set.
        """
        for lane in self._lanes.values():
            if isinstance(lane.model, Checks):
                await lane.model.check()

    async def hungry(self, model: str | None = None, *, calls: int = 1) -> None:
        """Wait until a further unit of work may be opened.

        It returns when fewer calls are wanted than may be in flight (of the model, or of any),
        so that a runner which opens one unit a return keeps the number in flight at the limit.

        Args:
            model: whose places count; None: those of all.
            calls: how many the unit makes together at first; they count as wanted until it does.

        Raises:
            Stopped, CircuitOpen: no further unit should be opened at all.
        """
        lanes = list(self._lanes.values()) if model is None else [self._lane(model)]
        loop = asyncio.get_running_loop()
        while True:
            self._raise_if_over(lanes)
            now = loop.time()
            while self._promises and self._promises[0] < now:
                self._promises.popleft()
            room = sum(max(0, lane.room()) for lane in lanes)
            if room > len(self._promises):
                self._promises.extend([now + PROMISE_SECONDS] * calls)
                return
            self._room.clear()
            # A promise that nobody takes up runs out; a limit may rise without a call ending.
            # One timer for all who wait: each is woken within that time, and looks again.
            if self._wake is None:
                self._wake = loop.call_later(PROMISE_SECONDS, self._look_again)
            await self._room.wait()

    def _look_again(self) -> None:
        self._wake = None
        self._room.set()

    def stop(self, reason: HeartloopError) -> None:
        """Refuse every further call with ``reason``; calls under way are finished and kept.

        Calls that wait to be repeated or for a place end with ``reason`` at once.
        """
        self._stopped = self._stopped or reason
        for lane in self._lanes.values():
            lane.stop(self._stopped)
        self._room.set()

    @property
    def stopped(self) -> HeartloopError | None:
        """Why nothing more is asked; None while it is."""
        return self._stopped

    def raise_if_stopped(self) -> None:
        """Raise the reason that `stop` was given, if it was called."""
        if self._stopped is not None:
            raise self._stopped

    @property
    def limit(self) -> int:
        """Calls that may be in flight at once, over all lanes."""
        return sum(lane.gate.limit for lane in self._lanes.values())

    def stats(self) -> Stats:
        """How things stand; cheap enough for every frame of the screen."""
        now = time.monotonic()
        lanes = {name: lane.stats(now) for name, lane in self._lanes.items()}
        waits = [lane.next_retry_in for lane in lanes.values() if lane.next_retry_in is not None]
        return Stats(
            in_flight=sum(lane.in_flight for lane in lanes.values()),
            queued=sum(lane.queued for lane in lanes.values()),
            waiting=sum(lane.waiting for lane in lanes.values()),
            next_retry_in=min(waits, default=None),
            limit=self.limit,
            calls=self._calls,
            shared=self._shared,
            errors=self._errors,
            cancelled=self._cancelled,
            retries=sum(lane.retries for lane in self._lanes.values()),
            tokens=self._usage.total,
            usage=self._usage,
            cost=self._cost if self._priced else None,
            notes=tuple(note for lane in self._lanes.values() for note in lane.notes),
            lanes=lanes,
        )

    def facts(self) -> dict[str, Any]:
        """What a reader of the manifest should know of how this session was asked."""
        stats = self.stats()
        return {
            "calls": stats.calls,
            "shared": stats.shared,
            "errors": stats.errors,
            "cancelled": stats.cancelled,
            "retries": stats.retries,
            "notes": list(stats.notes),
            "models": {
                name: {
                    "request_seeds": lane.seeds,
                    "seeds_stopped": lane.seeds_stopped,
                    "peak_in_flight": lane.gate.peak,
                    "last_limit": lane.gate.limit,
                    "servers": lane.server_facts(),
                    "asked_otherwise": {},
                    "served": {},
                    "rate_limit": {},
                    **(lane.model.facts() if isinstance(lane.model, Tells) else {}),
                }
                for name, lane in self._lanes.items()
            },
        }

    def waves(self, models: Sequence[str]) -> list[list[str]]:
        """Models in the groups that can be asked together, one group after another."""
        found: dict[int, list[str]] = {}
        for name in models:
            model = self._lane(name).model
            found.setdefault(model.wave if isinstance(model, TakesTurns) else 0, []).append(name)
        return [found[wave] for wave in sorted(found)]

    async def rest(self, name: str) -> None:
        """Let a model give back what others wait for: nothing is asked of it for now."""
        model = self._lane(name).model
        if isinstance(model, TakesTurns):
            await model.rest()

    async def close(self) -> None:
        """Abort what is under way and release the models; the journal stays the caller's."""
        if self._wake is not None:
            self._wake.cancel()
        flights = list(self._flights.values())
        for flight in flights:
            flight.task.cancel()
        await asyncio.gather(*(flight.task for flight in flights), return_exceptions=True)
        for flight in flights:
            flight.give_up()  # a task that was cancelled before it began told nobody
        await asyncio.gather(*(lane.model.close() for lane in self._lanes.values()))

    # --- Inside --------------------------------------------------------------------------

    async def _fly(self, request: Request, key: str, flight: _Flight) -> None:
        """Make the call, write down what came of it, and tell all who wait."""
        try:
            lane = self._lane(request.address.model)
            lane.wanted += 1
            try:
                reservation = await self.ledger.reserve(request)
                booked: Completion | None = None
                try:
                    trip = lane.trip(request, partial(self._book_attempt, key))
                    try:
                        completion = await trip.go(reservation.tokens)
                    except CallError as error:
                        self._errors += 1
                        self.journal.append_error(
                            request,
                            error,
                            key=key,
                            started=trip.started,
                            finished=time.time(),
                            attempts=trip.attempts,
                        )
                        lane.breaker.ended(error)
                        raise
                    except asyncio.CancelledError:
                        lasting = isinstance(lane.model, Lasting) and lane.model.lasting
                        if trip.asking and not lasting:
                            self._book_cancelled(request, key, reservation.prompt, trip.started)
                        raise
                    cost = completion.cost
                    if cost is None:
                        cost = self.ledger.price(request, completion.usage)
                    completion = _stamped(completion, key, trip.started, trip.attempts, cost)
                    booked = completion
                    self.journal.append(trip.request, completion)
                finally:
                    self.ledger.settle(reservation, request, booked)
                self._calls += 1
                self._usage += completion.usage
                if completion.cost is not None:
                    self._cost += completion.cost
                    self._priced = True
                lane.settle(reservation.tokens, completion.usage.total)
            finally:
                lane.wanted -= 1
        except asyncio.CancelledError:
            flight.give_up()
            raise
        except Exception as error:
            for waiter in flight.waiting:
                if not waiter.done():
                    waiter.set_exception(error)
        else:
            for waiter in flight.waiting:
                if not waiter.done():
                    waiter.set_result(completion)
        finally:
            self._forget(key, flight)
            self._room.set()

    def _forget(self, key: str, flight: _Flight) -> None:
        """Let nobody join a call any more."""
        if self._flights.get(key) is flight:
            del self._flights[key]

    def _book_cancelled(self, request: Request, key: str, prompt: int, started: float) -> None:
        """Book a call that was aborted while the model worked on it: its prompt was read."""
        self._cancelled += 1
        error = CallError("given up on before it was answered", kind="cancelled")
        self._book_failed(request, key, error, Usage(prompt=prompt), started)

    def _book_attempt(self, key: str, request: Request, error: CallError, started: float) -> None:
        """Book an attempt that was answered and paid, but of no use."""
        if error.usage is not None:
            self._book_failed(request, key, error, error.usage, started)

    def _book_failed(
        self, request: Request, key: str, error: CallError, usage: Usage, started: float
    ) -> None:
        cost = self.ledger.price(request, usage)
        self.ledger.book_failed(usage, cost)
        self._usage += usage
        self.journal.append_error(
            request,
            error,
            key=key,
            started=started,
            finished=time.time(),
            usage=usage,
            cost=cost,
        )

    def _missing(self, request: Request, key: str) -> HeartloopError:
        """Why a call cannot be answered from the journal."""
        error = self.journal.error(key)
        if error is not None:
            return error
        address = request.address
        return NotInJournal(
            f"{self.journal.path}: no answer for {address.task} question {address.question}, "
            f"round {address.round}, draw {address.draw} of {address.model}"
        )

    def _lane(self, model: str) -> Lane:
        lane = self._lanes.get(model)
        if lane is None:
            raise UsageError(f"model {model!r}: not one of {', '.join(self._lanes) or 'none'}")
        return lane

    def _raise_if_over(self, lanes: list[Lane]) -> None:
        if self._stopped is not None:
            raise self._stopped
        for lane in lanes:
            if lane.breaker.problem is not None:
                raise lane.breaker.problem


def _stamped(
    completion: Completion, key: str, started: float, attempts: int, cost: float | None
) -> Completion:
    """A completion with what the client knows of it; ``replace`` takes four times as long."""
    return Completion(
        completion.text,
        completion.finish_reason,
        completion.usage,
        completion.reasoning,
        completion.logprob,
        completion.logprob_tokens,
        completion.estimated,
        key,
        started,
        completion.finished or time.time(),
        attempts,
        completion.endpoint,
        completion.shared,
        cost,
        completion.served,
        completion.sent,
    )
