"""How well the response patterns are read on answers that were labelled by hand.

``tests/fixtures/response_patterns.jsonl``: 930 answers of two small real models, drawn by seed. The
sample ``first`` (480; the recorded runs and prompts that lean on a model) was labelled in two
passes, and its labels committed, before any rule was written; rules were mended on it. ``fresh``
(250, of the same kinds) and ``boundary`` (200 of the boundary task with stimuli, read whole) were
labelled after the rules stood, without seeing what they say, and no rule was changed since: the
figures of these two together are those to quote. docs/style.md has the table.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from heartloop.analysis.proportions import wilson
from heartloop.style.rules import found, patterns

ROOT = Path(__file__).parent.parent.parent
ROWS = [
    json.loads(line)
    for line in (ROOT / "tests" / "fixtures" / "response_patterns.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]
RESPONSE = [pattern.name for pattern in patterns() if pattern.group == "response"]


UNSEEN = ("fresh", "boundary")


def counts(name: str, *samples: str) -> tuple[int, int, int]:
    """Positives, answers that the rule reads, and those of both, in some samples."""
    rows = [row for row in ROWS if row["sample"] in samples]
    truth = [name in row["labels"] for row in rows]
    read = [name in found(row["text"]) for row in rows]
    return sum(truth), sum(read), sum(t and r for t, r in zip(truth, read, strict=True))


def kappa(name: str, *samples: str) -> float:
    """Cohen's kappa of two passes."""
    twice = [row for row in ROWS if "first" in row and row["sample"] in samples]
    pairs = [(name in row["first"], name in row["second"]) for row in twice]
    agree = sum(a == b for a, b in pairs) / len(pairs)
    one, two = (sum(p[i] for p in pairs) / len(pairs) for i in (0, 1))
    chance = one * two + (1 - one) * (1 - two)
    return (agree - chance) / (1 - chance)


def share(part: int, whole: int) -> str:
    """A share in per cent with its 95 % interval."""
    x = wilson(part, whole)
    return f"{100 * x.estimate:.0f} [{100 * x.low:.0f}, {100 * x.high:.0f}]"


def line(name: str) -> str:
    """A row of the table in docs/style.md."""
    n, read, both = counts(name, *UNSEEN)
    cells = [str(n), share(both, read), share(both, n)]
    for sample in (*UNSEEN, "first"):
        n, read, both = counts(name, sample)
        cells.append(f"{n}: {100 * both / read:.0f}, {100 * both / n:.0f}")
    cells.append(f"{kappa(name, 'first'):.2f}, {kappa(name, 'boundary'):.2f}")
    return f"| {name} | {' | '.join(cells)} |"


@pytest.mark.parametrize("name", RESPONSE)
def test_the_table_of_the_page_is_what_the_rules_reach(name: str) -> None:
    page = (ROOT / "docs" / "style.md").read_text(encoding="utf-8")
    assert line(name) in page
    positives, read, both = counts(name, *UNSEEN)
    assert positives >= 30
    assert both / read > 0.75
    assert both / positives > 0.7
    assert kappa(name, "first", "boundary") > 0.9


def test_consolation_and_apology_are_no_refusals() -> None:
    for text in (
        "I'm sorry to hear that you feel this way.",
        "I apologize for my mistake. Let me work on it.",
        "I'm afraid this makes me sad.",
    ):
        assert "direct refusal" not in found(text)
    assert "direct refusal" in found("I'm sorry, but I can't assist with that.")
