"""The state of a run, read from its folder without disturbing it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from heartloop.errors import HeartloopError
from heartloop.run.folder import CALLS, MANIFEST, VERDICTS, RunFolder
from heartloop.run.layout import Paid
from heartloop.run.session import summary_now
from heartloop.run.state import run_state
from heartloop.run.totals import Totals
from heartloop.run.verdicts import read_traces


def run_status(folder: RunFolder) -> dict[str, Any]:
    """State (see `heartloop.types.State`), progress, and cost of a run; damage is a state, too.

    The journal is read once. ``rate`` (units a minute) and ``left`` (seconds) are those of a run
    that is going on, else None.
    """
    totals = Totals()
    state = run_state(folder, totals.add)
    paid: Paid | None = None
    summary = None
    if state.total or state.state != "damaged":
        paid = totals.paid
    try:
        if state.state in ("whole", "partial"):
            summary = summary_now(folder, folder.manifest, state)
    except (HeartloopError, OSError):
        pass  # the state says what is damaged
    rate = _rate(folder) if state.state == "running" else None
    tokens = paid["tokens"] if paid else {"prompt": 0, "completion": 0}
    return {
        "run": folder.name,
        "state": state.state,
        "why": state.why,
        "done": state.done,
        "total": state.total,
        "rate": rate,
        "left": 60 * (state.total - state.done) / rate if rate else None,
        "calls": paid["calls"] if paid else None,
        "tokens": tokens["prompt"] + tokens["completion"] if paid else None,
        "updated": _updated(folder),
        "summary": summary,
    }


def _rate(folder: RunFolder) -> float | None:
    """Units a minute that this session has finished; None before the first."""
    try:
        began = datetime.fromisoformat(folder.manifest["sessions"][-1]["started"]).timestamp()
        ends = [trace[-1]["finished"] or 0.0 for trace in read_traces(folder.path / VERDICTS)]
    except (HeartloopError, OSError, LookupError, ValueError):
        return None
    new = [end for end in ends if end > began]
    return 60 * len(new) / (max(new) - began) if new else None


def _updated(folder: RunFolder) -> str:
    for path in (folder.path / CALLS, folder.path / MANIFEST, folder.path):
        try:
            changed = path.stat().st_mtime
        except OSError:
            continue
        return datetime.fromtimestamp(changed, tz=timezone.utc).isoformat(timespec="seconds")
    return ""
