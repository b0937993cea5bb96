"""The bandit: it finds a planted cue, finds nothing where nothing is, and replays exactly."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest
from method_fakes import CUES, FakeAsk, Killed, boxed, check_for, question

from heartloop.errors import Stopped, UsageError
from heartloop.methods import METHODS, open_learner
from heartloop.methods.bandit import Learner, plays, thompson
from heartloop.methods.recorder import dice
from heartloop.types import Arm, Attempt, Completion, Trace

GOLD = 7


def process(best="", gain=0.5, base=0.1):
    def answer(call):
        if call.round == 0:
            return boxed(0)
        text = call.messages[-1].content
        chance = base + (gain if best and best in text else 0.0)
        lucky = dice(call.messages, call.round, call.draw).random() < chance
        return boxed(GOLD if lucky else 0)

    return answer


async def play(questions, ask_of, lag=8, seed=0, order=None):
    arm = Arm("heart", "heart", cues=CUES, params={"schedule": "bandit", "lag": lag, "rounds": 3})
    ids = [f"q{n}" for n in range(questions)]
    learner = open_learner(arm, ids)
    asks = [ask_of(n) for n in range(questions)]
    for ask in asks:
        ask.learner, ask.seed = learner, seed
    work = {
        n: asyncio.ensure_future(METHODS["heart"](question(n), arm, asks[n], check_for(GOLD)))
        for n in (order or range(questions))
    }
    return await asyncio.gather(*(work[n] for n in range(questions)), return_exceptions=True)


def shares(traces):
    tried = Counter(cue for trace in traces for cue, _ in plays(trace))
    return {name: count / sum(tried.values()) for name, count in tried.items()}


def test_a_cue_with_a_planted_gain_is_found():
    best = CUES[4]
    traces = asyncio.run(play(300, lambda n: FakeAsk(process(best.text))))
    share = shares(traces[200:])
    assert max(share, key=share.get) == best.name
    assert share[best.name] > 0.5


def test_decisions_do_not_depend_on_arrival_or_opening_order():
    slow = random.Random(3)
    delays = {n: slow.random() * 0.01 for n in range(60)}
    calm = asyncio.run(play(60, lambda n: FakeAsk(process(CUES[2].text)), lag=5))
    shaken = asyncio.run(
        play(
            60,
            lambda n: FakeAsk(process(CUES[2].text), delay=lambda call: delays[n]),
            lag=5,
            order=slow.sample(range(60), 60),
        )
    )
    assert [t.attempts for t in calm] == [t.attempts for t in shaken]
    assert [t.notes for t in calm] == [t.notes for t in shaken]


@pytest.mark.parametrize("dies_after", [0, 1, 2, 3])
def test_a_killed_run_goes_on_to_the_same_decisions(dies_after):
    """Every question dies after so many calls; the resumed run replays what is journalled."""
    whole = asyncio.run(play(40, lambda n: FakeAsk(process(CUES[2].text)), lag=4))
    journals: dict[int, dict[str, Completion]] = {n: {} for n in range(40)}

    def dying(n):
        ask = FakeAsk(process(CUES[2].text), journal=journals[n])
        ask.die_after = dies_after if n % 3 == 0 else None
        return ask

    first = asyncio.run(play(40, dying, lag=4))
    assert any(isinstance(one, (Killed, Stopped)) for one in first) or dies_after == 3
    resumed = asyncio.run(
        play(40, lambda n: FakeAsk(process(CUES[2].text), journal=journals[n]), lag=4)
    )
    assert [[(a.round, a.cue, a.checked) for a in t.attempts] for t in resumed] == [
        [(a.round, a.cue, a.checked) for a in t.attempts] for t in whole
    ]
    assert [t.notes for t in resumed] == [t.notes for t in whole]


def test_a_question_learns_from_those_before_the_lag_and_no_others():
    async def story():
        learner = Learner([f"q{n}" for n in range(10)], lag=3)
        for n in (0, 2, 1, 5):
            learner.close(finished(n))
        before = {n: sorted((await learner.before(f"q{n}"))[0]) for n in (2, 3, 5)}
        waiting = asyncio.ensure_future(learner.before("q6"))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        learner.close(finished(3))
        return before, sorted((await waiting)[0])

    before, after = asyncio.run(story())
    assert before == {2: [], 3: ["c0"], 5: ["c0", "c1", "c2"]}
    assert after == ["c0", "c1", "c2", "c3"]


def finished(number):
    attempts = (Attempt(0, 0, Completion("x"), checked=False),)
    attempts += (Attempt(1, 0, Completion("x"), cue=f"c{number}", checked=True),)
    return Trace(f"q{number}", "heart", attempts, 1)


def test_an_abandoned_question_lets_nobody_wait_for_ever():
    async def story():
        learner = Learner(["q0", "q1"], lag=1)
        waiting = asyncio.ensure_future(learner.before("q1"))
        await asyncio.sleep(0)
        learner.abandon("q0")
        await waiting

    with pytest.raises(Stopped):
        asyncio.run(asyncio.wait_for(story(), 5))


def test_several_candidates_of_a_round_are_one_play():
    attempts = (
        Attempt(1, 0, Completion("x"), cue="a", checked=False),
        Attempt(1, 1, Completion("y"), cue="a", checked=True),
        Attempt(2, 0, None, cue="b", error="timeout"),
    )
    assert plays(Trace("q", "heart", attempts, 1)) == [("a", True)]


def test_thompson_prefers_the_better_cue_in_proportion_to_what_is_known():
    tried = Counter({CUES[0].name: 100, CUES[1].name: 100})
    won = Counter({CUES[0].name: 60, CUES[1].name: 40})
    picks = Counter(thompson(CUES[:2], tried, won, (n,)).name for n in range(500))
    assert picks[CUES[0].name] > 480
    even = Counter(thompson(CUES[:2], Counter(), Counter(), (n,)).name for n in range(500))
    assert 200 < even[CUES[0].name] < 300


def test_the_bandit_needs_a_verifier_and_a_learner():
    arm = Arm("heart", "heart", cues=CUES, params={"schedule": "bandit"})
    with pytest.raises(UsageError, match="verifier"):
        asyncio.run(METHODS["heart"](question(), arm, FakeAsk(lambda c: boxed(1))))
    with pytest.raises(UsageError, match="learner"):
        asyncio.run(METHODS["heart"](question(), arm, FakeAsk(lambda c: boxed(1)), check_for(0)))
    assert open_learner(Arm("heart", "heart", cues=CUES), ["q0"]) is None


def test_where_nothing_is_planted_nothing_is_found_beyond_the_error_rate():
    """200 runs: the bandit's favourite is tested on its later rounds against all other cues."""
    found = 0
    for seed in range(200):
        tried, won = Counter(), Counter()
        chance = random.Random(seed)
        later = []
        for number in range(240):
            cue = thompson(CUES[:6], tried, won, (seed, number)).name
            lucky = chance.random() < 0.3
            tried[cue] += 1
            won[cue] += lucky
            if number >= 120:
                later.append((cue, lucky))
            if number == 119:
                favourite = max(tried, key=lambda name: (tried[name], name))
        from scipy.stats import fisher_exact

        own = [lucky for cue, lucky in later if cue == favourite]
        rest = [lucky for cue, lucky in later if cue != favourite]
        table = [[sum(own), len(own) - sum(own)], [sum(rest), len(rest) - sum(rest)]]
        found += fisher_exact(table)[1] < 0.05
    # Binomial(200, 0.05): at most 19 with probability 0.998.
    assert found <= 19
