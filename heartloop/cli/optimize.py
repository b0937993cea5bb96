"""``heartloop optimize``: the stimulus worth using, found cheaply and reported honestly."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from typing import Any

import click

from heartloop.cli.run import DATA, SAMPLING
from heartloop.types import PLACEMENTS


@click.command("optimize", short_help="Find the stimulus worth using, or none.")
@click.option("--task", multiple=True, metavar="T[,T]", help="Task, suite, card or file.")
@click.option("--model", metavar="M", help="As for heartloop run.")
@click.option(
    "--stimuli", metavar="SET[:ID]", help="Stimuli, an arm each: emotionprompt,EP02+EP07."
)
@click.option(
    "--placement", multiple=True, type=click.Choice(PLACEMENTS), help="Places to try; repeat."
)
@click.option("--pairs", is_flag=True, help="Also every two of the stimuli together.")
@click.option(
    "--method", metavar="NAME", default="single", show_default=True, help="What arms run."
)
@click.option(
    "--schedule", multiple=True, metavar="S", help="Cue schedules of a loop to try; repeat."
)
@click.option("--rounds", type=click.IntRange(0), help="Feedback rounds of a loop.")
@click.option("--mode", type=click.Choice(["oracle", "verifier-free"]), help="As for run.")
@click.option("--selector", metavar="S", help="Verifier-free: how a loop picks its answer.")
@click.option(
    "--param", multiple=True, metavar="NAME=VALUE", help="Other parameters of the method."
)
@click.option(
    "--goal",
    type=click.Choice(["best", "better-than-none"]),
    default="best",
    show_default=True,
    help="The best arm, or the first that is surely better than none.",
)
@click.option(
    "--strategy",
    type=click.Choice(["halving", "bandit"]),
    default="halving",
    show_default=True,
    help="halving is cheap; bandit bounds every comparison at all times and costs more.",
)
@click.option(
    "--delta",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Smallest difference worth finding; 0.05 is 5 points.",
)
@click.option(
    "--error",
    type=click.FloatRange(0, 0.5, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Share of searches that may end wrong.",
)
@click.option(
    "--discordance",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.10,
    show_default=True,
    help="First guess of the share of questions two arms differ on; measured as it goes.",
)
@click.option("--budget-tokens", type=click.IntRange(1), metavar="N", help="Pay at most N tokens.")
@click.option("--budget-calls", type=click.IntRange(1), metavar="N", help="Pay at most N calls.")
@click.option("--per-task", is_flag=True, help="A search for every task instead of one over all.")
@click.option(
    "--propose",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Let the model write N stimuli from the best of a first race, and race them, too.",
)
@click.option(
    "--generations",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="With --propose: races before the last one, each on questions of its own.",
)
@DATA
@SAMPLING
@click.option("--base-url", multiple=True, metavar="URL", help="OpenAI-compatible server.")
@click.option(
    "--concurrency", default="auto", show_default=True, metavar="auto|N", help="In flight."
)
@click.option("--reuse", multiple=True, metavar="RUN", help="Take over calls of earlier runs.")
@click.option("--seed", type=int, default=0, show_default=True, help="Order of the questions.")
@click.option("--runs", type=click.Path(file_okay=False), help="Where run folders land.")
@click.option("--name", metavar="NAME", help="Exact name of the run folder.")
@click.option("--resume", "resumed", metavar="RUN", help="Go on with an interrupted search.")
@click.option("--dry-run", is_flag=True, help="Print the plan and stop before any call.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON and nothing else.")
def optimize_command(**flags: Any) -> int:
    """Find the stimulus worth using, or none, and say how much better it is.

    \b
    heartloop optimize --task bbh/snarks --stimuli emotionprompt,negativeprompt
    heartloop optimize --task gsm.jsonl --stimuli emotionprompt --pairs --budget-tokens 2000000
    heartloop optimize --task olympiad --schedule alternate --schedule random --rounds 3
    heartloop optimize --resume RUN

    "none" and a placebo always compete. Arms race on the same questions; the winner is tested once
    on questions that the search never used, and the answer is often "none of them".
    """
    from heartloop.cards.find import workspace
    from heartloop.optimize.card import write_card
    from heartloop.optimize.results import RaceOptions
    from heartloop.optimize.search import search
    from heartloop.run.execute import prepare
    from heartloop.run.folder import find_folder, new_folder, runs_dir
    from heartloop.run.plan import plan_from_dict

    runs = runs_dir(flags["runs"])
    quiet = flags["as_json"]
    if flags["resumed"]:
        from heartloop.errors import UsageError

        folder = find_folder(flags["resumed"], runs)
        manifest = folder.manifest
        if "search" not in manifest:
            raise UsageError(f"{folder.path}: not a search; go on with heartloop resume")
        plan = plan_from_dict(manifest["plan"], str(folder.path / "manifest.json"))
        if flags["base_url"]:
            plan = dataclasses.replace(
                plan, server={**plan.server, "base_urls": list(flags["base_url"])}
            )
        kept = dict(manifest["search"])
        more = {name: kept.pop(name) for name in ("per_task", "proposals", "generations")}
        per_task = more["per_task"]
        options = RaceOptions(**kept)
        prepared = prepare(plan)
    else:
        plan, line = _plan(flags)
        per_task = flags["per_task"]
        more = {
            "per_task": per_task,
            "proposals": flags["propose"],
            "generations": flags["generations"],
        }
        options = RaceOptions(
            goal=flags["goal"],
            strategy=flags["strategy"],
            delta=flags["delta"],
            error=flags["error"],
            discordance=flags["discordance"],
            budget_calls=flags["budget_calls"],
            budget_tokens=flags["budget_tokens"],
            seed=flags["seed"],
        )
        prepared = prepare(plan)
        told = _planned(prepared, options, per_task)
        if flags["dry_run"]:
            click.echo(json.dumps(told, indent=2) if quiet else _say_plan(line, told))
            return 0
        if not quiet:
            click.echo(_say_plan(line, told), err=True)
        label = f"search_{plan.tasks[0] if len(plan.tasks) == 1 else 'tasks'}_{plan.models[0]}"
        folder = new_folder(runs, flags["name"], label)
    found, arms = asyncio.run(
        search(
            prepared,
            folder,
            options,
            **more,
            command=" ".join(["heartloop", *sys.argv[1:]]),
            progress=_progress if sys.stderr.isatty() and not quiet else None,
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


def _plan(flags: dict[str, Any]) -> tuple[Any, str]:
    """The plan of ``run`` with the same flags, and the arms of the search in it."""
    from heartloop.cli._options import _scalar, make_plan
    from heartloop.cli.run import run_command
    from heartloop.errors import UsageError
    from heartloop.optimize.arms import search_arms

    defaults = dict(run_command.make_context("run", []).params)
    shared = {key: value for key, value in flags.items() if key in defaults}
    method = "heart" if flags["schedule"] and flags["method"] == "single" else flags["method"]
    if method.startswith("dspy:"):
        from heartloop.integrations.dspy import register_program

        method = register_program(method)
    given = {
        **defaults,
        **shared,
        "model": (flags["model"],) if flags["model"] else (),
        "method": method,
        "placement": None,
        "schedule": None,
        "controls": "none",
        "seeds": "0",
    }
    plan, line = make_plan(given)
    params = {} if flags["rounds"] is None else {"rounds": flags["rounds"]}
    for text in flags["param"]:
        name, _, value = text.partition("=")
        params[name.strip()] = _scalar(value)
    arms = search_arms(
        flags["stimuli"],
        method=method,
        placements=flags["placement"],
        pairs=flags["pairs"],
        schedules=flags["schedule"],
        params=params,
        mode=flags["mode"] or "oracle",
    )
    if any(schedule == "bandit" for schedule in flags["schedule"]):
        raise UsageError("--schedule bandit learns over questions; it cannot race on them")
    return dataclasses.replace(plan, arms=tuple(arms)), line


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
    first = told["searches"][0]
    lines = [
        line,
        f"{len(told['arms'])} arms ({', '.join(told['arms'][:4])}, …), "
        f"{told['questions']} questions, {len(told['searches'])} search(es)",
        f"about {sum(s['calls'] for s in told['searches']):,} evaluations; the last arm is left "
        f"after {first['looks'][-1][0]} questions, {first['held_out']} are held out",
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
