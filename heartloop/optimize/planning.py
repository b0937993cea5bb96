"""How deep a search must look: looks, arms kept, held-out questions, effects within reach."""

from __future__ import annotations

import math
from dataclasses import dataclass

from heartloop.optimize.bounds import normal_cdf, normal_quantile

FIRST_LOOK = 24
GROWTH = 1.1
MIN_HELD_OUT = 20


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """What a search by halving will do if nothing surprises it.

    Attributes:
        arms: competitors, "none" not among them.
        looks: (questions asked so far, competitors kept after looking), last one keeps 1.
        held_out: questions set aside for the final estimate.
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
    d = max(discordance, delta)
    z_test, z_miss = normal_quantile(1 - error), normal_quantile(1 - 0.3 * error)
    n = ((z_test * math.sqrt(d) + z_miss * math.sqrt(d - delta * delta)) / delta) ** 2
    return max(MIN_HELD_OUT, math.ceil(n + 1 / delta))


def _plan(arms: int, delta: float, discordance: float, error: float) -> SearchPlan:
    looks: list[tuple[int, int]] = []
    calls, live, asked = 0, arms, 0
    limit = 1
    while kept(arms, limit, delta, discordance, error) > 1:
        limit *= 2
    low = limit // 2
    while limit - low > 1:  # the fewest questions after which one arm is left
        middle = (low + limit) // 2
        if kept(arms, middle, delta, discordance, error) > 1:
            low = middle
        else:
            limit = middle
    for size in look_sizes(limit):
        calls += (live + 1) * (size - asked)
        live, asked = min(live, kept(arms, size, delta, discordance, error)), size
        looks.append((size, live))
        if live == 1:
            break
    held_out = held_out_size(delta, discordance, error)
    calls += 2 * held_out
    return SearchPlan(arms, tuple(looks), held_out, calls, delta, discordance, error)


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

    def fits(plan: SearchPlan) -> bool:
        enough = questions is None or plan.looks[-1][0] + plan.held_out <= questions
        return enough and (max_calls is None or plan.calls <= max_calls)

    plan = _plan(arms, delta, discordance, error)
    if fits(plan):
        return plan
    low, high = delta, 0.999
    for _ in range(30):
        middle = (low + high) / 2
        if fits(_plan(arms, middle, discordance, error)):
            high = middle
        else:
            low = middle
    return _plan(arms, high, discordance, error)
