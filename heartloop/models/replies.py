"""Reading what OpenAI-compatible servers say: answers and refusals into our types."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from heartloop.errors import CallError
from heartloop.secrets import clean, one_line
from heartloop.thinking import split_thinking
from heartloop.types import Completion, Message, Usage

CHARS_PER_TOKEN = 4
MESSAGE_CHARS = 400  # of a server's own words that are kept
RETRYABLE_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 507, 520, 522, 524, 529})
CONTEXT_WORDS = re.compile(
    r"context[ _](?:length|window)|maximum context|max_model_len|maximum model length"
    r"|too many (?:input )?tokens|prompt is too long|input is too long|longer than the maximum",
    re.IGNORECASE,
)
QUOTA_WORDS = re.compile(r"insufficient_quota|exceeded your current quota|billing", re.IGNORECASE)


def read_chat(reply: Any, messages: Sequence[Message]) -> Completion:
    """The first choice of a chat completion.

    Raises:
        CallError: kind ``bad_response``: the reply has no choice with a message.
    """
    return read_choices(reply, messages)[0]


def read_choices(
    reply: Any,
    messages: Sequence[Message],
    started: float = 0.0,
    finished: float = 0.0,
    endpoint: str = "",
) -> list[Completion]:
    """Every choice of a chat or text completion, in the order of their index.

    The prompt's tokens are booked on the first choice; the completion's are divided by length.

    Raises:
        CallError: kind ``bad_response``: not a completion (retryable), or the error it carries.
    """
    if not isinstance(reply, dict):
        raise _bad("the reply is not a JSON object")
    choices = reply.get("choices")
    if not isinstance(choices, list) or not choices:
        if reply.get("error"):
            code = reply["error"].get("code") if isinstance(reply["error"], dict) else None
            raise error_of(code if isinstance(code, int) else 500, orjson.dumps(reply))
        raise _bad("the reply has no choices")
    read = [_read_choice(choice) for choice in choices]
    usage, estimated = read_usage(reply.get("usage"))
    if estimated:
        prompt = sum(len(message.content) for message in messages)
        spoken = sum(len(text) + len(reasoning or "") for text, reasoning, *_ in read)
        usage = Usage(-(-prompt // CHARS_PER_TOKEN), -(-spoken // CHARS_PER_TOKEN))
    shares = [usage]
    if len(read) > 1:
        shares = _share(usage, [len(text) + len(reasoning or "") for text, reasoning, *_ in read])
    completions = []
    for (text, reasoning, finish, mean, tokens), share in zip(read, shares, strict=True):
        if reasoning and not share.reasoning and share.completion:
            # Servers that show thinking without counting it: its share of the characters.
            part = len(reasoning) / (len(reasoning) + len(text))
            share = Usage(
                share.prompt, share.completion, round(share.completion * part), share.cached
            )
        completions.append(
            Completion(
                text=text,
                finish_reason=finish,
                usage=share,
                reasoning=reasoning,
                logprob=mean,
                logprob_tokens=tokens,
                estimated=estimated,
                started=started,
                finished=finished,
                endpoint=endpoint,
            )
        )
    return completions


def _read_choice(choice: Any) -> tuple[str, str | None, str, float | None, int]:
    """Text, reasoning, finish reason, mean log-probability and tokens of one choice."""
    if not isinstance(choice, dict):
        raise _bad("a choice is not a JSON object")
    message = choice.get("message")
    reasoning: str | None = None
    if isinstance(message, dict):
        text = _text_of(message.get("content"))
        shown = message.get("reasoning") or message.get("reasoning_content")
        if isinstance(shown, str):
            # What stands between thinking and answer belongs to neither.
            reasoning, text = shown.strip(), text.lstrip()
        if not text and isinstance(message.get("refusal"), str):
            text = message["refusal"]
    elif isinstance(choice.get("text"), str):
        text = choice["text"]
    else:
        raise _bad("a choice has neither message nor text")
    finish = choice.get("finish_reason")
    finish = finish if isinstance(finish, str) and finish else "unknown"
    if reasoning is None:
        text, reasoning, closed = split_thinking(text)
        if not closed:
            finish = "length"
    mean, tokens = read_logprobs(choice.get("logprobs"))
    return text, reasoning, finish, mean, tokens


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, Mapping))
    raise _bad("the message's content is neither text nor parts")


def read_usage(usage: Any) -> tuple[Usage, bool]:
    """Tokens as reported, and whether they have to be estimated because they were not."""
    if not isinstance(usage, Mapping) or usage.get("completion_tokens") is None:
        return Usage(), True
    prompt_details = usage.get("prompt_tokens_details") or {}
    details = usage.get("completion_tokens_details") or {}
    return (
        Usage(
            int(usage.get("prompt_tokens") or 0),
            int(usage["completion_tokens"]),
            int(details.get("reasoning_tokens") or usage.get("reasoning_tokens") or 0),
            int(prompt_details.get("cached_tokens") or 0),
        ),
        False,
    )


def read_logprobs(logprobs: Any) -> tuple[float | None, int]:
    """Mean log-probability a token (nats) and the number of tokens, in either API's form."""
    if not isinstance(logprobs, Mapping):
        return None, 0
    entries = logprobs.get("content")
    if isinstance(entries, list):
        values = [entry.get("logprob") for entry in entries if isinstance(entry, Mapping)]
    else:
        values = list(logprobs.get("token_logprobs") or ())
    numbers = [float(value) for value in values if isinstance(value, (int, float))]
    return (math.fsum(numbers) / len(numbers), len(numbers)) if numbers else (None, 0)


def _share(usage: Usage, lengths: list[int]) -> list[Usage]:
    """One usage divided over the choices of a request, exact in its sum."""
    total = sum(lengths) or len(lengths)
    weights = lengths if sum(lengths) else [1] * len(lengths)
    shares, given, reasoned, upto = [], 0, 0, 0
    for index, weight in enumerate(weights):
        upto += weight
        completion = usage.completion * upto // total - given
        reasoning = usage.reasoning * upto // total - reasoned
        given += completion
        reasoned += reasoning
        first = index == 0
        shares.append(
            Usage(
                usage.prompt if first else 0,
                completion,
                reasoning,
                usage.cached if first else 0,
            )
        )
    return shares


# --- Refusals ----------------------------------------------------------------------------


def error_of(
    status: int, body: bytes, headers: Mapping[str, str] | None = None, key: str | None = None
) -> CallError:
    """The error behind an HTTP status, in the server's own words, without the key."""
    words = server_words(body, key) or f"HTTP {status}"
    retryable = status in RETRYABLE_STATUS
    kind = f"http_{status}"
    if status in (401, 403):
        kind = "auth"
    elif status == 404:
        kind = "not_found"
    elif 300 <= status < 400:
        where = (headers or {}).get("Location") or (headers or {}).get("location")
        if where:
            words = f"it points to {clean(where, key)}; give that as --base-url, if it is yours"
    elif status == 413:
        kind = "too_large"
    elif status in (400, 422) and CONTEXT_WORDS.search(words):
        kind = "context_length"
    elif status == 429 and QUOTA_WORDS.search(words):
        kind, retryable = "quota", False
    return CallError(
        words,
        kind=kind,
        retryable=retryable,
        retry_after=read_retry_after(headers or {}) if retryable else None,
    )


def server_words(body: bytes, *own: str | None) -> str:
    """What a server said about an error: its message, one line, no more than 400 characters."""
    try:
        said = orjson.loads(body)
    except ValueError:
        text = clean(body.decode("utf-8", "replace"), *own)[:4000]
        text = re.sub(r"(?s)<(script|style).*?</\1>|<[^>]*>", " ", text)
    else:
        found = said
        for name in ("error", "message", "detail"):
            if isinstance(found, Mapping) and found.get(name):
                found = found[name]
        text = found if isinstance(found, str) else orjson.dumps(found).decode()
    return one_line(text, *own, limit=MESSAGE_CHARS)


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds a server asked to wait, from ``Retry-After`` in seconds or as a date."""
    milliseconds = headers.get("retry-after-ms")
    value = headers.get("Retry-After") or headers.get("retry-after")
    try:
        if milliseconds is not None:
            return max(0.0, float(milliseconds) / 1000)
        if value is None:
            return None
        try:
            seconds = float(value)
        except ValueError:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _bad(what: str) -> CallError:
    return CallError(what, kind="bad_response", retryable=True)
