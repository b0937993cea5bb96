"""Answers counted wrong that hold the gold are counted, shown and warned of."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from heartloop.run.doubtful import Doubtful, doubtful_warnings, examples_line, held_gold
from heartloop.types import Gold, Graded, Verdict


def unit(gold: str, kind: str = "exact", private: bool = False) -> Any:
    card = SimpleNamespace(options={"private": private}, name="faq")
    grader = SimpleNamespace(verifier=SimpleNamespace(kind=kind))
    task = SimpleNamespace(card=card, grader=grader)
    return SimpleNamespace(task=task, gold=Gold("q", (gold,)))


def judged(outcome: str) -> Graded:
    return Graded(Verdict(outcome), Verdict(outcome))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("gold", "text", "held"),
    [
        ("City7", "The answer is City7.", True),
        ("City7", "City70", False),  # no whole word
        ("62", "Yes, I am sure that 9 + 53 equals 62.", True),
        ("a", "It is a river.", False),  # one letter stands everywhere
        ("Rome", "Rome " * 41, False),  # a long text names much on its way
    ],
)
def test_a_short_answer_that_holds_the_gold_is_seen(gold: str, text: str, held: bool) -> None:
    found = held_gold(unit(gold), text, judged("incorrect"))
    assert (found is not None) == held
    assert found is None or found["gold"] == gold


def test_right_judged_and_private_answers_are_left_alone() -> None:
    assert held_gold(unit("Rome"), "Rome", judged("correct")) is None
    assert held_gold(unit("Rome", "judge"), "Rome.", judged("incorrect")) is None
    assert held_gold(unit("Rome", private=True), "Rome.", judged("incorrect")) == {}


def test_the_warning_comes_over_two_per_cent_and_shows_three() -> None:
    counted = Doubtful()
    for i in range(200):
        line: dict[str, Any] = {"task": "faq", "outcome": "incorrect", "index": i}
        if i < 4:
            line["holds_gold"] = {"gold": f"City{i}", "answer": f"City{i}."}
        counted.add(line)
    assert counted.summary() == {} and doubtful_warnings({"doubtful": {}}) == []
    late = {"outcome": "unscored", "index": 200, "holds_gold": {"gold": "x", "answer": "x!"}}
    counted.add({"task": "faq", **late})
    counted.add({"task": "faq", "outcome": "correct"})
    found = counted.summary()
    assert (found["faq"]["wrong"], found["faq"]["holding"]) == (201, 5)
    assert len(found["faq"]["examples"]) == 3
    (said,) = doubtful_warnings({"doubtful": found})
    assert '"City0." for City0; "City1." for City1; "City2." for City2' in said
    assert "--shots 1" in said


def test_three_examples_stand_on_one_line_of_a_screen_cut_around_their_golds() -> None:
    cities = ("Nairobi", "Oslo", "Kathmandu")
    examples = [
        {"gold": c, "answer": f"You are surely looking for the city of {c}, I suppose"}
        for c in cities
    ]
    found: Any = {"doubtful": {"faq": {"wrong": 9, "holding": 9, "examples": examples}}}
    line = examples_line(found, 80)
    assert len(line) <= 80
    assert all(city in line for city in cities)
    assert examples_line({}, 80) == ""  # type: ignore[typeddict-item]
