"""The order in which a run opens its questions: at random, the tasks in proportion, by a seed.

A run that stops early has then asked a fair sample of every task, whatever its files begin with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

ORDERS = ("permuted", "listed")
"""``permuted``: see `question_order`. ``listed``: task by task as the data have them, as runs from
before this order did."""


def question_order(
    tasks: Mapping[str, Sequence[str]], model: str, seed: int, order: str = "permuted"
) -> list[tuple[str, str]]:
    """(task, question) of every question, in the order of opening for one model.

    Within a task the questions are sorted by a hash of seed, model, task and question. The tasks
    are merged by the share of them that is opened: question j of n stands at (j + 1/2) / n, so that
    any first part of the order has the tasks in proportion, to less than one question each.

    Args:
        tasks: task -> ids of its questions.
        model: each model has an order of its own.
        seed: of the plan.
        order: one of `ORDERS`.
    """
    if order == "listed":
        return [(task, q) for task, questions in tasks.items() for q in questions]

    places = []
    for number, (task, questions) in enumerate(tasks.items()):
        head, n = f"{seed}\0{model}\0{task}\0", len(questions)
        ranks = [hashlib.sha256(f"{head}{q}".encode()).digest() for q in questions]
        mixed = sorted(zip(ranks, questions, strict=True))
        places += [((j + 0.5) / n, number, task, q) for j, (_, q) in enumerate(mixed)]
    places.sort()
    return [(task, q) for _, _, task, q in places]
