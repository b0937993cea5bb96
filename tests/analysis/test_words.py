"""A word is earned against both controls, once for all treatments, and lost to form."""

from __future__ import annotations

import numpy as np

from heartloop.analysis.contrasts import Sample, sample
from heartloop.analysis.words import Finding, Roles, compare_all, decide, measure

RNG = np.random.default_rng(11)


def _sample(rates: list[float], n: int = 500, form: list[float] | None = None) -> Sample:
    """Arms with a shared difficulty; ``form`` is the share of right answers in the asked form."""
    ease = RNG.random(n)
    luck = 0.5 * ease + 0.5 * RNG.random((len(rates), n))
    right = (np.argsort(np.argsort(luck, axis=1), axis=1) / n < np.array(rates)[:, None]) * 1.0
    kept = RNG.random(right.shape) < np.array(form or [1.0] * len(rates))[:, None]
    return sample(right * kept, right)


def _one(found: Sample, placebos: tuple[int, ...] = (1, 2)) -> Finding:
    return decide(measure(found, [Roles(3, 0, placebos)]))[0]


def test_works_needs_the_plain_prompt_and_the_placebo() -> None:
    assert _one(_sample([0.4, 0.4, 0.4, 0.6])).word == "works"
    assert _one(_sample([0.6, 0.6, 0.6, 0.4])).word == "hurts"
    # the placebos cost twenty points: beside the plain prompt nothing happened
    only_placebo = _one(_sample([0.5, 0.3, 0.3, 0.5]))
    assert only_placebo.word in ("undecided", "equivalent")
    assert not only_placebo.both
    # any added sentence costs the same: below the plain prompt, and no "hurts"
    any_words = _one(_sample([0.6, 0.4, 0.4, 0.4]))
    assert any_words.word == "below"


def test_one_placebo_is_no_own_placebo() -> None:
    found = _one(_sample([0.4, 0.4, 0.4, 0.6]), placebos=(1,))
    assert found.word == "above"
    assert found.both
    assert _one(_sample([0.4, 0.4, 0.4, 0.6]), placebos=()).word == "above"


def test_placebos_that_disagree_withhold_the_word() -> None:
    found = _one(_sample([0.3, 0.1, 0.66, 0.6], n=2000))
    assert found.both
    assert (found.word, found.gate) == ("above", "placebos")


def test_another_form_of_the_same_answers_is_no_effect() -> None:
    found = _one(_sample([0.6] * 4, form=[1, 1, 1, 0.6]))
    assert found.both
    assert found.gate == "form"
    assert found.word not in ("hurts", "below")
    # more right by content, but fewer of them in the asked form
    other = _one(_sample([0.5, 0.5, 0.5, 0.6], form=[1, 1, 1, 0.6]))
    assert other.gate == "form"


def test_unread_answers_that_turn_the_sign_withhold_the_word() -> None:
    found = _sample([0.6, 0.6, 0.6, 0.4])
    assert decide(measure(found, [Roles(3, 0, (1, 2))], lost=[True]))[0].gate == "lost"


def test_worse_and_still_inside_the_margin_is_both() -> None:
    y = np.ones((4, 6000))
    y[3, :60] = 0  # one point below, on every occasion
    found = _one(sample(y * np.where(np.arange(6000) < 3000, 0, 1), None))
    assert not found.plain
    y[3, 3000:3060] = 0
    found = _one(sample(y * np.where(np.arange(6000) < 3000, 0, 1), None))
    assert found.word == "hurts"
    assert found.inside


def test_equivalence_is_withheld_where_nothing_could_be_seen() -> None:
    flat = sample(np.zeros((4, 3000)))
    found = _one(flat)
    assert found.measured.edges.blind
    assert found.word == "undecided"


def test_more_treatments_ask_for_more() -> None:
    y = (RNG.random((13, 300)) < 0.5).astype(float)
    alone = decide(measure(sample(y), [Roles(3, 0, (1, 2))]))[0]
    every = decide(measure(sample(y), [Roles(i, 0, (1, 2)) for i in range(3, 13)]))[0]
    assert every.p_plain >= alone.p_plain
    assert every.measured.none.high - every.measured.none.low > (
        alone.measured.none.high - alone.measured.none.low
    )


def test_two_named_arms_are_above_or_below() -> None:
    from heartloop.analysis.contrasts import contrasts

    found = _sample([0.4, 0.6])
    (one,) = compare_all(contrasts(found, [[-1, 1]]))
    assert one.word == "above"
    assert compare_all([]) == []
