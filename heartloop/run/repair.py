"""``heartloop repair``: make a damaged run folder whole again, and lose nothing on the way.

What cannot be used is set aside in the folder, never deleted. Everything is rebuilt from the
journal: it is the truth.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from heartloop.calls.lines import BOM, Line, read_lines, read_record, scan
from heartloop.calls.lock import FolderLock
from heartloop.errors import HeartloopError, UsageError
from heartloop.run.files import swapped
from heartloop.run.folder import (
    CALLS,
    MANIFEST,
    MANIFEST_COPY,
    VERDICTS,
    RunFolder,
    read_manifest,
    unborn,
)
from heartloop.run.layout import Manifest
from heartloop.run.rescore import rescore
from heartloop.run.session import write_summary
from heartloop.run.state import planned, run_state
from heartloop.run.verdicts import count_traces, read_traces

CALLS_ASIDE = "calls.damaged.jsonl"
VERDICTS_ASIDE = "verdicts.damaged.jsonl"
MANIFEST_ASIDE = "manifest.damaged.json"
LEFT_OVER = 3600.0  # seconds after which a half-written file is no longer being written
SHOWN = 5  # questions that are named


@dataclass(slots=True)
class Repaired:
    """What was done.

    Attributes:
        did: one sentence each; empty where nothing was damaged.
        aside: damaged journal lines that were set aside.
        removed: the folder held nothing and is gone.
    """

    did: list[str] = field(default_factory=list)
    aside: int = 0
    removed: bool = False


def repair(folder: RunFolder, *, data_dir: str | None = None, rebuild: bool = True) -> Repaired:
    """Repair a run folder.

    Args:
        folder: a run folder, damaged or not.
        data_dir: where the data are now, if they moved.
        rebuild: grade the journal again; otherwise only damaged verdicts are set aside.

    Returns:
        What was done, and what would be asked again.

    Raises:
        JournalError: another process is writing here, or the disk is full.
        UsageError: manifest and copy are both lost.
    """
    done = Repaired()
    path = folder.path
    if unborn(path):
        shutil.rmtree(path)
        done.did.append(f"{path} was killed before its plan was written; nothing was asked in it")
        done.removed = True
        return done
    lock = FolderLock(path)
    try:
        manifest = _manifest(folder, done)
        lost = _journal(path / CALLS, done)
        _left_over(path, done)
        broken = _damaged_verdicts(path / VERDICTS)
    finally:
        lock.release()
    state = run_state(folder)
    if done.did or broken or state.state in ("damaged", "killed"):
        _verdicts(folder, manifest, done, data_dir, rebuild and "search" not in manifest)
    _what_is_missing(folder, manifest, lost, done)
    return done


def _manifest(folder: RunFolder, done: Repaired) -> Manifest:
    """The manifest, put back from its copy where it is damaged; and the copy from the manifest."""
    main, copy = folder.path / MANIFEST, folder.path / MANIFEST_COPY
    try:
        manifest = folder.manifest
    except UsageError as error:
        try:
            read_manifest(copy)
        except UsageError:
            raise UsageError(
                f"{main}: it and its copy cannot be read; a new run takes the "
                f"{len(scan(folder.path / CALLS).answered):,} answers of this one over: "
                f"heartloop run … --reuse {folder.path}"
            ) from error
        if main.exists():
            shutil.copyfile(main, folder.path / MANIFEST_ASIDE)
        with swapped(main) as file:
            file.write(copy.read_bytes())
        done.did.append(f"{MANIFEST} was put back from its copy")
        return folder.manifest
    try:
        other = read_manifest(copy)
    except UsageError:
        other = None
        with swapped(copy) as file:
            file.write(main.read_bytes())
    verdicts = folder.path / VERDICTS
    if other and not _fits(manifest, verdicts) and _fits(other, verdicts):
        shutil.copyfile(main, folder.path / MANIFEST_ASIDE)
        with swapped(main) as file:
            file.write(copy.read_bytes())
        done.did.append(f"{MANIFEST} was put back from its copy: it lacked arms that were run")
        return folder.manifest
    return manifest


def _fits(manifest: Manifest, verdicts: Path) -> bool:
    """Whether everything that has a verdict is of a manifest's plan."""
    arms = {arm["name"] for arm in manifest["plan"]["arms"]}
    tasks = {task["task"] for task in manifest["tasks"]}
    if "search" in manifest or not verdicts.exists():
        return True
    try:
        return all(t[0]["arm"] in arms and t[0]["task"] in tasks for t in read_traces(verdicts))
    except UsageError:
        return True  # damaged verdicts say nothing about the plan


# --- The journal -----------------------------------------------------------------------------


def _journal(path: Path, done: Repaired) -> list[dict[str, Any]]:
    """Set damaged lines aside; returns the addresses of the calls in them, where readable."""
    if not path.exists():
        return []
    size = path.stat().st_size
    circles = _circles(path, size)
    damaged = [line for line in read_lines(path, size) if line.record is None]
    if not damaged and not circles:
        return []
    lost: list[dict[str, Any]] = []
    saved = 0
    with (
        path.open("rb") as old,
        swapped(path) as new,
        (path.parent / CALLS_ASIDE).open("ab") as aside,
    ):
        for line in read_lines(path, size):
            raw = _raw(old, line)
            if line.record is not None and bytes.fromhex(line.record["key"]) not in circles:
                new.write(raw)
                continue
            aside.write(raw)
            done.aside += 1
            rescued = _rescue(raw) if line.record is None else None
            if rescued is not None:
                new.write(rescued)
                saved += 1
            else:
                lost.append(_address(raw))
    words = f"{done.aside} damaged lines" if done.aside > 1 else "one damaged line"
    text = f"{words} of {CALLS} set aside in {CALLS_ASIDE}"
    if saved:
        text += f"; {saved} of them held a whole record, which was kept"
    done.did.append(text)
    return lost


def _raw(file: Any, line: Line) -> bytes:
    """The bytes of a line, with its newline."""
    file.seek(line.offset)
    raw: bytes = file.read(line.size)
    return raw if raw.endswith(b"\n") else raw + b"\n"


def _rescue(raw: bytes) -> bytes | None:
    """A whole record behind rubbish in one line: zeros, or a record that was cut off before it."""
    at = len(raw)
    while (at := raw.rfind(b'{"key":"', 0, at)) >= 0:
        whole = raw[at:].strip(b"\0\r\n \t") + b"\n"
        if read_record(whole)[0] is not None:
            return whole
    return None


def _circles(path: Path, size: int) -> set[bytes]:
    """Keys of calls that extend one another in a circle: none can be what it says."""
    extends: dict[bytes, bytes] = {}
    for line in read_lines(path, size):
        parent = line.record["request"].get("extends") if line.record else None
        if line.record and parent:
            with contextlib.suppress(ValueError):
                extends[bytes.fromhex(line.record["key"])] = bytes.fromhex(parent)
    found: set[bytes] = set()
    good: set[bytes] = set()
    for start in extends:
        trail: list[bytes] = []
        on_trail: set[bytes] = set()
        key = start
        while key in extends and key not in good and key not in found and key not in on_trail:
            trail.append(key)
            on_trail.add(key)
            key = extends[key]
        if key in on_trail:
            found.update(trail[trail.index(key) :])
        good.update(k for k in trail if k not in found)
    return found


def _address(raw: bytes) -> dict[str, Any]:
    try:
        address = orjson.loads(raw)["address"]
        return address if isinstance(address, dict) else {}
    except (ValueError, KeyError, TypeError):
        return {}


def _left_over(path: Path, done: Repaired) -> None:
    """Remove half-written files of killed commands."""
    old = time.time() - LEFT_OVER
    gone = 0
    for file in path.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            if file.stat().st_mtime < old:
                file.unlink()
                gone += 1
    if gone:
        done.did.append(f"{gone} half-written files of killed commands removed")


# --- Verdicts and summary --------------------------------------------------------------------


def _damaged_verdicts(path: Path) -> bool:
    try:
        for _ in read_traces(path) if path.exists() else ():
            pass
    except UsageError:
        return True
    return False


def _verdicts(
    folder: RunFolder, manifest: Manifest, done: Repaired, data_dir: str | None, grade: bool
) -> None:
    """Rebuild verdicts and summary from the journal, or else keep the verdicts that are whole."""
    path = folder.path / VERDICTS
    before = count_traces(path)
    why = "a search asks its arms on different questions"
    if grade:
        try:
            if before or path.exists():
                shutil.copyfile(path, folder.path / VERDICTS_ASIDE)
            asyncio.run(rescore(folder, data_dir=data_dir, force=True))
        except HeartloopError as error:
            why = str(error)
        else:
            now = count_traces(path)
            done.did.append(f"verdicts and summary rebuilt from the journal: {now:,} traces")
            if now >= before:
                (folder.path / VERDICTS_ASIDE).unlink(missing_ok=True)
            else:
                done.did.append(
                    f"{before - now:,} verdicts rest on calls that are lost; the earlier verdicts "
                    f"are kept in {VERDICTS_ASIDE}"
                )
            return
    if path.exists():
        kept = _keep_whole(path)
        done.did.append(f"{VERDICTS}: {kept:,} whole traces kept (not graded again: {why})")
        session = manifest["sessions"][-1] if manifest["sessions"] else {}
        with contextlib.suppress(HeartloopError):
            write_summary(folder, manifest, stopped=session.get("stopped") or "interrupted")
    else:
        done.did.append(f"{VERDICTS} could not be rebuilt: {why}")


def _keep_whole(path: Path) -> int:
    """Keep the traces that can be read, one by one; the old file is kept aside."""
    shutil.copyfile(path, path.with_name(VERDICTS_ASIDE))
    kept = 0
    with swapped(path) as file:
        for trace in _whole_traces(path):
            file.write(b"".join(orjson.dumps(line) + b"\n" for line in trace))
            kept += 1
    return kept


def _whole_traces(path: Path) -> Iterator[list[dict[str, Any]]]:
    """Traces around damaged lines: a trace that holds one is left out."""
    from heartloop.run.verdicts import read_line

    trace: list[dict[str, Any]] = []
    whole = True
    with path.open("rb") as file:
        for raw in file:
            line, fault = read_line(raw.removeprefix(BOM))
            if fault or line is None:
                whole = False
                continue
            trace.append(line)
            if line["last"]:
                first = trace[0]
                one = all(
                    (x["task"], x["question"], x["arm"]) == (
                        first["task"], first["question"], first["arm"],
                    )
                    for x in trace
                )  # fmt: skip
                if whole and one:
                    yield trace
                trace, whole = [], True


def _what_is_missing(
    folder: RunFolder, manifest: Manifest, lost: list[dict[str, Any]], done: Repaired
) -> None:
    """Say what would be asked again."""
    state = run_state(folder)
    missing = state.total - state.done
    if "search" in manifest:
        if done.did:
            done.did.append(f"go on with it: heartloop optimize --resume {folder.path}")
        return
    if missing <= 0:
        return
    named = dict.fromkeys(
        f"{a.get('task')} {a.get('question')}" for a in lost if a.get("question") is not None
    )
    text = f"{missing:,} of {planned(manifest):,} questions × arms have no verdict"
    if named:
        shown = ", ".join(list(named)[:SHOWN])
        more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
        text += f" (calls were lost of {shown}{more})"
    done.did.append(f"{text}; asked again by: heartloop resume {folder.path}")
