"""What a run's journal adds up to: calls, tokens and dollars paid, and errors that stayed."""

from __future__ import annotations

from typing import Any

from heartloop.calls import Journal
from heartloop.calls.records import usage_of
from heartloop.run.folder import RunFolder
from heartloop.run.verdicts import usage_dict
from heartloop.types import Usage


def paid_in(folder: RunFolder) -> dict[str, Any]:
    """Calls, tokens and dollars of a journal, each call once; see `journal_totals`."""
    return journal_totals(folder)[0]


def journal_totals(folder: RunFolder) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What was paid, and which calls ended in an error and were never answered, in one pass.

    Calls that failed cost what they are known to have used: as a rule nothing, else the tokens of
    an answer that was aborted, or of a prompt that was read in vain. Those taken over from an
    earlier run were paid for there.

    Returns:
        ``calls``, ``tokens`` and ``cost``; and for each class of error its count and first message.
    """
    answered: set[bytes] = set()
    failed: dict[bytes, tuple[str, str]] = {}
    calls = 0
    total = Usage()
    dollars = 0.0
    priced = False
    with Journal.open(folder.path, read_only=True) as journal:
        for record in journal.records():
            key = bytes.fromhex(record["key"])
            if record["error"]:
                kind = record["error"]["class"]
                total += usage_of(record)
                if record["cost"] is not None:
                    dollars += record["cost"]
                    priced = True
                if kind == "cancelled":
                    calls += 1
                else:
                    failed[key] = (kind, record["error"]["message"])
                continue
            failed.pop(key, None)
            if key in answered or "reused" in record:
                continue
            answered.add(key)
            calls += 1
            total += usage_of(record)
            if record.get("cost") is not None:
                dollars += record["cost"]
                priced = True
    paid = {"calls": calls, "tokens": usage_dict(total), "cost": dollars if priced else None}
    return paid, _by_class(failed)


def _by_class(failed: dict[bytes, tuple[str, str]]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for kind, message in failed.values():
        entry = found.setdefault(kind, {"class": kind, "count": 0, "message": message})
        entry["count"] += 1
    return sorted(found.values(), key=lambda entry: -entry["count"])
