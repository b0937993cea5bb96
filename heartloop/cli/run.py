"""``heartloop run``, ``resume``: the main job."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import click

from heartloop.types import PLACEMENTS


def _option_group(*options: Any) -> Any:
    def wrap(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return wrap


WHAT = _option_group(
    click.option(
        "--task", multiple=True, metavar="T[,T]", help="Task, suite, card or a .jsonl/.csv file."
    ),
    click.option(
        "--model",
        multiple=True,
        metavar="M",
        help="pocket, server/NAME, vllm/PATH, hf/PATH, replay/FILE or a litellm name.",
    ),
    click.option(
        "--method",
        metavar="NAME",
        help="heart (default), single, resample, reflect, … or dspy:FILE.py:program.",
    ),
    click.option(
        "--mode",
        type=click.Choice(["oracle", "verifier-free"]),
        help="Default: oracle where the verifier is automatic.",
    ),
    click.option(
        "--stimuli",
        metavar="SET[:ID]",
        help="Stimuli, an arm each: emotionprompt,negativeprompt:NP04,EP02+EP07.",
    ),
    click.option(
        "--placement",
        type=click.Choice(PLACEMENTS),
        help="Where a stimulus goes. Default: as its card says.",
    ),
    click.option(
        "--controls",
        type=click.Choice(["matched", "none"]),
        default="matched",
        show_default=True,
        help="Add the arms that make the result mean something.",
    ),
    click.option(
        "--seeds",
        default="0",
        show_default=True,
        metavar="0,1,2",
        help="Run seeds; each repeats every arm.",
    ),
    click.option(
        "--plan", type=click.Path(dir_okay=False), help="A plan in YAML, or a run's manifest.json."
    ),
)
LOOP = _option_group(
    click.option(
        "--rounds",
        type=click.IntRange(0),
        help="Feedback rounds after the first answer. Default 5.",
    ),
    click.option("--candidates", type=click.IntRange(1), help="Candidates a round. Default 1."),
    click.option(
        "--schedule",
        metavar="S",
        help="alternate, static:EMOTION, cycle:A,B, random, state, bandit.",
    ),
    click.option(
        "--history",
        type=click.Choice(["full", "last", "none"]),
        help="What a round sees of the rounds before.",
    ),
    click.option(
        "--selector", metavar="S", help="Verifier-free: synthesis (default), majority, last, …"
    ),
    click.option(
        "--param",
        multiple=True,
        metavar="NAME=VALUE",
        help="Any other parameter of the method; NAME=@FILE takes a text or .json file.",
    ),
)
DATA = _option_group(
    click.option(
        "--data",
        type=click.Path(file_okay=False),
        help="Folder with benchmark data (or HEARTLOOP_DATA).",
    ),
    click.option(
        "--practice", is_flag=True, help="Use the practice sets that ship with heartloop."
    ),
    click.option(
        "--limit",
        type=click.IntRange(1),
        metavar="N",
        help="At most N questions a task, the same for every arm.",
    ),
    click.option(
        "--sample", type=int, metavar="SEED", help="Draw the N of --limit at random with this seed."
    ),
    click.option(
        "--shots",
        type=click.IntRange(0),
        metavar="K",
        help="Demonstrations from the task's own pool.",
    ),
    click.option("--verifier", metavar="V", help="A verifier card instead of the task's own."),
    click.option(
        "--helper",
        metavar="M",
        help="A second model, for methods that need one (critique, planner).",
    ),
    click.option(
        "--judge", metavar="M", help="The model that judges, for verifiers that need one."
    ),
)
SAMPLING = _option_group(
    click.option(
        "--temperature",
        type=click.FloatRange(0),
        help="Default: the task card's, the same for every arm.",
    ),
    click.option("--max-tokens", type=click.IntRange(1), help="Default: the task card's."),
    click.option("--top-p", type=click.FloatRange(0, 1), help="Nucleus sampling."),
    click.option(
        "--logprobs",
        is_flag=True,
        help="Ask for log-probabilities, so that every selector can be tried later.",
    ),
    click.option("--reasoning-effort", metavar="LEVEL", help="For reasoning models."),
    click.option(
        "--request-seeds",
        type=click.Choice(["auto", "on", "off"]),
        default="auto",
        show_default=True,
        help="Send a seed with every request.",
    ),
    click.option("--extra-body", metavar="JSON", help="Further fields of every request body."),
)
SERVER = _option_group(
    click.option(
        "--base-url",
        multiple=True,
        metavar="URL",
        help="OpenAI-compatible server; repeat to balance over several.",
    ),
    click.option(
        "--concurrency",
        default="auto",
        show_default=True,
        metavar="auto|N",
        help="Calls in flight.",
    ),
    click.option(
        "--rpm", type=click.FloatRange(0, min_open=True), help="Requests a minute at most."
    ),
    click.option("--tpm", type=click.FloatRange(0, min_open=True), help="Tokens a minute at most."),
    click.option(
        "--timeout",
        type=click.FloatRange(0, min_open=True),
        metavar="S",
        help="Seconds an attempt may take. Default 900.",
    ),
    click.option(
        "--replay-field",
        multiple=True,
        metavar="OURS=THEIRS",
        help="Other field names of a replay file.",
    ),
    click.option(
        "--vllm-arg",
        multiple=True,
        metavar="ARG",
        help="Passed on to every vLLM server heartloop starts.",
    ),
    click.option(
        "--tensor-parallel", type=click.IntRange(1), metavar="K", help="GPUs a vLLM server spans."
    ),
    click.option(
        "--ray", metavar="ADDRESS", help="Run shards on a Ray cluster: an address, or auto."
    ),
    click.option(
        "--shards", type=click.IntRange(1), metavar="N", help="With --ray: how many shards."
    ),
)
MONEY = _option_group(
    click.option(
        "--max-total-tokens",
        type=click.IntRange(1),
        metavar="N",
        help="Stop cleanly before going over N tokens.",
    ),
    click.option(
        "--max-usd",
        type=click.FloatRange(0, min_open=True),
        metavar="X",
        help="Stop cleanly before going over X dollars.",
    ),
    click.option(
        "--max-question-tokens",
        type=click.IntRange(1),
        metavar="N",
        help="Cap for one question under one arm.",
    ),
    click.option(
        "--prices", type=click.Path(dir_okay=False), metavar="FILE", help="Your own prices.yaml."
    ),
    click.option(
        "--match",
        type=click.Choice(["tokens", "calls"]),
        default="tokens",
        show_default=True,
        help="What the resample control is matched on.",
    ),
    click.option(
        "--margin",
        type=click.FloatRange(0, 100, min_open=True),
        default=3.0,
        show_default=True,
        metavar="POINTS",
        help="Region of equivalence for --stop-when.",
    ),
    click.option(
        "--stop-when",
        type=click.Choice(["decided"]),
        help="Stop when a sequential test is decided.",
    ),
    click.option(
        "--reuse",
        multiple=True,
        metavar="RUN",
        help="Take over calls that an earlier run already paid for.",
    ),
)
OUTPUT = _option_group(
    click.option(
        "--runs", type=click.Path(file_okay=False), help="Where run folders land. Default: runs/"
    ),
    click.option("--name", metavar="NAME", help="Exact name of the run folder."),
    click.option("--dry-run", is_flag=True, help="Print the plan and stop before any call."),
    click.option(
        "--probe/--no-probe",
        default=True,
        help="With --dry-run: ask four questions for real, to tell tokens and time.",
    ),
    click.option("--yes", is_flag=True, help="Do not ask before spending money."),
    click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print the summary as JSON on stdout and nothing else.",
    ),
)


@click.command("run", short_help="Run an experiment.")
@WHAT
@LOOP
@DATA
@SAMPLING
@SERVER
@MONEY
@OUTPUT
def run_command(**flags: Any) -> int:
    """Run an experiment: tasks × models × arms × seeds, and nothing is lost.

    \b
    heartloop run --task olympiad --rounds 5
    heartloop run --task olympiad --rounds 5 --model server/NAME --base-url URL --data DIR
    heartloop run --task bigbench --stimuli emotionprompt --limit 100 --sample 0
    heartloop run --task my.csv --method reflect --rounds 3

    The plan is printed before anything is asked. Ctrl-C saves and tells how to go on; so does
    a crash. Exit codes: 0 done, 1 failed, 2 usage, 3 stopped with a resumable run.
    """
    from heartloop.cli._options import make_plan
    from heartloop.cli._show import show_plan
    from heartloop.errors import UsageError
    from heartloop.run.execute import prepare
    from heartloop.run.folder import new_folder, runs_dir

    if flags["method"] and flags["method"].startswith("dspy:"):
        from heartloop.integrations.dspy import register_program

        flags["method"] = register_program(flags["method"])
    plan, line = make_plan(flags)
    prepared = prepare(plan)
    if flags["selector"] and all(task.mode == "oracle" for task in prepared.tasks):
        raise UsageError(
            "--selector: in oracle mode the verifier chooses, so a selector would do nothing; "
            "add --mode verifier-free"
        )
    quiet = flags["as_json"]
    if not quiet or flags["dry_run"]:
        click.echo(line, err=True)
    found = None
    if flags["dry_run"] and flags["probe"]:
        found = _probe(prepared)
    estimate = show_plan(prepared, as_json=quiet and flags["dry_run"], quiet=quiet, probe=found)
    if flags["dry_run"]:
        return 0
    _confirm_cost(estimate, flags)
    label = "_".join(
        [
            plan.tasks[0] if len(plan.tasks) == 1 else f"{len(plan.tasks)}-tasks",
            plan.arms[0].method if len({a.method for a in plan.arms}) == 1 else _main_method(plan),
            plan.models[0],
        ]
    )
    folder = new_folder(runs_dir(flags["runs"] or _config_runs()), flags["name"], label)
    return _go(prepared, folder, flags)


def _probe(prepared: Any) -> Any:
    """A few real answers, so that a dry run can tell tokens and time; None where that fails."""
    from heartloop.errors import HeartloopError
    from heartloop.run.pilot import probe

    try:
        return asyncio.run(probe(prepared))
    except HeartloopError as error:
        click.echo(f"no probe: {error}", err=True)
        return None


def _main_method(plan: Any) -> str:
    return next((a.method for a in plan.arms if a.role == "treatment"), plan.arms[0].method)


def _config_runs() -> str | None:
    from heartloop.cli._options import read_config

    return read_config().get("runs")


def _confirm_cost(estimate: dict[str, Any], flags: dict[str, Any]) -> None:
    if not estimate.get("costs_money") or flags["yes"] or not sys.stdin.isatty():
        return
    dollars = estimate.get("usd")
    amount = f"about ${dollars:,.2f}" if dollars is not None else "an unknown amount of money"
    if not click.confirm(f"This run costs {amount}. Go on?", err=True):
        raise click.exceptions.Abort()


def _go(prepared: Any, folder: Any, flags: dict[str, Any]) -> int:
    from heartloop.cli._show import finish, watch
    from heartloop.run.execute import execute

    command = " ".join(["heartloop", *sys.argv[1:]])
    if flags.get("ray"):
        from heartloop.run.ray import execute_on_ray

        summary = execute_on_ray(
            prepared,
            folder,
            address=flags["ray"],
            shards=flags["shards"],
            command=command,
            tell=None if flags["as_json"] else lambda line: click.echo(line, err=True),
        )
    else:
        summary = asyncio.run(
            execute(prepared, folder, command=command, watch=watch(quiet=flags["as_json"]))
        )
    return finish(summary, folder, as_json=flags["as_json"])


@click.command("resume", short_help="Go on with an interrupted run.")
@click.argument("run")
@click.option(
    "--runs", type=click.Path(file_okay=False), help="Where run folders are. Default: runs/"
)
@click.option(
    "--base-url", multiple=True, metavar="URL", help="The server has moved: its new address."
)
@click.option("--concurrency", metavar="auto|N", help="Calls in flight.")
@click.option("--max-total-tokens", type=click.IntRange(1), metavar="N", help="A higher cap.")
@click.option(
    "--max-usd", type=click.FloatRange(0, min_open=True), metavar="X", help="A higher cap."
)
@click.option("--ray", metavar="ADDRESS", help="Go on with a sharded run on a Ray cluster.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the summary as JSON on stdout and nothing else."
)
def resume_command(
    run: str,
    runs: str | None,
    base_url: tuple[str, ...],
    concurrency: str | None,
    max_total_tokens: int | None,
    max_usd: float | None,
    ray: str | None,
    as_json: bool,
) -> int:
    """Go on with an interrupted run; what is in its journal is not asked again.

    RUN is a folder, a name, a unique part of a name, or ``last``.
    """
    from heartloop.cli._options import normal_url, register_methods
    from heartloop.cli._show import finish, watch
    from heartloop.errors import UsageError
    from heartloop.run.execute import plan_of, prepare, resume
    from heartloop.run.folder import find_folder, runs_dir

    folder = find_folder(run, runs_dir(runs))
    manifest = folder.manifest
    if "search" in manifest:
        raise UsageError(
            f"{folder.name} is a search; go on with: heartloop optimize --resume {folder.path}"
        )
    register_methods(manifest)
    limits: dict[str, Any] = {}
    if concurrency:
        limits["concurrency"] = concurrency if concurrency == "auto" else int(concurrency)
    if max_total_tokens:
        limits["max_total_tokens"] = max_total_tokens
    if max_usd:
        limits["max_usd"] = max_usd
    server = {"base_urls": [normal_url(u) for u in base_url]} if base_url else {}
    command = " ".join(["heartloop", *sys.argv[1:]])
    if ray:
        from heartloop.run.ray import execute_on_ray

        summary = execute_on_ray(
            prepare(plan_of(folder, limits, server)),
            folder,
            address=ray,
            command=command,
            tell=None if as_json else lambda line: click.echo(line, err=True),
        )
        return finish(summary, folder, as_json=as_json)
    if (folder.path / "shards").is_dir():
        from heartloop.run.ray import take_over

        take_over(folder)
    work = resume(folder, limits=limits, server=server, command=command, watch=watch(quiet=as_json))
    return finish(asyncio.run(work), folder, as_json=as_json)
