"""``heartloop run``, ``resume``: the main job."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import shlex
import sys
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import click

from heartloop.cli._command import GroupedCommand
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
    SCHEDULE,
    SERVER,
    SHARDS,
    STOPPING,
    VERBOSITY,
    WHAT,
)

if TYPE_CHECKING:
    from heartloop.run.folder import RunFolder


@click.command("run", cls=GroupedCommand, short_help="Run an experiment.")
@WHAT
@ARMS
@LOOP
@SCHEDULE
@DATA
@SAMPLING
@SERVER
@LAUNCH
@BATCH
@SHARDS
@MONEY
@REUSE
@STOPPING
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
    from heartloop.cli._config import runs_folder
    from heartloop.cli._money import confirm_cost
    from heartloop.cli._options import shard_of_flag
    from heartloop.cli._plan import show_plan
    from heartloop.errors import UsageError
    from heartloop.run.execute import prepare
    from heartloop.run.folder import new_folder

    gc.disable()  # until all is loaded: it forms no cycles
    flags["shard"] = shard_of_flag(flags["shard"])
    if flags["shard"] and flags["ray"]:
        raise UsageError("--shard and --ray exclude one another: Ray makes shards of its own")
    if flags["method"] and flags["method"].startswith("dspy:"):
        from heartloop.integrations.dspy import register_program

        flags["method"] = register_program(flags["method"])
    plan, line = _confirming(flags)
    prepared = prepare(plan, download=not flags["dry_run"])
    if flags["selector"] and all(task.mode == "oracle" for task in prepared.tasks):
        raise UsageError(
            "--selector: in oracle mode the verifier chooses, so a selector would do nothing; "
            "add --mode verifier-free"
        )
    found = _probe(prepared, flags) if flags["dry_run"] and flags["probe"] else None
    noise = _noise(flags)
    target = None if flags["target"] is None else flags["target"] / 100
    estimate = show_plan(
        prepared,
        line=line,
        as_json=flags["as_json"] and flags["dry_run"],
        quiet=flags["as_json"] or flags["quiet"],
        verbose=flags["verbose"] or flags["dry_run"],
        probe=found,
        noise=noise,
        target=target,
    )
    if flags["dry_run"]:
        return 0
    confirm_cost(estimate, flags["yes"], "this run")
    label = "_".join(
        [
            plan.tasks[0] if len(plan.tasks) == 1 else f"{len(plan.tasks)}-tasks",
            plan.arms[0].method if len({a.method for a in plan.arms}) == 1 else _main_method(plan),
            plan.models[0],
        ]
    )
    folder = new_folder(runs_folder(flags["runs"]), flags["name"], label, private=prepared.private)
    return _go(prepared, folder, flags)


def _confirming(flags: dict[str, Any]) -> tuple[Any, str]:
    """The plan, with the claim it takes over and the questions it leaves out."""
    import dataclasses

    from heartloop.cli._config import runs_folder
    from heartloop.cli._options import make_plan
    from heartloop.errors import UsageError
    from heartloop.run.folder import MANIFEST, find_folder

    runs = runs_folder(flags["runs"])
    left_out = tuple(str(find_folder(run, runs).path) for run in flags["exclude_questions"])
    if not flags["claim_from"]:
        plan, line = make_plan(flags)
        return dataclasses.replace(plan, exclude_questions=left_out or plan.exclude_questions), line
    earlier = find_folder(flags["claim_from"], runs).path
    if flags["plan"]:
        raise UsageError("--claim-from and --plan exclude one another: the claim brings its plan")
    if str(earlier) not in left_out:
        raise UsageError(
            f"--claim-from {flags['claim_from']}: a claim is confirmed on other questions; add "
            f"--exclude-questions {flags['claim_from']}"
        )
    plan, _ = make_plan({**flags, "plan": str(earlier / MANIFEST)})
    plan = dataclasses.replace(plan, claim_from=str(earlier), exclude_questions=left_out)
    return plan, f"confirms the claim of {earlier.name}; model {', '.join(plan.models)}"


def _noise(flags: dict[str, Any]) -> tuple[Any, str] | None:
    """Discordance of the run that --power-from names, and its name."""
    if not flags["power_from"]:
        return None
    from heartloop.cli._config import runs_folder
    from heartloop.run.folder import find_folder
    from heartloop.run.power import noise_in

    folder = find_folder(flags["power_from"], runs_folder(flags["runs"]))
    return noise_in(folder)[0], folder.name


def _probe(prepared: Any, flags: dict[str, Any]) -> Any:
    """A few real answers, so that a dry run can tell tokens and time; None where that fails."""
    from heartloop.cli._money import confirm_cost
    from heartloop.errors import HeartloopError
    from heartloop.run.estimate import estimate
    from heartloop.run.pilot import PROBE_QUESTIONS, probe

    whole = estimate(prepared)
    calls = max(PROBE_QUESTIONS, len(prepared.tasks)) * len(prepared.plan.models)
    share = min(1.0, calls / max(1, whole.calls_most))
    part = {
        **whole.to_dict(),
        **{k: v and v * share for k, v in (("usd", whole.usd), ("usd_most", whole.usd_most))},
    }
    confirm_cost(part, flags["yes"], f"a probe of {calls} questions")
    try:
        return asyncio.run(probe(prepared))
    except HeartloopError as error:
        click.echo(f"no probe: {error}", err=True)
        return None


def _main_method(plan: Any) -> str:
    return next((a.method for a in plan.arms if a.role == "treatment"), plan.arms[0].method)


def _go(prepared: Any, folder: Any, flags: dict[str, Any]) -> int:
    from heartloop.cli._live import say_what_loads, watch
    from heartloop.run.execute import execute

    silent = flags["as_json"] or flags.get("quiet", False)
    if not silent:
        say_what_loads(prepared.plan.models)
    gc.freeze()
    gc.enable()
    command = shlex.join(["heartloop", *sys.argv[1:]])
    if flags.get("ray"):
        from heartloop.run.ray import execute_on_ray

        summary = execute_on_ray(
            prepared,
            folder,
            address=flags["ray"],
            shards=flags["shards"],
            command=command,
            tell=None if silent else lambda line: click.echo(line, err=True),
        )
    else:
        shown = watch(quiet=silent)
        work = execute(
            prepared,
            folder,
            command=command,
            watch=shown,
            shard=flags["shard"],
            standing=_standing,
        )
        summary = asyncio.run(work)
    from heartloop.cli._result import finish

    return finish(
        summary,
        folder,
        as_json=flags["as_json"],
        quiet=flags["quiet"],
        verbose=flags["verbose"],
    )


def _standing(folder: RunFolder) -> Collection[str]:
    """Which claims stand, once answers are there; what decides it is loaded only then."""
    from heartloop.report.findings import standing

    return standing(folder)


@click.command("resume", cls=GroupedCommand, short_help="Go on with an interrupted run.")
@click.argument("run")
@click.option(
    "--runs", type=click.Path(file_okay=False), help="Where run folders are. Default: runs/"
)
@click.option("--data", type=click.Path(file_okay=False), help="The data have moved: where to.")
@click.option(
    "--judge-base-url", multiple=True, metavar="URL", help="The judge's server has moved."
)
@click.option(
    "--as-begun",
    is_flag=True,
    help="After an upgrade: go on with the words and parameters that the manifest holds.",
)
@click.option("--ray", metavar="ADDRESS", help="Go on with a sharded run on a Ray cluster.")
@ALLOW_CODE
@VERBOSITY[0]
@VERBOSITY[1]
@click.option(
    "--json", "as_json", is_flag=True, help="Print the summary as JSON on stdout and nothing else."
)
@SERVER
@MONEY
def resume_command(
    run: str,
    runs: str | None,
    judge_base_url: tuple[str, ...],
    ray: str | None,
    allow_code: bool,
    quiet: bool,
    verbose: bool,
    as_json: bool,
    **flags: Any,
) -> int:
    """Go on with an interrupted run; what is in its journal is not asked again.

    RUN is a folder, a name, a unique part of a name, or ``last``.
    """
    from heartloop.cli._config import runs_folder
    from heartloop.cli._judges import moved_judges
    from heartloop.cli._live import watch
    from heartloop.cli._money import confirm_rest
    from heartloop.cli._options import changes_of, register_methods
    from heartloop.cli._result import finish
    from heartloop.errors import UsageError
    from heartloop.run.execute import execute, plan_of, prepare
    from heartloop.run.folder import find_folder
    from heartloop.run.session import summary_now
    from heartloop.run.state import run_state
    from heartloop.run.tables import edited_tables
    from heartloop.run.trust import check_received

    folder = find_folder(run, runs_folder(runs))
    manifest = folder.manifest
    if "search" in manifest and "made_in" not in manifest:
        raise UsageError(
            f"{folder.name} is a search; go on with: heartloop optimize --resume {folder.path}"
        )
    try:
        register_methods(
            folder,
            manifest,
            asks=True,
            named_server=bool(flags["base_url"]),
            allow_code=allow_code,
        )
    except UsageError:
        check_received(folder.path, manifest, asks=False, allow_code=allow_code)
        state = run_state(folder)
        found = summary_now(folder, manifest, state) if state.state == "whole" else None
        if found is None:
            raise
        # A finished run from elsewhere is shown as it is, whatever server it names.
        click.echo(f"{folder.name}: finished; nothing is left to ask", err=True)
        return finish(found, folder, as_json=as_json, quiet=quiet, verbose=verbose)
    command = shlex.join(["heartloop", *sys.argv[1:]])
    changes = changes_of(flags)
    plan = plan_of(folder, changes)
    for line in edited_tables(folder.path, manifest, changes.data_dir):
        click.echo(f"note: {line}", err=True)
    if judge_base_url:
        plan = dataclasses.replace(plan, judge=moved_judges(plan.judge, judge_base_url))
    prepared = prepare(plan)
    confirm_rest(prepared, folder, flags["yes"])
    if ray:
        from heartloop.run.ray import execute_on_ray

        if flags["as_begun"]:
            raise UsageError("--as-begun: not on Ray; go on without --ray")
        summary = execute_on_ray(
            prepared,
            folder,
            address=ray,
            command=command,
            tell=None if as_json or quiet else lambda line: click.echo(line, err=True),
        )
        return finish(summary, folder, as_json=as_json, quiet=quiet, verbose=verbose)
    if (folder.path / "shards").is_dir():
        from heartloop.run.ray import take_over

        take_over(folder)
    gc.freeze()
    shown = watch(quiet=as_json or quiet)
    work = execute(
        prepared,
        folder,
        command=command,
        watch=shown,
        standing=_standing,
        as_begun=flags["as_begun"],
    )
    summary = asyncio.run(work)
    return finish(summary, folder, as_json=as_json, quiet=quiet, verbose=verbose)
