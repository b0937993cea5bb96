"""What the readers hand over, and what a task's data are once they are loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heartloop.cards.task import TaskCard
from heartloop.data.rows import Row
from heartloop.types import Demo, Gold, Question, ShotsAs

DEMO_ANSWERS = 200
"""Answers of the pool that are kept: enough for a trivial baseline."""


CONTRADICTION = "the same question has different answers"
"""How a note begins that says so: an error in the data, which no summary of notes may hide."""


@dataclass(frozen=True, slots=True)
class Raw:
    """Where a reader finds its records.

    Attributes:
        shown: the place as it is printed.
        paths: the card's local files, in the card's order; None for one that is absent.
        rows: records that come from the hub or a practice set instead of the first file.
        hub: whether the rows have the hub's field names.
    """

    shown: str
    paths: tuple[Path | None, ...] = ()
    rows: tuple[Row, ...] | None = None
    hub: bool = False

    def path(self, place: int) -> Path | None:
        """The file at a place of the card's list, or None."""
        return self.paths[place] if place < len(self.paths) else None


@dataclass(frozen=True, slots=True)
class Item:
    """A question without demonstrations, its gold, and how it reads as a demonstration.

    Attributes:
        columns: further columns of the table's row; kept apart from the question, since one may
            hold the gold and methods see the question.
    """

    question: Question
    gold: Gold
    demo: Demo | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ItemSet:
    """Everything a reader makes of a data set.

    Attributes:
        items: the test items, in data order.
        pool: items for demonstrations only; empty where the data set has none of its own.
        fixed_pool: the pool is a published prompt: taken in its order, from its beginning.
        balanced: demonstrations are drawn so that the golds take turns.
        notes: what a reader of results should know.
    """

    items: list[Item]
    pool: list[Item] = field(default_factory=list)
    fixed_pool: bool = False
    balanced: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskData:
    """The questions and golds of one task, and where they came from.

    Attributes:
        card: the task's card (with the verifier settled where it is chosen from the data).
        questions: in data order, the same for every arm, demonstrations in place.
        golds: by question id.
        source: where the data came from, as it is printed.
        origin: ``data`` (the folder given), ``card`` (beside the card), ``cache``, ``hub``,
            ``file`` (a table named by itself) or ``practice``.
        sha256: of the file the items were read from (of the rows, for a practice set).
        expected_sha256: what the card says it should be; empty where it says nothing.
        revision: the commit that the data stand for, where known.
        notes: what a reader of results should know.
        practice: these are heartloop's own generated problems, not the benchmark.
        licence: of the data.
        metric_low, metric_high: the ends of the task's scale (BIG-Bench's normalised metric).
        chance: expected score of guessing.
        total: items of the whole data set (a limit takes fewer); an item asked in two forms
            counts once.
        files: sha256 by path of everything that was read.
        shots_as: how its demonstrations are shown; None without any.
        columns: what else stands beside each question, by its id: `beside`.
        demo_answers: answers of the pool's (or the kept-out) items, for trivial baselines.
    """

    card: TaskCard
    questions: list[Question]
    golds: dict[str, Gold]
    source: str
    sha256: str
    origin: str = "data"
    expected_sha256: str = ""
    revision: str | None = None
    notes: list[str] = field(default_factory=list)
    practice: bool = False
    licence: str = ""
    metric_low: float = 0.0
    metric_high: float = 1.0
    chance: float = 0.0
    total: int = 0
    files: Mapping[str, str] = field(default_factory=dict)
    demo_answers: tuple[str, ...] = ()
    shots_as: ShotsAs | None = None
    columns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


_ASKED = ("raw_input", "row", "turns", "options")
"""What readers note for themselves: the question's own text and place."""


def beside(item: Item) -> dict[str, Any]:
    """Single values beside a question: columns of its row, else what its reader noted.

    The question's own text is left out, and so are lists.
    """
    noted = {name: v for name, v in item.question.meta.items() if name not in _ASKED}
    return {
        str(name): value
        for name, value in {**noted, **item.columns}.items()
        if isinstance(value, (str, int, float))
    }


def shuffled(texts: Iterable[str], key: str) -> tuple[str, ...]:
    """Texts in an order that is fixed by ``key`` alone: the same everywhere and for every arm.

    Each text is placed by the SHA-256 of key and text, so that the order does not depend on the
    order given, the Python version or a random generator.
    """
    return tuple(sorted(texts, key=lambda text: _digest(f"{key}\0{text}")))


def hash_order(items: Sequence[Item], key: str) -> list[Item]:
    """Items in a random order fixed by ``key``; a longer sample holds every shorter one.

    The frames of an item stay together.
    """

    def place(item: Item) -> bytes:
        return _digest(f"{key}\0{item.question.meta.get('item', item.question.id)}")

    return sorted(items, key=place)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def take_turns(items: Sequence[Item]) -> list[Item]:
    """Items reordered so that every gold answer comes once before any comes twice, and so on."""
    seen: dict[str, int] = {}
    rank = []
    for item in items:
        gold = item.gold.answers[0]
        rank.append(seen.get(gold, 0))
        seen[gold] = rank[-1] + 1
    return [items[i] for i in sorted(range(len(items)), key=lambda i: rank[i])]


def split_tail(text: str) -> tuple[str, str]:
    """A text without its trailing white space, and that white space.

    Parts of a prompt that hold their own white space are joined by nothing; the white space goes
    to the head of the next part, so that a stimulus put behind a part stands on its last line.
    """
    bare = text.rstrip()
    return bare, text[len(bare) :]


def mean_low(golds: Iterable[Gold]) -> float:
    """Low end of BIG-Bench's normalised metric: mean over items of mean(target_scores)."""
    lows = [
        sum(scores.values()) / len(scores)
        for gold in golds
        if (scores := gold.params.get("target_scores"))
    ]
    return sum(lows) / len(lows) if lows else 0.0


def guess_rate(questions: Sequence[Question], golds: Mapping[str, Gold]) -> float:
    """Expected accuracy of guessing among the choices; questions without choices count 0."""
    total = 0.0
    for question in questions:
        if question.choices:
            scores: Mapping[str, Any] = golds[question.id].params.get("target_scores") or {}
            total += sum(scores.values()) / len(scores) if scores else 1.0 / len(question.choices)
    return total / len(questions) if questions else 0.0
