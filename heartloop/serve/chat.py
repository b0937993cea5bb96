"""The chat completions API, as its documentation has it: requests read, answers and errors written.

Shapes: https://platform.openai.com/docs/api-reference/chat (requests, completion and chunk objects,
errors). What heartloop cannot pass on is refused by name, never dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from heartloop.errors import CallError, HeartloopError, Stopped, UsageError
from heartloop.run.free import FreeAsk
from heartloop.secrets import clean, secret_fields
from heartloop.types import Completion, Message, Sampling, Trace

MOST_CHOICES = 128
ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
REFUSED = (
    "tools", "tool_choice", "functions", "function_call", "logprobs", "top_logprobs", "audio",
    "modalities", "prediction", "web_search_options",
)  # fmt: skip
"""Fields whose answers heartloop's completions cannot hold."""
OURS = {"model", "messages", "n", "stream", "stream_options", "seed"}
NUMBERS = {"temperature": (0.0, 100.0), "top_p": (0.0, 1.0)}
FINISH = ("stop", "length", "content_filter")


class Refused(Exception):
    """A request that cannot be served, in the API's own terms."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.retry_after = status, retry_after
        self.body = {
            "error": {"message": clean(message), "type": kind, "param": param, "code": code}
        }


@dataclass(frozen=True, slots=True)
class Chat:
    """A request: who is asked what, how often, and how the answer travels."""

    model: str
    messages: tuple[Message, ...]
    sampling: Mapping[str, Any]  # fields of `Sampling` that the request gives
    n: int
    seed: int | None
    stream: bool
    usage_chunk: bool


def read_chat(raw: bytes) -> Chat:
    """A request's body.

    Raises:
        Refused: it is no such request, or asks for something that cannot be passed on.
    """
    try:
        body = orjson.loads(raw)
    except ValueError as error:
        raise Refused(400, f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise Refused(400, "the body is not a JSON object")
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Refused(400, "model is missing; GET /v1/models lists what there is", param="model")
    for name in REFUSED:
        if body.get(name):
            raise Refused(400, f"{name}: heartloop does not pass this on", param=name)
    if body.get("stream") not in (None, True, False):
        raise Refused(400, "stream: true or false", param="stream")
    options = body.get("stream_options") or {}
    n = body.get("n")
    seed = body.get("seed")
    if n is not None and (not _whole(n) or not 1 <= n <= MOST_CHOICES):
        raise Refused(400, f"n: a whole number from 1 to {MOST_CHOICES}", param="n")
    if seed is not None and not _whole(seed):
        raise Refused(400, "seed: a whole number", param="seed")
    return Chat(
        model,
        _messages(body.get("messages")),
        _sampling(body),
        n or 1,
        seed,
        body.get("stream") is True,
        isinstance(options, dict) and options.get("include_usage") is True,
    )


def _messages(given: Any) -> tuple[Message, ...]:
    if not isinstance(given, list) or not given:
        raise Refused(400, "messages: a list with at least one message", param="messages")
    return tuple(_message(one, f"messages[{i}]") for i, one in enumerate(given))


def _message(one: Any, where: str) -> Message:
    if not isinstance(one, dict):
        raise Refused(400, f"{where}: an object with role and content", param=where)
    role = ROLES.get(one.get("role", ""))
    if role is None:
        known = ", ".join(ROLES)
        raise Refused(400, f"{where}.role: {one.get('role')!r} is none of {known}", param=where)
    for name, value in one.items():
        if name not in ("role", "content", "refusal") and value:
            raise Refused(400, f"{where}.{name}: heartloop does not pass this on", param=where)
    content = one.get("content")
    if isinstance(content, list):
        content = "\n".join(_text(part, where) for part in content)
    if content is None and role == "assistant":
        content = ""
    if not isinstance(content, str):
        raise Refused(400, f"{where}.content: text, or a list of text parts", param=where)
    return Message(role, content)  # type: ignore[arg-type]


def _text(part: Any, where: str) -> str:
    if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str):
        return str(part["text"])
    kind = part.get("type") if isinstance(part, dict) else type(part).__name__
    raise Refused(400, f"{where}.content: parts of type {kind!r} are not passed on", param=where)


def _sampling(body: Mapping[str, Any]) -> dict[str, Any]:
    """The request's sampling; fields that are not ours go on to the model's server as they are."""
    found: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in body.items():
        if value is None or name in OURS or name in REFUSED:
            continue
        if name in NUMBERS:
            low, high = NUMBERS[name]
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise Refused(400, f"{name}: a number", param=name)
            if not low <= value <= high:
                raise Refused(400, f"{name}: a number from {low:g} to {high:g}", param=name)
            found[name] = value
        elif name in ("max_tokens", "max_completion_tokens"):
            if not _whole(value) or value < 1:
                raise Refused(400, f"{name}: a whole number of at least 1", param=name)
            found["max_tokens"] = value
        elif name == "stop":
            stops = [value] if isinstance(value, str) else value
            if not isinstance(stops, list) or not all(isinstance(s, str) for s in stops):
                raise Refused(400, "stop: a text or a list of texts", param="stop")
            found["stop"] = tuple(stops)
        elif name == "response_format":
            if not isinstance(value, dict):
                raise Refused(400, f"{name}: an object", param=name)
            found[name] = value
        elif name == "reasoning_effort":
            if not isinstance(value, str):
                raise Refused(400, f"{name}: a text", param=name)
            found[name] = value
        else:
            extra[name] = value
    if extra:
        if held := secret_fields(extra):
            raise Refused(400, f"{held[0]}: a secret does not belong into the body", param=held[0])
        found["extra"] = extra
    return found


def sampled(own: Sampling, given: Mapping[str, Any]) -> Sampling:
    """A served name's sampling, with what the request gives laid over it."""
    if not given:
        return own
    fields = {name: getattr(own, name) for name in Sampling.__slots__}
    if "extra" in given and own.extra:
        given = {**given, "extra": {**own.extra, **given["extra"]}}
    return Sampling(**{**fields, **given})


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# --- Answers ------------------------------------------------------------------------------

Answered = tuple[Trace, FreeAsk]


def handed_in(trace: Trace) -> Completion:
    """The completion that a trace hands in."""
    assert trace.selected is not None
    completion = trace.attempts[trace.selected].completion
    assert completion is not None
    return completion


def finish_of(completion: Completion) -> str:
    """A finish reason that clients know."""
    return completion.finish_reason if completion.finish_reason in FINISH else "stop"


def told(answers: Sequence[Answered]) -> dict[str, Any]:
    """The ``heartloop`` field: what the answers took, over all choices."""
    traces = [trace for trace, _ in answers]
    costs = [trace.cost for trace in traces if trace.cost is not None]
    facts: dict[str, Any] = {
        "rounds": max(a.round for t in traces for a in t.attempts if a.purpose == "answer"),
        "calls": sum(trace.calls for trace in traces),
        "tokens": sum(trace.usage.total for trace in traces),
        "cost": sum(costs) if costs else None,
        "from_journal": sum(ask.calls - ask.paid_calls for _, ask in answers),
        "errors": sum(ask.failures for _, ask in answers),
        "choices": [_choice_facts(trace) for trace in traces],
    }
    return facts


def _choice_facts(trace: Trace) -> dict[str, Any]:
    assert trace.selected is not None
    chosen = trace.attempts[trace.selected]
    selection = trace.notes.get("selection", {})
    answers = sum(a.purpose == "answer" for a in trace.attempts)
    return {
        "round": chosen.round,
        "draw": chosen.draw,
        "cue": chosen.cue or None,
        "of": answers,
        "selector": selection.get("selector") if answers > 1 else None,
        "stopped": trace.notes.get("stopped"),
    }


def headers_of(facts: Mapping[str, Any]) -> dict[str, str]:
    """The same in headers, for clients that hide unknown fields."""
    found = {
        f"X-Heartloop-{name.title()}": str(facts[name]) for name in ("rounds", "calls", "tokens")
    }
    if facts["cost"] is not None:
        found["X-Heartloop-Cost"] = f"{facts['cost']:.6f}"
    return found


def usage_of(answers: Sequence[Answered]) -> dict[str, Any]:
    """Tokens of everything that was asked, not of the one answer: that is what it cost."""
    prompt, completion, reasoning, cached = (
        sum(getattr(trace.usage, name) for trace, _ in answers)
        for name in ("prompt", "completion", "reasoning", "cached")
    )
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def completion_body(
    id: str, created: int, model: str, answers: Sequence[Answered], facts: Mapping[str, Any]
) -> bytes:
    """A whole answer."""
    choices = []
    for index, (trace, _) in enumerate(answers):
        completion = handed_in(trace)
        message = {"role": "assistant", "content": completion.text, "refusal": None}
        if completion.reasoning:
            message["reasoning_content"] = completion.reasoning
        choices.append(
            {
                "index": index,
                "message": message,
                "logprobs": None,
                "finish_reason": finish_of(completion),
            }
        )
    return orjson.dumps(
        {
            "id": id,
            "object": "chat.completion",
            "created": created,
            "model": model,
            "choices": choices,
            "usage": usage_of(answers),
            "heartloop": facts,
        }
    )


class Chunks:
    """A streamed answer as server-sent events."""

    def __init__(self, id: str, created: int, model: str, *, usage: bool) -> None:
        self._head = {
            "id": id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
        }
        self._usage = usage

    def opening(self, n: int) -> bytes:
        """The first chunk of every choice."""
        role = {"role": "assistant", "content": ""}
        return b"".join(self._chunk(index, role) for index in range(n))

    def answer(self, answers: Sequence[Answered], facts: Mapping[str, Any]) -> bytes:
        """Everything behind the opening."""
        sent = []
        for index, (trace, _) in enumerate(answers):
            completion = handed_in(trace)
            if completion.reasoning:
                sent.append(self._chunk(index, {"reasoning_content": completion.reasoning}))
            if completion.text:
                sent.append(self._chunk(index, {"content": completion.text}))
            last = index == len(answers) - 1
            more = {"heartloop": facts} if last else {}
            sent.append(self._chunk(index, {}, finish_of(completion), **more))
        if self._usage:
            sent.append(event({**self._head, "choices": [], "usage": usage_of(answers)}))
        return b"".join([*sent, b"data: [DONE]\n\n"])

    def _chunk(
        self, index: int, delta: Mapping[str, Any], finish: str | None = None, **more: Any
    ) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        head = {**self._head, "usage": None} if self._usage else self._head
        return event({**head, "choices": [choice], **more})


def event(data: Any) -> bytes:
    """One server-sent event."""
    return b"data: %s\n\n" % orjson.dumps(data)


# --- Errors -------------------------------------------------------------------------------

STATUS = {
    "http_429": (429, "rate_limit_error"),
    "quota": (429, "insufficient_quota"),
    "question_budget": (400, "invalid_request_error"),
    "context_length": (400, "invalid_request_error"),
    "too_large": (400, "invalid_request_error"),
    "http_400": (400, "invalid_request_error"),
    "http_422": (400, "invalid_request_error"),
    "not_found": (404, "invalid_request_error"),
    "content_filter": (400, "invalid_request_error"),
    "timeout": (504, "server_error"),
    "http_503": (503, "server_error"),
}
"""Kind of a call's error -> status and type; the server's key (``auth``) is not the client's
business, so that and all others are 502."""


def refused_by(error: HeartloopError) -> Refused:
    """What became of a request, in the API's terms."""
    if isinstance(error, CallError):
        status, kind = STATUS.get(error.kind, (502, "server_error"))
        return Refused(
            status, str(error), kind=kind, code=error.kind, retry_after=error.retry_after
        )
    if isinstance(error, Stopped):
        return Refused(429, str(error), kind="insufficient_quota", code="cap_reached")
    if isinstance(error, UsageError):
        return Refused(400, str(error))
    return Refused(500, str(error), kind="server_error")
