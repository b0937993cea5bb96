"""``--reuse``: take over the answers that earlier runs already paid for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from heartloop.calls import Journal
from heartloop.errors import JournalError
from heartloop.run.folder import CALLS, RunFolder, find_folder


def adopt(folder: RunFolder, earlier: Sequence[str], runs: Path) -> dict[str, Any]:
    """Copy the answered calls of earlier runs into a run's journal before it is opened.

    What stands in the journal is replaced: it can only come from an attempt that was interrupted.
    A call is used only where the new run asks exactly the same thing at the same address, so
    adopting too much costs disk space and nothing else.

    Args:
        folder: the new run.
        earlier: runs, by path or name.
        runs: where runs are looked for by name.

    Returns:
        ``{"runs": [names], "keys": number of calls taken over}``.

    Raises:
        UsageError: no such run.
        JournalError: a journal is damaged or the disk is full.
    """
    taken: set[str] = set()
    names = []
    target = folder.path / CALLS
    try:
        with target.open("wb") as out:
            for spec in earlier:
                old = find_folder(spec, runs)
                names.append(old.name)
                with Journal.open(old.path, read_only=True) as journal:
                    for record in journal.records():
                        if record["error"] or record["key"] in taken:
                            continue
                        taken.add(record["key"])
                        out.write(orjson.dumps({**record, "reused": old.name}) + b"\n")
    except OSError as error:
        raise JournalError(f"cannot write {target}: {error.strerror}") from error
    return {"runs": names, "keys": len(taken)}
