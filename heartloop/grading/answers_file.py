"""Grades recorded answers to a task: what ``heartloop grade --task --answers`` does."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from heartloop.errors import DataError
from heartloop.grading.grader import Grader
from heartloop.models.vocabulary import FAILED, finish_of
from heartloop.types import Completion, Gold, Graded, Question

_BATCH = 512


async def grade_answers(
    grader: Grader,
    questions: Sequence[Question],
    golds: Mapping[str, Gold],
    rows: Iterable[Mapping[str, Any]],
    *,
    field: str = "prediction",
) -> list[dict[str, Any]]:
    """Grade recorded answers, in their order.

    Args:
        grader: the task's grader.
        questions: the task's questions.
        golds: their golds by question id.
        rows: each with ``index`` (0-based row of the task's data) or ``id``, and the answer text;
            ``finish_reason`` is used where it is given.
        field: name of the field that holds the answer text.

    Returns:
        For every row ``index``, ``id``, the strict verdict (``verdict``, ``reason``, ``answer``,
        ``score``, ``detail``) and the content one under ``content``.

    Raises:
        DataError: a row names no question of the task, or has no answer.
    """
    records: list[dict[str, Any]] = []
    batch: list[tuple[Question, Completion]] = []

    async def flush() -> None:
        graded = await asyncio.gather(
            *(grader.grade(question, golds[question.id], text) for question, text in batch)
        )
        for (question, _), verdicts in zip(batch, graded, strict=True):
            records.append(_record(question, verdicts))
        batch.clear()

    for question, _, completion in asked_answers(questions, golds, rows, field=field):
        batch.append((question, completion))
        if len(batch) >= _BATCH:
            await flush()
    await flush()
    return records


def asked_answers(
    questions: Sequence[Question],
    golds: Mapping[str, Gold],
    rows: Iterable[Mapping[str, Any]],
    *,
    field: str = "prediction",
) -> Iterator[tuple[Question, Gold, Completion]]:
    """Question, gold and completion of each row; see ``grade_answers``.

    Raises:
        DataError: a row names no question of the task, or has no answer.
    """
    by_index = {question.index: question for question in questions}
    by_id = {question.id: question for question in questions}
    for line, row in enumerate(rows, start=1):
        question = _question(row, by_index, by_id, line)
        if field not in row:
            raise DataError(
                f"line {line}: {field}: is missing; --field names the field that holds the answer"
            )
        text = row[field]
        if text is not None and not isinstance(text, str):
            text = str(text)
        finish = finish_of(row.get("finish_reason") or "stop")
        finish = "length" if finish == FAILED else finish  # an aborted text is a cut one
        yield question, golds[question.id], Completion(text or "", finish_reason=finish)


def _question(
    row: Mapping[str, Any],
    by_index: Mapping[int, Question],
    by_id: Mapping[str, Question],
    line: int,
) -> Question:
    if row.get("index") is not None:
        index = row["index"]
        if not isinstance(index, int) or index not in by_index:
            last = max(by_index, default=0)
            raise DataError(f"line {line}: index: {index!r} is no row of the task (0 … {last})")
        return by_index[index]
    if row.get("id") is not None:
        question = by_id.get(str(row["id"]))
        if question is None:
            raise DataError(f"line {line}: id: {row['id']!r} is no question of the task")
        return question
    raise DataError(f"line {line}: index: is missing; each line needs index or id")


def _record(question: Question, graded: Graded) -> dict[str, Any]:
    strict, content = graded.own, graded.content
    return {
        "index": question.index,
        "id": question.id,
        "verdict": strict.outcome,
        "reason": strict.reason,
        "answer": strict.answer,
        "score": strict.score,
        "detail": strict.detail,
        "content": {
            "verdict": content.outcome,
            "reason": content.reason,
            "answer": content.answer,
            "score": content.score,
            "detail": content.detail,
        },
    }


def summary_of(
    records: Sequence[Mapping[str, Any]], low: float, expected: int | None = None
) -> dict[str, Any]:
    """Accuracy, normalised metric and outcome counts of graded answers.

    Args:
        records: as ``grade_answers`` gives them.
        low: score of guessing, in [0, 1].
        expected: number of questions of the task.

    Returns:
        ``n``, ``accuracy`` (correct of all, in 0..1), ``accuracy_of_scored``, ``score`` (mean
        score of all), ``normalised`` (``100·(score − low)/(1 − low)``), ``low``, ``outcomes``,
        ``reasons`` (of unscored), ``content_accuracy``, ``flips`` and ``warnings``.
    """
    n = len(records)
    outcomes = Counter(record["verdict"] for record in records)
    reasons = Counter(record["reason"] for record in records if record["reason"])
    correct = outcomes["correct"]
    scored = n - outcomes["unscored"]
    score = sum(_worth(record) for record in records) / n if n else 0.0
    content = sum(record["content"]["verdict"] == "correct" for record in records)
    flips = sum(
        (record["verdict"] == "correct") != (record["content"]["verdict"] == "correct")
        for record in records
    )
    normalised = 100 * (score - low) / (1 - low) if low < 1 else 0.0
    warnings = []
    if n and normalised < 0:
        warnings.append(f"below chance: {score:.4f} where guessing gives {low:.4f}")
    if n and reasons["truncated"] / n > 0.02:
        warnings.append(f"{reasons['truncated'] / n:.1%} of the answers were cut off")
    if n and outcomes["unscored"] / n > 0.05:
        warnings.append(f"{outcomes['unscored'] / n:.1%} of the answers could not be scored")
    if n and flips / n > 0.02:
        warnings.append(f"{flips} verdicts differ between the strict and the content reading")
    if expected is not None and n != expected:
        warnings.append(f"{n} answers to {expected} questions")
    return {
        "n": n,
        "accuracy": correct / n if n else None,
        "accuracy_of_scored": correct / scored if scored else None,
        "score": score if n else None,
        "normalised": normalised if n else None,
        "low": low,
        "outcomes": {name: outcomes[name] for name in ("correct", "incorrect", "unscored")},
        "reasons": dict(reasons),
        "content_accuracy": content / n if n else None,
        "flips": flips,
        "warnings": warnings,
    }


def _worth(record: Mapping[str, Any]) -> float:
    if record["score"] is not None:
        return float(record["score"])
    return 1.0 if record["verdict"] == "correct" else 0.0
