"""What a selector gained of what choosing could gain, and what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heartloop.run.layout import Selected, Summary

Key = tuple[str, str, str]
"""Task, model and arm."""

PURPOSES = ("synthesis", "select")
"""Calls of selectors; see ``purpose`` in the journal."""


class Selection:
    """Counts the traces that had several candidates to choose from."""

    def __init__(self) -> None:
        self._counts: dict[Key, Counter[str]] = {}

    def add(self, trace: Sequence[Mapping[str, Any]]) -> None:
        """Count the lines of one trace."""
        if len(trace) < 2:
            return
        first = trace[0]
        cell = self._counts.setdefault((first["task"], first["model"], first["arm"]), Counter())
        right = [line["outcome"] == "correct" for line in trace]
        cell["traces"] += 1
        cell["first"] += right[0]
        cell["any"] += any(right)
        cell["picked"] += any(line["selected"] and line["outcome"] == "correct" for line in trace)

    def of(self, key: Key) -> Selected | None:
        """Shares of an arm's traces; None where there was nothing to choose from."""
        cell = self._counts.get(key)
        if cell is None:
            return None
        n = cell["traces"]
        return {
            "traces": n,
            "first": cell["first"] / n,
            "picked": cell["picked"] / n,
            "any": cell["any"] / n,
        }


def efficiency(found: Selected) -> float | None:
    """(handed in - first) / (any - first); None where nothing could be gained.

    1 is an oracle, 0 no better than the first answer, below 0 worse.
    """
    room = found["any"] - found["first"]
    return (found["picked"] - found["first"]) / room if room else None


def selection_line(summary: Summary, selector: str) -> str | None:
    """The treatments together, in one line; None where nothing was chosen.

    Args:
        summary: of the run.
        selector: that chose.
    """
    found = [
        chosen
        for row in summary["arms"]
        if row["role"] == "treatment" and (chosen := row.get("selection")) is not None
    ]
    if not found:
        return None
    n = sum(one["traces"] for one in found)
    first, picked, best = (
        sum(one["traces"] * one[name] for one in found) / n  # type: ignore[literal-required]
        for name in ("first", "picked", "any")
    )
    gained = efficiency({"traces": n, "first": first, "picked": picked, "any": best})
    share = "nothing to gain" if gained is None else f"{100 * gained:.0f} %".replace("-", "−")
    return (
        f"selector {selector}: {100 * first:.1f} → {100 * picked:.1f} of {100 * best:.1f} "
        f"possible ({share}); {_price(summary)}"
    )


def _price(summary: Summary) -> str:
    paid = summary["paid"]
    cost = paid.get("selecting") or {"calls": 0, "tokens": 0}
    tokens = paid["tokens"]["prompt"] + paid["tokens"]["completion"]
    if not cost["calls"] or not tokens:
        return "free"
    return f"{100 * cost['tokens'] / tokens:.0f} % of tokens"
