"""BIG-Bench JSON tasks with the official semantics of every field.

Source: the task format of google/BIG-bench (Srivastava et al. 2022, arXiv 2206.04615). The prompt
of an item without stimulus or demonstrations is, character for character, ``task_prefix +
example_input_prefix + input [+ choices] + example_output_prefix``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from heartloop.cards.task import TaskCard
from heartloop.data.items import (
    Item,
    Items,
    ItemSet,
    Raw,
    Slip,
    length,
    mean_score,
    shuffled,
    split_tail,
)
from heartloop.data.rows import Row, example_rows, read_json
from heartloop.errors import DataError
from heartloop.types import Demo, Gold, Question

_NUMBERS = {int, float}


@dataclass(frozen=True, slots=True)
class Layout:
    """The optional fields of a BIG-Bench task file, with the official defaults."""

    task_prefix: str = ""
    example_input_prefix: str = "\nQ: "
    example_output_prefix: str = "\nA: "
    choice_prefix: str = "\n  choice: "
    append_choices_to_input: bool = True
    few_shot_example_separator: str = "\n"
    output_regex: str | None = None
    stop_string: str | None = None
    preferred_score: str = ""

    @classmethod
    def of(cls, root: Mapping[str, Any], where: str) -> Layout:
        """The layout of a task file.

        Raises:
            DataError: a field has the wrong type; names the file and the field.
        """
        values: dict[str, Any] = {}
        for name in cls.__slots__:
            value = root.get(name)
            if value is None:
                continue
            wanted = bool if name == "append_choices_to_input" else str
            if not isinstance(value, wanted):
                raise DataError(f"{where}: {name}: must be {wanted.__name__}; fetch it again")
            values[name] = value
        return cls(**values)


def read(card: TaskCard, raw: Raw, shots: int = 0) -> ItemSet:
    """Questions and golds of a BIG-Bench task.

    Duplicate examples (equal in every field) are dropped, as the official loader does; ``id`` is
    the example's row in the file, ``index`` its place after that.

    Raises:
        DataError: the file is not in BIG-Bench layout; names the example and the field.
    """
    path = raw.path(0)
    if path is not None:
        root = read_json(path)
        rows = example_rows(path, root)
        layout = Layout.of(root, str(path))
    else:
        rows = list(raw.rows or ())
        layout = Layout(preferred_score=str(rows[0].data.get("preferred_score") or ""))
    choice = layout.preferred_score == "multiple_choice_grade" or (
        not layout.preferred_score and "target" not in rows[0].data
    )
    texts = [row.text("input") for row in rows]
    kept, texts = _without_duplicates(rows, texts)
    slips = [_slip(layout, row, choice, text) for row, text in zip(kept, texts, strict=True)]
    items = Items(slips, lambda place: _item(card, layout, kept[place], place, choice))
    dropped = len(rows) - len(kept)
    notes = (f"{dropped} duplicate examples dropped of {len(rows)}",) if dropped else ()
    return ItemSet(items, notes=notes)


def _without_duplicates(rows: list[Row], texts: list[str]) -> tuple[list[Row], list[str]]:
    times = Counter(texts)
    if len(times) == len(rows):
        return rows, texts
    kept: list[tuple[Row, str]] = []
    seen: set[bytes] = set()
    for row, text in zip(rows, texts, strict=True):
        if times[text] > 1:  # only these can be equal in every field
            identity = orjson.dumps(row.data, option=orjson.OPT_SORT_KEYS)
            if identity in seen:
                continue
            seen.add(identity)
        kept.append((row, text))
    return [row for row, _ in kept], [text for _, text in kept]


def _slip(layout: Layout, row: Row, choice: bool, text: str) -> Slip:
    """What is wanted of a row before it is asked; refuses a row that `_item` could not build.

    Raises:
        DataError: names the example and the field.
    """
    own = text
    own += row.text("task_prefix", layout.task_prefix)
    low = None
    if choice:
        scores = _target_scores(row)
        low = mean_score(scores)
        if layout.append_choices_to_input:
            own += layout.choice_prefix * len(scores)
            own += "".join(scores)
    else:
        _targets(row)
    return Slip(str(row.number), row.number, text, length(own), low)


def _targets(row: Row) -> tuple[str, ...]:
    answers = row.texts("target")
    if not answers:
        raise row.error("target", "is an empty list; give at least one accepted text")
    return answers


def _item(card: TaskCard, layout: Layout, row: Row, index: int, choice: bool) -> Item:
    text: str = row.text("input")
    key = str(row.number)
    scores = {name: float(score) for name, score in _target_scores(row).items()} if choice else {}
    choices: tuple[str, ...] = ()
    shown = text
    if choice:
        choices = tuple(scores)
        if layout.append_choices_to_input:
            choices = shuffled(scores, f"{card.name}\0{key}")
            shown += "".join(layout.choice_prefix + option for option in choices)
    instruction, tail = split_tail(row.text("task_prefix", layout.task_prefix))
    if choice:
        best = max(scores.values())
        answers = tuple(name for name, score in scores.items() if score == best)
        params: dict[str, Any] = {"target_scores": scores}
    else:
        answers = _targets(row)
        given = (("output_regex", layout.output_regex), ("stop_string", layout.stop_string))
        params = {name: value for name, value in given if value}
    # White space between the parts belongs to the parts: they are joined by nothing. The white
    # space at the end of task_prefix stands at the head of whatever follows the instruction.
    question = Question(
        id=key,
        task=card.name,
        index=index,
        instruction=instruction,
        input=tail + layout.example_input_prefix + shown,
        answer_format=layout.example_output_prefix,
        separator="",
        choices=choices,
        meta={"raw_input": text, "row": row.number},
    )
    said = question.input + question.answer_format + answers[0] + layout.few_shot_example_separator
    demo = Demo(question.input, answers[0], said)
    return Item(question, Gold(key, answers, params), demo)


def _target_scores(row: Row) -> dict[str, float]:
    scores = row.data.get("target_scores")
    if not isinstance(scores, dict) or not scores:
        raise row.error("target_scores", "is missing or empty; a choice task needs it")
    if not _NUMBERS.issuperset(map(type, scores.values())):
        name = next(name for name, score in scores.items() if type(score) not in _NUMBERS)
        raise row.error(f"target_scores[{name}]", "must be a number")
    return scores
