"""``vllm/PATH-OR-ID``: vLLM servers that heartloop starts, balances over and stops."""

from __future__ import annotations

import asyncio
import dataclasses

from heartloop.errors import CallError, HeartloopError
from heartloop.models.fetched import local_model
from heartloop.models.http import HttpModel
from heartloop.models.options import ModelOptions
from heartloop.serving.vllm import Fleet, vllm_python
from heartloop.types import Completion, Request


class VllmModel(HttpModel):
    """One vLLM server a GPU, started with the first request.

    Attributes:
        name: the spec, as in addresses and records.
        fleet: the servers.
    """

    def __init__(self, spec: str, path_or_id: str, options: ModelOptions) -> None:
        """Describe the servers; nothing is started.

        Raises:
            UsageError: the GPUs cannot be divided as ``tensor_parallel`` asks.
        """
        path_or_id = local_model(spec, path_or_id, vllm_python())
        self.fleet = Fleet(
            path_or_id, arguments=options.vllm_args, tensor_parallel=options.tensor_parallel
        )
        urls = tuple(server.base_url for server in self.fleet.servers)
        super().__init__(spec, path_or_id, dataclasses.replace(options, base_urls=urls))
        self._started: asyncio.Task[None] | None = None
        self._looked: asyncio.Task[None] | None = None

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
                self._started = asyncio.create_task(self.fleet.start())
            await asyncio.shield(self._started)
            await self.fleet.any_healthy()
            if self._looked is None:
                self._looked = asyncio.create_task(super().prepare())
            await asyncio.shield(self._looked)
        except HeartloopError as error:
            raise CallError(str(error), kind="server_died") from error

    async def close(self) -> None:
        """Stop every server and wait until it is gone."""
        if self._started is not None:
            self._started.cancel()
            await asyncio.gather(self._started, return_exceptions=True)
        await super().close()
        await self.fleet.close()
