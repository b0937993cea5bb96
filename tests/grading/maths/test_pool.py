"""The maths pool: time, memory and process hygiene."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from heartloop.grading import MathPool, grade_pairs, open_grader
from heartloop.types import Completion, Gold, Question

QUESTION = Question("1", "t", 0, "?")


@pytest.mark.parametrize(
    "hostile",
    [
        "7^{7^8}",
        "99999999!/99999998!",
        "9^{9^{9^9}}",
        "(" * 3000,
        r"\binom{10^9}{5}",
        "1" * 3900 + "!",
    ],
)
def test_hostile_input_is_unscored_within_the_limit(hostile):
    started = time.perf_counter()
    row = grade_pairs("math", [{"gold": "5", "prediction": hostile}])[0]
    assert row["verdict"] == "unscored"
    assert row["reason"].startswith("undecided")
    assert time.perf_counter() - started < 10  # a worker's start included, on a busy machine


def test_a_worker_that_hangs_is_killed_and_the_others_go_on():
    async def main() -> None:
        pool = MathPool(2, timeout=5.0)
        try:
            warm = MathPool(1, timeout=30)  # files read once: a busy machine must not look stuck
            await warm.run({"gold": "x+1", "answer": "1+x"})
            await warm.close()
            await asyncio.gather(*(pool.run({"gold": "x+1", "answer": "1+x"}) for _ in range(2)))
            pids = [w.process.pid for w in pool._all if w.process is not None]
            stuck = pids[0]
            os.kill(stuck, signal.SIGSTOP)  # as good as a C call that never returns
            replies = await asyncio.gather(
                *(pool.run({"gold": "x+1", "answer": f"{k}+x"}) for k in range(8))
            )
            outcomes = [reply["outcome"] for reply in replies]
            assert outcomes.count("undecided") == 1
            assert outcomes.count("correct") + outcomes.count("incorrect") == 7
            assert pool.stats.killed == 1
            again = await pool.run({"gold": "x+1", "answer": "1+x"})
            assert again["outcome"] == "correct"
        finally:
            await pool.close()
        for pid in pids:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)

    asyncio.run(main())


def test_workers_of_a_large_process_are_not_taken_for_large():
    async def main() -> None:
        ballast = b"x" * 600_000_000  # the parent's peak, which a child inherits as its own
        pool = MathPool(1, timeout=30)
        try:
            await pool.run({"gold": "x", "answer": "y"})
            first = pool._all[0].process
            await pool.run({"gold": "x", "answer": "x+0"})
            assert first is not None and pool._all[0].process is first
        finally:
            await pool.close()
        del ballast

    asyncio.run(main())


def test_a_worker_that_dies_leaves_the_answer_undecided():
    async def main() -> None:
        pool = MathPool(1, timeout=30)  # a busy machine must not look like a hang
        try:
            await pool.run({"gold": "x", "answer": "y"})
            worker = pool._all[0].process
            assert worker is not None
            os.kill(worker.pid, signal.SIGKILL)
            reply = await pool.run({"gold": "x", "answer": "x+0"})
            assert reply["outcome"] in ("undecided", "correct")
            assert (await pool.run({"gold": "x", "answer": "x+0"}))["outcome"] == "correct"
        finally:
            await pool.close()

    asyncio.run(main())


def test_the_event_loop_is_never_blocked():
    async def main() -> float:
        pool = MathPool(1)
        worst = 0.0
        done = False

        async def watch() -> None:
            nonlocal worst
            while not done:
                before = time.perf_counter()
                await asyncio.sleep(0.01)
                worst = max(worst, time.perf_counter() - before)

        watcher = asyncio.create_task(watch())
        try:
            for k in range(20):
                await pool.run({"gold": r"\sin(x)^2", "answer": rf"1-\cos(x)^2+0\cdot {k}"})
        finally:
            done = True
            await watcher
            await pool.close()
        return worst

    assert asyncio.run(main()) < 0.5


def test_the_pool_works_from_one_loop_after_another():
    pool = MathPool(1)

    async def once() -> str:
        return str((await pool.run({"gold": "2x", "answer": "x+x"}))["outcome"])

    async def close() -> None:
        await pool.close()

    assert [asyncio.run(once()) for _ in range(2)] == ["correct", "correct"]
    asyncio.run(close())


def test_no_orphan_outlives_a_killed_parent(tmp_path):
    code = (
        "import asyncio, sys, time\n"
        "from heartloop.grading import MathPool\n"
        "async def main():\n"
        "    pool = MathPool(1)\n"
        "    await pool.run({'gold': 'x+1', 'answer': '1+x'})\n"
        "    print(pool._all[0].process.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
        parent.wait(timeout=10)
        for _ in range(100):
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, 0)
                if _state(worker) == "Z":
                    break
                time.sleep(0.05)
                continue
            break
        else:
            pytest.fail("the worker outlived its parent")
    finally:
        parent.kill()


def _state(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


def test_plain_numbers_never_start_a_worker():
    async def main() -> None:
        grader = open_grader("math")
        for gold, text, outcome in (
            ("17", r"\boxed{17}", "correct"),
            ("0.5", r"\boxed{\frac{1}{2}}", "correct"),
            ("1,000", r"\boxed{1000}", "correct"),
            ("17", r"\boxed{18}", "incorrect"),
        ):
            graded = await grader.grade(QUESTION, Gold("1", (gold,)), Completion(text))
            assert graded.own.outcome == outcome
        assert grader.pool.stats.tasks == 0
        assert grader.pool._all == []
        await grader.close()

    asyncio.run(main())


def test_equal_pairs_are_compared_once():
    async def main() -> None:
        grader = open_grader("math")
        for _ in range(50):
            await grader.grade(QUESTION, Gold("1", ("x+1",)), Completion(r"\boxed{1+x}"))
        assert grader.pool.stats.tasks == 1
        assert (grader.misses, grader.hits) == (1, 49)  # one look for metric, content and form
        await grader.close()

    asyncio.run(main())
