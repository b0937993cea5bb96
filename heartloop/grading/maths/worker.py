"""The process inside the maths pool: reads a comparison a line, writes a verdict a line."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
from typing import Any

_GROWTH_KB = 500_000  # resident memory at which a worker asks to be replaced


def main(memory_mb: int, cpu_seconds: int) -> None:
    """Serve until the pipe closes.

    Args:
        memory_mb: address space limit in MiB.
        cpu_seconds: CPU seconds a single task may use before the kernel ends this process:
            the last line of defence where the parent is gone and cannot kill.
    """
    _die_with_parent()
    reply_to = os.fdopen(os.dup(1), "w", encoding="utf-8")
    source = sys.stdin
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # a stray print must not become a reply
    sys.setrecursionlimit(3000)
    with contextlib.suppress(AttributeError):
        sys.set_int_max_str_digits(100_000)
    from heartloop.grading.maths.compare import warm_up

    warm_up()
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    reply_to.write("ready\n")
    reply_to.flush()
    for line in source:
        _limit_cpu(cpu_seconds)
        reply: dict[str, Any]
        try:
            task = json.loads(line)
            reply = _reply(task)
        except MemoryError:
            reply = {
                "outcome": "undecided",
                "detail": "needed more memory than allowed",
                "recycle": True,
            }
        except RecursionError:
            reply = {"outcome": "undecided", "detail": "nested too deeply", "recycle": True}
        except Exception as error:  # any failure of a parser on hostile text is "undecided"
            reply = {"outcome": "undecided", "detail": f"could not be compared: {error!r}"[:200]}
        if _resident_kb() > _GROWTH_KB:
            reply["recycle"] = True
        reply_to.write(json.dumps(reply) + "\n")
        reply_to.flush()


def _resident_kb() -> int:
    """Resident memory in KiB. Not ``ru_maxrss`` on Linux: a child begins with its parent's peak."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize() // 1024
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak // 1024 if sys.platform == "darwin" else peak


def _reply(task: dict[str, Any]) -> dict[str, Any]:
    engine = task.get("engine")
    if engine == "load":
        import math_verify  # noqa: F401  (half a second: only when a pair needs it)

        return {"outcome": "loaded", "detail": ""}
    if engine == "sympy":
        from heartloop.grading.maths.sympy_engine import compare_with_sympy

        outcome, detail = compare_with_sympy(task["gold"], task["answer"])
        return {"outcome": outcome, "detail": detail[:500]}
    from heartloop.grading.maths.compare import compare_answers, wants_sympy

    params = task.get("params") or {}
    outcome, detail = compare_answers(
        task["gold"], task["answer"], params, task.get("question") or ""
    )
    reply: dict[str, Any] = {"outcome": outcome, "detail": detail[:500]}
    if outcome != "correct" and wants_sympy(task["gold"], task["answer"], detail):
        reply["sympy"] = True
    return reply


def _limit_cpu(seconds: int) -> None:
    """Let the kernel end this process when one task uses more CPU than allowed."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + 1 + seconds
    with contextlib.suppress(ValueError, OSError):
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))


def _die_with_parent() -> None:
    """On Linux, ask the kernel to end this process with its parent, even inside a C call."""
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    with contextlib.suppress(Exception):
        import ctypes
        import signal

        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(0)
