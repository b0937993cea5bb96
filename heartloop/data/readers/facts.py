"""SimpleQA, SimpleQA Verified and TruthfulQA, generation and multiple choice.

Sources: openai/simple-evals (Wei et al. 2024, arXiv 2411.04368); SimpleQA Verified (Haas et al.
2025, arXiv 2509.07968); sylinrl/TruthfulQA (Lin et al. 2022, arXiv 2109.07958).
"""

from __future__ import annotations

import ast
import re
from typing import Any

from heartloop.cards.task import TaskCard
from heartloop.data.items import Item, ItemSet, Raw, shuffled
from heartloop.data.rows import Row, read_rows
from heartloop.types import Demo, Gold, Question

_RANGE = re.compile(r"\s*\(acceptable range:\s*(?P<text>.*)\)\s*$", re.IGNORECASE)
_NUMBER = r"[-+]?[0-9][0-9,]*(?:\.[0-9]+)?"
_SCALE = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_TIMES = f"(?: ?({'|'.join(_SCALE)}))?"
_BETWEEN = re.compile(
    rf"anything between ({_NUMBER}){_TIMES}(?:st|nd|rd|th)?\s?[^\d:,]*? and "
    rf"({_NUMBER}){_TIMES}(?:st|nd|rd|th)?(?![\d:])\s?(?P<unit>[^\d]*(?:km2)?)"
)
_LEADING = re.compile(rf"({_NUMBER}){_TIMES}")
QUESTION_HEAD = ("Question: ", "Answer: ")


def read(card: TaskCard, raw: Raw, shots: int = 0) -> ItemSet:
    """Questions and golds of SimpleQA rows (``problem``, ``answer``; ``metadata`` or columns).

    An accepted numeric range inside the gold text becomes ``params.range`` = (low, high) with
    ``params.value`` and ``params.unit``; ranges that are no pair of plain numbers (times,
    several measures) stay in ``params.range_text`` alone. The gold text itself is unchanged: a
    judge is shown all of it.

    Raises:
        DataError: a row lacks its problem or answer; names line and field.
    """
    rows = _rows(card, raw)
    items = []
    for index, row in enumerate(rows):
        text, answer = row.filled("problem"), row.filled("answer")
        key = row.text("original_index", None) or str(row.number)
        meta = {"raw_input": text, "row": row.number, **_facts(row)}
        question = _question(card, key, index, text, meta)
        gold = Gold(key, (answer,), accepted_range(answer))
        items.append(Item(question, gold, _demo(text, _RANGE.sub("", answer))))
    return ItemSet(items)


def accepted_range(answer: str) -> dict[str, Any]:
    """The accepted range in a SimpleQA Verified answer, as params of its gold.

    Returns:
        Nothing where there is no range; ``range_text`` always, and ``value``, ``range``,
        ``unit`` where it is a pair of plain numbers.
    """
    found = _RANGE.search(answer)
    if found is None:
        return {}
    params: dict[str, Any] = {"range_text": found["text"]}
    pair = _BETWEEN.fullmatch(found["text"])
    value = _LEADING.search(answer[: found.start()])
    if pair is None or value is None:
        return params
    low, high = _value(pair[1], pair[2] or pair[4]), _value(pair[3], pair[4])
    middle = _value(value[1], value[2])
    if low <= middle <= high:
        params.update(value=middle, range=(low, high), unit=pair["unit"].strip())
    return params


def read_truthful(card: TaskCard, raw: Raw, shots: int = 0) -> ItemSet:
    """Questions and golds of TruthfulQA rows.

    ``options.form`` of the card: ``generation`` (answers = the correct answers, the best first,
    ``params.incorrect`` = the false ones), ``mc1`` (the best answer against the false ones) or
    ``mc2`` (all correct against all false ones); the last two are scored by log-likelihoods of
    ``params.target_scores``.

    Raises:
        DataError: a row lacks a column; names line and field.
    """
    form = card.options.get("form", "generation")
    items = []
    for index, row in enumerate(_rows(card, raw)):
        text, best = row.filled("Question"), row.filled("Best Answer").strip()
        right = _unique([best, *_listed(row, "Correct Answers")])
        wrong = [a for a in _unique(_listed(row, "Incorrect Answers")) if a not in right]
        if not wrong:
            raise row.error("Incorrect Answers", "is empty; the question needs false answers")
        key = str(row.number)
        meta = {"raw_input": text, "row": row.number}
        meta.update({n.lower(): row.text(n, "") for n in ("Type", "Category")})
        if form == "generation":
            question = _question(card, key, index, text, meta)
            gold = Gold(key, tuple(right), {"incorrect": tuple(wrong)})
        else:
            true = [best] if form == "mc1" else right
            scores = {a: 1.0 for a in true} | {a: 0.0 for a in wrong}
            choices = shuffled(scores, f"{card.name}\0{key}")
            question = _question(card, key, index, text, meta, choices)
            params = {"target_scores": {c: scores[c] for c in choices}, "metric": form}
            gold = Gold(key, tuple(true), params)
        items.append(Item(question, gold, _demo(text, best)))
    return ItemSet(items)


def _rows(card: TaskCard, raw: Raw) -> list[Row]:
    path = raw.path(0)
    return read_rows(path, card.source.format) if path is not None else list(raw.rows or ())


def _question(
    card: TaskCard,
    key: str,
    index: int,
    text: str,
    meta: dict[str, Any],
    choices: tuple[str, ...] = (),
) -> Question:
    return Question(
        id=key,
        task=card.name,
        index=index,
        instruction=card.prompt.instruction,
        input=f"{QUESTION_HEAD[0]}{text}",
        answer_format=card.prompt.answer_format,
        separator=card.prompt.separator,
        system=card.prompt.system,
        choices=choices,
        meta=meta,
    )


def _demo(text: str, answer: str) -> Demo:
    asked = f"{QUESTION_HEAD[0]}{text}"
    return Demo(asked, answer, f"{asked}\n{QUESTION_HEAD[1]}{answer}")


def _facts(row: Row) -> dict[str, str]:
    """Topic and kind of answer: columns of their own, or inside a Python dict as text."""
    facts = {name: row.data.get(name) for name in ("topic", "answer_type")}
    metadata = row.data.get("metadata")
    if isinstance(metadata, str):
        try:
            parsed = ast.literal_eval(metadata)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise row.error("metadata", "is no dictionary; fetch the file again") from None
        metadata = parsed
    if isinstance(metadata, dict):
        facts.update({name: metadata.get(name) for name in facts})
    return {name: str(value) for name, value in facts.items() if value}


def _listed(row: Row, field: str) -> list[str]:
    texts: str = row.filled(field)
    return [part.strip() for part in texts.split(";") if part.strip()]


def _unique(texts: list[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _value(number: str, scale: str | None) -> float:
    return float(number.replace(",", "")) * (_SCALE[scale] if scale else 1.0)
