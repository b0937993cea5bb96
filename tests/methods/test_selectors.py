"""Selectors: votes, ties, the model's own judgement, and adaptive stopping."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter

import pytest
from method_fakes import CUES, BoxReader, FakeAsk, boxed, question
from scipy.stats import beta

from heartloop.errors import CallError, UsageError
from heartloop.methods import METHODS, SELECTORS, expected_calls, select
from heartloop.methods.selectors import read_better, read_score
from heartloop.methods.voting import classify, decided, leader_stays, pick
from heartloop.types import Arm, Attempt, Completion, Trace, Usage

ARM = Arm("resample", "resample")


def trace_of(*texts, logprobs=None):
    attempts = [
        Attempt(0, i, Completion(text, usage=Usage(10, 5), key=f"k{i}"))
        for i, text in enumerate(texts)
    ]
    for i, value in enumerate(logprobs or ()):
        old = attempts[i].completion
        attempts[i] = dataclasses.replace(
            attempts[i], completion=dataclasses.replace(old, logprob=value)
        )
    return Trace("q0", "resample", tuple(attempts), 0, calls=len(texts), usage=Usage(10, 5))


def chosen(name, trace, process=None, number=0):
    ask = FakeAsk(process or (lambda call: pytest.fail("asked the model")))
    return asyncio.run(select(name, trace, question(number), ARM, ask)), ask


def test_first_and_last():
    trace = trace_of(boxed(1), boxed(2), boxed(3))
    assert chosen("first", trace)[0].selected == 0
    assert chosen("last", trace)[0].selected == 2


def test_majority_counts_equivalent_answers_as_one():
    picked, _ = chosen(
        "majority", trace_of(boxed(1), boxed("2"), boxed(1), boxed("2.0"), boxed("2.00"))
    )
    assert picked.selected == 1
    assert picked.notes["selection"]["classes"] == [2, 3]
    assert picked.notes["selection"]["tied"] == 1


def test_unparsed_answers_do_not_vote():
    picked, _ = chosen("majority", trace_of("?", "?", boxed(1)))
    assert picked.selected == 2
    assert picked.notes["selection"]["unparsed"] == 2
    none, _ = chosen("majority", trace_of("?", "!"))
    assert none.selected == 1
    assert "fallback" in none.notes["selection"]


def test_ties_are_seeded_by_the_question_and_reported():
    trace = trace_of(boxed(1), boxed(2))
    picks = [chosen("majority", trace, number=n)[0] for n in range(200)]
    assert all(p.notes["selection"]["tied"] == 2 for p in picks)
    assert 70 < sum(p.selected for p in picks) < 130
    assert [chosen("majority", trace, number=n)[0].selected for n in range(20)] == [
        p.selected for p in picks[:20]
    ]


def test_confidence_and_weighted_use_log_probabilities_and_say_when_there_are_none():
    trace = trace_of(boxed(1), boxed(2), boxed(2), logprobs=[-0.1, -2.0, -2.5])
    assert chosen("confidence", trace)[0].selected == 0
    assert chosen("majority", trace)[0].selected == 1
    # exp(-0.1) = 0.90 against exp(-2.0) + exp(-2.5) = 0.22
    assert chosen("weighted", trace)[0].selected == 0
    bare = trace_of(boxed(1), boxed(2), boxed(2))
    assert "no log-prob" in chosen("confidence", bare)[0].notes["selection"]["fallback"]
    weighted = chosen("weighted", bare)[0]
    assert weighted.selected == 1
    assert "fallback" in weighted.notes["selection"]


def test_classes_of_a_comparator_that_is_not_transitive():
    async def near(a, b):
        return abs(int(a) - int(b)) <= 1

    found = asyncio.run(classify(["1", "2", "3", None, "1"], near))
    assert found.members == ((0, 1, 4), (2,))
    assert found.unparsed == (3,)
    assert found.conflicts == 0  # 3 was refused by the first member already
    partly = asyncio.run(classify(["2", "1", "3"], near))
    assert partly.members == ((0, 1), (2,))
    assert partly.conflicts == 1


def test_equal_strings_are_never_compared():
    pairs = Counter()

    async def same(a, b):
        pairs[frozenset((a, b))] += 1
        return False

    asyncio.run(classify(["a", "b"] * 50, same))
    assert pairs == {frozenset("ab"): 1}


def test_synthesis_is_a_further_attempt_and_booked():
    ask_texts = trace_of(boxed(1), boxed(2))
    picked, ask = chosen("synthesis", ask_texts, lambda call: boxed(3))
    assert picked.selected == 2
    assert picked.attempts[2].purpose == "synthesis"
    assert picked.attempts[2].completion.text == boxed(3)
    assert picked.calls == 3
    seen = ask.calls[0].messages[-1].content
    assert seen.startswith(question().instruction)
    assert boxed(1) in seen and boxed(2) in seen
    assert (ask.calls[0].round, ask.calls[0].purpose) == (1, "synthesis")


def test_a_failed_synthesis_is_an_error_not_another_answer():
    picked, _ = chosen(
        "synthesis", trace_of(boxed(1), boxed(2)), lambda call: CallError("x", kind="timeout")
    )
    assert picked.attempts[picked.selected].error == "timeout"


def test_selecting_again_replaces_an_earlier_synthesis():
    once, _ = chosen("synthesis", trace_of(boxed(1), boxed(1)), lambda call: boxed(3))
    again, _ = chosen("majority", once)
    assert [a.purpose for a in again.attempts] == ["answer", "answer"]
    assert again.selected == 0


def test_self_score_takes_the_answer_the_model_trusts_most():
    def process(call):
        text = call.messages[-1].content
        return "Score: 90" if boxed(2) in text else "Score: 40" if boxed(1) in text else "No idea"

    picked, ask = chosen("self_score", trace_of(boxed(1), boxed(2), boxed(3)), process)
    assert picked.selected == 1
    assert picked.notes["selection"]["scores"] == [40, 90, None]
    assert picked.calls == 6
    assert {c.purpose for c in ask.calls} == {"select"}


def test_tournament_judges_every_pair_in_both_orders():
    def prefers_larger(call):
        text = call.messages[-1].content
        return (
            f"Better: {1 + (text.index(boxed(3)) > text.index('Answer 2'))}"
            if boxed(3) in text
            else "Better: 1"
        )

    picked, ask = chosen(
        "tournament", trace_of(boxed(1), boxed(1), boxed(2), boxed(3)), prefers_larger
    )
    assert picked.selected == 3
    assert len(ask.calls) == 4
    # A judge who always prefers the first place decides nothing: the earlier answer stays.
    biased, _ = chosen("tournament", trace_of(boxed(1), boxed(2)), lambda call: "Better: 1")
    assert biased.selected == 0
    assert biased.notes["selection"]["split"] == 1


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("Score: 85", 85), ("**Score:** 7", 7), ("I'd say 60.", 60), ("100", 100),
        ("between 20 and 30", None), ("Score: 400", None), ("", None),
        ("I see 3 errors. Score: 10", 10),
    ],
)  # fmt: skip
def test_scores_are_read_or_not_at_all(text, score):
    assert read_score(text) == score


@pytest.mark.parametrize(
    ("text", "better"),
    [("Better: 2", 2), ("**Better**: 1.", 1), ("2", 2), ("1 or 2", None), ("none", None),
     ("1 is short. Better: 2", 2)],
)  # fmt: skip
def test_preferences_are_read_or_not_at_all(text, better):
    assert read_better(text) == better


def test_leader_stays_is_the_beta_posterior():
    for first in range(0, 12):
        for second in range(0, first + 1):
            exact = beta(first + 1, second + 1).sf(0.5)
            assert leader_stays(first, second) == pytest.approx(exact, abs=1e-12)
    assert decided([4], 0.95) and not decided([3], 0.95)
    assert not decided([], 0.5)


def test_the_adaptive_selector_reads_the_journal_as_the_adaptive_method_would():
    texts = [boxed(x) for x in (1, 2, 2, 2, 2, 2, 2, 9, 9, 9)]
    method = Arm("adaptive", "adaptive", params={"draws": 10, "window": 3})
    live = asyncio.run(METHODS["adaptive"](question(), method, FakeAsk(lambda c: texts[c.draw])))
    offline, _ = chosen("adaptive", trace_of(*texts))
    assert live.notes["stopped"] == "decided"
    assert len(live.attempts) == offline.notes["selection"]["draws_used"] == 7
    assert live.selected == offline.selected == 1


def test_adaptive_cancels_what_is_in_flight_and_books_it():
    cancelled = []
    last_is_out = asyncio.Event()

    class Slow(FakeAsk):
        async def __call__(self, messages, *, draw=0, **rest):
            try:
                if draw == 6:
                    last_is_out.set()
                if draw == 3:  # the decision falls with this answer
                    await last_is_out.wait()
                if draw > 3:
                    await asyncio.sleep(60)
                return await super().__call__(messages, draw=draw, **rest)
            except asyncio.CancelledError:
                cancelled.append(draw)
                raise

    arm = Arm("adaptive", "adaptive", params={"draws": 16, "window": 4})
    trace = asyncio.run(METHODS["adaptive"](question(), arm, Slow(lambda call: boxed(1))))
    assert sorted(cancelled) == [4, 5, 6]
    assert len(trace.attempts) == 4
    assert trace.calls == 7
    each = trace.attempts[0].completion.usage.total
    assert trace.usage.total == 7 * each
    assert trace.notes["cancelled"] == 3
    assert trace.notes["cancelled_tokens_estimated"] == 3 * each


def test_adaptive_is_the_same_whatever_the_timing():
    def run(delay):
        arm = Arm("adaptive", "adaptive", params={"draws": 12, "window": 5})
        ask = FakeAsk(lambda call: boxed(call.draw % 3 // 2), delay=delay)
        return asyncio.run(METHODS["adaptive"](question(), arm, ask))

    plain = run(lambda call: 0)
    assert run(lambda call: 0.02 * (call.draw % 2)) == plain
    assert run(lambda call: 0.01 * (12 - call.draw)) == plain


@pytest.mark.parametrize("name", SELECTORS)
def test_one_candidate_or_none_asks_nothing(name):
    alone, ask = chosen(name, trace_of(boxed(1)))
    assert alone.selected == 0
    failed = Trace("q0", "resample", (Attempt(0, 0, None, error="timeout"),), None)
    assert chosen(name, failed)[0].selected is None


@pytest.mark.parametrize("name", SELECTORS)
def test_selector_calls_stay_within_what_the_plan_says(name):
    arm = Arm("heart", "heart", cues=CUES, params={"rounds": 3})
    ask = FakeAsk(lambda c: boxed(c.round) if c.purpose != "select" else "Better: 1 Score: 50")

    async def story():
        trace = await METHODS["heart"](question(), arm, ask)
        return await select(name, trace, question(), arm, ask)

    least, most = expected_calls(arm, "verifier-free", name)
    trace = asyncio.run(story())
    assert least <= trace.calls <= most
    assert trace.calls == len(ask.journal)
    assert SELECTORS[name].asks == (name in ("synthesis", "self_score", "tournament"))


def test_an_unknown_selector_is_refused_with_a_remedy():
    with pytest.raises(UsageError, match="did you mean 'majority'"):
        chosen("majorty", trace_of(boxed(1)))


def test_pick_and_reader_agree_on_nothing_but_the_highest():
    assert pick([1, 3, 2], question(), "x") == (1, 1)
    assert BoxReader().extract("nothing") is None
