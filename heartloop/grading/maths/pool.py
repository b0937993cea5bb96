"""The killable maths pool: worker processes that cost at most one time limit and one worker."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heartloop.grading.maths.caps import MAX_LENGTH
from heartloop.turn import Turns

_ROOT = str(Path(__file__).resolve().parents[3])
START_SECONDS = 20.0
START_ATTEMPTS = 3
START_FAILURES = (OSError, RuntimeError, asyncio.TimeoutError)
_MAIN = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from heartloop.grading.maths.worker import main; main(int(sys.argv[2]), int(sys.argv[3]))"
)


@dataclass(frozen=True, slots=True)
class PoolStats:
    """What a pool has done so far.

    Attributes:
        tasks: comparisons sent to a worker; killed: workers stopped for time;
        died: workers that ended by themselves (memory, crash); seconds: wall time waited for
        workers, summed over tasks.
    """

    tasks: int = 0
    killed: int = 0
    died: int = 0
    seconds: float = 0.0


class _Worker:
    """One child process that answers one line of JSON with one line of JSON.

    Plain pipes and ``add_reader`` instead of asyncio's subprocess transports: those belong to one
    event loop for ever, a pool may see several.
    """

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.starting: asyncio.Task[None] | None = None
        self.done = 0
        self.loaded = False  # whether sympy is imported

    async def start(self, memory_mb: int, cpu_seconds: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _MAIN, _ROOT, str(memory_mb), str(cpu_seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # a Ctrl-C in the terminal is the parent's to handle
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        os.set_blocking(self.process.stdin.fileno(), False)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.done = 0
        self.loaded = False
        line = await asyncio.wait_for(self._readline(), START_SECONDS)
        if line.strip() != b"ready":
            self.kill()
            raise RuntimeError("a maths worker did not start; see `heartloop doctor`")

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    async def ask(self, payload: bytes) -> bytes:
        """One line there, one line back; empty where the process ended."""
        process = self.process
        assert process is not None and process.stdin is not None
        # at most one task is under way, so the pipe is empty and takes the whole payload
        written = os.write(process.stdin.fileno(), payload)
        if written != len(payload):
            raise OSError("the worker does not read its pipe")
        self.done += 1
        return await self._readline()

    async def _readline(self) -> bytes:
        assert self.process is not None and self.process.stdout is not None
        loop = asyncio.get_running_loop()
        source = self.process.stdout.fileno()
        line: asyncio.Future[bytes] = loop.create_future()
        buffer = bytearray()

        def readable() -> None:
            try:
                chunk = os.read(source, 65536)
            except BlockingIOError:
                return
            except OSError:
                chunk = b""
            buffer.extend(chunk)
            if not line.done() and (not chunk or buffer.endswith(b"\n")):
                line.set_result(bytes(buffer) if chunk else b"")

        loop.add_reader(source, readable)
        try:
            return await line
        finally:
            loop.remove_reader(source)

    def kill(self) -> None:
        """End the process and collect it; killed by number, so it works in any state."""
        process, self.process = self.process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)


class MathPool:
    """Worker processes for comparisons that may never end.

    A task costs at most ``timeout`` seconds and one worker: the process is killed and replaced,
    the other workers go on. Workers start when the first task comes, have a memory limit
    (RLIMIT_AS) and a CPU limit (RLIMIT_CPU), and end when their pipe closes or their parent dies.
    The pool belongs to the event loop that uses it; used from another loop it starts anew.
    """

    def __init__(
        self,
        workers: int | None = None,
        *,
        timeout: float = 2.0,
        memory_mb: int = 1536,
        recycle: int = 20_000,
    ) -> None:
        """Describe a pool; nothing is started yet.

        Args:
            workers: number of processes; half of the cores (at least one) by default.
            timeout: seconds a task may take before its worker is killed.
            memory_mb: address space of a worker, in MiB.
            recycle: tasks after which a worker is replaced, so that nothing can grow.
        """
        self.workers = workers or max(1, (os.cpu_count() or 2) // 2)
        self.timeout = timeout
        self.memory_mb = memory_mb
        self.recycle = recycle
        self.stats = PoolStats()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._idle: asyncio.Queue[_Worker] | None = None
        self._turns = Turns(self.workers)
        self._all: list[_Worker] = []
        self._pid = os.getpid()

    async def run(self, task: dict[str, Any]) -> dict[str, Any]:
        """Have one task done.

        Args:
            task: JSON-able; ``gold`` and ``answer`` texts over the length cap are refused.

        Returns:
            The worker's reply, or ``{"outcome": "undecided", "detail": …}`` where the task was
            refused, ran out of time or memory, or broke the worker.
        """
        payload = json.dumps(task).encode() + b"\n"
        if len(payload) > 16 * MAX_LENGTH:
            return _undecided(f"the texts are longer than {MAX_LENGTH} characters")
        idle, turns = self._queue()
        async with turns.place():
            return await self._run(idle, task, payload)

    async def _run(
        self, idle: asyncio.Queue[_Worker], task: dict[str, Any], payload: bytes
    ) -> dict[str, Any]:
        worker = await idle.get()
        started = time.perf_counter()
        try:
            try:
                await self._ready(worker)
            except START_FAILURES as error:
                return _undecided(f"no maths worker could be started ({error})")
            started = time.perf_counter()
            try:
                line = await asyncio.wait_for(worker.ask(payload), self.timeout)
            except asyncio.TimeoutError:
                self._count(killed=1)
                self._replace(worker)
                return _undecided(f"the comparison took longer than {self.timeout:g} s")
            except (OSError, ValueError) as error:
                self._count(died=1)
                self._replace(worker)
                return _undecided(f"the worker failed ({type(error).__name__})")
            except asyncio.CancelledError:
                self._replace(worker)
                raise
            if not line:
                self._count(died=1)
                self._replace(worker)
                return _undecided("the comparison needed more memory or time than a worker has")
            reply: dict[str, Any] = json.loads(line)
            if reply.pop("sympy", False):
                reply = await self._with_sympy(worker, task, reply)
            if reply.pop("recycle", False) or worker.done >= self.recycle:
                self._replace(worker)
            return reply
        finally:
            self._count(tasks=1, seconds=time.perf_counter() - started)
            idle.put_nowait(worker)

    async def _with_sympy(
        self, worker: _Worker, task: dict[str, Any], first: dict[str, Any]
    ) -> dict[str, Any]:
        """A second opinion on what the own reader could not read; it may only say “correct”."""
        try:
            if not worker.loaded:
                await asyncio.wait_for(worker.ask(b'{"engine": "load"}\n'), 60)
                worker.loaded = True
            second = {"engine": "sympy", "gold": task["gold"], "answer": task["answer"]}
            payload = json.dumps(second).encode() + b"\n"
            line = await asyncio.wait_for(worker.ask(payload), self.timeout)
            reply: dict[str, Any] = json.loads(line)
        except (OSError, ValueError, asyncio.TimeoutError):
            self._count(killed=1)
            self._replace(worker)
            return first
        return reply if reply["outcome"] == "correct" else first

    async def close(self) -> None:
        """Stop all workers."""
        workers, self._all = self._all, []
        same = self._loop is asyncio.get_running_loop()
        mine = self._pid == os.getpid()
        self._loop = self._idle = None
        for worker in workers:
            if worker.starting is not None and same:
                worker.starting.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await worker.starting
            if mine:
                worker.kill()

    def _queue(self) -> tuple[asyncio.Queue[_Worker], Turns]:
        loop = asyncio.get_running_loop()
        if self._loop is not loop or self._pid != os.getpid() or self._idle is None:
            if self._pid == os.getpid():  # after a fork the old workers are the parent's
                for worker in self._all:
                    worker.kill()
            self._pid = os.getpid()
            self._loop = loop
            self._all = [_Worker() for _ in range(self.workers)]
            self._idle = asyncio.LifoQueue()  # the warm worker first: a light load starts one
            for worker in self._all:
                self._idle.put_nowait(worker)
            self._turns = Turns(self.workers)
        return self._idle, self._turns

    async def _ready(self, worker: _Worker) -> None:
        """Have a worker that said it is ready; one that never says so is killed and replaced.

        Raises:
            RuntimeError, OSError, asyncio.TimeoutError: no worker starts at all.
        """
        if worker.starting is not None:
            starting, worker.starting = worker.starting, None
            try:
                await starting
            except START_FAILURES:
                worker.kill()
        for attempt in range(1, START_ATTEMPTS + 1):
            if worker.alive():
                return
            try:
                await worker.start(self.memory_mb, _cpu_seconds(self.timeout))
            except START_FAILURES:
                # One that did not say "ready" must not be asked: its next line is no answer.
                worker.kill()
                if attempt == START_ATTEMPTS:
                    raise

    def _replace(self, worker: _Worker) -> None:
        """Kill a worker and start its successor beside the others."""
        worker.kill()
        start = worker.start(self.memory_mb, _cpu_seconds(self.timeout))
        worker.starting = asyncio.get_running_loop().create_task(start)
        worker.starting.add_done_callback(_retrieve)

    def _count(
        self, *, tasks: int = 0, killed: int = 0, died: int = 0, seconds: float = 0.0
    ) -> None:
        old = self.stats
        self.stats = PoolStats(
            old.tasks + tasks, old.killed + killed, old.died + died, old.seconds + seconds
        )


def _cpu_seconds(timeout: float) -> int:
    return int(timeout) + 2


def _undecided(detail: str) -> dict[str, Any]:
    return {"outcome": "undecided", "detail": detail}


def _retrieve(task: asyncio.Task[None]) -> None:
    """Look at a failed start, so that asyncio does not complain; the next use starts again."""
    if not task.cancelled():
        task.exception()
