"""What heartloop's DSPy pieces cost a call, against bare DSPy, in one process and one run.

    python benchmarks/dspy_overhead.py --server MOCK_OPENAI.py --calls 400

Rows: a program bare; with a stimulus in its instructions; inside a HeartLoop of no rounds (the
wrapper alone); each of them on ``dspy.LM`` and on heartloop's engine (journal, limits and ledger
on). One call at a time, no cache. Rows are interleaved, and the median over rounds is printed as
milliseconds a call and as a ratio to bare DSPy.
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


class Raw(dspy.ChatAdapter):
    """Takes the whole text for the answer: the mock server does not speak DSPy's format."""

    def parse(self, signature, completion):
        return {name: completion for name in signature.output_fields}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", type=Path, required=True, help="the mock server's file")
    parser.add_argument("--calls", type=int, default=400, help="a row, over all rounds")
    parser.add_argument("--rounds", type=int, default=8)
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
    times: dict[str, list[float]] = {name: [] for name, _, _ in rows}
    each = max(1, args.calls // args.rounds)
    for turn in range(args.rounds + 1):
        for name, program, lm in rows:
            with dspy.context(lm=lm, adapter=Raw()):
                begin = time.perf_counter()
                for _ in range(each):
                    number += 1
                    program(question=f"Problem {number}: what is it?")
                spent = (time.perf_counter() - begin) / each
            if turn:  # the first round warms up
                times[name].append(spent)
    base = statistics.median(times["bare on dspy.LM"])
    print(f"dspy {dspy.__version__}, {each * args.rounds} calls a row")
    for name, found in times.items():
        middle = statistics.median(found)
        print(f"{name:40} {1000 * middle:7.3f} ms a call   {middle / base:5.2f} x bare dspy.LM")


if __name__ == "__main__":
    main()
