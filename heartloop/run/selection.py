"""How much of what choosing could gain a selector gained, from the verdicts of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def efficiencies(
    traces: Iterable[Sequence[Mapping[str, Any]]],
) -> dict[tuple[str, str, str], tuple[float, float | None]]:
    """For each task, model and arm with several candidates: any right, and the efficiency.

    Efficiency is (handed in - first) / (any - first), of the shares of traces whose answer is
    right: 1 is an oracle, 0 no better than the first answer, below 0 worse; None where nothing
    could be gained.

    Args:
        traces: lists of verdict lines, one list a trace.
    """
    counts: dict[tuple[str, str, str], Counter[str]] = {}
    for trace in traces:
        own = [line for line in trace if line["purpose"] in ("answer", "synthesis")]
        if len(own) < 2:
            continue
        cell = counts.setdefault((own[0]["task"], own[0]["model"], own[0]["arm"]), Counter())
        right = [line["outcome"] == "correct" for line in own]
        cell["n"] += 1
        cell["first"] += right[0]
        cell["any"] += any(right)
        cell["picked"] += any(line["selected"] and line["outcome"] == "correct" for line in own)
    found = {}
    for key, cell in counts.items():
        room = cell["any"] - cell["first"]
        gained = (cell["picked"] - cell["first"]) / room if room else None
        found[key] = (cell["any"] / cell["n"], gained)
    return found
