"""Choices as tables hold them, and which of them an answer means."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from heartloop.data.items import shuffled
from heartloop.data.readers.columns import Columns, fold
from heartloop.data.rows import Row

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LETTERED = re.compile(r"\(?([A-Za-z]|\d{1,2})(?:\)|[.:](?=\s))\s*(\S.*)", re.DOTALL)
# A bar that closes an absolute value: something stands right behind or before it that calculates.
_ABSOLUTE = re.compile(r"[=<>+*/^(-]\s*\|[^|]+\||\|[^|]+\|\s*[=<>+*/^)-]")


@dataclass(frozen=True, slots=True)
class Choices:
    """The choices of one row.

    Attributes:
        texts: as they are shown.
        labels: the table's own names of them (``1``, ``option2``), in the same order.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...] = ()


def choices_of(row: Row, columns: Columns) -> Choices | None:
    """The choices of a row, in the table's order; None where it has none.

    A JSON (or Python) list; ``{text: […], label: […]}``, ``[{text, label}, …]`` or ``{A: …}``;
    texts separated by ``|``; or a column each. Letters in front of all of them are taken off.

    Raises:
        DataError: they cannot be told apart, fewer than 2, more than 26, empty or equal.
    """
    if columns.options:
        texts = [row.text(name, "").strip() for name in columns.options]
        while texts and not texts[-1]:
            texts.pop()  # a question with fewer options than others
        if not texts:
            return None
        return _checked(row, columns.options[0], texts, [fold(n) for n in columns.options])
    field = columns.fields.get("choices", "choices")
    value = row.data.get(field)
    if value is None or value == "":
        return None
    texts, labels = _parsed(row, field, value)
    return _checked(row, field, texts, labels)


def _parsed(row: Row, field: str, value: Any) -> tuple[list[str], list[str]]:
    if isinstance(value, str):
        text = value.strip()
        found = _literal(text) if text[:1] in "[{" else None
        if found is None:
            return _by_bars(row, field, text), []
        value = found
    if isinstance(value, dict):
        if isinstance(value.get("text"), (list, tuple)):
            return _words(row, field, value["text"]), _words(row, field, value.get("label") or ())
        return _words(row, field, list(value.values())), [str(key) for key in value]
    if isinstance(value, (list, tuple)) and value and all(isinstance(v, dict) for v in value):
        texts = [v.get("text", v.get("content", v.get("value"))) for v in value]
        labels = [str(v.get("label", v.get("key", ""))) for v in value]
        return _words(row, field, texts), labels if all(labels) else []
    return _words(row, field, value), []


def _literal(text: str) -> Any:
    """A JSON value, or the same as Python prints it; None for anything else."""
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
        if isinstance(found, (list, tuple, dict)):
            return found
    return None


def _words(row: Row, field: str, values: Any) -> list[str]:
    if not isinstance(values, (list, tuple)):
        raise row.error(field, f"must be a list of texts, got {type(values).__name__}")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise row.error(field, f"must be a list of texts, holds {type(value).__name__}")
    return [str(value).strip() for value in values]


def _by_bars(row: Row, field: str, text: str) -> list[str]:
    around = {(text[i - 1 : i].isspace(), text[i + 1 : i + 2].isspace()) for i in _bars(text)}
    if len(around) > 1 or _ABSOLUTE.search(text):
        raise row.error(
            field, "holds a | that may be no separator; write the choices as a JSON list"
        )
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if "|" not in text and len(lines) > 1 and all(map(_LETTERED.fullmatch, lines)):
        return lines
    return [part.strip() for part in text.split("|")]


def _bars(text: str) -> list[int]:
    return [i for i, c in enumerate(text) if c == "|"]


def _checked(row: Row, field: str, texts: list[str], labels: list[str]) -> Choices:
    bare, own = _unlettered(texts)
    found = tuple(bare)
    if not 2 <= len(found) <= len(LETTERS) or not all(found):
        raise row.error(field, "needs 2 to 26 texts, none empty: a JSON list, or separated by |")
    if len(set(found)) < len(found):
        raise row.error(field, "holds the same choice twice; make them differ")
    return Choices(found, tuple(labels or own)[: len(found)])


def _unlettered(texts: list[str]) -> tuple[list[str], list[str]]:
    """Texts without the letters (or numbers) in front of them, where all have theirs in order."""
    found = [_LETTERED.fullmatch(text) for text in texts]
    if all(found):
        marks = [f[1].upper() for f in found if f]
        orders = (list(LETTERS), [str(n) for n in range(1, 27)])
        if len(marks) > 1 and any(marks == order[: len(marks)] for order in orders):
            return [f[2].strip() for f in found if f], marks
    return texts, []


def mixed_in(row: Row, columns: Columns, right: str, key: str) -> Choices:
    """The right answer among the wrong ones, in an order fixed by ``key``.

    Raises:
        DataError: an empty or repeated choice.
    """
    texts = [right.strip()]
    for name in columns.wrong:
        value = row.data.get(name)
        if isinstance(value, (list, tuple)):
            texts += [text.strip() for text in _parsed(row, name, value)[0]]
        else:
            texts.append(row.text(name, "").strip())
    return _checked(row, columns.wrong[0], list(shuffled((t for t in texts if t), key)), [])


# --- Which choice an answer means -------------------------------------------------------------


def resolve(row: Row, field: str, answer: str, choices: Choices, counted_from: int | None) -> str:
    """The choice that an answer means, as its text.

    Args:
        row: for the error.
        field: likewise.
        answer: a text of a choice, its letter or label in any dress, or its position.
        choices: what is shown.
        counted_from: 0 or 1 where the table's answers are positions, else None.

    Raises:
        DataError: it means none of them.
    """
    bare = answer.strip()
    if counted_from is not None and bare.isdigit():
        place = int(bare) - counted_from
        if 0 <= place < len(choices.texts):
            return choices.texts[place]
        raise row.error(
            field,
            f'"{bare[:20]}" is no position among {len(choices.texts)} choices '
            f"counted from {counted_from}",
        )
    found = _named(bare, choices)
    if found is None:
        said = f'"{bare[:60]}" is none of the choices, nor a letter of one'
        raise row.error(field, f"{said}; mend the answer, or add the choice")
    return found


def _named(answer: str, choices: Choices) -> str | None:
    texts = choices.texts
    if answer in texts:
        return answer
    if answer in choices.labels:
        return texts[choices.labels.index(answer)]
    letter = answer.strip("().:[] ").upper()
    if len(letter) == 1 and letter in LETTERS[: len(texts)]:
        return texts[LETTERS.index(letter)]
    dressed = _LETTERED.fullmatch(answer)
    if dressed and dressed[2].strip() in texts:
        return dressed[2].strip()
    labels = [fold(label) for label in choices.labels]
    if fold(answer) in labels:
        return texts[labels.index(fold(answer))]
    same = [text for text in texts if " ".join(text.casefold().split()) == answer.casefold()]
    return same[0] if len(same) == 1 else None


def counting(
    pairs: Sequence[tuple[tuple[str, ...], Choices]], first: int | None
) -> tuple[int | None, bool]:
    """From what the answers of a table count, where they are positions.

    Every answer must be a whole number, and not all of them may be texts or labels of choices.
    They count from 0 where a 0 stands among them, from 1 where one is as large as the number of
    choices, else as the option columns are numbered, else from 0 (as published sets do).

    Args:
        pairs: answers and choices of every row that has choices.
        first: the number in the name of the first option column, or None.

    Returns:
        0, 1 or None; and whether both readings were open.
    """
    answers = [(answer.strip(), found) for given, found in pairs for answer in given]
    if not answers or not all(text.isdigit() for text, _ in answers):
        return None, False
    if all(_named(text, found) is not None for text, found in answers):
        return None, False
    if any(text == "0" for text, _ in answers):
        return 0, False
    if any(int(text) == len(found.texts) for text, found in answers):
        return 1, False
    return (first, False) if first is not None else (0, True)
