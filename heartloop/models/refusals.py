"""Reading refusals: the class of an error, what it refuses, and how large the context is.

``error.code``, ``error.type`` and ``error.param`` are read beside the words, in every nesting that
servers use. Tables name their sources; the first line that fits decides. The patterns are texts:
most runs need none of them, and to compile all of them takes longer than many requests do.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from heartloop.errors import CallError
from heartloop.models.lenient import NotJson, read_json
from heartloop.secrets import clean, one_line

MESSAGE_CHARS = 400  # of a server's own words that are kept
RETRYABLE_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 507, 520, 522, 524, 529})

CONTEXT_NAMES = (
    r"(?i)context_length_exceeded"  # OpenAI, Groq
    r"|exceed_context_size"  # llama.cpp
    r"|context_window|input_too_long|prompt_too_long|tokens_limit_reached"  # gateways, GitHub
)
CONTEXT_WORDS = (
    r"(?i)maximum context|max_model_len|maximum model length|context[ _](?:length|window)"  # vLLM
    r"|exceeds? (?:the )?(?:available |model'?s? |maximum |allowed )*context"  # llama.cpp
    r"|context (?:size|limit)|exceed(?:s|ed)? (?:the )?context"  # llama.cpp, Anthropic
    r"|prompt is too long|input is too long|input length (?:exceeds|and)"  # Anthropic, Bedrock
    r"|`?inputs`? (?:tokens \+|must have less than)"  # TGI
    r"|too many (?:input |total )?tokens"  # Cohere
    r"|longer than the (?:maximum|model)|exceeds the (?:maximum|model'?s?|limit of) .{0,20}tokens"
    r"|reduce (?:the )?length of (?:the |your )?(?:messages|prompt|input)"  # Groq, OpenAI
    r"|prompt too long|token count .{0,40}exceeds|range of input length"  # Ollama, Gemini, Qwen
    r"|maximum prompt length|prompt length .{0,40}exceeds|model token limit"  # xAI, NIM, Moonshot
    r"|context (?:shift|overflow|is full|the overflow)"  # llama.cpp, LM Studio
    r"|prompt.{0,20}\u8d85\u957f"  # Zhipu
)
FILTER_NAMES = (
    r"(?i)content_?filter|content_policy|responsibleaipolicy|moderation"
    r"|data_?inspection"  # DashScope
    r"|prohibited_?content|sensitive|safety|^1301$|content_?risk"  # Gemini, Zhipu, DeepSeek
)
FILTER_WORDS = (
    r"(?i)content (?:management )?(?:policy|filter)|content exists risk|flagged|moderation"
    r"|responsible ai|safety (?:system|filter|polic)|inappropriate content|usage polic"
    r"|(?:prompt|input|output|request|response) (?:was|has been|is) (?:filtered|blocked)"
)
QUOTA_NAMES = (
    r"(?i)insufficient_?(?:quota|balance|credits?|funds)|billing|arrearage|exceeded_current_quota"
    r"|payment_required|quota_exceeded|credits?_exhausted"
)
QUOTA_WORDS = (
    r"(?i)insufficient_quota|insufficient (?:balance|credits?|funds)|exceeded your current quota"
    r"|billing|credit balance is too low|out of credits|payment required|account .{0,20}arrear"
)
BUSY_NAMES = (
    r"(?i)rate_?limit|throttl|too_many_requests|overloaded|resource_exhausted|server_?busy"
    r"|engine_overloaded"
)
AUTH_NAMES = (
    r"(?i)invalid_?api_?key|api_?key_?invalid|authentication|unauthori[sz]ed|invalid_?token"
    r"|permission_denied|accessdenied"
)
AUTH_WORDS = r"(?i)api.?key|credential|authenti|authoriz|unauthoriz|token|log.?in"
MODEL_NAMES = r"(?i)model_?not_?found|model_?not_?exist|no_such_model"

# What a server says of a request field that it does not take.
REFUSED_WORDS = (
    r"(?i)unsupported"
    r"|not (?:be )?support|n't support|unknown|unrecogni[sz]ed|unexpected|not permitted"
    r"|not allowed|extra (?:inputs|fields)|extra_forbidden|deprecated|only the default"
    r"|cannot (?:both )?be (?:used|set|specified)|not available|no longer|must be 1\b|not accept"
    r"|is not (?:a )?valid|invalid|incompatible|not implemented|please remove|must not be"
    r"|don't take|does not take|may only be|only \S{1,5} is (?:allowed|supported)|only supports?"
    r"|not configurable|is fixed"
)
REFUSED_STATUS = frozenset({400, 404, 405, 422, 500, 501})


class Refused(CallError):
    """An error of the server with what can be read in it.

    Attributes:
        status: of HTTP, or the code that a reply of 200 carries.
        names: codes and types, joined.
        param: the request field that it names, or empty.
        words: the message, one line, longer than the error's own.
    """

    status = 0
    names = ""
    param = ""
    words = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """How large prompt and answer may be, as a server said it; None where it did not.

    Attributes:
        context: tokens of prompt and answer together.
        prompt: tokens of this prompt.
        answer: tokens of an answer at most.
    """

    context: int | None = None
    prompt: int | None = None
    answer: int | None = None


def error_of(
    status: int, body: bytes, headers: Mapping[str, str] | None = None, key: str | None = None
) -> Refused:
    """The error behind an HTTP status, in the server's own words, without the key."""
    headers = headers or {}
    said = _said(body)
    names, param = _names_of(said)
    words = _words_of(said, body, key) or f"HTTP {status}"
    kind, retryable = _class_of(status, names, words, retry_delay=_retry_delay(body))
    if 300 <= status < 400 and (where := headers.get("Location") or headers.get("location")):
        words = f"it points to {clean(where, key)}; give that as --base-url, if it is yours"
    error = Refused(
        words if len(words) <= MESSAGE_CHARS else f"{words[:MESSAGE_CHARS]}…",
        kind=kind,
        retryable=retryable,
        retry_after=(read_retry_after(headers) or _retry_delay(body)) if retryable else None,
    )
    error.status, error.names, error.param, error.words = status, names, param, words
    return error


def _class_of(
    status: int, names: str, words: str, *, retry_delay: float | None
) -> tuple[str, bool]:
    """Class of an error, and whether another attempt may succeed."""
    if 300 <= status < 400:
        return f"http_{status}", False
    if re.search(FILTER_NAMES, names) or (
        status in (400, 403, 422, 451) and re.search(FILTER_WORDS, words)
    ):
        return "content_filter", False
    if status != 429 and not 401 <= status <= 404:
        # Servers say it with 400, 413, 422 and, in the middle of a text, 500.
        if re.search(CONTEXT_NAMES, names) or re.search(CONTEXT_WORDS, words):
            return "context_length", False
    if status == 402:
        return "quota", False
    if status in (400, 403, 429) and (
        re.search(QUOTA_NAMES, names) or re.search(QUOTA_WORDS, words)
    ):
        if retry_delay is None:  # Gemini speaks of quotas where it means a rate
            return "quota", False
        return "http_429", True
    if re.search(MODEL_NAMES, names) or status == 404:
        return "not_found", False
    if status == 401 or (status in (400, 403) and re.search(AUTH_NAMES, names)):
        return "auth", False
    if status == 403:
        return ("http_429", True) if re.search(BUSY_NAMES, names) else ("auth", False)
    if status == 413:
        return "too_large", False
    if re.search(BUSY_NAMES, names) and status not in RETRYABLE_STATUS:
        return "http_429", True  # Bedrock's ThrottlingException is a 400
    return f"http_{status}", status in RETRYABLE_STATUS


def speaks_of_a_key(error: Refused) -> bool:
    """Whether a refusal of the kind ``auth`` is about a key, and not about a region, say."""
    silent = error.words.startswith("HTTP ") and not error.names
    return (
        error.status == 401 or silent or bool(re.search(AUTH_WORDS, f"{error.names} {error.words}"))
    )


def refused_field(error: CallError, fields: Mapping[str, re.Pattern[str]]) -> str | None:
    """Which field of a request a server refuses to take.

    Args:
        error: as it came.
        fields: the fields that were sent, and how servers speak of each.

    Returns:
        The field's name, or None where the refusal is about something else.
    """
    words = error.words if isinstance(error, Refused) else str(error)
    names = error.names if isinstance(error, Refused) else ""
    param = error.param if isinstance(error, Refused) else ""
    status = error.status if isinstance(error, Refused) else _status_of(error)
    if status not in REFUSED_STATUS or error.kind in ("content_filter", "context_length", "quota"):
        return None
    for name, pattern in fields.items():
        if param and (param == name or pattern.fullmatch(param)):
            if re.search(REFUSED_WORDS, f"{names} {words}") or status != 500:
                return name
    if not re.search(REFUSED_WORDS, f"{names} {words}"):
        return None
    # The field that is named first: a hint may name others ("use max_completion_tokens").
    hits = [(hit.start(), name) for name, p in fields.items() if (hit := p.search(words))]
    return min(hits)[1] if hits else None


def _status_of(error: CallError) -> int:
    found = re.fullmatch(r"http_(\d{3})", error.kind)
    return int(found[1]) if found else 0


# --- How large is the context? -----------------------------------------------------------

_N = r"\W{0,3}(\d[\d,_]{0,11})"
_LIMITS: tuple[tuple[str, str], ...] = (
    # what the number is, where it stands
    ("context", rf"exceed context limit: [\d,]+ \+ [\d,]+ >{_N}"),  # Anthropic
    ("context", rf"(?:maximum|max\.?|available|model'?s?) context (?:length|size|window)"
                rf"(?: of this model)?(?: is| of|:| \()?{_N}"),  # vLLM, OpenAI, llama.cpp
    ("context", rf"max_model_len(?:gth)?(?: is|=|:| of)?{_N}"),  # vLLM: max_tokens cannot …
    ("context", rf"context (?:length|limit|window|size)(?: of| is|:|=| \()?(?: of)?{_N}"),
    ("context", rf"max_new_tokens`? must be <={_N}"),  # TGI
    ("context", rf"\d tokens? >{_N} maximum"),  # Anthropic: prompt is too long
    ("context", rf"limited to{_N} tokens|limit of{_N} tokens"),
    ("context", rf"n_ctx{_N}"),
    ("sum", rf"(?:you |)requested (?:a total of |about ){_N} tokens"),
    ("sum", rf"requested{_N} tokens"),  # vLLM, OpenAI: prompt and answer together
    ("prompt", rf"{_N} (?:tokens )?(?:in|from|of) (?:the |your )?(?:messages|prompt|input)"),
    ("prompt", rf"Given:{_N} `?inputs`? tokens"),  # TGI
    ("prompt", rf"request \({_N} tokens\) exceeds"),  # llama.cpp
    ("prompt", rf"(?:input|prompt)(?: has| contains| is too long:| length is|:| of){_N} tokens"),
    ("prompt", rf"exceed context limit:{_N} \+"),  # Anthropic: prompt + max_tokens > limit
    ("prompt", rf"your (?:request|prompt|messages?) (?:has|contains|resulted in){_N}"),
    ("prompt", rf"{_N} of text input"),  # OpenRouter
    ("prompt", rf"input \({_N} tokens\) is longer"),  # SGLang
    ("prompt", rf"requested tokens \({_N}\) exceed"),  # llama-cpp-python
    ("prompt", rf"has{_N} input tokens"),  # vLLM: your request has N input tokens
    ("answer", rf"at most{_N} (?:completion|output) tokens"),  # OpenAI
    ("answer", rf"max_tokens\W+\d+ >{_N}, which is the maximum"),  # Anthropic
    ("answer", rf"max_(?:completion_|output_)?tokens`?\W.{{0,60}}less than or equal to{_N}"),
    ("answer", rf"max_(?:completion_|output_)?tokens\b.{{0,60}}\[\s*1\s*,{_N}\s*\]"),  # DeepSeek
    ("answer", rf"max_(?:completion_|output_)?tokens\b.{{0,40}}must be (?:<=|at most){_N}"),
    ("answer", rf"max(?:imum)? (?:allowed )?(?:number of )?(?:output|completion) tokens"
               rf"(?: is| of|:)?{_N}"),
)  # fmt: skip


def read_limit(error: CallError, asked: int | None) -> Limit:
    """What a refusal says of the context, the prompt and the longest answer.

    Args:
        error: as it came.
        asked: max_tokens of the request, to tell the prompt from a sum of both.
    """
    words = error.words if isinstance(error, Refused) else str(error)
    found: dict[str, int] = {}
    for what, pattern in _LIMITS:
        if what in found or (hit := re.search(pattern, words, re.IGNORECASE)) is None:
            continue
        digits = next(group for group in hit.groups() if group is not None)
        found[what] = int(re.sub(r"[,_]", "", digits) or 0)
    prompt = found.get("prompt")
    if prompt is None and "sum" in found and asked is not None and found["sum"] > asked:
        prompt = found["sum"] - asked
    return Limit(found.get("context"), prompt, found.get("answer"))


# --- Words -------------------------------------------------------------------------------


def server_words(body: bytes, *own: str | None) -> str:
    """What a server said about an error: its message, one line, no more than 400 characters."""
    words = _words_of(_said(body), body, *own)
    return words if len(words) <= MESSAGE_CHARS else f"{words[:MESSAGE_CHARS]}…"


def _said(body: bytes) -> Any:
    try:
        return read_json(body)
    except NotJson:
        return None


def _words_of(said: Any, body: bytes, *own: str | None) -> str:
    if said is None:
        text = clean(body.decode("utf-8", "replace"), *own)[:4000]
        text = re.sub(r"(?s)<(script|style).*?</\1>|<[^>]*>", " ", text)
    else:
        found = said[0] if isinstance(said, list) and said else said
        for name in ("error", "message", "detail", "msg", "error_msg"):
            if isinstance(found, Mapping) and found.get(name):
                found = found[name]
        text = found if isinstance(found, str) else _json(found)
        raw = _dig(said, "error", "metadata", "raw")  # OpenRouter: the provider's own words
        if isinstance(raw, str) and raw not in text:
            text = f"{text}: {raw}"
    text = clean(text, *own)[:4000]  # what may be said is short; the rest is never read
    return one_line(text, limit=2000)


def _names_of(said: Any) -> tuple[str, str]:
    """Codes and types of an error, joined, and the request field that it names."""
    found = said[0] if isinstance(said, list) and said else said
    names: list[str] = []
    param = ""
    for _ in range(3):
        if not isinstance(found, Mapping):
            break
        for name in ("code", "type", "status", "error_type", "reason", "__type", "error_code"):
            value = found.get(name)
            if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
                names.append(str(value)[:100])
        inner = found.get("innererror")
        if isinstance(inner, Mapping) and isinstance(inner.get("code"), str):
            names.append(inner["code"])
        if isinstance(found.get("param"), str):
            param = found["param"]
        detail = found.get("detail")
        if isinstance(detail, list) and detail and isinstance(detail[0], Mapping):  # FastAPI
            place = detail[0].get("loc")
            if isinstance(place, list) and place:
                param = str(place[-1] if place[0] != "body" or len(place) < 2 else place[1])
            names.append(str(detail[0].get("type") or ""))
        found = found.get("error")
    return " ".join(names), param


def _dig(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _json(value: Any) -> str:
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


# --- When to come back -------------------------------------------------------------------


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
            from email.utils import parsedate_to_datetime

            seconds = parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _retry_delay(body: bytes) -> float | None:
    """Seconds in a body that says them itself (Gemini's RetryInfo)."""
    found = re.search(rb'"retryDelay"\s*:\s*"(\d{1,6}(?:\.\d{1,9})?)s"', body[:20_000])
    return float(found[1]) if found else None
