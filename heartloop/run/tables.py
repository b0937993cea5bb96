"""Tables of the user's own: a copy in the run folder, so that a run can go on from anywhere."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from heartloop.data.files import SUFFIXES
from heartloop.data.sources import file_sha256
from heartloop.errors import DataError
from heartloop.run.files import swapped
from heartloop.run.layout import Manifest
from heartloop.run.plan import Plan

FOLDER = "data"
LARGEST = 5_000_000  # bytes of a table that is copied; larger ones are named by --data


def tables_of(plan: Plan) -> dict[str, dict[str, str]]:
    """The small tables of a plan: as they are named there → file in the run folder, sha256."""
    found = {}
    for name in plan.tasks:
        path = Path(name)
        if path.suffix.lower() in SUFFIXES and path.is_file() and path.stat().st_size <= LARGEST:
            found[name] = {"file": f"{FOLDER}/{path.name}", "sha256": file_sha256(path)}
    return found


def keep_tables(folder: Path, tables: Mapping[str, Mapping[str, str]]) -> None:
    """Copy the tables into the run folder.

    Raises:
        JournalError: the disk is full or the folder cannot be written.
    """
    for name, entry in tables.items():
        target = folder / entry["file"]
        target.parent.mkdir(exist_ok=True)
        with swapped(target) as file:
            file.write(Path(name).read_bytes())


def with_tables(plan: Plan, folder: Path, manifest: Manifest, data_dir: str | None = None) -> Plan:
    """A run's plan with its tables where they are now, recognised by their hash.

    Looked for as the plan names them, then in the folder given, then in the run folder itself. A
    table that is nowhere keeps its name, and loading it says what is wrong.
    """
    tables = manifest.get("tables")
    if not isinstance(tables, Mapping):
        return plan
    return dataclasses.replace(
        plan, tasks=tuple(_now(name, tables.get(name), folder, data_dir) for name in plan.tasks)
    )


def edited_tables(folder: Path, manifest: Manifest, data_dir: str | None = None) -> list[str]:
    """A line for each table that is another by now, so that the run's own copy stands in for it."""
    tables = manifest.get("tables")
    found = []
    for name, entry in tables.items() if isinstance(tables, Mapping) else ():
        used = _now(name, entry, folder, data_dir)
        if used != name and Path(name).is_file():
            found.append(
                f"{name} is not what it was when the run began; what it was is used: {used} "
                "(a new run takes the new table)"
            )
    return found


def _now(name: str, entry: Any, folder: Path, data_dir: str | None) -> str:
    if not isinstance(entry, Mapping):
        return name
    places = [Path(name)]
    if data_dir:
        places += [Path(data_dir) / name, Path(data_dir) / Path(name).name]
    copy = folder / FOLDER / Path(name).name  # never what a manifest from elsewhere names
    if not copy.is_symlink() and not copy.parent.is_symlink():
        places.append(copy)
    for path in places:
        with contextlib.suppress(DataError, OSError):
            if path.is_file() and file_sha256(path) == entry.get("sha256"):
                return str(path)
    return name
