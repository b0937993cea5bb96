"""What ``tasks check FILE`` shows of a task: three prompts as they will be sent, gold, verifier."""

from __future__ import annotations

from typing import Any

import click

SHOWN = 3


def show_prompts(name: str, data_dir: str | None = None) -> bool:
    """Print the first three prompts of a task with gold and verifier (of a suite: its first task).

    Args:
        name: a task, a card or a table.
        data_dir: folder of local data.

    Returns:
        Whether the task's data are on this machine and could be read.

    Raises:
        HeartloopError: a table or its data cannot be read; names file, line and field.
    """
    from heartloop.data import load_data, resolve_tasks
    from heartloop.data.sources import locate
    from heartloop.methods import render

    card = resolve_tasks(name, data_dir=data_dir)[0]
    if locate(card, data_dir) is None:
        click.echo(f"no data of {card.name} on this machine: no prompt to show")
        return False
    data = load_data(card, data_dir=data_dir, download=False)
    why = f" ({data.card.chosen})" if data.card.chosen else ""
    click.echo(
        f"{data.card.name}: {len(data.questions)} questions, verifier {data.card.verifier}{why}"
    )
    for note in data.notes:
        click.echo(f"note: {note}")
    shown = data.questions[:SHOWN]
    for number, question in enumerate(shown, start=1):
        gold = data.golds[question.id]
        click.echo(f"\n--- {number} of {len(shown)}, id {question.id}, gold: {_gold(gold)}")
        for message in render(question):
            click.echo(f"[{message.role}]\n{message.content}")
    return True


def _gold(gold: Any) -> str:
    letter = gold.params.get("letter")
    answers = " | ".join(gold.answers[:4]) + (" | …" if len(gold.answers) > 4 else "")
    return f"{letter} ({answers})" if letter else answers
