"""Properties: rewrites stay equal, unequal stays unequal, hostile strings are never right."""

from __future__ import annotations

import random
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heartloop.cards import load_verifier
from heartloop.grading import extract as ex
from heartloop.grading.maths.compare import compare_answers
from heartloop.grading.maths.fast import decide

sys.path.insert(0, str(Path(__file__).parent))
from hostile import hostile  # noqa: E402

FEW = settings(max_examples=150, deadline=None)
WHOLE = st.integers(-(10**6), 10**6)
NONZERO = st.integers(1, 10**4)


def verdict(gold: str, answer: str) -> str:
    decided = decide(gold, answer, {})
    return (decided or compare_answers(gold, answer, {}, ""))[0]


@FEW
@given(WHOLE, NONZERO)
def test_the_many_ways_to_write_a_fraction_are_equal(top, bottom):
    gold = rf"\frac{{{top}}}{{{bottom}}}"
    scaled = rf"\frac{{{3 * top}}}{{{3 * bottom}}}"
    for answer in (
        f"{top}/{bottom}",
        scaled,
        f"${gold}$",
        rf"\dfrac{{{top}}}{{{bottom}}}",
        f"{gold}.",
    ):
        assert verdict(gold, answer) == "correct"


@FEW
@given(WHOLE, WHOLE)
def test_unequal_whole_numbers_are_never_equal(one, two):
    expected = "correct" if one == two else "incorrect"
    assert verdict(str(one), str(two)) == expected
    assert verdict(f"{one:,}", str(two)) == expected
    assert verdict(str(one), rf"x = {two}") == expected


@FEW
@given(WHOLE, NONZERO, WHOLE, NONZERO)
def test_unequal_fractions_are_never_equal(a, b, c, d):
    same = Fraction(a, b) == Fraction(c, d)
    assert verdict(rf"\frac{{{a}}}{{{b}}}", f"{c}/{d}") == ("correct" if same else "incorrect")


@FEW
@given(st.decimals(-1000, 1000, places=3), st.decimals(-1000, 1000, places=3))
def test_unequal_decimals_are_never_equal(one, two):
    assert verdict(str(one), str(two)) == ("correct" if one == two else "incorrect")


@FEW
@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 5))
def test_expanded_and_factored_polynomials_are_equal(a, b, c, k):
    gold = f"{k}(x-({a}))(x-({b}))"
    expanded = f"{k}x^2 + ({-k * (a + b)})x + ({k * a * b})"
    assert verdict(gold, expanded) == "correct"
    assert verdict(gold, f"{expanded} + ({c})") == ("correct" if c == 0 else "incorrect")


@FEW
@given(st.lists(st.integers(-50, 50), min_size=2, max_size=6, unique=True), st.randoms())
def test_sets_do_not_depend_on_order(values, draw):
    shuffled = list(values)
    draw.shuffle(shuffled)
    gold = r"\{" + ", ".join(map(str, values)) + r"\}"
    answer = ", ".join(map(str, shuffled))
    assert verdict(gold, answer) == "correct"
    assert verdict(gold, ", ".join(map(str, [*shuffled[1:], 99]))) == "incorrect"


@FEW
@given(st.integers(-20, 20), st.integers(1, 20), st.booleans(), st.booleans())
def test_intervals_and_inequalities_say_the_same(low, width, left, right):
    high = low + width
    interval = f"{'[' if left else '('}{low}, {high}{']' if right else ')'}"
    chain = f"{low} {chr(92) + 'le' if left else '<'} x {chr(92) + 'le' if right else '<'} {high}"
    assert verdict(interval, chain) == "correct"
    other = f"{'(' if left else '['}{low}, {high}{']' if right else ')'}"
    assert verdict(other, chain) == "incorrect"


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300))
def test_any_text_can_be_read(text):
    card = load_verifier("math")
    visible, _ = ex.visible_text(text)
    for chain in (card.strict, card.form):
        ex.run_chain(chain, visible, ex.Context())
    assert verdict(r"\frac{271}{137}+\sqrt{911}", text[:200]) != "correct"


def fuzz(count: int, seed: int) -> None:
    card = load_verifier("math")
    draw = random.Random(seed)
    gold = r"\frac{271}{137}+\sqrt{911}"
    for _ in range(count):
        text = hostile(draw)
        visible, _ = ex.visible_text(text)
        for chain in (card.strict, card.form):
            found = ex.run_chain(chain, visible, ex.Context())
            assert found is None or found.answer.strip()
        assert verdict(gold, text[:4000]) != "correct", text


def test_hostile_strings_are_never_correct():
    fuzz(1500, seed=3)


@pytest.mark.slow
def test_fifty_thousand_hostile_strings_are_never_correct():
    fuzz(50_000, seed=11)
