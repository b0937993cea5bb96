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


class VllmModel:
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
        self.name = spec
        path_or_id = local_model(spec, path_or_id, vllm_python())
        self.fleet = Fleet(
            path_or_id, arguments=options.vllm_args, tensor_parallel=options.tensor_parallel
        )
        urls = tuple(server.base_url for server in self.fleet.servers)
        self.http = HttpModel(spec, path_or_id, dataclasses.replace(options, base_urls=urls))
        self._started: asyncio.Task[None] | None = None
        self._prepared: asyncio.Task[None] | None = None

    def __getattr__(self, name: str) -> object:
        """What the client asks of an HTTP model (servers, seeds) is the inner one's to answer."""
        if name.startswith("__") or name == "http":
            raise AttributeError(name)
        return getattr(self.http, name)

    async def prepare(self) -> None:
        """Nothing yet: the servers are started by the first call."""

    async def complete(self, request: Request) -> Completion:
        """Make one attempt at any server that is up; waits while all are being restarted.

        Raises:
            CallError: as `HttpModel.complete`; kind ``server_died`` when no server is left.
        """
        try:
            if self._started is None:
                self._started = asyncio.create_task(self.fleet.start())
            await asyncio.shield(self._started)
            await self.fleet.any_healthy()
            if self._prepared is None:
                self._prepared = asyncio.create_task(self.http.prepare())
            await asyncio.shield(self._prepared)
        except HeartloopError as error:
            raise CallError(str(error), kind="server_died") from error
        return await self.http.complete(request)

    async def close(self) -> None:
        """Stop every server and wait until it is gone."""
        if self._started is not None:
            self._started.cancel()
            await asyncio.gather(self._started, return_exceptions=True)
        await self.http.close()
        await self.fleet.close()
