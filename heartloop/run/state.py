"""What a run is: whole, partial, killed, running or damaged; the one place that says so.

Computed from journal, manifest, verdicts and lock, never from the summary: a process that was
killed could not write one, and one that was written earlier may be older than the verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from heartloop.calls.lines import Scan, scan
from heartloop.calls.lock import held
from heartloop.errors import UsageError
from heartloop.run.folder import CALLS, MANIFEST, MANIFEST_COPY, VERDICTS, RunFolder
from heartloop.run.layout import Manifest
from heartloop.run.unit import Units
from heartloop.run.verdicts import read_traces
from heartloop.types import RunState, State

REPAIR = "heartloop repair"


def run_state(
    folder: RunFolder,
    each: Callable[[dict[str, Any]], None] | None = None,
    each_trace: Callable[[list[dict[str, Any]]], None] | None = None,
) -> RunState:
    """The state of a run; a damaged one is a state, not an error.

    Reads journal and verdicts once each. On the way ``each`` is handed every good record, and
    ``each_trace`` the lines of every trace, up to the first that is damaged or not of this plan.
    """
    running = held(folder.path)
    try:
        manifest = folder.manifest
    except UsageError as error:
        return _without_manifest(folder, running, str(error))
    total = planned(manifest)
    try:
        done, unsupported, calls = _count(folder, manifest, each, each_trace)
    except UsageError as error:
        return RunState("damaged", 0, total, str(error))
    except OSError as error:
        return RunState("damaged", 0, total, f"{folder.path}: {error.strerror}")
    session: Mapping[str, Any] = manifest["sessions"][-1] if manifest["sessions"] else {}
    ended = bool(session.get("ended") or session.get("stopped"))
    stopped = session.get("stopped")
    if _open_ended(manifest):  # how many units there would be was never planned
        total = done if ended and not stopped else max(done, total)

    def state(kind: State, why: str = "") -> RunState:
        return RunState(kind, min(done, total), total, why)

    if calls.damaged:
        lines = f"{len(calls.damaged)} damaged lines" if len(calls.damaged) > 1 else (
            f"line {calls.damaged[0]} is damaged"
        )  # fmt: skip
        return state("damaged", f"{CALLS}: {lines}; {REPAIR} {folder.path}")
    if running:
        return state("running", "it is going on")
    if unsupported:
        return state(
            "damaged",
            f"{unsupported} verdicts rest on calls that {CALLS} does not hold; "
            f"{REPAIR} {folder.path}",
        )
    if "imported" in manifest and not (folder.path / VERDICTS).exists():
        return state("damaged", "its import was not finished; delete the folder and import again")
    if len(calls.answered) and not (folder.path / VERDICTS).exists():
        return state("damaged", f"{VERDICTS} is absent; heartloop score {folder.path}")
    if done >= total:
        return state("whole")
    if stopped:
        return state("partial", str(stopped))
    if ended and not manifest.get("shard"):
        return state("damaged", f"{VERDICTS} holds less than the run wrote; {REPAIR} {folder.path}")
    return state("killed", "it ended without a word (killed, out of memory, a lost machine)")


def headline(state: RunState) -> str:
    """The words about a run that is not whole, for headlines; empty for a whole one."""
    if state.state == "whole":
        return ""
    share = f"{state.done:,} of {state.total:,} questions × arms" if state.total else "nothing"
    first = {
        "partial": "PARTIAL RUN",
        "killed": "PARTIAL RUN, killed",
        "running": "RUN STILL GOING ON",
        "damaged": "DAMAGED RUN",
    }[state.state]
    return f"{first}: {share} ({state.why})" if state.why else f"{first}: {share}"


def planned(manifest: Manifest) -> int:
    """Units of a plan: question x arm x model x seed."""
    plan = manifest["plan"]
    questions = sum(task["questions"] for task in manifest["tasks"])
    return int(questions * len(plan["arms"]) * len(plan["models"]) * len(plan["seeds"]))


def _open_ended(manifest: Manifest) -> bool:
    """Whether the number of units follows from the answers (a search) or from a shard's share."""
    return "search" in manifest or bool(manifest.get("shard"))


def _count(
    folder: RunFolder,
    manifest: Manifest,
    each: Callable[[dict[str, Any]], None] | None,
    each_trace: Callable[[list[dict[str, Any]]], None] | None,
) -> tuple[int, int, Scan]:
    """Units with all their verdicts, verdicts without their call, and what the journal holds."""
    path = folder.path / VERDICTS
    calls = scan(folder.path / CALLS, each)
    arms = {arm["name"] for arm in manifest["plan"]["arms"]}
    tasks = {task["task"] for task in manifest["tasks"]}
    seen = Units()
    unsupported = 0
    for trace in read_traces(path) if path.exists() else ():
        first = trace[0]
        if first["task"] not in tasks or ("search" not in manifest and first["arm"] not in arms):
            raise UsageError(
                f"{path}: task {first['task']!r}, arm {first['arm']!r} is not of this run's plan; "
                f"{REPAIR} {folder.path}"
            )
        seen.add(first["task"], first["question"], first["model"], first["seed"], first["arm"])
        if each_trace is not None:
            each_trace(trace)
        for line in trace:
            if line["key"] is not None and bytes.fromhex(line["key"]) not in calls.answered:
                unsupported += 1
    return len(seen), unsupported, calls


def _without_manifest(folder: RunFolder, running: bool, why: str) -> RunState:
    path: Path = folder.path
    if running:
        return RunState("running", 0, 0, "it is being made")
    if not any((path / name).exists() for name in (MANIFEST, MANIFEST_COPY)):
        calls = path / CALLS
        if not calls.exists() or not calls.stat().st_size:
            return RunState(
                "killed",
                0,
                0,
                f"before its plan was written, nothing was asked; {REPAIR} {path} removes it",
            )
    return RunState("damaged", 0, 0, why)
