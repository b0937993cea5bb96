"""``heartloop repair``: damage ends in a run that says the same, or that says what is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from heartloop.calls.lock import FolderLock
from heartloop.cli import main
from heartloop.errors import JournalError, UsageError
from heartloop.run.folder import RunFolder
from heartloop.run.repair import CALLS_ASIDE, VERDICTS_ASIDE, repair
from heartloop.run.state import run_state


def call(*arguments: str) -> int:
    """The exit code of a command line."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    code = ended.value.code
    assert isinstance(code, int)
    return code


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A whole run on six sums, answered from recordings."""
    monkeypatch.chdir(tmp_path)
    rows = [f"What is {i} + {i}?,{2 * i}\n" for i in range(1, 7)]
    (tmp_path / "sums.csv").write_text("question,answer\n" + "".join(rows))
    with (tmp_path / "draws.jsonl").open("w") as file:
        for i in range(6):
            for number in range(3):
                text = f"So \\boxed{{{2 * (i + 1) if (i + number) % 2 else 99}}}"
                file.write(json.dumps({"index": i, "draw": number, "text": text}) + "\n")
    code = call(
        "run", "--task", "sums.csv", "--model", "replay/draws.jsonl", "--method", "resample",
        "--param", "draws=3", "--name", "a",
    )  # fmt: skip
    assert code == 0
    return RunFolder(tmp_path / "runs/a")


def verdicts(run: RunFolder) -> list[dict[str, object]]:
    found = [json.loads(x) for x in (run.path / "verdicts.jsonl").read_text().splitlines()]
    return sorted(found, key=lambda x: (x["question"], x["arm"], x["round"], x["draw"]))


def test_a_whole_run_is_left_as_it_is(run: RunFolder) -> None:
    before = {p.name: p.read_bytes() for p in run.path.iterdir() if p.is_file()}
    assert run_state(run).state == "whole"
    assert repair(run).did == []
    after = {p.name: p.read_bytes() for p in run.path.iterdir() if p.is_file()}
    assert after == before


def put(name: str, content: bytes) -> Callable[[RunFolder], None]:
    return lambda run: (run.path / name).write_bytes(content) and None


def insert(name: str, line: bytes) -> Callable[[RunFolder], None]:
    def change(run: RunFolder) -> None:
        lines = (run.path / name).read_bytes().splitlines(keepends=True)
        lines[2:2] = [line]
        (run.path / name).write_bytes(b"".join(lines))

    return change


def glue(rubbish: bytes) -> Callable[[RunFolder], None]:
    """Rubbish in front of a whole record, in one line."""

    def change(run: RunFolder) -> None:
        lines = (run.path / "calls.jsonl").read_bytes().splitlines(keepends=True)
        lines[2] = rubbish + lines[2]
        (run.path / "calls.jsonl").write_bytes(b"".join(lines))

    return change


def shorten(run: RunFolder) -> None:
    manifest = json.loads((run.path / "manifest.json").read_text())
    manifest["plan"]["arms"][0]["name"] = "another"
    (run.path / "manifest.json").write_text(json.dumps(manifest))


HARMLESS = {
    "manifest torn": put("manifest.json", b'{"plan": {'),
    "manifest empty": put("manifest.json", b""),
    "manifest lost": lambda run: (run.path / "manifest.json").unlink(),
    "manifest without an arm": lambda run: shorten(run),
    "copy torn": put("manifest.copy.json", b"{"),
    "summary torn": put("summary.json", b'{"arms": '),
    "summary a list": put("summary.json", b"[]"),
    "summary lost": lambda run: (run.path / "summary.json").unlink(),
    "verdicts lost": lambda run: (run.path / "verdicts.jsonl").unlink(),
    "verdicts empty": put("verdicts.jsonl", b""),
    "verdict 5": insert("verdicts.jsonl", b"5\n"),
    "verdict torn": insert("verdicts.jsonl", b'{"task": "su\n'),
    "call torn": insert("calls.jsonl", b'{"key":"00\n'),
    "call odd": insert("calls.jsonl", b'{"key":"00","usage":{"prompt":"12"}}\n'),
    "call NULs": insert("calls.jsonl", b"\0" * 500 + b"\n"),
    "calls four": insert("calls.jsonl", b"x\n\n5\n[]\n{}\n"),
    "NULs before a record": glue(b"\0" * 500),
    "half a record before a record": glue(b'{"key":"0123","address":{"task":"su'),
}


@pytest.mark.parametrize("kind", HARMLESS)
def test_damage_that_loses_no_answer_leaves_the_same_run(
    run: RunFolder, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = verdicts(run)
    answers = (run.path / "calls.jsonl").read_bytes()
    HARMLESS[kind](run)
    capsys.readouterr()
    assert call("repair", str(run.path)) == 0
    if not kind.startswith("summary"):
        assert run_state(run).state == "whole", capsys.readouterr().out
    assert verdicts(run) == before
    assert call("score", str(run.path)) == 0
    assert json.loads((run.path / "summary.json").read_text())["stopped"] is None
    assert (run.path / "calls.jsonl").read_bytes() == answers
    assert not list(run.path.glob(".*.tmp"))


def test_damaged_lines_are_kept_aside_and_counted(run: RunFolder) -> None:
    insert("calls.jsonl", b"x\n\n5\n[]\n{}\n")(run)
    done = repair(run)
    assert done.aside == 4
    assert (run.path / CALLS_ASIDE).read_bytes() == b"x\n5\n[]\n{}\n"


def test_a_lost_answer_is_named_and_asked_again(run: RunFolder) -> None:
    before = verdicts(run)
    lines = (run.path / "calls.jsonl").read_bytes().splitlines(keepends=True)
    record = json.loads(lines[4])
    record["cost"] = "x"
    lines[4] = json.dumps(record).encode() + b"\n"
    (run.path / "calls.jsonl").write_bytes(b"".join(lines))
    done = repair(run)
    said = " ".join(done.did)
    assert f"{record['address']['task']} {record['address']['question']}" in said
    assert "heartloop resume" in said
    assert run_state(run).done < run_state(run).total
    assert (run.path / VERDICTS_ASIDE).exists()  # the earlier, fuller verdicts
    assert call("resume", str(run.path)) == 0
    assert run_state(run).state == "whole"
    assert [x["outcome"] for x in verdicts(run)] == [x["outcome"] for x in before]


def test_calls_that_extend_one_another_are_set_aside(run: RunFolder) -> None:
    lines = (run.path / "calls.jsonl").read_bytes().splitlines(keepends=True)
    records = [json.loads(x) for x in lines]
    for one, other in ((0, 1), (1, 2), (2, 0)):
        records[one]["request"]["extends"] = records[other]["key"]
    (run.path / "calls.jsonl").write_text("".join(json.dumps(x) + "\n" for x in records))
    assert repair(run).aside == 3


def test_without_manifest_and_copy_the_way_out_is_named(run: RunFolder) -> None:
    (run.path / "manifest.json").write_text("{")
    (run.path / "manifest.copy.json").write_text("")
    with pytest.raises(UsageError, match="--reuse"):
        repair(run)


def test_without_its_data_whole_verdicts_are_kept(run: RunFolder, tmp_path: Path) -> None:
    total = run_state(run).total
    insert("verdicts.jsonl", b"5\n")(run)
    (tmp_path / "sums.csv").rename(tmp_path / "elsewhere.csv")
    said = " ".join(repair(run, rebuild=False).did)
    assert "whole traces kept" in said
    state = run_state(run)
    assert state.state != "whole" and 0 < state.done < total


def test_a_folder_killed_before_its_plan_is_removed_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x"
    path.mkdir()
    (path / "lock").touch()
    (path / "calls.jsonl").touch()
    assert call("repair", str(path)) == 0
    assert not path.exists() and "removed" in capsys.readouterr().out


def test_a_run_in_use_is_not_repaired(run: RunFolder) -> None:
    insert("calls.jsonl", b"x\n")(run)
    before = (run.path / "calls.jsonl").read_bytes()
    lock = FolderLock(run.path)
    try:
        with pytest.raises(JournalError, match="in use"):
            repair(run)
    finally:
        lock.release()
    assert (run.path / "calls.jsonl").read_bytes() == before


def test_a_run_from_a_table_goes_on_from_anywhere(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (run.path / "verdicts.jsonl").unlink()
    for name in ("manifest.json", "manifest.copy.json"):  # the recordings, by their whole path
        file = run.path / name
        file.write_text(file.read_text().replace("replay/draws", f"replay/{tmp_path}/draws"))
    lines = (run.path / "calls.jsonl").read_text()
    (run.path / "calls.jsonl").write_text(
        lines.replace('"model":"replay/draws', f'"model":"replay/{tmp_path}/draws')
    )
    monkeypatch.chdir(elsewhere)
    (tmp_path / "sums.csv").rename(tmp_path / "moved.csv")
    assert (run.path / "data/sums.csv").read_bytes() == (tmp_path / "moved.csv").read_bytes()
    assert call("resume", str(run.path)) == 0
    assert run_state(run).state == "whole"
    assert call("score", str(run.path)) == 0
    (run.path / "data/sums.csv").write_text("question,answer\nanother,1\n")
    assert call("score", str(run.path)) == 2  # its hash is not that of the run's table
    given = tmp_path / "given"
    given.mkdir()
    (tmp_path / "moved.csv").rename(given / "sums.csv")
    assert call("score", str(run.path), "--data", str(given)) == 0
