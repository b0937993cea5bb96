"""Trivial baselines of a task: echoing, always saying the same, guessing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from heartloop.errors import CardError
from heartloop.grading.grader import Grader
from heartloop.types import Completion, Gold, Question, Verdict

NAMES = ("echo", "majority", "chance", "random_demo")


async def baselines_for(
    questions: Sequence[Question],
    golds: Mapping[str, Gold],
    grader: Grader,
    *,
    names: Sequence[str] = NAMES,
    demos: Sequence[str] = (),
    limit: int | None = None,
) -> dict[str, float | None]:
    """Mean score of each trivial baseline, graded like any answer.

    Args:
        questions: the task's questions.
        golds: their golds by question id.
        grader: the task's grader. A judge is never asked: its baselines are None.
        names: which of ``echo`` (the item itself as answer), ``majority`` (the gold that is most
            frequent, for every item), ``chance`` (the mean over items of the mean worth of a
            choice) and ``random_demo`` (demonstration answers dealt out in turn).
        demos: answers of demonstrations, for ``random_demo``.
        limit: number of questions that are looked at, evenly spread; all by default.

    Returns:
        Mean score in [0, 1] by name; None where the baseline does not exist for the task.
    """
    chosen = list(questions)
    if limit is not None and len(chosen) > limit:
        chosen = [chosen[i * len(chosen) // limit] for i in range(limit)]
    result: dict[str, float | None] = {}
    for name in names:
        if name == "chance":
            result[name] = _chance(chosen, golds)
        elif grader.verifier.kind in ("judge", "choice_loglik"):
            result[name] = None
        elif name == "echo":
            texts = [str(q.meta.get("raw_input") or q.input).strip() for q in chosen]
            result[name] = await _score(chosen, golds, grader, texts)
        elif name == "majority":
            answer = _majority(chosen, golds)
            texts = [answer] * len(chosen)
            result[name] = await _score(chosen, golds, grader, texts) if answer else None
        elif name == "random_demo":
            texts = [demos[i % len(demos)] for i in range(len(chosen))] if demos else []
            result[name] = await _score(chosen, golds, grader, texts) if demos else None
    return result


def _majority(questions: Sequence[Question], golds: Mapping[str, Gold]) -> str:
    counts = Counter(golds[q.id].answers[0] for q in questions if golds[q.id].answers)
    return counts.most_common(1)[0][0] if counts else ""


def _chance(questions: Sequence[Question], golds: Mapping[str, Gold]) -> float | None:
    values = []
    for question in questions:
        worth = golds[question.id].params.get("target_scores")
        if worth:
            values.append(sum(worth.values()) / len(worth))
        elif question.choices:
            values.append(1 / len(question.choices))
    return sum(values) / len(values) if values else None


async def _score(
    questions: Sequence[Question],
    golds: Mapping[str, Gold],
    grader: Grader,
    texts: Sequence[str],
) -> float | None:
    """Mean strict score; a text that yields no answer under the strict chain is read as a whole."""
    if not questions:
        return None
    total = 0.0
    for question, text in zip(questions, texts, strict=True):
        gold = golds[question.id]
        try:
            verdict = (await grader.grade(question, gold, Completion(text))).own
            if verdict.reason == "unparsed":
                verdict = await grader.grade_answer(question, gold, text)
        except CardError:
            return None
        total += _worth(verdict)
    return total / len(questions)


def _worth(verdict: Verdict) -> float:
    if verdict.score is not None:
        return verdict.score
    return 1.0 if verdict.outcome == "correct" else 0.0
