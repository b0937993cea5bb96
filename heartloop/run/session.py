"""One session of work in a run folder: opened, checked, signalled, closed and summarised here.

Everything that asks models for a run folder stands on `open_session` (a run, a search, from the
command line or from Python), and everything that asks at all on `open_client`.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, cast

from heartloop.calls import Client, Journal
from heartloop.calls.lock import FolderLock
from heartloop.errors import CircuitOpen, HeartloopError, JournalError, Stopped, UsageError
from heartloop.run.clients import attach_judges, make_client
from heartloop.run.folder import CALLS, MANIFEST, SUMMARY, VERDICTS, RunFolder, write_json
from heartloop.run.kept import Kept
from heartloop.run.layout import Manifest, SessionFacts, Summary
from heartloop.run.load import Prepared, close_tasks
from heartloop.run.manifest import check_unchanged, new_manifest
from heartloop.run.pins import saying
from heartloop.run.reuse import adopt
from heartloop.run.summary import summarize
from heartloop.run.tables import keep_tables
from heartloop.run.totals import Totals, journal_totals
from heartloop.run.verdicts import VerdictLog, read_traces
from heartloop.run.warnings import warnings_for
from heartloop.secrets import clean
from heartloop.types import RunState

NO_ANSWER = "; gone on with, without an answer: "

GRACE_SECONDS = 10.0
"""How long answers under way are waited for after a first signal."""


class Session:
    """What work in a run folder has at hand.

    Attributes:
        prepared: the plan with its tasks.
        folder: the run folder.
        manifest: as on disk; `save` writes it.
        client: asks; the judge's calls go through it, too.
        log: takes the lines of finished units.
        kept: units that earlier sessions finished; their lines are in the log.
        asked: earlier sessions asked something already.
        stopped: after the session: why it ended early, or None.
        summary: after the session: as written to ``summary.json``.
    """

    def __init__(
        self,
        prepared: Prepared,
        folder: RunFolder,
        manifest: Manifest,
        client: Client,
        log: VerdictLog,
        kept: Kept,
    ) -> None:
        self.prepared, self.folder, self.manifest = prepared, folder, manifest
        self.client, self.log, self.kept = client, log, kept
        self.asked = len(client.journal) > 0
        self.stopped: str | None = None
        self.summary = cast("Summary", {})

    def save(self) -> None:
        """Write the manifest."""
        self.folder.write_manifest(self.manifest)


@contextlib.asynccontextmanager
async def open_session(
    prepared: Prepared,
    folder: RunFolder,
    *,
    command: str = "",
    search: Mapping[str, Any] | None = None,
    shard: tuple[int, int] | None = None,
    signals: bool = True,
    as_begun: bool = False,
    in_waves: bool = False,
) -> AsyncIterator[Session]:
    """Open a new run folder, or one of the same plan, and leave nothing half-written.

    The manifest is written before anything else, so that a folder whose process is killed can be
    gone on with. A new folder in which nothing was asked is removed when it ends in a usage error.

    Args:
        prepared: what `heartloop.run.load.prepare` returned.
        folder: where the work is kept.
        command: the command line, for the manifest.
        search: options of a search, for a new manifest.
        shard: (index, count) where one shard of the questions is worked on.
        signals: turn the first Ctrl-C or SIGTERM into a clean stop and the second into an
            immediate one; for the main thread of a program of its own.
        as_begun: say the words that the manifest holds, until the session ends.
        in_waves: models that do not fit on the GPUs together are asked one after another.

    Yields:
        The session. A `Stopped` that is raised inside ends it cleanly and goes no further:
        ``session.stopped`` says why.

    Raises:
        UsageError: cards, data, options or keys that cannot be used; nothing was asked.
        HeartloopError: the work cannot go on; what was paid for is in the journal, and the summary
            was written before.
    """
    new = not (folder.path / MANIFEST).exists()
    asked_before = _size(folder.path / CALLS) > 0
    failure: BaseException | None = None
    began = time.monotonic()
    calls_made = 0
    opened = False
    totals: Totals | None = None  # of a journal that was empty; another is read again in the end
    try:
        manifest = _open_manifest(prepared, folder, search, shard, command)
        recorded = (manifest.get("meaning") or {}).get("words") if as_begun else None
        with saying(recorded or {}), Journal.open(folder.path) as journal:
            if not len(journal) and not journal.errors:
                totals = journal.books = Totals()
            if not new:
                check_unchanged(manifest, prepared)
                folder.write_manifest(manifest)
            async with open_client(prepared, journal, in_waves=in_waves) as client:
                kept = Kept(prepared, manifest, journal)
                log = VerdictLog(folder.path / VERDICTS, kept.take)
                session = Session(prepared, folder, manifest, client, log, kept)
                opened = True
                try:
                    with _stop_on_signals(client, signals):
                        yield session
                except Stopped as error:
                    session.stopped = clean(str(error))
                except BaseException as error:
                    session.stopped = clean(str(error)) or type(error).__name__
                    failure = error
                finally:
                    log.close()
                    calls_made = len(journal) + journal.errors
    except BaseException as error:
        # A journal that cannot be opened may be another process's.
        if new and not opened and not asked_before and not isinstance(error, JournalError):
            shutil.rmtree(folder.path, ignore_errors=True)
        raise
    if isinstance(failure, UsageError) and new and not asked_before and not calls_made:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise failure
    if isinstance(failure, CircuitOpen):
        session.stopped = _reasons(manifest, session.stopped, answers=client.stats().calls)
    last = manifest["sessions"][-1]
    last["ended"], last["stopped"] = now(), session.stopped
    last["wall_s"] = round(time.monotonic() - began, 3)
    manifest["calls"] = client.facts()
    try:
        session.save()
        session.summary = write_summary(folder, manifest, stopped=session.stopped, totals=totals)
    except HeartloopError:
        if failure is None:
            raise
    if failure is not None:
        raise failure


def _reasons(manifest: Manifest, why: str | None, *, answers: int) -> str | None:
    """Why a run stands where it does: a session without an answer adds to what stopped it before.

    A dead server does not hide the cap that the run still has to be freed of.
    """
    before = manifest["sessions"][-2].get("stopped") if len(manifest["sessions"]) > 1 else None
    if answers or not before:
        return why
    return f"{before.split(NO_ANSWER)[0]}{NO_ANSWER}{why}"


def _open_manifest(
    prepared: Prepared,
    folder: RunFolder,
    search: Mapping[str, Any] | None,
    shard: tuple[int, int] | None,
    command: str,
) -> Manifest:
    """The manifest with a new session in it; that of a new folder is on disk at once."""
    session: SessionFacts = {
        "started": now(),
        "ended": None,
        "wall_s": 0.0,
        "command": clean(command),
    }
    file = folder.path / MANIFEST
    if file.exists():
        manifest = folder.manifest
    else:
        manifest = new_manifest(prepared, folder, shard)
        manifest["reused"] = None
        if search is not None:
            manifest["search"] = dict(search)
        folder.write_manifest({**manifest, "sessions": [session]})
        keep_tables(folder.path, manifest["tables"])
    manifest["sessions"].append(session)
    reuse = prepared.plan.reuse
    if reuse and manifest.get("reused") is None:
        lock = FolderLock(folder.path)
        try:
            manifest["reused"] = adopt(folder, reuse, folder.path.parent)
            folder.write_manifest(manifest)
        finally:
            lock.release()
    return manifest


@contextlib.asynccontextmanager
async def open_client(
    prepared: Prepared, journal: Journal, *, replay_only: bool = False, **options: Any
) -> AsyncIterator[Client]:
    """A client over all models of a plan, the judge at hand; closes both and the graders' workers.

    Args:
        prepared: the plan with its tasks.
        journal: where answers are found and written.
        replay_only: answer from the journal alone.
        **options: further ones of `heartloop.calls.Client`.

    Raises:
        UsageError: a model that cannot be asked: unknown, without its key or its price.
    """
    options["replay_only"] = replay_only
    try:
        client, panel = make_client(
            prepared.plan, journal, prepared.tasks, opened=prepared.models, **options
        )
        try:
            if not replay_only:
                await client.check()
            attach_judges(prepared.tasks, client, panel)
            yield client
        finally:
            await client.close()
    finally:
        await close_tasks(prepared.tasks)


def write_summary(
    folder: RunFolder, manifest: Manifest, *, stopped: str | None, totals: Totals | None = None
) -> Summary:
    """Rebuild ``summary.json`` from the folder's own files and return it; see `summary_of`."""
    summary = summary_of(folder, manifest, folder.path / VERDICTS, stopped=stopped, totals=totals)
    write_json(folder.path / SUMMARY, summary)
    return summary


def summary_of(
    folder: RunFolder,
    manifest: Manifest,
    verdicts: Path,
    *,
    stopped: str | None,
    totals: Totals | None = None,
) -> Summary:
    """The summary of a verdicts file, with errors and warnings.

    Args:
        folder: the run.
        manifest: its manifest.
        verdicts: the file.
        stopped: why the run ended early, or None.
        totals: what its journal adds up to, where that was read already.
    """
    paid, errors = (totals.paid, totals.errors) if totals else journal_totals(folder)
    summary = summarize(
        read_traces(verdicts),
        manifest,
        run=folder.name,
        paid=paid,
        wall_s=sum(s["wall_s"] for s in manifest["sessions"]),
        stopped=stopped,
    )
    summary["errors"] = errors
    summary["warnings"] = warnings_for(summary, manifest)
    return summary


def summary_now(folder: RunFolder, manifest: Manifest, state: RunState) -> Summary | None:
    """The summary where it is that of the verdicts that stand there, else one made anew.

    A killed session leaves none, or that of an earlier session; None without verdicts.
    """
    try:
        found = folder.summary
        if found is not None and sum(row["trials"] for row in found["arms"]) == state.done:
            return found
    except (UsageError, KeyError, TypeError):
        pass  # a damaged summary is no loss: everything in it is computed
    if not state.done:
        return None
    return summary_of(
        folder, manifest, folder.path / VERDICTS, stopped=None if state.whole else state.why
    )


@contextlib.contextmanager
def _stop_on_signals(client: Client, active: bool) -> Iterator[None]:
    """First Ctrl-C or SIGTERM: send nothing more and wait for what is under way, but not long.

    It is said at once, with or without a terminal. A second one, or the end of ``GRACE_SECONDS``,
    stops at once.
    """
    if not active:
        yield
        return
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()
    asked = 0
    given_up = False

    def on_signal() -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            client.stop(Stopped("interrupted"))
            flying = client.stats().in_flight
            sys.stderr.write(
                f"stopping: waiting up to {GRACE_SECONDS:g} s for {flying} calls in flight; "
                "a second signal (Ctrl-C) drops them\n"
            )
            sys.stderr.flush()
            loop.call_later(GRACE_SECONDS, give_up)
        else:
            give_up()

    def give_up() -> None:
        nonlocal given_up
        if main is not None and not given_up:
            given_up = True
            main.cancel()

    handled = []
    for number in (signal.SIGINT, signal.SIGTERM):
        # Outside the main thread, and on some platforms, a loop takes no signals.
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(number, on_signal)
            handled.append(number)
    try:
        yield
    except asyncio.CancelledError:
        if not given_up:
            raise
        if main is not None and hasattr(main, "uncancel"):
            main.uncancel()
        why = "at once" if asked > 1 else f"and {GRACE_SECONDS:g} s had passed"
        raise Stopped(f"interrupted {why}; calls in flight were abandoned") from None
    finally:
        given_up = True  # a timer that is still running has nothing to stop
        for number in handled:
            loop.remove_signal_handler(number)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def now() -> str:
    """The time as manifests have it: ISO 8601, UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
