"""Many commands at once in one folder of runs, and several on one run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from heartloop.calls.lock import held
from heartloop.cli import main
from heartloop.run.files import write_json
from heartloop.run.folder import RunFolder, list_folders, new_folder
from heartloop.run.state import run_state

ROOT = Path(__file__).resolve().parents[2]


def test_twenty_runs_that_begin_at_once_get_twenty_folders(tmp_path: Path) -> None:
    start = threading.Barrier(20)

    def begin(_: int) -> Path:
        start.wait()
        return new_folder(tmp_path / "runs", None, "olympiad_heart_pocket").path

    with ThreadPoolExecutor(20) as pool:
        made = list(pool.map(begin, range(20)))
    assert len(set(made)) == 20 and all(path.is_dir() for path in made)


def test_a_reader_sees_whole_files_while_many_write(tmp_path: Path) -> None:
    file = tmp_path / "summary.json"
    write_json(file, {"writer": -1, "text": ""})
    ending = threading.Event()

    def write(number: int) -> None:
        for _ in range(25):
            write_json(file, {"writer": number, "text": str(number) * 20_000})

    def read() -> int:
        seen = 0
        while not ending.is_set():
            found = json.loads(file.read_text())
            assert found["writer"] == -1 or found["text"] == str(found["writer"]) * 20_000
            seen += 1
        return seen

    with ThreadPoolExecutor(9) as pool:
        reader = pool.submit(read)
        list(pool.map(write, range(8)))
        ending.set()
        assert reader.result() > 0
    assert os.listdir(tmp_path) == ["summary.json"]  # no half-written file stays


def test_two_scores_at_once_and_a_reader_leave_a_whole_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"What is {i} + {i}?,{2 * i}\n" for i in range(1, 40))
    (tmp_path / "sums.csv").write_text("question,answer\n" + rows)
    with (tmp_path / "draws.jsonl").open("w") as file:
        for i in range(39):
            file.write(json.dumps({"index": i, "text": f"\\boxed{{{2 * (i + 1)}}}"}) + "\n")
    with pytest.raises(SystemExit) as ended:
        main(["run", "--task", "sums.csv", "--model", "replay/draws.jsonl", "--method", "single",
              "--name", "a", "--controls", "none"])  # fmt: skip
    assert ended.value.code == 0
    strict = ["score", "a", "--verifier", "exact"]
    commands = [["score", "a"], ["score", "a"], strict, strict, ["status", "a"], ["resume", "a"]]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = [
        subprocess.Popen([sys.executable, "-m", "heartloop", *words], env=environment,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for words in commands
    ]  # fmt: skip
    for process, words in zip(running, commands, strict=True):
        _, err = process.communicate(timeout=120)
        assert "Traceback" not in err, (words, err)
        if process.returncode:  # another command had the lock
            assert "in use by" in err and err.count("heartloop: ") == 1, (words, err)
    run = RunFolder(tmp_path / "runs/a")
    assert run_state(run).state == "whole" and not held(run.path)
    assert not list(run.path.glob(".*.tmp"))
    assert [folder.name for folder in list_folders(tmp_path / "runs")] == ["a"]
