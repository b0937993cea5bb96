"""``heartloop optimize``: the stimulus worth using, found cheaply and reported honestly."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import math
import shlex
import sys
from typing import Any

import click

from heartloop.cli._command import GroupedCommand, option_group
from heartloop.cli._flags import (
    ALLOW_CODE,
    ARMS,
    DATA,
    LAUNCH,
    LOOP,
    MONEY,
    OUTPUT,
    REUSE,
    SAMPLING,
    SERVER,
    STOPPING,
    WHAT,
    defaults,
)

SEARCH = option_group(
    "Search",
    click.option(
        "--goal",
        type=click.Choice(["best", "better-than-none"]),
        default="best",
        show_default=True,
        help="The best arm, or the first that is surely better than none.",
    ),
    click.option(
        "--strategy",
        type=click.Choice(["halving", "bandit"]),
        default="halving",
        show_default=True,
        help="halving is cheap; bandit bounds every comparison at all times and costs more.",
    ),
    click.option("--pairs", is_flag=True, help="Also every two of the stimuli together."),
    click.option(
        "--schedule", multiple=True, metavar="S", help="Cue schedules of a loop to try; repeat."
    ),
    click.option(
        "--delta",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        default=0.05,
        show_default=True,
        help="Smallest difference worth finding; 0.05 is 5 points.",
    ),
    click.option(
        "--error",
        type=click.FloatRange(0, 0.5, min_open=True, max_open=True),
        default=0.05,
        show_default=True,
        help="Share of searches that may end wrong.",
    ),
    click.option(
        "--discordance",
        type=click.FloatRange(0, 1, min_open=True),
        default=0.10,
        show_default=True,
        help="First guess of the share of questions two arms differ on; measured as it goes.",
    ),
    click.option(
        "--per-task", is_flag=True, help="A search for every task instead of one over all."
    ),
    click.option(
        "--propose",
        type=click.IntRange(0),
        default=0,
        metavar="N",
        help="Let the model write N stimuli from the best of a first race, and race them, too.",
    ),
    click.option(
        "--generations",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="With --propose: races before the last one, each on questions of its own.",
    ),
    click.option("--max-calls", type=click.IntRange(1), metavar="N", help="Pay at most N calls."),
    click.option("--resume", "resumed", metavar="RUN", help="Go on with an interrupted search."),
    click.option(
        "--as-begun",
        is_flag=True,
        help="With --resume, after an upgrade: the words and parameters that the manifest holds.",
    ),
    ALLOW_CODE,
)


@click.command("optimize", cls=GroupedCommand, short_help="Find the stimulus worth using, or none.")
@WHAT
@SEARCH
@LOOP
@DATA
@SAMPLING
@SERVER
@LAUNCH
@MONEY
@REUSE
@OUTPUT
def optimize_command(**flags: Any) -> int:
    """Find the stimulus worth using, or none, and say how much better it is.

    \b
    heartloop optimize --task bbh/snarks --stimuli emotionprompt,negativeprompt
    heartloop optimize --task gsm.jsonl --stimuli emotionprompt --pairs --max-total-tokens 2000000
    heartloop optimize --task olympiad --schedule alternate --schedule random --rounds 3
    heartloop optimize --resume RUN

    "none" and a placebo always compete. Arms race on the same questions; the winner is tested once
    on questions that the search never used, and the answer is often "none of them".
    """
    from heartloop.cards.find import workspace
    from heartloop.cli._config import runs_folder
    from heartloop.cli._live import say_what_loads
    from heartloop.cli._money import confirm_cost
    from heartloop.errors import UsageError
    from heartloop.optimize.card import write_card
    from heartloop.optimize.search import search
    from heartloop.run.folder import find_folder, new_folder

    quiet = flags["as_json"]
    resumed = None
    if flags["resumed"]:
        resumed = find_folder(flags["resumed"], runs_folder(flags["runs"]))
        if "search" not in resumed.manifest:
            raise UsageError(f"{resumed.path}: not a search; go on with heartloop resume")
        prepared, options, more = _resumed(resumed, flags)
        line = f"search {resumed.name}; model {prepared.plan.models[0]}"
    else:
        prepared, options, more, line = _fresh(flags)
    cost = _cost(prepared, options, more["proposals"] * more["generations"])
    told = {**_planned(prepared, options, more["per_task"]), "estimate": cost}
    if flags["dry_run"]:
        click.echo(json.dumps(told, indent=2) if quiet else _say_plan(line, told))
        return 0
    if not quiet:
        click.echo(_say_plan(line, told), err=True)
    confirm_cost(cost, flags["yes"], "this search")
    plan = prepared.plan
    label = f"search_{plan.tasks[0] if len(plan.tasks) == 1 else 'tasks'}_{plan.models[0]}"
    folder = resumed or new_folder(
        runs_folder(flags["runs"]), flags["name"], label, private=prepared.private
    )
    if not quiet:
        say_what_loads(plan.models)
    found, arms = asyncio.run(
        search(
            prepared,
            folder,
            options,
            **more,
            command=shlex.join(["heartloop", *sys.argv[1:]]),
            progress=_progress if sys.stderr.isatty() and not quiet else None,
            as_begun=flags["as_begun"],
        )
    )
    cards = {}
    for task, result in found["searches"].items():
        chosen = arms.get(result["chosen"] or "")
        if chosen is not None and chosen.stimuli:
            name = f"chosen-{folder.name}" + ("" if task == "all" else f"-{task}")
            name = name.replace("/", "-")
            where = f"{task if task != 'all' else ', '.join(plan.tasks)} with {plan.models[0]}"
            cards[task] = str(write_card(workspace() / "stimuli", name, chosen, result, where))
    found["cards"] = cards
    if quiet:
        click.echo(json.dumps(found, indent=2, default=str))
    else:
        click.echo(_say(found, folder))
    return 3 if found["stopped"] else 0


def _resumed(folder: Any, flags: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    """An interrupted search: its plan with new limits, its options, and what it proposes."""
    from heartloop.cli._options import changes_of, register_methods
    from heartloop.optimize.results import RaceOptions
    from heartloop.run.execute import plan_of, prepare

    manifest = folder.manifest
    register_methods(
        folder,
        manifest,
        asks=True,
        named_server=bool(flags["base_url"]),
        allow_code=flags["allow_code"],
    )
    kept = dict(manifest["search"])
    more = {name: kept.pop(name) for name in ("per_task", "proposals", "generations")}
    for name, flag in (("budget_calls", "max_calls"), ("budget_tokens", "max_total_tokens")):
        kept[name] = flags[flag] or kept[name]
    plan = _within_budget(plan_of(folder, changes_of(flags)))
    return prepare(plan), RaceOptions(**kept), more


def _fresh(flags: dict[str, Any]) -> tuple[Any, Any, dict[str, Any], str]:
    """A new search: its plan, its options, what it proposes, and a line about the model."""
    from heartloop.cli._options import make_plan, places_of, scalar
    from heartloop.errors import UsageError
    from heartloop.methods import settings
    from heartloop.optimize.arms import search_arms
    from heartloop.optimize.results import RaceOptions
    from heartloop.run.execute import prepare

    method = flags["method"] or "single"
    method = "heart" if flags["schedule"] and method == "single" else method
    if method.startswith("dspy:"):
        from heartloop.integrations.dspy import register_program

        method = register_program(method)
    given = {
        **defaults(ARMS, STOPPING),
        **flags,
        "method": method,
        "placement": None,
        "schedule": None,
        "controls": "none",
    }
    plan, line = make_plan(given)
    if len(plan.models) != 1 or len(plan.seeds) != 1:
        raise UsageError("a search takes one --model and one of --seeds")
    names = ("rounds", "candidates", "history")
    params = {name: flags[name] for name in names if flags[name] is not None}
    for text in flags["param"]:
        name, _, value = text.partition("=")
        params[name.strip()] = scalar(value, name.strip())
    arms = search_arms(
        flags["stimuli"],
        method=method,
        placements=places_of(flags["placement"]),
        pairs=flags["pairs"],
        schedules=flags["schedule"],
        params=params,
        mode=flags["mode"] or "oracle",
    )
    if any(settings(arm).get("schedule") == "bandit" for arm in arms):
        raise UsageError("schedule bandit learns over questions; it cannot race on them")
    options = RaceOptions(
        goal=flags["goal"],
        strategy=flags["strategy"],
        delta=flags["delta"],
        error=flags["error"],
        discordance=flags["discordance"],
        budget_calls=flags["max_calls"],
        budget_tokens=flags["max_total_tokens"],
        seed=plan.seeds[0],
    )
    more = {
        "per_task": flags["per_task"],
        "proposals": flags["propose"],
        "generations": flags["generations"],
    }
    plan = _within_budget(dataclasses.replace(plan, arms=tuple(arms)))
    return prepare(plan, download=not flags["dry_run"]), options, more, line


def _within_budget(plan: Any) -> Any:
    """The race keeps to the cap of tokens itself, so that it ends with an answer, not a stop."""
    limits = {key: value for key, value in plan.limits.items() if key != "max_total_tokens"}
    return dataclasses.replace(plan, limits=limits)


def _cost(prepared: Any, options: Any, proposals: int) -> dict[str, Any]:
    """What the search costs at most: every arm, those to be proposed too, on every question."""
    from heartloop.run.estimate import estimate

    found: dict[str, Any] = estimate(prepared).to_dict()
    arms = len(prepared.plan.arms)
    share = (arms + proposals) / arms
    cost = {
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


def _planned(prepared: Any, options: Any, per_task: bool) -> dict[str, Any]:
    """What the search means to do: looks, calls, smallest effect within reach."""
    from heartloop.optimize.planning import plan_search

    sizes = [len(task.data.questions) for task in prepared.tasks]
    plans = [
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
    return {
        "arms": [arm.name for arm in prepared.plan.arms],
        "questions": sum(sizes),
        "searches": [dataclasses.asdict(plan) for plan in plans],
    }


def _say_plan(line: str, told: dict[str, Any]) -> str:
    from heartloop.cli._money import dollars_line

    first, cost = told["searches"][0], told["estimate"]
    dollars = f"; cost: {dollars_line(cost)}" if cost["costs_money"] else ""
    most = "no bound" if cost["tokens_most"] is None else f"at most {cost['tokens_most']:,}"
    lines = [
        line,
        f"{len(told['arms'])} arms ({', '.join(told['arms'][:4])}, …), "
        f"{told['questions']} questions, {len(told['searches'])} search(es)",
        f"about {sum(s['calls'] for s in told['searches']):,} evaluations; the last arm is left "
        f"after {first['looks'][-1][0]} questions, {first['held_out']} are held out",
        f"at most {cost['calls_most']:,} calls, about {cost['tokens']:,} tokens ({most}){dollars}",
        f"finds a difference of {100 * first['delta']:.1f} points with probability "
        f"{1 - first['error']:.0%}, if two arms differ on {first['discordance']:.0%} of the "
        "questions",
    ]
    return "\n".join(lines)


def _progress(client: Any, done: int) -> None:
    if done % 20 == 0:
        stats = client.stats()
        click.echo(
            f"\r{done} evaluations, {stats.calls} calls paid, {stats.tokens:,} tokens, "
            f"{stats.in_flight} in flight ",
            nl=False,
            err=True,
        )


def _say(found: dict[str, Any], folder: Any) -> str:
    """The result for people."""
    from heartloop.cli._show import table

    lines: list[str] = []
    for task, result in found["searches"].items():
        held = result["held_out"]
        rows = [
            [
                row["name"],
                f"{100 * row['difference']:+.1f}",
                f"{100 * row['low']:+.1f} to {100 * row['high']:+.1f}",
                str(row["questions"]),
                "" if row["accuracy"] is None else f"{100 * row['accuracy']:.1f}",
            ]
            for row in result["ranking"][:15]
        ]
        headers = ["arm", "points to none", "always-valid interval", "questions", "accuracy %"]
        lines += [f"search on {task}: ranking by the questions it was chosen on (biased upwards)"]
        lines += [table(headers, rows, right={1, 3, 4})]
        if len(result["ranking"]) > 15:
            lines += [f"… and {len(result['ranking']) - 15} more in {folder.path / 'search.json'}"]
        lines += [
            f"held out: {result['leader']} {100 * held['difference']:+.1f} points "
            f"({100 * held['low']:+.1f} to {100 * held['high']:+.1f}) on {held['questions']} "
            f"questions the search never used; one-sided p = {held['p_value']:.3g}",
            f"(its naive estimate, which put it ahead of the other {len(result['ranking']) - 2} on "
            f"the questions it was picked on, was {100 * result['naive_maximum']:+.1f})",
        ]
        if result["chosen"]:
            lines += [f"worth using: {result['chosen']}"]
            if task in found["cards"]:
                lines += [f"card: {found['cards'][task]}"]
        else:
            lines += [
                "worth using: none of them. This search finds differences of "
                f"{100 * result['detectable']:.1f} points (two arms differ on "
                f"{100 * result['discordance']:.1f} % of the questions); smaller ones may exist."
            ]
        lines += [
            f"{result['calls']:,} calls ({result['paid_calls']:,} paid), "
            f"{result['tokens']:,} tokens ({result['paid_tokens']:,} paid)",
            "",
        ]
    if found["stopped"]:
        lines += [
            f"stopped: {found['stopped']}",
            f"go on: heartloop optimize --resume {folder.path}",
        ]
    lines += [f"run:    {folder.path}", f"report: heartloop report {folder.path}"]
    return "\n".join(lines).rstrip()
