"""A run as a table for other programs: one row a graded candidate."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from heartloop.calls import Journal
from heartloop.errors import UsageError, absent_part
from heartloop.report.transcripts import private_tasks
from heartloop.run.files import swapped
from heartloop.run.folder import VERDICTS, RunFolder, check_target
from heartloop.run.state import run_state
from heartloop.run.verdicts import read_traces

FORMATS = ("parquet", "jsonl", "csv")
BATCH = 20_000  # rows of a parquet row group

# What each column means beside the fields of verdicts.jsonl, from which it is flattened.
COLUMNS: dict[str, str] = {
    "run": "name of the run",
    "state": "what the run is: `whole`, `partial`, `killed`, `running` or `damaged`",
    "role": "role of the arm: `treatment` or what it controls for",
    "method": "method of the arm",
    "mode": "`oracle` or `verifier-free`",
    "stimuli": "names of the arm's stimuli, joined by +",
    "content_outcome": "and content_reason, content_answer, content_score, content_detail: "
    "the content reading",
    "tokens_prompt": "and tokens_completion, tokens_reasoning, tokens_cached: of this call",
    "usage_prompt": "and usage_completion, usage_reasoning, usage_cached: of the trace so far",
    "detail": "as in verdicts.jsonl; empty for private tasks without --texts",
    "gold": "accepted answers, one a line; empty for private tasks and where the data are not "
    "at hand",
    "column_NAME": "a column of the task's own table, or what its reader notes of a question, "
    "as text",
    "prompt": "with --texts: the whole conversation that was sent, as JSON",
    "text": "with --texts: the visible answer",
    "reasoning": "with --texts: thinking shown apart from the answer",
}

TEXT, WHOLE, REAL, FLAG = "string", "int64", "float64", "bool"
TYPES: dict[str, str] = {
    "run": TEXT, "state": TEXT, "task": TEXT, "question": TEXT, "index": WHOLE,
    "cluster": TEXT, "model": TEXT,
    "seed": WHOLE, "arm": TEXT, "role": TEXT, "method": TEXT, "mode": TEXT, "stimuli": TEXT,
    "round": WHOLE, "draw": WHOLE, "purpose": TEXT, "key": TEXT, "cue": TEXT, "outcome": TEXT,
    "reason": TEXT, "answer": TEXT, "score": REAL, "detail": TEXT, "content_outcome": TEXT,
    "content_reason": TEXT, "content_answer": TEXT, "content_score": REAL, "content_detail": TEXT,
    "form": FLAG, "selected": FLAG, "last": FLAG, "finish_reason": TEXT, "tokens_prompt": WHOLE,
    "tokens_completion": WHOLE, "tokens_reasoning": WHOLE, "tokens_cached": WHOLE, "calls": WHOLE,
    "usage_prompt": WHOLE, "usage_completion": WHOLE, "usage_reasoning": WHOLE,
    "usage_cached": WHOLE, "cost": REAL, "error": TEXT, "started": REAL, "finished": REAL,
    "checked": FLAG, "notes": TEXT, "sent": TEXT, "gold": TEXT,
}  # fmt: skip
COLUMN = "column_"
TEXT_COLUMNS = ("prompt", "text", "reasoning")


@dataclass(frozen=True, slots=True)
class Beside:
    """What the data say of each question, by task and id; nothing where they are not at hand.

    Attributes:
        golds: accepted answers, one a line; none of private tasks.
        columns: name -> value as text.
        names: of all columns.
    """

    golds: Mapping[tuple[str, str], str] = field(default_factory=dict)
    columns: Mapping[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    names: tuple[str, ...] = ()


def beside_questions(folder: RunFolder, data_dir: str | None = None) -> Beside:
    """Golds and further columns of a run's questions."""
    from heartloop.run.load import close_tasks, tasks_at_hand

    tasks = tasks_at_hand(folder, data_dir)
    asyncio.run(close_tasks(tasks))
    private = private_tasks(folder.manifest)
    golds, columns, names = {}, {}, dict[str, None]()
    for task in tasks:
        if task.card.name in private:
            continue
        for key, gold in task.data.golds.items():
            golds[task.card.name, key] = "\n".join(gold.answers)
        for key, found in task.data.columns.items():
            columns[task.card.name, key] = {name: str(value) for name, value in found.items()}
            names.update(dict.fromkeys(found))
    return Beside(golds, columns, tuple(names))


def rows(
    folder: RunFolder, texts: bool = False, beside: Beside | None = None
) -> Iterator[dict[str, Any]]:
    """Every graded candidate as a flat row, in the order of ``verdicts.jsonl``.

    Args:
        folder: the run.
        texts: with prompts and answers.
        beside: what the data say of the questions.

    Raises:
        UsageError: the run has no verdicts.
    """
    manifest = folder.manifest
    arms = {a["name"]: a for a in manifest["plan"]["arms"]}
    modes = {t["task"]: t["mode"] for t in manifest["tasks"]}
    run = {"run": folder.name, "state": run_state(folder).state}
    known = beside or Beside()
    # What was compared names the gold.
    hidden = set[str]() if texts else private_tasks(manifest)
    journal = Journal.open(folder.path, read_only=True) if texts else None
    try:
        for trace in read_traces(folder.path / VERDICTS):
            for line in trace:
                arm = arms.get(line["arm"])
                if (arm is None and "search" not in manifest) or line["task"] not in modes:
                    raise UsageError(
                        f"{folder.path / VERDICTS}: arm {line['arm']!r} or task {line['task']!r} "
                        f"is not of this run's plan; heartloop repair {folder.path}"
                    )
                row = _row(line, run, arm or PROPOSED, modes[line["task"]], journal)
                if line["task"] in hidden:
                    row["detail"] = row["content_detail"] = None
                asked = (line["task"], line["question"])
                row["gold"] = known.golds.get(asked)
                told = known.columns.get(asked, {})
                yield row | {f"{COLUMN}{name}": told.get(name) for name in known.names}
    finally:
        if journal is not None:
            journal.close()


PROPOSED = {"role": "treatment", "method": "", "stimuli": []}
"""An arm that a search wrote itself: its words stand in search.json, not in the plan."""


def _row(
    line: dict[str, Any], run: dict[str, str], arm: Any, mode: str, journal: Journal | None
) -> dict[str, Any]:
    flat: dict[str, Any] = {
        **run,
        "role": arm["role"],
        "method": arm["method"],
        "mode": mode,
        "stimuli": "+".join(f"{s['set']}:{s['id']}" for s in arm["stimuli"]),
    }
    for name, value in line.items():
        if isinstance(value, dict) and name not in ("notes", "sent"):
            flat |= {f"{name}_{part}": inner for part, inner in value.items()}
        else:
            flat[name] = value
    for name in ("notes", "sent"):
        flat[name] = None if line.get(name) is None else orjson.dumps(line[name]).decode()
    row = {name: flat.get(name) for name in TYPES}
    if journal is not None:
        record = journal.record(line["key"]) if line["key"] else None
        messages = journal.messages_of(line["key"]) if record else ()
        row["prompt"] = orjson.dumps(messages).decode() if record else None
        row["text"] = record["text"] if record else None
        row["reasoning"] = record["reasoning"] if record else None
    return row


def export(
    folder: RunFolder, to: str, output: Path, texts: bool = False, data_dir: str | None = None
) -> int:
    """Write the rows of a run.

    Args:
        folder: the run.
        to: ``parquet``, ``jsonl`` or ``csv``.
        output: the file.
        texts: with prompts and answers.
        data_dir: where the data are now, if they moved.

    Returns:
        Number of rows.

    Raises:
        UsageError: no verdicts, an unknown format, a folder that does not exist, or a file that
            must not be written over.
        JournalError: the file cannot be written.
    """
    if to not in FORMATS:
        raise UsageError(f"--to {to!r}: one of {', '.join(FORMATS)}")
    if not output.parent.is_dir():
        raise UsageError(f"-o {output}: there is no folder {output.parent}")
    check_target(output, BEGINS[to], f"{to} export of heartloop")
    with swapped(output) as file:
        return write_rows(folder, to, file, texts, data_dir)


def write_rows(
    folder: RunFolder, to: str, file: BinaryIO, texts: bool = False, data_dir: str | None = None
) -> int:
    """Write the rows of a run to an open file; as `export`."""
    write = {"parquet": _parquet, "jsonl": _jsonl, "csv": _csv}[to]
    beside = beside_questions(folder, data_dir)
    further = [f"{COLUMN}{name}" for name in beside.names]
    names = [*TYPES, *further, *(TEXT_COLUMNS if texts else ())]
    return write(rows(folder, texts, beside), names, file)


BEGINS = {
    "parquet": (b"PAR1",),
    "jsonl": (b'{"run":',),
    "csv": (b"run,task,", b"run,state,"),
}
"""How each format begins: nothing else is written over."""


def _jsonl(found: Iterator[dict[str, Any]], names: list[str], file: BinaryIO) -> int:
    del names
    count = 0
    for row in found:
        file.write(orjson.dumps(row) + b"\n")
        count += 1
    return count


def _csv(found: Iterator[dict[str, Any]], names: list[str], file: BinaryIO) -> int:
    count = 0
    text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")
    try:
        writer = csv.DictWriter(text, names)
        writer.writeheader()
        for row in found:
            writer.writerow({name: plain_cell(value) for name, value in row.items()})
            count += 1
        text.flush()
    finally:
        text.detach()
    return count


_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n", "'")  # noqa: RUF001


def plain_cell(value: Any) -> Any:
    """A CSV cell that no spreadsheet takes for a formula.

    A text that begins like one gets an apostrophe in front, and so does a text that begins with
    an apostrophe, so that taking one off gives every text back. Numbers stay numbers.
    """
    return "'" + value if isinstance(value, str) and value.startswith(_FORMULA) else value


def _parquet(found: Iterator[dict[str, Any]], names: list[str], file: BinaryIO) -> int:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        words = absent_part("--to parquet", "pyarrow", "parquet")
        raise UsageError(f"{words}; or use --to jsonl") from error

    kinds = {TEXT: pyarrow.string(), WHOLE: pyarrow.int64(), REAL: pyarrow.float64(),
             FLAG: pyarrow.bool_()}  # fmt: skip
    schema = pyarrow.schema([(name, kinds[TYPES.get(name, TEXT)]) for name in names])
    count = 0
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        batch: list[dict[str, Any]] = []
        for row in found:
            batch.append(row)
            if len(batch) == BATCH:
                writer.write_table(pyarrow.Table.from_pylist(batch, schema))
                count, batch = count + len(batch), []
        writer.write_table(pyarrow.Table.from_pylist(batch, schema))
    return count + len(batch)
