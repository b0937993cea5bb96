"""What a run consists of: units, each one question under one arm, for one model and one seed."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from heartloop.cards import TaskCard
from heartloop.data import TaskData
from heartloop.grading import Grader
from heartloop.run.order import question_order
from heartloop.types import Arm, Gold, Mode, Question, Sampling
from heartloop.values import quick


@dataclass(slots=True)
class LoadedTask:
    """A task with its data and its grader."""

    card: TaskCard
    data: TaskData
    grader: Grader
    sampling: Sampling
    mode: Mode


@quick
@dataclass(frozen=True, slots=True)
class Unit:
    """One question under one arm, for one model and one run seed.

    Attributes:
        turn: place of the question among those of its model; older ones go before younger ones.
    """

    task: LoadedTask
    question: Question
    gold: Gold
    arm: Arm
    model: str
    seed: int
    turn: int = 0

    @property
    def where(self) -> str:
        """The unit in words, for messages."""
        return f"{self.task.card.name}, question {self.question.id}, arm {self.arm.name}"

    @property
    def name(self) -> tuple[str, str, str, int, str]:
        """Task, question, model, seed and arm, as `Units` takes them."""
        return self.task.card.name, self.question.id, self.model, self.seed, self.arm.name


class Units:
    """A set of units in little memory: a number for each question, with a bit for each arm."""

    def __init__(self) -> None:
        """Begin empty."""
        self._bits: dict[str, int] = {}  # arm -> its bit
        self._arms: dict[int, int] = {}  # hash of task, question, model and seed -> bits
        self._count = 0

    def __len__(self) -> int:
        """How many units there are."""
        return self._count

    def add(self, task: str, question: str, model: str, seed: int, arm: str) -> bool:
        """Add a unit; returns whether it is new."""
        bit = self._bits.setdefault(arm, 1 << len(self._bits))
        place = hash((task, question, model, seed))
        before = self._arms.get(place, 0)
        if before & bit:
            return False
        self._arms[place] = before | bit
        self._count += 1
        return True

    def has(self, task: str, question: str, model: str, seed: int, arm: str) -> bool:
        """Whether a unit is in it."""
        bits = self._arms.get(hash((task, question, model, seed)), 0)
        return bits > 0 and bits & self._bits.get(arm, 0) > 0


def units_of(
    tasks: Sequence[LoadedTask],
    models: Sequence[str],
    seeds: Sequence[int],
    arms: Sequence[Arm],
    shard: tuple[int, int] | None = None,
    order: str = "permuted",
    draws: Mapping[str, Mapping[str, Mapping[str, float]]] | None = None,
    without: Sequence[Units] = (),
) -> Iterator[Unit]:
    """All units: questions in the order of opening, all arms and seeds of one side by side.

    So prefix caches stay warm and a run that stops has whole questions. Models take turns.

    Args:
        tasks: with their data.
        models: of the plan.
        seeds: of the plan.
        arms: of the plan.
        shard: (index, count): the questions of one shard only.
        order: see `heartloop.run.order.question_order`.
        draws: draws that were fixed for arm → model → task, in place of the arm's own.
        without: units that are left out.
    """
    loaded = {task.card.name: task for task in tasks}
    without = [units for units in without if len(units)]
    drawn = {
        (model, name): [_with_draws(arm, (draws or {}).get(arm.name), model, name) for arm in arms]
        for model in models
        for name in loaded
    }
    orders = [opening_order(tasks, model, seeds, order, shard) for model in models]
    for turn in range(max(map(len, orders), default=0)):
        for model, opened in zip(models, orders, strict=True):
            name, id = opened[turn]
            task = loaded[name]
            question = gold = None
            for seed in seeds:
                for arm in drawn[model, name]:
                    for units in without:
                        if units.has(name, id, model, seed, arm.name):
                            break
                    else:
                        if question is None or gold is None:
                            question, gold = task.data.question(id), task.data.golds[id]
                        yield Unit(task, question, gold, arm, model, seed, turn)


def _with_draws(
    arm: Arm, draws: Mapping[str, Mapping[str, float]] | None, model: str, task: str
) -> Arm:
    """The arm with the draws that were fixed for it; as it is where none were."""
    fixed = (draws or {}).get(model, {}).get(task)
    return arm if fixed is None else dataclasses.replace(arm, params={**arm.params, "draws": fixed})


def opening_order(
    tasks: Sequence[LoadedTask],
    model: str,
    seeds: Sequence[int],
    order: str = "permuted",
    shard: tuple[int, int] | None = None,
) -> list[tuple[str, str]]:
    """(task, question) of a run's questions in the order in which a model is asked them."""
    ids = {task.card.name: task.data.ids for task in tasks}
    every = question_order(ids, model, seeds[0], order)
    if shard is None:
        return every
    return [(task, q) for task, q in every if shard_of(task, q, shard[1]) == shard[0]]


def count_questions(tasks: Sequence[LoadedTask], shard: tuple[int, int] | None = None) -> int:
    """How many questions the tasks have, or one shard of them."""
    if shard is None:
        return sum(len(task.data.questions) for task in tasks)
    return sum(
        shard_of(task.card.name, id, shard[1]) == shard[0] for task in tasks for id in task.data.ids
    )


def shard_of(task: str, question: str, shards: int) -> int:
    """The shard of a question: the same for every arm, model and seed."""
    digest = hashlib.sha256(f"{task}\0{question}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % shards
