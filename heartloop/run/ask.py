"""How one unit asks: `Ask` bound to a question, a model and a seed, and the judge's way to ask."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from heartloop.calls import Client
from heartloop.grading import Grader
from heartloop.methods.bandit import Learner
from heartloop.run.unit import Unit
from heartloop.types import (
    Address,
    AnswerBy,
    Attempt,
    Completion,
    Message,
    Question,
    Reader,
    Request,
    Sampling,
    Usage,
)


class BoundAsk:
    """`Ask` for one unit; adds up what the unit uses, shared calls included.

    Attributes:
        calls, usage, cost: everything that was answered, helpers apart.
        paid_calls, paid_tokens: what of it was paid now: neither from the journal nor shared with
            another arm.
    """

    def __init__(
        self,
        client: Client,
        unit: Unit,
        *,
        learner: Learner | None,
        helper: str | None,
    ) -> None:
        """Bind; what a method may ask for has no default, so that no caller can forget it.

        Args:
            client: asks.
            unit: what is worked on.
            learner: of the arm's `bandit` schedule, or None.
            helper: name of the second model, or None.
        """
        self.reader: Reader = QuestionReader(unit.task.grader, unit.question)
        self.seed = unit.seed
        self.learner = learner
        self.helper: BoundAsk | None = None
        if helper is not None:
            self.helper = BoundAsk(
                client, dataclasses.replace(unit, model=helper), learner=None, helper=None
            )
        self.calls = self.paid_calls = self.paid_tokens = 0
        self.usage = Usage()
        self.cost: float | None = None
        self._asked = 0
        # In the order of the answers: order of asking, round, draw, purpose, what came.
        self._answered: list[tuple[int, int, int, str, Completion]] = []
        self._client = client
        self._unit = unit

    async def __call__(
        self,
        messages: tuple[Message, ...],
        *,
        round: int = 0,
        draw: int = 0,
        purpose: str = "answer",
        extends: Completion | None = None,
        **sampling: Any,
    ) -> Completion:
        """Ask for one completion; see `heartloop.types.Ask`."""
        self._client.raise_if_stopped()  # also where the journal could answer
        self._asked += 1
        order = self._asked
        unit = self._unit
        request = Request(
            self._address(round, draw),
            messages,
            dataclasses.replace(unit.task.sampling, **sampling) if sampling else unit.task.sampling,
            extends=extends.key if extends else None,
            purpose=purpose,
            arm=unit.arm.name,
        )
        completion = await self._client.ask(request)
        self._book(completion)
        self._answered.append((order, round, draw, purpose, completion))
        return completion

    @property
    def spent(self) -> dict[str, tuple[int, Usage]]:
        """Key → calls and usage up to and including that call, in the order of asking.

        Not that of the answers: which of several draws comes back first is chance, and the verdicts
        of a run must be those of its journal scored again.
        """
        found: dict[str, tuple[int, Usage]] = {}
        total = Usage()
        for count, (*_, completion) in enumerate(sorted(self._answered, key=lambda a: a[0]), 1):
            total += completion.usage
            found[completion.key] = (count, total)
        return found

    @property
    def so_far(self) -> tuple[Attempt, ...]:
        """Answers up to the first call that has none, in the order of asking."""
        found = []
        answered = sorted(self._answered, key=lambda a: a[0])
        for place, (order, round, draw, purpose, completion) in enumerate(answered, 1):
            if place != order:
                break
            if purpose == "answer":
                found.append(Attempt(round, draw, completion, purpose=purpose))
        return tuple(found)

    async def score(
        self, prompt: str, continuations: Sequence[str], *, draw: int = 0
    ) -> list[Completion]:
        """Log-likelihoods of continuations of a raw prompt; see `heartloop.calls.Client.score`."""
        self._client.raise_if_stopped()
        scored = await self._client.score(
            self._address(0, draw), prompt, continuations, self._unit.arm.name
        )
        for completion in scored:
            self._book(completion)
        return scored

    def _address(self, round: int, draw: int) -> Address:
        unit = self._unit
        return Address(unit.task.card.name, unit.question.id, unit.model, round, draw, unit.seed)

    def _book(self, completion: Completion) -> None:
        self.calls += 1
        self.usage += completion.usage
        if completion.cost is not None:
            self.cost = (self.cost or 0.0) + completion.cost
        if not completion.shared:
            self.paid_calls += 1
            self.paid_tokens += completion.usage.total


@dataclasses.dataclass(frozen=True, slots=True)
class QuestionReader:
    """`Reader` for one question: the grader without the gold."""

    grader: Grader
    question: Question

    def extract(self, text: str) -> str | None:
        """The final answer in a text, or None."""
        return self.grader.extract(text, self.question)

    async def same(self, first: str, second: str) -> bool:
        """Whether two extracted answers are equivalent."""
        return await self.grader.same(first, second, self.question)

    async def answered(self, completion: Completion) -> AnswerBy | None:
        """Which reading finds a whole final answer in a completion."""
        return await self.grader.answered(completion, self.question)


def judge_ask(client: Client, model: str, sampling: Sampling) -> Callable[..., Any]:
    """How a grader asks its judge model; the calls land in the same journal."""

    async def ask(
        messages: tuple[Message, ...],
        *,
        question: tuple[str, str],
        draw: int = 0,
        **changes: Any,
    ) -> Completion:
        # Neither arm, round nor run seed: equal answers to a question are judged once.
        address = Address(*question, model, 0, draw)
        settings = dataclasses.replace(sampling, **changes)
        return await client.ask(Request(address, messages, settings, purpose="judge"))

    return ask
