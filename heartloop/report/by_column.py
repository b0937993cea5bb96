"""``compare --by COLUMN``: differences apart for the questions with each value of a column.

Descriptive, whatever comes of it: no column is part of a claim, and the more cells are looked at,
the larger the largest difference. So the intervals hold for all cells and arms of a table at once,
and whether a difference changes with the column is tested as such, not read off from cells of
which one has an interval without 0 and another has not.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from heartloop.analysis.contrasts import Sample, contrasts
from heartloop.analysis.multiplicity import holm
from heartloop.errors import UsageError
from heartloop.report.arms import (
    Entry,
    Loaded,
    Pair,
    find_entry,
    load_run,
    pairs_between,
    pairs_within,
)
from heartloop.report.samples import contrast_weights, groups_of, metric_words, only_tasks, stack
from heartloop.report.writing import markdown_table, p_value, points, span, text_table
from heartloop.run.claim import read_claim

FEW = 20
"""Under so many questions (or groups of dependent ones) a cell gets no interval."""
MOST = 30  # values of a column
SHUFFLES = 4999
EMPTY = "(empty)"


@dataclass(frozen=True, slots=True)
class Cell:
    """One arm against its control on the questions with one value; shares, arm minus control.

    Attributes:
        value: of the column; ``questions``: how many have it.
        own_arm, own_control: the own metric of both; ``estimate``: their difference.
        low, high: interval for all cells and arms of the table at once; None where there are few.
    """

    value: str
    questions: int
    arm: str
    control: str
    own_arm: float
    own_control: float
    estimate: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Change:
    """Whether a difference changes with the column.

    Attributes:
        p: of a permutation test that shuffles the values among the questions of each task (among
            groups of dependent ones); None where no task has two values.
        p_holm: adjusted over the arms of the table.
    """

    arm: str
    control: str
    p: float | None
    p_holm: float | None


@dataclass(frozen=True, slots=True)
class ByColumn:
    """One table: a model on a task or suite.

    Attributes:
        column: its name; ``unit``: the task or suite; ``metric``: its own metric.
        cells: by arm, then value; ``changes``: one an arm.
        unknown: questions whose value is not known.
        level: coverage of the intervals over the whole table.
    """

    column: str
    model: str
    unit: str
    metric: str
    cells: tuple[Cell, ...]
    changes: tuple[Change, ...]
    unknown: int
    level: float

    def to_dict(self) -> dict[str, Any]:
        """Plain data for ``--json``: shares, not points."""
        return asdict(self) | {"descriptive": True}


def by_column(
    specs: Sequence[str],
    runs: Path,
    column: str,
    *,
    control: str | None = None,
    level: float | None = None,
    data_dir: str | None = None,
) -> tuple[ByColumn, ...]:
    """Compare what ``RUN`` or ``RUN:ARM RUN:ARM`` names, apart by the values of a column.

    Args:
        specs: one run (its treatments against the plain prompt, else their strictest control), or
            two arms.
        runs: where run folders are.
        column: a column of the task's table, or what its reader notes of a question.
        control: another control.
        level: coverage; default the claim's.
        data_dir: where the data are now, if they moved.

    Returns:
        A table a model and task or suite.

    Raises:
        UsageError: no such run, arm, control or column; data that are not at hand or not those of
            the run; a column with too many values.
    """
    if not column.strip():
        raise UsageError("--by: names no column; write one, such as --by subject")
    named = [find_entry(spec, runs) for spec in specs]
    loaded = {folder.path: load_run(folder) for folder, _ in named}
    if len(loaded) > 1:
        raise UsageError("--by: the arms of one run; runs are compared without it")
    run = next(iter(loaded.values()))
    pairs = _pairs(run, [arm for _, arm in named], control)
    values = column_of(run, column, data_dir)
    level = 1 - read_claim(run.manifest).level if level is None else level
    found = []
    for model in dict.fromkeys(pair.arm.model for pair in pairs):
        mine = [pair for pair in pairs if pair.arm.model == model]
        for unit, tasks in groups_of(run.manifest).items():
            table = _table(run, mine, unit, tasks, column, values, level)
            found += [table] if table is not None else []
    if not found:
        raise UsageError(f"--by {column}: no question is finished by arms and controls")
    return tuple(found)


def _pairs(run: Loaded, arms: Sequence[str | None], control: str | None) -> list[Pair]:
    if len(arms) > 1:
        return pairs_between([(run, arm) for arm in arms])
    pairs = [p for p in pairs_within(run) if arms[0] in (None, p.arm.arm)]
    if control is not None:
        kept = [p for p in pairs if p.control.arm == control]
        if not kept:
            known = ", ".join(dict.fromkeys(p.control.arm for p in pairs))
            raise UsageError(f"--control {control}: no such control here; there are {known}")
        return kept
    if not pairs:
        raise UsageError(f"{run.folder.name}:{arms[0]} is a control; name what to compare it with")
    first: dict[tuple[str, str], Pair] = {}
    for pair in pairs:
        key = (pair.arm.model, pair.arm.arm)
        if key not in first or pair.control.role == "none":
            first[key] = pair
    return list(first.values())


def column_of(
    run: Loaded, column: str, data_dir: str | None = None
) -> Mapping[tuple[str, str], str]:
    """Task and question -> the value of a column, as text.

    Raises:
        UsageError: the data are not at hand, or no task has the column; names those there are.
    """
    from heartloop.run.load import close_tasks, tasks_at_hand

    tasks = tasks_at_hand(run.folder, data_dir)
    asyncio.run(close_tasks(tasks))
    if not tasks:
        raise UsageError(
            f"--by {column}: the data of {run.folder.name} are not where the run found them; "
            "name their folder with --data"
        )
    known: Counter[str] = Counter()
    found: dict[tuple[str, str], str] = {}
    for task in tasks:
        rows = task.data.columns
        known.update({name for row in rows.values() for name in row})
        for question in task.data.questions:
            value = rows.get(question.id, {}).get(column)
            text = "" if value is None else " ".join(str(value).split())
            found[task.card.name, question.id] = text or EMPTY
    if column not in known:
        near = next((name for name in known if name.casefold() == column.casefold()), None)
        hint = (
            f"did you mean {near}?" if near else f"there are {', '.join(sorted(known)) or 'none'}"
        )
        raise UsageError(
            f"--by {column}: no column beside the questions (what is asked and its gold are none); "
            f"{hint}"
        )
    return found


def _table(
    run: Loaded,
    pairs: Sequence[Pair],
    unit: str,
    tasks: Sequence[str],
    column: str,
    values: Mapping[tuple[str, str], str],
    level: float,
) -> ByColumn | None:
    arms: dict[str, Entry] = {}
    for pair in pairs:
        for entry in (pair.control, pair.arm):
            arms.setdefault(entry.arm, only_tasks(entry, tasks))
    chosen = [entry for entry in arms.values() if entry.parts]
    stacked = stack(chosen, run.manifest) if len(chosen) == len(arms) else None
    if stacked is None:
        return None
    found, aligned, spoken = stacked
    asked = [
        (task, chosen[0].parts[task].questions[row])
        for task, rows in zip(aligned.names, aligned.rows[0], strict=True)
        for row in rows
    ]
    labels = [values.get(key) for key, kept in zip(asked, spoken, strict=True) if kept]
    counts = Counter(label for label in labels if label is not None)
    if len(counts) > MOST:
        raise UsageError(
            f"--by {column}: {len(counts):,} different values on {unit}, at most {MOST}; group "
            "them in a column of their own"
        )
    if not counts:
        return None
    place = {entry.arm: i for i, entry in enumerate(chosen)}
    weights = [
        contrast_weights(len(chosen), place[p.arm.arm], [place[p.control.arm]]) for p in pairs
    ]
    names = _in_order(counts)
    code = np.array([-1 if label is None else names.index(label) for label in labels])
    # Bonferroni over cells; within each, the intervals hold for all arms at once already.
    inside = 1 - (1 - level) / len(names)
    cells: list[list[Cell]] = [[] for _ in pairs]
    for number, name in enumerate(names):
        part = _only(found, code == number)
        means = _means(part)
        enough = len(np.unique(part.clusters)) >= FEW
        told = contrasts(part, weights, level=inside) if enough else [None] * len(pairs)
        for into, pair, d in zip(cells, pairs, told, strict=True):
            arm, base = means[place[pair.arm.arm]], means[place[pair.control.arm]]
            into.append(
                Cell(name, counts[name], pair.arm.arm, pair.control.arm, arm, base, arm - base,
                     d.low if d else None, d.high if d else None)
            )  # fmt: skip
    p = _changes(_only(found, code >= 0), code[code >= 0], np.array(weights))
    adjusted = [None] * len(pairs) if p is None else [float(x) for x in holm(p)]
    changes = [
        Change(pair.arm.arm, pair.control.arm, None if p is None else p[i], adjusted[i])
        for i, pair in enumerate(pairs)
    ]
    return ByColumn(
        column=column,
        model=pairs[0].arm.model,
        unit=unit,
        metric=metric_words(run.manifest, aligned.names),
        cells=tuple(cell for each in cells for cell in each),
        changes=tuple(changes),
        unknown=int((code < 0).sum()),
        level=level,
    )


def _in_order(counts: Mapping[str, int]) -> list[str]:
    """Values as numbers where all are numbers, else by the alphabet; empty ones last."""
    try:
        return sorted(counts, key=lambda text: (text == EMPTY, float(text if text != EMPTY else 0)))
    except ValueError:
        return sorted(counts, key=lambda text: (text == EMPTY, text.casefold()))


def _only(found: Sample, mask: np.ndarray) -> Sample:
    """Some questions of a sample; tasks without any are left out."""
    kept, tasks = np.unique(found.tasks[mask], return_inverse=True)
    clusters = np.unique(found.clusters[mask], return_inverse=True)[1]
    return replace(
        found,
        own=found.own[:, mask],
        content=found.content[:, mask],
        tasks=tasks.astype(np.int64),
        clusters=clusters.astype(np.int64),
        low=found.low[kept],
        high=found.high[kept],
    )


def _means(found: Sample) -> list[float]:
    """The own metric of every arm, mean over tasks, on the tasks' own scale."""
    tasks = [
        found.own[:, found.tasks == k].mean(axis=1) - found.low[k] for k in range(len(found.low))
    ]
    return [float(x) for x in np.mean(tasks, axis=0)]


def _changes(found: Sample, code: np.ndarray, weights: np.ndarray) -> list[float] | None:
    """Permutation test a contrast: do the differences depend on the cell? None with one cell each.

    The statistic is the sum of squares between cells of the differences of groups of dependent
    questions, each task's mean taken off; values are shuffled among the groups of each task. A
    group counts to the cell of its first question. The same seed gives the same p.
    """
    groups, first, group = np.unique(found.clusters, return_index=True, return_inverse=True)
    sizes = np.bincount(group, minlength=len(groups)).astype(float)
    values = weights @ found.own
    mean = np.stack([np.bincount(group, row, len(groups)) / sizes for row in values])
    task, cell = found.tasks[first], code[first]
    places = [np.flatnonzero(task == k) for k in np.unique(task)]
    if all(len(np.unique(cell[at])) < 2 for at in places):
        return None
    for at in places:
        mean[:, at] -= mean[:, at].mean(axis=1, keepdims=True)

    def between(cells: np.ndarray) -> np.ndarray:
        table = np.zeros((int(code.max()) + 1, len(cells)))
        table[cells, np.arange(len(cells))] = 1.0
        totals = mean @ table.T
        return np.asarray((totals**2 / np.maximum(table.sum(axis=1), 1.0)).sum(axis=1))

    observed = between(cell)
    rng = np.random.default_rng(0)
    beyond = np.zeros(len(weights))
    for _ in range(SHUFFLES):
        shuffled = cell.copy()
        for at in places:
            shuffled[at] = rng.permutation(cell[at])
        beyond += between(shuffled) >= observed - 1e-12
    return [float(x) for x in (beyond + 1) / (SHUFFLES + 1)]


def render(tables: Sequence[ByColumn], markdown: bool = False) -> str:
    """What ``compare --by`` prints."""
    make = markdown_table if markdown else text_table
    blocks = []
    for one in tables:
        where = f"{one.unit} with {one.model}" if len({t.model for t in tables}) > 1 else one.unit
        blocks.append(f"{where} by {one.column} · own metric: {one.metric}")
        several = len(one.changes) > 1
        order = {value: i for i, value in enumerate(dict.fromkeys(c.value for c in one.cells))}
        heads = [one.column, *(["arm − control"] if several else []), "n", "arm %", "control %",
                 "diff", f"{one.level:.0%} CI"]  # fmt: skip
        rows = [
            [c.value, *([f"{c.arm} − {c.control}"] if several else []), f"{c.questions:,}",
             points(c.own_arm, False), points(c.own_control, False), points(c.estimate),
             "few" if c.low is None else span(c.low, c.high)]
            for c in sorted(one.cells, key=lambda c: order[c.value])
        ]  # fmt: skip
        blocks.append(make(heads, rows, 2 if several else 1))
        shown = [[f"{c.arm} − {c.control}", p_value(c.p), p_value(c.p_holm)] for c in one.changes]
        if one.changes[0].p is None:
            blocks.append(
                f"Whether a difference changes with {one.column} cannot be tested: every question "
                "of a task has the same value."
            )
        else:
            blocks.append(make([f"changes with {one.column}?", "p", "p Holm"], shown))
        few = sorted({c.value for c in one.cells if c.low is None})
        notes = []
        if few:
            named = ", ".join(few if len(few) < 5 else [*few[:3], f"and {len(few) - 3} more"])
            notes.append(f"note: under {FEW} questions, no interval: {named}")
        if one.unknown:
            notes.append(f"note: {one.unknown:,} questions without a known {one.column} left out")
        blocks += notes
    blocks.append(
        "Descriptive: no column was part of what was fixed beforehand,\nso no word is said. "
        "Intervals hold for all cells and arms of a table at\nonce; p: permutation test of no "
        "change with the column."
    )
    return "\n\n".join(blocks)
