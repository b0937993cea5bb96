"""Tables as other programs write them: encodings, separators, layouts → records with their places.

Only what is unambiguous is read; what was taken for granted is said in the table's notes.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from heartloop.errors import DataError, absent_part

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
}
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_KNOWN = frozenset(("question", "answer", "prompt", "input", "target", "choices", "id"))
_MARKS = "€£¥©®°·•…–—‘’‚“”„†‡‰‹›«»¿¡§¶¼½¾²³¹×÷±µºª™¢\xa0´`~^¨¬\xad"


@dataclass(frozen=True, slots=True)
class Table:
    """Records and where each stands in its file.

    Attributes:
        records: (``FILE:LINE`` or ``FILE: row 3``, record) in file order.
        notes: what was taken for granted (encoding, separator, rows dropped).
    """

    records: list[tuple[str, Mapping[str, Any]]]
    notes: tuple[str, ...] = ()


def read_table(path: Path, layout: str) -> Table:
    """A table in any layout of ``SUFFIXES``.

    Raises:
        DataError: not readable in this layout, or without a single row; names file and line.
    """
    if layout == "parquet":
        table = _parquet(path)
    elif layout in ("csv", "json", "jsonl"):
        text, notes = decoded(path)
        table = _csv(path, text) if layout == "csv" else _json(path, text, layout)
        table = Table(table.records, (*notes, *table.notes))
    else:
        raise DataError(
            f"{path}: source.format: {layout} is no table; use jsonl, csv, json or parquet"
        )
    if not table.records:
        raise DataError(f"{path}: holds no rows; check that it is the right file")
    for where, record in table.records:
        _encodable(where, record)
    return table


# --- Text ----------------------------------------------------------------------------------


def decoded(path: Path) -> tuple[str, tuple[str, ...]]:
    """A text file in UTF-8, UTF-16 or, where every letter makes sense in it, Windows-1252.

    Returns:
        The text without its byte-order mark, and a note where it was not UTF-8.

    Raises:
        DataError: the file cannot be read, or its encoding is not known.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    try:
        for mark, name in ((b"\xef\xbb\xbf", "utf-8-sig"), *_WIDE):
            if data.startswith(mark):
                return data.decode(name), ()
        wide = _unmarked_utf16(data)
        if wide:
            return data.decode(wide), (f"read as {wide.upper()}",)
        return data.decode("utf-8"), ()
    except UnicodeDecodeError as error:
        if error.encoding == "utf-8":
            text = _windows(data)
            if text is not None:
                return text, ("read as Windows-1252; save it as UTF-8 if letters look wrong",)
        raise DataError(
            f"{path}: not UTF-8 text (byte {error.start}), and no other encoding is sure; "
            "save it as UTF-8"
        ) from error


_WIDE = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


def _unmarked_utf16(data: bytes) -> str:
    """UTF-16 without its mark shows as a NUL in every second place of plain text."""
    head = data[:2000]
    if len(head) < 8 or len(data) % 2 or 0 not in head:
        return ""
    half = len(head) // 2
    for name, high in (("utf-16-le", 1), ("utf-16-be", 0)):
        if head[high::2].count(0) > 0.8 * half and head[1 - high :: 2].count(0) == 0:
            return name
    return ""


def _windows(data: bytes) -> str | None:
    """Windows-1252 where the bytes above ASCII are few, and letters or common marks in it."""
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return None
    odd = [c for c in text if ord(c) > 127]
    if len(odd) > 0.2 * len(text):
        return None  # rather another alphabet
    plain = all(c in _MARKS or unicodedata.category(c) in ("Ll", "Lu") for c in odd)
    return text if plain else None


def _encodable(where: str, record: Mapping[str, Any]) -> None:
    """Half of a surrogate pair (half an emoji) can be sent to no model and written nowhere."""
    for field, value in record.items():
        if value is None or isinstance(value, (bool, int, float)):
            continue
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
            raise DataError(
                f"{where}: {field}: holds half of a surrogate pair, which is no character in "
                "UTF-8; write the whole emoji or drop it"
            )


# --- CSV -----------------------------------------------------------------------------------


def _csv(path: Path, text: str) -> Table:
    if "\0" in text:
        raise DataError(f"{path}: holds NUL bytes; this is no CSV file")
    csv.field_size_limit(max(csv.field_size_limit(), 10_000_000))
    separator, first = _separator(path, text)
    body = text.split("\n", 1)[1] if first else text
    lines = _csv_lines(path, body, separator, first)
    _, header = next(lines, ("", []))
    header = [name.strip() for name in header]
    double = next((n for i, n in enumerate(header) if n and n in header[:i]), None)
    if double:
        raise DataError(f"{path}:{first + 1}: {double}: the column stands twice; rename one")
    records: list[tuple[str, Mapping[str, Any]]] = []
    empty = 0
    for where, values in lines:
        if not any(value.strip() for value in values):
            empty += bool(values)
            continue
        if len(values) > len(header) and not any(v.strip() for v in values[len(header) :]):
            values = values[: len(header)]
        if len(values) != len(header):
            raise DataError(
                f"{where}: has {len(values)} fields, the header has {len(header)}; "
                f"put texts with {SEPARATORS[separator]} in quotes"
            )
        named = {
            k or f"column {i + 1}": v for i, (k, v) in enumerate(zip(header, values, strict=True))
        }
        records.append((where, {k: _lines(v) if v != "" else None for k, v in named.items()}))
    blank = {f"column {i + 1}" for i, name in enumerate(header) if not name}
    unused = {name for name in blank if all(record[name] is None for _, record in records)}
    records = [(w, {k: v for k, v in r.items() if k not in unused}) for w, r in records]
    notes = [f"{empty} empty rows dropped"] if empty else []
    if separator != "," and path.suffix.lower() != ".tsv":
        notes.append(f"columns parted by {SEPARATORS[separator]}")
    return Table(records, tuple(notes))


def _lines(cell: str) -> str:
    """A cell with the line breaks that prompts have."""
    return cell.replace("\r\n", "\n").replace("\r", "\n") if "\r" in cell else cell


def _separator(path: Path, text: str) -> tuple[str, int]:
    """What parts the columns, from the header; and 1 where a first line ``sep=;`` says it."""
    first, _, rest = text.partition("\n")
    said = re.fullmatch(r'"?sep=(.|\\t)"?\s*', first.rstrip("\r"))
    if said:
        mark = "\t" if said[1] == "\\t" else said[1]
        if mark not in SEPARATORS:
            raise DataError(f"{path}:1: sep={mark}: use one of , ; | or a tab")
        return mark, 1
    best, most = ",", (-1, 0)
    for mark in SEPARATORS:
        try:
            header = next(csv.reader(io.StringIO(text, newline=""), delimiter=mark), [])
        except csv.Error:
            continue
        known = sum(name.strip().strip('"').casefold() in _KNOWN for name in header)
        if (known, len(header)) > most:
            best, most = mark, (known, len(header))
    return best, 0


def _csv_lines(
    path: Path, text: str, separator: str, skipped: int
) -> Iterator[tuple[str, list[str]]]:
    """Lines of fields with their places; a field may hold line breaks."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    start = skipped
    try:
        for values in reader:
            where, start = f"{path}:{start + 1}", reader.line_num + skipped
            yield where, values
    except csv.Error as error:
        line = reader.line_num + skipped
        raise DataError(f"{path}:{line}: not valid CSV ({error}); mend it") from error


# --- JSON ----------------------------------------------------------------------------------


def _json(path: Path, text: str, layout: str) -> Table:
    """JSON lines, a list of objects, an object that holds one, or columns; told by the text."""
    lines = layout == "jsonl" and not text.lstrip().startswith("[")
    if not lines:
        try:
            return _json_records(path, json.loads(text))
        except RecursionError as error:
            raise DataError(f"{path}:1: not valid JSON ({error}); fetch the file again") from error
        except json.JSONDecodeError as error:
            several = error.msg == "Extra data" and text.lstrip().startswith("{")
            if not several and layout == "json":
                raise DataError(
                    f"{path}:{error.lineno}: not valid JSON ({error}); fetch the file again"
                ) from error
        except ValueError as error:  # a number of thousands of digits
            raise DataError(f"{path}: not valid JSON ({error}); fetch the file again") from error
    records: list[tuple[str, Mapping[str, Any]]] = []
    exact = long_numbers(text.encode("utf-8", "surrogatepass"))
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            record = json.loads(line) if exact else _loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: not valid JSON ({error}); mend or drop the line") from error
        if not isinstance(record, dict):
            raise DataError(f"{where}: must be a JSON object with named fields")
        records.append((where, record))
    return Table(records)


_DIGITS = bytes(ord("0") if chr(i).isdigit() and i < 128 else 0 for i in range(256))


def long_numbers(data: bytes) -> bool:
    """Whether there is a number in it that orjson might round."""
    return b"0" * 19 in data.translate(_DIGITS)


def _loads(line: str) -> Any:
    try:
        return orjson.loads(line)
    except ValueError:
        return json.loads(line)  # bears more (NaN), and names the place


def _json_records(path: Path, root: Any) -> Table:
    if isinstance(root, dict):
        inner = next((root[k] for k in ("data", "rows", "examples") if k in root), None)
        root = inner if isinstance(inner, list) else _columns(root)
    if not isinstance(root, list) or not all(isinstance(item, dict) for item in root):
        raise DataError(f"{path}: must hold a list of objects")
    return Table([(f"{path}: row {i}", item) for i, item in enumerate(root)])


def _columns(root: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Rows of a table that is stored column by column, as lists or (pandas) as ``{row: value}``."""
    values = list(root.values())
    if len(values) < 2 or not all(isinstance(v, (list, dict)) and v for v in values):
        return None
    if all(isinstance(v, list) for v in values):
        if len({len(v) for v in values}) > 1:
            return None
        return [dict(zip(root, row, strict=True)) for row in zip(*values, strict=True)]
    if all(isinstance(v, dict) and v.keys() == values[0].keys() for v in values):
        if all(str(key).isdigit() for key in values[0]):
            return [{name: column[key] for name, column in root.items()} for key in values[0]]
    return None


# --- Parquet -------------------------------------------------------------------------------


def _parquet(path: Path) -> Table:
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise DataError(
            f"{absent_part(str(path), 'pyarrow', 'parquet')}; or save it as CSV"
        ) from error
    try:
        rows = parquet.read_table(path).to_pylist()
    except OSError as error:
        reason = error.strerror or str(error).split("\n")[0][:120]
        raise DataError(f"{path}: cannot be read ({reason}); check the path") from error
    except Exception as error:  # pyarrow has classes of its own for broken files
        raise DataError(f"{path}: no Parquet file ({str(error)[:120]}); fetch it again") from error
    return Table(
        [(f"{path}: row {i}", {k: _plain(v) for k, v in r.items()}) for i, r in enumerate(rows)]
    )


def _plain(value: Any) -> Any:
    """A cell as JSON data; bytes (pictures, sound) by their length, so that they can be named."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)
