"""Whose turn it is: work of older questions goes before that of younger ones, wherever it waits.

A runner sets `turn` for each unit of work; places in flight and grading workers are given to the
least number first. So questions are finished in about the order in which they were opened, and what
a stopped run has finished is no sample of the short and easy ones.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

turn: ContextVar[float] = ContextVar("turn", default=0.0)
"""Place of the unit in the order of opening; what sets none goes before all."""


class Waiting:
    """A queue in the order of turns; those of the same turn in the order of coming."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def __len__(self) -> int:
        """How many wait."""
        return len(self._heap)

    def join(self, *, first: bool = False) -> asyncio.Future[None]:
        """A future that `call` sets; ``first`` goes before every turn."""
        place = asyncio.get_running_loop().create_future()
        self._count += 1
        rank = float("-inf") if first else turn.get()
        heapq.heappush(self._heap, (rank, self._count, place))
        return place

    def call(self) -> asyncio.Future[None] | None:
        """The next who still waits, out of the queue; None where nobody does."""
        while self._heap:
            place = heapq.heappop(self._heap)[2]
            if not place.done():
                return place
        return None

    def drop(self, place: asyncio.Future[None]) -> None:
        """Take one who gave up out of the queue."""
        self._heap = [entry for entry in self._heap if entry[2] is not place]
        heapq.heapify(self._heap)


class Turns:
    """So many places, given in the order of turns: ``async with turns.place(): …``."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting = Waiting()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold one place."""
        if self._free and not self._waiting:
            self._free -= 1
        else:
            place = self._waiting.join()
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():
                    self._give()
                else:
                    self._waiting.drop(place)
                    if self._free and (following := self._waiting.call()) is not None:
                        self._free -= 1  # who came while this one stood here had to wait
                        following.set_result(None)
                raise
        try:
            yield
        finally:
            self._give()

    def _give(self) -> None:
        following = self._waiting.call()
        if following is None:
            self._free += 1
        else:
            following.set_result(None)
