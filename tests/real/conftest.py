"""SmolLM2 for tests on a real model: its folder, one plain server over it, and the command line.

`make test-real` makes the environment, fetches the model and runs them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from heartloop.models.fetched import PACKAGES, gguf_of, local_model
from heartloop.serving.vllm import free_port, vllm_python

ROOT = Path(__file__).parents[2]
SMALL = ("--enforce-eager", "--dtype=float32", "--max-model-len=2048")
"""No compiling, and the numbers that transformers computes in on a CPU."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.real)
            item.add_marker(pytest.mark.timeout(900))


def environment() -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    path = os.pathsep.join(filter(None, [str(ROOT), env.get("PYTHONPATH", "")]))
    return {**env, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}


def heartloop_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "heartloop", *arguments]


@pytest.fixture
def heartloop(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs a command in an empty folder; gives what it printed as JSON."""

    def call(*arguments: str) -> dict[str, Any]:
        done = subprocess.run(
            heartloop_command(*arguments, "--json"),
            cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=800,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    return call


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """SmolLM2 as a folder, unpacked from the GGUF that ``heartloop models get`` fetched."""
    if not gguf_of(PACKAGES["smollm2"]).exists():
        pytest.skip("SmolLM2 is not here: heartloop models get smollm2")
    return Path(local_model("vllm/smollm2", "smollm2", vllm_python()))


@pytest.fixture(scope="session")
def server(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a plain OpenAI-compatible server that heartloop did not start."""
    port = free_port()
    log = tmp_path_factory.mktemp("server") / "log.txt"
    with log.open("w") as out:
        process = subprocess.Popen(
            [
                vllm_python(), "-m", "vllm.entrypoints.openai.api_server", "--model", str(smollm2),
                "--served-model-name", "smollm2", "--host", "127.0.0.1", "--port", str(port),
                *SMALL,
            ],
            stdout=out, stderr=subprocess.STDOUT, env=environment(), start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 600
        while not answers(f"http://127.0.0.1:{port}/health"):
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, "the server was not ready in ten minutes"
            time.sleep(1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture
def sums(tmp_path: Path) -> str:
    """A table of sums: short answers, no data folder needed."""
    rows = [(a, b) for a in range(2, 8) for b in range(3, 9)]
    text = "".join(f'"What is {a} + {b}? Answer with the number.",{a + b}\n' for a, b in rows)
    (tmp_path / "sums.csv").write_text("question,answer\n" + text)
    return "sums.csv"


def records(run: Path) -> list[dict[str, Any]]:
    """The journal of a run."""
    return [json.loads(line) for line in (run / "calls.jsonl").read_text().splitlines()]
