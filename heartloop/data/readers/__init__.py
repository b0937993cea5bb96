"""One reader a family of tasks: raw records → questions and golds; imported when it is needed."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from heartloop.cards.task import TaskCard
from heartloop.data.items import ItemSet, Raw
from heartloop.errors import DataError

Reader = Callable[[TaskCard, Raw, int], ItemSet]
"""``read(card, raw, shots)``; ``shots`` matters only where the wording depends on it."""

_MODULES = {
    "bigbench": "bigbench",
    "bbh": "bbh",
    "instruction_induction": "induction",
    "olympiad": "olympiad",
    "simpleqa": "facts",
    "truthfulqa": "facts",
    "esconv": "esconv",
    "hub": "table",
    "custom": "table",
    "practice": "table",
}


def reader(card: TaskCard) -> Reader:
    """The reader of a card's family.

    Raises:
        DataError: this version has no reader for it.
    """
    name = _MODULES.get(card.family)
    try:
        module = importlib.import_module(f"heartloop.data.readers.{name}")
    except ModuleNotFoundError as error:
        raise DataError(
            f"{card.path}: family: {card.family} cannot be read by this version of heartloop"
        ) from error
    function = "read_truthful" if card.family == "truthfulqa" else "read"
    found: Reader = getattr(module, function)
    return found
