"""Requests to servers over HTTP/1.1: addresses, and connections that are kept and used again.

What requests need and nothing else: no redirects, cookies, proxies or settings of the environment.
"""

from __future__ import annotations

import asyncio
import functools
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from heartloop.errors import UsageError
from heartloop.models.connection import (
    KEEP_ALIVE,
    Connection,
    Place,
    Reply,
    WireError,
    late_connection,
    unreached,
)
from heartloop.models.watch import Watched

NEXT_ADDRESS = 0.25  # seconds until a server's next address is tried beside the last (RFC 8305)
ADDRESSES_KEPT = 10.0  # seconds a name is not looked up again
_BARE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_IN_PATH = "/%:@!$&'()*+,;=~"  # characters that need no percent-encoding (RFC 3986)


class Target(NamedTuple):
    """A place and the first bytes of every request to one address there."""

    place: Place
    head: bytes


def target(method: str, url: str, headers: Mapping[str, str]) -> Target:
    """Prepare requests to a URL; characters that no URL holds are percent-encoded.

    Raises:
        UsageError: it is no address of http or https, or a header has a line end.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if not host.isascii():
            host = host.encode("idna").decode()
        usual = 443 if parts.scheme == "https" else 80
        place = Place(parts.scheme == "https", host, parts.port or usual)
    except ValueError as error:
        raise UsageError(f"{url}: no address of a server") from error
    path = quote(_BARE_PERCENT.sub("%25", parts.path or "/"), safe=_IN_PATH)
    if parts.query:
        path += "?" + quote(_BARE_PERCENT.sub("%25", parts.query), safe=_IN_PATH + "?")
    named = f"[{host}]" if ":" in host else host
    named += "" if place.port == usual else f":{place.port}"
    lines = [f"{method} {path} HTTP/1.1", f"Host: {named}", "Accept: */*"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if any(character in line for line in lines for character in "\r\n\0"):
        raise UsageError(f"{url}: a header to be sent has a line end")
    return Target(place, "".join(f"{line}\r\n" for line in lines).encode())


class Wire:
    """The connections to some servers."""

    def __init__(self, connect_timeout: float) -> None:
        """Prepare; nothing is opened before the first request.

        Args:
            connect_timeout: seconds, with the look-up of the name and TLS.
        """
        self._connect_timeout = connect_timeout
        self._idle: dict[Place, list[Connection]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._lookups: dict[Place, tuple[float, asyncio.Task[list[Any]]]] = {}
        self._turn = 0
        self._opened: set[Connection] = set()
        self._buffer = memoryview(bytearray(2**16))

    async def ask(
        self,
        to: Target,
        body: bytes | None = None,
        *,
        limit: int,
        watched: Watched | None = None,
        timeout: float | None = None,
    ) -> Reply:
        """One request and its reply; cancelled, it costs its connection.

        Args:
            to: from ``target``.
            body: to send, or None.
            limit: bytes of a good reply's body; of another the first ``LARGEST_ERROR`` are read.
            watched: told when the reply begins.
            timeout: seconds from then on when it is sent; None leaves that to the caller.

        Raises:
            WireError: there is no whole reply.
            CallError: the body is too large, or cannot be unpacked.
        """
        head = to.head
        if body is not None:
            head = b"%sContent-Length: %d\r\n" % (head, len(body))
        connection = self._take(to.place) or await self._connect(to.place)
        waiting = connection.send(head + b"\r\n", body or b"", limit, watched)
        timer = None
        if timeout is not None:
            timer = connection.loop.call_later(timeout, connection.give_up, waiting)
        try:
            reply = await waiting
        finally:
            if timer is not None:
                timer.cancel()
            if connection.waiting is waiting:
                connection.fail(None)
        if isinstance(reply, Reply):
            return reply
        raise reply

    async def close(self) -> None:
        """Close every connection."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for _, lookup in self._lookups.values():
            lookup.cancel()
        for connection in list(self._opened):
            connection.fail(WireError("closed", kind="connection"))
        self._idle.clear()
        await asyncio.sleep(0)  # the sockets are closed in the loop's next step

    def _give_back(self, connection: Connection) -> None:
        """Keep a connection for the next request to its place."""
        self._idle.setdefault(connection.place, []).append(connection)
        connection.since = connection.loop.time()
        if self._timer is None:
            self._timer = connection.loop.call_later(KEEP_ALIVE / 4, self._sweep)

    def _take(self, place: Place) -> Connection | None:
        idle = self._idle.get(place)
        while idle:
            connection = idle.pop()
            if not connection.stale():
                return connection
            connection.fail(None)
        return None

    def _sweep(self) -> None:
        for place, idle in list(self._idle.items()):
            for connection in idle:
                if connection.stale():
                    connection.fail(None)
            self._idle[place] = [c for c in idle if not c.stale()]
        waits = any(self._idle.values())
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(KEEP_ALIVE / 4, self._sweep) if waits else None

    async def _connect(self, place: Place) -> Connection:
        """A connection to the first of the place's addresses that answers."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._connect_timeout
        problem: BaseException | None = None
        tries: set[asyncio.Task[Any]] = set()
        try:
            addresses = await self._addresses(place)
            while addresses or tries:
                if addresses:
                    tries.add(loop.create_task(self._open(place, addresses.pop(0))))
                left = end - loop.time()
                done, tries = await asyncio.wait(
                    tries,
                    timeout=min(left, NEXT_ADDRESS) if addresses else left,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for one in done:
                    problem = one.exception()
                    if problem is None:
                        tries |= done - {one}
                        connection: Connection = one.result()
                        return connection
                if loop.time() >= end:
                    raise late_connection()
        finally:
            for one in tries:
                one.cancel()
                one.add_done_callback(_drop)
        raise unreached(problem)

    async def _open(self, place: Place, address: str) -> Connection:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(place, self._buffer, self._opened, self._give_back),
            address,
            place.port,
            ssl=_trust() if place.tls else None,
            server_hostname=place.host.rstrip(".") if place.tls else None,
        )
        return connection

    async def _addresses(self, place: Place) -> list[str]:
        """What the name stands for, IPv6 and IPv4 by turns, each time with another first."""
        loop = asyncio.get_running_loop()
        asked, lookup = self._lookups.get(place, (0.0, None))
        if lookup is None or loop.time() > asked + ADDRESSES_KEPT or _failed(lookup):
            lookup = loop.create_task(
                loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
            )
            lookup.add_done_callback(_failed)  # nobody may be left to see the error
            self._lookups[place] = loop.time(), lookup
        done, _ = await asyncio.wait({lookup}, timeout=self._connect_timeout)
        if not done:
            raise late_connection()
        if _failed(lookup):
            raise unreached(None if lookup.cancelled() else lookup.exception())
        found: dict[int, list[str]] = {}
        for family, _, _, _, address in lookup.result():
            found.setdefault(family, []).append(str(address[0]))
        self._turn += 1
        turned = [_turned(of_family, self._turn) for of_family in found.values()]
        return [a for a in chain.from_iterable(zip_longest(*turned)) if a is not None]


@functools.cache
def _trust() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _drop(task: asyncio.Task[Connection]) -> None:
    """Drop a connection that nobody needs any longer."""
    if not task.cancelled() and task.exception() is None:
        task.result().fail(None)


def _failed(lookup: asyncio.Task[Any]) -> bool:
    return lookup.done() and (lookup.cancelled() or lookup.exception() is not None)


def _turned(addresses: Sequence[str], turn: int) -> list[str]:
    turn %= len(addresses)
    return [*addresses[turn:], *addresses[:turn]]
