"""``TASK~numbers``: the same items with a number changed; the old answer is what counts."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from heartloop.data import load_data, resolve_tasks
from heartloop.errors import DataError, UsageError
from heartloop.report import conclude
from heartloop.report.arms import load_run
from heartloop.report.findings import findings
from heartloop.run import clients
from heartloop.run.arms import build_arms
from heartloop.run.execute import execute, prepare
from heartloop.run.folder import RunFolder
from heartloop.run.plan import Plan
from heartloop.types import Completion, Request, Usage


def table(folder: Path, rows: list[tuple[str, str]], name: str = "sums.jsonl") -> str:
    lines = [
        json.dumps({"id": f"q{i}", "question": q, "answer": a}) for i, (q, a) in enumerate(rows)
    ]
    (folder / name).write_text("\n".join(lines))
    return str(folder / name)


def test_one_number_is_changed_everywhere_and_the_rest_stays(tmp_path: Path) -> None:
    spec = table(tmp_path, [
        ("Add 41 and 41 in $a_{41}$, 4.41 of 141.", "82"), ("What is one half?", "0.5"),
    ])  # fmt: skip
    (card,) = resolve_tasks(f"{spec}~numbers")
    data = load_data(card, download=False)
    assert [q.id for q in data.questions] == ["q0"] and data.golds["q0"].answers == ("82",)
    was, now = data.questions[0].meta["number"].split(" → ")
    assert int(now) - int(was) in range(1, 10)
    whole = "Add 41 and 41 in $a_{41}$, 4.41 of 141."
    assert data.questions[0].input == re.sub(rf"(?<![\d.]){was}(?!\d)", now, whole)
    assert any("1 of 2 questions" in note for note in data.notes)
    assert load_data(card, download=False).questions == data.questions  # the same every time


def test_it_is_refused_where_it_says_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="read by .*; numbers can be changed where"):
        resolve_tasks(table(tmp_path, [("Who?", "a poet"), ("Where?", "in a town")]) + "~numbers")
    with pytest.raises(UsageError, match="TASK~numbers changes a number"):
        resolve_tasks(table(tmp_path, [("What is 40 + 2?", "42")]) + "~level")
    spec = table(tmp_path, [("one and one?", "2"), ("a half of $x^{12}$?", "3")], "few.jsonl")
    (card,) = resolve_tasks(f"{spec}~numbers")
    with pytest.raises(DataError, match="no question holds a whole number"):
        load_data(card, download=False)


def test_no_loop_is_steered_by_an_old_answer(tmp_path: Path) -> None:
    spec = table(tmp_path, [("What is 40 + 2?", "42"), ("What is 40 + 3?", "43")])
    plan = Plan((f"{spec}~numbers",), ("pocket",), build_arms("heart"), mode="oracle")
    with pytest.raises(UsageError, match="leave --mode out"):
        prepare(plan)
    (task,) = prepare(dataclasses.replace(plan, mode=None)).tasks
    assert task.mode == "verifier-free"


class Reciter:
    """Works the sum out; told that it matters for a career, it recites what it once read."""

    def __init__(self, known: dict[str, int]) -> None:
        self.known = known

    async def complete(self, request: Request) -> Completion:
        text = request.messages[-1].content
        name, first, second = re.findall(r"Sum (\w+): (\d+) \+ (\d+)", text)[0]
        value = self.known[name] if "career" in text else int(first) + int(second)
        return Completion(f"\\boxed{{{value}}}", usage=Usage(20, 5))

    async def close(self) -> None:
        return None


def test_a_phrase_that_makes_a_model_recite_is_seen_and_gets_no_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [(f"Sum s{i}: {300 + i} + {20 + i}", str(320 + 2 * i)) for i in range(60)]
    spec = table(tmp_path, rows)
    known = {f"s{i}": 320 + 2 * i for i in range(60)}
    monkeypatch.setattr(clients, "make_model", lambda *_a, **_k: Reciter(known))
    arms = build_arms("single", stimuli="emotionprompt:EP02,EP08", controls="lean")
    plan = Plan((spec, f"{spec}~numbers"), ("server/m",), arms)
    folder = RunFolder(tmp_path / "r")
    folder.path.mkdir()
    asyncio.run(execute(prepare(plan), folder, signals=False))
    one, check = findings(load_run(folder))[0].units
    assert not one.check and one.arms["EP02"].own == one.arms["none"].own == 1
    assert check.check and check.treatments == () == check.planned
    assert (check.arms["none"].own, check.arms["EP08"].own, check.arms["EP02"].own) == (0, 0, 1)
    assert check.controls["EP02"].estimate == 1 and check.controls["EP08"].estimate == 0
    text: Any = conclude(folder.path)
    assert "old answers to changed numbers: none 0.0 %, furthest from it EP02 +100.0" in text
    assert "works" not in text and "above the plain" not in text
