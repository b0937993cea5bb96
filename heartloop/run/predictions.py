"""What a run predicted on label tasks, beside the golds: what ``heartloop esc`` analyses."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from heartloop.analysis.preference import STAGES, conversation_confusions
from heartloop.cards import TaskCard, load_verifier
from heartloop.data import TaskData
from heartloop.errors import UsageError
from heartloop.run.claim import asked_questions
from heartloop.run.folder import MANIFEST, VERDICTS, RunFolder
from heartloop.run.layout import Manifest
from heartloop.run.load import planned_data, question_hash
from heartloop.run.plan import recorded_plan
from heartloop.run.summary import planned_rounds
from heartloop.run.verdicts import read_traces
from heartloop.types import Gold, Question

MOST_LABELS = 40
INT64 = np.dtype(np.int64)
UNREAD = -1
"""Index of a prediction that could not be read."""

Key = tuple[str, str, int]
"""Task, question and run seed of a prediction."""


@dataclass(frozen=True, slots=True)
class LabelTask:
    """A task of a run with the golds of its questions as label indices.

    Attributes:
        name: the task's; group: its suite where the run has several tasks of it, else its name.
        labels: in the verifier's order, else in that of the choices, else sorted.
        gold: by question id; cluster: what dependent questions share, by question id.
        mode: of the run; practice: on a practice set.
    """

    name: str
    group: str
    labels: tuple[str, ...]
    gold: Mapping[str, int]
    cluster: Mapping[str, str]
    mode: str
    practice: bool


@dataclass(frozen=True, slots=True)
class Predictions:
    """What one arm predicted; rows of the arrays are answered questions, in the run's order.

    Attributes:
        run, task, model, arm, method, role: where it comes from; ``task`` is the group's name.
        labels: K names.
        keys: task, question and seed of each row.
        final: index of the label handed in, UNREAD where none could be read; int64 (n,).
        rounds: the same after each round, the last answer carried on; int64 (n, rounds + 1).
        gold: int64 (n,); conversations: (n,) of str; stages: (n,) of str, empty where none.
        errors: questions whose call ended in an error; they are in no row.
        call_keys: key of the call of the label handed in, by row.
        practice: on a practice set.
        notes: what a reader should know.
    """

    run: str
    task: str
    model: str
    arm: str
    method: str
    role: str
    labels: tuple[str, ...]
    keys: tuple[Key, ...]
    final: np.ndarray
    rounds: np.ndarray
    gold: np.ndarray
    conversations: np.ndarray
    stages: np.ndarray
    errors: int
    call_keys: tuple[str | None, ...]
    practice: bool = False
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """``run:arm`` for tables."""
        return f"{self.run}:{self.arm}"

    def confusions(self, predicted: np.ndarray | None = None) -> np.ndarray:
        """Confusion matrix of each conversation, (conversations, K + 1, K)."""
        given = self.final if predicted is None else predicted
        return conversation_confusions(given, self.gold, self.conversations, len(self.labels))


def load_predictions(
    folder: RunFolder, *, task: str | None = None, data_dir: str | None = None
) -> list[Predictions]:
    """Every arm × model of a run on its label tasks, tasks of one suite taken together.

    Golds are read from the task's data again: a run folder does not hold them.

    Args:
        folder: a run folder, finished or not.
        task: only this task or suite.
        data_dir: where the data are now, if they moved.

    Raises:
        UsageError: no label task, no finished question, or data that are not those of the run.
    """
    manifest = folder.manifest
    plan = recorded_plan(manifest, str(folder.path / MANIFEST))
    data = run_data(folder, task=task, data_dir=data_dir)
    tasks = {t.name: t for t in _label_tasks(manifest, plan.verifier, data)}
    arms = {arm["name"]: arm for arm in manifest["plan"]["arms"]}
    found: dict[tuple[str, str, str], _Rows] = {}
    for trace in read_traces(folder.path / VERDICTS):
        first = trace[0]
        known = tasks.get(first["task"])
        if known is None or first["question"] not in known.gold:
            continue
        key = (known.group, first["model"], first["arm"])
        if key not in found:
            found[key] = _Rows(planned_rounds(arms[first["arm"]]))
        found[key].add(known, trace)
    if not found:
        raise UsageError(f"{folder.path}: no question of a label task is finished yet")
    groups = list(dict.fromkeys(t.group for t in tasks.values()))
    order = [(g, m, a) for g in groups for m in plan.models for a in arms]
    return [
        found[key].predictions(folder.name, key, arms[key[2]], tasks)
        for key in order
        if key in found
    ]


class _Rows:
    """Collects the traces of one arm × model × group."""

    def __init__(self, rounds: int) -> None:
        self.width = rounds + 1
        self.keys: list[Key] = []
        self.final: list[int] = []
        self.rounds: list[list[int]] = []
        self.call_keys: list[str | None] = []
        self.errors = 0
        self.oracle = False

    def add(self, task: LabelTask, trace: Sequence[Mapping[str, Any]]) -> None:
        answers = [x for x in trace if x["purpose"] == "answer" and x["draw"] == 0]
        answers = answers or [x for x in trace if x["purpose"] == "answer"]
        if task.mode == "oracle" and self.width > 1:
            # Later answers exist only where the first was wrong: the gold has chosen them.
            self.oracle = True
            answers = [x for x in answers if x["round"] == 0]
            handed_in = answers[0] if answers else trace[0]
        else:
            handed_in = next((x for x in trace if x["selected"]), trace[-1])
        if handed_in["outcome"] == "error":
            self.errors += 1
            return
        self.keys.append((task.name, handed_in["question"], handed_in["seed"]))
        self.final.append(_label(task, handed_in))
        self.call_keys.append(handed_in["key"])
        by_round = {x["round"]: x for x in reversed(answers) if x["outcome"] != "error"}
        now, row = UNREAD, []
        for number in range(self.width):
            now = _label(task, by_round[number]) if number in by_round else now
            row.append(now)
        self.rounds.append(row)

    def predictions(
        self,
        run: str,
        key: tuple[str, str, str],
        arm: Mapping[str, Any],
        tasks: Mapping[str, LabelTask],
    ) -> Predictions:
        first = next(t for t in tasks.values() if t.group == key[0])
        notes = []
        if self.oracle:
            notes.append(
                f"{key[2]}: ran in oracle mode, so only first answers are analysed: later ones "
                "were asked for by the gold (--mode verifier-free gives all rounds)"
            )
        width = 1 if self.oracle else self.width
        return Predictions(
            run=run,
            task=key[0],
            model=key[1],
            arm=key[2],
            method=arm["method"],
            role=arm["role"],
            labels=first.labels,
            keys=tuple(self.keys),
            final=np.array(self.final, INT64),
            rounds=np.array(self.rounds, INT64).reshape(len(self.keys), self.width)[:, :width],
            gold=np.array([tasks[t].gold[q] for t, q, _ in self.keys], INT64),
            conversations=np.array([tasks[t].cluster[q] for t, q, _ in self.keys], str),
            stages=np.array([_stage(t) for t, _, _ in self.keys], str),
            errors=self.errors,
            call_keys=tuple(self.call_keys),
            practice=first.practice,
            notes=tuple(notes),
        )


def _stage(task: str) -> str:
    last = task.rpartition("/")[2]
    return last if last in STAGES else ""


def _label(task: LabelTask, line: Mapping[str, Any]) -> int:
    """The index of the label that a verdict read; UNREAD for anything else."""
    if line["outcome"] not in ("correct", "incorrect") or line["answer"] is None:
        return UNREAD
    folded = _fold(line["answer"])
    return next((i for i, name in enumerate(task.labels) if _fold(name) == folded), UNREAD)


def _fold(text: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def run_data(
    folder: RunFolder, *, task: str | None = None, data_dir: str | None = None
) -> dict[str, TaskData]:
    """The questions and golds of a run's tasks, read again; a run folder does not hold golds.

    Args:
        folder: a run folder.
        task: only this task or suite.
        data_dir: where the data are now, if they moved.

    Raises:
        UsageError: no such task, or data that are not those of the run.
    """
    from heartloop.data import resolve_tasks

    manifest = folder.manifest
    plan = recorded_plan(manifest, str(folder.path / MANIFEST))
    facts = {t["task"]: t for t in manifest["tasks"]}
    wanted = [n for n in facts if task is None or n == task or facts[n]["suite"] == task]
    if not wanted:
        raise UsageError(f"{folder.path}: has no task {task!r}; it has {', '.join(facts)}")
    plan = dataclasses.replace(plan, data_dir=data_dir or plan.data_dir)
    asked = [asked_questions(Path(run)) for run in plan.exclude_questions]
    cards = {c.name: c for c in resolve_tasks(",".join(plan.tasks), data_dir=plan.data_dir)}
    found = {}
    for name in wanted:
        loaded = planned_data(cards[name], plan, asked, download=False)  # nothing is fetched
        if question_hash([q.id for q in loaded.questions]) != facts[name]["question_ids_sha256"]:
            raise UsageError(
                f"{folder.path}: the questions of {name} are not those that the run asked "
                f"({loaded.source}); point --data at the data it began with"
            )
        found[name] = loaded
    return found


def _label_tasks(
    manifest: Manifest, verifier: str | None, data: Mapping[str, TaskData]
) -> list[LabelTask]:
    facts = {t["task"]: t for t in manifest["tasks"]}
    found: list[LabelTask] = []
    for name, loaded in data.items():
        labels = labels_of(loaded.card, verifier, loaded.questions, loaded.golds)
        if labels is None:
            continue
        suite = facts[name]["suite"]
        several = sum(facts[n]["suite"] == suite for n in data) > 1
        golds = {q.id: _gold(labels, loaded.golds[q.id]) for q in loaded.questions}
        found.append(
            LabelTask(
                name=name,
                group=suite if suite and several else name,
                labels=labels,
                gold={question: labels.index(gold) for question, gold in golds.items()},
                cluster={q.id: q.cluster or q.id for q in loaded.questions},
                mode=facts[name]["mode"],
                practice=loaded.practice,
            )
        )
    if not found:
        raise UsageError(
            f"{next(iter(data))}: is no label task: its golds are not labels out of one list of "
            f"at most {MOST_LABELS}; name another with --task"
        )
    return [_own_group(t, found) for t in found]


def _own_group(task: LabelTask, tasks: Sequence[LabelTask]) -> LabelTask:
    """Tasks of a suite are analysed together where they share their labels."""
    import dataclasses

    if all(t.labels == task.labels for t in tasks if t.group == task.group):
        return task
    return dataclasses.replace(task, group=task.name)


def labels_of(
    card: TaskCard, verifier: str | None, questions: Sequence[Question], golds: Mapping[str, Gold]
) -> tuple[str, ...] | None:
    """The labels of a task, or None where its golds are no labels out of one list.

    The verifier's own list, else the letters of multiple choice, else the choices that all
    questions share, else the golds that occur.
    """
    kind = load_verifier(verifier or card.verifier)
    params = {**kind.params, **(card.params if not verifier else {})}
    labels = tuple(str(name) for name in params.get("labels") or ())
    shared = {q.choices for q in questions}
    if not labels and kind.kind == "choice":
        letters = {g.params.get("letter") for g in golds.values()}
        most = max((len(q.choices) for q in questions), default=0)
        if None not in letters:
            return tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[:most])
    if not labels and len(shared) == 1:
        labels = next(iter(shared))
    if not labels and kind.kind in ("label", "exact", "choice", "choice_text"):
        labels = tuple(sorted({g.answers[0] for g in golds.values()}))
    if not 2 <= len(labels) <= MOST_LABELS:
        return None
    known = {_fold(name) for name in labels}
    if len(known) < len(labels) or not all(
        _fold(_gold(labels, gold)) in known for gold in golds.values()
    ):
        return None
    return labels


def _gold(labels: Sequence[str], gold: Gold) -> str:
    """The gold label in the spelling of the list."""
    said = {_fold(gold.answers[0]), _fold(str(gold.params.get("letter") or gold.answers[0]))}
    return next((name for name in labels if _fold(name) in said), gold.answers[0])
