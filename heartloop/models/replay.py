"""Recorded outputs as a model: ``replay/FILE.jsonl``; what was not recorded is an error."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from heartloop.errors import CallError, UsageError
from heartloop.models.options import ModelOptions, RequestSeeds
from heartloop.models.vocabulary import FAILED, finish_of
from heartloop.thinking import split_thinking
from heartloop.types import Completion, Request, Usage

FIELDS = ("id", "index", "round", "draw", "text")
CHARS_PER_TOKEN = 4


class ReplayModel:
    """Answers from a file of lines ``{id | index, round = 0, draw = 0, text}``.

    A line is found by the question's ``id`` (compared as text); lines without one are found by
    their ``index`` through ``questions``, which the runner may set to map ids to rows.
    ``finish_reason``, ``reasoning`` and ``usage`` are taken over where a line has them; tokens are
    counted from characters where it does not.
    """

    request_seeds: RequestSeeds = "off"

    def __init__(self, spec: str, file: str, options: ModelOptions) -> None:
        """Index the file by question, round and draw.

        Raises:
            UsageError: the file is missing, a line is no object, or a field is wrong.
        """
        self.name = spec
        self.path = Path(file).expanduser()
        self.rows: Mapping[str, int] = {}
        unknown = set(options.replay_fields) - set(FIELDS)
        if unknown:
            raise UsageError(f"replay field {sorted(unknown)[0]!r}: not one of {', '.join(FIELDS)}")
        self._names = {field: options.replay_fields.get(field, field) for field in FIELDS}
        self._offsets: dict[tuple[str, int, int], int] = {}
        self._by_row: dict[tuple[int, int, int], int] = {}
        self._load()

    async def complete(self, request: Request) -> Completion:
        """The recorded output for the request's address.

        Raises:
            CallError: kind ``no_recording``: there is none.
        """
        address = request.address
        offset = self._offsets.get((address.question, address.round, address.draw))
        if offset is None:
            row = self.rows.get(address.question)
            if row is None and address.question.isdigit() and not self._offsets:
                row = int(address.question)
            if row is not None:
                offset = self._by_row.get((row, address.round, address.draw))
        if offset is None:
            raise CallError(
                f"{self.path}: no recording for question {address.question}, "
                f"round {address.round}, draw {address.draw}",
                kind="no_recording",
            )
        with open(self.path, "rb") as file:
            file.seek(offset)
            record = orjson.loads(file.readline())
        text = record[self._names["text"]]
        reasoning = record.get("reasoning")
        finish = finish_of(record.get("finish_reason") or "stop")
        if finish == FAILED:
            raise CallError(
                f"{self.path}: the recorded answer was aborted ({record['finish_reason']})",
                kind="aborted",
            )
        if reasoning is None:
            text, reasoning, closed = split_thinking(text)
            finish = finish if closed else "length"
        usage, estimated = _usage(record.get("usage"), request, text + (reasoning or ""))
        return Completion(
            text=text,
            finish_reason=finish,
            usage=usage,
            reasoning=reasoning,
            estimated=estimated,
            endpoint=str(self.path),
        )

    async def close(self) -> None:
        """Nothing is held open."""

    def _load(self) -> None:
        try:
            file = open(self.path, "rb")
        except OSError as error:
            raise UsageError(f"--model {self.name}: {self.path}: {error.strerror}") from error
        offset = 0
        with file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    self._index(line, number, offset)
                offset += len(line)
        if not self._offsets and not self._by_row:
            raise UsageError(f"{self.path}: holds no recordings")

    def _index(self, line: bytes, number: int, offset: int) -> None:
        where = f"{self.path}:{number}"
        names = self._names
        try:
            record = orjson.loads(line)
        except ValueError as error:
            raise UsageError(f"{where}: not JSON ({error})") from error
        if not isinstance(record, dict):
            raise UsageError(f"{where}: not a JSON object")
        if not isinstance(record.get(names["text"]), str):
            raise UsageError(
                f"{where}: {names['text']}: must be the recorded text; if it stands under another "
                "name, say so with --replay-field text=NAME"
            )
        place = []
        for field in ("round", "draw"):
            value = record.get(names[field], 0)
            if type(value) is not int or value < 0:
                raise UsageError(f"{where}: {names[field]}: must be a whole number from 0")
            place.append(value)
        if record.get(names["id"]) is not None:
            key: tuple[Any, int, int] = (str(record[names["id"]]), place[0], place[1])
            known: dict[Any, int] = self._offsets
        elif type(record.get(names["index"])) is int:
            key = (record[names["index"]], place[0], place[1])
            known = self._by_row
        else:
            raise UsageError(
                f"{where}: needs {names['id']} (the question's id) or {names['index']} (its row); "
                "other names are given with --replay-field id=NAME"
            )
        if key in known:
            raise UsageError(
                f"{where}: question {key[0]}, round {key[1]}, draw {key[2]} is recorded twice"
            )
        known[key] = offset


def _usage(reported: Any, request: Request, output: str) -> tuple[Usage, bool]:
    """Tokens as recorded, else counted from characters."""
    if isinstance(reported, Mapping):
        return (
            Usage(
                int(reported.get("prompt", reported.get("prompt_tokens")) or 0),
                int(reported.get("completion", reported.get("completion_tokens")) or 0),
                int(reported.get("reasoning") or 0),
                int(reported.get("cached") or 0),
            ),
            False,
        )
    chars = sum(len(message.content) for message in request.messages)
    return Usage(-(-chars // CHARS_PER_TOKEN), -(-len(output) // CHARS_PER_TOKEN)), True
