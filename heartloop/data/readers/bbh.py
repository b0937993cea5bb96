"""BIG-Bench Hard: direct answers, or chain of thought behind the published three-shot prompts.

Source: suzgunmirac/BIG-Bench-Hard (Suzgun et al. 2022, arXiv 2210.09261). The published prompts
are read from the data folder at run time; their canary line is no part of the prompt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from heartloop.cards.task import TaskCard
from heartloop.data.items import Item, Items, ItemSet, Raw, Slip, length
from heartloop.data.rows import Row, example_rows, read_text
from heartloop.errors import DataError
from heartloop.types import Demo, Gold, Question

STEP_BY_STEP = "Let's think step by step."  # the published prompts' own line
_LETTER = re.compile(r"^\(([A-Z])\) ?(.*)$", re.MULTILINE)
_DASH = re.compile(r"^- (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One demonstration of a published prompt: question, worked text, final answer.

    ``worked`` begins with the white space that follows "step by step." in the file.
    """

    question: str
    worked: str
    answer: str


def read(card: TaskCard, raw: Raw, shots: int = 0) -> ItemSet:
    """Questions and golds of a BBH task.

    ``options.style`` of the card is ``direct`` or ``cot``. With demonstrations the prompt is the
    published one (direct: with the answers alone); without them a direct question carries the
    card's own line on the form of the answer. Nothing is dropped: published accuracies count
    every row.

    Raises:
        DataError: a file is not as published; names the place.
    """
    path = raw.path(0)
    rows = example_rows(path) if path is not None else list(raw.rows or ())
    cot = card.options.get("style") == "cot"
    prompt = raw.path(1)
    description, exemplars = parse_prompt(prompt) if prompt else ("", [])
    notes: tuple[str, ...] = ()
    if prompt is None and raw.rows is None:
        if cot:
            raise DataError(
                f"{card.name}: {card.source.local[1]} is absent beside {raw.shown}; "
                "it holds the published three-shot prompt"
            )
        notes = (f"without {card.source.local[1]}: no task description, no demonstrations",)
    labels = tuple(str(label) for label in card.options.get("choices", ()))
    # The form of the answer is told where no demonstration shows it.
    line = "" if cot or shots else card.prompt.answer_format
    ending = f"\nA: {STEP_BY_STEP}\n" if cot else (f"\n{line}\nA:" if line else "\nA:")

    def build(index: int) -> Item:
        row = rows[index]
        text, target = row.text("input"), row.text("target")
        names, texts = parse_options(text)
        choices = names or labels
        question = Question(
            id=str(row.number),
            task=card.name,
            index=index,
            instruction=description,
            input=f"\n\nQ: {text}" if description else f"Q: {text}",
            answer_format=ending,
            separator="",
            choices=choices if target in choices else (),
            meta={"raw_input": text, "row": row.number, "options": texts},
        )
        return Item(question, Gold(question.id, (target,)))

    items = Items([_slip(row) for row in rows], build)
    pool = [_demonstration(card, i, exemplar, cot) for i, exemplar in enumerate(exemplars)]
    return ItemSet(items, lambda: pool, fixed_pool=True, notes=notes)


def _slip(row: Row) -> Slip:
    text: str = row.text("input")
    row.text("target")  # refused here if it is no text
    return Slip(str(row.number), row.number, text, length(text))


def parse_options(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The options that a BBH question shows: as they are answered, and what they say.

    Lettered options are answered by their letter in brackets, ``(A)``; listed ones (``- Yes``)
    by their text. Both are empty where the question shows none.
    """
    _, found, shown = text.rpartition("Options:")
    if not found:
        return (), ()
    lettered = _LETTER.findall(shown)
    if lettered:
        return tuple(f"({letter})" for letter, _ in lettered), tuple(t for _, t in lettered)
    listed = tuple(item.strip() for item in _DASH.findall(shown))
    return listed, listed


def parse_prompt(path: Path) -> tuple[str, list[Exemplar]]:
    """A published prompt file: its description and its demonstrations.

    Raises:
        DataError: the file is not laid out as published.
    """
    text = read_text(path)
    _, line, body = text.partition("-----\n")
    description, *blocks = (body if line else text).split("\n\nQ: ")
    exemplars = []
    for number, block in enumerate(blocks, start=1):
        question, found, worked = block.partition(f"\nA: {STEP_BY_STEP}")
        _, said, answer = worked.rpartition("answer is ")
        if not (found and said):
            raise DataError(f"{path}: demonstration {number}: not laid out as published")
        exemplars.append(Exemplar(question, worked.rstrip(), answer.strip().removesuffix(".")))
    if not exemplars:
        raise DataError(f"{path}: holds no demonstrations; fetch the file again")
    return description.strip(), exemplars


def _demonstration(card: TaskCard, index: int, exemplar: Exemplar, cot: bool) -> Item:
    key = f"demo{index}"
    question = Question(
        id=key,
        task=card.name,
        index=index,
        input=exemplar.question,
        meta={"raw_input": exemplar.question},
    )
    said = f"{STEP_BY_STEP}{exemplar.worked}" if cot else exemplar.answer
    asked = f"\n\nQ: {exemplar.question}"
    # The question of a chain-of-thought turn ends in the published line; the answer follows it.
    demo = Demo(asked, exemplar.worked.strip() if cot else said, f"{asked}\nA: {said}")
    return Item(question, Gold(key, (exemplar.answer,)), demo)
