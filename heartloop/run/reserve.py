"""What is kept back under a cap, so that every question that was opened is also finished."""

from __future__ import annotations

from heartloop.calls import Journal
from heartloop.calls.ledger import Ledger
from heartloop.errors import BudgetExceeded
from heartloop.run.unit import Unit

Block = tuple[str, int]
"""A question under all of its arms and seeds: its model and its turn."""


class Reserve:
    """Decides whether one more question may be opened under the caps of tokens and dollars.

    A question is taken to cost what the dearest finished one cost; before any is finished, what the
    plan expects. Where that turns out too little, the ledger still holds the cap: then questions
    are cut, and only those before them speak.
    """

    def __init__(
        self, ledger: Ledger, guess: float, begun: set[tuple[str, str, str]] | None = None
    ) -> None:
        """Begin.

        Args:
            ledger: knows the caps and what was spent.
            guess: tokens that a question is expected to cost at most.
            begun: (model, task, question) that an earlier session began: they are to be finished.
        """
        self._ledger = ledger
        self._guess = guess
        self._begun = begun or set()
        self._open: dict[Block, int] = {}  # tokens paid so far
        self._dearest = 0

    @property
    def expected(self) -> float:
        """Tokens that one question is taken to cost."""
        return self._dearest or self._guess

    def open(self, unit: Unit) -> bool:
        """Open the unit's question where it fits; True for one that is open or was begun."""
        block = (unit.model, unit.turn)
        known = (unit.model, unit.task.card.name, unit.question.id) in self._begun
        if block not in self._open:
            if not known and not self._fits():
                return False
            self._open[block] = 0
        return True

    def paid(self, unit: Unit, tokens: int) -> None:
        """Book what a finished unit paid."""
        self._open[unit.model, unit.turn] += tokens

    def close(self, block: Block) -> None:
        """All units of a question are finished."""
        self._dearest = max(self._dearest, self._open.pop(block, 0))

    def refusal(self) -> BudgetExceeded:
        """Why no further question is opened."""
        caps, ledger = self._ledger.caps, self._ledger
        if caps.total_tokens is not None and not self._fits_tokens(0):
            return BudgetExceeded(
                f"--max-total-tokens {caps.total_tokens}: {ledger.spent.total} used, and the next "
                f"question may take {self.expected:.0f}; resume with a higher cap"
            )
        return BudgetExceeded(
            f"--max-usd {caps.usd:g}: {ledger.usd:.4f} spent, and the next question may not fit; "
            "resume with a higher cap"
        )

    def _fits(self) -> bool:
        if not self._open and not self._dearest:
            return True  # nothing is known yet: one question tells, and the ledger holds the cap
        rest = sum(max(self.expected - paid, 0) for paid in self._open.values())
        return self._fits_tokens(rest) and self._fits_dollars(rest)

    def _fits_tokens(self, rest: float) -> bool:
        cap = self._ledger.caps.total_tokens
        return cap is None or self._ledger.spent.total + rest + self.expected <= cap

    def _fits_dollars(self, rest: float) -> bool:
        """Dollars at the rate a token cost so far; before that, as the tokens decide."""
        ledger = self._ledger
        if ledger.caps.usd is None or not ledger.spent.total:
            return True
        rate = ledger.usd / ledger.spent.total
        return ledger.usd + rate * (rest + self.expected) <= ledger.caps.usd


def begun_questions(journal: Journal) -> set[tuple[str, str, str]]:
    """(model, task, question) of every question that a journal holds a call of."""
    found = set()
    for record in journal.records():
        address = record["address"]
        found.add((address["model"], address["task"], address["question"]))
    return found
