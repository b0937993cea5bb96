"""The race: what it finds, what it refuses to find, what it costs, and how it goes on."""

import asyncio
import json

import numpy as np
import pytest

from heartloop.optimize.order import question_order
from heartloop.optimize.planning import kept, plan_search
from heartloop.optimize.racing import race
from heartloop.optimize.results import Evaluation, RaceOptions, RaceState


def world(effects, questions, discordance=0.1, seed=0):
    rng = np.random.default_rng(seed)
    share = 2 * discordance
    movable = rng.random(questions) < share
    alike = rng.random(questions) < 0.5
    chance = 0.5 + np.asarray(effects)[:, None] / share
    return np.where(movable, rng.random((len(effects), questions)) < chance, alike)


class Killed(Exception):
    pass


class Asker:
    """Answers from a table and remembers what it was asked."""

    def __init__(self, right, *, tokens=10, die_after=None):
        self.right, self.tokens, self.die_after = right, tokens, die_after
        self.asked = []

    async def __call__(self, arm, questions):
        if self.die_after is not None and len(self.asked) >= self.die_after:
            raise Killed
        await asyncio.sleep(0)
        self.asked += [(arm, q) for q in questions]
        n = len(questions)
        return Evaluation(
            [float(self.right[arm, q]) for q in questions], n, n * self.tokens, n, n * self.tokens
        )


def names(arms):
    return ["none", *(f"arm{i}" for i in range(1, arms))]


def search(right, options=None, groups=None, **more):
    asker = more.pop("asker", None) or Asker(right)
    groups = groups or right.shape[1]
    return asyncio.run(race(names(len(right)), asker, groups, options, **more)), asker


EIGHT = RaceOptions(delta=0.08)


def test_the_better_arm_is_found_and_its_estimate_comes_from_untouched_questions():
    right = world([0, 0, 0, 0.08, 0, 0, 0], 1500)
    result, asker = search(right, EIGHT)
    assert result.chosen == result.leader == "arm3"
    order = question_order(["all"] * 1500, 0)
    held = order[-result.held_out.questions :]
    assert result.held_out.difference == pytest.approx((right[3] * 1.0 - right[0])[held].mean())
    search_asked = [q for arm, q in asker.asked if arm not in (0, 3)]
    assert not set(search_asked) & set(held)
    assert len(asker.asked) == len(set(asker.asked)) == result.calls


def test_when_no_arm_is_better_the_answer_is_none_most_of_the_time():
    answers = [
        search(world([0] * 6, 900, seed=seed), RaceOptions(delta=0.1, seed=seed))[0].chosen
        for seed in range(60)
    ]
    assert answers.count(None) >= 54


def test_a_harmful_best_of_a_bad_lot_is_not_chosen():
    result, _ = search(world([0, -0.05, -0.08, -0.06], 1000), EIGHT)
    assert result.chosen is None
    assert result.ranking[0].name == result.leader


def test_every_arm_answers_the_same_questions_in_the_same_order():
    right = world([0, 0.08, 0, 0], 800)
    result, asker = search(right, EIGHT)
    order = question_order(["all"] * 800, 0)
    for arm, one in ((int(r.name[3:] or 0), r) for r in result.ranking if r.name != "none"):
        mine = [q for a, q in asker.asked if a == arm][: one.questions]
        assert mine == order[: one.questions]


def test_a_killed_search_goes_on_where_it_was_and_ends_the_same():
    right = world([0, 0, 0.08, 0, 0], 1200)
    whole, everything = search(right, EIGHT)
    saved = []
    with pytest.raises(Killed):
        search(
            right,
            EIGHT,
            asker=Asker(right, die_after=120),
            save=lambda state: saved.append(state.to_json()),
        )
    state = RaceState.from_json(saved[-1])
    known = sum(map(len, state.scores.values()))
    resumed, rest = search(right, EIGHT, state=state)
    assert resumed == whole
    assert len(rest.asked) == len(everything.asked) - known
    again, nothing = search(right, EIGHT, state=state)
    assert again == whole and nothing.asked == []


def test_the_state_of_another_search_is_refused():
    right = world([0, 0.1, 0], 300)
    state = RaceState()
    search(right, EIGHT, state=state)
    with pytest.raises(ValueError, match="other arms"):
        search(right, RaceOptions(seed=1), state=state)
    with pytest.raises(ValueError, match="not the state"):
        RaceState.from_json("[]")


@pytest.mark.parametrize("strategy", ["halving", "bandit"])
def test_a_budget_holds_and_still_pays_for_the_held_out_questions(strategy):
    right = world([0] * 12, 2000)
    options = RaceOptions(delta=0.05, budget_tokens=9000, strategy=strategy)
    result, asker = search(right, options)
    assert result.paid_tokens <= 9000 and len(asker.asked) * 10 == result.paid_tokens
    assert result.held_out.questions >= 20
    assert result.detectable > 0.05


def test_a_budget_too_small_for_a_first_look_says_what_is_needed():
    with pytest.raises(ValueError, match="first look needs about [0-9,]+ tokens"):
        search(world([0] * 12, 2000), RaceOptions(budget_tokens=500))


def test_better_than_none_stops_at_the_first_arm_that_is_surely_better():
    right = world([0, 0.1, 0.1, 0.1, 0], 3000, discordance=0.12)
    quick, _ = search(right, RaceOptions(goal="better-than-none", delta=0.02))
    long, _ = search(right, RaceOptions(goal="best", delta=0.02))
    assert quick.stopped == "bounds" and quick.chosen in ("arm1", "arm2", "arm3")
    assert quick.calls < long.calls


def test_the_bandit_finds_a_clearly_better_arm():
    right = world([0, 0, 0.12, 0, 0], 2500, discordance=0.15)
    result, _ = search(right, RaceOptions(strategy="bandit", delta=0.06))
    assert result.chosen == "arm2" and result.stopped == "bounds"
    row = {r.name: r for r in result.ranking}
    assert row["arm2"].low > 0 and row["arm2"].questions > row["arm1"].questions


def test_calls_that_failed_are_left_out_of_the_pair():
    right = world([0, 0.1, 0], 600).astype(float)
    right[1, ::7] = np.nan

    class Failing(Asker):
        async def __call__(self, arm, questions):
            done = await super().__call__(arm, questions)
            scores = [None if np.isnan(s) else s for s in done.scores]
            return Evaluation(scores, done.calls)

    result, _ = search(right, RaceOptions(delta=0.1), asker=Failing(right))
    assert result.leader == "arm1"

    assert 0 < result.held_out.questions < 300


def test_tasks_are_mixed_evenly_and_estimated_apart():
    groups = ["a"] * 300 + ["b"] * 900
    order = question_order(groups, 3)
    assert sorted(order) == list(range(1200))
    share = np.mean([groups[q] == "a" for q in order[:200]])
    assert abs(share - 0.25) <= 0.01
    result, _ = search(world([0, 0.1, 0], 1200), RaceOptions(delta=0.1), groups=groups)
    assert set(result.by_task) == {"a", "b"}
    assert sum(e.questions for e in result.by_task.values()) == result.held_out.questions


def test_the_plan_says_what_it_can_find():
    ample = plan_search(25, delta=0.06, discordance=0.1)
    assert ample.delta == 0.06 and ample.looks[-1][1] == 1
    few = plan_search(25, delta=0.06, discordance=0.1, questions=100)
    assert few.delta > 0.10 and few.looks[-1][0] + few.held_out <= 100
    cheap = plan_search(25, delta=0.06, discordance=0.1, max_calls=2000)
    assert cheap.calls <= 2000 and 0.06 < cheap.delta < few.delta
    assert [kept(25, n, 0.06, 0.1, 0.05) for n in (1, 10**6)] == [25, 1]
    with pytest.raises(ValueError):
        plan_search(0)


def test_bad_searches_are_refused():
    with pytest.raises(ValueError, match="two arms"):
        search(world([0], 100))
    with pytest.raises(ValueError, match="too few"):
        search(world([0, 0], 3))


def test_a_result_is_plain_json():
    result, _ = search(world([0, 0.1, 0], 400), RaceOptions(delta=0.1))
    assert json.loads(json.dumps(result.to_dict()))["leader"] == result.leader
