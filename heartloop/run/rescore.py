"""Grade a run again from its journal: other verifier, other selectors, no call asked twice."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from heartloop.calls import Client, Journal
from heartloop.calls.lock import FolderLock
from heartloop.errors import UsageError
from heartloop.run.clients import automatic
from heartloop.run.files import temporary, write_json
from heartloop.run.folder import MANIFEST, UNFINISHED, RunFolder
from heartloop.run.judges import JudgeModel
from heartloop.run.layout import Manifest, Summary
from heartloop.run.load import Prepared, prepare
from heartloop.run.manifest import data_facts, task_facts
from heartloop.run.pins import as_begun, saying
from heartloop.run.plan import recorded_plan
from heartloop.run.runner import Runner
from heartloop.run.session import open_client, summary_of
from heartloop.run.tables import with_tables
from heartloop.run.totals import Totals
from heartloop.run.unit import opening_order, units_of
from heartloop.run.verdicts import VerdictLog, count_traces


async def rescore(
    folder: RunFolder,
    *,
    verifier: str | None = None,
    judge: tuple[JudgeModel, ...] = (),
    selector: str | None = None,
    data_dir: str | None = None,
    allow_calls: bool = False,
    label: str | None = None,
    force: bool = False,
    before: Callable[[Prepared], None] | None = None,
) -> Summary:
    """Run the plan again on the journal alone and write what comes of it.

    Args:
        folder: a run folder, finished or not.
        verifier: a verifier card instead of the run's own.
        judge: a panel instead of the run's own; it asks what the journal does not hold.
        selector: a selector instead of the run's own (verifier-free runs).
        data_dir: where the data are now, if they moved.
        allow_calls: let selectors and judges ask what the journal does not hold.
        label: write ``verdicts.LABEL.jsonl`` and ``summary.LABEL.json`` beside the run's own
            instead of replacing them.
        force: replace the run's own verdicts even by fewer.
        before: told of the plan before anything is asked; may raise.

    Returns:
        The summary; ``incomplete`` counts traces that the journal cannot complete (another
        verifier would have gone on asking).

    Raises:
        UsageError: a card, the data or a selector that cannot be used; or the journal yields
            fewer verdicts than stand there, and nothing was replaced.
        JournalError: the run is being written to by another process.
    """
    manifest = folder.manifest
    if "search" in manifest and "made_in" not in manifest and label is None:
        raise UsageError(
            f"{folder.name} is a search, whose arms were asked on different questions; rebuild "
            f"it: heartloop optimize --resume {folder.path}"
        )
    # What was asked is found again by its words, whatever this version would say.
    meaning = manifest.get("meaning") or {}
    plan = as_begun(recorded_plan(manifest, str(folder.path / MANIFEST)), meaning)
    plan = with_tables(plan, folder.path, manifest, data_dir)
    changes: dict[str, Any] = {}
    if verifier:
        changes["verifier"] = verifier
    if judge:
        changes["judge"] = judge
    if selector:
        changes["selector"] = selector
    if data_dir:
        changes["data_dir"] = data_dir
    # The mode is the run's: another verifier must not turn a verifier-free run into an oracle one.
    modes = {task["mode"] for task in manifest["tasks"]}
    if len(modes) == 1:
        changes["mode"] = modes.pop()
    prepared = prepare(dataclasses.replace(plan, **changes))
    same_questions(manifest, prepared, folder)
    if judge and all(automatic(task.grader) for task in prepared.tasks):
        raise UsageError("--judge: no task of this run is judged; add --verifier judge")
    if before is not None:
        before(prepared)
    suffix = f".{label}" if label else ""
    verdicts = folder.path / f"verdicts{suffix}.jsonl"
    # A live run would go on writing to the verdicts that are replaced here. Journals that are
    # written to bring their own lock; readers beside a run only write files of their own.
    alone = _locked(folder) if label is None and not allow_calls else contextlib.nullcontext()
    said = saying(meaning.get("words") or {})
    found = Totals()
    with (
        said,
        alone,
        Journal.open(folder.path, read_only=not allow_calls, each=found.add) as journal,
    ):
        async with open_client(
            prepared, journal, replay_only=not allow_calls, in_waves=True
        ) as client:
            incomplete = await _replay(
                client,
                prepared,
                verdicts,
                manifest.get("shard"),
                replace=force or label is not None,
                unfinished=None if label else folder.path / UNFINISHED,
            )
    facts: Manifest = {
        **manifest,
        "tasks": [task_facts(task) for task in prepared.tasks],
        "data": [data_facts(task) for task in prepared.tasks],
    }
    session = manifest["sessions"][-1] if manifest["sessions"] else {}
    cut = incomplete and (label is None or not session.get("ended"))
    stopped = session.get("stopped") or ("interrupted" if cut else None)
    totals = None if allow_calls else found
    summary = summary_of(folder, facts, verdicts, stopped=stopped, totals=totals)
    summary["scored_with"] = {
        "verifier": verifier,
        "judge": [j.model for j in judge] or None,
        "selector": prepared.plan.selector if "verifier-free" in modes_of(prepared) else None,
        "incomplete": incomplete,
    }
    write_json(folder.path / f"summary{suffix}.json", summary)
    return summary


@contextlib.contextmanager
def _locked(folder: RunFolder) -> Iterator[None]:
    lock = FolderLock(folder.path)
    try:
        yield
    finally:
        lock.release()


def modes_of(prepared: Prepared) -> set[str]:
    """The modes of a plan's tasks."""
    return {task.mode for task in prepared.tasks}


def same_questions(manifest: Manifest, prepared: Prepared, folder: RunFolder) -> None:
    """Refuse to grade a run against other questions than those it asked."""
    before = {t["task"]: t["question_ids_sha256"] for t in manifest["tasks"]}
    for task in prepared.tasks:
        now = task_facts(task)["question_ids_sha256"]
        if before.get(task.card.name) != now:
            raise UsageError(
                f"{folder.path}: the questions of {task.card.name} are not those that the run "
                f"asked ({task.data.source}); point --data at the data it began with"
            )


def has_logprobs(folder: RunFolder) -> bool:
    """Whether any answer of a run came with its log-probability."""
    with Journal.open(folder.path, read_only=True) as journal:
        return any(record["logprob"] is not None for record in journal.records())


async def _replay(
    client: Client,
    prepared: Prepared,
    verdicts: Path,
    shard: Any,
    *,
    replace: bool,
    unfinished: Path | None,
) -> int:
    plan = prepared.plan
    beside = temporary(verdicts)
    log = VerdictLog(beside)
    runner = Runner(client, plan.selector, log)
    runner.helper = plan.helper
    if unfinished is not None:
        unfinished.unlink(missing_ok=True)
        runner.unfinished = VerdictLog(unfinished)
    part = tuple(shard) if shard else None

    def opening(model: str) -> list[tuple[str, str]]:
        return opening_order(prepared.tasks, model, plan.seeds, plan.order, part)

    runner.opening = opening
    units = units_of(
        prepared.tasks, plan.models, plan.seeds, plan.arms, part, plan.order, plan.draws
    )
    try:
        try:
            await runner.run(units, prepared.units)
        finally:
            log.close()
            if runner.unfinished is not None:
                runner.unfinished.close()
        if unfinished is not None and not runner.incomplete:
            unfinished.unlink()
        before = count_traces(verdicts)
        if runner.live.done < before and not replace:
            raise UsageError(
                f"{verdicts}: holds {before:,} traces and the journal yields {runner.live.done:,}, "
                f"so nothing was replaced; heartloop resume {verdicts.parent} asks again for what "
                "is missing, --force replaces them all the same"
            )
        beside.replace(verdicts)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return runner.incomplete
