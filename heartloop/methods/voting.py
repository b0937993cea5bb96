"""Classes of equivalent answers, ties, and when a vote is decided: pure, given a comparator."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from heartloop.methods.recorder import dice
from heartloop.types import Question

Same = Callable[[str, str], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Classes:
    """Answers put into classes of equivalents.

    Attributes:
        members: indices into the answers, class by class, both in order of first appearance.
        unparsed: indices of answers that could not be read; they belong to no class.
        conflicts: answers that equal some members of a class but not all of them: the comparator
            is not transitive there, and they begin a class of their own.
    """

    members: tuple[tuple[int, ...], ...]
    unparsed: tuple[int, ...] = ()
    conflicts: int = 0


async def classify(answers: Sequence[str | None], same: Same) -> Classes:
    """Put answers into classes; an answer joins the first class whose every member it equals.

    Each pair of different strings is compared once at most; equal strings are never compared.
    """
    places: dict[str, list[int]] = {}
    for index, answer in enumerate(answers):
        if answer is not None:
            places.setdefault(answer, []).append(index)
    groups: list[list[str]] = []
    conflicts = 0
    for answer in places:
        partly = False
        for group in groups:
            equal = 0
            for member in group:
                if not await same(member, answer):
                    break
                equal += 1
            if equal == len(group):
                group.append(answer)
                break
            partly = partly or equal > 0
        else:
            conflicts += partly
            groups.append([answer])
    members = [sorted(index for answer in group for index in places[answer]) for group in groups]
    return Classes(
        tuple(map(tuple, members)),
        tuple(index for index, answer in enumerate(answers) if answer is None),
        conflicts,
    )


def pick(scores: Sequence[float], question: Question, why: str) -> tuple[int, int]:
    """The place of the highest score, and how many share it; a tie is broken by a seeded draw.

    The draw is fixed by the question and ``why`` alone, so that a re-scored run picks the same.
    """
    best = max(scores)
    tied = [place for place, score in enumerate(scores) if score == best]
    if len(tied) == 1:
        return tied[0], 1
    return dice("tie", why, question.task, question.id).choice(tied), len(tied)


def leader_stays(first: int, second: int) -> float:
    """Probability that the leading answer is the more likely one of the two leading.

    ``P(p > 1/2)`` for ``p ~ Beta(first + 1, second + 1)``, the posterior of the leader's share
    among the votes of both (after Aggarwal et al. 2023, arXiv 2305.11860). For whole numbers it
    is a binomial sum: ``P(Bin(n, 1/2) ≤ first)`` with ``n = first + second + 1``.
    """
    n = first + second + 1
    return sum(math.comb(n, k) for k in range(first + 1)) / 2**n


def decided(sizes: Sequence[int], threshold: float) -> bool:
    """Whether the votes so far say, with at least this probability, that the leader stays."""
    if not sizes:
        return False
    first, second = (*sorted(sizes, reverse=True), 0)[:2]
    return leader_stays(first, second) >= threshold
