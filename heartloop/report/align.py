"""Two arms on the questions they share: aligned arrays over all tasks, and readings of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from heartloop.analysis import CORRECT
from heartloop.analysis.curves import Attempts, attempts
from heartloop.report.arms import Entry

if TYPE_CHECKING:
    from heartloop.run.results import ArmResults, Steps

Cost = Callable[["Steps"], np.ndarray]
"""What every candidate had cost, up to and including its own call."""


@dataclass(frozen=True, slots=True)
class Aligned:
    """The shared questions of several entries, tasks stacked in order.

    Attributes:
        rows: for each entry, each task: index of the shared questions in that entry's arrays.
        columns: for each entry: the seed columns that are compared.
        tasks: one label a question; ``clusters``: one label a question, unique over tasks.
        questions: (task, id) of each.
        notes: what was left out.
    """

    entries: tuple[Entry, ...]
    rows: tuple[tuple[np.ndarray, ...], ...]
    columns: tuple[tuple[int, ...], ...]
    names: tuple[str, ...]
    tasks: np.ndarray
    clusters: np.ndarray
    questions: int
    notes: tuple[str, ...]

    def stack(self, which: int, name: str) -> np.ndarray:
        """An array of one entry, shape (questions, seeds, …), shared questions and seeds only."""
        entry = self.entries[which]
        parts = [
            getattr(entry.parts[task], name)[rows][:, list(self.columns[which])]
            for task, rows in zip(self.names, self.rows[which], strict=True)
        ]
        return np.concatenate(parts)

    @property
    def task_labels(self) -> np.ndarray | None:
        """One label a question, or None with a single task."""
        return self.tasks if len(self.names) > 1 else None


def align(entries: Sequence[Entry]) -> Aligned | None:
    """Align entries on the questions and seeds all of them have; None where they share none."""
    names = [t for t in entries[0].parts if all(t in e.parts for e in entries)]
    rows: list[list[np.ndarray]] = [[] for _ in entries]
    tasks: list[str] = []
    clusters: list[str] = []
    kept: list[str] = []
    only = 0
    for task in names:
        parts = [e.parts[task] for e in entries]
        index = [{q: i for i, q in enumerate(p.questions)} for p in parts]
        shared = [q for q in parts[0].questions if all(q in there for there in index[1:])]
        only += len(set().union(*index)) - len(shared)
        if not shared:
            continue
        kept.append(task)
        for where, there in zip(rows, index, strict=True):
            where.append(np.array([there[q] for q in shared]))
        first = parts[0]
        tasks += [task] * len(shared)
        clusters += [f"{task}\t{first.clusters[index[0][q]]}" for q in shared]
    if not kept:
        return None
    notes = [f"{only} questions are in one of them only and left out"] if only else []
    columns, note = _columns(entries)
    return Aligned(
        entries=tuple(entries),
        rows=tuple(tuple(where) for where in rows),
        columns=columns,
        names=tuple(kept),
        tasks=np.array(tasks),
        clusters=np.array(clusters),
        questions=len(tasks),
        notes=tuple(notes + note),
    )


def _columns(entries: Sequence[Entry]) -> tuple[tuple[tuple[int, ...], ...], list[str]]:
    """Seed columns to be paired: by seed where seeds are shared, else by place; copies dropped."""
    seeds = [e.any.seeds for e in entries]
    shared = [s for s in seeds[0] if all(s in other for other in seeds[1:])]
    notes = []
    if shared:
        columns = [[own.index(s) for s in shared] for own in seeds]
    else:
        count = min(len(own) for own in seeds)
        columns = [list(range(count)) for _ in seeds]
    if len(columns[0]) > 1:
        keep: set[int] = set(range(len(columns[0])))
        for entry, cols in zip(entries, columns, strict=True):
            found, note = replicates(entry)
            keep &= {i for i, c in enumerate(cols) if c in found}
            notes += [note] if note else []
        chosen = sorted(keep) or [0]
        columns = [[cols[i] for i in chosen] for cols in columns]
    return tuple(tuple(cols) for cols in columns), list(dict.fromkeys(notes))


def replicates(entry: Entry) -> tuple[tuple[int, ...], str]:
    """Seed columns of an arm that bring something new, and a sentence where some do not.

    Repeated greedy runs are copies, whatever their seeds say.
    """
    from heartloop.analysis import repeated_runs

    part = entry.any
    if len(part.seeds) < 2:
        return (0,), ""
    tasks = {t["task"]: t for t in entry.run.manifest["tasks"]}
    temperatures = {tasks[t]["sampling"].get("temperature") for t in entry.parts}
    # A temperature of 0 is stored as absent from the sampling that was set only when unset.
    greedy = temperatures == {0} or entry.run.manifest["plan"]["sampling"].get("temperature") == 0
    found = repeated_runs(_texts(entry), temperature=0 if greedy else None)
    note = f"{entry.arm}: {found.note}" if found.note else ""
    return found.keep, note


def _texts(entry: Entry) -> np.ndarray:
    """The first answers' full texts as hashes, shape (questions, seeds), from the journal."""
    tables = []
    for part in entry.parts.values():
        table = np.zeros(part.keys.shape, np.int64)
        for place, key in np.ndenumerate(part.keys):
            record = entry.run.journal.record(key) if key else None
            table[place] = hash((record or {}).get("text"))
        tables.append(table)
    return np.concatenate(tables)


def is_independent(part: ArmResults) -> bool:
    """Whether the candidates of an arm are independent draws rather than a conversation."""
    return part.rounds.shape[2] == 1


def attempt_values(aligned: Aligned, which: int, cost: Cost | None = None) -> Attempts:
    """What an arm would hand in as its budget grows, over shared questions and seeds.

    Values are of the task's own metric: the score where the verifier gives one, else 1 for right.
    Oracle mode: from the first right candidate on, that one. Verifier-free: a loop hands in its
    latest answer, independent draws the most frequent extracted answer so far (the earlier one on
    a tie; equal as strings), and the end of a trace is what was really handed in.

    Args:
        aligned: from `align`.
        which: index of the entry.
        cost: what each candidate had cost; default tokens.
    """
    entry = aligned.entries[which]
    columns = {c: i for i, c in enumerate(aligned.columns[which])}
    width = len(columns)
    question: list[int] = []
    spent: list[float] = []
    value: list[float] = []
    offset = 0
    for task, rows in zip(aligned.names, aligned.rows[which], strict=True):
        part = entry.parts[task]
        place = {int(r): i + offset for i, r in enumerate(rows)}
        offset += len(rows)
        seeds = len(part.seeds)
        steps = part.steps
        costs = None if cost is None else cost(steps)
        starts = np.flatnonzero(np.r_[True, np.diff(steps.row) != 0])
        ends = np.r_[starts[1:], len(steps.row)]
        independent = is_independent(part)
        for a, b in zip(starts.tolist(), ends.tolist(), strict=True):
            i, j = divmod(int(steps.row[a]), seeds)
            if i not in place or j not in columns:
                continue
            question += [place[i] * width + columns[j]] * (b - a)
            spent += (steps.tokens if costs is None else costs)[a:b].tolist()
            value += _values(steps, a, b, part, independent, (i, j))
    return attempts(question, spent, value, aligned.questions * width)


def _values(
    steps: Any, a: int, b: int, part: ArmResults, independent: bool, place: tuple[int, int]
) -> list[float]:
    own = own_metric(steps.code[a:b], steps.score[a:b])
    if part.mode == "oracle":
        return kept_once_right(own[None], steps.code[a:b][None])[0].tolist()
    if independent and b - a > 1:
        values: list[float] = []
        counts: dict[Any, int] = {}
        first: dict[Any, float] = {}
        for answer, worth in zip(steps.answer[a:b], own.tolist(), strict=True):
            counts[answer] = counts.get(answer, 0) + (answer is not None)
            first.setdefault(answer, worth)
            values.append(first[max(counts, key=lambda x: counts[x])])
    else:
        values = own.tolist()
    values[-1] = float(own_metric(part.outcomes[place], part.scores[place]))
    return values


def own_metric(codes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The task's own metric of answers: the official score, else 1 for a right answer."""
    return np.asarray(np.where(np.isnan(scores), codes == CORRECT, scores), dtype=float)


def kept_once_right(own: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Values along the last axis, where everything after a right answer is that answer."""
    right = codes == CORRECT
    first = np.where(right.any(axis=-1), right.argmax(axis=-1), codes.shape[-1] - 1)
    at = np.minimum(np.arange(codes.shape[-1]), first[..., None])
    return np.asarray(np.take_along_axis(own, at, axis=-1))
