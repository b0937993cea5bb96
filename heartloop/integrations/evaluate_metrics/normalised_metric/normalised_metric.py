"""BIG-bench's normalised preferred metric of generated answers, for Hugging Face ``evaluate``."""

import evaluate
import numpy as np

from heartloop.analysis.suites import normalise
from heartloop.grading import open_grader
from heartloop.grading.answers_file import grade_answers
from heartloop.grading.pairs import run_sync
from heartloop.integrations.evaluate_metrics import info_of_texts
from heartloop.types import Gold, Question

_CITATION = """\
Srivastava et al. 2022, Beyond the Imitation Game, arXiv 2206.04615
"""
_DESCRIPTION = """\
100 (raw - low) / (1 - low): 0 is guessing, 100 is perfect, under 0 is worse than guessing. Raw is
the mean score of the generated answers (the choice's own score, else exact match), low the mean
over items of the mean score of their choices (0 without choices).
"""
_KWARGS = """\
Args:
    predictions: whole texts of a model.
    references: accepted answers as texts; with choices, the right one.
    choices: one list of texts an item, for tasks with choices; default none.
    target_scores: one mapping choice -> score an item, where choices have scores of their own;
        references and choices are then not looked at.
Returns:
    normalised and its standard error se, raw, low (shares), n, unscored (they count as 0),
    below_chance.
"""


class NormalisedMetric(evaluate.Metric):
    """The metric; see ``inputs_description``."""

    def _info(self) -> evaluate.MetricInfo:
        return info_of_texts(_DESCRIPTION, _CITATION, _KWARGS)

    def _compute(  # type: ignore[no-untyped-def]
        self, predictions, references, choices=None, target_scores=None
    ):
        if target_scores is None and choices is not None:
            pairs = zip(references, choices, strict=True)
            target_scores = [{c: float(c == right) for c in given} for right, given in pairs]
            if not all(1.0 in scores.values() for scores in target_scores):
                raise ValueError("a reference is none of its item's choices")
        if target_scores is not None and len(target_scores) != len(predictions):
            raise ValueError(f"{len(predictions)} predictions, {len(target_scores)} target_scores")
        questions, golds = [], {}
        for i, reference in enumerate(references):
            scores = target_scores[i] if target_scores is not None else {}
            best = [c for c, s in scores.items() if s == max(scores.values())]
            questions.append(Question(str(i), "evaluate", i, "", choices=tuple(scores)))
            golds[str(i)] = Gold(
                str(i), tuple(best or [reference]), {"target_scores": scores} if scores else {}
            )
        rows = [{"index": i, "prediction": text} for i, text in enumerate(predictions)]
        records = run_sync(
            _graded("choice_text" if target_scores else "exact", questions, golds, rows)
        )
        worth = [
            float(r["verdict"] == "correct") if r["score"] is None else r["score"] for r in records
        ]
        lows = [sum(scores.values()) / len(scores) for scores in target_scores or () if scores]
        n, low = len(worth), sum(lows) / len(lows) if lows else 0.0
        se = float(np.std(worth, ddof=1)) / n**0.5 if n > 1 else 0.0
        found = normalise(float(np.mean(worth)), se, low)
        return {
            "normalised": found.value, "se": found.se, "raw": float(np.mean(worth)), "low": low,
            "n": n, "unscored": sum(r["verdict"] == "unscored" for r in records),
            "below_chance": found.below_chance,
        }  # fmt: skip


async def _graded(verifier, questions, golds, rows):  # type: ignore[no-untyped-def]
    grader = open_grader(verifier)
    try:
        return await grade_answers(grader, questions, golds, rows)
    finally:
        await grader.close()
