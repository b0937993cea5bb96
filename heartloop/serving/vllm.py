"""vLLM servers on this machine: one a GPU (or a group of GPUs), watched and restarted."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
import time
import urllib.request
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from heartloop.errors import HeartloopError, UsageError
from heartloop.serving.cards import visible_gpus

log = logging.getLogger("heartloop.serving")

START_SECONDS = 1800.0  # a first start may download and compile
MOST_RESTARTS = 5
TAIL_LINES = 40
SEED_DEATH = "CPU Generator does not use offset"
# Lines of vLLM's log worth showing while one waits.
PROGRESS = (
    "Loading",
    "loading",
    "Starting",
    "Capturing",
    "Compil",
    "compil",
    "Download",
    "KV cache",
    "Error",
    "error",
)


def gpu_groups(gpus: Sequence[str], tensor_parallel: int) -> list[tuple[str, ...]]:
    """GPUs of each server: groups of ``tensor_parallel``; one group without any on a CPU.

    Raises:
        UsageError: the GPUs cannot be divided that way.
    """
    if not gpus:
        if tensor_parallel > 1:
            raise UsageError(
                f"--tensor-parallel {tensor_parallel}: no GPU is visible here; see heartloop doctor"
            )
        return [()]
    if len(gpus) % tensor_parallel:
        raise UsageError(
            f"--tensor-parallel {tensor_parallel}: {len(gpus)} GPUs cannot be divided into groups "
            f"of {tensor_parallel}; set CUDA_VISIBLE_DEVICES"
        )
    return [tuple(gpus[i : i + tensor_parallel]) for i in range(0, len(gpus), tensor_parallel)]


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def vllm_python() -> str:
    """The interpreter that has vLLM: ``HEARTLOOP_VLLM_PYTHON``, else this one."""
    return os.environ.get("HEARTLOOP_VLLM_PYTHON", sys.executable)


@dataclass(slots=True)
class Server:
    """One vLLM process behind its guard.

    Attributes:
        gpus: ids it may use; empty on a CPU.
        port: on loopback; kept over restarts, so that clients find it again.
        tail: the last lines of its log.
        restarts: how often it died and was started again.
    """

    model: str
    gpus: tuple[str, ...]
    port: int
    arguments: tuple[str, ...]
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    process: asyncio.subprocess.Process | None = None
    healthy: asyncio.Event = field(default_factory=asyncio.Event)
    restarts: int = 0
    failure: str = ""

    @property
    def base_url(self) -> str:
        """Root of its API."""
        return f"http://127.0.0.1:{self.port}/v1"

    def command(self) -> list[str]:
        """The command line; the module form works where the ``vllm`` script does not."""
        return [
            vllm_python(), "-m", "vllm.entrypoints.openai.api_server",
            "--model", self.model, "--host", "127.0.0.1", "--port", str(self.port),
            *(["--tensor-parallel-size", str(len(self.gpus))] if len(self.gpus) > 1 else []),
            *self.arguments,
        ]  # fmt: skip

    def environment(self) -> dict[str, str]:
        """The environment of the process."""
        env = {**os.environ, "VLLM_NO_USAGE_STATS": "1"}
        env.pop("PYTHONDONTWRITEBYTECODE", None)  # cached bytecode halves the start
        if self.gpus:
            env["CUDA_VISIBLE_DEVICES"] = ",".join(self.gpus)
        else:
            env.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
        return env


class Fleet:
    """The servers of one model on this machine.

    ``start`` brings them all up; each is watched and started again on its port when it dies;
    ``close`` ends them. A guard process ends them, too, when this process is killed.
    """

    def __init__(
        self,
        model: str,
        *,
        arguments: Sequence[str] = (),
        tensor_parallel: int = 1,
        groups: Sequence[tuple[str, ...]] | None = None,
    ) -> None:
        """Describe the fleet; nothing is started.

        Args:
            model: folder or hub id.
            arguments: of every server.
            tensor_parallel: GPUs a server spans, where they are divided here.
            groups: the GPUs of each server; None divides all that are visible.

        Raises:
            UsageError: the GPUs cannot be divided into groups.
        """
        if groups is None:
            groups = gpu_groups(visible_gpus(), tensor_parallel)
        self.servers = [Server(model, gpus, free_port(), tuple(arguments)) for gpus in groups]
        self._watchers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start every server and wait until all are healthy.

        Raises:
            HeartloopError: one ended before it was healthy; with the last lines of its log.
        """
        self._watchers = [asyncio.create_task(self._keep(server)) for server in self.servers]
        try:
            await asyncio.gather(*(self.wait_healthy(server) for server in self.servers))
        except BaseException:
            await self.close()
            raise

    async def wait_healthy(self, server: Server) -> None:
        """Wait until a server answers; raises HeartloopError when it never will."""
        watcher = self._watchers[self.servers.index(server)]
        waiting = asyncio.create_task(server.healthy.wait())
        try:
            await asyncio.wait({waiting, watcher}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if not server.healthy.is_set():
            raise HeartloopError(explain(server))

    async def any_healthy(self) -> None:
        """Wait until at least one server answers.

        Raises:
            HeartloopError: all have died for good.
        """
        if any(server.healthy.is_set() for server in self.servers):
            return
        tasks = [asyncio.create_task(self.wait_healthy(server)) for server in self.servers]
        try:
            done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            while pending and all(task.exception() for task in done):
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        if not any(server.healthy.is_set() for server in self.servers):
            raise HeartloopError(explain(self.servers[0]))

    async def close(self) -> None:
        """End every server and wait until it is gone."""
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        self._watchers = []
        await asyncio.gather(*(_end(server) for server in self.servers))

    async def _keep(self, server: Server) -> None:
        """Run a server, again and again while it is worth it."""
        while True:
            await self._run_once(server)
            if server.failure or server.restarts >= MOST_RESTARTS:
                server.failure = server.failure or f"it died {server.restarts + 1} times"
                return
            server.restarts += 1
            log.warning(
                "vLLM server on port %d died (%s); starting it again, %d of %d",
                server.port,
                reason_of(server),
                server.restarts,
                MOST_RESTARTS,
            )

    async def _run_once(self, server: Server) -> None:
        guard = Path(__file__).with_name("guard.py")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(guard),
            *server.command(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=server.environment(),
            start_new_session=True,
            limit=1 << 20,
        )
        server.process = process
        reader = asyncio.create_task(_read_log(server, process))
        health = asyncio.create_task(_wait_for_health(server))
        ended = asyncio.create_task(process.wait())
        try:
            await asyncio.wait({health, ended}, return_when=asyncio.FIRST_COMPLETED)
            if health.done() and not ended.done():
                if health.result():
                    log.info("vLLM server on port %d is ready", server.port)
                    server.healthy.set()
                else:
                    server.failure = f"it was not ready within {START_SECONDS:.0f} s"
                    await _end(server)
                await ended
            elif server.restarts == 0:
                server.failure = "it ended while starting"
        finally:
            server.healthy.clear()
            for task in (health, ended):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError, asyncio.TimeoutError):
                await asyncio.wait_for(reader, 2)


async def _read_log(server: Server, process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    while True:
        try:
            raw = await process.stdout.readline()
        except ValueError:  # a line over the limit; what follows is still worth reading
            continue
        if not raw:
            return
        line = raw.decode("utf-8", "replace").rstrip()
        server.tail.append(line)
        if not server.healthy.is_set() and any(word in line for word in PROGRESS):
            log.info("vLLM %d: %s", server.port, line[-160:])


async def _wait_for_health(server: Server) -> bool:
    deadline = time.monotonic() + START_SECONDS
    url = f"http://127.0.0.1:{server.port}/health"
    while time.monotonic() < deadline:
        if await asyncio.to_thread(_answers, url):
            return True
        await asyncio.sleep(0.5)
    return False


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            healthy: bool = answer.status == 200
            return healthy
    except OSError:
        return False


async def _end(server: Server) -> None:
    process = server.process
    if process is None or process.returncode is not None:
        return
    assert process.stdin is not None
    process.stdin.close()  # the guard ends the server and all its workers
    try:
        await asyncio.wait_for(process.wait(), 30)
    except asyncio.TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def reason_of(server: Server) -> str:
    """The line of a server's log that most likely says why it ended."""
    for line in reversed(server.tail):
        if SEED_DEATH in line:
            return (
                f"{SEED_DEATH}: vLLM on CPU cannot serve seeded requests in one batch with chunked "
                "prefill; use --request-seeds off or --vllm-arg=--max-num-batched-tokens=65536"
            )
    for line in reversed(server.tail):
        if "Error" in line or "error:" in line:
            return line[-300:]
    return server.tail[-1][-300:] if server.tail else "it said nothing"


def explain(server: Server) -> str:
    """One line: which server, what it said, and what may help."""
    hint = ""
    if any("No module named" in line and "vllm" in line for line in server.tail):
        hint = "; install vLLM (pip install 'heartloop[vllm]') or set HEARTLOOP_VLLM_PYTHON"
    return (
        f"vLLM server for {server.model} on port {server.port}: {server.failure or 'it ended'}: "
        f"{reason_of(server)}{hint}"
    )
