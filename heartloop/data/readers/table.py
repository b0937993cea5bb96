"""Tables with a question and an answer a row: custom tasks, and data sets read from the hub."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from heartloop.cards.task import TaskCard
from heartloop.data.items import Item, ItemSet, Raw, shuffled
from heartloop.data.rows import Row, read_rows
from heartloop.errors import DataError
from heartloop.types import Demo, Gold, Question

COLUMNS = ("question", "answer", "id", "choices", "cluster", "demo")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SLOT = re.compile(r"\{(\w+)\}")
_YES = ("1", "true", "yes", "y", "demo")
_NO = ("0", "false", "no", "n", "")
FORMATS = {
    "math": "Give the final answer inside \\boxed{}.",
    "choice": 'End with a line "Answer: X", where X is the letter of the right option.',
    "exact": "Give only the answer.",
}


def read(card: TaskCard, raw: Raw, shots: int = 0) -> ItemSet:
    """Questions and golds of a table.

    Columns: ``question``, ``answer`` (a text, or in JSON a list of accepted texts), and, where
    they are there, ``id``, ``choices`` (a JSON list, or texts separated by ``|``), ``cluster``,
    ``demo`` (a true value makes the row a demonstration that is never asked). The card's
    ``fields`` name other columns. ``options``: ``distractors`` (columns that hold the wrong
    choices), ``where`` (column → value that a row must have), ``meta`` (columns worth keeping),
    ``params`` (for every gold).

    Raises:
        DataError: a row lacks a field or holds a wrong one; names file, line and field.
    """
    fields = {**{name: name for name in COLUMNS}, **card.fields}
    if raw.hub and card.source.hub is not None:
        fields.update(card.source.hub.fields)
    path = raw.path(0)
    rows = read_rows(path, card.source.format) if path is not None else list(raw.rows or ())
    kept = [row for row in rows if _wanted(row, card.options.get("where") or {})]
    if not kept:
        raise DataError(f"{raw.shown}: no row is left by options.where of {card.path}")
    items: list[Item] = []
    pool: list[Item] = []
    ids: dict[str, str] = {}
    for row in kept:
        target = pool if _flag(row, fields["demo"]) else items
        item = _item(card, row, fields, len(target))
        first = ids.setdefault(item.question.id, row.where)
        if first != row.where:
            raise row.error(fields["id"], f'"{item.question.id}" stands twice (first at {first})')
        target.append(item)
    _check_slots(card, kept, fields)
    if not items:
        raise DataError(f"{raw.shown}: every row is a demonstration; leave some to be asked")
    dropped = len(rows) - len(kept)
    notes = (f"{len(kept)} of {len(rows)} rows: {card.options['where']}",) if dropped else ()
    return ItemSet(items, pool, notes=notes)


def pick_verifier(card: TaskCard, raw: Raw) -> str:
    """The verifier of a table that names none: choice, math or exact, from what its rows hold."""
    path = raw.path(0)
    rows = read_rows(path, card.source.format) if path is not None else list(raw.rows or ())
    field = card.fields.get("choices", "choices")
    if card.options.get("distractors") or all(row.data.get(field) for row in rows):
        return "choice"
    answers = [row.texts(card.fields.get("answer", "answer")) for row in rows]
    if all(looks_mathematical(answer) for texts in answers for answer in texts):
        return "math"
    return "exact"


_PLAIN_NUMBER = re.compile(
    r"[-+−]?\s*(?:[$€£]\s?)?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:[eE][-+]?\d+)?"
    r"(?:\s*/\s*\d+)?\s*%?"
)


def looks_mathematical(answer: str) -> bool:
    """Whether an answer is a number or LaTeX, so that ``math`` can judge it."""
    text = answer.strip()
    if not text:
        return False
    if _PLAIN_NUMBER.fullmatch(text):
        return any(c.isdigit() for c in text)
    return (
        "\\" in text
        or (text[0] == "$" and text[-1] == "$" and len(text) > 2)
        or ("^" in text and " " not in text)
    )


def _item(card: TaskCard, row: Row, fields: Mapping[str, str], index: int) -> Item:
    text = row.filled(fields["question"])
    answers = tuple(a for a in row.texts(fields["answer"]) if a.strip())
    if not answers:
        raise row.error(fields["answer"], "is empty; fill it in or drop the row")
    key = str(row.text(fields["id"], None) or row.number).strip()
    choices = _choices(card, row, fields, key, answers)
    params: dict[str, Any] = dict(card.options.get("params") or {})
    if choices:
        answers, letters = _resolve(row, fields["answer"], answers, choices)
        params["letter"] = letters[0]
    shown = _fill(card.prompt.input, row, fields)
    if choices and card.options.get("show_choices", True):
        shown += "".join(f"\n({LETTERS[i]}) {choice}" for i, choice in enumerate(choices))
    line = card.prompt.answer_format
    if not line and card.family == "custom":
        line = FORMATS.get(card.verifier, "")
    cluster = row.text(fields["cluster"], None) if fields["cluster"] in row.data else None
    kept: Iterable[str] = card.options.get("meta") or ()
    question = Question(
        id=key,
        task=card.name,
        index=index,
        instruction=_fill(card.prompt.instruction, row, fields),
        input=shown,
        answer_format=line,
        separator=card.prompt.separator,
        system=card.prompt.system,
        choices=choices,
        cluster=cluster,
        meta={
            "raw_input": text,
            "row": row.number,
            **{name: row.data[name] for name in kept if row.data.get(name) is not None},
        },
    )
    said = params.get("letter") or answers[0]
    answer = demanded(line, said)
    text = _fill(card.prompt.demo, row, fields) if card.prompt.demo else f"{shown}\n{answer}"
    demo = Demo(shown, answer, text)
    return Item(question, Gold(key, answers, params), demo)


def demanded(line: str, answer: str) -> str:
    """An answer in the form that a prompt's last line asks for, so that no demonstration denies it.

    Args:
        line: the answer format: what it shows (a box, ``Answer: X``) is what it asks for.
        answer: the bare answer.
    """
    if "\\boxed" in line:
        return f"\\boxed{{{answer.strip().strip('$')}}}"
    return f"Answer: {answer}" if "Answer: " in line else answer


def _choices(
    card: TaskCard,
    row: Row,
    fields: Mapping[str, str],
    key: str,
    answers: tuple[str, ...],
) -> tuple[str, ...]:
    wrong = card.options.get("distractors")
    if wrong:
        texts = (answers[0], *(row.filled(name) for name in wrong))
        found = shuffled((t.strip() for t in texts), f"{card.name}\0{key}")
    else:
        value = row.data.get(fields["choices"])
        if value is None:
            return ()
        listed = value.split("|") if isinstance(value, str) else row.texts(fields["choices"])
        found = tuple(text.strip() for text in listed)
    if len(found) < 2 or len(found) > len(LETTERS) or not all(found):
        raise row.error(
            fields["choices"], "needs 2 to 26 texts, none empty: a JSON list, or separated by |"
        )
    if len(set(found)) < len(found):
        raise row.error(fields["choices"], "holds the same choice twice; make them differ")
    return found


def _resolve(
    row: Row, field: str, answers: tuple[str, ...], choices: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Answers as texts of choices and as letters; a letter is one unless it is a choice itself."""
    texts = []
    for answer in answers:
        bare = answer.strip()
        letter = bare.strip("().").upper()
        if bare in choices:
            texts.append(bare)
        elif len(letter) == 1 and letter in LETTERS[: len(choices)]:
            texts.append(choices[LETTERS.index(letter)])
        else:
            raise row.error(field, f'"{bare[:60]}" is none of the choices, nor a letter of one')
    return tuple(texts), tuple(LETTERS[choices.index(text)] for text in texts)


def _fill(template: str, row: Row, fields: Mapping[str, str]) -> str:
    """A template with ``{field}`` replaced; braces that name no field of the row stay (LaTeX)."""

    def value(found: re.Match[str]) -> str:
        name = fields.get(found[1], found[1])
        return str(row.text(name, "")) if name in row.data else found[0]

    return _SLOT.sub(value, template)


def _check_slots(card: TaskCard, rows: list[Row], fields: Mapping[str, str]) -> None:
    """Refuse an ``input`` that would ask without the question, or with a mistyped slot in it.

    Braces that resemble no column may be LaTeX and stay.

    Raises:
        DataError: no slot names a column, or one all but does.
    """
    columns = {name for row in rows for name in row.data}
    known = sorted(columns | {name for name, column in fields.items() if column in columns})
    slots = [found[1] for found in _SLOT.finditer(card.prompt.input)]
    for slot in slots:
        near = difflib.get_close_matches(slot, known, n=1, cutoff=0.75)
        if slot not in known and near:
            raise DataError(
                f"{card.path}: prompt.input: {{{slot}}} is no column of the data; "
                f'did you mean "{near[0]}"?'
            )
    if not set(slots) & set(known):
        raise DataError(
            f"{card.path}: prompt.input: names no column of the data, so that every question "
            f"would be the same; write one in braces, such as {{question}}"
        )


def _wanted(row: Row, where: Mapping[str, Any]) -> bool:
    return all((row.data.get(name) or "") == (value or "") for name, value in where.items())


def _flag(row: Row, field: str) -> bool:
    value = row.data.get(field)
    if value is None or isinstance(value, bool):
        return bool(value)
    word = str(value).strip().lower()
    if word not in _YES + _NO:
        raise row.error(field, f'"{word[:20]}" is neither true nor false')
    return word in _YES
