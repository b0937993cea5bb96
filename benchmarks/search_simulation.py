"""The stimulus search in a closed-form world: how often it is right, and what it costs.

    python benchmarks/search_simulation.py --repetitions 2000

The world: on a share s of the questions an answer depends on the wording (each arm answers right
with its own chance there, 1/2 for an arm without effect); on the others all arms answer alike. Two
arms without effect differ on s/2 of the questions; an arm with chance 1/2 + g/s is better by g, and
differs from "none" on s/2 as well. Everything printed states n, discordance and delta.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from heartloop.optimize.bounds import Floats
from heartloop.optimize.planning import plan_search
from heartloop.optimize.racing import race
from heartloop.optimize.results import Evaluation, RaceOptions, RaceResult

ARMS = 25


def world(
    rng: np.random.Generator, effects: Floats, questions: int, discordance: float
) -> np.ndarray:
    """Right answers, shape (arms, questions); effects: (arms, questions) or (arms, 1)."""
    share = 2 * discordance
    movable = rng.random(questions) < share
    alike = rng.random(questions) < 0.5
    own = rng.random((len(effects), questions)) < 0.5 + effects / share
    return np.where(movable, own, alike)


async def search(
    right: np.ndarray, options: RaceOptions, groups: Sequence[str] | int
) -> RaceResult:
    async def evaluate(arm: int, questions: Sequence[int]) -> Evaluation:
        n = len(questions)
        return Evaluation(right[arm, list(questions)].astype(float), n, n, n, n)

    names = ["none", *(f"arm{index}" for index in range(1, len(right)))]
    return await race(names, evaluate, groups, options)


async def scenario(
    title: str,
    effects: Floats,
    options: RaceOptions,
    *,
    repetitions: int,
    questions: int,
    discordance: float,
    seed: int,
) -> dict[str, object]:
    """Repeat one search in fresh worlds and sum up."""
    rng = np.random.default_rng(seed)
    truth = {f"arm{arm}": float(effects[arm].mean()) for arm in range(1, len(effects))}
    chosen: list[str | None] = []
    held, naive, conditional, calls, n_search, n_held = [], [], [], [], [], []
    covered = 0
    for _ in range(repetitions):
        right = world(rng, effects, questions, discordance)
        result = await search(right, replace(options, seed=int(rng.integers(2**31))), questions)
        true = truth[result.leader]
        chosen.append(result.chosen)
        held.append(result.held_out.difference - true)
        covered += result.held_out.low <= true <= result.held_out.high
        naive.append(result.naive_maximum - true)
        if result.chosen:
            conditional.append(result.held_out.difference - true)
        calls.append(result.calls)
        n_search.append(max(one.questions for one in result.ranking))
        n_held.append(result.held_out.questions)
    best = max(truth.values())
    good = {name for name, value in truth.items() if value == best and value > 0}
    return {
        "scenario": title,
        "strategy": options.strategy,
        "goal": options.goal,
        "arms": len(effects) - 1,
        "delta": options.delta,
        "discordance": discordance,
        "repetitions": repetitions,
        "found": round(float(np.mean([one in good for one in chosen])), 4) if good else None,
        "none": round(float(np.mean([one is None for one in chosen])), 4),
        "calls": round(float(np.mean(calls))),
        "n_search": round(float(np.mean(n_search))),
        "n_held_out": round(float(np.mean(n_held))),
        "held_out_mean_error_points": round(100 * float(np.mean(held)), 3),
        "held_out_coverage": round(covered / repetitions, 4),
        "held_out_mean_error_if_chosen_points": round(100 * float(np.mean(conditional)), 3)
        if conditional
        else None,
        "naive_maximum_mean_error_points": round(100 * float(np.mean(naive)), 3),
    }


def full_grid(
    found: float, *, arms: int, delta: float, discordance: float, error: float, seed: int
) -> dict[str, object]:
    """The cheapest full grid that is wrong as rarely: every arm on n questions, best one tested.

    The critical value of the largest of the arms' paired z statistics is found by simulation, so
    that "none" is chosen at exactly 1 - error when no arm is better (sharper than Bonferroni); n is
    the smallest at which the better arm is chosen as often as the search chose it.
    """
    rng = np.random.default_rng(seed)
    effects = np.zeros((arms + 1, 1))

    def largest(n: int, repetitions: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        z = np.empty((repetitions, arms))
        mean = np.empty((repetitions, arms))
        for row in range(repetitions):
            right = world(rng, effects, n, discordance)
            gap = right[1:].astype(float) - right[0]
            mean[row] = gap.mean(axis=1)
            z[row] = mean[row] * n / np.maximum(np.sqrt((gap**2).sum(axis=1)), 1e-9)
        return z.max(axis=1), z.argmax(axis=1), mean.max(axis=1)

    grid: dict[int, float] = {}
    low, high = 100, 1200
    bias = 0.0
    while high - low > 10:
        n = (low + high) // 2
        effects[:] = 0
        top, _, best_mean = largest(n, 4000)
        critical, null_bias = np.quantile(top, 1 - error), float(best_mean.mean())
        effects[1] = delta
        top, which, _ = largest(n, 4000)
        grid[n] = float(((top > critical) & (which == 0)).mean())
        if grid[n] >= found:
            high, bias = n, null_bias
        else:
            low = n
    return {
        "n": high,
        "calls": (arms + 1) * high,
        "found": round(grid.get(high, found), 4),
        "naive_maximum_of_grid_when_none_better_points": round(100 * bias, 2),
    }


async def tasks_scenario(
    options: RaceOptions, *, repetitions: int, discordance: float, seed: int
) -> dict[str, object]:
    """Arm 1: better everywhere; arm 2: better, and by more, on a third of the tasks only."""
    rng = np.random.default_rng(seed)
    tasks, per_task = 6, 900
    groups = [f"task{index % tasks}" for index in range(tasks * per_task)]
    effects = np.zeros((ARMS + 1, len(groups)))
    special = np.array([group in ("task0", "task1") for group in groups])
    effects[1] = 0.06
    effects[2, special] = 0.09
    overall, by_task = [], {group: [] for group in sorted(set(groups))}
    calls, task_calls = [], []
    for _ in range(repetitions):
        right = world(rng, effects, len(groups), discordance)
        options = replace(options, seed=int(rng.integers(2**31)))
        result = await search(right, options, groups)
        overall.append(result.chosen)
        calls.append(result.calls)
        spent = 0
        for group, answers in by_task.items():
            mine = [index for index, one in enumerate(groups) if one == group]
            one = await search(right[:, mine], options, len(mine))
            answers.append(one.chosen)
            spent += one.calls
        task_calls.append(spent)

    def share(answers: list[str | None]) -> dict[str, float]:
        names = {"arm1": "better everywhere", "arm2": "better on a third", None: "none"}
        out = {
            label: round(float(np.mean([a == n for a in answers])), 4) for n, label in names.items()
        }
        return {**out, "another": round(1 - sum(out.values()), 4)}

    return {
        "scenario": "two better arms: +6 points on all 6 tasks; +9 points on 2 of them",
        "delta": options.delta,
        "discordance": discordance,
        "repetitions": repetitions,
        "questions_per_task": per_task,
        "overall": share(overall),
        "overall_calls": round(float(np.mean(calls))),
        "per_task_special": share(by_task["task0"] + by_task["task1"]),
        "per_task_others": share([a for g, many in by_task.items() if g > "task1" for a in many]),
        "per_task_calls": round(float(np.mean(task_calls))),
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--bandit-repetitions", type=int, default=200)
    parser.add_argument("--task-repetitions", type=int, default=200)
    parser.add_argument("--questions", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    delta, discordance = 0.06, 0.10
    options = RaceOptions(delta=delta, discordance=discordance)
    null = np.zeros((ARMS + 1, 1))
    one = null.copy()
    one[1] = delta
    two = one.copy()
    two[2] = delta
    harmful = one.copy()
    harmful[3:9] = -0.04
    results: list[dict[str, object]] = []

    def say(result: dict[str, object]) -> None:
        results.append(result)
        if not args.json:
            print("  ".join(f"{key}={value}" for key, value in result.items()), flush=True)

    plan = plan_search(ARMS, delta=delta, discordance=discordance)
    say({"plan": f"{plan.looks}", "held_out": plan.held_out, "calls": plan.calls})
    shared = {"questions": args.questions, "discordance": discordance}
    n, few = args.repetitions, args.bandit_repetitions
    start = time.time()
    better = await scenario(
        "one better by 6", one, options, repetitions=n, seed=args.seed, **shared
    )
    say(better)
    say(await scenario("none better", null, options, repetitions=n, seed=args.seed + 1, **shared))
    grid = full_grid(
        float(better["found"]),  # type: ignore[arg-type]
        arms=ARMS,
        delta=delta,
        discordance=discordance,
        error=options.error,
        seed=args.seed + 2,
    )
    say({"full_grid": grid, "search_calls/grid_calls": round(better["calls"] / grid["calls"], 3)})  # type: ignore[operator]
    say(
        await scenario("two better by 6", two, options, repetitions=n, seed=args.seed + 3, **shared)
    )
    say(
        await scenario(
            "one better, six worse by 4",
            harmful,
            options,
            repetitions=n,
            seed=args.seed + 4,
            **shared,
        )
    )
    eager = replace(options, goal="better-than-none")
    say(
        await scenario(
            "one better by 6", one, eager, repetitions=n // 4, seed=args.seed + 5, **shared
        )
    )
    bandit = replace(options, strategy="bandit")
    say(
        await scenario(
            "one better by 6", one, bandit, repetitions=few, seed=args.seed + 6, **shared
        )
    )
    say(await scenario("none better", null, bandit, repetitions=few, seed=args.seed + 7, **shared))
    if args.task_repetitions:
        say(
            await tasks_scenario(
                options,
                repetitions=args.task_repetitions,
                discordance=discordance,
                seed=args.seed + 8,
            )
        )
    if args.json:
        print(json.dumps(results))
    else:
        print(f"{time.time() - start:.0f} s")


if __name__ == "__main__":
    asyncio.run(main())
