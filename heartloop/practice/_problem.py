"""What a generated mathematics problem is, and how a slip enters its worked steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from heartloop.practice._random import Rng


class Tally:
    """Passes the intermediate results of a solution through; can falsify exactly one of them.

    Without ``slip`` every value comes back unchanged. With ``slip = k`` the k-th value (from 0) is
    replaced by a near one, and whatever is computed from it afterwards is wrong with it: a worked
    solution with one coherent mistake.
    """

    def __init__(self, slip: int | None = None, rng: Rng | None = None) -> None:
        self.count = 0
        self._slip = slip
        self._rng = rng

    def __call__(self, value: int) -> int:
        """Book one intermediate result; returns it, or a near value where the slip happens."""
        self.count += 1
        if self._slip is None or self._rng is None or self.count - 1 != self._slip:
            return value
        step = self._rng.pick((1, 1, 1, 2, 2, 3, 10)) * self._rng.pick((-1, 1))
        return value + step if value + step >= 0 or value < 0 else value - step


@dataclass(frozen=True, slots=True)
class Problem:
    """One generated problem with its exact answer.

    Attributes:
        family: the generator's family name.
        subfield: OlympiadBench's subfield name.
        key: family and parameters; two problems with one key are the same problem in other words.
        question: the text, with LaTeX.
        steps: short worked steps, without the final answer.
        answers: the final answer(s), LaTeX without dollar signs.
        answer_type: ``Numerical``, ``Expression``, ``Tuple`` or ``Interval``.
        unit: LaTeX unit, or None; never part of the answer.
    """

    family: str
    subfield: str
    key: str
    question: str
    steps: str
    answers: tuple[str, ...]
    answer_type: str = "Numerical"
    unit: str | None = None


Family = Callable[[Rng, Tally], Problem]


def make(family: Family, seed: str) -> Problem:
    """The family's problem for this seed, solved rightly."""
    return family(Rng(seed), Tally())
