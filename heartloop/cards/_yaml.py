"""YAML with a line for every key; typed access whose errors name file, line and field."""

from __future__ import annotations

import difflib
import functools
import hashlib
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from heartloop.cards._parse import Field, merge, parse, substitute
from heartloop.errors import CardError

_MISSING: Any = object()
_T = TypeVar("_T")

__all__ = [
    "Document",
    "Field",
    "Table",
    "error_at",
    "merge",
    "parse",
    "read_document",
    "shown",
    "substitute",
    "suggest",
]


@dataclass(frozen=True, slots=True)
class Document:
    """A card file: its root mapping, and the hash of the bytes it was read from."""

    root: Field
    path: Path
    sha256: str


def shown(path: Path) -> str:
    """The path as errors and tables print it: relative where that is shorter."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive
        return str(path)
    return relative if len(relative) <= len(str(path)) else str(path)


def suggest(word: str, known: Iterable[str]) -> str:
    """``; did you mean "x"?`` for the nearest known word, or an empty string."""
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if not near:
        lowered = {name.lower(): name for name in names}
        near = [lowered[hit] for hit in difflib.get_close_matches(word.lower(), lowered, n=1)]
    return f'; did you mean "{near[0]}"?' if near else ""


def read_document(path: Path) -> Document:
    """Read one YAML card.

    Args:
        path: the file.

    Returns:
        The document; its root is a mapping.

    Raises:
        CardError: the file cannot be read, is not UTF-8 YAML, or is not a mapping.
    """
    name = shown(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CardError(f"{name}: cannot be read ({error.strerror}); check the path") from error
    return Document(_parse_once(raw, name), path, hashlib.sha256(raw).hexdigest())


@functools.lru_cache(maxsize=256)
def _parse_once(raw: bytes, name: str) -> Field:
    """Parse the same bytes once: a suite's file is read again for each of its members."""
    return parse(raw, name)


class Table:
    """Typed, position-aware access to the fields of one mapping.

    Every read marks its field as known; ``finish`` then refuses what nobody read, so a loader is
    its own list of fields. Methods return ``default`` where the field is absent or null, and
    raise CardError where it has no default or the wrong type.
    """

    def __init__(self, field: Field, prefix: str = "") -> None:
        """Wrap a mapping; ``prefix`` is the dotted path to it, for errors."""
        self.field = field
        self.prefix = prefix
        self.entries: dict[str, Field] = field.value
        self.known: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self.entries and self.entries[name].value is not None

    def error(self, name: str, problem: str) -> CardError:
        """A CardError at a field of this table; ``problem`` says what and how to mend it."""
        return error_at(self.entries.get(name, self.field), self.prefix + name, problem)

    def _get(self, name: str, default: Any) -> Field | None:
        self.known.add(name)
        field = self.entries.get(name)
        if field is not None and field.value is not None:
            return field
        if default is _MISSING:
            typo = suggest(name, (k for k in self.entries if k not in self.known))
            hint = f" (there is {typo.split(chr(34))[1]!r})" if typo else ""
            raise self.error(name, f"is missing; add it{hint}")
        return None

    def string(self, name: str, default: _T | str = _MISSING) -> str | _T:
        """A text; surrounding space is kept, an empty text counts as given."""
        field = self._get(name, default)
        if field is None:
            return default
        if not isinstance(field.value, str):
            raise self.error(name, f"must be text, got {_kind(field)}; put it in quotes")
        return field.value

    def text(self, name: str) -> str:
        """A text that is required and not blank."""
        value: str = self.string(name)
        if not value.strip():
            raise self.error(name, "is empty; fill it in")
        return value

    def one_of(self, name: str, allowed: Iterable[str], default: str = _MISSING) -> str:
        """One word out of a list."""
        value: str = self.string(name, default)
        words = list(allowed)
        if name in self and value not in words:
            raise self.error(
                name, f'unknown value "{value}"{suggest(value, words)}; one of: {", ".join(words)}'
            )
        return value

    def integer(
        self, name: str, default: _T | int = _MISSING, *, least: int | None = None
    ) -> int | _T:
        """A whole number, at least ``least``."""
        field = self._get(name, default)
        if field is None:
            return default
        if isinstance(field.value, bool) or not isinstance(field.value, int):
            raise self.error(name, f"must be a whole number, got {_kind(field)}")
        if least is not None and field.value < least:
            raise self.error(name, f"must be at least {least}, got {field.value}")
        return field.value

    def number(
        self,
        name: str,
        default: _T | float = _MISSING,
        *,
        least: float | None = None,
        most: float | None = None,
    ) -> float | _T:
        """A finite number within ``least`` … ``most``."""
        field = self._get(name, default)
        if field is None:
            return default
        value = field.value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.error(name, f"must be a number, got {_kind(field)}")
        if not math.isfinite(value):
            raise self.error(name, "must be a finite number")
        if least is not None and value < least or most is not None and value > most:
            low = "-∞" if least is None else f"{least:g}"
            high = "∞" if most is None else f"{most:g}"
            raise self.error(name, f"must lie between {low} and {high}, got {value:g}")
        return float(value)

    def boolean(self, name: str, default: _T | bool = _MISSING) -> bool | _T:
        """``true`` or ``false``."""
        field = self._get(name, default)
        if field is None:
            return default
        if not isinstance(field.value, bool):
            raise self.error(name, f"must be true or false, got {_kind(field)}")
        return field.value

    def strings(self, name: str, default: Iterable[str] = _MISSING) -> tuple[str, ...]:
        """A list of texts; a single text is a list of one."""
        field = self._get(name, default)
        if field is None:
            return tuple(default)
        items = field.value if isinstance(field.value, list) else [field]
        for place, item in enumerate(items):
            if not isinstance(item.value, str):
                raise error_at(
                    item,
                    f"{self.prefix}{name}[{place}]",
                    f"must be text, got {_kind(item)}; put it in quotes",
                )
        return tuple(item.value for item in items)

    def raw(self, name: str, default: Any = _MISSING) -> Any:
        """Any value as plain Python data."""
        field = self._get(name, default)
        return default if field is None else field.plain()

    def mapping(self, name: str, default: Mapping[str, Any] = _MISSING) -> dict[str, Any]:
        """A mapping of any values as plain Python data."""
        field = self._get(name, default)
        if field is None:
            return dict(default)
        if not isinstance(field.value, dict):
            raise self.error(name, f"must be a mapping, got {_kind(field)}")
        plain: dict[str, Any] = field.plain()
        return plain

    def string_map(self, name: str, default: Mapping[str, str] = _MISSING) -> dict[str, str]:
        """A mapping of texts to texts."""
        table = self.table(name, default)
        return {} if table is None else {key: str(table.string(key)) for key in table.entries}

    def table(self, name: str, default: Any = _MISSING) -> Table | None:
        """A nested mapping as a Table, or None where absent; the caller finishes it."""
        field = self._get(name, default)
        if field is None:
            return None
        if not isinstance(field.value, dict):
            raise self.error(name, f"must be a mapping of fields, got {_kind(field)}")
        return Table(field, f"{self.prefix}{name}.")

    def fields(self, name: str, default: Any = _MISSING) -> list[tuple[str, Field]]:
        """The items of a list, each with its dotted name, for lists of mixed shapes."""
        field = self._get(name, default)
        if field is None:
            return []
        if not isinstance(field.value, list):
            raise self.error(name, f"must be a list, got {_kind(field)}")
        return [(f"{self.prefix}{name}[{i}]", item) for i, item in enumerate(field.value)]

    def tables(self, name: str, default: Any = _MISSING) -> list[Table]:
        """A list of mappings, each as a Table; the caller finishes them."""
        found = []
        for label, item in self.fields(name, default):
            if not isinstance(item.value, dict):
                raise error_at(item, label, f"must be a mapping of fields, got {_kind(item)}")
            found.append(Table(item, f"{label}."))
        return found

    def finish(self) -> None:
        """Refuse fields that nobody read.

        Raises:
            CardError: an unknown field, with the nearest known one as suggestion.
        """
        for name in self.entries:
            if name not in self.known:
                unused = sorted(self.known)
                raise self.error(
                    name, f"unknown field{suggest(name, unused)}; known: {', '.join(unused)}"
                )


def error_at(field: Field, name: str, problem: str) -> CardError:
    """A CardError ``FILE:LINE: field: problem``."""
    return CardError(f"{field.file}:{field.line}: {name}: {problem}")


def _kind(field: Field) -> str:
    value = field.value
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return f"the truth value {str(value).lower()}"
    if isinstance(value, str):
        return f'text "{value[:40]}"'
    return "nothing" if value is None else f"the number {value}"
