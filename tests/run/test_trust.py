"""A run folder from elsewhere: nothing of it is executed or asked without the user's word."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from heartloop.cli import main
from heartloop.errors import UsageError
from heartloop.run.trust import check_received, signature

HERE = "http://127.0.0.1:9/v1"


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config"


def manifest(made_here: bool = False, method: str = "single", **plan: Any) -> dict[str, Any]:
    plan = {"arms": [{"name": "x", "method": method}], "server": {"base_urls": [HERE]}, **plan}
    return {"plan": plan, "made_here": signature(plan) if made_here else "0" * 64}


def test_what_was_made_here_is_trusted(tmp_path: Path, config: Path) -> None:
    program = tmp_path / "prog.py"
    program.write_text("program = None\n")
    own = manifest(True, f"dspy:{program}:program@0")
    check_received(tmp_path, own, asks=True)
    mode = stat.S_IMODE(os.stat(config / "heartloop" / "key").st_mode)
    assert mode == 0o600
    assert sorted(p.name for p in (config / "heartloop").iterdir()) == ["key"]


def test_changing_program_or_address_breaks_the_signature(tmp_path: Path) -> None:
    for change in ("arms", "server", "judge"):
        own = manifest(True)
        plan = own["plan"]
        if change == "arms":
            plan["arms"][0]["method"] = "dspy:evil.py:program@0"
        elif change == "server":
            plan["server"]["base_urls"].append("http://evil/v1")
        else:
            plan["judge"] = [{"model": "server/j", "base_url": "http://e/v1", "key_env": "AWS"}]
        with pytest.raises(UsageError, match="was not made here"):
            check_received(tmp_path, own, asks=True)


def test_another_users_signature_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = manifest(True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "mine"))
    with pytest.raises(UsageError, match="--base-url"):
        check_received(tmp_path, theirs, asks=True)
    check_received(tmp_path, theirs, asks=True, named_server=True)
    check_received(tmp_path, theirs, asks=False)


def test_a_program_is_shown_with_its_digest(tmp_path: Path) -> None:
    program = tmp_path / "prog.py"
    program.write_text("import os\n")
    received = manifest(method=f"dspy:{program}:program@12345678")
    with pytest.raises(UsageError, match=r"prog\.py \(sha256 [0-9a-f]{64}.*--allow-code"):
        check_received(tmp_path, received, asks=False)
    check_received(tmp_path, received, asks=False, allow_code=True)


def test_arguments_of_servers_are_programs_too(tmp_path: Path) -> None:
    received = manifest(server={"vllm_args": ["--trust-remote-code"]})
    with pytest.raises(UsageError, match="trust-remote-code.*--allow-code"):
        check_received(tmp_path, received, asks=True)


def test_without_a_place_for_a_key_nothing_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    assert signature(manifest()["plan"]) is None
    with pytest.raises(UsageError, match="was not made here"):
        check_received(tmp_path, {**manifest(), "made_here": None}, asks=True)


def test_score_and_resume_execute_nothing_of_a_received_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sums.csv").write_text("question,answer\nWhat is 1 + 1?,2\n")
    (tmp_path / "draws.jsonl").write_text('{"index": 0, "text": "2"}\n')
    with pytest.raises(SystemExit) as ended:
        main(["run", "--task", "sums.csv", "--model", "replay/draws.jsonl", "--method", "single",
              "--controls", "none", "--name", "a"])  # fmt: skip
    assert ended.value.code == 0
    (tmp_path / "prog.py").write_text("open('owned', 'w')\n")
    for name in ("manifest.json", "manifest.copy.json"):
        file = tmp_path / "runs/a" / name
        changed = json.loads(file.read_text())
        changed["plan"]["arms"][0]["method"] = "dspy:prog.py:program"
        file.write_text(json.dumps(changed))
    for command in ("score", "resume", "repair", "report", "export", "compare", "status"):
        capsys.readouterr()
        more = ["--to", "csv"] if command == "export" else []
        with pytest.raises(SystemExit) as ended:
            main([command, "a", *more])
        said = capsys.readouterr()
        assert not (tmp_path / "owned").exists(), command
        if command in ("score", "resume"):
            assert ended.value.code == 2 and "--allow-code" in said.err


def test_a_finished_run_from_elsewhere_is_shown_and_asks_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def heartloop(*argv: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(argv))
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.err + shown.out

    heartloop("run", "--task", "olympiad", "--practice", "--limit", "3", "--method", "single",
              "--model", "pocket", "--name", "theirs")  # fmt: skip
    path = tmp_path / "runs" / "theirs" / "manifest.json"
    theirs = json.loads(path.read_text())
    theirs["plan"]["server"]["base_urls"] = [HERE]
    theirs["made_here"] = "0" * 64
    path.write_text(json.dumps(theirs))
    code, said = heartloop("resume", "theirs")
    assert code == 0 and "theirs: finished; nothing is left to ask" in said
    verdicts = path.with_name("verdicts.jsonl")
    verdicts.write_bytes(b"".join(verdicts.read_bytes().splitlines(keepends=True)[:-1]))
    code, said = heartloop("resume", "theirs")
    assert code == 2 and "is not asked until you name the server" in said
