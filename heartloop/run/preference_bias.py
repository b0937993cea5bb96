"""The preference-bias analysis of a run's predictions: reports, differences, plain data, files."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from heartloop.analysis.paired import cluster_differences, permutation_test
from heartloop.analysis.preference import (
    LABELS,
    PUBLISHED,
    STAGES,
    PreferenceReport,
    conversation_confusions,
    preference_bias,
    preference_dict,
)
from heartloop.analysis.preference_runs import BiasDifference, Drift, compare_bias, drift
from heartloop.errors import UsageError
from heartloop.run.predictions import INT64, UNREAD, Key, Predictions

UNREAD_NAMES = ("unread", "unparsed", "unscored", "")


@dataclass(frozen=True, slots=True)
class Analysis:
    """One arm's analysis.

    Attributes:
        of: what was analysed.
        report: everything about its final predictions.
        confusion: (K + 1, K) counts, the last row unread.
        drift: by round, None for arms without further rounds.
    """

    of: Predictions
    report: PreferenceReport
    confusion: np.ndarray
    drift: Drift | None


def analyse(found: Predictions, *, draws: int = 1000, seed: int = 0) -> Analysis:
    """The preference-bias analysis of one arm, with bootstrap over conversations."""
    by = found.confusions()
    stages = {
        stage: _sum(found, found.stages == stage)
        for stage in STAGES
        if len(found.keys) and (found.stages == stage).any()
    }
    if not len(found.keys):
        by = np.zeros((0, len(found.labels) + 1, len(found.labels)))
    moves = None
    if found.rounds.shape[1] > 1 and len(found.keys):
        columns = range(found.rounds.shape[1])
        moves = drift([found.confusions(found.rounds[:, r]).sum(axis=0) for r in columns])
    report = preference_bias(
        labels=found.labels, by_conversation=by, stages=stages, draws=draws, seed=seed
    )
    return Analysis(found, report, by.sum(axis=0).astype(INT64), moves)


def _sum(found: Predictions, rows: np.ndarray) -> np.ndarray:
    table = conversation_confusions(
        found.final[rows], found.gold[rows], found.conversations[rows], len(found.labels)
    )
    return np.asarray(table.sum(axis=0))


@dataclass(frozen=True, slots=True)
class Difference:
    """Second minus first, on the questions that both answered.

    Attributes:
        first, second: names; items: shared questions; conversations: independent groups of them.
        bias: see :class:`BiasDifference` (paired bootstrap over conversations).
        accuracy_p: of the sign-flip permutation test over conversations.
    """

    first: str
    second: str
    items: int
    conversations: int
    bias: BiasDifference
    accuracy_p: float


def compare(
    first: Predictions, second: Predictions, *, draws: int = 1000, seed: int = 0
) -> Difference | None:
    """Paired difference of two arms or runs; None where they share no question or no labels.

    Variants of a task (``esconv/action``, ``esconv_balanced/action``) ask the same questions: the
    suite's name plays no part.
    """
    if first.labels != second.labels:
        return None
    mine = {_asked(key): i for i, key in enumerate(first.keys)}
    pairs = [(mine[_asked(key)], j) for j, key in enumerate(second.keys) if _asked(key) in mine]
    if not pairs:
        return None
    a, b = (np.array(side) for side in zip(*pairs, strict=True))
    groups = first.conversations[a]
    tables = [
        conversation_confusions(x.final[rows], x.gold[rows], groups, len(first.labels))
        for x, rows in ((first, a), (second, b))
    ]
    right = [x.final[rows] == x.gold[rows] for x, rows in ((first, a), (second, b))]
    totals = cluster_differences(right[1], right[0], clusters=groups)
    return Difference(
        first=first.name,
        second=second.name,
        items=len(pairs),
        conversations=len(np.unique(groups)),
        bias=compare_bias(tables[0], tables[1], draws, seed),
        accuracy_p=permutation_test(totals, seed=seed).p,
    )


def _asked(key: Key) -> Key:
    return key[0].rpartition("/")[2], key[1], key[2]


def notes_of(found: Analysis) -> list[str]:
    """What a reader of one arm's figures should know."""
    report = found.report
    notes = list(found.of.notes)
    if report.unread > 0.05 * report.items:
        read = report.items - report.unread
        notes.append(
            f"{report.unread} of {report.items} predictions could not be read: they cost Q and "
            f"accuracy; p and B describe the other {read} alone"
        )
    return [*notes, *report.notes]


# --- As plain data -----------------------------------------------------------------------


def report_dict(report: PreferenceReport, confusion: np.ndarray) -> dict[str, Any]:
    """A report as plain data with its confusion matrix, ``confusion[predicted][gold]``."""
    rows = zip((*report.labels, "unread"), confusion, strict=False)
    table = {name: _by_label(report.labels, row.tolist()) for name, row in rows}
    return {**preference_dict(report), "labels": list(report.labels), "confusion": table}


def published(labels: Sequence[str]) -> tuple[tuple[str, float, float | None], ...]:
    """Published reference rows (name, Q in percent, B), for the ESConv labels only."""
    return PUBLISHED if set(labels) == set(LABELS) else ()


def analysis_dict(found: Analysis) -> dict[str, Any]:
    """One arm's analysis as plain data."""
    of = found.of
    plain = {
        "run": of.run,
        "task": of.task,
        "model": of.model,
        "arm": of.arm,
        "method": of.method,
        "role": of.role,
        "practice": of.practice,
        "errors": of.errors,
        "conversations": int(len(np.unique(of.conversations))),
        **report_dict(found.report, found.confusion),
    }
    plain["notes"] = notes_of(found)
    if found.drift is not None:
        moves = found.drift
        plain["drift"] = {
            "p": [_by_label(of.labels, row) for row in moves.p],
            "B": list(moves.bias),
            "Q": list(moves.macro),
            "slope_B": moves.slope,
            "reinforcement": moves.reinforcement,
        }
    return plain


def difference_dict(found: Difference) -> dict[str, Any]:
    """A paired difference as plain data; intervals are 95 %."""
    plain: dict[str, Any] = {
        "first": found.first,
        "second": found.second,
        "items": found.items,
        "conversations": found.conversations,
    }
    rows = (("B", found.bias.bias), ("Q", found.bias.macro), ("accuracy", found.bias.accuracy))
    for name, (value, low, high, p) in rows:
        plain[name] = {"difference": value, "low": low, "high": high, "p": p}
    plain["accuracy"]["p_permutation"] = found.accuracy_p
    return plain


def _by_label(names: Sequence[str], values: Sequence[float]) -> dict[str, Any]:
    return dict(zip(names, values, strict=True))


# --- A confusion matrix from a file ------------------------------------------------------


def read_confusion(path: Path) -> tuple[tuple[str, ...], np.ndarray]:
    r"""Labels and counts of a CSV file.

    Header: any corner cell (``predicted\gold``), then the gold labels; one row a predicted
    label, in any order; a row named ``unread`` counts predictions that could not be read.

    Returns:
        Labels, and the matrix (K, K), or (K + 1, K) with an unread row.

    Raises:
        UsageError: not such a table; names file, line and remedy.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"--confusion {path}: cannot be read ({error})") from None
    labels = tuple(cell.strip() for cell in rows[0][1:]) if rows else ()
    if len(labels) < 2 or len(set(labels)) < len(labels) or not all(labels):
        raise UsageError(
            f"--confusion {path}:1: the header must be predicted\\gold and two or more gold "
            "labels, each once"
        )
    found: dict[str, list[float]] = {}
    for number, row in enumerate(rows[1:], start=2):
        name = row[0].strip()
        name = "unread" if name.lower() in UNREAD_NAMES and name not in labels else name
        if name not in (*labels, "unread"):
            raise UsageError(
                f"--confusion {path}:{number}: {name!r} is no label of the header (nor unread)"
            )
        if name in found:
            raise UsageError(f"--confusion {path}:{number}: {name!r} stands twice; keep one row")
        found[name] = _counts(path, number, row[1:], len(labels))
    missing = [name for name in labels if name not in found]
    if missing:
        raise UsageError(f"--confusion {path}: no row for {missing[0]!r}; add it, if only zeros")
    order = [*labels, *(["unread"] if "unread" in found else [])]
    return labels, np.array([found[name] for name in order])


def _counts(path: Path, number: int, cells: Sequence[str], labels: int) -> list[float]:
    if len(cells) != labels:
        raise UsageError(
            f"--confusion {path}:{number}: {len(cells)} counts, the header has {labels} labels"
        )
    try:
        values = [float(cell) for cell in cells]
    except ValueError:
        raise UsageError(f"--confusion {path}:{number}: counts must be numbers") from None
    if not all(0 <= value < float("inf") for value in values):
        raise UsageError(f"--confusion {path}:{number}: counts must be finite and not negative")
    return values


def plan_of(found: Predictions) -> Mapping[str, str]:
    """Question id → predicted strategy: what the ``planner`` method takes as its plan."""
    return {
        question: f"Use the strategy: {found.labels[label]}"
        for (_, question, _), label in zip(found.keys, found.final.tolist(), strict=True)
        if label >= 0
    }


def base_rates(found: Predictions, spare: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray]:
    """Task → share of each label among answers that people gave to questions that are not asked.

    Args:
        found: names labels and tasks.
        spare: task → gold answers of its spare items.

    Raises:
        UsageError: a task without a spare item; the golds of asked questions are never used.
    """
    rates = {}
    for task in dict.fromkeys(key[0] for key in found.keys):
        counts = np.array([spare.get(task, ()).count(label) for label in found.labels], float)
        if not counts.sum():
            raise UsageError(
                f"{task}: has no items to spare from which to take how often people choose a label"
            )
        rates[task] = counts / counts.sum()
    return rates


def traces_of(
    found: Predictions, people: Mapping[str, np.ndarray]
) -> dict[str, dict[str, tuple[int, int]]]:
    """Question id → label → own share and people's, in percent: what ``traces`` is shown.

    The own shares are of the choices on the same task in all *other* conversations, so that no
    question is told what was chosen for it. Choices that could not be read play no part.

    Args:
        found: one arm's predictions.
        people: `base_rates`.

    Raises:
        UsageError: no choice could be read.
    """
    tasks = np.array([key[0] for key in found.keys])
    out = {}
    for i, (task, question, _) in enumerate(found.keys):
        rows = (tasks == task) & (found.conversations != found.conversations[i])
        chosen = found.final[rows & (found.final != UNREAD)]
        if len(chosen):
            own = np.bincount(chosen, minlength=len(found.labels)) / len(chosen)
            out[question] = {
                name: (round(100 * float(mine)), round(100 * float(theirs)))
                for name, mine, theirs in zip(found.labels, own, people[task], strict=True)
            }
    if not out:
        raise UsageError(
            f"{found.name}: no choice of it could be read, so there is nothing to show"
        )
    return out
