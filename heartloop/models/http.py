"""``server/NAME``: any OpenAI-compatible server, raw dicts, one attempt a call."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import orjson

from heartloop.errors import CallError, UsageError
from heartloop.models.asking import MOST_LESSONS, Asking
from heartloop.models.body import LARGEST
from heartloop.models.chat import chat_messages, context_of, sampling_body
from heartloop.models.lenient import NotJson, read_json
from heartloop.models.options import ModelOptions
from heartloop.models.refusals import (
    Refused,
    error_of,
    refused_field,
    server_words,
    speaks_of_a_key,
)
from heartloop.models.replies import read_choices, served_name
from heartloop.models.scoring import NEEDS_ECHO, is_scoring, read_score, scoring_body
from heartloop.models.servers import LONGEST_PAUSE, Server, ServerPool
from heartloop.models.urls import CHAT, COMPLETIONS, MODELS, base_url
from heartloop.models.watch import Watch
from heartloop.models.wire import Reply, Target, Wire, WireError, target
from heartloop.secrets import one_line
from heartloop.types import Completion, Request

LOCAL_SERVER = "http://localhost:8000/v1"
LOOK_SECONDS = 10.0  # for /models
QUOTED = 4096  # bytes of what is no reply that are looked at for words to show
LARGEST_LIST = 8 * 2**20  # bytes of a list of models
N_WORDS = re.compile(r"(?<!\w)['`\"]?n['`\"]? (?:is|must|should|not|>)|parameters?:? ['`\"]n['`\"]")
PATIENCE_LEAST = 120.0  # seconds an adaptive first-byte time-out never goes below
PATIENCE_FIRST = 600.0  # seconds before enough latencies are known
PATIENCE_FACTOR = 10.0  # times the slowest of the recent answers
RECENT_ANSWERS = 256
ENOUGH_ANSWERS = 32


class HttpModel:
    """A model behind one or several OpenAI-compatible servers.

    Attributes:
        name: the spec, ``server/NAME``.
        served_name: what the servers call it.
        pool: the servers and how they are doing.
        max_concurrency: most requests they may have in flight, or None.
        use_n: draws of the same request are asked for together.
        request_seeds: whether draws are sent their seeds (``auto``, ``on``, ``off``).
        asking: what was learnt of how the servers want to be asked.
        notes: what the user should know.
        served: by server, the models that its replies name, and in how many of them.
    """

    def __init__(self, spec: str, served_name: str, options: ModelOptions) -> None:
        """Prepare; nothing is sent before the first request.

        Raises:
            UsageError: a base URL is missing or is none.
        """
        self.name = spec
        self.served_name = served_name
        self.options = options
        urls = [base_url(url) for url in options.base_urls or (LOCAL_SERVER,)]
        self._addresses = {str(url): url for url in urls}
        self.pool = ServerPool([Server(str(url)) for url in urls], options.per_server)
        per_server = options.per_server
        self.max_concurrency = None if per_server is None else per_server * len(urls)
        self.request_seeds = options.request_seeds
        self.use_n = options.use_n
        # A server that was not named gets no key, whoever listens at the usual place.
        self._key = _key(options) if options.base_urls else None
        self._wire: Wire | None = None
        self._full: deque[asyncio.Future[None]] = deque()
        self._latencies: deque[float] = deque(maxlen=RECENT_ANSWERS)
        self._watch = Watch(PATIENCE_FIRST, options.total_timeout)
        self._chats = {name: self._to("POST", name, CHAT) for name in self._addresses}
        self._answers = 0
        self._looking: set[asyncio.Task[None]] = set()
        self._listed_names: dict[str, list[str]] = {}
        self._odd_usage = self._streams = False
        self._named: tuple[Any, str] = (None, "")  # in the last reply: as it came, cleaned
        self.notes: list[str] = []
        self.served: dict[str, dict[str, int]] = {}
        self.asking = Asking(self.notes)

    async def complete(self, request: Request) -> Completion:
        """Make one attempt at one completion.

        A request whose sampling says ``max_tokens=0`` and ``logprobs`` asks for no new text, but
        for the log-likelihood of its last message after those before it (see ``scoring``).

        Raises:
            CallError: classified, with the server's own words.
        """
        if is_scoring(request):
            return await self._score(request)
        return (await self._choices(request, 1))[0]

    async def complete_many(self, request: Request, count: int) -> list[Completion]:
        """Make one attempt at several draws of the same request with ``n``.

        Returns:
            As many completions as the server gave: a server that ignores ``n`` gives one, and the
            caller must look.

        Raises:
            CallError: as ``complete``.
        """
        try:
            return await self._choices(request, count)
        except CallError as error:
            if refused_field(error, {"n": N_WORDS}) is None:
                raise
            return await self._choices(request, 1)

    async def prepare(self) -> None:
        """See how large a context the servers name; of several servers the smallest counts.

        Nothing is said where they do not answer: the first call will meet that.
        """
        looks = [self._listed(server.url) for server in self.pool.servers]
        for listed in await asyncio.gather(*looks, return_exceptions=True):
            if not isinstance(listed, BaseException):
                tokens = context_of(listed, self.served_name)
                if tokens is not None:
                    self.asking.know_context(tokens)

    def facts(self) -> dict[str, Any]:
        """What the manifest tells of it; see `heartloop.provider.Tells`."""
        return {"served": self.served, "asked_otherwise": self.asking.facts()}

    async def models(self) -> list[str]:
        """The names the first server that answers serves.

        Raises:
            CallError: no server answers.
        """
        problem: CallError | None = None
        for server in self.pool.servers:
            try:
                return await self._models_at(server.url)
            except CallError as error:
                problem = error
        assert problem is not None
        raise problem

    async def close(self) -> None:
        """Close every connection."""
        self._watch.stop()
        for task in self._looking:
            task.cancel()
        await asyncio.gather(*self._looking, return_exceptions=True)
        if self._wire is not None:
            await self._wire.close()
            self._wire = None

    # --- Inside --------------------------------------------------------------------------

    async def _choices(self, request: Request, count: int) -> list[Completion]:
        """Ask for some draws, in the server's way; what it refuses to take is learnt."""
        raw = self._chat_body(request)
        own = {*self.options.extra_body, *request.sampling.extra}
        room: int | None = None
        for lesson in range(MOST_LESSONS + 1):
            body, sent = self.asking.shape(raw, room)
            try:
                reply, started, url = await self._post(
                    CHAT, orjson.dumps(body | {"n": count} if count > 1 else body)
                )
            except CallError as error:
                again = self.asking.learn(error, body, own, room=room)
                if again is None or lesson == MOST_LESSONS:
                    raise
                room = again.room if again.room is not None else room
                if self.asking.shape(raw, room)[0] == body:  # there is nothing to ask otherwise
                    raise
                continue
            break
        served = self._name_in(reply)
        try:
            read = read_choices(
                reply,
                request.messages,
                started,
                time.time(),
                url,
                asked=count,
                max_tokens=body.get("max_tokens", body.get("max_completion_tokens")),
                served=served,
                sent=sent or None,
            )
        except CallError as error:
            if error.kind != "bad_response":
                raise
            raise self._unread(error, url) from error.__cause__
        self._note_reply(reply, served, url, read[0])
        return read

    def _name_in(self, reply: Any) -> str:
        """The model that a reply names; cleaned anew only where it is another than the last."""
        name = reply.get("model") if isinstance(reply, dict) else None
        if name != self._named[0]:
            self._named = (name, served_name(reply))
        return self._named[1]

    def _note_reply(self, reply: Any, served: str, url: str, first: Completion) -> None:
        """Notice what the user should know of a reply, each kind once."""
        self.asking.answered += 1
        if served:
            names = self.served.setdefault(url, {})
            if served not in names and names:
                before = sum(names.values())
                self.notes.append(
                    f"{url} changed its model: {next(iter(names))!r} for {before} answers, then "
                    f"{served!r}; the answers are not all of one model"
                )
            names[served] = names.get(served, 0) + 1
        if first.estimated and reply.get("usage") and not self._odd_usage:
            self._odd_usage = True
            words = one_line(orjson.dumps(reply["usage"], default=str).decode(), limit=120)
            self.notes.append(f"the server's token counts cannot be used ({words}): estimated")
        if reply.get("streamed") and not self._streams:
            self._streams = True
            self.notes.append("the server streams though it was not asked to; it is read whole")

    async def _score(self, request: Request) -> Completion:
        """The log-likelihood of the last message, through ``/completions`` with ``echo``."""
        body = scoring_body(request, self.served_name) | dict(self.options.extra_body)
        try:
            reply, started, url = await self._post(COMPLETIONS, orjson.dumps(body))
        except CallError as error:
            if error.kind in ("http_400", "http_422", "not_found", "http_405", "http_501"):
                raise CallError(f"{error} {NEEDS_ECHO}", kind=error.kind) from error
            raise
        return read_score(reply, request, started, time.time(), url)

    def _chat_body(self, request: Request) -> dict[str, Any]:
        body = {
            "model": self.served_name,
            "messages": chat_messages(request.messages, self.options.system_role),
            **sampling_body(request.sampling),
            **({} if request.seed is None else {"seed": request.seed}),
            **self.options.extra_body,
            **request.sampling.extra,
        }
        # null in an extra body takes a field out.
        return {name: value for name, value in body.items() if value is not None}

    async def _post(self, path: str, body: bytes) -> tuple[Any, float, str]:
        """Send a body to a server; returns the parsed reply, when it was sent, and where."""
        wire = self._wire or self._open()
        server = self.pool.pick()
        while server is None:
            await self._wait_for_place()
            server = self.pool.pick()
        well: bool | None = None
        watched = self._watch.add()
        started = time.time()
        try:
            to = self._chats[server.url] if path == CHAT else self._to("POST", server.url, path)
            reply = await wire.ask(to, body, limit=LARGEST, watched=watched)
            status = reply.status
            if 200 <= status < 300 and (status == 200 or reply.body.strip()):
                said = read_json(reply.body, reply.charset)
                if status == 200 or (isinstance(said, dict) and said.get("choices")):
                    well = True
                    self._note_latency(time.time() - started)
                    return said, started, server.url
            # Busy is neither well nor unwell.
            well = None if status in (429, 503) else status < 500
            raise await self._explained(self._refused(reply), server.url, status)
        except asyncio.CancelledError:
            if not watched.gave_up():
                raise
            well = False
            seconds = time.time() - started
            raise CallError(
                f"{server.url}: no answer in {seconds:.0f} s; given up on",
                kind="timeout",
                retryable=True,
            ) from None
        except NotJson as error:
            well = False
            came = server_words(reply.body[:QUOTED], self._key)
            quoted = f' ("{one_line(came, limit=80)}")' if came else ""
            problem = CallError(f"{error}{quoted}", kind="bad_response", retryable=True)
            raise self._unread(problem, server.url) from None
        except WireError as error:
            well = False
            raise self._named_in(error, server.url) from None
        finally:
            self._watch.remove(watched)
            if self.pool.done(server, well=well):
                self._look_after(server)
            if self._full:
                waiter = self._full.popleft()
                if not waiter.done():
                    waiter.set_result(None)

    def _look_after(self, server: Server) -> None:
        """Look at a server that is out, in the background, until it answers again."""
        task = asyncio.ensure_future(self._until_well(server))
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def _until_well(self, server: Server) -> None:
        while server.out:
            await asyncio.sleep(server.pause)
            server.pause = min(2 * server.pause, LONGEST_PAUSE)
            try:
                await self._models_at(server.url)
            except CallError as error:
                if error.kind in ("connection", "timeout") or error.kind.startswith("http_5"):
                    continue
            self.pool.restore(server)

    async def _wait_for_place(self) -> None:
        """Wait until a server gives a place back, or long enough for one to return."""
        waiter = asyncio.get_running_loop().create_future()
        self._full.append(waiter)
        try:
            await asyncio.wait_for(waiter, 1.0)
        except asyncio.TimeoutError:
            pass

    def _open(self) -> Wire:
        self._wire = Wire(self.options.connect_timeout)
        self._set_patience()
        return self._wire

    def _to(self, method: str, url: str, path: str) -> Target:
        """Where a request goes, and with which key."""
        headers = {"Content-Type": "application/json"}
        if self._key:
            if any("api-version" in address.query for address in self._addresses.values()):
                headers["api-key"] = self._key  # Azure's way
            else:
                headers["Authorization"] = f"Bearer {self._key}"
        return target(method, self._addresses[url].at(path), headers)

    def _set_patience(self) -> None:
        """Choose how long an attempt may be silent; adaptive unless it was set."""
        silent = self.options.first_byte_timeout
        if silent is None:
            silent = PATIENCE_FIRST
            if len(self._latencies) >= ENOUGH_ANSWERS:
                slowest = max(self._latencies)
                silent = min(PATIENCE_FIRST, max(PATIENCE_LEAST, PATIENCE_FACTOR * slowest))
        self._watch.first_byte = silent

    def _note_latency(self, seconds: float) -> None:
        self._latencies.append(seconds)
        self._answers += 1
        if self._answers % ENOUGH_ANSWERS == 0:
            self._set_patience()

    def _named_in(self, error: WireError, url: str) -> WireError:
        """An error of the connection with the server named."""
        remedy = (
            "" if error.reached or self.options.base_urls else "; name the server with --base-url"
        )
        error.args = (f"{url}: {error}{remedy}",)
        return error

    def _refused(self, reply: Reply) -> Refused:
        return error_of(reply.status, reply.body, reply.headers, self._key)

    def _unread(self, error: CallError, url: str) -> CallError:
        """What came in place of an answer, with the server named, and what to do about it."""
        remedy = ""
        if not self.asking.answered:
            ends = self._addresses[url].root.endswith("/v1")
            remedy = (
                ". Is an OpenAI-compatible server there, and is no login wanted?"
                if ends
                else ". Is the base URL that of the API? It mostly ends in /v1"
            )
        error.args = (f"{url}: {error}{remedy}",)
        return error

    async def _explained(self, problem: Refused, url: str, status: int) -> CallError:
        """A refusal with the server named, and what to do where that can be said."""
        words = str(problem)
        if problem.kind == "not_found":
            if url not in self._listed_names:
                try:
                    self._listed_names[url] = await self._models_at(url)
                except CallError:
                    self._listed_names[url] = []
            served = self._listed_names[url]
            if served and self.served_name not in served:
                more = f" and {len(served) - 8} more" if len(served) > 8 else ""
                words = f"{words} It serves: {', '.join(served[:8])}{more}."
            elif not served:
                words = f"{words} Does the base URL end in /v1?"
        elif problem.kind == "auth" and not self._key and speaks_of_a_key(problem):
            remedy = "set HEARTLOOP_API_KEY" if self.options.base_urls else "name --base-url"
            words = f"{words.rstrip('.')}. No key was sent: {remedy}."
        problem.args = (f"{url}: {status}: {words}",)
        return problem

    async def _models_at(self, url: str) -> list[str]:
        return [str(entry["id"]) for entry in await self._listed(url)]

    async def _listed(self, url: str) -> list[Mapping[str, Any]]:
        """What a server says of its models.

        Raises:
            CallError: it does not say it.
        """
        wire = self._wire or self._open()
        try:
            to = self._to("GET", url, MODELS)
            reply = await wire.ask(to, limit=LARGEST_LIST, timeout=LOOK_SECONDS)
            if reply.status != 200:
                raise self._refused(reply)
            listed = read_json(reply.body)
            listed = (
                listed.get("data", listed.get("models")) if isinstance(listed, dict) else listed
            )
            if not isinstance(listed, list):
                raise NotJson("no list")
            return [e for e in listed if isinstance(e, dict) and isinstance(e.get("id"), str)]
        except WireError as error:
            raise self._named_in(error, url) from None
        except CallError as error:
            error.args = (f"{url}: {error}",)
            raise
        except NotJson as error:
            raise CallError(f"{url}/models: not a list of models", kind="bad_response") from error


def _key(options: ModelOptions) -> str | None:
    """The key to send.

    Raises:
        UsageError: no header can hold it.
    """
    key = options.api_key
    key = (os.environ.get("HEARTLOOP_API_KEY") or "" if key is None else key).strip()
    if not key.isascii() or any(not c.isprintable() or c == " " for c in key):
        raise UsageError(
            "HEARTLOOP_API_KEY: a key has no blanks, line ends or characters beyond ASCII; "
            "set it anew"
        )
    return key or None
