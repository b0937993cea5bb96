"""The batch endpoints of OpenAI and Anthropic, as their documentation has them.

OpenAI (https://platform.openai.com/docs/api-reference/batch): a file of requests, a batch over it,
files of results and errors. Anthropic
(https://docs.anthropic.com/en/api/creating-message-batches): the requests in one body, the results
below the batch.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import orjson

from heartloop.errors import CallError, UsageError
from heartloop.models.chat import chat_messages, sampling_body
from heartloop.models.lenient import NotJson, read_json
from heartloop.models.options import ModelOptions
from heartloop.models.refusals import error_of
from heartloop.models.replies import read_choices
from heartloop.models.urls import base_url
from heartloop.models.wire import Wire, WireError, target
from heartloop.types import Completion, Request, Usage

LARGEST_RESULTS = 1 << 30  # bytes of one batch's results
WAIT_SECONDS = 300.0  # for one answer of the endpoint itself
CONNECT_SECONDS = 30.0
LEAST_TOKENS = 4096  # Anthropic wants max_tokens said
EXPIRED = "the batch ended before this request was worked on"

Outcome = Completion | CallError
Results = dict[str, Outcome]


class Shape(Protocol):
    """A provider's batch endpoint."""

    def body(self, request: Request) -> dict[str, Any]:
        """A request's body; raises CallError for what cannot be said there."""
        ...

    async def submit(self, bodies: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
        """Hand in requests, each with its id; the batch's id."""
        ...

    async def ended(self, batch: str) -> bool:
        """Whether a batch is over."""
        ...

    async def results(self, batch: str, asked: Mapping[str, Request]) -> Results:
        """What came of its requests, by their ids; without those that were not worked on."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class _Endpoint:
    """One address, asked with a key."""

    def __init__(self, url: str, headers: Mapping[str, str], key: str | None) -> None:
        self.url = str(base_url(url))
        self._headers, self._key = dict(headers), key
        self._wire: Wire | None = None

    async def ask(
        self,
        method: str,
        path: str,
        data: bytes | None = None,
        *,
        kind: str = "application/json",
        json: bool = True,
    ) -> Any:
        """One exchange; lines of JSON come back as a list.

        Raises:
            CallError: classified, in the endpoint's own words.
        """
        if self._wire is None:
            self._wire = Wire(CONNECT_SECONDS)
        headers = {**self._headers, "Accept-Encoding": "gzip, deflate"}
        to = target(
            method, self.url + path, headers if data is None else {**headers, "Content-Type": kind}
        )
        try:
            reply = await self._wire.ask(to, data, limit=LARGEST_RESULTS, timeout=WAIT_SECONDS)
        except WireError as error:
            error.args = (f"{self.url}{path}: {error}",)
            raise
        if not 200 <= reply.status < 300:
            problem = error_of(reply.status, reply.body, reply.headers, self._key)
            problem.args = (f"{self.url}{path}: {reply.status}: {problem}",)
            raise problem
        content = reply.body
        try:
            if json:
                return read_json(content)
            return [orjson.loads(line) for line in content.splitlines() if line.strip()]
        except (NotJson, ValueError) as error:
            raise CallError(
                f"{self.url}{path}: not JSON", kind="bad_response", retryable=True
            ) from error

    async def close(self) -> None:
        if self._wire is not None:
            await self._wire.close()
            self._wire = None


class OpenAiShape:
    """``POST /files``, ``POST /batches``, ``GET /batches/ID``, ``GET /files/ID/content``."""

    def __init__(self, url: str, key: str | None, served: str, options: ModelOptions) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._at = _Endpoint(url, headers, key)
        self._served, self._options = served, options
        self._key = key

    def body(self, request: Request) -> dict[str, Any]:
        """As for chat completions."""
        body = {
            "model": self._served,
            "messages": chat_messages(request.messages, self._options.system_role),
            **sampling_body(request.sampling),
            **({} if request.seed is None else {"seed": request.seed}),
            **self._options.extra_body,
            **request.sampling.extra,
        }
        return {name: value for name, value in body.items() if value is not None}

    async def submit(self, bodies: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
        """Upload the requests, then make the batch."""
        lines = b"\n".join(
            orjson.dumps(
                {"custom_id": id, "method": "POST", "url": "/v1/chat/completions", "body": body}
            )
            for id, body in bodies
        )
        form, kind = _form(lines)
        file = _id_of(await self._at.ask("POST", "/files", form, kind=kind))
        asked = {
            "input_file_id": file,
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        }
        return _id_of(await self._at.ask("POST", "/batches", orjson.dumps(asked)))

    async def ended(self, batch: str) -> bool:
        """Completed, expired or cancelled; a batch that failed as a whole raises."""
        state = await self._at.ask("GET", f"/batches/{batch}")
        status = state.get("status")
        if status == "failed":
            errors = (state.get("errors") or {}).get("data") or [{}]
            words = "; ".join(str(e.get("message") or e.get("code")) for e in errors[:3])
            raise CallError(f"batch {batch} failed: {words}", kind="http_400")
        return status in ("completed", "expired", "cancelled")

    async def results(self, batch: str, asked: Mapping[str, Request]) -> Results:
        """Both files, a line a request."""
        state = await self._at.ask("GET", f"/batches/{batch}")
        found: Results = {}
        for name in ("output_file_id", "error_file_id"):
            if state.get(name):
                path = f"/files/{state[name]}/content"
                for line in await self._at.ask("GET", path, json=False):
                    id = line.get("custom_id")
                    if id in asked:
                        found[id] = self._read(line, asked[id])
        return found

    def _read(self, line: Mapping[str, Any], request: Request) -> Outcome:
        reply = line.get("response") or {}
        status, body = reply.get("status_code"), reply.get("body")
        if status is None:
            error = line.get("error") or {}
            kind = "expired" if error.get("code") == "batch_expired" else "http_400"
            return CallError(
                str(error.get("message") or EXPIRED), kind=kind, retryable=kind == "expired"
            )
        if status != 200:
            return error_of(status, orjson.dumps(body), {}, self._key)
        try:
            return read_choices(
                body,
                request.messages,
                finished=time.time(),
                endpoint=self._at.url,
                max_tokens=request.sampling.max_tokens,
            )[0]
        except CallError as error:
            return error

    async def close(self) -> None:
        """Close every connection."""
        await self._at.close()


def _form(lines: bytes) -> tuple[bytes, str]:
    """An upload of requests as ``multipart/form-data`` (RFC 7578), and its content type."""
    mark = uuid.uuid4().hex
    head = (
        f'--{mark}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="requests.jsonl"\r\n'
        "Content-Type: application/jsonl\r\n\r\n"
    )
    body = b"".join((head.encode(), lines, f"\r\n--{mark}--\r\n".encode()))
    return body, f"multipart/form-data; boundary={mark}"


FINISH = {
    "end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length",
    "refusal": "content_filter", "model_context_window_exceeded": "length",
}  # fmt: skip
UNSAID = ("logprobs", "reasoning_effort", "response_format", "continue_final_message")


class AnthropicShape:
    """``POST /messages/batches``, ``GET /messages/batches/ID`` and ``…/ID/results``."""

    def __init__(self, url: str, key: str | None, served: str, options: ModelOptions) -> None:
        headers = {"anthropic-version": "2023-06-01", **({"x-api-key": key} if key else {})}
        self._at = _Endpoint(url, headers, key)
        self._served, self._options = served, options
        self._key = key

    def body(self, request: Request) -> dict[str, Any]:
        """As for messages: the system's words apart, ``max_tokens`` always."""
        sampling = request.sampling
        for name in UNSAID:
            if getattr(sampling, name):
                raise CallError(f"{name}: the messages API has no such field", kind="http_400")
        system = "\n\n".join(m.content for m in request.messages if m.role == "system")
        body = {
            "model": self._served,
            "max_tokens": sampling.max_tokens or LEAST_TOKENS,
            "messages": [
                {"role": m.role, "content": m.content}
                for m in request.messages
                if m.role != "system"
            ],
            "system": system or None,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "stop_sequences": list(sampling.stop) or None,
            **self._options.extra_body,
            **sampling.extra,
        }
        return {name: value for name, value in body.items() if value is not None}

    async def submit(self, bodies: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
        """All requests in one body."""
        requests = [{"custom_id": id, "params": body} for id, body in bodies]
        asked = orjson.dumps({"requests": requests})
        return _id_of(await self._at.ask("POST", "/messages/batches", asked))

    async def ended(self, batch: str) -> bool:
        """Whether nothing of it is worked on any more."""
        state = await self._at.ask("GET", f"/messages/batches/{batch}")
        return state.get("processing_status") == "ended"

    async def results(self, batch: str, asked: Mapping[str, Request]) -> Results:
        """A line a request."""
        path = f"/messages/batches/{batch}/results"
        found: Results = {}
        for line in await self._at.ask("GET", path, json=False):
            id = line.get("custom_id")
            if id in asked:
                found[id] = self._read(line.get("result") or {})
        return found

    def _read(self, result: Mapping[str, Any]) -> Outcome:
        kind = result.get("type")
        if kind == "errored":
            error = result.get("error") or {}
            inner = error.get("error") or error
            names = {"overloaded_error": 529, "rate_limit_error": 429, "api_error": 500}
            status = names.get(str(inner.get("type")), 400)
            return error_of(status, orjson.dumps({"error": inner}), {}, self._key)
        if kind != "succeeded":
            return CallError(EXPIRED, kind="expired", retryable=kind == "expired")
        message = result.get("message") or {}
        blocks = [b for b in message.get("content") or [] if isinstance(b, dict)]
        usage = message.get("usage") or {}
        try:
            cached = int(usage.get("cache_read_input_tokens") or 0)
            written = int(usage.get("cache_creation_input_tokens") or 0)
            used = Usage(
                int(usage["input_tokens"]) + cached + written,
                int(usage["output_tokens"]),
                cached=cached,
            )
        except (KeyError, TypeError, ValueError):
            return CallError("no token counts in the reply", kind="bad_response", retryable=True)
        why = str(message.get("stop_reason") or "")
        return Completion(
            "".join(str(b.get("text", "")) for b in blocks if b.get("type") == "text"),
            FINISH.get(why, why or "stop"),
            used,
            "".join(str(b.get("thinking", "")) for b in blocks if b.get("type") == "thinking")
            or None,
            finished=time.time(),
            endpoint=self._at.url,
            served=str(message.get("model") or ""),
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._at.close()


def is_id(text: Any) -> bool:
    """Whether a text can be a batch's id: it becomes a part of an address."""
    return isinstance(text, str) and text.replace("-", "").replace("_", "").isalnum()


def _id_of(reply: Any) -> str:
    id: Any = reply.get("id") if isinstance(reply, dict) else None
    if not is_id(id):
        raise CallError("the batch endpoint named no id", kind="bad_response")
    return str(id)


HOMES: dict[str, tuple[str, str, Callable[..., Shape]]] = {
    "openai": ("https://api.openai.com/v1", "OPENAI_API_KEY", OpenAiShape),
    "anthropic": ("https://api.anthropic.com/v1", "ANTHROPIC_API_KEY", AnthropicShape),
    "server": ("", "HEARTLOOP_API_KEY", OpenAiShape),
}
"""What stands before the slash: where it is, the key's variable, and what it speaks."""


def shape_of(spec: str, options: ModelOptions) -> Shape:
    """The batch endpoint of a model.

    Args:
        spec: ``openai/NAME``, ``anthropic/NAME``, or ``server/NAME`` with a base URL.
        options: base URLs and the key; without a key its usual variable.

    Raises:
        UsageError: no batch endpoint is known for it.
    """
    kind, _, served = spec.partition("/")
    home, variable, shape = HOMES.get(kind, ("", "", OpenAiShape))
    urls = options.base_urls or ((home,) if home else ())
    if kind not in HOMES or not urls or not served:
        raise UsageError(
            f"--batch: {spec} has no batch endpoint that is known; there are openai/NAME, "
            "anthropic/NAME and server/NAME with --base-url"
        )
    if len(urls) > 1:
        raise UsageError("--batch takes one --base-url: a batch belongs to one server")
    key = options.api_key
    key = (os.environ.get(variable) or "" if key is None else key).strip() or None
    if key is None and home == urls[0]:
        raise UsageError(f"--batch: {spec} needs its key in {variable}")
    return shape(urls[0], key, served, options)
