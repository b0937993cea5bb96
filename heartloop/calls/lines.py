"""The lines of a journal, good ones and damaged ones: one reader for opening, state and repair."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from heartloop.calls.index import Index
from heartloop.calls.records import problem_of

BOM = b"\xef\xbb\xbf"
WHAT_FAULT = "not a call record"


class Line(NamedTuple):
    """One line of a journal that is not blank.

    Attributes:
        number: 1-based; offset, size: of the record in the file, in bytes, its newline included.
        record: the call, or None where the line is damaged.
        fault: what is wrong with a damaged line.
        torn: a damaged last line without its newline: a write that a crash cut off.
    """

    number: int
    offset: int
    size: int
    record: dict[str, Any] | None
    fault: str = ""
    torn: bool = False


def read_lines(path: Path, size: int) -> Iterator[Line]:
    """Every line up to a size; blank lines and a byte order mark are no damage and left out.

    A last record that has only lost its newline is whole.
    """
    offset = 0
    with open(path, "rb") as file:
        for number, raw in enumerate(file, start=1):
            begin, raw = offset, raw[: size - offset]
            if not raw:
                return
            offset += len(raw)
            if number == 1 and raw.startswith(BOM):
                begin, raw = begin + len(BOM), raw[len(BOM) :]
            if raw.isspace():
                continue
            record, fault = read_record(raw)
            torn = record is None and not raw.endswith(b"\n")
            yield Line(number, begin, len(raw), record, fault, torn)


def read_record(raw: bytes) -> tuple[dict[str, Any] | None, str]:
    """A record from one line, or None and what is wrong with it."""
    try:
        record = orjson.loads(raw)
    except ValueError as error:
        return None, f"{WHAT_FAULT} ({str(error).split(':')[0]})"
    fault = problem_of(record)
    return (None, fault) if fault else (record, "")


@dataclass(frozen=True, slots=True)
class Scan:
    """What stands in a journal.

    Attributes:
        answered: keys of the answered calls.
        damaged: numbers of damaged lines, a torn last one left out.
        torn: whether the last line was cut off by a crash.
    """

    answered: Index
    damaged: tuple[int, ...]
    torn: bool


def scan(path: Path, each: Callable[[dict[str, Any]], None] | None = None) -> Scan:
    """Read a whole journal once without opening it for writing; an absent one is empty.

    Args:
        path: the journal.
        each: is handed every good record on the way.

    Raises:
        OSError: it cannot be read.
    """
    answered = Index()
    damaged: list[int] = []
    torn = False
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return Scan(answered, (), False)
    for line in read_lines(path, size):
        if line.record is None:
            torn = line.torn
            if not line.torn:
                damaged.append(line.number)
            continue
        if each is not None:
            each(line.record)
        if not line.record["error"]:
            answered[bytes.fromhex(line.record["key"])] = 1
    return Scan(answered, tuple(damaged), torn)
