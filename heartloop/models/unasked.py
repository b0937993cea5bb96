"""The model of a run that is only read again: scoring needs no torch, no server and no key."""

from __future__ import annotations

from heartloop.errors import CallError
from heartloop.types import Completion, Request


class Unasked:
    """A model of which only recorded answers are wanted: nothing of it is opened or installed."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def complete(self, request: Request) -> Completion:
        """Never called: the client answers from the journal or raises `NotInJournal`."""
        raise CallError(f"{self.name}: nothing is asked here", kind="not_asked")

    async def close(self) -> None:
        """Nothing is open."""
