"""Rows of data files, whose errors name file, line and field."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from heartloop.data.files import decoded, long_numbers, read_table
from heartloop.errors import DataError

_MISSING: Any = object()


class Row:
    """One record of a data set and the place it came from.

    Attributes:
        data: the record as plain data.
        number: 0-based position in its file.
    """

    __slots__ = ("_where", "data", "number")

    def __init__(self, data: Mapping[str, Any], where: str | tuple[Path, Any], number: int) -> None:
        self.data = data
        self._where = where
        self.number = number

    @property
    def where(self) -> str:
        """``FILE:LINE`` or ``FILE: examples[KEY]``, for errors."""
        at = self._where
        return at if isinstance(at, str) else f"{at[0]}: examples[{at[1]}]"

    def error(self, field: str, problem: str) -> DataError:
        """A DataError at one field; ``problem`` says what is wrong and how to mend it."""
        return DataError(f"{self.where}: {field}: {problem}")

    def text(self, field: str, default: Any = _MISSING) -> Any:
        """A text; numbers are written out, absent or null gives ``default``.

        Raises:
            DataError: the field is missing without a default, or is no text or number.
        """
        value = self.data.get(field)
        if type(value) is str:  # nearly always
            return value
        if value is None:
            if default is _MISSING and field in self.data:
                raise self.error(field, "is empty; fill it in or drop the row")
            if default is _MISSING:
                known = ", ".join(str(key) for key in list(self.data)[:8]) or "nothing"
                raise self.error(field, f"is missing; the row has {known}")
            return default
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise self.error(field, f"must be text, got {type(value).__name__}; write it in quotes")
        return str(value)

    def filled(self, field: str) -> str:
        """A text that is not blank.

        Raises:
            DataError: the field is missing or blank.
        """
        value: str = self.text(field)
        if not value.strip():
            raise self.error(field, "is empty; fill it in or drop the row")
        return value

    def texts(self, field: str, default: Any = _MISSING) -> tuple[str, ...]:
        """A list of texts; a single text is a list of one.

        Raises:
            DataError: the field is missing without a default, or holds something else.
        """
        value = self.data.get(field)
        if value is None and default is not _MISSING:
            return tuple(default)
        if not isinstance(value, (list, tuple)):
            return (self.text(field),)
        for item in value:
            if isinstance(item, bool) or not isinstance(item, (str, int, float)):
                raise self.error(field, f"must be a list of texts, holds {type(item).__name__}")
        return tuple(str(item) for item in value)


def read_text(path: Path) -> str:
    """A text file, without a byte-order mark.

    Raises:
        DataError: the file cannot be read, or its encoding is not known.
    """
    return decoded(path)[0]


def read_json(path: Path) -> Any:
    """A JSON file.

    Raises:
        DataError: not readable, or not JSON; names the line.
    """
    with contextlib.suppress(ValueError, OSError):  # json bears more (NaN), and names the line
        data = path.read_bytes()
        if not long_numbers(data):
            return orjson.loads(data)
    text = read_text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise DataError(f"{path}:{line}: not valid JSON ({error}); fetch the file again") from error


def read_rows(path: Path, layout: str) -> list[Row]:
    """The rows of a table; see `rows_and_notes`."""
    return rows_and_notes(path, layout)[0]


def rows_and_notes(path: Path, layout: str) -> tuple[list[Row], tuple[str, ...]]:
    """The rows of a table, and what was taken for granted in reading it.

    Args:
        path: the file.
        layout: ``jsonl`` (an object a line), ``csv`` (a header line), ``json`` (a list of
            objects, or an object that holds one under ``data``, ``rows`` or ``examples``) or
            ``parquet``.

    Raises:
        DataError: not readable in this layout, or without a single row; names file and line.
    """
    table = read_table(path, layout)
    rows = [Row(record, where, i) for i, (where, record) in enumerate(table.records)]
    return rows, table.notes


def example_rows(path: Path, root: Any = None) -> list[Row]:
    """The examples of a BIG-Bench-like JSON file, a list or a mapping under ``examples``.

    Args:
        path: the file.
        root: what it holds, where it was read already.

    Raises:
        DataError: no such list, or an example that is no object.
    """
    root = read_json(path) if root is None else root
    examples = root.get("examples") if isinstance(root, dict) else None
    if not isinstance(examples, (dict, list)):
        raise DataError(f"{path}: examples: is missing; this is no file in BIG-Bench layout")
    keys = list(examples) if isinstance(examples, dict) else range(len(examples))
    found = list(examples.values()) if isinstance(examples, dict) else examples
    for key, example in zip(keys, found, strict=True):
        if type(example) is not dict:
            raise DataError(f"{path}: examples[{key}]: must be an object")
    rows = list(map(Row, found, ((path, key) for key in keys), itertools.count()))
    if not rows:
        raise DataError(f"{path}: examples: is empty; fetch the file again")
    return rows


def memory_rows(records: Iterable[Mapping[str, Any]], shown: str) -> list[Row]:
    """Rows that come from no file (a practice set)."""
    return [Row(record, f"{shown}: row {i}", i) for i, record in enumerate(records)]
