"""Servers that heartloop starts: ready, restarted, stopped, and never orphaned.

A small stand-in takes vLLM's place here (called fake); `test_vllm_real.py` runs the real one.
"""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
import urllib.request
from pathlib import Path

import pytest

from heartloop.errors import HeartloopError, UsageError
from heartloop.serving.vllm import Fleet, gpu_groups

FAKE = """\
    #!{python}
    import http.server, os, subprocess, sys, threading
    port = int(sys.argv[sys.argv.index("--port") + 1])
    if "--die-at-start" in sys.argv:
        print("ValueError: no such model"); sys.exit(1)
    worker = subprocess.Popen(["sleep", "600"])
    print("Starting worker", worker.pid, flush=True)
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200); self.end_headers(); self.wfile.write(str(os.getpid()).encode())
        def log_message(self, *a): pass
    http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def fake_vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    script = tmp_path / "fake_vllm_python"
    script.write_text(textwrap.dedent(FAKE).format(python=sys.executable))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("HEARTLOOP_VLLM_PYTHON", str(script))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return script


def pid_of(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
        return int(answer.read())


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def wait_until(condition: object, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def worker_of(fleet: Fleet) -> int:
    line = next(line for line in reversed(fleet.servers[0].tail) if "worker" in line)
    return int(line.split()[-1])


def test_a_server_starts_serves_and_stops_with_its_workers(fake_vllm: Path) -> None:
    async def scenario() -> tuple[int, int]:
        fleet = Fleet("tiny")
        await fleet.start()
        pid = await asyncio.to_thread(pid_of, fleet.servers[0].port)
        worker = worker_of(fleet)
        await fleet.close()
        return pid, worker

    pid, worker = asyncio.run(scenario())
    wait_until(lambda: not alive(pid) and not alive(worker))


def test_a_server_that_dies_is_started_again_on_its_port(fake_vllm: Path) -> None:
    async def scenario() -> None:
        fleet = Fleet("tiny")
        await fleet.start()
        port = fleet.servers[0].port
        first = await asyncio.to_thread(pid_of, port)
        os.kill(first, signal.SIGKILL)
        while fleet.servers[0].healthy.is_set():
            await asyncio.sleep(0.05)
        await fleet.any_healthy()
        assert await asyncio.to_thread(pid_of, port) != first
        assert fleet.servers[0].restarts == 1
        await fleet.close()

    asyncio.run(scenario())


def test_a_server_that_cannot_start_says_why(fake_vllm: Path) -> None:
    async def scenario() -> None:
        await Fleet("tiny", arguments=["--die-at-start"]).start()

    with pytest.raises(HeartloopError, match="no such model"):
        asyncio.run(scenario())


def test_kill_nine_leaves_no_server_behind(fake_vllm: Path, tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import asyncio
        from heartloop.serving.vllm import Fleet
        async def main():
            fleet = Fleet("tiny")
            await fleet.start()
            print(fleet.servers[0].port, flush=True)
            await asyncio.sleep(600)
        asyncio.run(main())
        """
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert parent.stdout is not None
    port = int(parent.stdout.readline())
    server = pid_of(port)
    parent.kill()
    parent.wait()
    wait_until(lambda: not alive(server))


def test_gpus_are_grouped_by_tensor_parallel() -> None:
    assert gpu_groups(["0", "1", "2", "3"], 2) == [("0", "1"), ("2", "3")]
    assert gpu_groups([], 1) == [()]
    with pytest.raises(UsageError, match="3 GPUs"):
        gpu_groups(["0", "1", "2"], 2)
    with pytest.raises(UsageError, match="no GPU"):
        gpu_groups([], 2)
