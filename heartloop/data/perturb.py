"""A check for contamination: the same items with a number changed. Is the old answer given still?

``TASK~numbers`` asks every item of a maths task in which a whole number of two to six digits stands
by itself, with another number in its place. What is right then, nobody knows; but an answer that is
the *published* one was remembered, or does not hang on that number. So the task's metric is the
share of old answers, and its differences between arms say whether words make a model recite.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re

from heartloop.cards.task import TaskCard
from heartloop.data.items import Item, ItemSet
from heartloop.errors import DataError, UsageError

MARK = "~numbers"
OLD_ANSWER = "old answer"
"""The metric of a changed task: not right or wrong, but whether the published answer was given."""

# Not part of a word, a decimal, a LaTeX command, an exponent or an index.
_NUMBER = re.compile(r"(?<![\w.,\\^_{])[1-9]\d{1,5}(?![\w}]|[.,]\d)")


def changed_card(card: TaskCard) -> TaskCard:
    """The card of ``TASK~numbers``.

    Raises:
        UsageError: a task whose answers are not read as maths.
    """
    if card.verifier != "math":
        raise UsageError(
            f"--task {card.name}{MARK}: its answers are read by {card.verifier}; numbers can be "
            "changed where they are read by math"
        )
    options = {**card.options, "perturb": "numbers", "mode": "verifier-free"}
    return dataclasses.replace(
        card, name=card.name + MARK, title=f"{card.title}, a number changed", suite="",
        metric=OLD_ANSWER, chance=None, options=options,
    )  # fmt: skip


def with_other_numbers(card: TaskCard, found: ItemSet) -> ItemSet:
    """The items that have a number to change, changed; ids, golds and demonstrations stay.

    Raises:
        DataError: no item has one.
    """
    items = [new for item in found.items if (new := _changed(item)) is not None]
    if not items:
        raise DataError(
            f"{card.name}: no question holds a whole number of two to six digits, which could "
            "be changed"
        )
    note = (
        f"one number is changed in each of {len(items)} of {len(found.items)} questions (the rest "
        "have none and are not asked); counted is the old answer, which is no longer right"
    )
    return dataclasses.replace(found, items=items, notes=(*found.notes, note))


def _changed(item: Item) -> Item | None:
    """Another number wherever one number stands; None where there is none to change."""
    question = item.question
    numbers = sorted(set(_NUMBER.findall(question.input)))
    if not numbers:
        return None
    draw = hashlib.sha256(f"{question.id}\0{question.input}".encode()).digest()
    old = numbers[draw[0] % len(numbers)]
    taken = {*re.findall(r"\d+", question.input), *item.gold.answers}
    steps = (1 + (draw[1] + step) % 9 for step in range(9))
    new = next((str(int(old) + d) for d in steps if str(int(old) + d) not in taken), None)
    if new is None:
        return None
    meta = {**question.meta, "number": f"{old} → {new}"}
    # In exponents and indices, too: what is one number stays one.
    text = re.sub(rf"(?<![\d.]){old}(?!\d|\.\d)", new, question.input)
    return dataclasses.replace(item, question=dataclasses.replace(question, input=text, meta=meta))
