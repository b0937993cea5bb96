"""The state of a run, read from its folder without disturbing it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from heartloop.errors import HeartloopError
from heartloop.run.folder import CALLS, MANIFEST, RunFolder
from heartloop.run.session import summary_now
from heartloop.run.state import run_state
from heartloop.run.totals import paid_in


def run_status(folder: RunFolder) -> dict[str, Any]:
    """State (see `heartloop.types.State`), progress, and cost of a run; damage is a state, too."""
    state = run_state(folder)
    paid, summary = None, None
    try:
        paid = paid_in(folder)
        if state.state in ("whole", "partial"):
            summary = summary_now(folder, folder.manifest, state)
    except (HeartloopError, OSError):
        pass  # the state says what is damaged
    tokens = paid["tokens"] if paid else {"prompt": 0, "completion": 0}
    return {
        "run": folder.name,
        "state": state.state,
        "why": state.why,
        "done": state.done,
        "total": state.total,
        "calls": paid["calls"] if paid else None,
        "tokens": tokens["prompt"] + tokens["completion"] if paid else None,
        "updated": _updated(folder),
        "summary": summary,
    }


def _updated(folder: RunFolder) -> str:
    for path in (folder.path / CALLS, folder.path / MANIFEST, folder.path):
        try:
            changed = path.stat().st_mtime
        except OSError:
            continue
        return datetime.fromtimestamp(changed, tz=timezone.utc).isoformat(timespec="seconds")
    return ""
