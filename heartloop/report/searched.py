"""What ``search.json`` of a run folder says, as checked values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from heartloop.errors import UsageError

if TYPE_CHECKING:
    from heartloop.report.arms import Loaded

RESULT = "search.json"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A paired difference on questions the search never used; shares."""

    difference: float
    low: float
    high: float
    p_value: float
    wins: int
    losses: int
    questions: int
    error: float


@dataclass(frozen=True, slots=True)
class Ranked:
    """An arm against "none" on the questions it was searched on: chosen-on data."""

    name: str
    difference: float
    low: float
    high: float
    accuracy: float | None
    questions: int
    dropped_after: int | None


@dataclass(frozen=True, slots=True)
class Found:
    """One search: over all tasks, or over the one that ``name`` says."""

    name: str
    chosen: str | None
    leader: str
    held_out: Estimate
    held_out_accuracy: tuple[float | None, float | None]
    by_task: Mapping[str, Estimate]
    naive_maximum: float
    ranking: tuple[Ranked, ...]
    discordance: float
    detectable: float
    calls: int
    tokens: int
    paid_calls: int
    paid_tokens: int
    stopped: str

    @property
    def picked_on(self) -> int:
        """Questions the leader was picked on."""
        return next(row.questions for row in self.ranking if row.name == self.leader)


@dataclass(frozen=True, slots=True)
class Generation:
    """An early race and the phrases the model wrote after it."""

    number: int
    ranking: tuple[Ranked, ...]
    proposed: tuple[tuple[str, str, str], ...]  # name, text, parents
    refused: tuple[tuple[str, str], ...]  # text, reason; once each


@dataclass(frozen=True, slots=True)
class Search:
    """Everything that ``search.json`` says.

    Attributes:
        model: who answered.
        roles: arm to its role.
        options: as the manifest has them.
        found: searches that ended.
        generations: by the name of their search.
        stopped: why it ended early, or None.
        claims: by the name of their search: the winner against none and its own placebos, held-out
            questions only; absent where nothing was chosen, under a budget, and in older folders.
    """

    model: str
    roles: Mapping[str, str]
    options: Mapping[str, Any]
    found: tuple[Found, ...]
    generations: Mapping[str, tuple[Generation, ...]]
    stopped: str | None
    claims: Mapping[str, Mapping[str, Any]]


def is_search(run: Loaded) -> bool:
    """Whether a run folder is that of a search."""
    return "search" in run.manifest


def read_search(run: Loaded) -> Search | None:
    """What the search found; None before it ended for the first time.

    Raises:
        UsageError: the file is damaged.
    """
    from heartloop.run.folder import read_json

    path = run.folder.path / RESULT
    if not path.exists():
        return None
    raw = read_json(path)
    try:
        return Search(
            raw["model"],
            {arm["name"]: arm["role"] for arm in raw["arms"]},
            {name: raw["options"][name] for name in ("goal", "strategy", "delta", "error", "seed",
                                                     "budget_calls", "budget_tokens", "per_task")},
            tuple(_found(name, one) for name, one in raw["searches"].items()),
            {n: tuple(map(_generation, made)) for n, made in raw["generations"].items()},
            raw["stopped"],
            raw.get("claims") or {},
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError, StopIteration) as error:
        raise UsageError(
            f"{path}: not the result of a search ({type(error).__name__}: {error}); heartloop "
            f"optimize --resume {run.folder.path} writes it again from the journal"
        ) from error


def _found(name: str, raw: Mapping[str, Any]) -> Found:
    plain = {f.name: raw[f.name] for f in fields(Found) if f.name != "name"}
    known, leader = raw["held_out_accuracy"]
    found = Found(
        **{
            **plain,
            "name": name,
            "held_out": Estimate(**raw["held_out"]),
            "held_out_accuracy": (known, leader),
            "by_task": {task: Estimate(**one) for task, one in raw["by_task"].items()},
            "ranking": tuple(Ranked(**row) for row in raw["ranking"]),
        }
    )
    found.picked_on  # noqa: B018 - a leader outside the ranking is a damaged file
    return found


def _generation(raw: Mapping[str, Any]) -> Generation:
    return Generation(
        raw["number"],
        tuple(Ranked(**row) for row in raw["ranking"]),
        tuple((one["name"], one["text"], one["of"]) for one in raw["proposed"]),
        tuple(dict.fromkeys((one["text"], one["reason"]) for one in raw["refused"])),
    )
