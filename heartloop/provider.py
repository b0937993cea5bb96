"""What a provider may offer beyond `heartloop.types.Model`, each as a protocol of its own.

The client asks ``isinstance(model, Checks)`` and so on: a provider that offers none of them works,
and one that offers some is held by mypy to what the client makes of them. Nothing else is looked
for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

from heartloop.types import Completion, Request

RequestSeeds = Literal["auto", "on", "off"]


@runtime_checkable
class Checks(Protocol):
    """Can tell, before anything is asked, that it could never answer."""

    async def check(self) -> None:
        """Raises UsageError: a name nobody knows, a key that is not set."""
        ...


@runtime_checkable
class Prepares(Protocol):
    """Gets ready once, before its first attempt."""

    async def prepare(self) -> None:
        """May change ``request_seeds`` and ``notes``."""
        ...


@runtime_checkable
class TakesSeeds(Protocol):
    """Says whether requests carry the seed of their draw."""

    request_seeds: RequestSeeds
    """``on``, ``off``, or ``auto``: until the server turns out not to bear them."""


@runtime_checkable
class Bounded(Protocol):
    """Can only have so many requests in flight."""

    max_concurrency: int | None


@runtime_checkable
class Lasting(Protocol):
    """Goes on with a request when nobody waits for it any more."""

    lasting: bool
    """Whether it does: then a cancelled call has cost nothing that is lost."""


@runtime_checkable
class JoinsDraws(Protocol):
    """Can be asked for several draws of one request at once."""

    use_n: bool
    """Whether it is to be asked so."""

    async def complete_many(self, request: Request, count: int) -> list[Completion]:
        """As many draws as the server gave, one at least; raises CallError."""
        ...


@runtime_checkable
class TakesNotes(Protocol):
    """Notices what the user should know."""

    notes: list[str]
    """Each said once."""


@runtime_checkable
class TakesTurns(Protocol):
    """Holds what other models of the run wait for."""

    wave: int
    """Models of a later wave are asked when those of the wave before are done."""

    async def rest(self) -> None:
        """Give it back until the next call."""
        ...


class ServerCounts(Protocol):
    """How one server did."""

    url: str
    answered: int
    failed: int


class Pool(Protocol):
    """The servers behind a model."""

    @property
    def servers(self) -> Sequence[ServerCounts]:
        """All of them."""
        ...

    def healthy(self) -> int:
        """How many of them are asked at present."""
        ...


@runtime_checkable
class Balanced(Protocol):
    """Stands before servers of its own."""

    @property
    def pool(self) -> Pool:
        """The servers."""
        ...


@runtime_checkable
class Tells(Protocol):
    """Knows what a reader of the manifest should know of how it was asked."""

    def facts(self) -> Mapping[str, Any]:
        """What is known of it.

        ``served`` (by server, model names in replies), ``rate_limit`` (as last told) and
        ``asked_otherwise`` (fields left out or renamed, sizes learnt).
        """
        ...
