"""heartloop optimize through a real server with a planted effect: whole searches, end to end.

    python benchmarks/search_mock.py --server MOCK_OPENAI.py --runs 5

The server gives one of the stimuli a known effect on the first answer (``--cue-ability``), every
question its own ability (``--spread``) and lets arms share a part of their luck (``--coupling``).
Every run has other questions (the server's seed) and another order. The same is done without any
effect. Everything printed states n, discordance and delta.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

HELPS = "Embrace challenges as opportunities for growth."


def start(server: Path, folder: Path, effect: float, seed: int, args: argparse.Namespace):
    cues = folder / "cues.json"
    cues.write_text(json.dumps({HELPS: effect} if effect else {}))
    command = [sys.executable, str(server), "--port", "0", "--seed", str(seed)]
    command += ["--answers", str(folder / "golds.jsonl"), "--cue-ability", str(cues)]
    command += ["--ability", str(args.ability), "--spread", str(args.spread)]
    command += ["--coupling", str(args.coupling)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    port = process.stdout.readline().split()[1]
    return process, f"http://127.0.0.1:{port}/v1"


def optimize(folder: Path, url: str, seed: int, args: argparse.Namespace, name: str) -> dict:
    command = [sys.executable, "-m", "heartloop", "optimize", "--task", str(folder / "q.jsonl")]
    command += ["--stimuli", args.stimuli, "--model", "server/m", "--base-url", url]
    command += ["--delta", str(args.delta), "--seeds", str(seed), "--name", name, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)["searches"]["all"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", type=Path, required=True, help="the mock server's file")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--questions", type=int, default=1500)
    parser.add_argument("--stimuli", default="emotionprompt,negativeprompt")
    parser.add_argument("--effect", type=float, default=0.06)
    parser.add_argument("--ability", type=float, default=0.5)
    parser.add_argument("--spread", type=float, default=0.3)
    parser.add_argument("--coupling", type=float, default=0.75)
    parser.add_argument("--delta", type=float, default=0.06)
    args = parser.parse_args()
    server = args.server.resolve()
    for effect in (args.effect, 0.0):
        right, errors, naive, calls = 0, [], [], []
        for run in range(args.runs):
            with tempfile.TemporaryDirectory() as made:
                folder = Path(made)
                numbers = range(args.questions)
                (folder / "q.jsonl").write_text(
                    "\n".join(
                        json.dumps({"question": f"Problem {n}: what is it?", "answer": str(n)})
                        for n in numbers
                    )
                )
                (folder / "golds.jsonl").write_text(
                    "\n".join(json.dumps({"match": f"Problem {n}:", "answer": n}) for n in numbers)
                )
                seed = args.first + run + (0 if effect else 1000)
                process, url = start(server, folder, effect, seed, args)
                try:
                    found = optimize(folder, url, seed, args, f"run{run}")
                finally:
                    process.terminate()
                    process.wait()
            wanted = "emotionprompt:EP08" if effect else None
            right += found["chosen"] == wanted
            truth = effect if found["leader"] == "emotionprompt:EP08" else 0.0
            errors.append(100 * (found["held_out"]["difference"] - truth))
            naive.append(100 * (found["naive_maximum"] - truth))
            calls.append(found["calls"])
            print(
                f"effect={100 * effect:g} run={run} chosen={found['chosen']} "
                f"leader={found['leader']} arms={len(found['ranking']) - 1} "
                f"n_search={max(r['questions'] for r in found['ranking'])} "
                f"n_held_out={found['held_out']['questions']} "
                f"discordance={found['discordance']:.3f} delta={args.delta} "
                f"held_out={100 * found['held_out']['difference']:+.1f} "
                f"naive={100 * found['naive_maximum']:+.1f} calls={found['calls']}",
                flush=True,
            )
        print(
            f"effect={100 * effect:g}: right {right}/{args.runs}, mean held-out error "
            f"{sum(errors) / len(errors):+.2f} points, naive maximum "
            f"{sum(naive) / len(naive):+.2f}, calls {sum(calls) / len(calls):.0f}"
        )


if __name__ == "__main__":
    main()
