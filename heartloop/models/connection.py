"""One connection of HTTP/1.1: a request, its reply, the next request.

The parser is that of httptools (llhttp). Nothing of a reply is held beyond its limits: a header
that does not end, an endless body or a packed one that grows costs its request.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import httptools

from heartloop.errors import CallError
from heartloop.models.body import LARGEST_ERROR, Body
from heartloop.models.watch import Watched
from heartloop.secrets import one_line

KEEP_ALIVE = 4.0  # seconds; uvicorn-based servers close idle connections after 5
LARGEST_HEAD = 2**16  # bytes of a reply that are no body


class WireError(CallError):
    """There was no whole reply: nobody was reached, or the connection failed.

    Attributes:
        reached: there was a connection.
    """

    reached = True


class Place(NamedTuple):
    """Where connections go."""

    tls: bool
    host: str
    port: int


class Reply(NamedTuple):
    """A whole reply.

    Attributes:
        status: of HTTP.
        fields: header fields by name, in lower case.
        body: unpacked.
    """

    status: int
    fields: Mapping[bytes, bytes]
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """The header fields as text."""
        return {name.decode("latin-1"): v.decode("latin-1") for name, v in self.fields.items()}

    @property
    def charset(self) -> str | None:
        """What the body is said to be written in."""
        kind = self.fields.get(b"content-type", b"")
        if b"charset" not in kind.lower():
            return None
        found = re.search(rb"(?i)charset\s*=\s*[\"']?([\w.:-]{1,40})", kind)
        return found[1].decode() if found else None


class Connection(asyncio.BufferedProtocol):
    """A connection to a place.

    Attributes:
        transport: of asyncio.
        place: where it goes.
        loop: the event loop it lives in.
        since: loop time at which it fell idle.
        waiting: what came of its request, where there is one under way.
    """

    transport: asyncio.Transport

    def __init__(
        self,
        place: Place,
        buffer: memoryview,
        opened: set[Connection],
        give_back: Callable[[Connection], None],
    ) -> None:
        """Prepare it.

        Args:
            place: where it goes.
            buffer: for what comes in; it is read out in the step in which it was filled, so that
                all connections of an event loop may share one.
            opened: holds it while it is open.
            give_back: takes it once it can be used again.
        """
        self.place = place
        self._buffer, self._opened, self._give_back = buffer, opened, give_back
        self.since = 0.0
        self.waiting: asyncio.Future[Reply | CallError] | None = None
        self.loop = asyncio.get_running_loop()
        self._parser: Any = None
        self._fields: dict[bytes, bytes] = {}
        self._body: Body | None = None
        self._watched: Watched | None = None
        self._problem: CallError | None = None
        self._limit = self._status = self._quiet = 0
        self._whole = self._keep = False

    def stale(self) -> bool:
        """Whether it was idle for too long, or closed."""
        return self.transport.is_closing() or self.loop.time() - self.since > KEEP_ALIVE

    def send(
        self, head: bytes, body: bytes, limit: int, watched: Watched | None
    ) -> asyncio.Future[Reply | CallError]:
        """Send a request; the reply to come, or what came of it instead."""
        waiting = self.waiting = self.loop.create_future()
        self._limit, self._watched = limit, watched
        self._quiet, self._whole, self._problem, self._body = 0, False, None, None
        if self.transport.is_closing():
            self.fail(_hung_up())
            return waiting
        if self._parser is None:
            self._parser = httptools.HttpResponseParser(self)
            self._parser.set_dangerous_leniencies(
                lenient_headers=True,
                lenient_optional_cr_before_lf=True,
                lenient_spaces_after_chunk_size=True,
            )
        self._fields = {}
        if len(body) < 2**16:
            self.transport.write(head + body)
        else:  # not copied once more
            self.transport.write(head)
            self.transport.write(body)
        return waiting

    def fail(self, error: CallError | None) -> None:
        """Drop the connection; who waits gets the error, where there is one."""
        self.transport.abort()
        waiting, self.waiting, self._parser = self.waiting, None, None
        if self._body is not None:
            self._body.drop()
            self._body = None
        if waiting is not None and error is not None and not waiting.done():
            waiting.set_result(error)

    def give_up(self, waiting: asyncio.Future[Reply | CallError]) -> None:
        """Drop the connection where this is still what it works on."""
        if self.waiting is waiting:
            self.fail(WireError("no answer in time", kind="timeout", retryable=True))

    def _end(self) -> None:
        """Hand the whole reply over; the connection is kept where it can be used again."""
        waiting, self.waiting = self.waiting, None
        assert waiting is not None and self._body is not None
        reply = Reply(self._status, self._fields, self._body.whole())
        self._body = None
        transport = self.transport
        if self._keep and not transport.is_closing() and not transport.get_write_buffer_size():
            self._give_back(self)
        else:
            self.fail(None)
        if not waiting.done():
            waiting.set_result(reply)

    # --- What the socket tells ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._opened.add(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to put what comes in."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Read what came in."""
        if self.waiting is None:  # nothing was asked
            self.fail(None)
            return
        self._quiet += nbytes
        try:
            self._parser.feed_data(self._buffer[:nbytes])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._keep = False
            if not self._whole and self._problem is None:
                other = isinstance(error, httptools.HttpParserUpgrade)
                words = "another protocol" if other else one_line(str(error), limit=80)
                self._problem = WireError(
                    f"what came is no HTTP ({words})", kind="bad_response", retryable=True
                )
        if self._problem is not None:
            self.fail(self._problem)
        elif self._whole:
            self._end()
        elif self._quiet > LARGEST_HEAD:
            words = f"the reply's header has more than {LARGEST_HEAD // 2**10} KB"
            self.fail(WireError(words, kind="bad_response", retryable=True))

    def eof_received(self) -> None:
        """Nothing more will come."""
        self._over(None)

    def connection_lost(self, error: Exception | None) -> None:
        """It is closed."""
        self._opened.discard(self)
        self._over(error)

    def _over(self, error: Exception | None) -> None:
        """The server closed the connection."""
        ends = self._body is not None and error is None and self._until_closed()
        self._keep = False
        if self.waiting is None:
            self.fail(None)
        elif ends:
            self._end()
        elif self._quiet or self._body is not None:
            words = "the connection broke off within the answer"
            self.fail(WireError(words, kind="connection", retryable=True))
        else:
            self.fail(_hung_up() if error is None else unreached(error, reached=True))

    def _until_closed(self) -> bool:
        """Whether the body has no other end than that of the connection."""
        return (
            b"content-length" not in self._fields
            and b"chunked" not in self._fields.get(b"transfer-encoding", b"").lower()
        )

    # --- What the parser tells ---------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Where the last reply was whole, the bytes behind it are of no use."""
        if self._whole:
            raise ValueError("one reply too many")  # ends the parsing

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field; of several of one name the last counts, none behind the body."""
        if self._body is None:
            self._fields[name.lower()] = value

    def on_headers_complete(self) -> None:
        """The body begins."""
        status = self._status = self._parser.get_status_code()
        if status < 200:  # an interim reply
            return
        if self._watched is not None:
            self._watched.heard = True
        good = status < 300
        packing = self._fields.get(b"content-encoding", b"")
        try:
            self._body = Body(packing, self._limit if good else LARGEST_ERROR, cut=not good)
        except CallError as error:
            self._problem = error

    def on_body(self, piece: bytes) -> None:
        """A piece of the body, without its framing."""
        self._quiet = 0
        if self._body is None or self._whole or self._problem is not None:
            return
        try:
            if not self._body.feed(piece):  # enough of a refusal
                self._whole, self._keep = True, False
        except CallError as error:
            self._problem = error

    def on_message_complete(self) -> None:
        """The reply is whole, or it was one before the reply (1xx)."""
        if self._status < 200:
            self._fields.clear()
        elif not self._whole:
            self._whole, self._keep = True, self._parser.should_keep_alive()


def _hung_up() -> WireError:
    # Usually an idle connection that the server had just closed: ask again at once.
    words = "the server closed the connection before it answered"
    return WireError(words, kind="connection", retryable=True, retry_after=0.0)


def late_connection() -> WireError:
    """The error of a connection that did not come about in time."""
    return WireError("no connection in time", kind="timeout", retryable=True)


def unreached(error: BaseException | None, *, reached: bool = False) -> WireError:
    """What an error of a socket means, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        words = f"its certificate cannot be verified: {error.verify_message}"
        return WireError(one_line(words, limit=400), kind="connection")
    if isinstance(error, ConnectionResetError):
        words = "the server reset the connection"
    else:
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        number = getattr(error, "errno", None)
        if number and not isinstance(error, (socket.gaierror, ssl.SSLError)):
            words = os.strerror(number)
        words = f"cannot be reached ({one_line(words, limit=400)})"
    problem = WireError(words, kind="connection", retryable=True)
    problem.reached = reached
    return problem
