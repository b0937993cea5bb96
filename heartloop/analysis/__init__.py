"""Statistics a reviewer would accept: pure functions, arrays in, frozen results out.

Nothing here reads a file, draws without a seed, or knows what a model is.

Conventions of all modules
--------------------------
*Outcomes* are ``int8`` arrays of shape (questions,) or (questions, draws), free of NaN:

====  ===========  =====================================================================
code  name         meaning
====  ===========  =====================================================================
1     CORRECT      the strict verdict was right
0     INCORRECT    the strict verdict was wrong
-1    UNSCORED     an answer without a verdict: truncated, empty, unparsed, refused …
-2    ERROR        the call ended without a completion
-3    ABSENT       no attempt was made (a loop that had stopped, a ragged row)
====  ===========  =====================================================================

"Of all" counts everything that is not correct as not correct; "of scored" leaves unscored answers
and errors out. Columns of a (questions, draws) array are draws or run seeds; draws of one question
are never treated as independent questions. Paired functions take two arrays of the same shape:
row i of both is the same question, column s the same seed. ``clusters`` gives one label a row for
questions that are not independent (a conversation, a table, a task); without it every row is its
own cluster. Accuracies and differences are shares in [0, 1]; a *point* is 0.01.

Modules: ``proportions`` (accuracy with intervals), ``passk`` (pass@k, maj@k, best@k, pass^k,
variance components, repeated greedy runs), ``paired`` (McNemar, permutation, bootstrap), ``score``
(score intervals, TOST), ``compare`` (everything that ``heartloop compare`` prints),
``multiplicity`` (Holm, Benjamini-Hochberg), ``suites`` (normalised metrics, tasks as
clusters, stimulus classes), ``selection`` (winner's curse), ``curves`` (equal
compute), ``contrasts`` (a task's own metric: tests, simultaneous intervals), ``content_form``,
``words`` (which word a difference may carry), ``bands`` (simultaneous bands of what is only
described), ``carry`` (how much of a cue stands in the answers), ``meta`` (a contrast over models),
``ratios`` (F and other ratios of sums),
``spread`` (variance between tasks, questions and draws),
``power``, ``sequential`` (looks that keep their error rate),
``diagnostics`` (flips, sycophancy), ``preference`` and ``preference_runs``
(preference bias of label predictions, one run and several). Names are importable from here and
loaded on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

CORRECT, INCORRECT, UNSCORED, ERROR, ABSENT = 1, 0, -1, -2, -3
CODES: dict[str, int] = {"correct": 1, "incorrect": 0, "unscored": -1, "error": -2}
"""Outcome names of ``heartloop.types`` to the codes of the arrays."""

_HOME = {
    "Accuracy": "proportions",
    "Interval": "proportions",
    "accuracy": "proportions",
    "wilson": "proportions",
    "answer_classes": "passk",
    "best_at_k": "passk",
    "maj_at_k": "passk",
    "pass_at_k": "passk",
    "pass_hat_k": "passk",
    "repeated_runs": "passk",
    "variance_components": "passk",
    "mcnemar": "paired",
    "paired_bootstrap": "paired",
    "permutation_test": "paired",
    "score_interval": "score",
    "tost": "score",
    "cohens_h": "paired",
    "Comparison": "compare",
    "compare_arms": "compare",
    "Sample": "contrasts",
    "contrasts": "contrasts",
    "sample": "contrasts",
    "split": "content_form",
    "Finding": "words",
    "Roles": "words",
    "compare_all": "words",
    "decide": "words",
    "measure": "words",
    "benjamini_hochberg": "multiplicity",
    "holm": "multiplicity",
    "normalise": "suites",
    "stimulus_class_effect": "suites",
    "suite_effect": "suites",
    "best_of_arms": "selection",
    "attempts": "curves",
    "break_even": "curves",
    "compute_curve": "curves",
    "paired_power": "power",
    "power_plan": "design",
    "claim_power": "design",
    "equivalence_power": "design",
    "smallest_detectable": "power",
    "look": "sequential",
    "ordered_gains": "sequential",
    "preference_bias": "preference",
    "preference_dict": "preference",
    "compare_bias": "preference_runs",
    "drift": "preference_runs",
}

__all__ = ["ABSENT", "CODES", "CORRECT", "ERROR", "INCORRECT", "UNSCORED", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    """Load the module that holds ``name`` on first use (PEP 562)."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    """All public names, loaded or not."""
    return sorted(__all__)
