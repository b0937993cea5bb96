"""What a run paid: added up while it is written down, and the same as its journal read again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from heartloop.calls import Journal
from heartloop.calls.keys import call_key
from heartloop.errors import CallError
from heartloop.run.folder import RunFolder
from heartloop.run.totals import Totals, journal_totals
from heartloop.types import Address, Completion, Message, Request, Usage


def _asked(question: int, purpose: str = "answer") -> Request:
    address = Address("task", str(question), "m", 0, 0, 0)
    return Request(address, (Message("user", f"Question {question}?"),), purpose=purpose, arm="a")


def test_totals_kept_while_writing_are_those_of_the_journal_read_again(tmp_path: Path) -> None:
    answer = Completion("yes", usage=Usage(10, 5, 2, 1), cost=0.25)
    with Journal.open(tmp_path) as journal:
        totals = journal.books = Totals()

        def answered(request: Request, completion: Completion = answer) -> None:
            journal.append(request, dataclasses.replace(completion, key=call_key(request)))

        def failed(request: Request, kind: str, usage: Usage | None = None) -> None:
            error = CallError(f"{kind} \ud800 happened", kind=kind)
            journal.append_error(
                request, error, key=call_key(request), usage=usage, cost=usage and 0.5
            )

        answered(_asked(0))
        answered(_asked(0))  # two calls that crossed: it counts once
        failed(_asked(1), "http_500")
        failed(_asked(1), "http_500")
        answered(_asked(1))
        failed(_asked(2), "cancelled", Usage(prompt=7))
        failed(_asked(3), "aborted", Usage(3, 4))
        failed(_asked(4), "timeout")
        answered(_asked(5, "select"), dataclasses.replace(answer, cost=None))
        failed(_asked(6, "synthesis"), "cancelled", Usage(prompt=2))
        found = totals.paid, totals.errors
        assert found == journal_totals(RunFolder(tmp_path))
    assert found[0]["calls"] == 5 and found[0]["selecting"] == {"calls": 2, "tokens": 17}
    assert [error["class"] for error in found[1]] == ["aborted", "timeout"]
