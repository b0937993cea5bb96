"""A few answers that were counted wrong, beside what would have been right.

Reading three of them shows more about a grader, a format or a model than any figure.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any

from heartloop.report.arms import Loaded
from heartloop.report.html import table
from heartloop.run.folder import VERDICTS
from heartloop.run.verdicts import read_traces

COUNT = 3
LENGTH = 400


def wrong_answers(run: Loaded, seed: int = 0) -> str:
    """Three wrong answers of the plain prompt (else of the first arm), drawn at random.

    Args:
        run: the run.
        seed: of the draw.
    """
    plan = run.manifest["plan"]
    arm = next((a["name"] for a in plan["arms"] if a["role"] == "none"), plan["arms"][0]["name"])
    finals = [
        trace[-1]
        for trace in read_traces(run.folder.path / VERDICTS)
        if trace[0]["arm"] == arm and trace[-1]["outcome"] in ("incorrect", "unscored")
    ]
    if not finals:
        return ""
    drawn = random.Random(seed).sample(finals, min(COUNT, len(finals)))
    golds = _golds(run, drawn)
    rows = []
    for line in drawn:
        record = run.journal.record(line["key"]) if line["key"] else None
        asked = record["request"]["messages"][-1]["content"] if record else ""
        said = (record or {}).get("text") or ""
        read = "nothing" if line["answer"] is None else f"“{line['answer']}”"
        rows.append([
            _cut(str(asked)), _cut(said) or "(empty)", _cut(read),
            golds.get((line["task"], line["question"]), "–"), _cut(line["detail"] or "–"),
        ])  # fmt: skip
    if not golds:  # the data are elsewhere; what was compared says most of it
        rows = [[*row[:3], row[4]] for row in rows]
        heads = ["question", "the model said", "read as", "how it was judged"]
    else:
        heads = ["question", "the model said", "read as", "right would be", "how it was judged"]
    words = f"{len(rows)} answers of {arm} that were counted wrong, drawn at random"
    return table(heads, rows, caption=words)


def _cut(text: str) -> str:
    text = text.strip()
    return text if len(text) <= LENGTH else f"{text[: LENGTH // 2]} … {text[-LENGTH // 2 :]}"


def _golds(run: Loaded, lines: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """Accepted answers, where the data are at hand."""
    from heartloop.run.load import close_tasks, tasks_at_hand

    tasks = tasks_at_hand(run.folder)
    found = {}
    for task in tasks:
        for line in lines:
            gold = task.data.golds.get(line["question"])
            if line["task"] == task.card.name and gold is not None:
                found[line["task"], line["question"]] = _cut(" or ".join(gold.answers[:4]))
    asyncio.run(close_tasks(tasks))
    return found
