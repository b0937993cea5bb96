"""The real vLLM on CPU with the embedded model: killed in the middle, restarted, resumed, stopped.

Needs an interpreter with vLLM in ``HEARTLOOP_VLLM_PYTHON`` (``make test-vllm`` makes one).
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(
        "HEARTLOOP_VLLM_PYTHON" not in os.environ, reason="HEARTLOOP_VLLM_PYTHON is not set"
    ),
    pytest.mark.timeout(1200),
]

CHECKPOINT = Path(__file__).parents[2] / "heartloop" / "models" / "pocket" / "checkpoint"
QUESTIONS = "100"


def environment() -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**env, "HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}


def command(*more: str) -> list[str]:
    return [
        sys.executable, "-m", "heartloop", "run", "--task", "olympiad", "--practice",
        "--limit", QUESTIONS, "--rounds", "5", "--model", f"vllm/{CHECKPOINT}",
        "--controls", "none", "--vllm-arg=--enforce-eager",
        "--vllm-arg=--max-num-batched-tokens=65536", "--max-tokens", "200",
        "--concurrency", "32", "--json", *more,
    ]  # fmt: skip


def vllm_processes() -> list[int]:
    """Processes of vLLM servers on this machine that serve the checkpoint, and their engines."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True)
    found = []
    for line in listed.stdout.splitlines():
        if re.search(r"vllm\.entrypoints|VLLM::EngineCore", line) and "guard.py" not in line:
            found.append(int(line.split()[0]))
    return found


def lines_of(journal: Path) -> int:
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def wait_for(condition: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.2)


def test_a_server_killed_in_the_middle_costs_nothing(tmp_path: Path) -> None:
    journal = tmp_path / "runs" / "r" / "calls.jsonl"
    process = subprocess.Popen(
        command("--name", "r"), cwd=tmp_path, env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    wait_for(lambda: lines_of(journal) > 60, 300)
    for pid in vllm_processes():
        os.kill(pid, signal.SIGKILL)
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    row = json.loads(out)["arms"][0]
    assert row["n"] == int(QUESTIONS)
    assert row["error"] == 0
    wait_for(lambda: not vllm_processes(), 60)


def test_kill_nine_of_heartloop_leaves_no_server_and_resumes(tmp_path: Path) -> None:
    journal = tmp_path / "runs" / "r" / "calls.jsonl"
    process = subprocess.Popen(
        command("--name", "r"), cwd=tmp_path, env=environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_for(lambda: lines_of(journal) > 60, 300)
    process.kill()
    process.wait()
    wait_for(lambda: not vllm_processes(), 60)
    kept = lines_of(journal)
    done = subprocess.run(
        [sys.executable, "-m", "heartloop", "resume", "r", "--json"],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["arms"][0]["n"] == int(QUESTIONS)
    keys = [json.loads(line)["key"] for line in journal.read_text().splitlines()]
    assert len(keys) == len(set(keys)), "a journalled call was asked again"
    assert len(keys) > kept
    wait_for(lambda: not vllm_processes(), 60)
