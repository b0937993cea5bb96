"""375 texts of the kinds that graders stumble over, their right values written down beforehand.

``tests/fixtures/grading/unseen_kinds.jsonl``: maths and short texts with a gold, of which the
prediction says the same or not; choices with the letter that the text settles on (``-``: none).
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from heartloop.grading import open_grader
from heartloop.types import Completion, Gold, Question

ROWS: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "fixtures" / "grading" / "unseen_kinds.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]


async def wrongly_read(kind: str) -> list[str]:
    grader = open_grader(kind)
    found = []
    for row in (row for row in ROWS if row["kind"] == kind):
        choices = tuple(row.get("choices", ()))
        letters = [chr(65 + i) for i in range(len(choices))]
        shown = "\n".join(f"({a}) {c}" for a, c in zip(letters, choices, strict=True))
        question = Question("1", "t", 0, row.get("input", shown), choices=choices)
        golds = letters if kind == "choice" else [row["gold"]]
        right = [
            gold
            for gold in golds
            if (
                await grader.grade(
                    question,
                    Gold("1", (gold,), row.get("params", {})),
                    Completion(row["prediction"]),
                )
            ).content.outcome
            == "correct"
        ]
        wanted = [row["gold"]] if row.get("right") else [row["letter"]] if "letter" in row else []
        if right != [name for name in wanted if name != "-"]:
            found.append(f"{row['prediction']!r}: {right}, not {wanted}")
    await grader.close()
    return found


@pytest.mark.parametrize("kind", ["math", "text", "choice"])
def test_every_text_is_read_as_a_person_reads_it(kind: str) -> None:
    assert asyncio.run(wrongly_read(kind)) == []
