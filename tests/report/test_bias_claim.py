"""The claim on preference bias: B first, Q behind it, controls as everywhere."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from heartloop.analysis.preference_runs import bias_contrasts
from heartloop.report.bias_claim import BiasFindings, bias_findings, bias_sentence
from heartloop.run.claim import BIAS_METRIC, claim_of
from heartloop.run.predictions import Predictions
from heartloop.types import Arm, Stimulus

P = Stimulus("P", "s", "A neutral sentence.", "0" * 64, kind="placebo")
ARMS = (
    Arm("none", role="none"),
    Arm("P1", stimuli=(P,), role="placebo"),
    Arm("P2", stimuli=(P,), role="placebo"),
    *(Arm(f"S{i}", stimuli=(Stimulus(f"S{i}", "s", "Words.", "0" * 64),)) for i in range(3)),
)
CLAIM = claim_of(ARMS, {"t": BIAS_METRIC})


def _arm(name: str, likes: float, seed: int, items: int = 900) -> Predictions:
    """A predictor that falls back on label 0 with a given chance, else is mostly right."""
    rng, fate = np.random.default_rng(1), np.random.default_rng(seed)
    gold = rng.integers(0, 4, items)
    own = np.where(fate.random(items) < 0.6, gold, fate.integers(0, 4, items))
    final = np.where(fate.random(items) < likes, 0, own)
    keys = tuple(("t", f"q{i}", 0) for i in range(items))
    return Predictions(
        "run", "t", "m", name, "single", "", tuple("abcd"), keys, final, final[:, None], gold,
        np.array([f"c{i // 9}" for i in range(items)]), np.array([""] * items), 0, (None,) * items,
    )  # fmt: skip


def _find(**likes: float) -> BiasFindings:
    rates = {"none": 0.1, "P1": 0.1, "P2": 0.1, "S0": 0.1, "S1": 0.1, "S2": 0.1, **likes}
    found = [_arm(name, rate, i) for i, (name, rate) in enumerate(rates.items())]
    return bias_findings(found, CLAIM, "t", "m", draws=300)


def test_more_bias_than_both_controls_is_said_with_q_behind_it() -> None:
    found = _find(S0=0.5)
    first = found.found[0]
    assert (first.contrast.arm, first.word, first.both, first.q_word) == (
        "S0", "more bias", True, "below",
    )  # fmt: skip
    text = bias_sentence(found)
    assert text.startswith("S0 has more bias than none and than its placebo: B +")
    assert "Q below (−" in text
    assert "900 turns of 100 conversations, Holm over 3" in text


def test_bias_that_the_placebo_has_too_is_not_the_stimulus() -> None:
    found = _find(S0=0.5, P1=0.5, P2=0.5)
    assert found.found[0].word == "more bias" and not found.found[0].both
    assert "(not told from its placebo)" in bias_sentence(found)


def test_nothing_planted_is_not_told_apart() -> None:
    text = bias_sentence(_find())
    assert text.startswith("preference bias not told apart from the plain prompt (none: B 0.")
    assert "less bias" not in text and "more bias" not in text


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_a_name_keeps_its_hyphen_and_figures_have_a_true_minus(rate: float) -> None:
    found = _find(S0=rate)
    one = found.found[0]
    renamed = dataclasses.replace(one.contrast, arm="neutral-varied")
    found = dataclasses.replace(found, found=(dataclasses.replace(one, contrast=renamed),))
    text = bias_sentence(found)
    assert "neutral-varied" in text and "−" in text and not re.search(r"-\d", text)


def test_one_conversation_says_nothing() -> None:
    one = np.array(["c"] * 900)
    rates = {"none": 0.1, "P1": 0.1, "P2": 0.1, "S0": 0.6, "S1": 0.1, "S2": 0.1}
    arms = [_arm(name, rate, i) for i, (name, rate) in enumerate(rates.items())]
    found = [dataclasses.replace(arm, conversations=one) for arm in arms]
    said = bias_findings(found, CLAIM, "t", "m", draws=50)
    assert bias_sentence(said) == "no conclusion: one conversation has no spread: ask two at least"


def test_a_word_on_few_conversations_is_wrong_no_more_often_than_said() -> None:
    """Twelve conversations, no effect: the normal's quantile would miss 0 twice as often."""
    rng = np.random.default_rng(4)
    missed = 0
    for seed in range(300):
        tables = rng.multinomial(9, [0.3, 0.1, 0.1, 0.5], (2, 12)).reshape(2, 12, 2, 2)
        (found,) = bias_contrasts(tables, [[1, -1]], draws=200, seed=seed)
        missed += not found.macro[1] <= 0 <= found.macro[2]
    assert missed <= 300 * 0.05 + 2 * (300 * 0.05 * 0.95) ** 0.5
