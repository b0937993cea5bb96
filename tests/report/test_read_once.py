"""What a result is shown from is read once: users of large runs wait for every further pass."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from synthetic_run import make_run, phrase

from heartloop.calls import lines
from heartloop.calls.journal import Journal
from heartloop.report.arms import load_run
from heartloop.report.findings import findings
from heartloop.report.look_back import look_back
from heartloop.run import verdicts
from heartloop.run.session import summary_of
from heartloop.types import Arm

ARMS = (
    Arm("none", role="none"),
    Arm("placebo", stimuli=(phrase("P", "placebo"),), role="placebo"),
    Arm("S1", stimuli=(phrase("S1"),)),
)


def test_a_result_reads_its_verdicts_twice_and_its_journal_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "a", arms=ARMS)
    seen: Counter[str] = Counter()

    def counted(module: Any, name: str) -> None:
        real = getattr(module, name)

        def told(*given: Any) -> Any:
            seen[name] += 1
            return real(*given)

        monkeypatch.setattr(module, name, told)

    counted(verdicts, "read_line")
    counted(lines, "read_record")
    rows = len((run.path / "verdicts.jsonl").read_text().splitlines())
    calls = len((run.path / "calls.jsonl").read_text().splitlines())
    loaded = load_run(run)
    assert (seen["read_line"], seen["read_record"]) == (rows, calls)
    look_back(loaded, findings(loaded))
    # Once more for texts: their place in the journal, and the lines they belong to.
    assert seen["read_line"] <= 2 * rows and seen["read_record"] <= 2 * calls
    seen.clear()
    summary_of(run, run.manifest, run.path / "verdicts.jsonl", stopped=None)
    assert (seen["read_line"], seen["read_record"]) == (rows, calls)


def test_records_are_handed_on_while_a_journal_is_opened(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", arms=ARMS, questions=5)
    found: list[str] = []
    with Journal.open(run.path, read_only=True, each=lambda r: found.append(r["key"])) as journal:
        assert found == [record["key"] for record in journal.records()]
    assert len(found) > 5
