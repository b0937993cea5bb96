"""How many calls may be in flight, and how fast: a limit that finds itself, and token buckets."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from typing import Literal, NamedTuple

from heartloop.errors import UsageError
from heartloop.turn import Waiting

START = 32  # in flight at first with ``auto``
MOST = 1024  # in flight at most with ``auto``
WINDOW_LEAST = 0.25  # seconds a measurement takes at least
WINDOW_MOST = 10.0  # seconds after which a few answers must do
STEP = 1.25  # between neighbouring limits that are compared
BACK_OFF = 0.7  # factor on 429 and 503
GAIN = 1.05  # throughput a higher limit must bring to be worth its queue
SMOOTHING = 0.4  # weight of a new measurement at the same limit
NO_QUEUE = 1.12  # latency, relative to that of lower limits, that is not queueing; below STEP
STALE = 60.0  # seconds after which a measurement is no longer believed


@dataclass(frozen=True, slots=True)
class Limits:
    """What the user allows.

    Attributes:
        concurrency: calls in flight for a model; ``auto`` finds the number.
        rpm, tpm: requests and tokens a minute for a model; None for no limit.
    """

    concurrency: int | Literal["auto"] = "auto"
    rpm: float | None = None
    tpm: float | None = None

    def __post_init__(self) -> None:
        """Refuse limits that would let nothing through."""
        if self.concurrency != "auto" and self.concurrency < 1:
            raise UsageError("--concurrency: must be auto or at least 1")
        for option, value in (("--rpm", self.rpm), ("--tpm", self.tpm)):
            if value is not None and value <= 0:
                raise UsageError(f"{option}: must be above 0")


class Window(NamedTuple):
    """What was measured at a limit: answers a second, mean latency, and when."""

    rate: float
    latency: float
    at: float


class Pace:
    """Finds the smallest number in flight that gives the full throughput.

    Multiplicative decrease: 30 % down when the server says 429 or 503, once a round trip.
    If fewer in flight are refused as often, load is not the reason and the old limit returns.
    Additive increase after a decrease, and only while the limit is used (saturation gate).
    Without refusals the limit grows while that brings more answers a second: doubling at first,
    as TCP's slow start does, a step at a time after the first setback.
    Where more in flight brings no more answers, latency grows instead: the server queues, and
    the smallest limit within 5 % of the best throughput is taken. Neighbouring limits are
    measured again every minute, since prompts and servers change.
    """

    def __init__(self, start: int = START, most: int = MOST) -> None:
        self.most = most
        self.limit = float(min(start, most))
        self._doubling = True
        self._since: float | None = None
        self._answers = 0
        self._latency = 0.0
        self._saturated = False
        self._eased = -math.inf
        self._refusals = 0
        self._usual = 0.0  # latency of late, seconds
        self._epoch = [0, 0]  # answers and refusals since the last decrease
        self._decreases = 0  # in a row, without a window free of refusals between them
        self._before = (self.limit, 0.0)  # limit and share refused before the first of them
        self._deaf_until = -math.inf
        self._windows: dict[int, Window] = {}  # by step, the limit's logarithm to base STEP

    def saturate(self) -> None:
        """Note that a call took the last place, or had to queue for one."""
        self._saturated = True

    def answered(self, latency: float, now: float) -> None:
        """Take in an answer and, at the end of a window, change the limit."""
        if self._since is None:
            self._since = now - latency
        self._answers += 1
        self._latency += latency
        self._epoch[0] += 1
        self._usual += (latency - self._usual) * (0.05 if self._usual else 1.0)
        length = now - self._since
        enough = self._answers >= self.limit or (length > WINDOW_MOST and self._answers >= 4)
        if length >= WINDOW_LEAST and enough:
            if not self._refusals:
                self._decreases = 0
            if self._saturated and now - self._eased < STALE:
                # Refusals bound the limit from above: no need to compare throughputs.
                self.limit = min(float(self.most), self.limit + max(1.0, self.limit / 8))
            elif self._saturated:
                self._judge(self._answers / length, self._latency / self._answers, now)
            self._start_window(now)

    def congested(self, now: float) -> None:
        """Take in a 429 or 503."""
        self._refusals += 1
        self._epoch[1] += 1
        if now < self._deaf_until or now - self._eased < max(WINDOW_LEAST, 2 * self._usual):
            return
        seen = sum(self._epoch)
        share = self._epoch[1] / seen
        self._epoch = [0, 0]
        if not self._decreases:
            self._before = (self.limit, share)
        elif self._decreases >= 3 and seen >= 8 and 0.75 * self._before[1] < share < 0.6:
            # Fewer in flight are refused just as often: the load is not the reason.
            self.limit = self._before[0]
            self._deaf_until = now + STALE
            self._decreases = 0
            self._start_window(now)
            return
        self._decreases += 1
        self._doubling = False
        self.limit = max(1.0, self.limit * BACK_OFF)
        self._eased = now
        self._windows.clear()
        self._start_window(now)

    def _judge(self, rate: float, latency: float, now: float) -> None:
        """Change the limit by what a window brought."""
        step = round(math.log(self.limit, STEP))
        known = {n: seen for n, seen in self._windows.items() if now - seen.at < STALE}
        if step in known:
            rate = SMOOTHING * rate + (1 - SMOOTHING) * known[step].rate
            latency = SMOOTHING * latency + (1 - SMOOTHING) * known[step].latency
        known[step] = Window(rate, latency, now)
        self._windows = known
        below = [seen for n, seen in known.items() if n < step]
        above = [seen for n, seen in known.items() if n > step]
        if below:
            more = rate > GAIN * max(seen.rate for seen in below)
            no_queue = latency < NO_QUEUE * min(seen.latency for seen in below)
        else:
            more, no_queue = self._doubling or step <= 0, False
        if more or no_queue:
            if not above or no_queue or max(seen.rate for seen in above) > GAIN * rate:
                factor = 2.0 if self._doubling else STEP
                self.limit = min(float(self.most), max(self.limit * factor, self.limit + 1))
            return
        self._doubling = False
        best = max(seen.rate for seen in known.values())
        least = min(n for n, seen in known.items() if GAIN * seen.rate >= best)
        if least == step and not below:
            least -= 1  # nothing is known of fewer: perhaps they do as well
        self.limit = min(float(self.most), max(1.0, STEP**least))

    def _start_window(self, now: float) -> None:
        self._since = now
        self._answers = self._refusals = 0
        self._latency = 0.0
        self._saturated = False


class Gate:
    """Places in flight; calls that come back from a failure go first, then those of older units."""

    def __init__(self, limits: Limits, most: int | None = None) -> None:
        """Set up for one model.

        Args:
            limits: what the user allows.
            most: what the model itself can take, or None.
        """
        ceiling = MOST if most is None else most
        if limits.concurrency == "auto":
            self.pace: Pace | None = Pace(min(START, ceiling), ceiling)
            self._fixed = 0
        else:
            self.pace = None
            self._fixed = limits.concurrency if most is None else min(limits.concurrency, most)
        self.in_flight = 0
        self.peak = 0
        self._queue = Waiting()

    @property
    def limit(self) -> int:
        """How many calls may be in flight now."""
        return self._fixed if self.pace is None else int(self.pace.limit)

    @property
    def queued(self) -> int:
        """How many calls wait for a place."""
        return len(self._queue)

    async def enter(self, *, first: bool = False) -> None:
        """Take a place; ``first`` goes to the head of the queue."""
        if self.in_flight < self.limit and not self._queue:
            self._count()
            if self.pace is not None and self.in_flight >= self.limit:
                self.pace.saturate()
            return
        if self.pace is not None:
            self.pace.saturate()
        place = self._queue.join(first=first)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave()  # the place had been given already
            else:
                self._queue.drop(place)
                self.admit()  # who came while this one stood here found the queue occupied
            raise

    def leave(self) -> None:
        """Give a place back, to those that wait as far as the limit allows."""
        self.in_flight -= 1
        self.admit()

    def admit(self) -> None:
        """Let in as many as the limit allows."""
        while self.in_flight < self.limit and (place := self._queue.call()) is not None:
            self._count()
            place.set_result(None)

    def _count(self) -> None:
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)


class Bucket:
    """So much a minute: whoever comes is told how long to wait for its share.

    A token bucket in its virtual-scheduling form: shares are handed out in the order of asking,
    and a share that turns out smaller or larger is corrected afterwards.
    """

    def __init__(self, per_minute: float, burst_seconds: float = 5.0) -> None:
        self._rate = per_minute / 60.0
        self._burst = burst_seconds
        self._free_at = 0.0  # monotonic time at which everything handed out is earned

    def take(self, amount: float, now: float | None = None) -> float:
        """Take a share; returns the seconds to wait before using it."""
        now = time.monotonic() if now is None else now
        start = max(self._free_at, now - self._burst)
        self._free_at = start + amount / self._rate
        return max(0.0, start - now)

    def correct(self, amount: float) -> None:
        """Take ``amount`` more (or give back, where negative)."""
        self._free_at += amount / self._rate
