"""Preference bias of label predictions as a Hugging Face ``evaluate`` metric."""

import evaluate

from heartloop.analysis.preference import LABELS as ESCONV
from heartloop.analysis.preference import (
    confusion_matrix,
    conversation_confusions,
    preference_bias,
    preference_dict,
)
from heartloop.integrations.evaluate_metrics import info_of_texts

_CITATION = """\
Kang et al. 2024, Can Large Language Models be Good Emotional Supporter? Mitigating Preference Bias
on Emotional Support Conversation, ACL 2024 (arXiv 2402.13211)
"""
_DESCRIPTION = """\
Which labels does a model prefer over what the gold calls for? Preference p of each label is a
Bradley-Terry strength fitted to the confusions, bias B its standard deviation, Q the macro-F1.
"""
_KWARGS = """\
Args:
    predictions: labels as texts; "" (or any text that is no label) is a prediction that could not
        be read: it costs accuracy and is no preference.
    references: gold labels as texts.
    labels: the labels in order; default the eight ESConv strategies where all references are
        among them, else the sorted references.
    conversations: what dependent items share, for bootstrap intervals; default none.
    draws: bootstrap resamples. seed: of resamples and simulated references.
Returns:
    p and f1 by label, B, Q, weighted_f1, accuracy, references (uniform and gold-marginal
    predictors), B_adjusted, intervals, mle_exists, notes and more, as heartloop esc --json.
"""


class PreferenceBias(evaluate.Metric):
    """The metric; see ``inputs_description``."""

    def _info(self) -> evaluate.MetricInfo:
        return info_of_texts(_DESCRIPTION, _CITATION, _KWARGS)

    def _compute(  # type: ignore[no-untyped-def]
        self, predictions, references, labels=None, conversations=None, draws=1000, seed=0
    ):
        occur = set(references)
        names = list(labels or (ESCONV if occur <= set(ESCONV) else sorted(occur)))
        if not occur <= set(names):
            missing = sorted(occur - set(names))[0]
            raise ValueError(f"reference {missing!r} is none of the labels {names}")
        place = {name: i for i, name in enumerate(names)}
        given = [place.get(text, -1) for text in predictions]
        gold = [place[text] for text in references]
        if conversations is None:
            report = preference_bias(confusion_matrix(given, gold, len(names)), names, seed=seed)
        else:
            by = conversation_confusions(given, gold, conversations, len(names))
            report = preference_bias(labels=names, by_conversation=by, draws=draws, seed=seed)
        return preference_dict(report)
