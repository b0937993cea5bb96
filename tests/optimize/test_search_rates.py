"""Error rates of the search in a closed-form world; the figures of docs/optimize.md in small."""

import asyncio
import sys
from pathlib import Path

import numpy as np
import pytest

from heartloop.optimize.results import RaceOptions

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import search_simulation as simulation  # noqa: E402

OPTIONS = RaceOptions(delta=0.06, discordance=0.10)


def rates(effects, repetitions, options=OPTIONS, seed=11):
    one = simulation.scenario(
        "test",
        effects,
        options,
        repetitions=repetitions,
        questions=1200,
        discordance=0.1,
        seed=seed,
    )
    return asyncio.run(one)


def effects(*better):
    made = np.zeros((simulation.ARMS + 1, 1))
    made[1 : 1 + len(better), 0] = better
    return made


@pytest.mark.slow
def test_the_better_of_25_arms_is_found_cheaply_and_its_estimate_is_unbiased():
    found = rates(effects(0.06), 400)
    assert found["found"] >= 0.92 and found["calls"] < 4000
    assert abs(found["held_out_mean_error_points"]) < 0.3
    grid = simulation.full_grid(0.95, arms=25, delta=0.06, discordance=0.1, error=0.05, seed=3)
    assert found["calls"] / grid["calls"] <= 1 / 3


@pytest.mark.slow
def test_without_a_better_arm_the_answer_is_none_and_only_the_naive_maximum_is_biased():
    found = rates(effects(), 400)
    assert found["none"] >= 0.94
    assert abs(found["held_out_mean_error_points"]) < 0.3
    assert found["naive_maximum_mean_error_points"] > 1.5


def test_a_large_effect_is_found_at_a_fraction_of_the_price():
    found = rates(effects(0.10), 25)
    assert found["found"] >= 0.9 and found["calls"] < 3000
