"""Simulated support-strategy runs for `claims.py`: how often a word on B, or on Q, is wrong.

Predictions are drawn from a planted confusion matrix and go through the function that the sentence
uses (`heartloop.report.bias_claim.bias_findings`). Sizes and labels are those of the published test
vector. What is planted (B and Q of an endless sample) is computed here from the matrix itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from esconv import PAPER

from heartloop.analysis.preference import LABELS, preference_scores, scores
from heartloop.report.bias_claim import BiasFindings, bias_findings
from heartloop.run.claim import BIAS_METRIC, claim_of
from heartloop.run.predictions import Predictions
from heartloop.types import Arm, Stimulus

TREATMENTS = 5
DRAWS = 400
K = len(LABELS)
GOLD = np.array(PAPER) / sum(PAPER)
LIKED = np.array([3.0, 0.7, 1.0, 0.5, 2.0, 1.5, 0.8, 0.5])


@dataclass(frozen=True)
class Talker:
    """A predictor: right with chance ``skill``, else a label in proportion to ``likes``."""

    skill: float
    likes: tuple[float, ...]

    def matrix(self) -> np.ndarray:
        """Share of items by (predicted, gold)."""
        likes = np.array(self.likes) / sum(self.likes)
        return (self.skill * np.eye(K) + (1 - self.skill) * likes[:, None]) * GOLD

    @property
    def bias(self) -> float:
        return float(preference_scores(self.matrix()).std())

    @property
    def macro(self) -> float:
        return float(scores(self.matrix()).macro)


def solve(value: Callable[[float], float], wanted: float, low: float, high: float) -> float:
    """Where a monotone function has a value, by bisection."""
    up = value(high) > value(low)
    for _ in range(60):
        middle = (low + high) / 2
        if (value(middle) < wanted) == up:
            low = middle
        else:
            high = middle
    return low


def with_likes(power: float, likes: np.ndarray, skill: float) -> Talker:
    """Labels in proportion to the gold's times ``likes`` to a power; at power 0 B is 0."""
    return Talker(skill, tuple((GOLD * likes**power).tolist()))


BASE = with_likes(1.0, LIKED, 0.15)


def same_bias() -> Talker:
    """Prefers other labels, and as strongly: B is that of the plain prompt."""
    other = LIKED[::-1]
    power = solve(lambda x: with_likes(x, other, BASE.skill).bias, BASE.bias, 0.0, 3.0)
    return with_likes(power, other, BASE.skill)


def same_macro() -> Talker:
    """Half the preferences and less skill: B differs, Q is that of the plain prompt."""
    skill = solve(lambda s: with_likes(0.5, LIKED, s).macro, BASE.macro, 0.0, 0.6)
    return with_likes(0.5, LIKED, skill)


def milder() -> Talker:
    return with_likes(0.6, LIKED, BASE.skill)


def _claim():  # type: ignore[no-untyped-def]
    placebo = Stimulus("P", "s", "A neutral sentence.", "0" * 64, kind="placebo")
    arms = [Arm("none", role="none")]
    arms += [Arm(f"P{i}", stimuli=(placebo,), role="placebo") for i in (1, 2)]
    arms += [Arm(f"S{i}", stimuli=(Stimulus(f"S{i}", "s", "Words.", "0" * 64),))
             for i in range(TREATMENTS)]  # fmt: skip
    return claim_of(arms, {"t": BIAS_METRIC}), [arm.name for arm in arms]


def run(
    rng: np.random.Generator, arms: list[Talker], talks: int, coupling: float = 0.5
) -> BiasFindings:
    """One run of ``talks`` conversations of about twelve turns, all arms on the same turns.

    In a conversation the next gold resembles the last, and an arm's fate on a turn is shared with
    the others on a share of the turns (``coupling``), as with one seed.
    """
    claim, names = _claim()
    turns = rng.poisson(12, talks) + 1
    n = int(turns.sum())
    conversation = np.repeat(np.arange(talks), turns)
    own = rng.choice(K, talks, p=GOLD)[conversation]
    gold = np.where(rng.random(n) < 0.2, own, rng.choice(K, n, p=GOLD))
    # a conversation is easy or hard for every arm alike
    ease = np.repeat(rng.uniform(0.5, 1.5, talks), turns)
    together = rng.random(n) < coupling
    shared, common = rng.random(n), rng.random(n)
    found = []
    keys = tuple(("t", str(i), 0) for i in range(n))
    for name, arm in zip(names, arms, strict=True):
        luck = np.where(together, shared, rng.random(n))
        pick = np.where(together, common, rng.random(n))
        cuts = np.cumsum(arm.likes) / sum(arm.likes)
        label = np.minimum(np.searchsorted(cuts, pick), K - 1)
        final = np.where(luck < arm.skill * ease, gold, label)
        found.append(Predictions(
            "run", "t", "m", name, "single", "", LABELS, keys, final, final[:, None], gold,
            conversation.astype(str), np.array([""] * n), 0, (None,) * n,
        ))  # fmt: skip
    return bias_findings(found, claim, "t", "m", draws=DRAWS)


def point(tables: int, seed: int, line: Callable[..., None]) -> None:
    """All rows of the point "esc"."""
    other, macro, mild = same_bias(), same_macro(), milder()
    worlds = [
        ("nothing", [BASE] * TREATMENTS, 0),
        (f"other labels liked, B {other.bias:.2f} as before", [other] * TREATMENTS, 3),
        (f"B {BASE.bias:.2f} → {macro.bias:.2f}, Q {100 * macro.macro:.1f} as before",
         [macro] * TREATMENTS, 1),
        (f"B {BASE.bias:.2f} → {mild.bias:.2f} in one of {TREATMENTS}",
         [mild] + [BASE] * (TREATMENTS - 1), 2),
    ]  # fmt: skip
    for talks, runs in ((40, tables), (130, max(1, tables // 3))):  # the longer ones take longer
        for number, (name, treated, kind) in enumerate(worlds):
            rng = np.random.default_rng([seed, talks, number])
            seen: Counter[str] = Counter()
            for _ in range(runs):
                found = run(rng, [BASE] * 3 + treated, talks).found
                seen["b"] += any(f.word for f in found)
                seen["both"] += any(f.both for f in found)
                seen["q"] += any(f.q_word for f in found)
                seen["first"] += found[0].word == "less bias"
                seen["wrong"] += any(f.word == "more bias" for f in found)
            events = {
                0: [("any word on B", "b", "≤ 5"), ("“and than its placebo”", "both", "≤ 5"),
                    ("any word on Q", "q", "≤ 5")],
                1: [("any word on Q", "q", "≤ 5"), ("any “more bias”", "wrong", "≤ 5")],
                3: [("any word on B", "b", "≤ 5"), ("“and than its placebo”", "both", "≤ 5")],
                2: [("it has “less bias”", "first", "(power)")],
            }[kind]  # fmt: skip
            for event, key, bound in events:
                planted = f"{name}; {talks} conversations"
                line("esc", planted, event, 100 * seen[key] / runs, bound, runs)
