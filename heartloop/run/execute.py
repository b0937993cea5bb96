"""From a plan to a finished run folder: open everything, run, and leave nothing half-written."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from heartloop.calls import Client, Journal
from heartloop.errors import CircuitOpen, HeartloopError, Stopped
from heartloop.run.decide import Decider
from heartloop.run.folder import MANIFEST, SUMMARY, VERDICTS, RunFolder, write_json
from heartloop.run.load import attach_judge, close_tasks, load_tasks, make_client
from heartloop.run.manifest import check_unchanged, new_manifest
from heartloop.run.pilot import fix_draws, needs_pilot
from heartloop.run.plan import Plan, plan_from_dict
from heartloop.run.reuse import adopt
from heartloop.run.runner import LoadedTask, Runner, Unit, units_of
from heartloop.run.summary import summarize
from heartloop.run.verdicts import VerdictLog, read_traces, usage_dict
from heartloop.run.warnings import warnings_for
from heartloop.types import Usage

Watch = Callable[[Runner, Client], contextlib.AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan with its tasks loaded: what a dry run shows and what a run works on."""

    plan: Plan
    tasks: list[LoadedTask]

    @property
    def questions(self) -> int:
        """Questions over all tasks."""
        return sum(len(task.data.questions) for task in self.tasks)

    @property
    def units(self) -> int:
        """Questions × arms × models × seeds."""
        plan = self.plan
        return self.questions * len(plan.arms) * len(plan.models) * len(plan.seeds)


def prepare(plan: Plan) -> Prepared:
    """Load the cards and the data of a plan; nothing is asked.

    Raises:
        UsageError: a card, a data set or an arm that cannot be used, and how to mend it.
    """
    from heartloop.methods import validate_arm

    tasks = load_tasks(plan)
    # The mode is the tasks' where the plan leaves it open, so arms are judged here once more.
    for mode in dict.fromkeys(task.mode for task in tasks):
        for arm in plan.arms:
            validate_arm(arm, mode)
    return Prepared(plan, tasks)


async def execute(
    prepared: Prepared,
    folder: RunFolder,
    *,
    command: str = "",
    watch: Watch | None = None,
    shard: tuple[int, int] | None = None,
    handle_signals: bool = True,
) -> dict[str, Any]:
    """Run a prepared plan in a folder, from the start or from wherever it was interrupted.

    Args:
        prepared: what `prepare` returned.
        folder: a new folder, or one with a manifest of the same plan.
        command: the command line, for the manifest.
        watch: a context manager that shows progress while the runner works.
        shard: (index, count) to work on one shard of the questions only.
        handle_signals: turn the first Ctrl-C into a clean stop.

    Returns:
        The summary, as written to ``summary.json``; its ``stopped`` says whether the run ended.

    Raises:
        CircuitOpen: every request fails the same way; the summary is written before.
        HeartloopError: the run cannot go on; what was paid for is in the journal.
    """
    plan = prepared.plan
    manifest_file = folder.path / MANIFEST
    manifest_existed = manifest_file.exists()
    if plan.reuse and not manifest_existed:
        reused = adopt(folder, plan.reuse, folder.path.parent)
    else:
        reused = None
    journal = Journal.open(folder.path)
    try:
        if manifest_file.exists():
            manifest = folder.manifest
            check_unchanged(manifest, prepared)
        else:
            manifest = {**new_manifest(prepared, folder, shard), "reused": reused}
        session = {"started": _now(), "ended": None, "wall_s": 0.0, "command": command}
        manifest["sessions"].append(session)
        write_json(manifest_file, manifest)
        client, judge = make_client(plan, journal, prepared.tasks)
        await client.check()
        if judge is not None:
            attach_judge(prepared.tasks, client, judge)
    except BaseException:
        journal.close()
        if not manifest_existed and not len(journal):
            shutil.rmtree(folder.path, ignore_errors=True)  # nothing was asked, nothing is kept
        raise
    started = time.monotonic()
    stopped: str | None = None
    failure: HeartloopError | None = None
    try:
        log = VerdictLog(folder.path / VERDICTS)
        runner = Runner(client, plan.selector, log)
        runner.shard, runner.helper = shard, plan.helper
        shown = watch(runner, client) if watch else contextlib.nullcontext()
        try:
            with shown, _stop_on_signals(runner, handle_signals):
                if needs_pilot(plan):
                    plan, manifest["pilot"] = await fix_draws(prepared, client)
                    manifest["plan"] = plan.to_dict()
                    write_json(manifest_file, manifest)
                runner.decider = _decider(plan, prepared)
                units = list_units(plan, prepared, shard)
                await runner.run(units(), sum(1 for _ in units()) if shard else prepared.units)
        except Stopped as error:
            stopped = str(error)
        except (CircuitOpen, HeartloopError) as error:
            stopped, failure = str(error), error
        finally:
            log.close()
    finally:
        await client.close()
        await close_tasks(prepared.tasks)
        journal.close()
    session.update(ended=_now(), wall_s=round(time.monotonic() - started, 3), stopped=stopped)
    manifest["calls"] = client.facts()
    write_json(manifest_file, manifest)
    summary = write_summary(folder, manifest, stopped=stopped)
    if failure is not None:
        raise failure
    return summary


def list_units(
    plan: Plan, prepared: Prepared, shard: tuple[int, int] | None
) -> Callable[[], Iterator[Unit]]:
    """The units of a plan, made anew at every call."""
    return lambda: units_of(prepared.tasks, plan.models, plan.seeds, plan.arms, shard)


def _decider(plan: Plan, prepared: Prepared) -> Decider | None:
    if plan.stop_when != "decided":
        return None
    questions = [
        (task.card.name, question.id, question.cluster or question.id)
        for task in prepared.tasks
        for question in task.data.questions
    ]
    return Decider(plan, questions, plan.margin)


def write_summary(
    folder: RunFolder, manifest: Mapping[str, Any], *, stopped: str | None
) -> dict[str, Any]:
    """Rebuild ``summary.json`` from the folder's own files and return it."""
    summary = summarize(
        read_traces(folder.path / VERDICTS),
        manifest,
        run=folder.name,
        paid=paid_in(folder),
        wall_s=sum(s["wall_s"] for s in manifest["sessions"]),
        stopped=stopped,
    )
    summary["errors"] = errors_in(folder)
    summary["warnings"] = warnings_for(summary, manifest)
    write_json(folder.path / SUMMARY, summary)
    return summary


def paid_in(folder: RunFolder) -> dict[str, Any]:
    """Calls, tokens and dollars of a journal, each call once.

    Calls that failed cost nothing, those that were given up on while the model worked cost what
    they are known to have used, and those taken over from an earlier run were paid for there.
    """
    usage: dict[str, Usage] = {}
    abandoned: list[Usage] = []
    dollars = 0.0
    priced = False
    with Journal.open(folder.path, read_only=True) as journal:
        for record in journal.records():
            if record["error"]:
                if record["error"]["class"] == "cancelled":
                    abandoned.append(Usage(**record["usage"]))
                continue
            if record["key"] in usage or "reused" in record:
                continue
            usage[record["key"]] = Usage(**record["usage"])
            if record.get("cost") is not None:
                dollars += record["cost"]
                priced = True
    total = sum([*usage.values(), *abandoned], Usage())
    return {
        "calls": len(usage) + len(abandoned),
        "tokens": usage_dict(total),
        "cost": dollars if priced else None,
    }


def errors_in(folder: RunFolder) -> list[dict[str, Any]]:
    """Calls that ended in an error and were never answered: class, count, the first message."""
    failed: dict[str, tuple[str, str]] = {}
    with Journal.open(folder.path, read_only=True) as journal:
        for record in journal.records():
            if not record["error"]:
                failed.pop(record["key"], None)
            elif record["error"]["class"] != "cancelled":
                failed[record["key"]] = (record["error"]["class"], record["error"]["message"])
    found: dict[str, dict[str, Any]] = {}
    for kind, message in failed.values():
        entry = found.setdefault(kind, {"class": kind, "count": 0, "message": message})
        entry["count"] += 1
    return sorted(found.values(), key=lambda entry: -entry["count"])


def plan_of(
    folder: RunFolder,
    limits: Mapping[str, Any] | None = None,
    server: Mapping[str, Any] | None = None,
) -> Plan:
    """The plan of a run, with new limits and server options laid over its own."""
    plan = plan_from_dict(folder.manifest["plan"], str(folder.path / MANIFEST))
    return dataclasses.replace(
        plan,
        limits={**plan.limits, **(limits or {})},
        server={**plan.server, **(server or {})},
    )


async def resume(
    folder: RunFolder,
    *,
    limits: Mapping[str, Any] | None = None,
    server: Mapping[str, Any] | None = None,
    command: str = "",
    watch: Watch | None = None,
) -> dict[str, Any]:
    """Go on with a run from its manifest alone; new limits replace the old ones.

    Raises:
        UsageError: cards or data differ from those the run was begun with.
    """
    plan = plan_of(folder, limits, server)
    return await execute(prepare(plan), folder, command=command, watch=watch)


@contextlib.contextmanager
def _stop_on_signals(runner: Runner, active: bool) -> Iterator[None]:
    """First Ctrl-C or SIGTERM: stop cleanly. Second: stop at once."""
    if not active:
        yield
        return
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()
    asked = 0

    def on_signal() -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            runner.stop(Stopped("interrupted"))
        elif main is not None:
            main.cancel()

    handled = []
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(number, on_signal)
            handled.append(number)
    try:
        yield
    except asyncio.CancelledError:
        if asked < 2:
            raise
        raise Stopped("interrupted at once; calls in flight were abandoned") from None
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
