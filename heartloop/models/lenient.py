"""JSON as servers really send it: strict first, then with patience, before anything is lost."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

import orjson

LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_EVENT = re.compile(r"(?m)^\s*(?:data|event|id|retry):|^\s*:")


class NotJson(ValueError):
    """The body is no JSON, however leniently it is read; the message says what it seems to be."""


def read_json(body: bytes, charset: str | None = None) -> Any:
    """The value in a body.

    Strict JSON first. Then: a byte order mark, bytes that are no UTF-8 (U+FFFD), raw control
    characters in strings, halves of surrogate pairs (U+FFFD), NaN and infinities (None), numbers
    of any length (float), comments and blank lines before the value, text after it, and a body of
    server-sent events or JSON lines (joined to one reply), and at last commas and backslashes too
    many.

    Args:
        body: as it came.
        charset: that the server says it is in; looked at only where it is no UTF-8.

    Raises:
        NotJson: there is no value to be had.
    """
    try:
        return _unwrapped(orjson.loads(body))
    except ValueError:
        pass  # it is read with patience
    if not body.strip():
        raise NotJson("the reply is empty")
    text = _decoded(body, charset).lstrip("\ufeff").strip("\x00 \t\r\n")
    if text.startswith("<"):
        raise NotJson("a web page, not a reply of the API")
    if _EVENT.match(text):
        events = list(_events(text))
        if any("choices" in event or "error" in event for event in events):
            return join_events(events, done="[DONE]" in text[-200:])
        text = re.sub(r"(?m)\A(?:\s*:.*\n|\s*\n)+", "", text)
    try:
        value, end = _decode(text)
    except (ValueError, RecursionError):
        try:
            value, end = _decode(mended := _mended(text))
        except (ValueError, RecursionError):
            raise NotJson("the reply is not valid JSON") from None
        text = mended
    rest = text[end:].strip()
    if rest.startswith("{") and isinstance(value, dict) and _is_chunk(value):
        lines = [value, *_lines(rest)]
        return join_events(lines, done=True)
    return _unwrapped(value)


def _decoded(body: bytes, charset: str | None) -> str:
    encoding = json.detect_encoding(body)
    try:
        return body.decode(encoding)
    except UnicodeDecodeError:
        try:
            if charset and codecs.lookup(charset).name != "utf-8":
                return body.decode(charset, "replace")
        except LookupError:
            pass
        return body.decode(encoding, "replace")


def _mended(text: str) -> str:
    """The text without commas before a closing bracket and with bare backslashes doubled."""
    text = re.sub(r'\\(["\\/bfnrtu])|\\', lambda m: m[0] if m[1] else "\\\\", text)
    return re.sub(r",(\s*[}\]])", r"\1", text)


def _unwrapped(value: Any) -> Any:
    """The value in a text of JSON, or of a list of chunks, as some gateways send it."""
    if (
        isinstance(value, list)
        and value
        and all(isinstance(v, dict) and _is_chunk(v) for v in value)
    ):
        return join_events(value, done=True)
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            return _decode(value.strip())[0]
        except (ValueError, RecursionError):
            pass
    return value


def join_events(events: list[dict[str, Any]], *, done: bool) -> dict[str, Any]:
    """Chunks of a stream as the one reply they are parts of; ``streamed`` marks it.

    Args:
        events: in order.
        done: the stream said that it was over; without that, and without a finish reason, it
            broke off, and the finish reason is ``abort``.
    """
    reply: dict[str, Any] = {"streamed": True}
    choices: dict[int, dict[str, Any]] = {}
    for event in events:
        for name in ("usage", "model", "error", "timings"):
            if event.get(name):
                reply[name] = event[name]
        listed = event.get("choices")
        for choice in listed if isinstance(listed, list) else ():
            if not isinstance(choice, dict):
                continue
            index = choice.get("index")
            index = index if isinstance(index, int) else 0
            whole = choices.setdefault(
                index, {"index": index, "message": {}, "finish_reason": None}
            )
            part = choice.get("delta") or choice.get("message") or choice
            for name, value in part.items() if isinstance(part, dict) else ():
                name = "content" if name == "text" else name
                if name in ("index", "finish_reason", "logprobs"):
                    continue
                message = whole["message"]
                if isinstance(value, str) and isinstance(message.get(name, ""), str):
                    message[name] = message.get(name, "") + value
                elif isinstance(value, list) and isinstance(message.get(name, []), list):
                    message[name] = message.get(name, []) + value
            if choice.get("finish_reason"):
                whole["finish_reason"] = choice["finish_reason"]
            if choice.get("error"):
                whole["error"] = choice["error"]
    for whole in choices.values():
        if whole["finish_reason"] is None and not done:
            whole["finish_reason"] = "abort"
    reply["choices"] = [choices[index] for index in sorted(choices)]
    return reply


def whole_text(text: str) -> str:
    """The text with halves of surrogate pairs, which no file can hold, as U+FFFD."""
    return text if text.isascii() else LONE_SURROGATE.sub("\ufffd", text)


def _decode(text: str) -> tuple[Any, int]:
    decoder = json.JSONDecoder(strict=False, parse_constant=lambda _: None, parse_int=_number)
    value, end = decoder.raw_decode(text)
    return _whole(value), end


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) < 19 else float(digits[:400])


def _whole(value: Any) -> Any:
    """The value with every text written out whole."""
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {whole_text(name): _whole(item) for name, item in value.items()}
    return value


def _events(text: str) -> Iterator[dict[str, Any]]:
    for block in re.split(r"\r?\n\r?\n|\r?\n(?=\s*data:)", text):
        lines = [line.lstrip()[5:].lstrip() for line in block.splitlines()
                 if line.lstrip().startswith("data:")]  # fmt: skip
        yield from _values("\n".join(lines))


def _lines(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        yield from _values(line)


def _values(text: str) -> Iterator[dict[str, Any]]:
    try:
        value, _ = _decode(text.strip())
    except (ValueError, RecursionError):
        return
    if isinstance(value, dict):
        yield value


def _is_chunk(value: dict[str, Any]) -> bool:
    choices = value.get("choices")
    return isinstance(choices, list) and any(
        isinstance(choice, dict) and "delta" in choice for choice in choices
    )
