"""How a call is written down: one JSON object a line of ``calls.jsonl``, and back again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import orjson

from heartloop.calls.keys import sampling_fields
from heartloop.errors import CallError
from heartloop.secrets import clean
from heartloop.types import Completion, Message, Request, Usage

CALL_FIELDS: dict[str, str] = {
    "key": "identity of the call: hash of address, messages and sampling, 32 hex digits",
    "address": "task, question, model, round, draw, seed (the run seed)",
    "arm": "the arm that asked first; other arms may share the call",
    "purpose": "answer, feedback, synthesis, select, judge or probe",
    "request.model": "name of the model",
    "request.sampling": "sampling parameters that were set",
    "request.seed": "the seed sent with the request, or null",
    "request.messages": "the conversation; with `extends`, only what follows the extended call",
    "request.extends": "key of the call whose messages and answer this conversation begins with",
    "text": "the visible answer, null where the call ended in an error",
    "reasoning": "thinking shown apart from the answer, or null",
    "finish_reason": "stop, length, content_filter, stop_at_cap (it ended where it would have been "
    "cut) or the server's own word",
    "usage": "tokens: prompt, completion (reasoning included), reasoning, cached",
    "estimated": "true where the tokens were counted from characters",
    "logprob": "mean log-probability a token in nats, where asked for",
    "logprob_tokens": "tokens that mean is over",
    "cost": "US dollars, where known",
    "started": "Unix seconds, UTC, of the first attempt",
    "finished": "Unix seconds, UTC, of the end of the last attempt",
    "attempts": "tries it took",
    "endpoint": "the server that answered",
    "served": "the model that the reply itself names; absent where it names none",
    "sent": "what was asked otherwise than `request` says, as the server wants it: field to what "
    "was sent, null for left out; absent where nothing was",
    "reused": "the earlier run that this answer was taken over from; absent otherwise",
    "error": "null, or class and message of the error it ended in",
}
"""Every field of a record, for the schema page."""


def pack(
    request: Request,
    completion: Completion | None,
    *,
    key: str,
    shared_messages: int = 0,
    error: CallError | None = None,
    started: float = 0.0,
    finished: float = 0.0,
    attempts: int = 1,
    endpoint: str = "",
    usage: Usage | None = None,
    cost: float | None = None,
) -> bytes:
    """One line of the journal, newline included.

    Args:
        request: what was asked.
        completion: what came back; None with an error.
        key: the call's key.
        shared_messages: how many leading messages are those of ``request.extends`` and its answer.
        error: why there is no completion.
        started: Unix seconds of the first attempt of a call without a completion.
        finished: Unix seconds of the end of its last attempt.
        attempts: how many were made.
        endpoint: the server that was asked last, where known.
        usage: what it is known to have used all the same.
        cost: dollars of that.
    """
    address = request.address
    messages = request.messages[shared_messages:] if shared_messages else request.messages
    asked: dict[str, Any] = {
        "model": address.model,
        "sampling": sampling_fields(request.sampling),
        "seed": request.seed,
        "messages": messages,
    }
    if shared_messages:
        asked["extends"] = request.extends
    record: dict[str, Any] = {
        "key": key,
        "address": address,
        "arm": request.arm,
        "purpose": request.purpose,
        "request": asked,
    }
    if completion is not None:
        record["text"] = completion.text
        record["reasoning"] = completion.reasoning
        record["finish_reason"] = completion.finish_reason
        record["usage"] = completion.usage
        record["estimated"] = completion.estimated
        record["logprob"] = completion.logprob
        record["logprob_tokens"] = completion.logprob_tokens
        record["cost"] = completion.cost
        record["started"] = completion.started
        record["finished"] = completion.finished
        record["attempts"] = completion.attempts
        record["endpoint"] = completion.endpoint
        if completion.served:
            record["served"] = completion.served
        if completion.sent:
            record["sent"] = completion.sent
        record["error"] = None
    else:
        record["text"] = record["reasoning"] = record["finish_reason"] = None
        record["usage"] = usage or Usage()
        record["estimated"] = usage is not None
        record["logprob"], record["logprob_tokens"], record["cost"] = None, 0, cost
        record["started"] = started
        record["finished"] = finished
        record["attempts"] = attempts
        record["endpoint"] = endpoint
        record["error"] = {
            "class": error.kind if error else "unknown",
            "message": clean(str(error)) if error else "",
        }
    try:
        return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
    except (TypeError, orjson.JSONEncodeError):
        # Half a surrogate pair cannot be written as UTF-8; everything else of the answer can.
        return orjson.dumps(_clean(record), option=orjson.OPT_APPEND_NEWLINE)


def completion_of(record: Mapping[str, Any]) -> Completion:
    """The completion a record holds, marked as shared: nothing is paid for it again.

    Raises:
        CallError: the record is one of an error; nothing was completed.
    """
    if record.get("error"):
        raise error_of(record)
    return Completion(
        text=record["text"],
        finish_reason=record["finish_reason"],
        usage=usage_of(record),
        reasoning=record["reasoning"],
        logprob=record["logprob"],
        logprob_tokens=record["logprob_tokens"],
        estimated=record["estimated"],
        key=record["key"],
        started=record["started"],
        finished=record["finished"],
        attempts=record["attempts"],
        endpoint=record["endpoint"],
        shared=True,
        cost=record["cost"],
        served=record.get("served", ""),
        sent=record.get("sent"),
    )


def error_of(record: Mapping[str, Any]) -> CallError:
    """The error a record holds."""
    error = record["error"]
    return CallError(error["message"], kind=error["class"])


def own_messages(record: Mapping[str, Any]) -> tuple[Message, ...]:
    """The messages that stand in the record itself, after those of the call it extends."""
    return tuple(Message(m["role"], m["content"]) for m in record["request"]["messages"])


def _clean(value: Any) -> Any:
    """The same value with characters that UTF-8 cannot hold replaced."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Mapping):
        return {str(_clean(name)): _clean(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item) for item in value]
    if is_dataclass(value):
        return {field.name: _clean(getattr(value, field.name)) for field in fields(value)}
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)


_TOKENS = ("prompt", "completion", "reasoning", "cached")
_REAL = (int, float)


def usage_of(record: Mapping[str, Any]) -> Usage:
    """The tokens of a record; fields that a newer version adds are left out."""
    used = record["usage"]
    return Usage(used["prompt"], used["completion"], used["reasoning"], used["cached"])


def problem_of(record: Any) -> str:
    """What keeps a line from being a call record, with its field; empty for a good one.

    Fields that a newer version adds are no problem.
    """
    try:
        return _problem_of(record)
    except KeyError as error:
        return f"{error.args[0]} is missing"
    except (TypeError, AttributeError):
        return "not a call record"


def _problem_of(record: Any) -> str:
    key, error, asked, usage = record["key"], record["error"], record["request"], record["usage"]
    try:
        bytes.fromhex(key)
    except (TypeError, ValueError):
        return "key is no hexadecimal number"
    if not _usual(record):
        fault = _wrong_type(record, error, usage)
        if fault:
            return fault
    for message in asked["messages"]:
        if not (isinstance(message["role"], str) and isinstance(message["content"], str)):
            return "request.messages holds no conversation"
    extends = asked.get("extends")
    if extends is not None and (not isinstance(extends, str) or extends == key):
        return "request.extends names no earlier call"
    return ""


def _usual(record: Any) -> bool:
    """Whether the fields of an answer have the types that nearly all have: all in one look."""
    used, place = record["usage"], record["address"]
    return (
        record["error"] is None
        and type(record["text"]) is type(record["finish_reason"]) is str
        and type(record["started"]) is type(record["finished"]) is float
        and (record["reasoning"] is None or type(record["reasoning"]) is str)
        and (record["cost"] is None or type(record["cost"]) is float)
        and (record["logprob"] is None or type(record["logprob"]) is float)
        and type(record["attempts"]) is type(record["logprob_tokens"]) is int
        and type(record["arm"]) is type(record["purpose"]) is type(record["endpoint"]) is str
        and type(record["estimated"]) is bool
        and type(used["prompt"]) is type(used["completion"]) is int
        and type(used["reasoning"]) is type(used["cached"]) is int
        and used["prompt"] >= 0 <= used["completion"]
        and used["reasoning"] >= 0 <= used["cached"]
        and type(place["task"]) is type(place["question"]) is type(place["model"]) is str
        and type(place["round"]) is type(place["draw"]) is type(place["seed"]) is int
    )


def _wrong_type(record: Any, error: Any, usage: Any) -> str:
    """Which field has a wrong type, and what it should be; empty where none has."""
    if error is not None and not (
        isinstance(error, dict)
        and isinstance(error["class"], str)
        and isinstance(error["message"], str)
    ):
        return "error is neither null nor class and message"
    for name in _TOKENS:
        if type(usage[name]) is not int or usage[name] < 0:
            return f"usage.{name} is no number of tokens"
    if error is None and not isinstance(record["text"], str):
        return "text is missing"
    for name in ("started", "finished"):
        if not isinstance(record[name], _REAL):
            return f"{name} is no time"
    for name in ("cost", "logprob"):
        if record[name] is not None and type(record[name]) not in _REAL:
            return f"{name} is no number"
    for name in ("reasoning", "finish_reason"):
        if record[name] is not None and not isinstance(record[name], str):
            return f"{name} is no text"
    if type(record["attempts"]) is not int or type(record["logprob_tokens"]) is not int:
        return "attempts or logprob_tokens is no number"
    for name in ("arm", "purpose", "endpoint"):
        if not isinstance(record[name], str):
            return f"{name} is no text"
    if type(record["estimated"]) is not bool:
        return "estimated is neither true nor false"
    address = record["address"]
    for name in ("task", "question", "model"):
        if not isinstance(address[name], str):
            return f"address.{name} is no text"
    for name in ("round", "draw", "seed"):
        if type(address[name]) is not int:
            return f"address.{name} is no whole number"
    return ""
