"""Writes what ``evaluate.py`` measured as the tables of docs/pocket.md, for one training or two.

    python tools/pocket/tables.py A.json [B.json]

With two files the second is a re-training: every figure stands beside the first one's.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2])]

from click import echo  # noqa: E402
from evaluate import bootstrap, mean  # noqa: E402

HEADLINES = (
    ("accuracy", "single answers right"),
    ("pass@k", "pass@6"),
    ("extracted", "answer extracted"),
    ("at once", "answered at once, without steps"),
    ("right, at once", "right, of those at once"),
    ("right, worked out", "right, of those worked out"),
)


def percent(value: float | list[float]) -> str:
    """A share in percent; a list is a share with its interval."""
    if isinstance(value, list):
        return f"{100 * value[0]:.1f} [{100 * value[1]:.0f}, {100 * value[2]:.0f}]"
    return f"{100 * value:.1f}"


def row(*cells: str) -> None:
    """Prints one line of a table."""
    echo("| " + " | ".join(cells) + " |")


def head(*cells: str) -> None:
    """Prints the head of a table."""
    echo()
    row(*cells)
    row(*("---" for _ in cells))


def tables(found: list[dict[str, Any]]) -> None:
    """Prints every table."""
    maths = [one["olympiad"] for one in found]
    names = ("this checkpoint", "re-trained")[: len(found)]
    head("", *(f"{name}, %" for name in names))
    for key, title in HEADLINES:
        row(title, *(percent(one[key]) for one in maths))
    row("tokens an answer", *(f"{one['tokens_an_answer']:.1f}" for one in maths))
    if len(found) == 2:
        a, b = (one["right by question"] for one in maths)
        draws = maths[0]["draws"]
        pairs = [(i, (y - x) / draws) for i, (x, y) in enumerate(zip(a, b, strict=True))]
        low, high = bootstrap(pairs)
        echo(
            f"\nre-trained minus this one, single answers: {100 * mean(d for _, d in pairs):+.1f} "
            f"points [{100 * low:+.1f}, {100 * high:+.1f}]"
        )
    head("family", *(f"{name}, right, %" for name in names))
    for family in maths[0]["families"]:
        row(family, *(percent(one["families"][family]) for one in maths))
    head(
        "first answer", "told", "n", "right after", "fresh draw", "gain, points", "same again",
        "same, fresh draw", "at once",
    )  # fmt: skip
    for one, name in zip(maths, names, strict=True):
        echo(f"*{name}*")
        for key, cell in one.items():
            if not key.startswith("after "):
                continue
            first, _, told = key.removeprefix("after ").partition(", told ")
            low, high = cell["its 95 % interval, questions resampled"]
            gain = 100 * cell["gain over a fresh draw"]
            row(
                first, told.strip("'"), str(cell["n"]), percent(cell["right"]),
                percent(cell["right, fresh draw"]),
                f"{gain:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]",
                percent(cell["same answer"]), percent(cell["same answer, fresh draw"]),
                percent(cell["at once"]),
            )  # fmt: skip
    head("task", "n", *(f"{name}, right, %" for name in names), *(f"{n}, unscored" for n in names))
    for task, cell in found[0].items():
        if task != "olympiad" and all(task in one for one in found):
            row(
                task, str(cell["n"]),
                *(percent([one[task]["accuracy"], *one[task]["interval"]]) for one in found),
                *(percent(one[task]["unscored"]) for one in found),
            )  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("files", type=argparse.FileType(), nargs="+", help="one or two")
    tables([json.load(file) for file in parser.parse_args().files[:2]])
