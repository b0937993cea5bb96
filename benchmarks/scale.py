"""The whole program at 100,000 calls: throughput against the floor client, memory, disk.

    python benchmarks/scale.py --shared ../shared [--calls 100000] [--floor 20000]

The server gets one core and the clients the other. The run is an ordinary `heartloop run` with
data, journal, grading, verdicts and summary: as many questions as calls (``--shape questions``, the
worst case for memory) or 2,000 questions with many draws each (``--shape draws``).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any


def stats(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/stats", timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def reset(url: str) -> None:
    urllib.request.urlopen(urllib.request.Request(f"{url}/reset", b"", method="POST"), timeout=30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--floor", type=int, default=20_000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--shape", choices=["questions", "draws"], default="questions")
    options = parser.parse_args()
    bench = options.shared.resolve() / "bench"
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        questions = options.calls if options.shape == "questions" else 2000
        with (place / "task.jsonl").open("w") as rows, (place / "answers.jsonl").open("w") as golds:
            for i in range(questions):
                row = {"id": i, "question": f"Question {i}: what is it?", "answer": str(i % 97)}
                rows.write(json.dumps(row) + "\n")
            golds.write(json.dumps({"match": "Question", "answer": "17"}) + "\n")
        server = subprocess.Popen(
            ["taskset", "-c", "0", sys.executable, str(bench / "mock_openai.py"), "--port", "0",
             "--answers", str(place / "answers.jsonl"), "--ability", "0.5"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().split()[1]}"
        try:
            floor = subprocess.run(
                ["taskset", "-c", "1", sys.executable, str(bench / "floor_client.py"),
                 "--base-url", f"{url}/v1", "--requests", str(options.floor),
                 "--concurrency", str(options.concurrency)],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            print("floor:", floor.stdout.strip())
            reset(url)
            arms = ["--method", "single"]
            if options.shape == "draws":
                draws = options.calls // questions
                arms = ["--method", "resample", "--param", f"draws={draws}", "--controls", "none"]
            done = subprocess.run(
                ["taskset", "-c", "1", sys.executable, "-m", "heartloop", "run", "--task",
                 "task.jsonl", *arms, "--model", "server/mock", "--base-url", f"{url}/v1",
                 "--concurrency", str(options.concurrency), "--name", "r", "--json"],
                cwd=place, capture_output=True, text=True, env=env,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            seen = stats(url)
        finally:
            server.terminate()
            server.wait()
        rate = float(json.loads(floor.stdout)["rps"])
        size = sum(f.stat().st_size for f in (place / "runs" / "r").iterdir()) / 1e6
        summary = json.loads(done.stdout)
        print(f"heartloop: {seen['ok']} calls, {seen['requests_per_s']} requests/s on the wire")
        print(f"ratio to the floor: {seen['requests_per_s'] / rate:.2f}")
        print(f"peak memory of any process started: {peak:.0f} MB; run folder {size:.0f} MB")
        print(f"accuracy {summary['arms'][0]['accuracy']:.3f}, wall {summary['wall_s']:.1f} s")


if __name__ == "__main__":
    main()
