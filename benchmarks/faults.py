"""Many calls against a server a fifth of whose replies are hostile: is one lost, or paid twice?

    python benchmarks/faults.py [--calls 50000] [--share 0.2] [--concurrency 512]

The server is ``tests/hostile_server.py``, in this process: every mode whose call should end in an
answer, odd replies as well as failures, in equal parts. Whole answers are counted per question
where they are given, answers per call where they arrive and in the journal.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import hostile_server as hostile  # noqa: E402

from heartloop.calls import Client, Journal, Limits  # noqa: E402
from heartloop.errors import CallError  # noqa: E402
from heartloop.models import ModelOptions, make_model  # noqa: E402
from heartloop.types import Address, Message, Request, Sampling  # noqa: E402


async def measure(calls: int, share: float, concurrency: int, folder: str) -> dict[str, object]:
    """Ask, and count what came of it."""
    dice = random.Random(11)
    modes = [m for m in hostile.MODES if m.outcome in (hostile.KEPT, hostile.AGAIN)]
    server = hostile.Hostile(
        lambda body, nth: dice.choice(modes) if dice.random() < share else None
    )
    wrong: list[str] = []
    errors: dict[str, int] = {}
    async with hostile.serving(server):
        with Journal.open(folder) as journal:
            model = make_model("server/m", ModelOptions(base_urls=(server.url,)))
            client = Client({"server/m": model}, journal, limits=Limits(concurrency=concurrency))

            async def ask(number: int) -> None:
                request = Request(
                    Address("t", str(number), "server/m", 0, 0),
                    (Message("user", f"What is {number}"),),
                    Sampling(max_tokens=100),
                )
                try:
                    said = await client.ask(request)
                except CallError as error:
                    errors[error.kind] = errors.get(error.kind, 0) + 1
                    return
                if said.text.strip(" \n\ufffd") != f"The answer is \\boxed{{{number}}}.":
                    wrong.append(said.text)

            started = time.monotonic()
            tasks: set[asyncio.Task[None]] = set()
            for number in range(calls):
                await client.hungry()
                tasks.add(task := asyncio.ensure_future(ask(number)))
                task.add_done_callback(tasks.discard)
            while tasks:
                await asyncio.wait(tasks)
            seconds = time.monotonic() - started
            facts = client.facts()
            await client.close()
    kept: dict[str, int] = {}
    with open(Path(folder) / "calls.jsonl", encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            if record["error"] is None:
                kept[record["key"]] = kept.get(record["key"], 0) + 1
    return {
        "calls": calls,
        "hostile replies": dict(server.hostile),
        "answered": facts["calls"],
        "lost": calls - len(kept),
        "wrong text": len(wrong),
        "paid twice": sum(n > 1 for n in server.answers.values()),
        "journalled twice": sum(n > 1 for n in kept.values()),
        "errors": errors,
        "attempts beyond the first": facts["retries"],
        "seconds": round(seconds, 1),
        "peak memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    """Measure and print; exit 1 if a call was lost or paid twice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=50_000)
    parser.add_argument("--share", type=float, default=0.2, help="of replies that are hostile")
    parser.add_argument("--concurrency", type=int, default=512)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(options.calls, options.share, options.concurrency, folder))
    print(json.dumps(found, indent=2))
    sys.exit(bool(found["lost"] or found["paid twice"] or found["wrong text"]))


if __name__ == "__main__":
    main()
