"""``--batch``: what is asked at about the same time goes to the provider as one batch.

A run opens all of its units at once, so that all first answers are one batch, all second rounds the
next. Each batch is written into the run folder before it is waited for; asked again, by a run that
goes on, a request finds the batch it is in, and nothing is sent twice.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import orjson

from heartloop.calls.keys import call_key
from heartloop.errors import CallError, JournalError
from heartloop.models.batch_shapes import EXPIRED, Outcome, Shape, is_id
from heartloop.provider import RequestSeeds
from heartloop.types import Completion, Request

FILE = "batches.jsonl"
MOST = 10_000  # requests of a batch; both providers take more
QUIET_SECONDS = 2.0  # without a further request: everything that can be asked now is there
POLL = (2.0, 60.0)  # seconds between looks at a batch: at first, at most
SLOWER = 1.5

Waiting = tuple[Request, "asyncio.Future[Completion]"]


class Batched:
    """A model that is asked in batches.

    Attributes:
        name: the spec, as in addresses.
        lasting: a request goes on at the provider when nobody waits for it any more.
        notes: what the user should know.
    """

    def __init__(
        self,
        name: str,
        shape: Shape,
        folder: Path,
        *,
        quiet: float = QUIET_SECONDS,
        poll: tuple[float, float] = POLL,
    ) -> None:
        """Prepare; nothing is read or sent before the first request."""
        self.name, self.lasting = name, True
        self.max_concurrency: int | None = MOST
        self.request_seeds: RequestSeeds = "auto"
        self.notes: list[str] = []
        self._shape, self._file = shape, folder / FILE
        self._quiet, self._poll = quiet, poll
        self._waiting: dict[str, Waiting] = {}
        self._new: list[str] = []  # waiting, in no batch
        self._batch: dict[str, str] | None = None  # request -> the batch it is in
        self._over: dict[str, bool] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def complete(self, request: Request) -> Completion:
        """Wait for the batch that a request is in, or comes into.

        Raises:
            CallError: what became of it; retryable where the batch ended before it was worked on.
        """
        key = call_key(request)
        self._shape.body(request)  # what cannot be said is refused alone
        if self._batch is None:
            self._batch = self._read()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Completion] = loop.create_future()
        self._waiting[key] = (request, future)
        batch = self._batch.get(key)
        if batch is None:
            self._new.append(key)
            self._set_timer(loop)
        else:
            self._follow_soon(batch)
        try:
            return await future
        finally:
            del self._waiting[key]

    async def close(self) -> None:
        """Stop looking; batches go on at the provider and are found again."""
        if self._timer is not None:
            self._timer.cancel()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._shape.close()

    # --- Inside --------------------------------------------------------------------------

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        full = len(self._new) >= MOST
        self._timer = loop.call_later(0.0 if full else self._quiet, self._flush)

    def _flush(self) -> None:
        keys = [key for key in self._new[:MOST] if key in self._waiting]
        del self._new[:MOST]
        if keys:
            name = f"new {keys[0]}"
            self._tasks[name] = asyncio.ensure_future(self._send(name, keys))
        if self._new:
            self._set_timer(asyncio.get_running_loop())

    async def _send(self, name: str, keys: list[str]) -> None:
        """Hand in a batch, write down its id, and follow it."""
        assert self._batch is not None
        try:
            bodies = [(key, self._shape.body(self._waiting[key][0])) for key in keys]
            batch = await self._shape.submit(bodies)
            self._write(batch, keys)
        except (CallError, JournalError) as error:
            self._end(keys, error)
            return
        finally:
            self._tasks.pop(name, None)
        self._batch.update(dict.fromkeys(keys, batch))
        if len(self.notes) == 0:
            self.notes.append(
                f"batch {batch} of {len(keys):,} requests is with the provider, which may take "
                "hours; Ctrl-C leaves it there, heartloop resume waits on"
            )
        self._follow_soon(batch)

    def _follow_soon(self, batch: str) -> None:
        if batch not in self._tasks:
            self._tasks[batch] = asyncio.ensure_future(self._follow(batch))

    async def _follow(self, batch: str) -> None:
        """Wait for a batch to end and hand out what came of it."""
        assert self._batch is not None
        try:
            await self._until_over(batch)
            mine = {k: r for k, (r, _) in self._waiting.items() if self._batch.get(k) == batch}
            found = await self._shape.results(batch, mine)
        except CallError as error:
            # Nothing can be had from it any more: who asks again comes into another.
            mine = {k: r for k, (r, _) in self._waiting.items() if self._batch.get(k) == batch}
            self._end(list(mine), error)
            return
        finally:
            self._tasks.pop(batch, None)
        missing = CallError(EXPIRED, kind="expired", retryable=True)
        for key in mine:
            self._end([key], found.get(key, missing))

    async def _until_over(self, batch: str) -> None:
        pause, longest = self._poll
        while not self._over.get(batch):
            try:
                self._over[batch] = await self._shape.ended(batch)
            except CallError as error:
                if not error.retryable:
                    raise
            if not self._over.get(batch):
                await asyncio.sleep(pause)
                pause = min(longest, pause * SLOWER)

    def _end(self, keys: list[str], outcome: Outcome | JournalError) -> None:
        """Tell who waits; a request that failed is in no batch any more."""
        assert self._batch is not None
        for key in keys:
            if isinstance(outcome, Exception):
                self._batch.pop(key, None)
            _, future = self._waiting.get(key, (None, None))
            if future is None or future.done():
                continue
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

    def _write(self, batch: str, keys: list[str]) -> None:
        line = orjson.dumps({"batch": batch, "model": self.name, "requests": keys}) + b"\n"
        try:
            descriptor = os.open(
                self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600
            )
            try:
                os.write(descriptor, line)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise JournalError(
                f"{self._file}: {error.strerror}; batch {batch} goes on at the provider"
            ) from error

    def _read(self) -> dict[str, str]:
        """Which request is in which batch of earlier sessions; the newest holds."""
        found: dict[str, str] = {}
        try:
            lines = self._file.read_bytes().splitlines()
        except FileNotFoundError:
            return found
        except OSError as error:
            raise JournalError(f"{self._file}: {error.strerror}") from error
        for line in lines:
            try:
                entry = orjson.loads(line)
                if entry["model"] == self.name and is_id(entry["batch"]):
                    found.update(dict.fromkeys(entry["requests"], entry["batch"]))
            except (ValueError, KeyError, TypeError):
                continue  # torn by a crash
        return found
