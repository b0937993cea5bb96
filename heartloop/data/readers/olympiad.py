"""OlympiadBench, open-ended text-only problems: mathematics and physics, with units and tolerances.

Source: OpenBMB/OlympiadBench (He et al. 2024, arXiv 2402.14008). The fields ``answer_type``,
``unit``, ``is_multiple_answer`` and ``error`` become params of the gold; prompts are our own words.
"""

from __future__ import annotations

from typing import Any

from heartloop.cards.task import TaskCard
from heartloop.data.items import Item, ItemSet, Raw
from heartloop.data.rows import Row, read_rows
from heartloop.types import Demo, Gold, Question

_FORMS = {
    "Expression": "The answer is an expression.",
    "Equation": "The answer is an equation.",
    "Tuple": "The answer is a tuple in round brackets.",
    "Interval": "The answer is an interval.",
}


def read(card: TaskCard, raw: Raw, shots: int = 0) -> ItemSet:
    """Questions and golds of OlympiadBench rows.

    Gold params: ``answer_type``; ``multiple`` (the answers stand in one text, separated by
    commas outside brackets, in any order); ``unit``; ``tolerance`` (absolute; a list where the
    answers have one each).

    Raises:
        DataError: a row lacks a field or holds a wrong one; names the line and the field.
    """
    path = raw.path(0)
    rows = read_rows(path, card.source.format) if path is not None else list(raw.rows or ())
    items = [_item(card, row, index) for index, row in enumerate(rows)]
    notes: tuple[str, ...] = ()
    if raw.hub and card.options.get("rows") not in (None, len(rows)):
        notes = (f"the hub release holds {len(rows)} problems, not {card.options['rows']}",)
    return ItemSet(items, notes=notes)


def _item(card: TaskCard, row: Row, index: int) -> Item:
    key: str = row.text("id")
    text = row.filled("question")
    context: str = row.text("context", "") or ""
    multiple = row.data.get("is_multiple_answer") is True
    answers = tuple(answer for answer in row.texts("final_answer") if answer.strip())
    if not answers:
        raise row.error("final_answer", "is empty; a problem needs an answer")
    if multiple and len(answers) > 1:
        answers = (", ".join(answers),)
    kind: str = row.text("answer_type", "") or "Numerical"
    unit: str = (row.text("unit", "") or "").strip()
    params: dict[str, Any] = {"answer_type": kind, "multiple": multiple}
    if unit:
        params["unit"] = unit
    tolerance = _tolerance(row)
    if tolerance is not None:
        params["tolerance"] = tolerance
    hints = [_FORMS[kind]] if kind in _FORMS and not multiple else []
    if multiple:
        hints.append("There may be several answers: give all of them, separated by commas.")
    if unit:
        hints.append(f"The unit is {unit}; leave it out of the box.")
    question = Question(
        id=key,
        task=card.name,
        index=index,
        instruction=card.prompt.instruction,
        input="Problem: " + (f"{context.strip()}\n\n{text}" if context.strip() else text),
        answer_format=" ".join([*hints, card.prompt.answer_format]).strip(),
        separator=card.prompt.separator,
        system=card.prompt.system,
        meta={
            "raw_input": text,
            "row": row.number,
            "subfield": row.text("subfield", ""),
            "answer_type": kind,
        },
    )
    bare = answers[0].strip().strip("$")
    said = f"\\boxed{{{bare}}}"
    demo = Demo(question.input, said, f"{question.input}\nAnswer: {said}")
    return Item(question, Gold(key, answers, params), demo)


def _tolerance(row: Row) -> float | tuple[float, ...] | None:
    value = row.text("error", "")
    if not value or not value.strip():
        return None
    try:
        values = tuple(float(part) for part in value.split(",") if part.strip())
    except ValueError:
        raise row.error("error", f'"{value}" is no number; give a tolerance like 1e-3') from None
    if any(not 0 <= v < float("inf") for v in values):
        raise row.error("error", f'"{value}" is no tolerance; give a number of at least 0')
    return values[0] if len(values) == 1 else values
