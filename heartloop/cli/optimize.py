"""``heartloop optimize``: the stimulus worth using, found cheaply and reported honestly."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import shlex
import sys
from typing import Any

import click

from heartloop.cli._command import GroupedCommand, option_group
from heartloop.cli._flags import (
    ALLOW_CODE,
    ARMS,
    BATCH,
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
    click.option(
        "--exclude-questions",
        multiple=True,
        metavar="RUN",
        help="Do not search on the questions of this run.",
    ),
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
@BATCH
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
    from heartloop.cli._search import progress, say, say_plan, say_short
    from heartloop.errors import UsageError
    from heartloop.optimize.answer import answers_of
    from heartloop.optimize.budget import check_budget, cost_of, plans_of
    from heartloop.optimize.card import write_card
    from heartloop.optimize.exports import write_exports
    from heartloop.optimize.search import search
    from heartloop.run.folder import find_folder, new_folder

    as_json, verbose = flags["as_json"], flags["verbose"]
    silent = as_json or flags["quiet"]
    resumed = None
    if flags["resumed"]:
        resumed = find_folder(flags["resumed"], runs_folder(flags["runs"]), search=True)
        if "search" not in resumed.manifest:
            raise UsageError(f"{resumed.path}: not a search; go on with heartloop resume")
        prepared, options, more = _resumed(resumed, flags)
        line = f"search {resumed.name}; model {prepared.plan.models[0]}"
    else:
        prepared, options, more, line = _fresh(flags)
    cost = cost_of(prepared, options, more["proposals"] * more["generations"])
    plans = plans_of(prepared, options, more["per_task"])
    if not flags["resumed"] and not flags["reuse"]:
        check_budget(prepared, options, plans)
    told = {**_planned(prepared, plans), "estimate": cost}
    if flags["dry_run"]:
        click.echo(json.dumps(told, indent=2) if as_json else say_plan(line, told, whole=True))
        return 0
    if not silent:
        click.echo(say_plan(line, told, whole=verbose), err=True)
    confirm_cost(cost, flags["yes"], "this search")
    plan = prepared.plan
    label = f"search_{plan.tasks[0] if len(plan.tasks) == 1 else 'tasks'}_{plan.models[0]}"
    folder = resumed or new_folder(
        runs_folder(flags["runs"]), flags["name"], label, private=prepared.private
    )
    if not silent:
        say_what_loads(plan.models)
    found, arms = asyncio.run(
        search(
            prepared,
            folder,
            options,
            **more,
            command=shlex.join(["heartloop", *sys.argv[1:]]),
            progress=progress if sys.stderr.isatty() and not silent else None,
            as_begun=flags["as_begun"],
        )
    )
    cards, exports = {}, {}
    url = next(iter(plan.server.get("base_urls", ())), None)
    for task, result in found["searches"].items():
        chosen = arms.get(result["chosen"] or "")
        if chosen is not None and chosen.stimuli:
            name = f"chosen-{folder.name}" + ("" if task == "all" else f"-{task}")
            name = name.replace("/", "-")
            where = f"{task if task != 'all' else ', '.join(plan.tasks)} with {plan.models[0]}"
            cards[task] = str(write_card(workspace() / "stimuli", name, chosen, result, where))
            question = next(
                t.data.questions[0] for t in prepared.tasks if task in ("all", t.card.name)
            )
            place = folder.path / "use" / name
            exports[task] = write_exports(place, name, chosen, plan.models[0], question, url)
    found.update(cards=cards, exports=exports, answers=answers_of(prepared, folder, found, arms))
    if as_json:
        click.echo(json.dumps(found, indent=2, default=str))
    elif verbose:
        click.echo(say(found, folder, prepared))
    else:
        click.echo(say_short(found, folder, prepared, quiet=flags["quiet"]))
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
    from heartloop.cli._config import runs_folder
    from heartloop.cli._options import make_plan, places_of
    from heartloop.cli._settings import scalar
    from heartloop.errors import UsageError
    from heartloop.methods import settings
    from heartloop.optimize.arms import search_arms
    from heartloop.optimize.results import RaceOptions
    from heartloop.run.execute import prepare
    from heartloop.run.folder import find_folder

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
    runs = runs_folder(flags["runs"])
    left_out = tuple(str(find_folder(run, runs).path) for run in flags["exclude_questions"])
    plan = dataclasses.replace(plan, exclude_questions=left_out)
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


def _planned(prepared: Any, plans: list[Any]) -> dict[str, Any]:
    """The plan as plain data: looks, calls, smallest effect within reach."""
    return {
        "arms": [arm.name for arm in prepared.plan.arms],
        "questions": sum(len(task.data.questions) for task in prepared.tasks),
        "searches": [dataclasses.asdict(plan) for plan in plans],
    }
