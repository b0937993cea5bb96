"""One arm on some questions: what a race asks of the world, through method, client and grader."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from heartloop.calls import Client
from heartloop.methods import METHODS, select
from heartloop.optimize.results import Evaluation
from heartloop.run.execute import Prepared
from heartloop.run.runner import BoundAsk, LoadedTask, Unit, judged
from heartloop.run.verdicts import VerdictLog, candidate_lines
from heartloop.types import Arm, Completion, Graded, Question

MOST_OPEN = 2000  # questions at work at once

Progress = Callable[[Client, int], None]
"""Told the client and the number of finished questions after each."""


class CountingAsk(BoundAsk):
    """Also counts what was paid now: not from the journal, not shared with another arm."""

    paid_calls = 0
    paid_tokens = 0

    async def __call__(self, *args: Any, **more: Any) -> Completion:
        """Ask, and count."""
        completion = await super().__call__(*args, **more)
        if not completion.shared:
            self.paid_calls += 1
            self.paid_tokens += completion.usage.total
        return completion


class Field:
    """Scores one arm on some questions: what a race asks of the world."""

    def __init__(
        self,
        prepared: Prepared,
        arms: Sequence[Arm],
        items: Sequence[tuple[LoadedTask, Question]],
        client: Client,
        log: VerdictLog,
        progress: Progress | None,
        stopping: asyncio.Event,
    ) -> None:
        self.plan, self.arms, self.items, self.client = prepared.plan, arms, items, client
        self.log, self.progress, self.stopping = log, progress, stopping
        self.failed: list[str] = []  # what "none" got wrong, without any gold
        self.open = asyncio.Semaphore(MOST_OPEN)
        self.done = 0

    async def __call__(self, arm: int, questions: Sequence[int]) -> Evaluation:
        """Run one arm on these questions, all at once within the client's limits."""
        asked = self.arms[arm]
        ended = await asyncio.gather(
            *(self._one(asked, *self.items[q]) for q in questions), return_exceptions=True
        )
        # All are awaited before an error is let through: what was answered is in the journal.
        done = []
        for one in ended:
            if isinstance(one, BaseException):
                raise one
            done.append(one)
        if arm == 0:
            wrong = [q for q, (score, _) in zip(questions, done, strict=True) if score == 0]
            self.failed += [self.items[q][1].input for q in wrong]
        calls, tokens, paid, paid_tokens = (sum(one[i] for _, one in done) for i in range(4))
        return Evaluation([score for score, _ in done], calls, tokens, paid, paid_tokens)

    async def _one(
        self, arm: Arm, task: LoadedTask, question: Question
    ) -> tuple[float | None, tuple[int, int, int, int]]:
        async with self.open:
            gold = task.data.golds[question.id]
            unit = Unit(task, question, gold, arm, self.plan.models[0], self.plan.seeds[0])
            ask = CountingAsk(self.client, unit, self.stopping)
            grader = task.grader

            async def check(text: str) -> bool:
                return await grader.check(question, gold, Completion(text))

            method = METHODS[arm.method]
            if task.mode == "oracle":
                trace = await method(question, arm, ask, check)
            else:
                trace = await method(question, arm, ask)
                trace = await select(self.plan.selector, trace, question, arm, ask)
            trace = dataclasses.replace(trace, calls=ask.calls, usage=ask.usage, cost=ask.cost)
            graded: list[Graded | None] = []
            for attempt in trace.attempts:
                if attempt.completion is None:
                    graded.append(None)
                    continue
                judged.set((task.card.name, question.id, unit.seed, attempt.round, attempt.draw))
                graded.append(await grader.grade(question, gold, attempt.completion))
            self.log.write(candidate_lines(unit, trace, graded, ask.spent))
            self.done += 1
            if self.progress is not None:
                self.progress(self.client, self.done)
            scores = [_score(one) for one in graded]
            if task.mode == "oracle":
                known = [score for score in scores if score is not None]
                score = max(known) if known else None
            else:
                score = None if trace.selected is None else scores[trace.selected]
            return score, (ask.calls, ask.usage.total, ask.paid_calls, ask.paid_tokens)


def _score(graded: Graded | None) -> float | None:
    """A candidate's score: partial credit where the metric gives it; unscored answers count 0."""
    if graded is None:
        return None
    strict = graded.own
    if strict.score is not None:
        return float(strict.score)
    return 1.0 if strict.outcome == "correct" else 0.0
