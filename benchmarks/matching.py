"""Are arm and control at equal tokens, and what does each level of controls cost?

    python benchmarks/matching.py [--questions 60] [--only mode,models]

Whole runs through the command on a server of its own (`benchmarks/mock_claims.py`), whose answers
have 300 words or 2 and are right with .15. The first table gives tokens and calls a question of
`heart` and of `resample` for every model and task; the second what ``--controls`` costs for
twenty-one stimuli: what the plan says, and what was asked. Counts are exact: nothing is random.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from heartloop.methods import wordings

CASES: dict[str, list[tuple[str, list[str]]]] = {
    "mode": [
        (f"verifier-free, {task} answers", ["--task", f"{task}.csv", "--model", "server/m",
                                            "--mode", "verifier-free"])
        for task in ("long", "short")
    ],
    "models": [
        (f"two models, {mode}", ["--task", "plain.csv", "--model", "server/laconic",
                                 "--model", "server/talker", "--mode", mode])
        for mode in ("oracle", "verifier-free")
    ],
    "tasks": [
        (f"two tasks, {mode}", ["--task", "long.csv", "--task", "short.csv",
                                "--model", "server/m", "--mode", mode])
        for mode in ("oracle", "verifier-free")
    ],
    "selectors": [
        (f"selector {name}", ["--task", "long.csv", "--model", "server/m", "--mode",
                              "verifier-free", "--selector", name])
        for name in ("majority", "self_score", "tournament")
    ],
}  # fmt: skip
PLANT = {
    "ability": 0.15,
    "words": {"of long:": 300, "of short:": 2, "talker": 300, "laconic": 2},
    "replies": {wordings.SCORE_TASK: "7", wordings.COMPARE_TASK: "A"},
}


def heartloop(folder: Path, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "heartloop", *arguments, "--json"],
        capture_output=True, text=True, cwd=folder,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"heartloop {' '.join(arguments)}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def lines(run: Path) -> list[dict[str, Any]]:
    """The last line of every trace: it holds the calls and tokens of all of it."""
    rows = map(json.loads, (run / "verdicts.jsonl").read_text().splitlines())
    return [row for row in rows if row["last"]]


def spent(run: Path) -> dict[tuple[str, str, str], tuple[float, float]]:
    """Mean tokens and calls a question, by model, task and arm."""
    found = defaultdict(list)
    for line in lines(run):
        used = line["usage"]["prompt"] + line["usage"]["completion"]
        found[line["model"], line["task"], line["arm"]].append((used, line["calls"]))
    return {
        key: (sum(t for t, _ in rows) / len(rows), sum(c for _, c in rows) / len(rows))
        for key, rows in found.items()
    }


def cases(folder: Path, url: str, only: list[str]) -> None:
    print("| case | model | task | heart: calls, tokens | resample: calls, tokens | tokens |")
    print("|---|---|---|---|---|---|")
    number = 0
    for kind in only:
        for name, arguments in CASES[kind]:
            number += 1
            heartloop(folder, "run", *arguments, "--base-url", url, "--method", "heart",
                      "--rounds", "5", "--param", "stop=never", "--name", f"c{number}")  # fmt: skip
            tokens = spent(folder / "runs" / f"c{number}")
            for (model, task, arm), (used, calls) in tokens.items():
                if arm != "heart":
                    continue
                other, again = tokens[model, task, "resample"]
                gap = 100 * (other / used - 1)
                print(f"| {name} | {model} | {task} | {calls:.1f}, {used:,.0f} | {again:.1f}, "
                      f"{other:,.0f} | {gap:+.1f} % |", flush=True)  # fmt: skip


def levels(folder: Path, url: str) -> None:
    print("\n| --controls | arms | calls planned | calls asked | tokens in | out | a question |")
    print("|---|---|---|---|---|---|---|")
    for level in ("none", "lean", "matched", "full"):
        run = ["run", "--task", "plain.csv", "--model", "server/talker", "--base-url", url,
               "--stimuli", "emotionprompt,negativeprompt", "--controls", level]  # fmt: skip
        plan = heartloop(folder, *run, "--dry-run")
        arms = plan["estimate"]["arms"]
        low, high = (sum(arm[key] for arm in arms) for key in ("calls_least", "calls_most"))
        heartloop(folder, *run, "--name", level)
        calls, questions = 0, set()
        tokens = {"prompt": 0, "completion": 0}
        for line in lines(folder / "runs" / level):
            questions.add(line["question"])
            calls += line["calls"]
            for key in tokens:
                tokens[key] += line["usage"][key]
        planned = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        print(f"| {level} | {len(arms)} | {planned} | {calls:,} | {tokens['prompt']:,} | "
              f"{tokens['completion']:,} | {sum(tokens.values()) / len(questions):,.0f} |",
              flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--only", default=",".join([*CASES, "controls"]))
    options = parser.parse_args()
    only = options.only.split(",")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "plant.json").write_text(json.dumps(PLANT))
        for task in ("long", "short", "plain"):
            rows = [f"{task[0]}{i},Problem {i:05d} of {task}: what is it?,{1000 + i}"
                    for i in range(options.questions)]  # fmt: skip
            (folder / f"{task}.csv").write_text("\n".join(["id,question,answer", *rows]))
        server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("mock_claims.py")), "--plant",
             str(folder / "plant.json")],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{server.stdout.readline().split()[1]}/v1"
            cases(folder, url, [kind for kind in only if kind in CASES])
            if "controls" in only:
                levels(folder, url)
        finally:
            server.terminate()
            server.wait(timeout=10)


if __name__ == "__main__":
    main()
