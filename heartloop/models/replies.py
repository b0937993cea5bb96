"""Reading replies of OpenAI-compatible servers into our types: nothing in one can do harm.

Whatever stands beside an answer (token counts, log-probabilities, further fields), the answer is
kept; an odd count is estimated, an odd log-probability is none. The vocabularies are tables in
``models.vocabulary``, thinking within a text is ``heartloop.thinking``, refusals are
``models.refusals``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import orjson

from heartloop.errors import CallError
from heartloop.models.lenient import whole_text
from heartloop.models.refusals import error_of
from heartloop.models.vocabulary import (
    FAILED,
    REASONING_FIELDS,
    USAGE_DETAILS,
    USAGE_FIELDS,
    USAGE_PLACES,
    finish_of,
)
from heartloop.secrets import one_line
from heartloop.thinking import split_thinking
from heartloop.types import AT_CAP, Completion, Message, Usage

CHARS_PER_TOKEN = 4
_REASONING = frozenset(REASONING_FIELDS)
SANE_TOKENS = 1_000_000  # of one call; a higher count is a mistake of who counted


def read_chat(reply: Any, messages: Sequence[Message]) -> Completion:
    """The first choice of a chat completion; raises as ``read_choices``."""
    return read_choices(reply, messages)[0]


def read_choices(
    reply: Any,
    messages: Sequence[Message],
    started: float = 0.0,
    finished: float = 0.0,
    endpoint: str = "",
    *,
    asked: int = 1,
    max_tokens: int | None = None,
    served: str = "",
    sent: Mapping[str, Any] | None = None,
) -> list[Completion]:
    """The choices of a chat or text completion that were asked for, by their index.

    The prompt's tokens are booked on the first choice; the completion's are divided by length.

    Args:
        reply: parsed.
        messages: of the request; the prompt is estimated from them where it was not counted.
        started: Unix seconds.
        finished: Unix seconds.
        endpoint: the server that answered.
        asked: choices asked for; what a server gives beyond them is paid, but not kept.
        max_tokens: as sent, to notice an answer that was probably cut.
        served: the model that the reply names.
        sent: what was asked otherwise than planned.

    Raises:
        CallError: ``bad_response``: not a completion (retryable); ``aborted``: the text broke off
            at the server (retryable); or the error that the reply, or a choice, carries. Its
            ``usage`` is what was paid all the same.
    """
    try:
        return _read(reply, messages, started, finished, endpoint, asked, max_tokens, served, sent)
    except CallError:
        raise
    except Exception as error:  # whatever a server says, it is the end of its own call alone
        words = one_line(f"{type(error).__name__}: {error}", limit=200)
        raise CallError(f"the reply cannot be read ({words})", kind="bad_response") from error


@dataclass(slots=True)
class _Choice:
    text: str
    reasoning: str | None
    finish: str
    logprob: float | None
    tokens: int

    @property
    def length(self) -> int:
        return len(self.text) + len(self.reasoning or "")


def _read(
    reply: Any,
    messages: Sequence[Message],
    started: float,
    finished: float,
    endpoint: str,
    asked: int,
    max_tokens: int | None,
    served: str,
    sent: Mapping[str, Any] | None,
) -> list[Completion]:
    if not isinstance(reply, dict):
        raise _bad("the reply is not a JSON object", reply)
    choices = reply.get("choices")
    _raise_carried(reply, has_choices=bool(choices))
    if not isinstance(choices, list) or not choices:
        raise _bad("the reply has no choices", reply)
    usage, estimated = read_usage(reply)
    for choice in choices:
        _raise_failed(choice, usage if not estimated else None)
    read = [_read_choice(choice) for choice in _sorted(choices)[: max(1, asked)]]
    spoken = sum(choice.length for choice in read)
    if estimated or (spoken and not usage.completion):
        estimated, usage = True, _estimate(usage, messages, spoken)
    shares = [usage] if len(read) == 1 else _share(usage, [choice.length for choice in read])
    completions = []
    for choice, share in zip(read, shares, strict=True):
        if choice.reasoning and not share.reasoning and share.completion:
            # Servers that show thinking without counting it: its share of the characters.
            part = len(choice.reasoning) / choice.length
            share = replace(share, reasoning=round(share.completion * part))
        finish = choice.finish
        if finish == "stop" and not estimated and len(read) == 1 and max_tokens is not None:
            if share.completion >= max_tokens > 1:
                finish = AT_CAP
        completions.append(
            Completion(
                text=choice.text,
                finish_reason=finish,
                usage=share,
                reasoning=choice.reasoning,
                logprob=choice.logprob,
                logprob_tokens=choice.tokens,
                estimated=estimated,
                started=started,
                finished=finished,
                endpoint=endpoint,
                served=served,
                sent=sent,
            )
        )
    return completions


def served_name(reply: Any) -> str:
    """The model that a reply says it is from; empty where it does not."""
    name = reply.get("model") if isinstance(reply, dict) else None
    return one_line(name, limit=200) if isinstance(name, str) else ""


# --- Errors within a reply of status 200 --------------------------------------------------


def _raise_carried(reply: Mapping[str, Any], *, has_choices: bool) -> None:
    """Raise the error that a reply carries in place of, or beside, its choices."""
    error = reply.get("error")
    if not error or (isinstance(error, dict) and error.get("code") in (0, "0", 200)):
        if has_choices:
            return
        base = reply.get("base_resp")  # MiniMax
        words = reply.get("message") or reply.get("detail") or reply.get("msg")
        if isinstance(base, dict) and base.get("status_code"):
            error = base.get("status_msg") or "an error without words"
        elif isinstance(words, str) and words:
            error = {"message": words, "code": reply.get("code"), "type": reply.get("type")}
        else:
            return
    raise error_of(_code_of(error), orjson.dumps({"error": _plain(error)}))


def _raise_failed(choice: Any, usage: Usage | None) -> None:
    """Raise where a choice says that it failed, whatever text there is."""
    if not isinstance(choice, dict):
        return
    error = choice.get("error")
    if error:
        problem: CallError = error_of(_code_of(error), orjson.dumps({"error": _plain(error)}))
    elif finish_of(choice.get("finish_reason")) == FAILED:
        reason = one_line(str(choice.get("finish_reason")), limit=60)
        problem = CallError(
            f"the server ended the answer with {reason!r}", kind="aborted", retryable=True
        )
    else:
        return
    problem.usage = usage
    raise problem


def _code_of(error: Any) -> int:
    code = error.get("code") if isinstance(error, dict) else None
    code = int(code) if isinstance(code, str) and code.isdecimal() and len(code) == 3 else code
    return code if isinstance(code, int) and 400 <= code <= 599 else 500


def _plain(value: Any) -> Any:
    """The value as JSON can hold it."""
    return orjson.loads(orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS))


# --- Choices ------------------------------------------------------------------------------


def _sorted(choices: list[Any]) -> list[Any]:
    """By their index, where every choice has one of its own."""
    if len(choices) == 1:
        return choices
    indices = [choice.get("index") if isinstance(choice, dict) else None for choice in choices]
    numbers = [i for i in indices if isinstance(i, int) and not isinstance(i, bool)]
    if len(set(numbers)) != len(choices):
        return choices
    return [choice for _, choice in sorted(zip(numbers, choices, strict=True), key=lambda p: p[0])]


def _read_choice(choice: Any) -> _Choice:
    """Text, reasoning, finish reason and log-probability of one choice."""
    if isinstance(choice, str):
        choice = {"text": choice}
    if not isinstance(choice, dict):
        raise _bad("a choice is not a JSON object", choice)
    message = choice.get("message")
    if message is None and isinstance(choice.get("delta"), dict):
        message = choice["delta"]  # a chunk of a stream that is all there is
    finish = finish_of(choice.get("finish_reason"))
    thoughts: list[str] = []
    if isinstance(message, dict):
        text = text_of(message.get("content"), thoughts)
        if not _REASONING.isdisjoint(message):
            shown = next((w for f in REASONING_FIELDS if (w := _words(message.get(f))).strip()), "")
            if shown:
                thoughts.insert(0, shown)
        if not text.strip() and (refusal := _refusal_in(message)):
            text, finish = refusal, "content_filter"
    elif isinstance(message, str):
        text = message
    elif "text" in choice or "content" in choice:
        text = text_of(choice.get("text", choice.get("content")), thoughts)
    else:
        raise _bad("a choice has neither message nor text", choice)
    answer, inside, closed = split_thinking(text)
    if inside:
        thoughts.append(inside)
    if not closed:
        finish = "length"
    if thoughts:
        answer = answer.lstrip()  # what stands between thinking and answer belongs to neither
    reasoning = "\n".join(t.strip() for t in thoughts if t.strip()) or None
    mean, tokens = read_logprobs(choice.get("logprobs"))
    return _Choice(
        whole_text(answer), whole_text(reasoning) if reasoning else None, finish, mean, tokens
    )


def _refusal_in(message: Mapping[str, Any]) -> str:
    """The words in which a model refuses, in a field or a part of their own."""
    content = message.get("content")
    for part in (message, *(content if isinstance(content, list) else ())):
        refusal = part.get("refusal") if isinstance(part, dict) else None
        if isinstance(refusal, str) and refusal:
            return refusal
    return ""


def text_of(content: Any, thoughts: list[str]) -> str:
    """The text of a message's content, in whatever shape; parts of thinking go to ``thoughts``.

    Raises:
        CallError: kind ``bad_response``: there is no text to be had from it.
    """
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, (int, float)) and not isinstance(content, bool):
        return str(content)
    if isinstance(content, dict):
        kind = str(content.get("type") or "").lower()
        thinks = "think" in kind or "reason" in kind or content.get("thought") is True
        if thinks or (not kind and ("thinking" in content or "reasoning" in content)):
            thoughts.append(_words(content))
            return ""
        for field in ("text", "content", "parts", "value", "output_text"):
            if content.get(field) is not None:
                return text_of(content[field], thoughts)
        return ""
    if isinstance(content, list):
        return "".join(text_of(part, thoughts) for part in content)
    raise _bad("the message's content is neither text nor parts", content)


def _words(value: Any) -> str:
    """All words in a field of thinking, whatever its shape."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(words for item in value if (words := _words(item).strip()))
    if isinstance(value, dict):
        for field in ("text", "thinking", "reasoning", "summary", "content", "value"):
            if words := _words(value.get(field)):
                return words
    return ""


# --- Tokens and probabilities -------------------------------------------------------------


def read_usage(reply: Any) -> tuple[Usage, bool]:
    """Tokens as reported, and whether any has to be estimated: unreported, odd or absurd.

    What has to be estimated is 0 here.
    """
    usage: Mapping[str, Any] = {}
    for place in USAGE_PLACES if isinstance(reply, dict) else ():
        if isinstance(found := reply.get(place), dict) and found:
            usage = found
            break
    names = _fields_in(tuple(usage))
    known = [(usage, names)]
    for place in names["details"]:
        if isinstance(found := usage[place], dict):
            known.append((found, _fields_in(tuple(found))))

    def count(what: str) -> int | None:
        for fields, names in known:
            for name in names[what]:
                if fields[name] is not None:
                    return _tokens(fields[name])
        return None

    prompt, completion = count("prompt"), count("completion")
    reasoning, cached = count("reasoning") or 0, count("cached") or 0
    if completion is not None and reasoning > 0:
        total = _tokens(usage.get("total_tokens"))
        apart = prompt is not None and total == prompt + completion + reasoning
        if apart or reasoning > completion:  # xAI, Gemini: thinking is counted beside the answer
            completion += reasoning
    return (
        Usage(prompt or 0, completion or 0, reasoning, min(cached, prompt or 0)),
        not prompt or completion is None,
    )


@lru_cache(maxsize=64)
def _fields_in(usage: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The names of each count, and of details, that a usage has: a server does not vary them."""
    names = {**USAGE_FIELDS, "details": USAGE_DETAILS}
    return {what: tuple(name for name in among if name in usage) for what, among in names.items()}


def _tokens(value: Any) -> int | None:
    """A count of tokens, or None where it is none."""
    if type(value) is int and 0 <= value <= SANE_TOKENS:
        return value
    if isinstance(value, str) and len(value) < 20:
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if 0 <= value <= SANE_TOKENS else None


def _estimate(usage: Usage, messages: Sequence[Message], spoken: int) -> Usage:
    """The usage with what was not reported counted from characters."""
    prompt = sum(len(message.content) for message in messages)
    return Usage(
        usage.prompt or -(-prompt // CHARS_PER_TOKEN),
        usage.completion or -(-spoken // CHARS_PER_TOKEN),
        usage.reasoning,
        usage.cached,
    )


def read_logprobs(logprobs: Any) -> tuple[float | None, int]:
    """Mean log-probability a token (nats) and the number of tokens, in either API's form."""
    if not isinstance(logprobs, dict):
        return None, 0
    entries = logprobs.get("content")
    if isinstance(entries, list):
        values = [entry.get("logprob") for entry in entries if isinstance(entry, dict)]
    else:
        listed = logprobs.get("token_logprobs")
        values = listed if isinstance(listed, list) else []
    numbers = [
        float(value)
        for value in values
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value <= 0.001
    ]
    numbers = [number for number in numbers if math.isfinite(number)]
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


def _bad(what: str, said: Any = None) -> CallError:
    """A reply that is no completion; the message quotes what came instead."""
    words = ""
    if said is not None:
        words = ": " + one_line(orjson.dumps(_plain(said)).decode(), limit=200)
    return CallError(what + words, kind="bad_response", retryable=True)
