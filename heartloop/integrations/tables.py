"""Results in a table of one's own: one row an answer, its columns named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from heartloop.data.files import SUFFIXES, read_table
from heartloop.errors import UsageError
from heartloop.integrations.brought import Brought, Sample, question_id, score_of
from heartloop.types import Message, Usage

COLUMNS: dict[str, str] = {
    "question": "the question, or its id: rows of one question are paired",
    "score": "from 0 to 1, or true and false",
    "arm": "which prompt, phrase or method; without it the table is one arm",
    "model": "the model; without it `unknown`",
    "task": "the task; without it the file's name",
    "prompt": "what was asked, where it is more than the question",
    "answer": "the model's answer",
    "gold": "the expected answer",
    "seed": "which repeat: 0, 1, …",
    "prompt_tokens": "tokens of the prompt",
    "completion_tokens": "tokens of the answer",
}


def read_results(file: Path, columns: Mapping[str, str]) -> Brought:
    """What a table of results holds.

    Args:
        file: CSV, TSV, JSON, JSON lines or parquet.
        columns: meaning (a key of `COLUMNS`) to the name of the column; a meaning that is not
            named is looked for under its own name.

    Raises:
        UsageError: a file or column that is not there, or a score that is no share.
    """
    if file.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{file}: one of {', '.join(sorted(SUFFIXES))}")
    table = read_table(file, SUFFIXES[file.suffix.lower()])
    there = dict.fromkeys(name for _, row in table.records for name in row)
    for meaning, name in columns.items():
        if name not in there:
            raise UsageError(f"--{meaning} {name}: {file.name} has {', '.join(there)}")
    of = {m: columns.get(m) or (m if m in there else None) for m in COLUMNS}
    for needed in ("question", "score"):
        if of[needed] is None:
            raise UsageError(
                f"{file}: no column {needed!r} ({COLUMNS[needed]}); name it: --{needed} COLUMN; "
                f"there are {', '.join(there)}"
            )
    found = Brought("a table", files=[file], notes=list(table.notes))
    missing = [m for m in COLUMNS if of[m] is None]
    if missing:
        found.notes.append(f"the table has no {', '.join(missing)}")
    for where, row in table.records:
        cells = {m: _cell(row, name) for m, name in of.items()}
        cell = cells.get
        question = cell("question")
        if question is None:
            raise UsageError(f"{where}: {of['question']} is empty")
        counts = [_count(cell(m), f"{where}: {m}") for m in _COUNTS]
        answer = cell("answer")
        asked = cell("prompt") or question
        found.samples.append(
            Sample(
                cell("task") or file.stem,
                question if len(question) <= 40 else question_id(question),
                cell("model") or "unknown",
                cell("arm") or file.stem,
                score_of(row.get(str(of["score"])), f"{where}: {of['score']}"),
                seed=counts[0],
                messages=(Message("user", asked),),
                text=answer,
                gold=cell("gold"),
                usage=Usage(counts[1], counts[2]),
                finish_reason="stop" if answer is not None else None,
            )
        )
    return found


def _cell(row: Mapping[str, object], column: str | None) -> str | None:
    value = None if column is None else row.get(column)
    return None if value is None or value == "" else str(value)


_COUNTS = ("seed", "prompt_tokens", "completion_tokens")


def _count(cell: str | None, where: str) -> int:
    try:
        value = int(float(cell or 0))
    except ValueError:
        value = -1
    if value < 0:
        raise UsageError(f"{where}: {cell!r} is no whole number")
    return value
