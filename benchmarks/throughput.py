"""Client throughput as ratios in one run: against the floor client, the ideal, and under faults.

    python benchmarks/throughput.py [floor] [ideal] [memory] [faults] [auto]

The server gets one core and the client another (``taskset``); floor and heartloop take turns, and
medians are compared. Everything of heartloop is on: journal, sharing, limits, budget, retries.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("HEARTLOOP_SHARED", ROOT.parent / "shared"))
FAULTS = (
    *("--p429", "0.3", "--p500", "0.05", "--phang", "0.02"),
    *("--pmalformed", "0.02", "--pdisconnect", "0.02"),
)
SYSTEM = "Solve the problem. Put the final answer in \\boxed{}."


# --- The client under test, in a process of its own --------------------------------------------


async def drive(arguments: argparse.Namespace) -> dict:
    """Ask ``requests`` questions as the runner does, and count what came of them."""
    from heartloop.calls import Caps, Client, Journal, Limits
    from heartloop.errors import CallError
    from heartloop.models import ModelOptions, make_model
    from heartloop.types import Address, Message, Request, Sampling

    limit = arguments.concurrency
    model = make_model(
        "server/mock",
        ModelOptions(
            base_urls=tuple(arguments.base_url), first_byte_timeout=arguments.first_byte_timeout
        ),
    )
    ended: dict[str, int] = {}
    system, sampling = Message("system", SYSTEM), Sampling(max_tokens=256)

    with tempfile.TemporaryDirectory() as folder, Journal.open(folder) as journal:
        client = Client(
            {"server/mock": model},
            journal,
            limits=Limits(concurrency=limit if limit == "auto" else int(limit)),
            caps=Caps(total_tokens=10**12),
        )

        async def unit(number: int) -> None:
            question = f"Question {number}: what is {number} plus {number + 1}?"
            asked = Request(
                Address("bench", str(number), "server/mock", 0, 0),
                (system, Message("user", question)),
                sampling,
            )
            try:
                answer = await client.ask(asked)
                kind = "answered" if "boxed" in answer.text else "text without an answer"
            except CallError as error:
                kind = error.kind
            ended[kind] = ended.get(kind, 0) + 1

        tasks: set[asyncio.Task] = set()
        wall, cpu = time.perf_counter(), time.process_time()
        for number in range(arguments.requests):
            await client.hungry()
            task = asyncio.create_task(unit(number))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        stats, facts = client.stats(), client.facts()
        size = journal.path.stat().st_size
        await client.close()
    return {
        "requests": arguments.requests,
        "wall_s": round(wall, 3),
        "rps": round(arguments.requests / wall, 1),
        "cpu_ms_per_request": round(cpu / arguments.requests * 1000, 4),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "journal_mb": round(size / 2**20, 1),
        "retries": stats.retries,
        "peak_in_flight": facts["models"]["server/mock"]["peak_in_flight"],
        "last_limit": facts["models"]["server/mock"]["last_limit"],
        "ended": ended,
    }


# --- The driver --------------------------------------------------------------------------------


def pinned(core: int, command: list[str]) -> list[str]:
    """A command held to one core, where the machine has two and ``taskset``."""
    if (os.cpu_count() or 1) < 2 or not hasattr(os, "sched_setaffinity"):
        return command
    return ["taskset", "-c", str(core), *command]


@contextmanager
def server(*options: str):
    """A mock server on the first core; yields its base URL."""
    script = SHARED / "bench" / "mock_openai.py"
    command = pinned(0, [sys.executable, str(script), "--port", "0", *options])
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().split()[1]}/v1"
    finally:
        process.terminate()
        process.wait()


def heartloop(url: str, requests: int, concurrency: int | str, *options: str) -> dict:
    """One run of the client under test."""
    command = [sys.executable, __file__, "--drive", "--base-url", url]
    command += ["--requests", str(requests), "--concurrency", str(concurrency), *options]
    return measured(url, command)


def floor(url: str, requests: int, concurrency: int) -> dict:
    """One run of the floor client."""
    script = SHARED / "bench" / "floor_client.py"
    command = [sys.executable, str(script), "--base-url", url]
    return measured(url, [*command, "--requests", str(requests), "--concurrency", str(concurrency)])


def measured(url: str, command: list[str]) -> dict:
    """Run a client on the second core; its own figures, and the server's of it."""
    root = url.removesuffix("/v1")
    urllib.request.urlopen(urllib.request.Request(f"{root}/reset", method="POST")).close()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        pinned(1, command), capture_output=True, text=True, check=True, env=environment
    )
    result = json.loads(done.stdout.splitlines()[-1])
    with urllib.request.urlopen(f"{root}/stats") as reply:
        stats = json.load(reply)
    result["wire_rps"] = stats["requests_per_s"]
    result["mean_in_flight"] = stats["mean_in_flight"]
    return result


def show(name: str, value: float, target: str) -> None:
    print(f"{name:<58} {value:>8.3f}   {target}", flush=True)


def versus_floor(rounds: int) -> None:
    """At 0 ms: requests a second and CPU a request against the floor client."""
    ours, theirs = [], []
    with server() as url:
        for _ in range(rounds):
            theirs.append(floor(url, 20_000, 64))
            ours.append(heartloop(url, 20_000, 64))
    for name in ("wire_rps", "cpu_ms_per_request"):
        pair = [statistics.median(run[name] for run in runs) for runs in (ours, theirs)]
        target = "≥ 0.5" if name == "wire_rps" else ""
        show(f"0 ms, 64 in flight: {name} as a share of the floor's", pair[0] / pair[1], target)
        print(
            f"    heartloop {pair[0]:.3f}, floor {pair[1]:.3f}, {rounds} rounds, medians",
            flush=True,
        )


def versus_ideal(rounds: int) -> None:
    """At 200 ms: requests a second against concurrency / latency."""
    for concurrency, target in ((64, "≥ 0.95"), (512, "≥ 0.9")):
        with server("--latency", "200") as url:
            runs, bare = [], []
            for _ in range(rounds):
                bare.append(floor(url, 40 * concurrency, concurrency))
                runs.append(heartloop(url, 40 * concurrency, concurrency))
        rate = statistics.median(run["wire_rps"] for run in runs)
        ideal = concurrency * 5
        show(f"200 ms, {concurrency} in flight: share of the ideal", rate / ideal, target)
        least = statistics.median(run["wire_rps"] for run in bare) / ideal
        cpu = [run[-1]["cpu_ms_per_request"] for run in (runs, bare)]
        print(f"    the floor client {least:.3f}; CPU {cpu[0]} and {cpu[1]} ms a request")


def automatic() -> None:
    """Concurrency auto against a server with as many slots, and against one without limit."""
    for capacity in (64, None):
        options = ("--capacity", str(capacity)) if capacity else ()
        with server("--latency", "200", *options) as url:
            run = heartloop(url, 12_000, "auto")
        ideal = (capacity or 512) * 5
        of = f"{capacity} slots" if capacity else "512 in flight, no limit"
        show(f"200 ms, auto: share of the ideal of {of}", run["wire_rps"] / ideal, "")
        print(f"    peak in flight {run['peak_in_flight']}, last limit {run['last_limit']}")


def memory() -> None:
    """100,000 calls: peak memory and the size of the journal."""
    with server() as url:
        small, large = heartloop(url, 10_000, 64), heartloop(url, 100_000, 64)
    show("100,000 calls: peak memory, MB", large["peak_rss_mb"], "< 250")
    print(
        f"    10,000 calls: {small['peak_rss_mb']} MB; journal {large['journal_mb']} MB; "
        f"{large['wire_rps']} requests/s"
    )


def faulty() -> None:
    """The planned faults: every question ends, none as text, and what it costs in time."""
    count = 3_000
    with server("--latency", "100", "--latency-jitter", "50") as url:
        clean = heartloop(url, count, 64)
    with server("--latency", "100", "--latency-jitter", "50", *FAULTS) as url:
        faults = heartloop(url, count, 64, "--first-byte-timeout", "2")
    assert sum(faults["ended"].values()) == count, faults
    show("faults: share of questions answered", faults["ended"]["answered"] / count, "")
    show("faults: time over the fault-free run", faults["wall_s"] / clean["wall_s"], "")
    print(f"    ended {faults['ended']}, {faults['retries']} retries")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=[], help="floor ideal auto memory faults")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--drive", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--base-url", action="append", help=argparse.SUPPRESS)
    parser.add_argument("--requests", type=int, default=10_000, help=argparse.SUPPRESS)
    parser.add_argument("--concurrency", default="64", help=argparse.SUPPRESS)
    parser.add_argument("--first-byte-timeout", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.drive:
        print(json.dumps(asyncio.run(drive(arguments))))
        return
    if not (SHARED / "bench").is_dir():
        sys.exit(f"{SHARED / 'bench'} is absent: set HEARTLOOP_SHARED to where the server lies")
    parts = arguments.parts or ["floor", "ideal", "auto", "memory", "faults"]
    work = {
        "floor": lambda: versus_floor(arguments.rounds),
        "ideal": lambda: versus_ideal(max(1, arguments.rounds // 2)),
        "auto": automatic,
        "memory": memory,
        "faults": faulty,
    }
    for part in parts:
        if part not in work:
            parser.error(f"{part}: not one of {', '.join(work)}")
        work[part]()


if __name__ == "__main__":
    main()
