"""Speed, memory and loading time of pocket in numpy, beside transformers on the same machine.

    python benchmarks/pocket_speed.py [--answers 96] [--skip-hf]

Each figure comes from a process of its own; the two engines answer the same practice questions
with the same sampling, at 1 and at 32 requests in flight, one thread each.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

CHILD = r"""
import asyncio, json, resource, sys, time
kind, flight, answers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
start = time.perf_counter()
if kind == "pocket":
    from heartloop.models.pocket import PocketModel
    model = PocketModel()
else:
    import torch
    torch.set_num_threads(1)
    from heartloop.models import ModelOptions
    from heartloop.models.hf import HFModel
    from heartloop.models.pocket import CHECKPOINT
    model = HFModel("hf/pocket", str(CHECKPOINT), ModelOptions(device="cpu", batch_size=flight))
loaded = time.perf_counter() - start
from heartloop import practice
from heartloop.types import Address, Message, Request, Sampling
rows = practice.rows("olympiad")
async def main():
    gate = asyncio.Semaphore(flight)
    async def one(i):
        text = "Solve the problem.\n\n" + rows[i % len(rows)]["question"]
        request = Request(Address("b", str(i), kind, 0, 0), (Message("user", text),),
                          Sampling(temperature=0.7, max_tokens=128), seed=i)
        async with gate:
            return await model.complete(request)
    await one(0)
    start, cpu = time.perf_counter(), time.process_time()
    done = await asyncio.gather(*(one(i) for i in range(1, answers + 1)))
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    tokens = sum(c.usage.completion for c in done)
    await model.close()
    print(json.dumps({"tokens/s": round(tokens / wall), "tokens/CPU second": round(tokens / cpu),
        "tokens": tokens, "load s": round(loaded, 3),
        "peak MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}))
asyncio.run(main())
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--answers", type=int, default=96)
    parser.add_argument("--skip-hf", action="store_true")
    arguments = parser.parse_args()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    print("| engine | in flight | tokens/s | tokens a CPU second | load s | peak MB |")
    print("|---|---|---|---|---|---|")
    for flight in (1, 32):
        for kind in ("pocket",) if arguments.skip_hf else ("pocket", "transformers"):
            count = arguments.answers // (4 if flight == 1 else 1)
            done = subprocess.run(
                [sys.executable, "-c", CHILD, kind, str(flight), str(count)],
                env=environment, capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                sys.exit(done.stderr)
            r = json.loads(done.stdout.strip().splitlines()[-1])
            print(
                f"| {kind} | {flight} | {r['tokens/s']} | {r['tokens/CPU second']} | "
                f"{r['load s']} | {r['peak MB']} |"
            )


if __name__ == "__main__":
    main()
