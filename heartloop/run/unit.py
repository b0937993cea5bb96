"""What a run consists of: units, each one question under one arm, for one model and one seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from heartloop.cards import TaskCard
from heartloop.data import TaskData
from heartloop.grading import Grader
from heartloop.types import Arm, Gold, Mode, Question, Sampling


@dataclass(slots=True)
class LoadedTask:
    """A task with its data and its grader."""

    card: TaskCard
    data: TaskData
    grader: Grader
    sampling: Sampling
    mode: Mode


@dataclass(frozen=True, slots=True)
class Unit:
    """One question under one arm, for one model and one run seed."""

    task: LoadedTask
    question: Question
    gold: Gold
    arm: Arm
    model: str
    seed: int

    @property
    def where(self) -> str:
        """The unit in words, for messages."""
        return f"{self.task.card.name}, question {self.question.id}, arm {self.arm.name}"


def units_of(
    tasks: Sequence[LoadedTask],
    models: Sequence[str],
    seeds: Sequence[int],
    arms: Sequence[Arm],
    shard: tuple[int, int] | None = None,
) -> Iterator[Unit]:
    """All units, the arms of one question side by side so that prefix caches stay warm."""
    for task in tasks:
        for model in models:
            for seed in seeds:
                for question in task.data.questions:
                    if shard and shard_of(task.card.name, question.id, shard[1]) != shard[0]:
                        continue
                    for arm in arms:
                        gold = task.data.golds[question.id]
                        yield Unit(task, question, gold, arm, model, seed)


def shard_of(task: str, question: str, shards: int) -> int:
    """The shard of a question: the same for every arm, model and seed."""
    digest = hashlib.sha256(f"{task}\0{question}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % shards
