"""Keeps the books of one question under one arm: attempts, calls and tokens, up to the Trace."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from heartloop.errors import CallError
from heartloop.types import Arm, Ask, Attempt, Completion, Message, Question, Trace, Usage

T = TypeVar("T")


class Recorder:
    """Asks, books what it cost, and collects attempts in the order in which they are added.

    A call that fails is an attempt with the class of its error, never a text; it is booked as no
    call, since nothing is known of its tokens.
    """

    def __init__(self, question: Question, arm: Arm, ask: Ask) -> None:
        self.question = question
        self.arm = arm
        self._ask = ask
        self.attempts: list[Attempt] = []
        self.notes: dict[str, Any] = {}
        self.hand_in: int | None = None  # the newest attempt that holds an answer, where known
        self.calls = 0
        self.usage = Usage()
        self.cost: float | None = None

    def book(self, completion: Completion) -> Completion:
        """Add a call's tokens and dollars to what the arm would cost alone."""
        self.calls += 1
        self.usage += completion.usage
        if completion.cost is not None:
            self.cost = (self.cost or 0.0) + completion.cost
        return completion

    async def say(
        self,
        messages: tuple[Message, ...],
        *,
        round: int,
        draw: int = 0,
        purpose: str,
        extends: Completion | None = None,
        **sampling: Any,
    ) -> Completion:
        """Ask for something that is no answer (feedback, a vote) and book it.

        Raises:
            CallError: the call ended without a completion.
        """
        return self.book(
            await self._ask(
                messages, round=round, draw=draw, purpose=purpose, extends=extends, **sampling
            )
        )

    async def answer(
        self,
        messages: tuple[Message, ...],
        *,
        round: int,
        draws: Sequence[int] = (0,),
        cue: str = "",
        extends: Completion | None = None,
        purpose: str = "answer",
        **sampling: Any,
    ) -> list[Attempt]:
        """Ask for candidate answers, all at once, and add them as attempts in draw order."""

        async def one(draw: int) -> Attempt:
            try:
                completion = await self._ask(
                    messages, round=round, draw=draw, purpose=purpose, extends=extends, **sampling
                )
            except CallError as error:
                return Attempt(round, draw, None, cue, None, error.kind, purpose)
            return Attempt(round, draw, completion, cue, None, None, purpose)

        found = await gather([one(draw) for draw in draws])
        for attempt in found:
            self.add(attempt)
        return found

    def add(self, attempt: Attempt) -> None:
        """Add an attempt and book its call."""
        if attempt.completion is not None:
            self.book(attempt.completion)
        self.attempts.append(attempt)

    def fail(self, round: int, error: CallError, cue: str = "") -> None:
        """A call on the way to an answer failed: the answer of that round is an error."""
        self.attempts.append(Attempt(round, 0, None, cue, None, error.kind))

    def trace(self, selected: int | None = None) -> Trace:
        """The trace; without a choice, the first right attempt, else the last with an answer."""
        if selected is None:
            selected = first_right(self.attempts)
        if selected is None:
            selected = self.hand_in
        if selected is None:
            selected = last_answered(self.attempts)
        return Trace(
            question=self.question.id,
            arm=self.arm.name,
            attempts=tuple(self.attempts),
            selected=selected,
            calls=self.calls,
            usage=self.usage,
            cost=self.cost,
            notes=self.notes,
        )


def first_right(attempts: Sequence[Attempt]) -> int | None:
    """Index of the first attempt that the verifier took."""
    for i, attempt in enumerate(attempts):
        if attempt.checked:
            return i
    return None


def last_answered(attempts: Sequence[Attempt]) -> int | None:
    """Index of the last attempt that has a completion."""
    for i in reversed(range(len(attempts))):
        if attempts[i].completion is not None:
            return i
    return None


async def gather(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Run all at once; where one raises, the others are cancelled and awaited first.

    One coroutine runs in the caller's own task, without the cost of another.
    """
    if len(work) == 1:
        return [await work[0]]
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def dice(*parts: object) -> random.Random:
    """A generator fixed by its parts alone: the same on every machine, in any order of work."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=16).digest()
    return random.Random(int.from_bytes(digest, "big"))  # noqa: S311


def run_seed(ask: Ask) -> int:
    """The run seed an `Ask` is bound to; 0 where it does not say."""
    return ask.seed
