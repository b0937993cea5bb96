"""``heartloop data`` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from heartloop.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in an empty folder with an empty cache: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEARTLOOP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for name in ("HEARTLOOP_DATA", "HEARTLOOP_WORKSPACE", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)

    def call(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(list(args))
        out = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, out.out, out.err

    return call


def test_list_says_what_is_there_and_where_the_rest_comes_from(run: Run, shared_data: Path) -> None:
    code, out, _ = run("data", "list", "--data", str(shared_data), "--json")
    rows = {row["task"]: row for row in json.loads(out)}
    assert code == 0
    assert (rows["bbh"]["present"], rows["bbh"]["tasks"]) == (27, 27)
    assert (rows["bigbench"]["present"], rows["instruction_induction"]["present"]) == (21, 24)
    assert rows["olympiad"]["kind"] == "data"
    assert rows["hle"]["kind"] == "absent" and "accept" in rows["hle"]["gated"]
    code, out, _ = run("data", "list")
    line = next(line for line in out.splitlines() if line.startswith("math500"))
    assert code == 0 and " no " in line and "heartloop data get math500" in line


def test_where_shows_hashes_revision_and_licence(run: Run, shared_data: Path) -> None:
    code, out, _ = run("data", "where", "olympiad,bbh/snarks", "--data", str(shared_data), "--json")
    first, second = json.loads(out)
    assert code == 0 and first["task"] == "olympiad" and second["task"] == "bbh/snarks"
    assert first["matches"] is True and first["sha256"].startswith("bb8c1e38")
    assert second["revision"] == "9ee07bd481feebf959a6b59d61ea57bdcf30964d"
    assert second["local"] == ["bbh/snarks.json", "bbh/cot-prompts/snarks.txt"]
    code, out, _ = run("data", "where", "hle")
    assert code == 0 and "kind: absent" in out and "gated: sign in at" in out


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("where", "olympiadd"), 'did you mean "olympiad"'),
        (("list", "--data", "nowhere"), "--data: nowhere is no folder"),
        (("get", "math500"), "127.0.0.1 cannot be reached"),
    ],
)
def test_errors_are_one_line_and_exit_2(run: Run, args: tuple[str, ...], expected: str) -> None:
    code, out, err = run("data", *args)
    assert (code, out) == (2, "")
    assert expected in err and err.count("\n") == 1


def test_get_fetches_into_the_cache(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEARTLOOP_ALLOW_PRIVATE", "1")  # a folder of this machine
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "test.jsonl").write_text('{"question": "1 + 1?", "answer": "2"}\n')
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "small.yaml").write_text(
        f"name: small\nfamily: hub\nverifier: math\nlicence: own\n"
        f"source: {{hub: {{path: {tmp_path / 'set'}, split: test}}}}\n"
    )
    code, out, _ = run("data", "get", "small", "--json")
    (row,) = json.loads(out)
    assert code == 0 and row["kind"] == "hub" and row["matches"] is True
    assert Path(row["place"]).is_relative_to(tmp_path / "cache")
    assert any("not pinned" in note for note in row["notes"])
    code, out, _ = run("data", "get", "small")
    assert code == 0 and "in the cache already" in out


def test_the_two_line_plan_still_names_what_a_file_has_wrong(run: Run, tmp_path: Path) -> None:
    rows = "question,answer,level\nWhat is 4+4?,8,1\nWhat is 4+4?,9,1\n"
    (tmp_path / "a.csv").write_text(rows)
    code, _, said = run(
        "run", "--task", "a.csv", "--model", "pocket", "--method", "single", "--name", "x"
    )
    plan = said[: said.index("accuracy")] if "accuracy" in said else said
    assert code == 0
    assert 'different answers: "8" and "9"' in plan and "column level is not used" in plan
