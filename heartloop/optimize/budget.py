"""What a search will ask, and what it costs: told and checked before anything is sent."""

from __future__ import annotations

import math
from typing import Any

from heartloop.errors import UsageError
from heartloop.methods import render
from heartloop.optimize.planning import SearchPlan, least_evaluations, plan_search
from heartloop.optimize.results import RaceOptions
from heartloop.run.estimate import estimate
from heartloop.run.lengths import CHARS_PER_TOKEN
from heartloop.run.load import Prepared

PLACEBOS = 2  # of the chosen stimulus, asked on the held-out questions where there is no cap


def plans_of(prepared: Prepared, options: RaceOptions, per_task: bool) -> list[SearchPlan]:
    """What each search means to do, by the function that the search itself follows."""
    sizes = [len(task.data.questions) for task in prepared.tasks]
    return [
        plan_search(
            len(prepared.plan.arms) - 1,
            delta=options.delta,
            discordance=options.discordance,
            error=options.error,
            questions=size,
            max_calls=options.budget_calls,
        )
        for size in (sizes if per_task else [sum(sizes)])
    ]


def check_budget(prepared: Prepared, options: RaceOptions, plans: list[SearchPlan]) -> None:
    """Refuse a cap under which there is no search, in the unit that was asked for.

    Of the tokens only the prompts are certain beforehand; the search itself looks at what answers
    take as soon as it has some.

    Raises:
        UsageError: says what is needed at least.
    """
    found = estimate(prepared)
    asked = max(1, found.questions)
    calls = min(max(1.0, arm.calls_least / asked) for arm in found.arms)
    texts = [
        sum(len(message.content) for message in render(question))
        for task in prepared.tasks
        for question in task.data.questions
    ]
    tokens = calls * (sum(texts) / max(1, len(texts)) / CHARS_PER_TOKEN + 1)
    least = max(least_evaluations(plan) for plan in plans)
    arms = len(prepared.plan.arms)
    for flag, cap, each, unit in (
        ("--max-calls", options.budget_calls, calls, "calls"),
        ("--max-total-tokens", options.budget_tokens, tokens, "tokens for the prompts alone"),
    ):
        if cap is not None and cap < least * each:
            raise UsageError(
                f"{flag} {cap:,}: a first look at {arms} arms and a short test take at least "
                f"{math.ceil(least * each):,} {unit}; nothing was sent. Give more, or fewer arms"
            )


def cost_of(prepared: Prepared, options: RaceOptions, proposals: int) -> dict[str, Any]:
    """What the search costs at most: every arm on every question, with those still to come.

    Those are the arms to be proposed, and the chosen stimulus's own placebos.
    """
    found: dict[str, Any] = estimate(prepared).to_dict()
    arms = len(prepared.plan.arms)
    capped = options.budget_calls is not None or options.budget_tokens is not None
    share = (arms + proposals + (0 if capped else PLACEBOS)) / arms
    cost: dict[str, Any] = {
        name: None if found[name] is None else found[name] * share
        for name in ("calls_most", "tokens", "tokens_most", "usd", "usd_most")
    }
    budget = options.budget_tokens
    for tokens, usd in (("tokens", "usd"), ("tokens_most", "usd_most")):
        if budget is not None and (cost[tokens] is None or budget < cost[tokens]):
            if cost[usd]:
                cost[usd] *= budget / cost[tokens]
            cost[tokens] = budget
    whole = {name: v and math.ceil(v) for name, v in cost.items() if "usd" not in name}
    kept = {name: found[name] for name in ("unpriced", "costs_money")}
    return {**cost, **whole, **kept}
