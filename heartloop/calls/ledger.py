"""The ledger: tokens and dollars are reserved before a call and settled after it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from heartloop.calls.prices import Price
from heartloop.errors import BudgetExceeded, CallError
from heartloop.types import Completion, Request, Usage

CHARS_PER_TOKEN = 3.0  # before any prompt was counted: on the safe side for English
UNKNOWN_COMPLETION = 2048  # tokens reserved for an answer without a max_tokens of its own
MESSAGE_TOKENS = 8  # a chat template adds to every message
SAFETY = 1.1  # on top of the running average


@dataclass(frozen=True, slots=True)
class Caps:
    """What may be spent; None for no cap.

    Attributes:
        total_tokens: prompt and completion tokens of the run.
        usd: dollars of the run.
        question_tokens: tokens of one question under one arm, shared calls included.
    """

    total_tokens: int | None = None
    usd: float | None = None
    question_tokens: int | None = None


@dataclass(slots=True)
class Reservation:
    """What a call may cost at most, as far as can be told beforehand."""

    prompt: int
    tokens: int
    usd: float
    chars: int


class Ledger:
    """Keeps what was spent and what is promised; nothing is sent that could break a cap.

    Attributes:
        spent: tokens paid for, those of earlier sessions of the same run included.
        usd: dollars paid, as far as prices are known.
        unpriced: calls whose price nobody knows.
    """

    def __init__(self, caps: Caps | None = None, prices: dict[str, Price] | None = None) -> None:
        self.caps = caps or Caps()
        self.prices = prices or {}
        self.spent = Usage()
        self.usd = 0.0
        self.unpriced = 0
        self._reserved_tokens = 0
        self._reserved_usd = 0.0
        self._open = 0
        self._chars = 0
        self._prompt_tokens = 0
        self._completions = 0
        self._completion_tokens = 0
        self._largest = 0
        self._by_question: dict[tuple[str, ...], int] = {}
        self._settled: asyncio.Event | None = None

    def carry_over(self, usage: Usage, usd: float | None) -> None:
        """Book what earlier sessions of the run paid, so that caps hold for the whole run."""
        self.spent += usage
        self.usd += usd or 0.0

    def estimate(self, request: Request) -> Reservation:
        """What a call may cost at most, from its length and the calls so far."""
        chars = sum(len(message.content) for message in request.messages)
        per_token = CHARS_PER_TOKEN
        if self._prompt_tokens:
            per_token = self._chars / self._prompt_tokens / SAFETY
        prompt = int(chars / per_token) + MESSAGE_TOKENS * len(request.messages)
        completion = request.sampling.max_tokens
        if completion is None:
            completion = max(UNKNOWN_COMPLETION, 2 * self._largest)
        price = self.prices.get(request.address.model)
        usd = price.cost(Usage(prompt, completion)) if price is not None else 0.0
        return Reservation(prompt, prompt + completion, usd, chars)

    async def reserve(self, request: Request) -> Reservation:
        """Set aside what a call may cost, waiting for running calls where that may help.

        Raises:
            BudgetExceeded: even with nothing else running it would not fit under a cap.
            CallError: kind ``question_budget``: the question's own cap is reached.
        """
        reservation = self.estimate(request)
        caps = self.caps
        if caps.question_tokens is not None and request.purpose != "judge":
            used = self._by_question.get(_question(request), 0)
            if used + reservation.tokens > caps.question_tokens:
                raise CallError(
                    f"question {request.address.question}: {used} of "
                    f"{caps.question_tokens} tokens used, the next call may take "
                    f"{reservation.tokens}",
                    kind="question_budget",
                )
        while (over := self._over(reservation)) is not None:
            if not self._open:
                raise BudgetExceeded(over)
            if self._settled is None or self._settled.is_set():
                self._settled = asyncio.Event()
            await self._settled.wait()
        self._reserved_tokens += reservation.tokens
        self._reserved_usd += reservation.usd
        self._open += 1
        return reservation

    def settle(
        self, reservation: Reservation, request: Request, completion: Completion | None
    ) -> None:
        """Replace a reservation by what the call used; None releases it."""
        self._open -= 1
        self._reserved_tokens -= reservation.tokens
        self._reserved_usd -= reservation.usd
        if completion is not None:
            usage = completion.usage
            self.spent += usage
            if completion.cost is None:
                self.unpriced += 1
            else:
                self.usd += completion.cost
            if not completion.estimated:
                self._chars += reservation.chars
                self._prompt_tokens += usage.prompt
            self._completions += 1
            self._completion_tokens += usage.completion
            self._largest = max(self._largest, usage.completion)
        if self._settled is not None:
            self._settled.set()

    def book_failed(self, usage: Usage, usd: float | None) -> None:
        """Book what a call without an answer is known to have used all the same."""
        self.spent += usage
        self.usd += usd or 0.0

    def book_question(self, request: Request, usage: Usage) -> None:
        """Count a call, shared or paid, towards the cap of its question under its arm."""
        if self.caps.question_tokens is not None and request.purpose != "judge":
            question = _question(request)
            self._by_question[question] = self._by_question.get(question, 0) + usage.total

    def price(self, request: Request, usage: Usage) -> float | None:
        """Dollars for a usage by the price list, or None where the model has no price."""
        price = self.prices.get(request.address.model)
        return None if price is None else price.cost(usage)

    def _over(self, reservation: Reservation) -> str | None:
        """Which cap a reservation would break, in words."""
        caps = self.caps
        if caps.total_tokens is not None:
            after = self.spent.total + self._reserved_tokens + reservation.tokens
            if after > caps.total_tokens:
                return (
                    f"--max-total-tokens {caps.total_tokens}: {self.spent.total} used, and the "
                    f"next call may take {reservation.tokens}; resume with a higher cap"
                )
        if caps.usd is not None:
            if self.usd + self._reserved_usd + reservation.usd > caps.usd:
                return (
                    f"--max-usd {caps.usd:g}: {self.usd:.4f} spent, and the next call may cost "
                    f"{reservation.usd:.4f}; resume with a higher cap"
                )
        return None


def _question(request: Request) -> tuple[str, ...]:
    address = request.address
    return (request.arm, address.task, address.question, address.model, str(address.seed))
