"""Draws of the same request asked at the same moment become one request with ``n``."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from heartloop.errors import CallError
from heartloop.provider import JoinsDraws
from heartloop.types import Completion, Model, Request

NOTE = "the server gave {given} of n={asked} draws; draws are asked for one by one from now on"


class _Batch:
    __slots__ = ("closed", "requests", "results")

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.results: list[asyncio.Future[Completion]] = []
        self.closed = False


class Joined(Model, JoinsDraws, Protocol):
    """A model that can be asked for several draws at once."""


class Siblings:
    """Joins draws that differ in nothing but their number.

    The first to come waits a turn of the event loop for others, and asks for all of them. The
    prompt is then read, and paid, once. Whether the server honoured ``n`` is checked: where it
    gave fewer, the rest are asked one by one, now and from then on.

    Attributes:
        honoured: the server has not failed the check so far.
        notes: what the user should know.
    """

    def __init__(self, model: Joined, notes: list[str]) -> None:
        self._model = model
        self.notes = notes
        self.honoured = True
        self._batches: dict[Any, _Batch] = {}

    async def complete(self, request: Request) -> tuple[Completion, bool]:
        """Make one attempt, together with siblings where there are any.

        Returns:
            The completion, and whether it was drawn with the seed of ``request``: one request
            has one seed, that of its first draw.

        Raises:
            CallError: the attempt failed; siblings fail alike and are repeated on their own.
        """
        if not self.honoured:
            return await self._model.complete(request), True
        address = request.address
        # Messages are compared by value; their strings keep their hashes.
        family = (
            address.task,
            address.question,
            address.round,
            address.seed,
            request.messages,
            repr(request.sampling),
        )
        batch = self._batches.get(family)
        if batch is not None and not batch.closed:
            result: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
            batch.requests.append(request)
            batch.results.append(result)
            try:
                return await result, False
            except _NotGiven:
                return await self._model.complete(request), True
        return await self._lead(request, family), True

    async def _lead(self, request: Request, family: Any) -> Completion:
        batch = self._batches[family] = _Batch()
        try:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            batch.closed = True
            if not batch.results:
                completion: Completion = await self._model.complete(request)
                return completion
            asked = 1 + len(batch.results)
            first, *others = await self._model.complete_many(request, asked)
        except CallError as error:
            _fail(batch, error)
            raise
        except BaseException:
            _fail(batch, CallError("given up on by a sibling", kind="connection", retryable=True))
            raise
        finally:
            if self._batches.get(family) is batch:
                del self._batches[family]
        if len(others) < len(batch.results) and self.honoured:
            self.honoured = False
            self.notes.append(NOTE.format(given=1 + len(others), asked=asked))
        for index, result in enumerate(batch.results):
            if result.done():
                continue  # who asked for it has gone
            if index < len(others):
                result.set_result(others[index])
            else:
                result.set_exception(_NotGiven())
        assert isinstance(first, Completion)
        return first


class _NotGiven(Exception):
    """The server gave fewer draws than it was asked for."""


def _fail(batch: _Batch, error: CallError) -> None:
    for result in batch.results:
        if not result.done():
            result.set_exception(
                CallError(
                    str(error),
                    kind=error.kind,
                    retryable=error.retryable,
                    retry_after=error.retry_after,
                )
            )
