"""How deep a search must look: looks, arms kept, held-out questions, effects within reach."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from heartloop.optimize.bounds import normal_cdf, normal_quantile

FIRST_LOOK = 24
GROWTH = 1.1
MIN_HELD_OUT = 20


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """What a search by halving will do if nothing surprises it: the search itself follows it.

    Attributes:
        arms: competitors, "none" not among them.
        looks: (questions asked so far, competitors kept after looking), up to the look that leaves
            one, or to the last question that is not held out.
        held_out: questions set aside for the final estimate; until the race is over, at most half.
        calls: least number of evaluations of one arm on one question, held-out ones included.
        delta: the difference (0.06 is 6 points) that the plan finds with probability 1 - error;
            larger than what was asked for when questions or calls do not suffice.
        discordance: share of questions on which two arms differ that the plan assumes.
        error: see ``RaceOptions``.
    """

    arms: int
    looks: tuple[tuple[int, int], ...]
    held_out: int
    calls: int
    delta: float
    discordance: float
    error: float


def kept(arms: int, asked: int, delta: float, discordance: float, error: float) -> int:
    """Competitors worth keeping after ``asked`` questions.

    An arm that is better by ``delta`` while the others are equal stands, after n questions,
    ``delta sqrt(n / (d / 2))`` standard deviations above their middle, where d is the discordance
    of two arms and d / 2 the variance an arm has of its own (what all arms share cancels, since
    they answer the same questions). It falls below the quantile used with probability Phi(-z).
    Half the error may be spent on losing it. Looks overlap heavily: about seven independent ones'
    worth of chances (found by simulation, ``benchmarks/search_simulation.py``).
    """
    z = normal_quantile(1 - error / 2 / 7)
    standing = delta * math.sqrt(2 * asked / max(discordance, 1e-6)) - z
    return max(1, math.ceil(arms * (1 - normal_cdf(standing)) - 1e-9))


def gap_to_drop(arms: int, delta: float, discordance: float, error: float) -> float:
    """Right answers behind the leader at which an arm leaves the race, whatever its rank.

    With a variance of d / 2 of each arm's own, the likelihood of "b is the better one, by delta"
    against "a is" is exp(delta (S_b - S_a) / (d / 2)): a martingale while a is. By Ville's
    inequality it ever reaches arms / e with probability at most e / arms, so the better arm is lost
    to this rule with probability at most e, here a tenth of the error.
    """
    return discordance / 2 / delta * math.log(10 * arms / error)


def look_sizes(limit: int) -> list[int]:
    """Questions asked at each look: 24, then 8 or a tenth more each time, up to ``limit``."""
    sizes: list[int] = []
    size = float(FIRST_LOOK)
    while int(size) < limit:
        sizes.append(int(size))
        size = max(size * GROWTH, size + 8)
    return [*sizes, limit] if limit > 0 else sizes


def held_out_size(delta: float, discordance: float, error: float) -> int:
    """Questions for one one-sided paired test at ``error`` to see ``delta``, missing it rarely.

    Three tenths of the error may be spent on missing it. The normal formula for McNemar's test
    (Connor 1987), plus the 1 / delta that the exact test's discreteness costs.
    """
    return max(MIN_HELD_OUT, _test_size(delta, discordance, error))


def _test_size(delta: float, discordance: float, error: float) -> int:
    d = max(discordance, delta)
    z_test, z_miss = normal_quantile(1 - error), normal_quantile(1 - 0.3 * error)
    n = ((z_test * math.sqrt(d) + z_miss * math.sqrt(d - delta * delta)) / delta) ** 2
    return math.ceil(n + 1 / delta)


def least_evaluations(plan: SearchPlan) -> int:
    """Evaluations without which there is no search: a first look at every arm, and a short test."""
    return (plan.arms + 1) * plan.looks[0][0] + 2 * min(plan.held_out, MIN_HELD_OUT)


def _sizes(limit: int | None) -> Iterator[int]:
    """Questions asked at each look; without a limit, of every look there could be."""
    if limit is not None:
        yield from look_sizes(limit)
        return
    for number in count(1):
        sizes = look_sizes(FIRST_LOOK * 2**number)
        yield from sizes[_looks_below(FIRST_LOOK * 2 ** (number - 1)) if number > 1 else 0 : -1]


def _looks_below(limit: int) -> int:
    return len(look_sizes(limit)) - 1


def _plan(
    arms: int, delta: float, discordance: float, error: float, questions: int | None
) -> tuple[SearchPlan, bool]:
    """What halving does at this delta, look by look, and whether it finds it."""
    held_out = held_out_size(delta, discordance, error)
    limit = None if questions is None else questions - min(held_out, questions // 2)
    looks: list[tuple[int, int]] = []
    calls, live, asked = 0, arms, 0
    for size in _sizes(limit):
        calls += (live + 1) * (size - asked)
        live, asked = min(live, kept(arms, size, delta, discordance, error)), size
        looks.append((size, live))
        if live == 1:
            break
    if questions is not None:
        held_out = min(held_out, questions - asked)
    plan = SearchPlan(arms, tuple(looks), held_out, calls + 2 * held_out, delta, discordance, error)
    return plan, live == 1 and _test_size(delta, discordance, error) <= held_out


def plan_search(
    arms: int,
    *,
    delta: float = 0.05,
    discordance: float = 0.10,
    error: float = 0.05,
    questions: int | None = None,
    max_calls: int | None = None,
) -> SearchPlan:
    """Plan a search: the smallest effect at least ``delta`` that questions and calls allow for.

    Args:
        arms: competitors, "none" not among them; at least 1.
        delta: smallest difference worth finding, in (0, 1).
        discordance: assumed share of questions on which two arms differ, in (0, 1].
        error: share of searches that may end wrong (see ``RaceOptions``), in (0, 0.5).
        questions: questions there are, or None for as many as needed.
        max_calls: evaluations (one arm, one question) that may be spent, or None.

    Returns:
        The plan; its ``delta`` is larger than the one asked for where means are short.

    Raises:
        ValueError: an argument is out of range.
    """
    if arms < 1 or not 0 < delta < 1 or not 0 < error < 0.5 or not 0 < discordance <= 1:
        raise ValueError("need arms >= 1, 0 < delta < 1, 0 < error < 0.5, 0 < discordance <= 1")

    def planned(delta: float) -> tuple[SearchPlan, bool]:
        plan, finds = _plan(arms, delta, discordance, error, questions)
        return plan, finds and (max_calls is None or plan.calls <= max_calls)

    plan, fits = planned(delta)
    if fits:
        return plan
    low, high = delta, 0.999
    for _ in range(30):
        middle = (low + high) / 2
        if planned(middle)[1]:
            high = middle
        else:
            low = middle
    return planned(high)[0]
