"""What heartloop's DSPy pieces cost a call, against bare DSPy, in one process and one run.

    python benchmarks/dspy_overhead.py --server MOCK_OPENAI.py --calls 400

Rows: a program bare; with a stimulus in its instructions; inside a HeartLoop of no rounds (the
wrapper alone); each of them on ``dspy.LM`` and on heartloop's engine (journal, limits and ledger
on). One call at a time, no cache. Rows take turns call by call. Printed are medians of the CPU
time of this process (all threads; hardly disturbed by other work on the machine), the ratio to
bare DSPy, and wall time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import dspy

from heartloop.integrations.dspy import Engine, HeartLoop, with_stimulus

WARM = 20  # calls a row that are not counted


class Raw(dspy.ChatAdapter):
    """Takes the whole text for the answer: the mock server does not speak DSPy's format."""

    def parse(self, signature, completion):
        return {name: completion for name in signature.output_fields}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", type=Path, required=True, help="the mock server's file")
    parser.add_argument("--calls", type=int, default=400, help="a row")
    args = parser.parse_args()
    process = subprocess.Popen(
        [sys.executable, str(args.server), "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    url = f"http://127.0.0.1:{process.stdout.readline().split()[1]}/v1"
    try:
        with tempfile.TemporaryDirectory() as folder:
            with Engine("server/m", folder, base_urls=[url]) as engine:
                measure(engine, url, args)
    finally:
        process.terminate()
        process.wait()


def measure(engine: Engine, url: str, args: argparse.Namespace) -> None:
    bare = dspy.Predict("question -> answer")
    told = with_stimulus(bare, "emotionprompt:EP02")
    programs = {
        "bare": bare,
        "with_stimulus": told,
        "HeartLoop(rounds=0)": HeartLoop(bare, rounds=0),
    }
    lms = {
        "dspy.LM": dspy.LM("openai/m", api_base=url, api_key="none", cache=False, num_retries=0),
        "heartloop engine": engine.lm(),
    }
    rows = [(f"{name} on {lm}", programs[name], lms[lm]) for lm in lms for name in programs]
    number = 0
    wall: dict[str, list[float]] = {name: [] for name, _, _ in rows}
    cpu: dict[str, list[float]] = {name: [] for name, _, _ in rows}
    for turn in range(args.calls + WARM):
        for name, program, lm in rows[turn % len(rows) :] + rows[: turn % len(rows)]:
            number += 1
            with dspy.context(lm=lm, adapter=Raw()):
                began, used = time.perf_counter(), time.process_time()
                program(question=f"Problem {number}: what is it?")
                spent, worked = time.perf_counter() - began, time.process_time() - used
            if turn >= WARM:
                wall[name].append(1000 * spent)
                cpu[name].append(1000 * worked)
    base = statistics.median(cpu["bare on dspy.LM"])
    print(f"dspy {dspy.__version__}, {args.calls} calls a row, medians")
    for name in wall:
        own = statistics.median(cpu[name])
        print(
            f"{name:42} {own:6.2f} ms CPU a call  {own / base:5.2f} x bare dspy.LM  "
            f"{statistics.median(wall[name]):6.2f} ms wall"
        )


if __name__ == "__main__":
    main()
