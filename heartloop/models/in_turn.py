"""Several models in this process (``hf/``): one after another, each with the memory to itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from heartloop.errors import CallError, HeartloopError
from heartloop.types import Completion, Model, Request


class InTurn:
    """A model that is loaded by its first call and given back by `rest`.

    Attributes:
        name: its full name.
        wave: models of a later wave are asked when those of the wave before are done.
    """

    def __init__(
        self, name: str, wave: int, load: Callable[[], Model], memory: asyncio.Semaphore
    ) -> None:
        """Describe it; nothing is loaded.

        Args:
            name: its full name.
            wave: its place among the models that take turns.
            load: opens it; blocking.
            memory: held while it is loaded, by one model of the run at a time.
        """
        self.name = name
        self.wave = wave
        self._load = load
        self._memory = memory
        self._opened: asyncio.Task[Model] | None = None

    async def check(self) -> None:
        """Load the first model, so that what is missing is told before anything is asked.

        Raises:
            UsageError: a package or the model is not there.
        """
        if self.wave == 0:
            await self._open()

    async def complete(self, request: Request) -> Completion:
        """Make one attempt; waits until the model before has been given back.

        Raises:
            CallError: as the model's own; kind ``not_loaded`` where it cannot be opened.
        """
        try:
            model = await self._open()
        except HeartloopError as error:
            raise CallError(str(error), kind="not_loaded") from error
        return await model.complete(request)

    async def rest(self) -> None:
        """Close it so that the next one has the memory; a further call loads it again."""
        opened, self._opened = self._opened, None
        if opened is None:
            return
        (model,) = await asyncio.gather(opened, return_exceptions=True)
        if not isinstance(model, BaseException):
            await model.close()
            self._memory.release()

    async def close(self) -> None:
        """As `rest`; one that still waits for its turn waits no more."""
        if self._opened is not None and not self._opened.done():
            self._opened.cancel()
        await self.rest()

    async def _open(self) -> Model:
        if self._opened is None:
            self._opened = asyncio.create_task(self._wait_and_load())
        return await asyncio.shield(self._opened)

    async def _wait_and_load(self) -> Model:
        await self._memory.acquire()
        try:
            return await asyncio.get_running_loop().run_in_executor(None, self._load)
        except BaseException:
            self._memory.release()
            raise


def take_turns(names: Sequence[str], load: Callable[[str], Model]) -> dict[str, Model]:
    """Models that are asked one after another, by name; none where there is only one.

    Args:
        names: of the models, in the order of the plan.
        load: opens one by its name.
    """
    if len(names) < 2:
        return {}
    memory = asyncio.Semaphore(1)
    return {name: InTurn(name, i, partial(load, name), memory) for i, name in enumerate(names)}
