"""The maths verifier's parent side: the fast path, several golds, and the hand-over to workers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from heartloop.grading.judgement import Judgement
from heartloop.grading.maths.caps import MAX_LENGTH
from heartloop.grading.maths.fast import decide
from heartloop.grading.maths.pool import MathPool
from heartloop.grading.maths.reduce import reductions
from heartloop.types import Gold, Question


class HasPool(Protocol):
    """Who asks; its workers are described and started only where the fast path is not enough."""

    @property
    def pool(self) -> MathPool:
        """The maths workers."""
        ...


_WORKER_PARAMS = (
    "tolerance",
    "error",
    "precision",
    "answer_type",
    "unit",
    "multiple",
    "is_multiple_answer",
    "strict",
    "allow_set_relation_comp",
    "match_types",
    "symmetric",
    "rounding",
)


async def compare_maths(
    grader: HasPool,
    gold: Gold,
    params: Mapping[str, Any],
    answer: str,
    question: Question | None,
) -> Judgement:
    """Compare an answer with every accepted one; the first that is right decides."""
    if len(answer) > MAX_LENGTH:
        return Judgement("unscored", "undecided", detail=f"longer than {MAX_LENGTH} characters")
    types = params.get("match_types")
    worst: Judgement | None = None
    for text in (answer, *reductions(answer, types)[:3]):
        for accepted in gold.answers:
            judgement = await _compare(grader, accepted, params, text, question)
            if judgement.outcome == "correct":
                return judgement
            if worst is None or worst.outcome == "incorrect" and text is answer:
                worst = judgement  # one undecided gold leaves the answer undecided
    return worst or Judgement("unscored", "undecided", detail="the question has no gold answer")


async def _compare(
    grader: HasPool,
    accepted: str,
    params: Mapping[str, Any],
    answer: str,
    question: Question | None,
) -> Judgement:
    decided = decide(accepted, answer, params)
    if decided is None:
        task = {
            "gold": accepted,
            "answer": answer,
            "params": {name: params[name] for name in _WORKER_PARAMS if name in params},
            "question": question.input[-2000:] if question is not None else "",
        }
        reply = await grader.pool.run(task)
        outcome, detail = reply["outcome"], reply["detail"]
        if outcome == "incorrect" and params.get("symmetric"):
            reply = await grader.pool.run({**task, "gold": answer, "answer": accepted})
            if reply["outcome"] == "correct":
                outcome, detail = "correct", reply["detail"]
    else:
        outcome, detail = decided
    if outcome == "correct":
        return Judgement("correct", None, 1.0, detail)
    if outcome == "incorrect":
        return Judgement("incorrect", None, 0.0, detail)
    return Judgement("unscored", "undecided", None, detail)
