"""How well the response patterns are read on answers that were labelled by hand.

``tests/fixtures/response_patterns.jsonl``: 730 answers of two small real models, drawn by seed
from the three recorded runs and from prompts that lean on a model. The first sample (480) was
labelled in two passes, and its labels committed, before any rule was written; rules were mended on
it. The fresh sample (250) was labelled after the rules stood, without seeing what they say, and no
rule was changed since: its figures are those to quote. docs/style.md has the table.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from heartloop.style.rules import found, patterns

ROOT = Path(__file__).parent.parent.parent
ROWS = [
    json.loads(line)
    for line in (ROOT / "tests" / "fixtures" / "response_patterns.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]
RESPONSE = [pattern.name for pattern in patterns() if pattern.group == "response"]


def quality(name: str, sample: str) -> tuple[int, float, float]:
    """Positives, precision and recall of a pattern on a sample."""
    rows = [row for row in ROWS if row["sample"] == sample]
    truth = [name in row["labels"] for row in rows]
    read = [name in found(row["text"]) for row in rows]
    both = sum(t and r for t, r in zip(truth, read, strict=True))
    return sum(truth), both / sum(read), both / sum(truth)


def kappa(name: str) -> float:
    """Cohen's kappa of the two passes over the first sample."""
    pairs = [(name in row["first"], name in row["second"]) for row in ROWS if "first" in row]
    agree = sum(a == b for a, b in pairs) / len(pairs)
    one, two = (sum(p[i] for p in pairs) / len(pairs) for i in (0, 1))
    chance = one * two + (1 - one) * (1 - two)
    return (agree - chance) / (1 - chance)


def line(name: str) -> str:
    """A row of the table in docs/style.md."""
    n, p, r = quality(name, "fresh")
    first, p1, r1 = quality(name, "first")
    return (
        f"| {name} | {n} | {100 * p:.0f} | {100 * r:.0f} | "
        f"{first} | {100 * p1:.0f} | {100 * r1:.0f} | {kappa(name):.2f} |"
    )


@pytest.mark.parametrize("name", RESPONSE)
def test_the_table_of_the_page_is_what_the_rules_reach(name: str) -> None:
    page = (ROOT / "docs" / "style.md").read_text(encoding="utf-8")
    assert line(name) in page
    assert quality(name, "first")[0] >= 30
    _, precision, recall = quality(name, "fresh")
    assert precision > 0.75
    assert recall > 0.8
    assert kappa(name) > 0.9


def test_consolation_and_apology_are_no_refusals() -> None:
    for text in (
        "I'm sorry to hear that you feel this way.",
        "I apologize for my mistake. Let me work on it.",
        "I'm afraid this makes me sad.",
    ):
        assert "direct refusal" not in found(text)
    assert "direct refusal" in found("I'm sorry, but I can't assist with that.")
