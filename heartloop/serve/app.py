"""The server: one request is one question, answered by the engine that runs use."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import signal
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from heartloop.calls import Client, Journal, Patience, Retry
from heartloop.calls.unkept import Unkept
from heartloop.errors import HeartloopError, UsageError
from heartloop.methods.recorder import gather
from heartloop.run.free import Way, answer_freely
from heartloop.run.load import Prepared
from heartloop.run.plan import Plan
from heartloop.run.session import GRACE_SECONDS, open_client
from heartloop.serve.chat import (
    Answered,
    Chat,
    Chunks,
    Refused,
    completion_body,
    headers_of,
    read_chat,
    refused_by,
    sampled,
    told,
)
from heartloop.serve.names import Names

LARGEST = 32 << 20  # bytes of a request
OPENING = 5.0  # seconds a stream waits for its answer before it is opened: errors keep their status
ALIVE = 15.0  # seconds between signs of life in an open stream
LOOPBACK = ("localhost", "127.0.0.1", "::1", "[::1]")
PATIENCE = Patience(opens=False)
RETRY = Retry(attempts=4, longest=5.0, longest_asked=20.0)
"""Clients repeat for themselves; here an attempt or two bridge a hiccup."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where the server listens, and who may ask.

    Attributes:
        host, port: to bind; port 0 takes a free one.
        token: what clients send as their API key; None asks for none, on loopback only.

    Raises:
        UsageError: an address beyond this machine without a token.
    """

    host: str = "127.0.0.1"
    port: int = 0
    token: str | None = None

    def __post_init__(self) -> None:
        """Refuse an open door."""
        if self.token is None and self.host not in LOOPBACK:
            raise UsageError(
                f"--host {self.host}: anybody who reaches it could spend your tokens; set "
                "HEARTLOOP_SERVE_TOKEN to what clients must send as their API key"
            )


class App:
    """Answers requests.

    Attributes:
        requests, refused: chats since the start, and those of them that ended in an error.
    """

    def __init__(self, names: Names, client: Client, token: str | None) -> None:
        self.names, self.client = names, client
        self.requests = self.refused = 0
        self._token = None if token is None else token.encode()
        self._kept = not isinstance(client.journal, Unkept)
        self._asked: dict[tuple[str, str, str], int] = {}  # how often, where a journal is kept
        self._started = int(time.time())

    def application(self) -> web.Application:
        """Its routes."""
        app = web.Application(client_max_size=LARGEST)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_get("/v1/models", self.models)
        app.router.add_get("/v1/models/{name:.+}", self.model)
        app.router.add_route("*", "/{path:.*}", self.unknown)
        return app

    # --- Routes --------------------------------------------------------------------------

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """``POST /v1/chat/completions``."""
        self.requests += 1
        try:
            self._admit(request)
            if request.content_type != "application/json":
                raise Refused(415, "send the body as Content-Type: application/json")
            chat = read_chat(await request.read())
            way = self._way(chat.model)
            if chat.stream:
                return await self._stream(request, chat, way)
            answers = await self._answers(chat, way)
            facts = told(answers)
            body = completion_body(_id(), int(time.time()), chat.model, answers, facts)
            return _json(body, headers=headers_of(facts))
        except Exception as error:
            self.refused += 1
            return self._refuse(error)

    async def models(self, request: web.Request) -> web.Response:
        """``GET /v1/models``."""
        try:
            self._admit(request)
        except Refused as error:
            return self._refuse(error)
        data = [self._entry(name) for name in self.names.listed()]
        return _json(orjson.dumps({"object": "list", "data": data}))

    async def model(self, request: web.Request) -> web.Response:
        """``GET /v1/models/NAME``."""
        try:
            self._admit(request)
            self._way(request.match_info["name"])
        except Refused as error:
            return self._refuse(error)
        return _json(orjson.dumps(self._entry(request.match_info["name"])))

    async def unknown(self, request: web.Request) -> web.Response:
        """Anything else."""
        paths = "POST /v1/chat/completions, GET /v1/models"
        problem = f"{request.method} {request.path}: not served; there are {paths}"
        return self._refuse(Refused(404, problem, code="unknown_url"))

    # --- Inside --------------------------------------------------------------------------

    def _admit(self, request: web.Request) -> None:
        """Let in who may ask.

        Without a token only programs of this machine may: a page in a browser names its origin,
        and one that points a name of its own at this address is told by the host it asks for.
        """
        if self._token is not None:
            given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
            if not hmac.compare_digest(given.encode("utf-8", "replace"), self._token):
                raise Refused(401, "the API key is not this server's token", code="invalid_api_key")
            return
        host = request.host.rsplit(":", 1)[0] if not request.host.endswith("]") else request.host
        if host not in LOOPBACK or "Origin" in request.headers:
            raise Refused(
                403,
                "only programs of this machine may ask; for web pages and other machines set "
                "HEARTLOOP_SERVE_TOKEN where the server is started",
                code="not_allowed",
            )

    def _way(self, name: str) -> Way:
        try:
            return self.names.find(name)
        except UsageError as error:
            raise Refused(404, str(error), param="model", code="model_not_found") from None

    async def _answers(self, chat: Chat, way: Way) -> list[Answered]:
        """One answer a choice."""
        sampling = sampled(way.task.sampling, chat.sampling)
        if self._kept:
            id = blake2b(repr(chat.messages).encode("utf-8", "replace"), digest_size=12).hexdigest()
            asked = (id, chat.model, repr(sampling))
            first = self._asked.get(asked, 0)
            if chat.seed is None:
                self._asked[asked] = first + chat.n
        else:
            id, first = str(self.requests), 0
        first = first if chat.seed is None else chat.seed

        async def one(number: int) -> Answered:
            given = None if chat.seed is None else chat.seed + number
            return await answer_freely(
                self.client,
                way,
                chat.messages,
                id=id,
                sampling=sampling,
                seed=first + number,
                given_seed=given,
            )

        return await gather([one(number) for number in range(chat.n)])

    async def _stream(self, request: web.Request, chat: Chat, way: Way) -> web.StreamResponse:
        """An answer as events. It is sent when it is whole; until then the stream is kept open."""
        task = asyncio.ensure_future(self._answers(chat, way))
        try:
            await asyncio.wait({task}, timeout=OPENING)
            early = task.result() if task.done() else None
            headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
            response = web.StreamResponse(headers=headers)
            if early is not None:
                response.headers.update(headers_of(told(early)))
            await response.prepare(request)
            chunks = Chunks(_id(), int(time.time()), chat.model, usage=chat.usage_chunk)
            await response.write(chunks.opening(chat.n))
            while not task.done():
                await asyncio.wait({task}, timeout=ALIVE)
                if not task.done():
                    await response.write(b": still at work\n\n")
            try:
                answers = task.result()
                await response.write(chunks.answer(answers, told(answers)))
            except HeartloopError as error:
                self.refused += 1
                await response.write(b"data: %s\n\n" % orjson.dumps(refused_by(error).body))
            return response
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def _refuse(self, error: Exception) -> web.Response:
        """An error in the API's own shape."""
        if isinstance(error, HeartloopError):
            error = refused_by(error)
        elif isinstance(error, web.HTTPException):
            error = Refused(error.status, error.reason)
        elif not isinstance(error, Refused):
            words = f"internal error: {type(error).__name__}: {error}"
            error = Refused(500, words, kind="server_error")
        headers = {}
        if error.retry_after is not None:
            headers["Retry-After"] = str(max(1, round(error.retry_after)))
        if error.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return _json(orjson.dumps(error.body), status=error.status, headers=headers)

    def _entry(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self._started, "owned_by": "heartloop"}


def _json(body: bytes, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def _id() -> str:
    return f"chatcmpl-{uuid.uuid4().hex[:24]}"


@contextlib.asynccontextmanager
async def serving(
    names: Names, plan: Plan, where: Where, journal: Path | None = None
) -> AsyncIterator[tuple[str, App]]:
    """A server that answers while the context is open.

    Args:
        names: what is served.
        plan: server options and limits; its models are those of ``names``.
        where: address and token.
        journal: folder in which every completion is written down before it is handed on; the same
            requests after a restart are answered from it. None keeps nothing.

    Yields:
        The base URL, and the app.

    Raises:
        UsageError: a model that cannot be asked, or an address that cannot be bound.
        JournalError: the folder is in use or cannot be written.
    """
    if journal is not None:
        try:
            journal.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--journal {journal}: {error.strerror}") from error
    with Unkept() if journal is None else Journal.open(journal) as kept:
        prepared = Prepared(plan, names.tasks)
        async with open_client(prepared, kept, patience=PATIENCE, retry=RETRY) as client:
            app = App(names, client, where.token)
            runner = web.AppRunner(
                app.application(),
                handler_cancellation=True,  # a client that is gone: what it asked for is aborted
                access_log=None,
                shutdown_timeout=GRACE_SECONDS,
            )
            await runner.setup()
            try:
                site = web.TCPSite(runner, where.host, where.port)
                try:
                    await site.start()
                except OSError as error:
                    raise UsageError(
                        f"--port {where.port}: {where.host} cannot be bound ({error.strerror}); "
                        "choose another"
                    ) from error
                port = runner.addresses[0][1]
                host = f"[{where.host}]" if ":" in where.host else where.host
                yield f"http://{host}:{port}/v1", app
            finally:
                await runner.cleanup()


async def serve(
    names: Names,
    plan: Plan,
    where: Where,
    journal: Path | None,
    ready: Callable[[str], None],
) -> App:
    """Serve until the first Ctrl-C or SIGTERM; requests under way are given time to finish.

    Args:
        names: as for `serving`.
        plan: as for `serving`.
        where: as for `serving`.
        journal: as for `serving`.
        ready: told the base URL once requests are taken.

    Raises:
        UsageError, JournalError: as for `serving`.
    """
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    handled = []
    for number in (signal.SIGINT, signal.SIGTERM):
        # Outside the main thread, and on some platforms, a loop takes no signals.
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(number, over.set)
            handled.append(number)
    try:
        async with serving(names, plan, where, journal) as (url, app):
            ready(url)
            await over.wait()
            for number in handled:  # a second one ends the wait for requests under way
                loop.remove_signal_handler(number)
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
    return app
