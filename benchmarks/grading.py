"""100,000 gradings of recorded answers: rate, share of time in the comparator, memory.

Usage: python benchmarks/grading.py [N] [FILE.jsonl]
FILE has lines with ``final_answer`` and ``raw_output`` (recorded OlympiadBench outputs); without it
synthetic answers are graded.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import sys
import time
from pathlib import Path

from heartloop.grading import open_grader
from heartloop.types import Completion, Gold, Question


def synthetic(count: int) -> list[tuple[str, str]]:
    """Gold and completion: nine of ten plain numbers, one a formula."""
    draw = random.Random(0)
    rows = []
    for k in range(count):
        value = draw.randint(0, 999)
        if k % 10:
            said = draw.choice([value, value + 1])
            rows.append((str(value), f"We add and get \\boxed{{{said}}}"))
        else:
            c = draw.randint(1, 20)
            rows.append((f"(x+{c})^2", f"Thus \\boxed{{x^2+{2 * c}x+{c * c}}}."))
    return rows


def recorded(path: Path, count: int) -> list[tuple[str, str]]:
    """Recorded outputs, repeated up to ``count``."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    pairs = [(row["final_answer"][0], row["raw_output"]) for row in rows]
    return [pairs[k % len(pairs)] for k in range(count)]


async def grade_all(rows: list[tuple[str, str]]) -> None:
    """Grade in batches and print what it took after each tenth."""
    grader = open_grader("math")
    question = Question("1", "t", 0, "?")
    started = time.perf_counter()
    step = max(1, len(rows) // 10)
    seconds_comparing = 0.0
    compare = grader.compare

    async def timed(*args: object) -> object:
        nonlocal seconds_comparing
        before = time.perf_counter()
        try:
            return await compare(*args)  # type: ignore[arg-type]
        finally:
            seconds_comparing += time.perf_counter() - before

    grader.compare = timed  # type: ignore[assignment,method-assign]
    for start in range(0, len(rows), step):
        for gold, text in rows[start : start + step]:
            await grader.grade(question, Gold("1", (gold,)), Completion(text))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        elapsed = time.perf_counter() - started
        done = min(start + step, len(rows))
        print(f"{done:>8} graded  {done / elapsed:>8.0f}/s  {memory:6.1f} MiB")
    elapsed = time.perf_counter() - started
    stats = grader.pool.stats
    print(
        f"{len(rows)} gradings in {elapsed:.1f} s: {len(rows) / elapsed:.0f}/s; comparing "
        f"{seconds_comparing / elapsed:.0%} of the time, of it in workers "
        f"{stats.seconds / elapsed:.0%} ({stats.tasks} tasks, {stats.killed} killed); "
        f"cache: {grader.hits} hits, {grader.misses} misses"
    )
    await grader.close()


if __name__ == "__main__":
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    source = sys.argv[2] if len(sys.argv) > 2 else None
    asyncio.run(grade_all(recorded(Path(source), total) if source else synthetic(total)))
