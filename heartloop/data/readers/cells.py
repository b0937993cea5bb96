"""Cells as people and published sets write them: golds, and conversations."""

from __future__ import annotations

import json
import re
from typing import Any

from heartloop.data.rows import Row
from heartloop.types import Message, Role

_WORKED = re.compile(r"(?s).*^####[ \t]*(\S.*?)\s*\Z", re.MULTILINE)
_SENTENCE = 3  # words before a box that make it the end of a worked solution
_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "model": "assistant",
    "gpt": "assistant",
}


def golds(row: Row, field: str) -> tuple[str, ...]:
    """The accepted answers of a cell, best first.

    A text or number; a list of accepted ones (in a CSV: a JSON list of texts), whose inner lists
    are answers of several parts; ``{text: …}``, ``{spans: …}`` or ``{value: …, aliases: …}``. Of
    a worked solution that ends in a line ``#### N`` only N is the answer (as GSM8K has it), of one
    that boxes its result in a sentence the last box (as MATH has it).

    Raises:
        DataError: absent, empty, or of another shape.
    """
    value = row.data.get(field)
    if value is None:
        row.text(field)  # says which columns there are
    if isinstance(value, str) and value.lstrip().startswith('["'):
        listed = _json_texts(value)
        value = value if listed is None else listed
    found = [_bare(text) for text in _accepted(row, field, value) if text.strip()]
    if not found:
        raise row.error(field, "is empty; fill it in or drop the row")
    return tuple(dict.fromkeys(found))


def is_worked(row: Row, field: str) -> bool:
    """Whether a cell is a worked solution with its answer behind ``####`` or in a box."""
    value = row.data.get(field)
    return isinstance(value, str) and _bare(value) != value


def _bare(text: str) -> str:
    found = _WORKED.match(text)
    if found:
        return found[1]
    at = text.rfind("\\boxed{")
    if at < 0 or len(text[:at].split()) < _SENTENCE:
        return text
    depth = 0
    for end, letter in enumerate(text[at:], at):
        depth += (letter == "{") - (letter == "}")
        if letter == "}" and not depth:
            return text[at + len("\\boxed{") : end].strip() or text
    return text


def _json_texts(text: str) -> list[str] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    good = isinstance(found, list) and all(isinstance(item, str) for item in found)
    return found if good else None


def _accepted(row: Row, field: str, value: Any) -> list[str]:
    if isinstance(value, dict):
        for name in ("text", "spans", "value", "answer"):
            if value.get(name):
                further = value.get("aliases")
                own = _accepted(row, field, value[name])
                return own + (_accepted(row, field, further) if further else [])
        if value.get("number"):  # DROP: a number, a span or a date
            return [str(value["number"])]
        raise row.error(field, "is an object without text, spans or value; give a text or a list")
    if isinstance(value, (list, tuple)):
        return [_whole(row, field, item) for item in value]
    return [_whole(row, field, value)]


def _whole(row: Row, field: str, value: Any) -> str:
    """One accepted answer; an answer of several parts is their list."""
    if isinstance(value, (list, tuple)):
        return ", ".join(_whole(row, field, item) for item in value)
    if isinstance(value, dict):
        return ", ".join(_accepted(row, field, value))
    if isinstance(value, bool):
        return "True" if value else "False"
    if not isinstance(value, (str, int, float)):
        raise row.error(field, f"must be text or a list of texts, holds {type(value).__name__}")
    return str(value)


def conversation(row: Row, field: str) -> tuple[str | None, tuple[Message, ...], str, str | None]:
    """A cell of chat turns: ``[{role, content}, …]``, or ``[{from, value}, …]``.

    Returns:
        (system message or None, the turns before the last of the user, the user's last text, the
        assistant's text behind it or None).

    Raises:
        DataError: no list of turns, an unknown role, no user's turn, or a picture in one.
    """
    value = row.data.get(field)
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise row.error(field, f"is no JSON list of turns ({error})") from error
    if not isinstance(value, list) or not value:
        raise row.error(field, "must be a list of turns with role and content")
    turns = [_turn(row, f"{field}[{i}]", turn) for i, turn in enumerate(value)]
    system = [turn.content for turn in turns if turn.role == "system"]
    said = [turn for turn in turns if turn.role != "system"]
    last = None
    if said and said[-1].role == "assistant":
        last = said.pop().content
    if not said or said[-1].role != "user" or not said[-1].content.strip():
        raise row.error(field, "does not end in a turn of the user; nothing is asked")
    return "\n\n".join(system) or None, tuple(said[:-1]), said[-1].content, last


def _turn(row: Row, where: str, turn: Any) -> Message:
    if not isinstance(turn, dict):
        raise row.error(where, "must be an object with role and content")
    named = str(turn.get("role", turn.get("from", ""))).casefold()
    if named not in _ROLES:
        raise row.error(f"{where}.role", f"{named!r}: expected system, user or assistant")
    content = turn.get("content", turn.get("value"))
    if isinstance(content, list):
        texts = []
        for part in content:
            kind = part.get("type") if isinstance(part, dict) else None
            if kind != "text" or not isinstance(part.get("text"), str):
                raise row.error(
                    f"{where}.content",
                    f"holds a part of type {kind or type(part).__name__} (a picture or sound?), "
                    "which heartloop cannot send; leave texts only",
                )
            texts.append(part["text"])
        content = "\n".join(texts)
    if not isinstance(content, str):
        raise row.error(f"{where}.content", "must be text")
    if turn.get("tool_calls") or named == "tool":
        raise row.error(where, "calls a tool, which heartloop cannot do; leave texts only")
    return Message(_ROLES[named], content)
