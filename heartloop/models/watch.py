"""Time-outs of requests in flight: one timer for all of them instead of three for each."""

from __future__ import annotations

import asyncio
import sys

SWEEP_SECONDS = 1.0  # at most between two looks


class Watched:
    """A request in flight.

    Attributes:
        sent: loop time at which it was sent.
        heard: the server has begun to answer.
        expired: the watch has given it up; its task was cancelled for that.
    """

    __slots__ = ("expired", "heard", "sent", "task")

    def __init__(self, task: asyncio.Task[object], sent: float) -> None:
        self.task = task
        self.sent = sent
        self.heard = False
        self.expired = False

    def gave_up(self) -> bool:
        """Whether the cancellation that just arrived is the watch's own, and nobody else's."""
        if not self.expired:
            return False
        if sys.version_info >= (3, 11):
            return self.task.uncancel() == 0
        return True


class Watch:
    """Gives up requests that are silent for too long or take too long altogether.

    Attributes:
        first_byte, total: seconds allowed; may change at any time.
    """

    def __init__(self, first_byte: float, total: float) -> None:
        self.first_byte = first_byte
        self.total = total
        self._requests: set[Watched] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop

    def add(self) -> Watched:
        """Watch the request that the current task is about to send."""
        if self._timer is None:
            self._loop = asyncio.get_running_loop()
            self._timer = self._loop.call_later(self._interval(), self._sweep, self._loop)
        task = asyncio.current_task(self._loop)  # to find the loop takes a system call
        assert task is not None
        watched = Watched(task, self._loop.time())
        self._requests.add(watched)
        return watched

    def remove(self, watched: Watched) -> None:
        """Stop watching a request."""
        self._requests.discard(watched)

    def stop(self) -> None:
        """Drop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _interval(self) -> float:
        return min(SWEEP_SECONDS, self.first_byte / 4, self.total / 4)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for watched in self._requests:
            allowed = self.total if watched.heard else min(self.first_byte, self.total)
            if now - watched.sent > allowed and not watched.expired:
                watched.expired = True
                watched.task.cancel()
        self._timer = (
            loop.call_later(self._interval(), self._sweep, loop) if self._requests else None
        )
