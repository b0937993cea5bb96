"""BIG-Bench JSON tasks with the official semantics of every field.

Source: the task format of google/BIG-bench (Srivastava et al. 2022, arXiv 2206.04615). The prompt
of an item without stimulus or demonstrations is, character for character, ``task_prefix +
example_input_prefix + input [+ choices] + example_output_prefix``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from heartloop.cards.task import TaskCard
from heartloop.data.items import Item, ItemSet, Raw, shuffled, split_tail
from heartloop.data.rows import Row, example_rows, read_json
from heartloop.errors import DataError
from heartloop.types import Demo, Gold, Question


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
    items: list[Item] = []
    seen: set[bytes] = set()
    for row in rows:
        identity = orjson.dumps(row.data, option=orjson.OPT_SORT_KEYS)
        if identity not in seen:
            seen.add(identity)
            items.append(_item(card, layout, row, len(items), choice))
    dropped = len(rows) - len(items)
    notes = (f"{dropped} duplicate examples dropped of {len(rows)}",) if dropped else ()
    return ItemSet(items, notes=notes)


def _item(card: TaskCard, layout: Layout, row: Row, index: int, choice: bool) -> Item:
    text: str = row.text("input")
    key = str(row.number)
    scores = _target_scores(row) if choice or "target" not in row.data else {}
    choices: tuple[str, ...] = ()
    shown = text
    if choice:
        choices = tuple(scores)
        if layout.append_choices_to_input:
            choices = shuffled(scores, f"{card.name}\0{key}")
            shown += "".join(layout.choice_prefix + option for option in choices)
    instruction, tail = split_tail(row.text("task_prefix", layout.task_prefix))
    if scores and choice:
        best = max(scores.values())
        answers = tuple(name for name, score in scores.items() if score == best)
        params: dict[str, Any] = {"target_scores": scores}
    else:
        answers = row.texts("target")
        if not answers:
            raise row.error("target", "is an empty list; give at least one accepted text")
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
    for name, score in scores.items():
        if isinstance(score, bool) or not isinstance(score, (int, float)):
            raise row.error(f"target_scores[{name}]", "must be a number")
    return {str(name): float(score) for name, score in scores.items()}
