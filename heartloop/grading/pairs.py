"""Grades pairs of gold and prediction from anywhere: what ``heartloop grade --pairs`` does."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from heartloop.errors import DataError
from heartloop.grading import extract as ex
from heartloop.grading.grader import Grader, open_grader
from heartloop.grading.marks import box_spans
from heartloop.grading.maths.reduce import needs_formula
from heartloop.types import Completion, Gold, Question, Verdict

_LONG = 200  # a gold longer than this is a worked solution whose answer is extracted


def grade_pairs(
    verifier: str, pairs: Iterable[Mapping[str, Any]], **options: Any
) -> list[dict[str, Any]]:
    """Grade pairs in their order; usable with or without a running event loop.

    Args:
        verifier: name or path of a verifier card.
        pairs: mappings with ``gold`` (text or list of texts), ``prediction``, and optionally
            ``id``, ``params``, ``question``, ``choices``, ``prediction_kind`` (``answer``, the
            default, or ``response``: a whole text that the chains extract from).
        **options: as for ``Grader``.

    Returns:
        A copy of every pair with ``verdict`` and ``reason`` (why unscored, else what was compared)
        and ``answer`` (what was extracted).

    Raises:
        DataError: a pair lacks a field or has one of the wrong type.
    """
    rows = list(pairs)
    return run_sync(_grade_all(verifier, rows, options))


def run_sync(coroutine: Any) -> Any:
    """Run a coroutine to its end, in a thread of its own where a loop already runs here."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    box: dict[str, Any] = {}

    def run() -> None:
        try:
            box["result"] = asyncio.run(coroutine)
        except BaseException as error:  # handed to the caller's thread
            box["error"] = error

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if "error" in box:
        raise box["error"]
    return box["result"]


async def _grade_all(
    verifier: str, rows: list[Mapping[str, Any]], options: dict[str, Any]
) -> list[dict[str, Any]]:
    grader = open_grader(verifier, **options)
    try:
        graded = []
        for start in range(0, len(rows), 256):
            chunk = rows[start : start + 256]
            graded += await asyncio.gather(
                *(grade_pair(grader, row, start + i + 1) for i, row in enumerate(chunk))
            )
        return graded
    finally:
        await grader.close()


def asked_pairs(
    grader: Grader, rows: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[Question, Gold, Completion]]:
    """Question, gold and completion of each pair, its prediction taken as a whole text.

    Raises:
        DataError: a pair lacks a field or has one of the wrong type.
    """
    for line, row in enumerate(rows, start=1):
        question, gold, prediction, _ = _fields(row, line)
        yield question, _short_gold(grader, gold), Completion(prediction or "")


async def grade_pair(grader: Grader, row: Mapping[str, Any], line: int = 1) -> dict[str, Any]:
    """Grade one pair; see ``grade_pairs``."""
    question, gold, prediction, kind = _fields(row, line)
    if prediction is None or not prediction.strip():
        verdict = Verdict("unscored", "empty", None, None, "the prediction is empty")
    elif kind == "response" or grader.verifier.kind == "judge":
        verdict = await _response(grader, question, gold, prediction)
    else:
        verdict = await _answer(grader, question, gold, prediction)
    reason = f"{verdict.reason}: {verdict.detail}" if verdict.reason else verdict.detail
    return {**row, "verdict": verdict.outcome, "reason": reason, "answer": verdict.answer}


async def _response(grader: Grader, question: Question, gold: Gold, prediction: str) -> Verdict:
    """The own metric where it read something, else the content: a pair asks for no form."""
    graded = await grader.grade(question, _short_gold(grader, gold), Completion(prediction))
    if graded.own.reason != "unparsed":
        return graded.own
    return graded.content if graded.content.outcome != "unscored" else graded.own


async def _answer(grader: Grader, question: Question, gold: Gold, prediction: str) -> Verdict:
    types = {**grader.params, **gold.params}.get("match_types")
    if grader.verifier.kind == "math" and needs_formula(prediction, types):
        return Verdict("incorrect", None, None, 0.0, "no formula found, as match_types asks for")
    if grader.reads_content:
        return (await grader.grade(question, gold, Completion(prediction))).own
    return await grader.grade_answer(question, _short_gold(grader, gold), prediction)


_GSM8K = re.compile(r"####\s*(\S.*?)\s*$")


_LISTED = re.compile(r"\}[^{}]*(?:,|;|\band\b|\bor\b)[^{}]*\\boxed")


def _short_gold(grader: Grader, gold: Gold) -> Gold:
    """Worked solutions and boxed golds brought to their final answer; all boxes of a short list."""
    if grader.verifier.kind != "math":
        return gold
    answers = []
    for text in gold.answers:
        boxes = [content for _, _, content in box_spans(text)]
        box = ex.boxed(text)
        published = _GSM8K.search(text)
        if published:
            answers.append(published[1])
        elif len(text) <= _LONG and len(boxes) > 1 and _LISTED.search(text):
            answers.append(", ".join(dict.fromkeys(boxes)))
        elif len(text) > _LONG and box is None or box is not None and len(text) > len(box) + 12:
            found = ex.run_chain(grader.strict, text, ex.Context())
            answers.append(found.answer if found is not None else box or text)
        else:
            answers.append(box or text)
    return Gold(gold.question, tuple(answers), gold.params)


def _fields(row: Mapping[str, Any], line: int) -> tuple[Question, Gold, str | None, str]:
    where = f"line {line}"
    if not isinstance(row, Mapping):
        raise DataError(f"{where}: not a JSON object; each line needs gold and prediction")
    for name in ("gold", "prediction"):
        if name not in row:
            raise DataError(f"{where}: {name}: is missing; each line needs gold and prediction")
    golds = row["gold"] if isinstance(row["gold"], list) else [row["gold"]]
    params = row.get("params") or {}
    if not isinstance(params, Mapping):
        raise DataError(f"{where}: params: must be an object")
    kind = row.get("prediction_kind") or "answer"
    if kind not in ("answer", "response"):
        raise DataError(f'{where}: prediction_kind: "{kind}" is neither answer nor response')
    prediction = row["prediction"]
    if prediction is not None and not isinstance(prediction, str):
        prediction = str(prediction)
    choices = row.get("choices") or ()
    name = str(row.get("id", line))
    text = row.get("question") or ""
    question = Question(name, "pairs", line - 1, str(text), choices=tuple(map(str, choices)))
    return question, Gold(name, tuple(str(gold) for gold in golds), dict(params)), prediction, kind
