from __future__ import annotations

import random
from fractions import Fraction

import pytest

from heartloop.run.sums import Sum


@pytest.mark.parametrize("spread", [0, 300])
def test_a_sum_is_that_of_the_numbers_as_fractions_in_any_order(spread: int) -> None:
    draw = random.Random(3)
    numbers = [draw.uniform(-1, 1) * 10.0 ** draw.randint(-spread, spread) for _ in range(300)]
    exact = float(sum(map(Fraction, numbers)))
    for _ in range(3):
        draw.shuffle(numbers)
        found = Sum()
        for number in numbers:
            found.add(number)
        assert found.total == exact
    assert Sum().total == 0.0
