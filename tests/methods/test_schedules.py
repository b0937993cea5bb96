"""Cue schedules: what they choose, and that nothing but question and seed decides it."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from method_fakes import CUES, FakeAsk, boxed, check_for, cue, question

from heartloop.cards import load_stimuli
from heartloop.errors import UsageError
from heartloop.methods import METHODS, state, validate_arm
from heartloop.types import Arm

EMOTION = {c.name: c.emotion for c in CUES}
SIDE = {c.name: c.valence for c in CUES}


def heart(schedule="alternate", *, number=0, seed=0, process=None, oracle=True, **params):
    arm = Arm("heart", "heart", cues=CUES, params={"schedule": schedule, **params})
    ask = FakeAsk(process or (lambda call: boxed(call.round)), seed=seed)
    check = check_for("never") if oracle else None
    return asyncio.run(METHODS["heart"](question(number), arm, ask, check))


def cues_of(trace):
    return [a.cue for a in trace.attempts if a.cue]


def test_alternate_changes_sides_and_deals_emotions_without_repeats():
    trace = heart(rounds=8)
    sides = [SIDE[name] for name in cues_of(trace)]
    assert sides == ["critical", "encouraging"] * 4
    assert len({EMOTION[name] for name in cues_of(trace)[::2]}) == 4
    assert len(set(cues_of(trace))) == 8
    other = [SIDE[name] for name in cues_of(heart(first_valence="encouraging", rounds=2))]
    assert other == ["encouraging", "critical"]


def test_alternate_uses_every_emotion_over_questions():
    seen = Counter(EMOTION[cues_of(heart(number=n, rounds=1))[0]] for n in range(200))
    assert set(seen) == {"anger", "disgust", "fear", "sadness"}
    assert min(seen.values()) > 25


def test_static_and_cycle():
    assert {EMOTION[n] for n in cues_of(heart("static:fear"))} == {"fear"}
    cycle = [EMOTION[n] for n in cues_of(heart("cycle:anger, happiness", rounds=4))]
    assert cycle == ["anger", "happiness", "anger", "happiness"]
    sides = [SIDE[n] for n in cues_of(heart("cycle:encouraging,encouraging,critical", rounds=3))]
    assert sides == ["encouraging", "encouraging", "critical"]
    assert set(cues_of(heart("static:FEA2"))) == {"feelings:FEA2"}


def test_random_is_fixed_by_question_and_seed():
    first = cues_of(heart("random", rounds=30))
    assert first == cues_of(heart("random", rounds=30))
    assert first != cues_of(heart("random", rounds=30, seed=1))
    assert first != cues_of(heart("random", rounds=30, number=1))
    assert len(set(first)) > 10


def test_a_schedule_does_not_depend_on_what_other_questions_did():
    alone = cues_of(heart("random", number=5))
    for number in range(5):
        heart("random", number=number)
    assert cues_of(heart("random", number=5)) == alone


def test_first_order_state_follows_the_formula():
    trace = heart("state", alpha=0.25, rounds=4, signal="verdict")
    point = [0.0, 0.0, 0.0]
    expected = []
    for _ in range(4):
        point = [0.75 * s + 0.25 * a for s, a in zip(point, (-0.60, 0.20, -0.30), strict=True)]
        expected.append([round(x, 6) for x in point])
    assert trace.notes["states"] == expected
    # A wrong answer is answered from the other side of its valence.
    assert {EMOTION[n] for n in cues_of(trace)} <= {"happiness", "surprise"}


def test_what_the_model_said_moves_the_state_of_an_oracle_loop():
    """By the verdict alone every wrong answer is the same point; the words tell them apart."""
    texts = [
        "Sure. " + boxed(0),
        "I am so sorry, I am ashamed. " + boxed(1),
        boxed(2),
        boxed("2.0"),
    ]
    trace = heart("state", alpha=1.0, rounds=4, process=lambda c: texts[min(c.round, 3)])
    points = state.ATTEMPT_POINTS
    sad = state.heard(texts[1])
    assert sad[0] < -0.3
    expected = [points["wrong"], state.moved_by(points["moved"], sad), points["moved"],
                points["unchanged"]]  # fmt: skip
    first = state.moved_by(points["wrong"], state.heard(texts[0]))
    assert trace.notes["states"][0] == [round(x, 6) for x in first]
    for told, point in zip(trace.notes["states"][1:], expected[1:], strict=True):
        assert told == [round(x, 6) for x in point]
    verdict = heart(
        "state", alpha=1.0, rounds=3, signal="verdict", process=lambda c: texts[min(c.round, 2)]
    )
    assert len({tuple(s) for s in verdict.notes["states"]}) == 1


def test_contextual_in_an_oracle_loop_encourages_who_moved_or_lost_heart():
    texts = {0: boxed(0), 1: boxed(1), 2: boxed("1.0"), 3: boxed(1) + " I feel hopeless."}
    trace = heart("contextual", process=lambda c: texts.get(c.round, boxed(9)), rounds=4)
    assert trace.notes["contexts"] == ["wrong", "moved", "unchanged", "unchanged, low"]
    assert [SIDE[n] for n in cues_of(trace)] == [
        "critical", "encouraging", "critical", "encouraging",
    ]  # fmt: skip
    old = heart(
        "contextual", process=lambda c: texts.get(c.round, boxed(9)), rounds=2, signal="verdict"
    )
    assert old.notes["contexts"] == ["wrong", "wrong"]


def test_second_order_state_follows_the_formula_and_is_clipped():
    s, v = state.REST, state.REST
    s, v = state.step(s, v, (1.0, -1.0, 0.5), order=2, mu=0.9, gain=0.8)
    assert s == pytest.approx((0.8, -0.8, 0.4))
    s, v = state.step(s, v, (1.0, -1.0, 0.5), order=2, mu=0.9, gain=0.8)
    assert v == pytest.approx((0.9 * 0.8 + 0.8 * 0.2, -0.88, 0.9 * 0.4 + 0.8 * 0.1))
    assert s == pytest.approx((1.0, -1.0, 0.84))


def test_the_answering_emotion_is_the_nearest_to_the_opposite():
    for name, point in state.EMOTION_POINTS.items():
        opposite = (-point[0], -point[1], -point[2])
        assert state.answering(opposite, state.EMOTION_POINTS) == name


def test_without_a_verifier_the_state_reads_unparsed_unchanged_and_changed():
    texts = {0: boxed(1), 1: "nothing", 2: boxed(2), 3: boxed("2.0"), 4: boxed(3)}
    trace = heart(
        "state", process=lambda call: texts[call.round], oracle=False, alpha=1.0, rounds=4
    )
    points = state.ATTEMPT_POINTS
    expected = [points[k] for k in ("first", "unparsed", "changed", "unchanged")]
    assert trace.notes["states"] == [list(point) for point in expected]


def test_tables_of_a_card_move_the_state():
    tables = {"attempts": {"wrong": [0.9, 0.5, 0.5]}}
    trace = heart("state", tables=tables, alpha=1.0, rounds=1)
    assert trace.notes["states"] == [[0.9, 0.5, 0.5]]


def test_the_heart_card_holds_the_same_tables():
    tables = load_stimuli("heart").tables
    assert {k: tuple(v) for k, v in tables["emotions"].items()} == dict(state.EMOTION_POINTS)
    assert {k: tuple(v) for k, v in tables["attempts"].items()} == dict(state.ATTEMPT_POINTS)


def test_contextual_answers_the_last_attempt():
    texts = {0: "nothing", 1: boxed(1), 2: boxed(1), 3: boxed(2), 4: boxed(3)}
    trace = heart("contextual", process=lambda c: texts[c.round], oracle=False, rounds=4)
    assert trace.notes["contexts"] == ["unparsed", "changed", "unchanged", "changed"]
    assert [SIDE[n] for n in cues_of(trace)] == [
        "encouraging", "encouraging", "critical", "encouraging",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        ("alternat", "did you mean 'alternate'"),
        ("static", "name an emotion"),
        ("static:angr", "did you mean 'anger'"),
        ("cycle:anger,joy", "no cue is 'joy'"),
        ("whatever", "give alternate"),
    ],
)
def test_a_wrong_schedule_is_refused_with_a_remedy(schedule, says):
    with pytest.raises(UsageError, match=says):
        validate_arm(Arm("h", "heart", cues=CUES, params={"schedule": schedule}))


def test_alternate_needs_both_sides_and_bandit_a_verifier():
    with pytest.raises(UsageError, match="'encouraging'"):
        validate_arm(Arm("h", "heart", cues=(cue("anger"),)))
    bandit = Arm("h", "heart", cues=CUES, params={"schedule": "bandit"})
    validate_arm(bandit, "oracle")
    with pytest.raises(UsageError, match="oracle"):
        validate_arm(bandit, "verifier-free")
