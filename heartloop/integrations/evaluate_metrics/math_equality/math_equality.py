"""Mathematical equality of answers and golds as a Hugging Face ``evaluate`` metric."""

import evaluate

from heartloop.analysis.proportions import wilson
from heartloop.grading.pairs import grade_pairs
from heartloop.integrations.evaluate_metrics import info_of_texts

_DESCRIPTION = """\
Is the answer equal to the gold as mathematics, however it is written? Numbers, fractions, LaTeX,
sets, intervals, equations and formulas are compared by heartloop's grader (verifier ``math``).
"""
_KWARGS = """\
Args:
    predictions: answers, or whole texts that an answer is read from.
    references: golds as texts.
    whole_texts: whether predictions are whole texts of a model (the default); False: bare answers.
Returns:
    accuracy (of all; what could not be read is not right) with its 95 % interval (Wilson), n,
    correct, incorrect, unscored, and verdicts, one a pair.
"""


class MathEquality(evaluate.Metric):
    """The metric; see ``inputs_description``."""

    def _info(self) -> evaluate.MetricInfo:
        return info_of_texts(_DESCRIPTION, "heartloop, docs/grading.md", _KWARGS)

    def _compute(self, predictions, references, whole_texts=True):  # type: ignore[no-untyped-def]
        kind = "response" if whole_texts else "answer"
        pairs = [
            {"gold": gold, "prediction": text, "prediction_kind": kind}
            for text, gold in zip(predictions, references, strict=True)
        ]
        verdicts = [row["verdict"] for row in grade_pairs("math", pairs)]
        counts = {name: verdicts.count(name) for name in ("correct", "incorrect", "unscored")}
        share = wilson(counts["correct"], len(verdicts))
        return {
            "accuracy": share.estimate, "interval": [share.low, share.high], "n": len(verdicts),
            **counts, "verdicts": verdicts,
        }  # fmt: skip
