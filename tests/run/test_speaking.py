"""Which questions of a stopped run may speak."""

from __future__ import annotations

import numpy as np
import pytest

from heartloop.run.results import PackedSteps, SlimStep
from heartloop.run.speaking import who_speaks


def test_all_of_a_run_whose_opened_questions_are_finished() -> None:
    assert who_speaks(np.ones((3, 7), bool)) == (7, None)


def test_the_finished_first_part_only_where_it_is_ten_times_what_follows() -> None:
    ended = np.ones((2, 110), bool)
    ended[1, 100] = False
    assert who_speaks(ended) == (100, None)
    ended[1, 99] = False
    assert who_speaks(ended) == (0, None)  # 99 against 11
    # finished behind the gap are the short ones: they do not count
    assert who_speaks(ended, None) == (0, None)


def test_arms_that_stop_when_right_are_compared_at_a_stage_that_all_have() -> None:
    ended = np.ones((2, 22), bool)
    spent = np.full((2, 22), 900.0)
    ended[1, 3:] = False
    spent[1, 3:] = 500.0
    spent[1, 5] = 300.0
    assert who_speaks(ended, spent) == (22, 300.0)
    spent[1, 21] = 50.0  # just opened: the longest first part with that budget leaves it out
    assert who_speaks(ended, spent) == (21, 300.0)
    spent[1, 4] = 0.0  # one of the first has no answer at all
    assert who_speaks(ended, spent) == (0, None)


def test_steps_come_back_as_they_were_packed() -> None:
    steps = [
        SlimStep(0, 0, 1, 0, "17", 2**53, 5, 1, "", True, False, 3, 0.5, None),
        SlimStep(2, 70_000, -1, 2, None, 9, 4, 2, "heart:CA01", False, True, 1, None, 1.0),
    ]
    packed = PackedSteps(steps)
    assert list(packed) == steps and len(packed) == 2
    assert packed[-1] == steps[1] and packed[:1] == steps[:1]
    with pytest.raises(IndexError):
        packed[2]
