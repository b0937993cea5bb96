"""What a search is told, what it remembers, and what it answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

from heartloop.optimize.bounds import PairedEstimate
from heartloop.optimize.planning import SearchPlan

Goal = Literal["best", "better-than-none"]
Strategy = Literal["halving", "bandit"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of one arm on some questions, in the order they were given.

    Attributes:
        scores: in [0, 1], or None where a call ended in an error (the pair is left out).
        calls, tokens: what it took, answers found in a journal included.
        paid_calls, paid_tokens: the part that was not in a journal.
    """

    scores: Sequence[float | None]
    calls: int = 0
    tokens: int = 0
    paid_calls: int = 0
    paid_tokens: int = 0


class Evaluate(Protocol):
    """Asks: arm 0 is "none"; questions are indices into the search's questions."""

    async def __call__(self, arm: int, questions: Sequence[int]) -> Evaluation:
        """Score one arm on these questions."""
        ...


@dataclass(frozen=True, slots=True)
class RaceOptions:
    """How to search.

    Attributes:
        goal: ``best``: the best of all arms; ``better-than-none``: stop searching at the first arm
            whose always-valid lower bound against "none" is above 0.
        strategy: ``halving`` drops the lower part of the field on a schedule planned for ``delta``;
            ``bandit`` (LUCB) asks the leader and its strongest challenger until their always-valid
            bounds part, which promises more and costs more.
        delta: smallest difference worth finding; 0.05 is 5 points.
        error: the share of searches that may end wrong: at most this often an arm is chosen that
            is no better than "none", and at most this often an arm better by ``delta``, the others
            being equal, is missed (half of it in the search, the rest in the held-out test).
        discordance: first guess of the share of questions on which two arms differ; replaced by
            what is measured from the first look on.
        budget_calls, budget_tokens: caps on what is paid (answers from a journal are free). The
            search gets shallower to leave room for the held-out questions.
        seed: of the order of the questions.
    """

    goal: Goal = "best"
    strategy: Strategy = "halving"
    delta: float = 0.05
    error: float = 0.05
    discordance: float = 0.10
    budget_calls: int | None = None
    budget_tokens: int | None = None
    seed: int = 0


@dataclass(slots=True)
class RaceState:
    """Everything a search knows: kept as it goes, so that a killed search goes on where it was.

    The algorithm is a function of the options and of what stands here, so resuming is running
    again: known answers are not asked for, and every decision is taken as it was.

    Attributes:
        fingerprint: identity of the search; a state of another search is refused.
        scores: arm to question to score (None: the call ended in an error).
        costs: batch to calls, tokens, paid calls, paid tokens.
    """

    fingerprint: str = ""
    scores: dict[str, dict[int, float | None]] = field(default_factory=dict)
    costs: dict[str, list[int]] = field(default_factory=dict)

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> RaceState:
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: the text is not a state.
        """
        try:
            raw = json.loads(text)
            raw["scores"] = {
                arm: {int(index): score for index, score in known.items()}
                for arm, known in raw["scores"].items()
            }
            return cls(**raw)
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"not the state of a search: {error}") from error


@dataclass(frozen=True, slots=True)
class RankedArm:
    """One arm as the search saw it.

    Attributes:
        name: the arm.
        difference: mean paired difference to "none" over the questions this arm was asked in the
            search. Chosen-on data: biased upwards for the arms at the top.
        low, high: always-valid interval, simultaneous over all arms at the search's error.
        accuracy: mean score on those questions.
        questions: how many they were.
        dropped_after: questions after which it left the race; None for the leader and "none".
    """

    name: str
    difference: float
    low: float
    high: float
    accuracy: float | None
    questions: int
    dropped_after: int | None


@dataclass(frozen=True, slots=True)
class RaceResult:
    """The answer of a search.

    Attributes:
        chosen: the arm worth using, or None: none of them. Never an arm without a held-out test
            whose one-sided p-value is at most ``error``.
        leader: the arm the search put first, chosen or not.
        held_out: the leader against "none" on questions that the search never used: unbiased.
        held_out_accuracy: mean score there, of "none" and of the leader.
        by_task: the same estimate within each task (intervals at error / tasks).
        naive_maximum: the leader's difference on the questions it was picked on. Biased upwards:
            shown to be seen beside ``held_out``, never to be quoted.
        ranking: all arms, "none" included, best first.
        plan: what the search would have done at the first guess of the discordance.
        discordance: as measured.
        detectable: the difference this search, as it was run, finds with probability 1 - error.
        calls, tokens: all that was asked; ``paid_*``: what no journal held.
        stopped: why the search phase ended: ``one left``, ``bounds``, ``nothing better``,
            ``questions``, ``budget``.
    """

    chosen: str | None
    leader: str
    held_out: PairedEstimate
    held_out_accuracy: tuple[float | None, float | None]
    by_task: dict[str, PairedEstimate]
    naive_maximum: float
    ranking: tuple[RankedArm, ...]
    plan: SearchPlan
    discordance: float
    detectable: float
    calls: int
    tokens: int
    paid_calls: int
    paid_tokens: int
    stopped: str

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)
