"""The claim of a run on support strategies: preference bias B first, macro-F1 Q only behind it.

B is 0 where labels are predicted as often as they are gold; conversations are the sample. Q is
tested for arms whose B has a word, at level / contrasts each, so that the family keeps its level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heartloop.analysis.multiplicity import holm
from heartloop.analysis.preference_runs import BiasContrast, bias_contrasts
from heartloop.report.arms import Loaded
from heartloop.report.writing import estimate
from heartloop.run.claim import BIAS_METRIC
from heartloop.types import Claim, Contrast

if TYPE_CHECKING:
    from heartloop.run.predictions import Predictions


@dataclass(frozen=True, slots=True)
class BiasFinding:
    """One planned contrast on B and Q.

    Attributes:
        contrast: the arm and its control; ``difference``: arm minus control.
        placebo: the same against the arm's placebos; None without any.
        p: Holm-adjusted p-value of B; ``p_both``: the larger of both controls', adjusted.
        word: ``less bias``, ``more bias`` or empty; ``both``: beyond the placebo, too.
        q_word: ``above``, ``below`` or empty, for Q.
    """

    contrast: Contrast
    difference: BiasContrast
    placebo: BiasContrast | None
    p: float
    p_both: float
    word: str
    both: bool
    q_word: str


@dataclass(frozen=True, slots=True)
class BiasFindings:
    """All of one task or suite and model.

    Attributes:
        levels: arm -> B and Q; ``items``, ``conversations``: what all arms share.
        found: the contrasts; ``why``: why nothing is said, else empty.
    """

    levels: Mapping[str, tuple[float, float]]
    items: int
    conversations: int
    found: tuple[BiasFinding, ...]
    why: str = ""


def is_bias(claim: Claim, tasks: Sequence[str]) -> bool:
    """Whether the claim on these tasks is one on B."""
    return any(claim.metric.get(task) == BIAS_METRIC for task in tasks)


def predictions_of(run: Loaded) -> tuple[Sequence[Predictions], str]:
    """What the arms predicted beside the golds, or why that cannot be had."""
    from heartloop.errors import UsageError
    from heartloop.run.predictions import load_predictions

    try:
        return load_predictions(run.folder), ""
    except UsageError as error:
        return (), str(error)


def bias_findings(
    found: Sequence[Predictions], claim: Claim, unit: str, model: str, *, draws: int = 2_000
) -> BiasFindings:
    """Apply a claim to what its arms predicted on one task or suite."""
    mine = {f.arm: f for f in found if f.model == model and f.task == unit}
    wanted = [
        c
        for c in claim.contrasts
        if c.family in ("plain", "loop", "arms") and c.arm in mine and set(c.controls) <= set(mine)
    ]
    placebo = {
        c.arm: c
        for c in claim.contrasts
        if c.family == "works" and c.name == "placebo" and set(c.controls) <= set(mine)
    }
    arms = list(
        dict.fromkeys(n for c in (*wanted, *placebo.values()) for n in (c.arm, *c.controls))
    )
    arms = [a for a in mine if a in arms]
    if not wanted:
        return BiasFindings({}, 0, 0, (), "no control was run, so nothing can be compared")
    tables, items = _tables([mine[a] for a in arms])
    if items == 0:
        return BiasFindings({}, 0, 0, (), "the arms share no answered question")
    if tables.shape[1] < 2:
        return BiasFindings({}, items, 1, (), "one conversation has no spread: ask two at least")
    rows = [*wanted, *(placebo[c.arm] for c in wanted if c.arm in placebo)]
    weights = np.zeros((len(rows), len(arms)))
    for i, c in enumerate(rows):
        weights[i, arms.index(c.arm)] += 1
        for control in c.controls:
            weights[i, arms.index(control)] -= 1 / len(c.controls)
    tested = dict(zip(rows, bias_contrasts(tables, weights, level=1 - claim.level, draws=draws),
                      strict=True))  # fmt: skip
    plain = holm([tested[c].bias[3] for c in wanted])
    pairs = [(tested[c], tested.get(placebo[c.arm]) if c.arm in placebo else None) for c in wanted]
    larger = holm([_larger(a, b) for a, b in pairs])
    out = []
    for c, (difference, own), p, p_both in zip(wanted, pairs, plain, larger, strict=True):
        word = q_word = ""
        if p <= claim.level:
            word = "less bias" if difference.bias[0] < 0 else "more bias"
            if difference.macro[3] * len(wanted) <= claim.level:
                q_word = "above" if difference.macro[0] > 0 else "below"
        both = own is not None and bool(word) and float(p_both) <= claim.level
        out.append(BiasFinding(c, difference, own, float(p), float(p_both), word, both, q_word))
    marks = {a: _level(tables[i]) for i, a in enumerate(arms)}
    return BiasFindings(marks, items, tables.shape[1], tuple(out))


def _larger(plain: BiasContrast, placebo: BiasContrast | None) -> float:
    """The larger p-value of B against both controls; 1 where the signs differ or one is absent."""
    if placebo is None or plain.bias[0] * placebo.bias[0] <= 0:
        return 1.0
    return max(plain.bias[3], placebo.bias[3])


def _level(by_conversation: np.ndarray) -> tuple[float, float]:
    from heartloop.analysis.preference import preference_scores, scores

    w = by_conversation.sum(axis=0)
    return float(preference_scores(w).std()), float(scores(w).macro)


def _tables(found: Sequence[Predictions]) -> tuple[np.ndarray, int]:
    """Confusions by conversation on the questions that all arms have answered."""
    from heartloop.analysis.preference import conversation_confusions

    places = [{key: i for i, key in enumerate(f.keys)} for f in found]
    shared = [key for key in found[0].keys if all(key in there for there in places[1:])]
    if not shared:
        return np.zeros((len(found), 0, 0, 0)), 0
    first = np.array([places[0][key] for key in shared])
    groups = found[0].conversations[first]
    tables = []
    for f, there in zip(found, places, strict=True):
        rows = np.array([there[key] for key in shared])
        tables.append(conversation_confusions(f.final[rows], f.gold[rows], groups, len(f.labels)))
    return np.stack(tables), len(shared)


def bias_sentence(found: BiasFindings) -> str:
    """What the claim on B comes to, without a full stop."""
    if found.why:
        return f"no conclusion: {found.why}"
    first = found.found[0].contrast.controls[0]
    base = f"{first}: B {found.levels[first][0]:.2f}, Q {100 * found.levels[first][1]:.1f}"
    size = f"{found.items:,} turns of {found.conversations:,} conversations"
    worded = [f for f in found.found if f.word]
    if not worded:
        best = min(found.found, key=lambda f: f.difference.bias[0])
        b = best.difference.bias
        return (
            f"preference bias not told apart from the plain prompt ({base}; least of "
            f"{len(found.found)} {best.contrast.arm} {estimate(*b[:3], 2)}), "
            f"{size}, Holm over {len(found.found)}"
        )
    parts = [_clause(f) for f in worded[:4]]
    more = f" and {len(worded) - 4} more" if len(worded) > 4 else ""
    return f"{'; '.join(parts)}{more} ({base}), {size}, Holm over {len(found.found)}"


def _clause(f: BiasFinding) -> str:
    b, q = f.difference.bias, f.difference.macro
    own = " and than its placebo" if f.both else ""
    if f.placebo is not None and not f.both:
        own = " (not told from its placebo)"
    text = (
        f"{f.contrast.arm} has {f.word} than {' and '.join(f.contrast.controls)}{own}: "
        f"B {estimate(*b[:3], 2)}"
    )
    if f.q_word:
        text += f", Q {f.q_word} ({estimate(100 * q[0], 100 * q[1], 100 * q[2])})"
    else:
        text += ", Q undecided"
    return text
