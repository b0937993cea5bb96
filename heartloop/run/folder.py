"""A run folder: its name, its own files, its manifest and what a manifest must hold."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, cast

from heartloop.errors import JournalError, UsageError
from heartloop.run.files import read_json, write_json, write_text
from heartloop.run.layout import Manifest, Summary

__all__ = ["read_json", "write_json", "write_text"]  # and what is defined here

MANIFEST = "manifest.json"
CALLS = "calls.jsonl"
VERDICTS = "verdicts.jsonl"
UNFINISHED = "unfinished.jsonl"
"""What the questions that a stopped run left open had answered; written by ``score``."""
SUMMARY = "summary.json"
REPORT = "report.html"
MANIFEST_COPY = "manifest.copy.json"
LOCK = "lock"
MARKS = (MANIFEST, MANIFEST_COPY, CALLS, LOCK)
"""A folder that holds any of these is one of a run, whole or not."""
READ = (*MARKS, VERDICTS, UNFINISHED, SUMMARY, "search.json", "search_state.json", "shards")
"""What commands read and what a run writes in place: none of them may be a link."""
_OWN = re.compile(
    r"(manifest(\.copy)?|summary(\..+)?|search(_state)?)\.json"
    r"|(unfinished|(calls|verdicts)(\..+)?)\.jsonl|lock"
)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run on disk."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's name, which is the run's name."""
        return self.path.name

    @property
    def manifest(self) -> Manifest:
        """The manifest; raises UsageError where it is absent or damaged."""
        manifest = read_manifest(self.path / MANIFEST)
        # Before plans said it, demonstrations stood in the one message.
        manifest["plan"].setdefault("shots_as", "text")
        return manifest

    def write_manifest(self, manifest: Manifest) -> None:
        """Write the manifest, and the copy that ``heartloop repair`` puts in its place.

        Raises:
            JournalError: the disk is full or the folder cannot be written.
        """
        write_json(self.path / MANIFEST, manifest)
        write_json(self.path / MANIFEST_COPY, manifest)

    @property
    def summary(self) -> Summary | None:
        """The summary, or None before the first one was written."""
        file = self.path / SUMMARY
        try:
            return cast("Summary", read_json(file)) if file.exists() else None
        except UsageError as error:
            raise UsageError(f"{error} It is rebuilt by: heartloop score {self.path}") from error


def runs_dir(option: str | Path | None = None) -> Path:
    """Where runs land: the option, else ``HEARTLOOP_RUNS``, else ``runs/`` here."""
    return Path(option or os.environ.get("HEARTLOOP_RUNS") or "runs")


def new_folder(runs: Path, name: str | None, default: str, *, private: bool = False) -> RunFolder:
    """Make a fresh run folder.

    A folder of that name where a run was killed before its plan was written holds nothing and is
    taken.

    Args:
        runs: where run folders are.
        name: the user's name for it, or None for one from the time and ``default``.
        default: what the run is about.
        private: only the user may look inside.

    Raises:
        UsageError: the name is taken or not a plain folder name.
        JournalError: the folder cannot be made.
    """
    stamp = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H-%M-%S")
    if name is not None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,150}", name):
            raise UsageError(f"--name {name!r}: use letters, digits and . _ + - only")
        candidates = [name]
    else:
        base = f"{stamp}_{_plain(default)}"
        candidates = [base, *(f"{base}-{i}" for i in range(2, 100))]
    for candidate in candidates:
        path = runs / candidate
        try:
            runs.mkdir(parents=True, exist_ok=True)
            path.mkdir(mode=0o700 if private else 0o777)
        except FileExistsError:
            if name is not None and unborn(path):
                return RunFolder(path)
            if name is not None:
                raise UsageError(
                    f"--name {name}: {path} exists already; choose another name, "
                    f"or go on with it: heartloop resume {path}"
                ) from None
            continue
        except OSError as error:
            raise JournalError(
                f"cannot make {path}: {error.strerror}; choose another place with --runs"
            ) from error
        return RunFolder(path)
    raise JournalError(f"cannot find a free name in {runs}")


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-")[:100]


def unborn(path: Path) -> bool:
    """Whether a run was killed here before its plan was written: nothing was asked, nothing lost.

    A folder whose lock is held is being made by another process right now.
    """
    from heartloop.calls.lock import held

    try:
        inside = {entry.name for entry in os.scandir(path)}
        calls = path / CALLS
        return inside <= {LOCK, CALLS} and not (
            (CALLS in inside and calls.stat().st_size) or held(path)
        )
    except OSError:
        return False


def find_folder(spec: str, runs: Path, *, search: bool = False) -> RunFolder:
    """A run by path, by name, by a unique part of its name, or ``last``.

    Args:
        spec: what the user wrote.
        runs: where run folders are.
        search: ``last`` is the last search, not the last folder of any kind.

    Raises:
        UsageError: none or several match, or a file of the run is a link.
    """
    return _own_files_only(_find(spec, runs, search))


def _find(spec: str, runs: Path, search: bool) -> RunFolder:
    for path in (Path(spec), runs / spec):
        if is_run(path):
            return RunFolder(path)
    known = [folder.path for folder in list_folders(runs)]
    if spec == "last" and search:
        known = [path for path in known if _is_search(path)]
        if not known:
            raise UsageError(f"no search in {runs}/; heartloop optimize begins one")
    if spec == "last" and known:
        return RunFolder(known[-1])
    matches = [p for p in known if spec in p.name]
    if len(matches) == 1:
        return RunFolder(matches[0])
    if matches:
        names = ", ".join(p.name for p in matches[:5])
        raise UsageError(f"run {spec!r} is ambiguous: {names}; give more of the name")
    if Path(spec).is_dir():
        raise UsageError(f"{spec}: no {MANIFEST} in it, so it is not a run folder")
    raise UsageError(f"no run {spec!r} in {runs}/; heartloop status lists them")


def _is_search(path: Path) -> bool:
    try:
        return "search" in RunFolder(path).manifest
    except UsageError:
        return False  # damaged


def is_run(path: Path) -> bool:
    """Whether a folder is one of a run, damaged ones included."""
    return any((path / name).is_file() for name in MARKS)


def list_folders(runs: Path) -> list[RunFolder]:
    """All runs, oldest first; damaged ones are among them."""
    return [RunFolder(path) for _, path in sorted(_dated(runs))]


def _dated(runs: Path) -> Iterator[tuple[float, Path]]:
    """Runs with the time of their newest mark; folders that vanish meanwhile are left out."""
    try:
        entries = [Path(entry.path) for entry in os.scandir(runs)]
    except OSError:
        return
    for path in entries:
        times = []
        for name in MARKS:
            try:
                times.append((path / name).stat().st_mtime)
            except OSError:
                continue
        if times:
            yield times[0], path


def _own_files_only(folder: RunFolder) -> RunFolder:
    """Refuse a run whose files are links: reading would show, and writing change, other files."""
    for name in READ:
        if (folder.path / name).is_symlink():
            raise UsageError(
                f"{folder.path / name}: is a link; a run folder holds its own files "
                "(put the file itself there)"
            )
    return folder


def check_target(target: Path, is_ours: tuple[bytes, ...], what: str) -> None:
    """Refuse to write over a run's own files, and over any file that is not of the asked kind.

    Args:
        target: where an export or a report is to go.
        is_ours: how such a file begins; an empty file may be written over, too.
        what: the kind, in words.

    Raises:
        UsageError: the file must not be written over.
    """
    real = target.resolve()
    if is_run(real.parent) and _OWN.fullmatch(real.name):
        raise UsageError(f"-o {target}: is a file of the run itself; choose another name")
    try:
        with real.open("rb") as file:
            begins = file.read(64)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"-o {target}: {error.strerror}") from error
    if begins and not any(begins.startswith(one) for one in is_ours):
        raise UsageError(f"-o {target}: exists and is no {what}; choose another name or delete it")


# What a manifest must hold for any command to read it: field to type, lists and mappings nested.
_STIMULUS = {"set": str, "id": str, "text": str, "kind": str, "valence": str}
_ARM = {
    "name": str,
    "method": str,
    "role": str,
    "stimuli": [_STIMULUS],
    "cues": [_STIMULUS],
    "params": dict,
}
_SHAPE: dict[str, Any] = {
    "plan": {"tasks": [str], "models": [str], "arms": [_ARM], "seeds": [int]},
    "tasks": [
        {
            "task": str,
            "mode": str,
            "questions": int,
            "question_ids_sha256": str,
            "verifier": str,
            "card_sha256": str,
            "verifier_sha256": str,
            "metric": str,
            "metric_low": (int, float),
            "metric_high": (int, float),
            "sampling": dict,
        }
    ],
    "data": [{"task": str, "source": str, "sha256": str, "practice": bool, "notes": [str]}],
    "sessions": [{"started": str, "wall_s": (int, float)}],
    "versions": dict,
}


def read_manifest(path: Path) -> Manifest:
    """A manifest with everything in it that commands rely on.

    Raises:
        UsageError: it is absent, damaged or lacks a field; ``heartloop repair`` has a copy.
    """
    if (path.parent / MANIFEST_COPY).exists():
        remedy = f"its copy can be put back: heartloop repair {path.parent}"
    else:
        remedy = f"a new run takes its answers over: heartloop run … --reuse {path.parent}"
    if not path.exists():
        raise UsageError(f"{path}: is absent; {remedy}")
    try:
        manifest = read_json(path)
    except UsageError as error:
        raise UsageError(f"{error} {remedy}") from error
    problem = _unlike(manifest, _SHAPE, "")
    if problem:
        raise UsageError(f"{path}: {problem}; {remedy}")
    return cast("Manifest", manifest)


def _unlike(value: Any, shape: Any, where: str) -> str:
    """The first place where a value has not the shape it should have, in words; or empty."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return f"{where or 'the file'}: expected a mapping"
        for name, inner in shape.items():
            place = f"{where}.{name}" if where else name
            if name not in value:
                return f"{place}: is missing"
            if found := _unlike(value[name], inner, place):
                return found
    elif isinstance(shape, list):
        if not isinstance(value, list):
            return f"{where}: expected a list"
        for i, one in enumerate(value):
            if found := _unlike(one, shape[0], f"{where}[{i}]"):
                return found
    elif not isinstance(value, shape) or (isinstance(value, bool) and shape is not bool):
        return f"{where}: has the wrong type"
    return ""
