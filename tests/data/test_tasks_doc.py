"""The table in docs/tasks.md is made from the cards; this test keeps it true.

``HEARTLOOP_WRITE_DOCS=1 pytest tests/data/test_tasks_doc.py`` writes it anew.
"""

from __future__ import annotations

import os
from pathlib import Path

from heartloop.cards import TaskCard, list_cards, load_task

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tasks.md"
BEGIN, END = "<!-- table: made from the cards -->\n", "<!-- end of table -->\n"


def table() -> str:
    rows = [
        "| task | what is asked | tasks | verifier | data fetched from | licence |",
        "|---|---|---|---|---|---|",
    ]
    for ref in list_cards("tasks"):
        if ref.origin == "shipped" and not ref.member:
            card = load_task(ref.name)
            rows.append(
                f"| `{card.name}` | {card.title} | {len(card.members) or 1} | {verifiers(card)} "
                f"| {origin(card)} | {card.licence} |"
            )
    return "\n".join(rows) + "\n"


def verifiers(card: TaskCard) -> str:
    names = {load_task(name).verifier for name in card.members} or {card.verifier}
    return ", ".join(f"`{name}`" for name in sorted(names))


def origin(card: TaskCard) -> str:
    places = []
    if card.source.url:
        places.append(f"pinned file, {card.source.url[0].split('/')[2]}")
    hub = card.source.hub
    if hub is not None:
        pin = f"at `{hub.revision[:12]}`" if hub.revision else "revision not pinned"
        gate = ", gated" if hub.gated else ""
        places.append(f"hub `{hub.path}` {pin}{gate}")
    if any((card.path.parent / name).is_file() for name in card.source.local):
        places.append("ships with heartloop")
    return "; ".join(places) or "not fetched: the user's copy"


def test_the_table_is_that_of_the_cards() -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    written, _, after = rest.partition(END)
    made = "\n" + table() + "\n"
    if os.environ.get("HEARTLOOP_WRITE_DOCS"):
        PAGE.write_text(before + BEGIN + made + END + after, encoding="utf-8")
        return
    assert before and after, "docs/tasks.md has lost the marks around its table"
    assert written == made, (
        "write it anew: HEARTLOOP_WRITE_DOCS=1 pytest tests/data/test_tasks_doc.py"
    )
