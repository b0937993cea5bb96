from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heartloop.calls.ledger import Caps, Ledger
from heartloop.errors import UsageError
from heartloop.run.claim import claim_of
from heartloop.run.decide import Decider, primary_contrasts
from heartloop.run.order import question_order
from heartloop.run.reserve import Reserve
from heartloop.turn import Turns, turn
from heartloop.types import Arm, Usage


@given(st.lists(st.integers(1, 30), min_size=1, max_size=5), st.integers(0, 5))
def test_any_first_part_of_the_order_has_the_tasks_in_proportion(
    sizes: list[int], seed: int
) -> None:
    tasks = {f"t{i}": [f"q{j}" for j in range(n)] for i, n in enumerate(sizes)}
    order = question_order(tasks, "m", seed)
    assert sorted(order) == sorted((t, q) for t, ids in tasks.items() for q in ids)
    total = len(order)
    for cut in range(total + 1):
        for task, ids in tasks.items():
            share = sum(t == task for t, _ in order[:cut])
            assert abs(share - cut * len(ids) / total) <= len(tasks)


def test_the_order_is_fixed_by_seed_and_model_and_is_not_that_of_the_file() -> None:
    tasks = {"t": [f"q{j}" for j in range(50)]}
    first = question_order(tasks, "m", 0)
    assert first == question_order(tasks, "m", 0) != question_order(tasks, "m", 1)
    assert first != question_order(tasks, "other", 0)
    assert question_order(tasks, "m", 0, "listed") == [("t", q) for q in tasks["t"]] != first


def test_older_turns_are_served_first() -> None:
    served = []

    async def work(number: int, turns: Turns) -> None:
        turn.set(number)
        async with turns.place():
            served.append(number)
            await asyncio.sleep(0)

    async def main() -> None:
        turns = Turns(1)
        await asyncio.gather(*(work(number, turns) for number in (5, 3, 4, 1, 2)))

    asyncio.run(main())
    assert served == [5, 1, 2, 3, 4]  # the first to come had the free place


class _Unit:
    model = "m"

    def __init__(self, turn: int, question: str = "q") -> None:
        self.turn = turn
        self.task = type("T", (), {"card": type("C", (), {"name": "t"})})
        self.question = type("Q", (), {"id": question})


def test_a_cap_opens_no_question_that_it_could_not_finish() -> None:
    ledger = Ledger(Caps(total_tokens=1000))
    reserve = Reserve(ledger, guess=400)
    assert reserve.open(_Unit(0))  # nothing is known yet: one question tells
    assert reserve.open(_Unit(1)) and not reserve.open(_Unit(2))
    ledger.spent = Usage(300)
    reserve.paid(_Unit(0), 300)
    reserve.close(("m", 0))  # a question cost 300: 300 spent, 300 for the open one, 300 for a third
    assert reserve.open(_Unit(2)) and not reserve.open(_Unit(3))
    assert reserve.open(_Unit(2))  # it is open
    begun = Reserve(ledger, guess=10_000, begun={("m", "t", "q7")})
    assert begun.open(_Unit(7, "q7"))  # what an earlier session began is finished


ARMS = [
    Arm("none", role="none"),
    Arm("P1", role="placebo"),
    Arm("P2", role="placebo"),
    Arm("A"),
    Arm("B"),
]


def test_stopping_early_needs_one_primary_contrast_and_watches_both_of_its_controls() -> None:
    with pytest.raises(UsageError, match=r"add --primary ARM \(A, B\)"):
        primary_contrasts(claim_of(ARMS, {"t": "accuracy"}))
    claim = claim_of(ARMS, {"t": "accuracy"}, primary="A")
    assert primary_contrasts(claim) == (("none",), ("P1", "P2"))


def _watch(rates: dict[str, float], n: int = 400) -> tuple[int, str]:
    """Questions until decided, and the sentence; every arm right at its rate, independently."""
    claim = claim_of(ARMS, {"t": "accuracy"}, primary="A")
    watch = Decider(claim, [("m", "t", f"q{i}", f"q{i}") for i in range(n)], [0])
    rng = np.random.default_rng(0)
    for i in range(n):
        for arm in ARMS:
            right = rng.random() < rates[arm.name]
            found = watch.add(
                {"arm": arm.name, "model": "m", "task": "t", "question": f"q{i}", "seed": 0,
                 "score": None, "outcome": "correct" if right else "incorrect"}
            )  # fmt: skip
            if found is not None:
                return i + 1, watch.sentence(found)
    return n, ""


def test_a_run_is_decided_by_the_arm_against_both_controls_and_by_no_other_arm() -> None:
    rates = {"none": 0.3, "P1": 0.3, "P2": 0.3, "A": 0.8, "B": 0.3}
    count, said = _watch(rates)
    assert count < 100 and "A is different after" in said and "always-valid interval" in said
    # better than a placebo that hurts, and not than the plain prompt: nothing is decided
    assert _watch({**rates, "none": 0.8, "A": 0.8})[1] == ""
    # another arm's effect ends nothing
    assert _watch({**rates, "A": 0.3, "B": 0.9})[1] == ""
