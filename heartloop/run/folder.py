"""A run folder: its name, its manifest and summary, written atomically."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from heartloop.errors import JournalError, UsageError

MANIFEST = "manifest.json"
CALLS = "calls.jsonl"
VERDICTS = "verdicts.jsonl"
SUMMARY = "summary.json"
REPORT = "report.html"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run on disk."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's name, which is the run's name."""
        return self.path.name

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest; raises UsageError where it is absent or damaged."""
        manifest = read_json(self.path / MANIFEST)
        if isinstance(manifest.get("plan"), dict):
            # Before plans said it, demonstrations stood in the one message.
            manifest["plan"].setdefault("shots_as", "text")
        return manifest

    @property
    def summary(self) -> dict[str, Any] | None:
        """The summary, or None before the first one was written."""
        file = self.path / SUMMARY
        return read_json(file) if file.exists() else None


def runs_dir(option: str | Path | None = None) -> Path:
    """Where runs land: the option, else ``HEARTLOOP_RUNS``, else ``runs/`` here."""
    return Path(option or os.environ.get("HEARTLOOP_RUNS") or "runs")


def new_folder(runs: Path, name: str | None, default: str) -> RunFolder:
    """Make a fresh run folder.

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
            path.mkdir(parents=True)
        except FileExistsError:
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


def find_folder(spec: str, runs: Path) -> RunFolder:
    """A run by path, by name, by a unique part of its name, or ``last``.

    Raises:
        UsageError: none or several match.
    """
    for path in (Path(spec), runs / spec):
        if (path / MANIFEST).is_file():
            return RunFolder(path)
    known = sorted(p.parent for p in runs.glob(f"*/{MANIFEST}")) if runs.is_dir() else []
    if spec == "last" and known:
        return RunFolder(max(known, key=lambda p: (p / MANIFEST).stat().st_mtime))
    matches = [p for p in known if spec in p.name]
    if len(matches) == 1:
        return RunFolder(matches[0])
    if matches:
        names = ", ".join(p.name for p in matches[:5])
        raise UsageError(f"run {spec!r} is ambiguous: {names}; give more of the name")
    if Path(spec).is_dir():
        raise UsageError(f"{spec}: no {MANIFEST} in it, so it is not a run folder")
    raise UsageError(f"no run {spec!r} in {runs}/; heartloop status lists them")


def list_folders(runs: Path) -> list[RunFolder]:
    """All runs, oldest first."""
    found = [p.parent for p in runs.glob(f"*/{MANIFEST}")] if runs.is_dir() else []
    return [RunFolder(p) for p in sorted(found, key=lambda p: (p / MANIFEST).stat().st_mtime)]


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; raises UsageError with the file's name."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path}: not valid JSON ({error}); is the file damaged?") from error
    if not isinstance(value, dict):
        raise UsageError(f"{path}: expected a JSON object")
    return value


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a reader sees the old file or the new one, never half of one.

    Raises:
        JournalError: the disk is full or the folder cannot be written.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically; raises JournalError as `write_json` does."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise JournalError(f"cannot write {path}: {error.strerror}") from error
