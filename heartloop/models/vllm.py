"""``vllm/PATH-OR-ID``: vLLM servers that heartloop starts, balances over and stops."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Collection, Mapping

from heartloop.errors import CallError, HeartloopError, UsageError
from heartloop.models.fetched import local_model
from heartloop.models.http import HttpModel
from heartloop.models.options import ModelOptions
from heartloop.serving.cards import CPU, Cards, Place, need_of, visible_cards, waves
from heartloop.serving.vllm import Fleet, vllm_python
from heartloop.types import Completion, Model, Request


class VllmModel(HttpModel):
    """One vLLM server a GPU, started with the first request.

    Attributes:
        name: the spec, as in addresses and records.
        fleet: the servers.
        path: folder or hub id.
        wave: models of a later wave are asked when those of the wave before are done.
    """

    def __init__(self, spec: str, path_or_id: str, options: ModelOptions) -> None:
        """Describe the servers; nothing is started.

        Raises:
            UsageError: the GPUs cannot be divided as ``tensor_parallel`` asks.
        """
        self.path = local_model(spec, path_or_id, vllm_python())
        self.wave = 0
        self._place: Place | None = None
        self._cards: Cards | None = None
        self._started: asyncio.Task[None] | None = None
        self._looked: asyncio.Task[None] | None = None
        self._describe(spec, options)

    def _describe(self, spec: str, options: ModelOptions) -> None:
        place = self._place
        more: tuple[str, ...] = ()
        groups: list[tuple[str, ...]] | None = None
        if place is not None:
            groups = [() if CPU in group else group for group in place.groups]
            if any(groups):
                more = (f"--gpu-memory-utilization={place.share:.3f}",)
        self.fleet = Fleet(
            self.path,
            arguments=(*more, *options.vllm_args),  # the user's own come last and win
            tensor_parallel=options.tensor_parallel,
            groups=groups,
        )
        urls = tuple(server.base_url for server in self.fleet.servers)
        super().__init__(spec, self.path, dataclasses.replace(options, base_urls=urls))

    def sit(self, place: Place, cards: Cards) -> None:
        """Take the servers to cards that other models of the run use, too; before any call."""
        self._place, self._cards, self.wave = place, cards, place.wave
        self._describe(self.name, self.options)

    async def prepare(self) -> None:
        """Nothing yet: the servers are started by the first call."""

    async def complete(self, request: Request) -> Completion:
        """Make one attempt at any server that is up; waits while all are being restarted.

        Raises:
            CallError: as `HttpModel.complete`; kind ``server_died`` when no server is left.
        """
        await self._up()
        return await super().complete(request)

    async def complete_many(self, request: Request, count: int) -> list[Completion]:
        """Make one attempt at several draws, as `complete`."""
        await self._up()
        return await super().complete_many(request, count)

    async def _up(self) -> None:
        try:
            if self._started is None:
                self._started = asyncio.create_task(self._start())
            await asyncio.shield(self._started)
            await self.fleet.any_healthy()
            if self._looked is None:
                self._looked = asyncio.create_task(super().prepare())
            await asyncio.shield(self._looked)
        except HeartloopError as error:
            raise CallError(str(error), kind="server_died") from error

    async def _start(self) -> None:
        if self._cards is None or self._place is None:
            await self.fleet.start()
            return
        await self._cards.take(self._place)
        try:
            await self.fleet.start()
        except BaseException:
            self._cards.leave(self._place)
            raise

    async def rest(self) -> None:
        """Stop the servers so that the next wave has their cards; a further call starts them."""
        started, self._started = self._started, None
        if started is None or self._cards is None or self._place is None or self._place.stays:
            self._started = started
            return
        started.cancel()
        (ended,) = await asyncio.gather(started, return_exceptions=True)
        await self.fleet.close()
        if ended is None:
            self._cards.leave(self._place)

    async def close(self) -> None:
        """Stop every server and wait until it is gone."""
        if self._started is not None:
            self._started.cancel()
            await asyncio.gather(self._started, return_exceptions=True)
        await super().close()
        await self.fleet.close()


def share_cards(
    models: Mapping[str, Model], stays: Collection[str], *, in_waves: bool
) -> list[Place]:
    """Give the vLLM models of a run their cards; a single one has them all and is left alone.

    Args:
        models: those of the run, by name.
        stays: those that are needed as long as the run lasts (judges, a helper).
        in_waves: whoever asks can ask one wave after another; else all must fit together.

    Returns:
        What was decided.

    Raises:
        UsageError: a model does not fit, or not together with the others where it must.
    """
    local = {name: model for name, model in models.items() if isinstance(model, VllmModel)}
    if len(local) < 2:
        return []
    cards = visible_cards()
    needs = [need_of(name, model.path, stays=name in stays) for name, model in local.items()]
    span = next(iter(local.values())).options.tensor_parallel
    places = waves(needs, cards, span if span > 1 else None)
    late = [place.model for place in places if place.wave]
    if late and not in_waves:
        raise UsageError(
            f"--model {late[0]}: it does not fit on the cards beside the models before it, and "
            "this command asks all of them together; ask fewer, or with heartloop run, which asks "
            "one after another"
        )
    book = Cards(cards)
    for place in places:
        local[place.model].sit(place, book)
    return places
