"""One arm on some questions: what a race asks of the world, through method, client and grader."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from heartloop.calls import Client
from heartloop.errors import HeartloopError
from heartloop.optimize.results import Evaluation
from heartloop.run.ask import BoundAsk
from heartloop.run.session import Session
from heartloop.run.unit import LoadedTask, Unit
from heartloop.run.verdicts import candidate_lines
from heartloop.run.work import Worked, work_on
from heartloop.types import Arm, Graded, Mode, Question

MOST_OPEN = 2000  # questions at work at once

Progress = Callable[[Client, int], None]
"""Told the client and the number of finished questions after each."""


class Field:
    """Scores one arm on some questions: what a race asks of the world."""

    def __init__(
        self,
        session: Session,
        arms: Sequence[Arm],
        items: Sequence[tuple[LoadedTask, Question]],
        progress: Progress | None,
    ) -> None:
        self.session, self.arms, self.items, self.progress = session, arms, items, progress
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
        session, plan = self.session, self.session.prepared.plan
        gold = task.data.golds[question.id]
        unit = Unit(task, question, gold, arm, plan.models[0], plan.seeds[0])
        async with self.open:
            ask = BoundAsk(session.client, unit, learner=None, helper=plan.helper)
            try:
                trace, graded = await work_on(unit, ask, plan.selector)
                session.log.write(candidate_lines(unit, trace, graded, ask.spent))
            except HeartloopError as error:
                session.client.stop(error)  # nothing more is paid for; the others end, too
                raise
        self.done += 1
        if self.progress is not None:
            self.progress(session.client, self.done)
        paid = [ask, ask.helper] if ask.helper is not None else [ask]
        costs = (
            trace.calls,
            trace.usage.total,
            sum(one.paid_calls for one in paid),
            sum(one.paid_tokens for one in paid),
        )
        return _score_of((trace, graded), task.mode), costs


def _score_of(worked: Worked, mode: Mode) -> float | None:
    """What the arm's answer is worth; in oracle mode the best candidate's score."""
    trace, graded = worked
    scores = [_score(one) for one in graded]
    if mode == "oracle":
        return max((score for score in scores if score is not None), default=None)
    return None if trace.selected is None else scores[trace.selected]


def _score(graded: Graded | None) -> float | None:
    """A candidate's score: partial credit where the metric gives it; unscored answers count 0."""
    if graded is None:
        return None
    strict = graded.own
    if strict.score is not None:
        return float(strict.score)
    return 1.0 if strict.outcome == "correct" else 0.0
