"""Quality of free responses beside references, and agreement of judges that rate them.

BLEU and ROUGE-L come from sacrebleu and rouge-score (the extra ``heartloop[text]``; nothing is
downloaded); Distinct-n and the weighted kappa are short enough to stand here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from heartloop.errors import UsageError

_WORD = re.compile(r"\w+(?:'\w+)?|[^\w\s]")


@dataclass(frozen=True, slots=True)
class ResponseQuality:
    """Scores of a set of responses; all in [0, 1].

    Attributes:
        responses: number scored.
        bleu_2, bleu_4: corpus BLEU with n-grams up to 2 and 4 (Papineni et al. 2002).
        rouge_l: mean F-measure of the longest common subsequence (Lin 2004), without stemming.
        distinct_1, distinct_2: see :func:`distinct`.
        words: mean number of words and marks of a response.
    """

    responses: int
    bleu_2: float
    bleu_4: float
    rouge_l: float
    distinct_1: float
    distinct_2: float
    words: float


def tokens(text: str) -> list[str]:
    """Lower-cased words and punctuation marks."""
    return _WORD.findall(text.lower())


def distinct(texts: Sequence[str], n: int) -> float:
    """Distinct-n: different n-grams over all n-grams of all texts (Li et al. 2016); 0 without any.

    It falls with the amount of text, so that only sets of like size can be compared.
    """
    seen: set[tuple[str, ...]] = set()
    total = 0
    for text in texts:
        words = tokens(text)
        grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        seen.update(grams)
        total += len(grams)
    return len(seen) / total if total else 0.0


def response_quality(responses: Sequence[str], references: Sequence[str]) -> ResponseQuality:
    """Score responses beside one reference each.

    Args:
        responses: texts; an empty one scores 0.
        references: what was really said, same length.

    Raises:
        UsageError: sacrebleu or rouge-score is not installed.
        ValueError: lengths that differ.
    """
    if len(responses) != len(references):
        raise ValueError(f"{len(responses)} responses for {len(references)} references")
    if not responses:
        return ResponseQuality(0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    try:
        from rouge_score.rouge_scorer import RougeScorer
        from sacrebleu.metrics import BLEU
    except ImportError as error:
        raise UsageError(
            f"response quality needs {error.name}; install it: pip install 'heartloop[text]'"
        ) from None
    bleu = {
        n: BLEU(max_ngram_order=n, lowercase=True).corpus_score(list(responses), [list(references)])
        for n in (2, 4)
    }
    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    rouge = [
        scorer.score(reference, response)["rougeL"].fmeasure
        for response, reference in zip(responses, references, strict=True)
    ]
    return ResponseQuality(
        responses=len(responses),
        bleu_2=float(bleu[2].score) / 100,
        bleu_4=float(bleu[4].score) / 100,
        rouge_l=float(np.mean(rouge)),
        distinct_1=distinct(responses, 1),
        distinct_2=distinct(responses, 2),
        words=float(np.mean([len(tokens(text)) for text in responses])),
    )


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two raters agree on an ordinal scale.

    Attributes:
        items: rated by both.
        exact: share of equal ratings.
        near: share that differ by one step at most.
        kappa: Cohen's kappa with quadratic weights; None where neither rater varies.
    """

    items: int
    exact: float
    near: float
    kappa: float | None


def agreement(first: ArrayLike, second: ArrayLike, low: int = 1, high: int = 5) -> Agreement:
    """Agreement of two raters: ``κ = 1 - Σ w o / Σ w e`` with ``w = (i - j)²`` (Cohen 1968).

    Args:
        first: whole ratings, low … high.
        second: of the same items in the same order.
        low: lowest rating.
        high: highest rating.

    Raises:
        ValueError: lengths that differ, or ratings outside of the scale.
    """
    a, b = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"{a.shape} ratings beside {b.shape}: one of each rater an item is needed")
    both = np.concatenate([a, b])
    if len(both) and (both.min() < low or both.max() > high):
        raise ValueError(f"a rating is outside of {low} … {high}")
    if not len(a):
        return Agreement(0, 0.0, 0.0, None)
    levels = high - low + 1
    observed = np.bincount((a - low) * levels + (b - low), minlength=levels**2)
    table = observed.reshape(levels, levels) / len(a)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0))
    weights = np.subtract.outer(np.arange(levels), np.arange(levels)) ** 2
    chance = float((weights * expected).sum())
    return Agreement(
        items=len(a),
        exact=float((a == b).mean()),
        near=float((np.abs(a - b) <= 1).mean()),
        kappa=None if chance < 1e-15 else 1 - float((weights * table).sum()) / chance,
    )
