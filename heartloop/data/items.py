"""What the readers hand over, and what a task's data are once they are loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar, overload

from heartloop.cards.task import TaskCard
from heartloop.data.rows import Row
from heartloop.types import Demo, Gold, Question, ShotsAs

T = TypeVar("T")

DEMO_ANSWERS = 200
"""Answers of the pool that are kept: enough for a trivial baseline."""


CONTRADICTION = "the same question has different answers"
"""How a note begins that says so: an error in the data, which no summary of notes may hide."""

_BUILT = 256  # items at hand: the questions under way, whose arms and grading want them again


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


class Slip(NamedTuple):
    """What is wanted of every item of a task before the first one is asked.

    Attributes:
        id: its question's.
        row: of the data set; an item that is asked in two forms has one.
        text: the input without the task's words, by which demonstrations are told from what is
            asked.
        size: characters and bytes of what its first prompt says beside what all prompts of the
            task say; None where prompts have to be built to know.
        low: mean of its ``target_scores``, where it has them.
        item, frame: the item that several framed questions ask, and the frame.
    """

    id: str
    row: object
    text: str
    size: tuple[int, int] | None = None
    low: float | None = None
    item: str | None = None
    frame: str | None = None


class Items(Sequence[Item]):
    """The items of a data set; where they come from rows, each is built when it is asked for."""

    def __init__(self, slips: Sequence[Slip], build: Callable[[int], Item]) -> None:
        """Build nothing yet.

        Args:
            slips: one an item, in data order.
            build: the item at a place; it must not fail, so rows are checked before.
        """
        self.slips = slips
        self._build = lru_cache(_BUILT)(build)

    @classmethod
    def of(cls, items: Sequence[Item]) -> Items:
        """Items that are built already."""
        return (
            items if isinstance(items, cls) else cls([_slip(i) for i in items], items.__getitem__)
        )

    def take(self, places: Sequence[int]) -> Items:
        """Some of the items, in the order given."""
        return Items([self.slips[i] for i in places], lambda i: self._build(places[i]))

    @cached_property
    def places(self) -> dict[str, int]:
        """Where each question stands, by its id, in data order."""
        return {slip.id: place for place, slip in enumerate(self.slips)}

    def __len__(self) -> int:
        return len(self.slips)

    @overload
    def __getitem__(self, place: int) -> Item: ...
    @overload
    def __getitem__(self, place: slice) -> Items: ...
    def __getitem__(self, place: int | slice) -> Item | Items:
        if isinstance(place, slice):
            return self.take(range(*place.indices(len(self))))
        return self._build(range(len(self))[place])


class _ById(Mapping[str, T], Generic[T]):
    """One thing of every item by its question's id, in data order."""

    def __init__(self, items: Items, of: Callable[[Item], T]) -> None:
        self._items, self._of = items, of

    def __getitem__(self, id: str) -> T:
        return self._of(self._items[self._items.places[id]])

    def __iter__(self) -> Iterator[str]:
        return iter(self._items.places)

    def __contains__(self, id: object) -> bool:
        return id in self._items.places

    def __len__(self) -> int:
        return len(self._items.places)


class _Questions(Sequence[Question]):
    """The questions of items, with the demonstrations that all of them show."""

    def __init__(self, items: Items, demos: tuple[Demo, ...], shots_as: ShotsAs | None) -> None:
        self._items, self._demos, self._shots_as = items, demos, shots_as

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, place: int) -> Question: ...
    @overload
    def __getitem__(self, place: slice) -> _Questions: ...
    def __getitem__(self, place: int | slice) -> Question | _Questions:
        if isinstance(place, slice):
            return _Questions(self._items[place], self._demos, self._shots_as)
        question = self._items[place].question
        if self._shots_as is None:
            return question
        return replace(question, demos=self._demos, shots_as=self._shots_as)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class ItemSet:
    """Everything a reader makes of a data set.

    Attributes:
        items: the test items, in data order: `Items`, or a list.
        pool: gives the items for demonstrations only; none where the data set has none of its own.
        fixed_pool: the pool is a published prompt: taken in its order, from its beginning.
        balanced: demonstrations are drawn so that the golds take turns.
        notes: what a reader of results should know.
    """

    items: Sequence[Item]
    pool: Callable[[], Sequence[Item]] = tuple
    fixed_pool: bool = False
    balanced: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaskData:
    """The questions and golds of one task, and where they came from.

    Attributes:
        card: the task's card (with the verifier settled where it is chosen from the data).
        items: what is asked, in data order.
        source: where the data came from, as it is printed.
        origin: ``data`` (the folder given), ``card`` (beside the card), ``cache``, ``hub``,
            ``file`` (a table named by itself) or ``practice``.
        sha256: of the file the items were read from (of the rows, for a practice set).
        expected_sha256: what the card says it should be; empty where it says nothing.
        revision: the commit that the data stand for, where known.
        notes: what a reader of results should know.
        practice: these are heartloop's own generated problems, not the benchmark.
        licence: of the data.
        metric_high: the upper end of the task's scale.
        total: items of the whole data set (a limit takes fewer); an item asked in two forms
            counts once.
        files: sha256 by path of everything that was read.
        demos: demonstrations, the same for every question.
        shots_as: how its demonstrations are shown; None without any.
        spare: gives items that are never asked, for trivial baselines.
    """

    card: TaskCard
    items: Items
    source: str
    sha256: str
    origin: str = "data"
    expected_sha256: str = ""
    revision: str | None = None
    notes: list[str] = field(default_factory=list)
    practice: bool = False
    licence: str = ""
    metric_high: float = 1.0
    total: int = 0
    files: Mapping[str, str] = field(default_factory=dict)
    demos: tuple[Demo, ...] = ()
    shots_as: ShotsAs | None = None
    spare: Callable[[], Sequence[Item]] = tuple

    @property
    def ids(self) -> list[str]:
        """Of the questions, in data order."""
        return [slip.id for slip in self.items.slips]

    @cached_property
    def questions(self) -> Sequence[Question]:
        """In data order, the same for every arm, demonstrations in place."""
        return _Questions(self.items, self.demos, self.shots_as)

    @cached_property
    def golds(self) -> Mapping[str, Gold]:
        """By question id."""
        return _ById(self.items, lambda item: item.gold)

    @cached_property
    def columns(self) -> Mapping[str, Mapping[str, Any]]:
        """What else stands beside each question, by its id: `beside`."""
        return _ById(self.items, beside)

    @cached_property
    def metric_low(self) -> float:
        """Lower end of the scale (BIG-Bench's normalised metric): mean of the items' own."""
        lows = [slip.low for slip in self.items.slips if slip.low is not None]
        return sum(lows) / len(lows) if lows else 0.0

    @cached_property
    def chance(self) -> float:
        """Expected score of guessing: the card's, else among the choices."""
        own = self.card.chance
        return _guess_rate(self.items) if own is None else own

    @cached_property
    def demo_answers(self) -> tuple[str, ...]:
        """Answers of items that are never asked, for trivial baselines."""
        return tuple(item.gold.answers[0] for item in self.spare()[:DEMO_ANSWERS])

    def question(self, id: str) -> Question:
        """A question by its id."""
        return self.questions[self.items.places[id]]


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


def hash_order(items: Items, key: str) -> list[int]:
    """Places of items in a random order fixed by ``key``; a longer sample holds every shorter one.

    The frames of an item stay together.
    """
    names = [slip.id if slip.item is None else slip.item for slip in items.slips]
    return sorted(range(len(items)), key=lambda place: _digest(f"{key}\0{names[place]}"))


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


def mean_score(scores: Mapping[str, float] | None) -> float | None:
    """Mean of an item's ``target_scores``; None without any."""
    return sum(scores.values()) / len(scores) if scores else None


def length(*texts: str) -> tuple[int, int]:
    """Characters and bytes of texts."""
    whole = "".join(texts)
    chars = len(whole)
    return chars, chars if whole.isascii() else len(whole.encode("utf-8", "surrogatepass"))


def _slip(item: Item) -> Slip:
    question = item.question
    meta = question.meta
    return Slip(
        question.id,
        meta.get("row", question.id),
        meta.get("raw_input", question.input),
        low=mean_score(item.gold.params.get("target_scores")),
        item=meta.get("item"),
        frame=meta.get("frame"),
    )


def _guess_rate(items: Items) -> float:
    """Expected accuracy of guessing among the choices; questions without choices count 0."""
    total = 0.0
    for slip, item in zip(items.slips, items, strict=True):
        if item.question.choices:
            total += 1.0 / len(item.question.choices) if slip.low is None else slip.low
    return total / len(items) if items else 0.0
