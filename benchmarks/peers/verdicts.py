"""What two peers say of the verdict table that heartloop speaks about.

    python -m venv peers && peers/bin/pip install 'evalstats==0.3.3' 'paired-eval==0.4.0'
    heartloop export RUN --to csv -o table.csv
    peers/bin/python benchmarks/peers/verdicts.py table.csv EP09 EP01 placebo

Questions are paired and pooled: neither tool knows that a suite's tasks weigh the same.
"""

from __future__ import annotations

import contextlib
import csv
import io
import sys
from collections import defaultdict

import evalstats
import pandas
from paired_eval import interpret, paired_compare, set_language

SCORES = {"correct": 1.0}


def read(path: str) -> dict[str, dict[tuple[str, str, str], float]]:
    """Arm -> question -> the task's own metric (partial credit where the task gives it)."""
    found: dict[str, dict[tuple[str, str, str], float]] = defaultdict(dict)
    csv.field_size_limit(10**9)
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["selected"] == "True":
                score = float(row["score"] or SCORES.get(row["outcome"], 0.0))
                found[row["arm"]][row["task"], row["question"], row["seed"]] = score
    shared = set.intersection(*(set(scores) for scores in found.values()))
    return {
        arm: {key: s for key, s in rows.items() if key in shared} for arm, rows in found.items()
    }


def main() -> None:
    table, asked = read(sys.argv[1]), sys.argv[2:]
    keys = sorted(table["none"])
    print(f"{len(keys)} questions, arms: {', '.join(table)}\n")
    rows = [
        {"prompt": arm, "item": "/".join(key), "score": scores[key]}
        for arm, scores in table.items()
        for key in keys
    ]
    data = evalstats.load_from(pandas.DataFrame(rows))
    found = evalstats.compare(data, factors="prompt", metric="score", baseline="none")
    print(f"evalstats {evalstats.__version__}")
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        found.summary()
    for line in text.getvalue().splitlines():
        words = line.split()
        if {"none", *asked} >= set(words[:2]) and "none" in words[:2] and len(words) > 2:
            print(line)  # the pair's interval (simultaneous) and p-value, and the control's mean
    print(text.getvalue()[text.getvalue().find("--- Executive") :])
    set_language("en")
    print("\npaired-eval")
    for arm in asked:
        pair = paired_compare([table[arm][k] for k in keys], [table["none"][k] for k in keys])
        print(arm, pair)
        print("  ", interpret(pair)["text"])


if __name__ == "__main__":
    main()
