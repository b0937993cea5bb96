"""Tables with a question and an answer a row: custom tasks, and data sets read from the hub."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from heartloop.cards.task import TaskCard
from heartloop.data.golds import verifier_for
from heartloop.data.items import CONTRADICTION, Item, ItemSet, Raw
from heartloop.data.readers.cells import conversation, golds, is_worked
from heartloop.data.readers.choices import (
    LETTERS,
    choices_of,
    counting,
    mixed_in,
    resolve,
)
from heartloop.data.readers.columns import Columns, find_columns
from heartloop.data.readers.frames import check_frames, framed_cards, in_frame
from heartloop.data.rows import Row, rows_and_notes
from heartloop.errors import DataError
from heartloop.types import Demo, Gold, Message, Question

# A slot is a name in braces; behind a letter, a brace, ^, _ or \ it is LaTeX (\boxed{x}, x^{2}).
_SLOT = re.compile(r"(?<![\\\w}^])\{(\w+)\}")
_YES = ("1", "true", "yes", "y", "demo")
_NO = ("0", "false", "no", "n", "")
FORMATS = {
    "math": "Give the final answer inside \\boxed{}.",
    "choice": 'End with a line "Answer: X", where X is the letter of the right option.',
    **dict.fromkeys(("exact", "text", "label"), "Give only the answer."),
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table whose columns are known.

    Attributes:
        rows: those that the card wants.
        columns: what its columns hold.
        further: columns that are neither question, answer nor choices.
        decimal: the answers are numbers with decimal commas.
        counted_from: 0 or 1 where the answers are positions among the choices, else None.
        notes: what was taken for granted.
    """

    rows: list[Row]
    columns: Columns
    further: tuple[str, ...] = ()
    decimal: bool = False
    counted_from: int | None = None
    notes: tuple[str, ...] = ()


def read(card: TaskCard, raw: Raw, shots: int = 0) -> ItemSet:
    """Questions and golds of a table.

    Columns (see `columns.NAMES` for further names of them): ``question``, ``answer`` (a text, or
    a list of accepted texts), and, where they are there, ``id``, ``choices`` (or a column a
    choice), ``messages`` (chat turns instead of a question), ``system``, ``cluster``, ``demo`` (a
    true value makes the row a demonstration that is never asked), ``frame`` with ``item`` (see
    `frames`; a card's own ``frames`` ask every row once in each). The card's ``fields`` name
    other columns. ``options``: ``distractors`` (columns that hold the wrong choices), ``where``
    (column → value that a row must have), ``meta`` (columns worth keeping), ``params`` (for
    every gold). A column of a custom table that is not used is named in the notes.

    Raises:
        DataError: a row lacks a field or holds a wrong one; names file, line and field.
    """
    path = raw.path(0)
    known = None if path is None else _settled.pop(_identity(card, path), None)
    sheet, told = known or (open_sheet(card, raw), None)
    columns = sheet.columns
    if told is None:
        told = [_asked(row, columns, sheet.decimal) for row in sheet.rows]
    items: list[Item] = []
    pool: list[Item] = []
    ids: dict[str, str] = {}
    cards = framed_cards(card)
    for (row, asked), frame in itertools.product(zip(sheet.rows, told, strict=True), cards):
        demo = "demo" in columns.fields and _flag(row, columns.fields["demo"])
        target = pool if demo else items
        item = _item(cards[frame], row, asked, sheet, len(target))
        item = in_frame(item, row, columns.fields, frame)
        first = ids.setdefault(item.question.id, row.where)
        if first != row.where:
            field = columns.fields.get("id", "id")
            said = f'"{item.question.id}" stands twice (first at {first})'
            raise row.error(field, f"{said}; give each row its own, or drop the column")
        target.append(item)
    for framed in cards.values():
        _check_slots(framed, sheet)
    if not items:
        raise DataError(f"{raw.shown}: every row is a demonstration; leave some to be asked")
    notes = [*sheet.notes, *_repeated(items), *check_frames(items, raw.shown)]
    if card.family == "custom":
        unused = columns.unused(card, sheet.rows, _slots(card))
        if unused:
            several = "columns" if len(unused) > 1 else "column"
            verb = "are" if len(unused) > 1 else "is"
            names = [name.removeprefix("column ") for name in unused]  # one without a name
            notes.append(
                f"{several} {', '.join(names)} {verb} not used in prompts and grading "
                "(compare --by, export)"
            )
        line = items[0].question.answer_format
        if line and not card.prompt.answer_format:
            notes.append(f"every question ends in: {line}")
    return ItemSet(items, lambda: pool, notes=tuple(notes))


def open_sheet(card: TaskCard, raw: Raw) -> Sheet:
    """A table's rows and what its columns hold.

    Raises:
        DataError: not readable, no row left, or a column that is needed is not there.
    """
    path = raw.path(0)
    notes: tuple[str, ...] = ()
    if path is not None:
        rows, notes = rows_and_notes(path, card.source.format)
    else:
        rows = list(raw.rows or ())
    for row in rows:
        _lift_stem(row)
    where = card.options.get("where") or {}
    kept = [row for row in rows if _wanted(row, where)]
    if not kept:
        raise DataError(f"{raw.shown}: no row is left by options.where of {card.path}")
    if len(kept) < len(rows):
        notes = (*notes, f"{len(kept)} of {len(rows)} rows: {where}")
    named = {"cluster": card.cluster, **card.fields} if card.cluster else dict(card.fields)
    if raw.hub and card.source.hub is not None:
        named.update(card.source.hub.fields)
    columns = find_columns(card, kept, named)
    notes = (*notes, *columns.notes)
    start = None
    answer = columns.fields.get("answer")
    if answer and not columns.wrong:
        pairs = [
            (golds(row, answer), found)
            for row in kept
            if (found := choices_of(row, columns)) is not None
        ]
        start, open_ = counting(pairs, columns.first)
        if start is not None:
            why = ", as published sets do" if open_ else ""
            notes = (*notes, f"answers are positions of choices, counted from {start}{why}")
    if answer and any(is_worked(row, answer) for row in kept):
        notes = (*notes, "of a worked answer the gold is what follows ####, or the last box")
    parted = (path is not None and path.suffix.lower() == ".tsv") or any(
        note.startswith("columns parted by") for note in notes
    )
    decimal = bool(answer and parted and not columns.options) and _decimal(kept, str(answer))
    if decimal:
        notes = (*notes, "commas in the answers are decimal: 2,5 is two and a half")
    return Sheet(kept, columns, columns.further(kept), decimal, start, notes)


def _lift_stem(row: Row) -> None:
    """``{"question": {"stem": …, "choices": […]}}``, as ARC is published, as columns of its own."""
    asked = row.data.get("question")
    if isinstance(asked, dict) and isinstance(asked.get("stem"), str):
        row.data = {**row.data, **asked, "question": asked["stem"]}
        del row.data["stem"]


_COMMA = re.compile(r"\s*[-+−]?\d+(?:,(\d+))?\s*")


def _decimal(rows: Sequence[Row], answer: str) -> bool:
    """Whether answers have decimal commas: all are numbers, and one's comma parts no thousands.

    Asked only where something else than a comma parts the columns, as programs write it where the
    comma is decimal; elsewhere "1,3" may be a list.
    """
    found = [_COMMA.fullmatch(str(row.data.get(answer) or "")) for row in rows]
    return all(found) and any(one and one[1] and len(one[1]) != 3 for one in found)


def _with_point(number: str) -> str:
    return number.replace(",", ".").strip()


Asked = tuple[str, str | None, tuple[Message, ...], tuple[str, ...]]
"""What a row asks: question, system message, turns before it; and its golds."""

_settled: dict[str, tuple[Sheet, list[Asked]]] = {}
"""Tables whose verifier is settled and whose questions are read next: opened once, not twice."""


def _identity(card: TaskCard, path: Path) -> str:
    """What `open_sheet` depends on: the file as it is now, and the card but for its verifier."""
    now = path.stat()
    place = (now.st_dev, now.st_ino, now.st_mtime_ns, now.st_size)
    return repr((place, replace(card, verifier="", params={}, chosen="")))


def settle_verifier(card: TaskCard, raw: Raw) -> TaskCard:
    """A card with the verifier that its golds ask for, and why it is that one, with an example.

    Raises:
        DataError: a row has no gold.
    """
    sheet = open_sheet(card, raw)
    path = raw.path(0)
    columns = sheet.columns
    told = [_asked(row, columns, sheet.decimal) for row in sheet.rows]
    if path is not None:
        _settled[_identity(card, path)] = sheet, told
    answers = [accepted for *_, accepted in told]
    choices = bool(columns.wrong) or all(choices_of(row, columns) for row in sheet.rows)
    picked = verifier_for(answers, choices=choices)
    example = " ".join(answers[0][0].split())
    example = example if len(example) <= 40 else example[:37] + "…"
    why = f"{picked.why}, such as {example!r}"
    params = {**picked.params, **card.params}
    return replace(card, verifier=picked.verifier, params=params, chosen=why)


def _asked(row: Row, columns: Columns, decimal: bool = False) -> Asked:
    system: str | None = None
    history: tuple[Message, ...] = ()
    said: str | None = None
    if "messages" in columns.fields:
        system, history, text, said = conversation(row, columns.fields["messages"])
    elif "instruction" in columns.fields:
        task = row.filled(columns.fields["instruction"])
        about = str(row.text(columns.fields["question"], "")).strip()
        text = f"{task}\n\n{about}" if about else task
    else:
        text = row.filled(columns.fields["question"])
    if "context" in columns.fields:
        above = str(row.text(columns.fields["context"], "")).strip()
        text = f"{above}\n\n{text}" if above else text
    if "system" in columns.fields:
        system = row.text(columns.fields["system"], None) or system
    if "answer" in columns.fields:
        found = golds(row, columns.fields["answer"])
        return text, system, history, tuple(map(_with_point, found)) if decimal else found
    if said is None or not said.strip():
        raise row.error("answer", "is missing, and the turns do not end in the assistant's answer")
    return text, system, history, (said,)


def _item(card: TaskCard, row: Row, asked: Asked, sheet: Sheet, index: int) -> Item:
    columns, prompt = sheet.columns, card.prompt
    text, system, history, answers = asked
    fields = columns.fields
    key = str((row.text(fields["id"], None) if "id" in fields else None) or row.number).strip()
    choices = choices_of(row, columns)
    if columns.wrong:
        choices = mixed_in(row, columns, answers[0], f"{card.name}\0{key}")
        answers = answers[:1]
    params: dict[str, Any] = dict(card.options.get("params") or {})
    texts: tuple[str, ...] = ()
    if choices:
        texts = choices.texts
        field = fields.get("answer", "answer")
        answers = tuple(resolve(row, field, a, choices, sheet.counted_from) for a in answers)
        params["letter"] = LETTERS[texts.index(answers[0])]
    shown = _fill(prompt.input, row, fields, question=text)
    if choices and card.options.get("show_choices", True):
        shown += "".join(f"\n({LETTERS[i]}) {choice}" for i, choice in enumerate(texts))
    line = prompt.answer_format.strip("\n ") and prompt.answer_format
    if not line and card.family == "custom" and not prompt.own:
        line = FORMATS.get(card.verifier, "")
    own_system = prompt.system and _fill(prompt.system, row, fields, question=text)
    question = Question(
        id=key,
        task=card.name,
        index=index,
        instruction=_fill(prompt.instruction, row, fields, question=text),
        input=shown,
        answer_format=line,
        separator=prompt.separator,
        system=own_system or system,
        history=history,
        choices=texts,
        cluster=row.text(fields["cluster"], None) if "cluster" in fields else None,
        meta={"raw_input": text, "row": row.number, **_meta(card, row)},
    )
    said = params.get("letter") or answers[0]
    answer = demanded(line, said)
    demo = Demo(shown, answer, f"{shown}\n{answer}")
    if prompt.demo:
        demo = Demo(shown, answer, _fill(prompt.demo, row, fields, question=text))
    further = {name: row.data[name] for name in sheet.further if row.data.get(name) is not None}
    return Item(question, Gold(key, answers, params), demo, further)


def _meta(card: TaskCard, row: Row) -> dict[str, Any]:
    names: Iterable[str] = card.options.get("meta") or ()
    return {name: row.data[name] for name in names if row.data.get(name) is not None}


def demanded(line: str, answer: str) -> str:
    """An answer in the form that a prompt's last line asks for, so that no demonstration denies it.

    Args:
        line: the answer format: what it shows (a box, ``Answer: X``) is what it asks for.
        answer: the bare answer.
    """
    if "\\boxed" in line:
        return f"\\boxed{{{answer.strip().strip('$')}}}"
    return f"Answer: {answer}" if "Answer: " in line else answer


def _repeated(items: Sequence[Item]) -> list[str]:
    """A note where the same question is asked twice, with different answers (an error) or not."""
    seen: dict[object, Item] = {}
    same = 0
    for item in items:
        asked = (item.question.history, item.question.system, item.question.input)
        first = seen.setdefault(asked, item)
        if first is item:
            continue
        if set(first.gold.answers) != set(item.gold.answers):
            return [
                f'{CONTRADICTION}: "{first.gold.answers[0][:30]}" and '
                f'"{item.gold.answers[0][:30]}" for "{item.question.meta["raw_input"][:50]}"'
            ]
        same += 1
    return [f"{same} questions stand twice"] if same else []


# --- Templates -----------------------------------------------------------------------------


def _fill(template: str, row: Row, fields: Mapping[str, str], question: str) -> str:
    """A template with ``{field}`` replaced; braces that name no field of the row stay (LaTeX)."""

    def value(found: re.Match[str]) -> str:
        if found[1] == "question":
            return question
        name = fields.get(found[1], found[1])
        return str(row.text(name, "")) if name in row.data else found[0]

    return _SLOT.sub(value, template)


def _slots(card: TaskCard) -> set[str]:
    """Names in braces anywhere in a card's prompt."""
    prompt = card.prompt
    parts = (prompt.system or "", prompt.instruction, prompt.input, prompt.demo)
    texts = (*parts, *card.frames.values())
    return {found[1] for text in texts for found in _SLOT.finditer(text)}


def _check_slots(card: TaskCard, sheet: Sheet) -> None:
    """Refuse a prompt that would ask without the question, show the answer, or hold a slip.

    Braces in instruction and input that resemble no column may be LaTeX and stay; a system
    message has no other use for a name in braces.

    Raises:
        DataError: names the part of the prompt and the slot.
    """
    columns = {name for row in sheet.rows for name in row.data}
    fields = sheet.columns.fields
    known = sorted(
        {*columns, "question", *(n for n, column in fields.items() if column in columns)}
    )
    prompt = card.prompt
    for part in ("system", "instruction", "input"):
        for found in _SLOT.finditer(getattr(prompt, part) or ""):
            slot = found[1]
            near = difflib.get_close_matches(slot, known, n=1, cutoff=0.75)
            where = f"{card.path}: prompt.{part}: {{{slot}}}"
            if fields.get(slot, slot) == fields.get("answer"):
                raise DataError(f"{where} would show the answer; take it out")
            if slot not in known and (near or part == "system"):
                hint = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(known[:8])}"
                raise DataError(f"{where} is no column of the data; {hint}")
    if not {found[1] for found in _SLOT.finditer(prompt.input)} & set(known):
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
