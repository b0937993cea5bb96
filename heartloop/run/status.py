"""The state of a run, read from its folder without disturbing it."""

from __future__ import annotations

import fcntl
from datetime import datetime, timezone
from typing import Any

from heartloop.run.folder import CALLS, VERDICTS, RunFolder
from heartloop.run.totals import paid_in
from heartloop.run.verdicts import read_traces


def run_status(folder: RunFolder) -> dict[str, Any]:
    """State (``running``, ``done``, ``stopped``, ``interrupted``), progress and cost of a run."""
    manifest = folder.manifest
    plan = manifest["plan"]
    questions = sum(task["questions"] for task in manifest["tasks"])
    total = questions * len(plan["arms"]) * len(plan["models"]) * len(plan["seeds"])
    paid = paid_in(folder)
    running = in_use(folder)
    verdicts = folder.path / VERDICTS
    done = sum(1 for _ in read_traces(verdicts)) if verdicts.exists() else 0
    session = manifest["sessions"][-1] if manifest["sessions"] else {}
    if running:
        state = "running"
    elif session.get("stopped"):
        state = "stopped"
    elif session.get("ended") and done >= total:
        state = "done"
    else:
        state = "interrupted"
    calls = folder.path / CALLS
    changed = (calls if calls.exists() else folder.path).stat().st_mtime
    return {
        "run": folder.name,
        "state": state,
        "stopped": session.get("stopped"),
        "done": done,
        "total": total,
        "calls": paid["calls"],
        "tokens": paid["tokens"]["prompt"] + paid["tokens"]["completion"],
        "updated": datetime.fromtimestamp(changed, tz=timezone.utc).isoformat(timespec="seconds"),
        "summary": folder.summary if state in ("done", "stopped") else None,
    }


def in_use(folder: RunFolder) -> bool:
    """Whether a process is writing to the run."""
    try:
        with (folder.path / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
