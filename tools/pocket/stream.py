"""The training stream: which conversations are made in which phase of the training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import phrases as p
from problems import (
    HURRY,
    Draws,
    Turn,
    answer,
    at_once,
    critique,
    drill,
    judge,
    olympiad,
    synthesis,
    system,
)
from small import choice, exact, facts, induction, quick, spelling, support_turn

from heartloop.practice import _maths as maths
from heartloop.practice._problem import make

MISTAKES: list[dict[str, Any]] = []
"""What a checkpoint said to training problems (``mistakes.py``); filled before the third phase."""


def own_answer(r: Draws) -> list[Turn]:
    """Pocket's own earlier answer, right or wrong, feedback, and the right solution."""
    wanted = r.chance(60)  # wrong ones
    for _ in range(200):
        record = r.pick(MISTAKES)
        # Answers at once are mostly wrong: the worked-out mistakes teach more.
        hurried = at_once(record["said"]) and r.chance(60)
        if record["right"] != wanted and not hurried:
            break
    else:  # a checkpoint that is never right, or never wrong
        return olympiad(r)
    turns = [*system(r), ("user", record["question"], False)]
    turns.append(("assistant", record["said"], False))
    turns.append(("user", p.feedback(r, not record["right"]), False))
    if r.chance(20):  # the same mistake again, and told again
        turns.append(("assistant", record["said"], False))
        turns.append(("user", p.feedback(r, not record["right"]), False))
    found = make(maths.FAMILIES[record["family"]], record["seed"])
    return [*turns, ("assistant", answer(r, found, turns[-1][1]), True)]


class Phase(NamedTuple):
    """What one phase of the training is made of.

    Attributes:
        drills: percent of conversations that are drills.
        hurry: percent of answers that are given at once where nothing asks for care.
        mix: the share of each other kind of conversation, in 100.
    """

    drills: int
    hurry: int
    mix: tuple[tuple[Callable[[Draws], list[Turn]], int], ...]


PHASES: dict[str, Phase] = {
    "skills": Phase(
        50,
        HURRY,
        (
            (olympiad, 52),
            (synthesis, 7),
            (critique, 3),
            (judge, 4),
            (choice, 7),
            (exact, 3),
            (induction, 3),
            (facts, 3),
            (support_turn, 3),
            (quick, 15),
        ),
    ),
    "conversation": Phase(
        15,
        HURRY,
        (
            (olympiad, 40),
            (synthesis, 7),
            (critique, 3),
            (judge, 3),
            (choice, 8),
            (exact, 2),
            (induction, 3),
            (facts, 2),
            (support_turn, 4),
            (quick, 28),
        ),
    ),
    "feedback": Phase(
        5,
        HURRY,
        (
            (own_answer, 34),
            (olympiad, 20),
            (synthesis, 6),
            (critique, 3),
            (judge, 3),
            (choice, 8),
            (exact, 2),
            (induction, 3),
            (facts, 1),
            (support_turn, 4),
            (quick, 16),
        ),
    ),
    "verdict": Phase(
        5,
        45,
        (
            (own_answer, 43),
            (olympiad, 20),
            (synthesis, 6),
            (critique, 3),
            (judge, 2),
            (choice, 5),
            (exact, 2),
            (induction, 2),
            (facts, 1),
            (support_turn, 3),
            (quick, 8),
            (spelling, 5),
        ),
    ),
}


def conversation(seed: str, phase: str = "conversation") -> list[Turn]:
    """The conversation with this seed in one phase of the training."""
    drills, hurry, mix = PHASES[phase]
    r = Draws(seed, hurry)
    if r.chance(drills):
        return drill(r)
    at = r.below(100)
    for kind, share in mix:
        if at < share:
            return kind(r)
        at -= share
    raise AssertionError("shares do not add up to 100")
