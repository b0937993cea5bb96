"""What the readers make of a recorded run, by task: own metric, content, form, unscored.

Usage: python benchmarks/readings.py RUN [--data DIR]
RUN is a run folder; its answers are graded by the cards' own verifiers and a markdown table is
printed. docs/grading.md shows the tables of two runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter, defaultdict
from pathlib import Path

from heartloop.data import load_data, resolve_tasks
from heartloop.grading import open_grader
from heartloop.types import Completion

Asked = tuple[str, str, str]


def answers_of(run: Path) -> dict[str, Counter[Asked]]:
    """Answers by task: question, text and finish reason, with how often each was given."""
    found: dict[str, Counter[Asked]] = defaultdict(Counter)
    with (run / "calls.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            call = json.loads(line)
            if call["purpose"] == "answer" and not call["error"]:
                address = call["address"]
                asked = (address["question"], call["text"], call["finish_reason"])
                found[address["task"]][asked] += 1
    return found


async def counts_of(task: str, answers: Counter[Asked], data_dir: str | None) -> dict[str, float]:
    """How many answers of a task are right by its own metric, by content, in form, or unread."""
    (card,) = resolve_tasks(task)
    data = load_data(card, data_dir=data_dir, download=False)
    grader = open_grader(data.card.verifier, params=dict(data.card.params))
    questions = {question.id: question for question in data.questions}
    counts: dict[str, float] = defaultdict(float)
    for (name, text, reason), times in answers.items():
        graded = await grader.grade(
            questions[name], data.golds[name], Completion(text, finish_reason=reason)
        )
        counts["all"] += times
        counts["right"] += times * (graded.content.outcome == "correct")
        counts["own"] += times * (graded.own.score or 0.0)  # partial credit counts
        counts["content"] += times * (graded.content.score or 0.0)
        counts["form"] += times * bool(graded.form and graded.content.outcome == "correct")
        counts["unscored"] += times * (graded.content.outcome == "unscored")
    await grader.close()
    return counts


def row(name: str, counts: dict[str, float]) -> str:
    """One line of the table, in per cent."""
    n = counts["all"]
    form = f"{counts['form'] / counts['right']:.0%}"[:-1] if counts["right"] else "–"
    shares = (f"{100 * counts[key] / n:.1f}" for key in ("own", "content"))
    return f"| {name} | {' | '.join(shares)} | {form} | {100 * counts['unscored'] / n:.1f} |"


async def main() -> None:
    """Grade every answer of a run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data")
    given = parser.parse_args()
    total: dict[str, float] = defaultdict(float)
    print("| task | own | content | form | unscored |\n|---|---|---|---|---|")
    for task, answers in sorted(answers_of(given.run).items()):
        counts = await counts_of(task, answers, given.data)
        for key, value in counts.items():
            total[key] += value
        print(row(f"`{task.rpartition('/')[2]}`", counts), flush=True)
    print(row("**all**", total))


if __name__ == "__main__":
    asyncio.run(main())
