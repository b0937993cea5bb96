"""The main job against the loopback server: results, resume, caps, faults."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

N = 60


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    """A custom task whose golds the mock server knows."""
    task = tmp_path / "sums.jsonl"
    rows = [
        {"id": f"q{i}", "question": f"Problem {i}: what is it?", "answer": str(i)} for i in range(N)
    ]
    task.write_text("".join(json.dumps(row) + "\n" for row in rows))
    answers = tmp_path / "answers.jsonl"
    lines = [{"match": f"Problem {i}:", "answer": str(i)} for i in range(N)]
    answers.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return task


def environment() -> dict[str, str]:
    """With cached bytecode, which halves the start of every process."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def heartloop(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> Any:
    return subprocess.run(
        [sys.executable, "-m", "heartloop", *arguments],
        cwd=cwd,
        env={**environment(), **(env or {})},
        capture_output=True,
        text=True,
        timeout=120,
    )


def stats(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url.removesuffix("/v1") + "/stats", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def comparable(summary: dict[str, Any]) -> dict[str, Any]:
    """A summary without what may differ between two runs of the same plan."""
    return {k: v for k, v in summary.items() if k not in ("run", "wall_s", "data")}


def run_args(task: Path, url: str, *more: str) -> list[str]:
    rounds = [] if "single" in more else ["--rounds", "3"]
    return [
        "run", "--task", str(task), "--model", "server/mock", "--base-url", url, "--json",
        *rounds, *more,
    ]  # fmt: skip


def test_run_gives_accuracy_by_round_beside_matched_controls(
    problems: Path, tmp_path: Path, mock_server: Callable[..., str]
) -> None:
    url = mock_server(
        "--answers", str(tmp_path / "answers.jsonl"), "--ability", "0.5", "--gain", "0.3"
    )
    done = heartloop(*run_args(problems, url), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    arms = {row["arm"]: row for row in summary["arms"]}
    assert set(arms) == {"heart", "single", "resample", "reflect", "neutral", "neutral-varied"}
    heart = arms["heart"]
    assert heart["n"] == N
    assert len(heart["rounds"]) == 4
    accuracies = [r["accuracy"] for r in heart["rounds"]]
    assert accuracies == sorted(accuracies) and accuracies[0] < accuracies[-1]
    assert accuracies[0] == arms["single"]["accuracy"]  # round 0 is one shared call
    assert all(r["answered"] == 1.0 for r in heart["rounds"] if r["asked"])  # all in a box
    counts = heart["correct"] + heart["incorrect"] + sum(heart["unscored"].values())
    assert counts + heart["error"] == N
    # Shared calls are paid once, and shown in every arm that used them.
    assert summary["paid"]["calls"] == stats(url)["ok"]
    assert sum(row["calls"] for row in summary["arms"]) > summary["paid"]["calls"]
    assert stats(url)["repeated_answers"] == 0


def test_kill_nine_and_resume_asks_nothing_twice(
    problems: Path, tmp_path: Path, mock_server: Callable[..., str]
) -> None:
    options = ("--answers", str(tmp_path / "answers.jsonl"), "--ability", "0.4", "--gain", "0.2")
    whole_url = mock_server(*options)
    whole = heartloop(*run_args(problems, whole_url, "--name", "whole"), cwd=tmp_path)
    url = mock_server(*options, "--latency", "30")
    process = subprocess.Popen(
        [sys.executable, "-m", "heartloop", *run_args(problems, url, "--name", "cut"),
         "--concurrency", "8"],
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    journal = tmp_path / "runs" / "cut" / "calls.jsonl"
    deadline = time.monotonic() + 60
    while not (journal.exists() and journal.read_bytes().count(b"\n") > 60):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = journal.read_bytes().count(b"\n")
    resumed = heartloop("resume", "cut", "--json", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert stats(url)["repeated_answers"] <= 8  # only what was in flight
    assert comparable(json.loads(resumed.stdout)) == comparable(json.loads(whole.stdout))
    assert kept < json.loads(resumed.stdout)["paid"]["calls"]


def test_ctrl_c_saves_and_tells_how_to_go_on(
    problems: Path, tmp_path: Path, mock_server: Callable[..., str]
) -> None:
    url = mock_server("--latency", "50")
    process = subprocess.Popen(
        [sys.executable, "-m", "heartloop", *run_args(problems, url, "--name", "cut"),
         "--concurrency", "4"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    journal = tmp_path / "runs" / "cut" / "calls.jsonl"
    while not (journal.exists() and journal.read_bytes().count(b"\n") > 8):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert "heartloop resume" in err
    assert json.loads(out)["stopped"] == "interrupted"
    assert stats(url)["abandoned"] == 0  # calls in flight were awaited and kept


def test_a_token_cap_stops_cleanly_and_a_higher_one_goes_on(
    problems: Path, tmp_path: Path, mock_server: Callable[..., str]
) -> None:
    url = mock_server("--answers", str(tmp_path / "answers.jsonl"), "--tokens", "20")
    arguments = run_args(problems, url, "--name", "capped", "--max-tokens", "50")
    done = heartloop(*arguments, "--max-total-tokens", "1500", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    summary = json.loads(done.stdout)
    tokens = summary["paid"]["tokens"]
    assert tokens["prompt"] + tokens["completion"] <= 1500
    assert "--max-total-tokens" in summary["stopped"]
    again = heartloop("resume", "capped", "--max-total-tokens", "1000000", "--json", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["arms"][0]["accuracy"] == 1.0


def test_every_question_ends_under_faults(
    problems: Path, tmp_path: Path, mock_server: Callable[..., str]
) -> None:
    url = mock_server(
        "--answers", str(tmp_path / "answers.jsonl"), "--p429", "0.2", "--p500", "0.05",
        "--pmalformed", "0.03", "--pdisconnect", "0.03", "--pempty", "0.05", "--ptruncate", "0.05",
        "--retry-after", "0.05",
    )  # fmt: skip
    done = heartloop(*run_args(problems, url, "--method", "single"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)["arms"][0]
    assert row["n"] == N
    assert row["unscored"].keys() <= {"empty", "truncated"}
    assert row["unscored"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--task", "no_such_task"], "no_such_task"),
        (["--task", "missing.jsonl"], "missing.jsonl"),
        (["--method", "hart"], "heart"),
        (["--stimuli", "emotionpromt"], "emotionprompt"),
        (["--rounds", "x"], "rounds"),
        (["--concurrency", "many"], "concurrency"),
        (["--base-url", "localhost:1"], "base-url"),
        (["--plan", "absent.yaml"], "absent.yaml"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_two(
    problems: Path, tmp_path: Path, arguments: list[str], word: str
) -> None:
    base = ["run", "--model", "server/mock"]
    if "--task" not in arguments and "--plan" not in arguments:
        base += ["--task", str(problems)]
    done = heartloop(*base, *arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert word in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_server_that_is_down_stops_the_run_with_its_own_message(
    problems: Path, tmp_path: Path
) -> None:
    done = heartloop(*run_args(problems, "http://127.0.0.1:9/v1"), cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "127.0.0.1:9" in done.stderr


def test_a_wrong_model_name_is_told_with_those_that_exist(
    problems: Path, tmp_path: Path, mock_server: Callable[..., str]
) -> None:
    url = mock_server("--model", "real-name")
    done = heartloop(*run_args(problems, url), cwd=tmp_path)
    assert done.returncode == 1
    assert "mock" in done.stderr and "Traceback" not in done.stderr


def test_a_name_that_exists_is_refused(
    problems: Path, tmp_path: Path, mock_server: Callable[..., str]
) -> None:
    url = mock_server()
    arguments = run_args(problems, url, "--name", "mine", "--method", "single", "--limit", "2")
    assert heartloop(*arguments, cwd=tmp_path).returncode == 0
    again = heartloop(*arguments, cwd=tmp_path)
    assert again.returncode == 2
    assert "resume" in again.stderr


def test_a_plan_from_the_manifest_repeats_the_run(
    problems: Path, tmp_path: Path, mock_server: Callable[..., str]
) -> None:
    url = mock_server("--answers", str(tmp_path / "answers.jsonl"), "--ability", "0.5")
    first = heartloop(
        *run_args(problems, url, "--name", "first", "--limit", "20", "--sample", "3"), cwd=tmp_path
    )
    assert first.returncode == 0, first.stderr
    manifest = tmp_path / "runs" / "first" / "manifest.json"
    second = heartloop("run", "--plan", str(manifest), "--json", cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    assert comparable(json.loads(second.stdout)) == comparable(json.loads(first.stdout))


def test_scoring_again_rebuilds_the_same_summary(
    problems: Path, tmp_path: Path, mock_server: Callable[..., str]
) -> None:
    url = mock_server("--answers", str(tmp_path / "answers.jsonl"), "--ability", "0.5")
    first = heartloop(*run_args(problems, url, "--name", "first"), cwd=tmp_path)
    before = stats(url)["requests"]
    (tmp_path / "runs" / "first" / "verdicts.jsonl").unlink()
    again = heartloop("score", "first", "--json", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    rebuilt = json.loads(again.stdout)
    rebuilt.pop("scored_with")
    assert comparable(rebuilt) == comparable(json.loads(first.stdout))
    assert stats(url)["requests"] == before


def test_no_key_reaches_a_file_or_the_screen(
    problems: Path, tmp_path: Path, mock_server: Callable[..., str]
) -> None:
    url = mock_server("--model", "another")
    secret = "sk-planted-5f3a9c"
    done = heartloop(
        *run_args(problems, url, "--limit", "2"), cwd=tmp_path, env={"HEARTLOOP_API_KEY": secret}
    )
    assert done.returncode == 1
    seen = done.stdout + done.stderr
    for file in (tmp_path / "runs").rglob("*"):
        if file.is_file():
            seen += file.read_text(errors="replace")
    assert secret not in seen
