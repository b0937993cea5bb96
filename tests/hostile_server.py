# ruff: noqa: E501 - one line a mode
"""A server that does everything real servers were seen to do, one mode a line.

    python tests/hostile_server.py            prints the table that stands in docs/providers.md

``tests/models/test_hostile.py`` asks one question of every mode; ``benchmarks/faults.py`` asks
50,000 with a fifth of the replies hostile.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

KEPT, AGAIN, CUT, FILTERED, ERROR, OTHERWISE = (
    "answer kept", "asked again", "truncated", "filtered", "error", "asked otherwise",
)  # fmt: skip


@dataclass(frozen=True)
class Mode:
    """What a server does with a request.

    Attributes:
        group: row of the table.
        name: in the row.
        outcome: what becomes of the call.
        kind: class of the error; empty for others.
        status, headers: of the hostile reply.
        body: its body, from the good reply for the question.
        lasting: every request gets it, not the first alone.
        when: only requests with this field get it.
        breaks: bytes after which the connection is closed.
    """

    group: str
    name: str
    outcome: str
    body: Callable[[dict[str, Any]], bytes]
    kind: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    lasting: bool = False
    when: str = ""
    breaks: int | None = None


def good(text: str) -> dict[str, Any]:
    """A good reply."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": "stop",
    }
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return {
        "id": "x",
        "object": "chat.completion",
        "model": "m",
        "choices": [choice],
        "usage": usage,
    }


def dumps(value: Any) -> bytes:
    return json.dumps(value).encode()


def text_of(reply: dict[str, Any]) -> str:
    return str(reply["choices"][0]["message"]["content"])


def usage(**fields: Any) -> Callable[[dict[str, Any]], bytes]:
    return lambda r: dumps(r | {"usage": r["usage"] | fields})


def choice(**fields: Any) -> Callable[[dict[str, Any]], bytes]:
    return lambda r: dumps(r | {"choices": [r["choices"][0] | fields]})


def message(change: Callable[[str], dict[str, Any]]) -> Callable[[dict[str, Any]], bytes]:
    def body(r: dict[str, Any]) -> bytes:
        said = r["choices"][0]["message"] | change(text_of(r))
        return dumps(r | {"choices": [r["choices"][0] | {"message": said}]})

    return body


def thought(before: str, after: str = "") -> Callable[[dict[str, Any]], bytes]:
    return message(lambda text: {"content": before + text + after})


def swap(old: bytes, new: bytes) -> Callable[[dict[str, Any]], bytes]:
    return lambda r: dumps(r).replace(old, new, 1)


def fixed(value: Any) -> Callable[[dict[str, Any]], bytes]:
    body = value if isinstance(value, bytes) else dumps(value)
    return lambda r: body


def error(words: str, **fields: Any) -> Callable[[dict[str, Any]], bytes]:
    return fixed({"error": {"message": words, **fields}})


def events(r: dict[str, Any], end: str = "data: [DONE]\n\n") -> bytes:
    text = text_of(r)
    parts = [{"content": text[:4]}, {"content": text[4:]}]
    lines = [{"choices": [{"index": 0, "delta": part, "finish_reason": None}]} for part in parts]
    if end:
        lines.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return ("".join(f"data: {json.dumps(line)}\n\n" for line in lines) + end).encode()


IDEA = "Perhaps \\boxed{41}? No."
HUGE = gzip.compress(bytes(2**27), 9)  # 128 MB of nothing in 130 kB

MODES = (
    # odd counts and probabilities
    *(Mode("token counts", name, KEPT, usage(**fields)) for name, fields in {
        "details as a list": {"prompt_tokens_details": [{"modality": "TEXT"}]},
        "details as text": {"completion_tokens_details": "n/a"},
        "details within details": {"completion_tokens_details": {"reasoning_tokens": {"n": 1}}},
        "text": {"completion_tokens": "many"}, "a list": {"completion_tokens": [5]},
        "2^63": {"completion_tokens": 2**63}, "10^30": {"prompt_tokens": 10**30},
        "negative": {"prompt_tokens": -1000, "completion_tokens": -500},
    }.items()),
    Mode("token counts", "none", KEPT, lambda r: dumps(r | {"usage": None})),
    Mode("token counts", "other names", KEPT, lambda r: dumps(r | {"usage": {"input_tokens": 10, "output_tokens": 5}})),
    Mode("log-probabilities", "a number for a list", KEPT, choice(logprobs={"token_logprobs": 5})),
    Mode("log-probabilities", "-Infinity", KEPT, lambda r: choice(logprobs={"content": [{"logprob": 0}]})(r).replace(b'"logprob": 0', b'"logprob": -Infinity')),
    # JSON that is none
    Mode("loose JSON", "NaN", KEPT, swap(b": 15}", b": NaN}")),
    Mode("loose JSON", "half an emoji", KEPT, swap(b'"}, "finish', b' \\ud83d"}, "finish')),
    Mode("loose JSON", "raw line break", KEPT, swap(b'"}, "finish', b'\n"}, "finish')),
    Mode("loose JSON", "bytes that are no UTF-8", KEPT, swap(b'"}, "finish', b' \xff\xfe"}, "finish')),
    Mode("loose JSON", "byte order mark", KEPT, lambda r: b"\xef\xbb\xbf" + dumps(r)),
    Mode("loose JSON", "encoded twice", KEPT, lambda r: dumps(json.dumps(r))),
    Mode("loose JSON", "comments before it", KEPT, lambda r: b": keep-alive\n\n" + dumps(r)),
    Mode("stream not asked for", "events", KEPT, events, headers={"Content-Type": "text/event-stream"}),
    Mode("stream not asked for", "broken off", AGAIN, lambda r: events(r, end="")),
    Mode("packed", "gzip", KEPT, lambda r: gzip.compress(dumps(r)), headers={"Content-Encoding": "gzip"}),
    Mode("packed", "deflate", KEPT, lambda r: zlib.compress(dumps(r)), headers={"Content-Encoding": "deflate"}),
    Mode("packed", "cut gzip", AGAIN, lambda r: gzip.compress(dumps(r))[:40], headers={"Content-Encoding": "gzip"}),
    Mode("packed", "unpacks to 128 MB", ERROR, fixed(HUGE), kind="too_large", headers={"Content-Encoding": "gzip"}, lasting=True),
    # shapes
    Mode("content", "a list of texts", KEPT, message(lambda t: {"content": [t]})),
    Mode("content", "a list of parts", KEPT, message(lambda t: {"content": [{"type": "text", "text": t}]})),
    Mode("content", "one part", KEPT, message(lambda t: {"content": {"type": "text", "text": t}})),
    Mode("choices", "in another order", KEPT, lambda r: dumps(r | {"choices": [{"index": 1, "message": {"content": "\\boxed{91}"}}, r["choices"][0]]})),
    Mode("choices", "text completion", KEPT, lambda r: dumps(r | {"choices": [{"text": text_of(r), "finish_reason": "stop"}]})),
    Mode("status", "201", KEPT, dumps, status=201),
    # finish reasons
    *(Mode("finish reason: ended", word, KEPT, choice(finish_reason=word)) for word in ("STOP", "eos", "end_turn", "COMPLETE")),
    *(Mode("finish reason: cut", word, CUT, choice(finish_reason=word, message={"content": "The answer is 4 and then"}))
      for word in ("length", "max_tokens", "MAX_TOKENS", "model_length", "model_context_window_exceeded", "max_output_tokens")),
    *(Mode("finish reason: filtered", word, FILTERED, choice(finish_reason=word))
      for word in ("content_filter", "SAFETY", "RECITATION", "sensitive", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII")),
    Mode("finish reason: filtered", "refusal in a field of its own", FILTERED, message(lambda t: {"content": None, "refusal": "I cannot."})),
    *(Mode("finish reason: aborted", word, AGAIN, choice(finish_reason=word)) for word in ("error", "abort", "network_error", "insufficient_system_resource")),
    Mode("finish reason: aborted", "error in the choice", AGAIN, choice(error={"code": 502, "message": "upstream closed"})),
    # thinking
    Mode("thinking", "harmony channels", KEPT, thought(f"<|channel|>analysis<|message|>{IDEA}<|end|><|start|>assistant<|channel|>final<|message|>")),
    Mode("thinking", "harmony without its marks", KEPT, thought(f"analysis{IDEA}assistantfinal")),
    Mode("thinking", "Kimi", KEPT, thought(f"\u25c1think\u25b7{IDEA}\u25c1/think\u25b7")),
    Mode("thinking", "Mistral", KEPT, thought(f"[THINK]{IDEA}[/THINK]")),
    Mode("thinking", "Seed", KEPT, thought(f"<seed:think>{IDEA}</seed:think>")),
    Mode("thinking", "`<THINK>`", KEPT, thought(f"<THINK>{IDEA}</THINK>\n")),
    Mode("thinking", "opened in the prompt", KEPT, thought(f"{IDEA}</think>\n")),
    Mode("thinking", "parts", KEPT, message(lambda t: {"content": [{"type": "thinking", "thinking": IDEA}, {"type": "text", "text": t}]})),
    *(Mode("thinking", f"`{name}`", KEPT, message(lambda t, name=name: {name: IDEA})) for name in ("reasoning", "reasoning_content")),
    Mode("thinking", "`reasoning_details`", KEPT, message(lambda t: {"reasoning_details": [{"text": IDEA}]})),
    Mode("thinking", "never closed", CUT, thought(f"<think>{IDEA}")),
    Mode("thinking", "harmony, cut", CUT, thought(f"<|channel|>analysis<|message|>{IDEA}")),
    # the server is ill
    *(Mode("ill", str(status), AGAIN, error("busy"), status=status) for status in (408, 425, 429, 500, 502, 503, 504, 529)),
    Mode("ill", "200 with an error", AGAIN, error("overloaded", code=503)),
    Mode("ill", "web page", AGAIN, fixed(b"<!doctype html><title>Log in</title>")),
    Mode("ill", "empty body", AGAIN, fixed(b"")),
    Mode("ill", "no choices", AGAIN, fixed({"choices": []})),
    Mode("ill", "rubbish", AGAIN, fixed(b"{broken")),
    Mode("ill", "connection closed at once", AGAIN, dumps, breaks=0),
    Mode("ill", "connection closed within the answer", AGAIN, dumps, breaks=60),
    # refusals
    Mode("too long", "vLLM", ERROR, error("maximum context length is 4096 tokens. However, you requested 9000 tokens"), "context_length", 400, lasting=True),
    Mode("too long", "llama.cpp, 400", ERROR, error("exceeds the available context size", type="exceed_context_size_error"), "context_length", 400, lasting=True),
    Mode("too long", "llama.cpp, 500", ERROR, error("the request exceeds the available context size"), "context_length", 500, lasting=True),
    Mode("too long", "TGI", ERROR, fixed({"error": "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens"}), "context_length", 422, lasting=True),
    Mode("too long", "Groq", ERROR, error("Please reduce it.", code="context_length_exceeded"), "context_length", 400, lasting=True),
    Mode("too long", "Anthropic", ERROR, error("prompt is too long: 205000 tokens > 200000 maximum"), "context_length", 400, lasting=True),
    Mode("too long", "413", ERROR, fixed(b""), "too_large", 413, lasting=True),
    Mode("refused", "prompt filter", ERROR, error("filtered", code="content_filter"), "content_filter", 400, lasting=True),
    Mode("refused", "no credits", ERROR, error("Insufficient credits."), "quota", 402, lasting=True),
    Mode("refused", "key", ERROR, error("bad key"), "auth", 401, lasting=True),
    Mode("refused", "redirect", ERROR, fixed(b""), "http_307", 307, {"Location": "http://127.0.0.1:9/elsewhere/v1"}, lasting=True),
    Mode("refused", "another 400", ERROR, error("messages must alternate"), "http_400", 400, lasting=True),
    # fields
    Mode("fields", "`max_tokens`", OTHERWISE, error("Use 'max_completion_tokens' instead.", param="max_tokens", code="unsupported_parameter"), status=400, lasting=True, when="max_tokens"),
    Mode("fields", "`temperature`", OTHERWISE, error("'temperature' does not support 0.7 with this model", param="temperature"), status=400, lasting=True, when="temperature"),
    Mode("fields", "`top_p`", OTHERWISE, error("Unknown field: top_p"), status=422, lasting=True, when="top_p"),
    Mode("fields", "`response_format`", OTHERWISE, error("unknown variant `json_schema`, expected `text`"), status=422, lasting=True, when="response_format"),
    Mode("fields", "`seed`, 400", OTHERWISE, error("Unsupported parameter: 'seed'"), status=400, lasting=True, when="seed"),
    Mode("fields", "`seed`, 500", OTHERWISE, error("the backend does not support parameters: ['seed']"), status=500, lasting=True, when="seed"),
    Mode("fields", "system role", OTHERWISE, error("System role not supported"), status=400, lasting=True, when="system"),
)  # fmt: skip

MEANING = {
    KEPT: "the answer is kept and graded; odd token counts are estimated, odd log-probabilities none",
    AGAIN: "an error of the attempt; what it cost is booked, and the call is asked again",
    CUT: "kept as cut: unscored *truncated* unless a closed answer stands in it",
    FILTERED: "kept as filtered: unscored *refused*, whatever the text says",
    ERROR: "a recorded error of this call alone, of the class named",
    OTHERWISE: "left out, renamed or moved from then on, for all arms; said once, recorded",
}


def table() -> str:
    """The table of modes and what becomes of them, in Markdown."""
    rows: dict[tuple[str, str], list[str]] = {}
    for mode in MODES:
        name = f"{mode.name} (`{mode.kind}`)" if mode.kind else mode.name
        rows.setdefault((mode.group, mode.outcome), []).append(name)
    lines = ["| what the server does | in which ways | what becomes of it |", "|---|---|---|"]
    lines += [
        f"| {group} | {', '.join(names)} | {outcome} |" for (group, outcome), names in rows.items()
    ]
    return "\n".join(lines)


@dataclass
class Hostile:
    """A running server.

    Attributes:
        url: its base URL.
        choose: the mode of a request, from its body and how often its question was asked.
        answers: how often each question got a whole answer.
        hostile: hostile replies given, by outcome.
        bodies: request bodies, in order, where ``keep`` is set.
    """

    choose: Callable[[dict[str, Any], int], Mode | None]
    keep: bool = False
    url: str = ""
    answers: dict[str, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    hostile: dict[str, int] = field(default_factory=dict)
    bodies: list[dict[str, Any]] = field(default_factory=list)

    async def handle(self, http: web.Request) -> web.StreamResponse:
        """Answer one request."""
        if http.method == "GET":
            return web.json_response({"data": [{"id": "m"}]})
        body = json.loads(await http.read())
        if self.keep:
            self.bodies.append(body)
        question = body["messages"][-1]["content"]
        nth = self.asked[question] = self.asked.get(question, 0) + 1
        reply = good(f"The answer is \\boxed{{{question.split()[-1]}}}.")
        mode = self.choose(body, nth)
        if mode is None or not (mode.lasting or nth == 1) or not _has(body, mode.when):
            self.answers[question] = self.answers.get(question, 0) + 1
            return web.Response(body=dumps(reply), headers={"Content-Type": "application/json"})
        self.hostile[mode.outcome] = self.hostile.get(mode.outcome, 0) + 1
        if mode.outcome == KEPT:
            self.answers[question] = self.answers.get(question, 0) + 1
        said = mode.body(reply)
        if mode.breaks is not None:
            assert http.transport is not None
            if mode.breaks:
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(said)}\r\n\r\n".encode()
                http.transport.write(head + said[: mode.breaks])
            http.transport.close()
            return web.Response()
        return web.Response(
            body=said, status=mode.status,
            headers={"Content-Type": "application/json"} | mode.headers,
        )  # fmt: skip


def _has(body: dict[str, Any], when: str) -> bool:
    if when == "system":
        return body["messages"][0]["role"] == "system"
    return not when or body.get(when) is not None


@asynccontextmanager
async def serving(server: Hostile) -> AsyncIterator[Hostile]:
    """Run a server in this event loop; its ``url`` is set."""
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    print(table())
