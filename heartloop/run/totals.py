"""What a run's journal adds up to: calls, tokens and dollars paid, and errors that stayed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from heartloop.calls import journal_records
from heartloop.calls.index import Index
from heartloop.calls.records import usage_of
from heartloop.run.folder import RunFolder
from heartloop.run.layout import Paid
from heartloop.run.selection import PURPOSES
from heartloop.run.sums import Sum
from heartloop.run.verdicts import usage_dict
from heartloop.types import Completion, Request, Usage

PROPOSING = "propose"
"""What stands for an arm in calls of a search that lets the model write stimuli."""


class Totals:
    """Adds up the records of a journal, each call once.

    Calls that failed cost what they are known to have used: as a rule nothing, else the tokens of
    an answer that was aborted, or of a prompt that was read in vain. Those taken over from an
    earlier run were paid for there.
    """

    def __init__(self) -> None:
        self._answered = Index()
        self._failed: dict[bytes, tuple[str, str]] = {}
        self._calls = self._prompt = self._completion = self._reasoning = self._cached = 0
        self._dollars: Sum | None = None
        self._selecting = [0, 0]  # calls and tokens

    def add(self, record: Mapping[str, Any]) -> None:
        """Book one record, in the order of the journal."""
        key = bytes.fromhex(record["key"])
        calls = 1
        if record["error"]:
            kind = record["error"]["class"]
            calls = int(kind == "cancelled")
            if not calls and key not in self._answered:  # by another shard, say
                self._failed[key] = (kind, record["error"]["message"])
        else:
            self._failed.pop(key, None)
            if "reused" in record or not self._answered.add(key, 1):
                return
        self._pay(calls, record["purpose"], record["arm"], usage_of(record), record.get("cost"))

    def answered(self, request: Request, completion: Completion) -> None:
        """Book an answer that a journal did not have; it keeps the key, too."""
        if self._failed:
            self._failed.pop(bytes.fromhex(completion.key), None)
        self._pay(1, request.purpose, request.arm, completion.usage, completion.cost)

    def _pay(self, calls: int, purpose: str, arm: str, usage: Usage, cost: float | None) -> None:
        self._calls += calls
        self._prompt += usage.prompt
        self._completion += usage.completion
        self._reasoning += usage.reasoning
        self._cached += usage.cached
        if purpose in PURPOSES and arm != PROPOSING:
            self._selecting[0] += calls
            self._selecting[1] += usage.total
        if cost is not None:
            self._dollars = self._dollars or Sum()
            self._dollars.add(cost)

    @property
    def paid(self) -> Paid:
        """``calls``, ``tokens``, ``cost`` (None where no price is known) and ``selecting``."""
        return {
            "calls": self._calls,
            "tokens": usage_dict(
                Usage(self._prompt, self._completion, self._reasoning, self._cached)
            ),
            "cost": None if self._dollars is None else self._dollars.total,
            "selecting": dict(zip(("calls", "tokens"), self._selecting, strict=True)),
        }

    @property
    def errors(self) -> list[dict[str, Any]]:
        """For each class of call that was never answered: its count and most frequent message."""
        return _by_class(self._failed)


def paid_in(folder: RunFolder) -> Paid:
    """Calls, tokens and dollars of a journal, each call once; see `Totals`."""
    return journal_totals(folder)[0]


def journal_totals(folder: RunFolder) -> tuple[Paid, list[dict[str, Any]]]:
    """What was paid, and which calls ended in an error and were never answered, in one pass."""
    totals = Totals()
    for record in journal_records(folder.path):
        totals.add(record)
    return totals.paid, totals.errors


def _by_class(failed: dict[bytes, tuple[str, str]]) -> list[dict[str, Any]]:
    found: dict[str, Counter[str]] = {}
    for kind, message in failed.values():
        found.setdefault(kind, Counter())[message] += 1
    rows: list[dict[str, Any]] = [
        {
            "class": kind,
            "count": said.total(),
            "message": min(said, key=lambda message: (-said[message], message)),
        }
        for kind, said in found.items()
    ]
    return sorted(rows, key=lambda row: (-row["count"], row["class"]))
