"""Processor time of the whole program beside the floor client's, and up to the first request.

    python benchmarks/cpu.py --shared ../shared [--questions 6000] [--repeats 3]

Both ask the same loopback server for short answers, 64 at once; the least of several runs counts.
The published tasks are BIG-Bench, BBH and Instruction Induction: 72 tasks, 38,239 questions.
Processor time grows with what else the cores do: read the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

FIRST = """
import os, sys, time
from heartloop.models.http import HttpModel
async def complete(self, request):
    held = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
    print(time.process_time(), int(held[0]) / 1000, flush=True)
    os._exit(0)
HttpModel.complete = complete
from heartloop.cli import main
main(sys.argv[1:])
"""


def seconds(command: list[str], place: Path) -> tuple[float, str]:
    """User and system time of a command, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=place, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--questions", type=int, default=6000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    bench = options.shared.resolve() / "bench"
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name, count in [("few", 300), ("many", options.questions)]:
            rows = (
                f'{{"question": "Question {i}?", "answer": "{i % 97}"}}\n' for i in range(count)
            )
            (place / f"{name}.jsonl").write_text("".join(rows))
        for i in range(75):
            (place / f"t{i}.jsonl").write_text('{"question": "1+1?", "answer": "2"}\n')
        (place / "answers.jsonl").write_text('{"match": "Question", "answer": "17"}\n')
        server = subprocess.Popen(
            [sys.executable, str(bench / "mock_openai.py"), "--port", "0",
             "--answers", str(place / "answers.jsonl"), "--ability", "0.5"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().split()[1]}/v1"
        asked = ["--method", "single", "--model", "server/mock", "--base-url", url, "--json"]
        tasks = ",".join(f"t{i}.jsonl" for i in range(75))
        published = ["bigbench,bbh,instruction_induction", "--data", str(bench.parent / "data")]
        starts = {
            "one task": ["t0.jsonl"],
            "75 own tasks": [tasks],
            "72 published tasks": published,
            "5 questions of each": [*published, "--limit", "5"],
        }
        floor, few, many = ([] for _ in range(3))  # type: list[float]
        first: dict[str, list[tuple[float, float]]] = {name: [] for name in starts}
        try:
            for turn in range(options.repeats):
                client = [sys.executable, str(bench / "floor_client.py"), "--base-url", url]
                out = seconds([*client, "--requests", "6000", "--concurrency", "64"], place)[1]
                floor.append(json.loads(out)["cpu_ms_per_request"])
                for name, times in (("few", few), ("many", many)):
                    run = [sys.executable, "-m", "heartloop", "run", "--task", f"{name}.jsonl"]
                    run += [*asked, "--concurrency", "64", "--name", f"{name}{turn}"]
                    times.append(seconds(run, place)[0])
                for number, (name, spec) in enumerate(starts.items()):
                    run = [sys.executable, "-c", FIRST, "run", "--task", *spec, *asked]
                    out = seconds([*run, "--name", f"first{number}-{turn}"], place)[1].split()
                    first[name].append((float(out[0]), float(out[1])))
        finally:
            server.terminate()
            server.wait()
    least = min(floor)
    each = 1000 * (min(many) - min(few)) / (options.questions - 300)
    whole = 1000 * min(many) / options.questions
    print(f"floor client: {least:.3f} ms a request")
    print(f"heartloop: {each:.3f} ms a question ({each / least:.2f} times the floor)")
    print(f"with start and end: {whole:.3f} ms ({whole / least:.2f} times)")
    print("up to the first request:")
    for name, found in first.items():
        print(f"  {name}: {min(found)[0]:.2f} s, {min(found)[1]:.0f} MB")


if __name__ == "__main__":
    main()
