"""Kill -9 a run again and again at random moments; nothing journalled may be lost or asked twice.

    python benchmarks/kill_nine.py --kills 20 --data DIR --server PATH/TO/mock_openai.py

Starts the loopback server with OlympiadBench's golds, runs the main job once undisturbed and once
killed at random moments and resumed after each, then compares both summaries and the server's own
count of repeated answers.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any


def start_server(script: Path, answers: Path) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, str(script), "--port", "0", "--answers", str(answers),
         "--ability", "0.4", "--gain", "0.2", "--latency", "20"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    port = process.stdout.readline().split()[1]
    return process, f"http://127.0.0.1:{port}/v1"


def stats(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url.removesuffix("/v1") + "/stats", timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def keys(journal: Path) -> list[str]:
    if not journal.exists():
        return []
    lines = journal.read_bytes().split(b"\n")[:-1]  # a torn last line has no newline
    return [json.loads(line)["key"] for line in lines]


def comparable(summary: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in summary.items() if k not in ("run", "wall_s")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--server", type=Path, required=True)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        answers = place / "answers.jsonl"
        rows = (options.data / "olympiadbench" / "OE_TO_maths_en_COMP.jsonl").read_text()
        with answers.open("w") as out:
            for row in map(json.loads, rows.splitlines()):
                mark = {"match": row["question"], "answer": row["final_answer"][0]}
                out.write(json.dumps(mark) + "\n")
        base = [sys.executable, "-m", "heartloop", "run", "--task", "olympiad", "--rounds", "5",
                "--data", str(options.data.resolve()), "--model", "server/mock", "--json",
                "--concurrency", str(options.concurrency)]  # fmt: skip
        server, url = start_server(options.server, answers)
        began = time.monotonic()
        whole = subprocess.run([*base, "--base-url", url, "--name", "whole"], cwd=place,
                               capture_output=True, text=True, env=env)  # fmt: skip
        seconds = time.monotonic() - began
        server.terminate()
        assert whole.returncode == 0, whole.stderr
        server, url = start_server(options.server, answers)
        journal = place / "runs" / "cut" / "calls.jsonl"
        command = [*base, "--base-url", url, "--name", "cut"]
        lost = 0
        kills = 0
        done = None
        while kills < options.kills:
            process = subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, text=True, env=env)  # fmt: skip
            try:
                process.communicate(timeout=rng.uniform(0.3, 2 * seconds / options.kills + 1.5))
                done = process
                break
            except subprocess.TimeoutExpired:
                before = set(keys(journal))
                process.kill()
                process.communicate()
                kills += 1
                after = keys(journal)
                lost += len(before - set(after))
            if (place / "runs" / "cut" / "manifest.json").exists():
                command = [sys.executable, "-m", "heartloop", "resume", "cut", "--json"]
        if done is None or kills == options.kills:
            last = subprocess.run([sys.executable, "-m", "heartloop", "resume", "cut", "--json"],
                                  cwd=place, capture_output=True, text=True, env=env)  # fmt: skip
            assert last.returncode == 0, last.stderr
        written = keys(journal)
        counted = stats(url)
        server.terminate()
        first = json.loads((place / "runs" / "whole" / "summary.json").read_text())
        second = json.loads((place / "runs" / "cut" / "summary.json").read_text())
        same = comparable(first) == comparable(second)
        print(f"kills                          {kills}")
        print(f"calls journalled               {len(set(written))}")
        print(f"journalled calls lost          {lost}")
        print(f"journalled calls asked again   {len(written) - len(set(written))}")
        print(f"in-flight calls repeated       {counted['repeated_answers']} "
              f"(at most {options.concurrency} a kill)")  # fmt: skip
        print(f"summaries equal                {same}")
        return 0 if same and not lost and len(written) == len(set(written)) else 1


if __name__ == "__main__":
    sys.exit(main())
