"""A resumed run goes through what is left; through all where it could come out otherwise."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from heartloop.run import kept, manifest, runner
from heartloop.run.execute import Changes, execute, prepare, resume
from heartloop.run.folder import RunFolder, new_folder
from heartloop.run.plan import Plan
from heartloop.run.verdicts import VerdictLog
from heartloop.types import Arm

N = 20


@pytest.fixture
def folder(
    tmp_path: Path, mock_server: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> RunFolder:
    """A finished run of two arms on a clean checkout, of which the last five answers are lost."""
    for module in (kept, manifest):
        monkeypatch.setattr(module, "git_revision", lambda: "abc")
    task = tmp_path / "sums.jsonl"
    rows = [{"question": f"Problem {i}: what?", "answer": str(i)} for i in range(N)]
    task.write_text("".join(json.dumps(row) + "\n" for row in rows))
    plan = Plan(
        tasks=(str(task),),
        models=("server/mock",),
        arms=(Arm("one"), Arm("two", params={"draw": 1}, role="again")),
        server={"base_urls": [mock_server("--ability", "0.5")]},
    )
    run = new_folder(tmp_path / "runs", "r", "r")
    asyncio.run(execute(prepare(plan), run, signals=False))
    calls = (run.path / "calls.jsonl").read_bytes().splitlines(keepends=True)
    (run.path / "calls.jsonl").write_bytes(b"".join(calls[:-5]))
    return run


def gone_through(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where the units that are worked on stand."""
    seen: list[str] = []
    work_on = runner.work_on

    async def work(unit: Any, *more: Any) -> Any:
        seen.append(unit.where)
        return await work_on(unit, *more)

    monkeypatch.setattr(runner, "work_on", work)
    return seen


def verdicts(folder: RunFolder) -> list[dict[str, Any]]:
    """The lines by unit, without the times of the calls."""
    lines = [json.loads(line) for line in (folder.path / "verdicts.jsonl").open()]
    found = [{k: v for k, v in x.items() if k not in ("started", "finished")} for x in lines]
    return sorted(found, key=lambda line: (line["arm"], line["index"]))


def test_what_is_finished_is_not_gone_through_again(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, summary = verdicts(folder), folder.summary
    seen = gone_through(monkeypatch)
    again = asyncio.run(resume(folder))
    assert len(seen) == len(set(seen)) == 5
    assert verdicts(folder) == before
    assert summary is not None and again["arms"] == summary["arms"]


@pytest.mark.parametrize("change", ["version", "dirty", "undecided"])
def test_what_could_come_out_otherwise_is(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    before = verdicts(folder)
    expected = 2 * N
    if change == "version":
        monkeypatch.setattr(kept, "versions", lambda: {"heartloop": "another"})
    elif change == "dirty":
        folder.write_manifest({**folder.manifest, "git": "abc+changes"})
        monkeypatch.setattr(kept, "git_revision", lambda: "abc+changes")
    else:
        path = folder.path / "verdicts.jsonl"
        first, *rest = path.read_text().splitlines(keepends=True)
        line = json.loads(first) | {"outcome": "unscored", "reason": "undecided"}
        path.write_text(json.dumps(line) + "\n" + "".join(rest))
        expected = 6
    seen = gone_through(monkeypatch)
    asyncio.run(resume(folder))
    assert len(seen) == expected
    assert verdicts(folder) == before


@pytest.mark.parametrize("capped", [False, True])
def test_what_is_asked_does_not_wait_for_what_is_graded_again(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, capped: bool
) -> None:
    """Under a cap the questions keep their order: what is left is for the first of them."""
    before = verdicts(folder)
    monkeypatch.setattr(kept, "versions", lambda: {"heartloop": "another"})
    monkeypatch.setattr(runner, "BESIDE", 2)
    names = {call["key"] for call in map(json.loads, (folder.path / "calls.jsonl").open())}
    lost = [x for x in before if x["key"] not in names]
    assert len(lost) == 5
    seen = gone_through(monkeypatch)
    limits = {"max_total_tokens": 10**9} if capped else {}
    summary = asyncio.run(resume(folder, changes=Changes(limits=limits)))
    asked = {f"sums, question {x['question']}, arm {x['arm']}" for x in lost}
    assert asked <= set(seen[: 5 + 2]) or capped
    turns = {x["question"]: x["turn"] for x in before}
    places = [turns[where.split()[2].strip(",")] for where in seen]
    assert (places == sorted(places)) is capped
    assert verdicts(folder) == before
    assert sum(row["trials"] for row in summary["arms"]) == 2 * N


def test_verdicts_that_all_stay_are_written_on_behind_the_last_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    lines = [verdict_line(n) for n in range(3)]
    path.write_bytes(b"".join(lines) + verdict_line(3, last=False) + lines[0][:40])
    before = path.stat().st_ino
    log = VerdictLog(path, lambda trace: True)
    log.write([json.loads(verdict_line(4))])
    log.close()
    assert path.read_bytes() == b"".join(lines) + verdict_line(4)
    assert path.stat().st_ino == before
    assert list(tmp_path.iterdir()) == [path]


def test_stretches_of_verdicts_that_stay_are_copied_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    lines = [verdict_line(n) for n in range(8)]
    path.write_bytes(b"".join(lines).removesuffix(b"\n"))
    log = VerdictLog(path, lambda trace: trace[0]["index"] not in (0, 3, 4))
    kept_lines = [lines[n] for n in (1, 2, 5, 6, 7)]
    for n in (0, 3):
        log.write([json.loads(lines[n])])
    assert path.read_bytes() == b"".join(lines).removesuffix(b"\n")  # holds more until now
    log.write([json.loads(lines[4])])
    log.close()
    assert path.read_bytes() == b"".join([*kept_lines, lines[0], lines[3], lines[4]])
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_what_it_points_to_is_not_touched(tmp_path: Path) -> None:
    elsewhere, path = tmp_path / "elsewhere", tmp_path / "verdicts.jsonl"
    elsewhere.write_bytes(verdict_line(0))
    path.symlink_to(elsewhere)
    log = VerdictLog(path, lambda trace: True)
    log.write([json.loads(verdict_line(1))])
    log.close()
    assert elsewhere.read_bytes() == verdict_line(0)
    assert path.read_bytes() == verdict_line(0) + verdict_line(1)
    assert not path.is_symlink()


def verdict_line(index: int, *, last: bool = True) -> bytes:
    """A line as it is written."""
    tokens = {"prompt": 1, "completion": 1, "reasoning": 0, "cached": 0}
    content = {"outcome": "correct", "reason": None, "answer": "1", "score": None, "detail": ""}
    line = {
        **{"task": "t", "question": str(index), "index": index, "turn": 0, "cluster": None},
        **{"model": "m", "seed": 0, "arm": "a", "round": 0, "draw": 0, "purpose": "answer"},
        **{"key": "ab", "cue": "", **content, "content": content, "form": True},
        **{"selected": True, "last": last, "finish_reason": "stop", "tokens": tokens},
        **{"calls": 1, "usage": tokens, "cost": None, "error": None, "started": 1.5},
        **{"finished": 2.5, "checked": None, "notes": {}},
    }
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"
