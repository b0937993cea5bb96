"""Questions without a gold: what a person (`heartloop ask`) or a program (`heartloop serve`) asks.

They go the way of every other question (`heartloop.run.session.open_client`, `BoundAsk`,
`heartloop.run.work.answer`); only the verdict is left out, since there is nothing to compare with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heartloop.calls import Client
from heartloop.cards import TaskCard
from heartloop.data import TaskData
from heartloop.data.items import Items
from heartloop.errors import CallError, UsageError
from heartloop.grading import MathPool, open_grader
from heartloop.run.ask import BoundAsk, QuestionReader
from heartloop.run.clients import automatic
from heartloop.run.doors import verifier_card
from heartloop.run.unit import LoadedTask, Unit
from heartloop.run.work import answer
from heartloop.types import AnswerBy, Arm, Completion, Gold, Message, Question, Sampling, Trace

TASK = "free"
"""The task name in the addresses of such questions."""
SEED_STEP = 1_000_003
"""Between the seeds of two draws that were asked for with one seed."""


def free_task(
    verifier: str | None = None, sampling: Sampling | None = None, pool: MathPool | None = None
) -> LoadedTask:
    """A task without data, whose verifier only reads and compares answers.

    Args:
        verifier: a card; None reads a final answer where the text states one as maths answers do
            (boxed, "the answer is"), else takes the whole text.
        sampling: of every question.
        pool: maths workers to share.

    Raises:
        UsageError: no such verifier, or one that cannot read without asking a model.
    """
    card = TaskCard(TASK, Path(TASK), "", verifier=verifier or "")
    grader = open_grader(verifier_card(verifier or "math"), pool=pool or MathPool())
    if not automatic(grader):
        raise UsageError(
            f"verifier {verifier}: it asks a judge, which cannot tell equal answers apart from "
            "others without a gold; name one that reads answers, such as math or text"
        )
    data = TaskData(card, Items.of([]), TASK, "")
    return LoadedTask(card, data, grader, sampling or Sampling(), "verifier-free")


def question_of(messages: Sequence[Message], id: str, prompt: Mapping[str, Any]) -> Question:
    """A conversation as a question: every message stays where it is, word for word.

    Args:
        messages: the last one a user's.
        id: of the question.
        prompt: parts that stand around the last message (``instruction``, ``answer_format``,
            ``separator``, ``system``), for prompts that were measured so.

    Raises:
        UsageError: nothing is asked.
    """
    if not messages or messages[-1].role != "user":
        raise UsageError("the last message must be a user's: that is what is answered")
    first = messages[0]
    system = first.content if first.role == "system" else None
    return Question(
        id,
        TASK,
        0,
        messages[-1].content,
        history=tuple(messages[system is not None : -1]),
        **{"system": system, **prompt},
    )


class FreeAsk(BoundAsk):
    """`Ask` of a question without a gold.

    Attributes:
        failure: the last call that ended without an answer, or None.
        failures: how many did.
    """

    def __init__(self, client: Client, unit: Unit, given_seed: int | None = None) -> None:
        super().__init__(client, unit, learner=None, helper=None)
        self.failure: CallError | None = None
        self.failures = 0
        self._given = given_seed
        self._extra = unit.task.sampling.extra
        if not unit.task.card.verifier:
            self.reader = WholeReader(unit.task.grader, unit.question)

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
        """Ask for one completion; a seed that the asker gave is sent, and differs by draw."""
        if self._given is not None:
            seed = (self._given + draw * SEED_STEP) % (1 << 31)
            sampling["extra"] = {**self._extra, "seed": seed}
        try:
            return await super().__call__(
                messages, round=round, draw=draw, purpose=purpose, extends=extends, **sampling
            )
        except CallError as error:
            self.failure = error
            self.failures += 1
            raise


@dataclass(frozen=True, slots=True)
class WholeReader(QuestionReader):
    """Reads answers of any kind: a stated final answer, else the whole text is the answer."""

    def extract(self, text: str) -> str | None:
        """What a text answers, or None for an empty one."""
        return QuestionReader.extract(self, text) or text.strip() or None

    async def same(self, first: str, second: str) -> bool:
        """Whether two answers are the same words or the same value."""
        if " ".join(first.split()).casefold() == " ".join(second.split()).casefold():
            return True
        return await QuestionReader.same(self, first, second)

    async def answered(self, completion: Completion) -> AnswerBy | None:
        """Whether there is anything to read: any text is the answer."""
        return "own" if completion.text.strip() else None


@dataclass(frozen=True, slots=True)
class Way:
    """How questions are answered: by which model, under which arm, chosen by what.

    Attributes:
        model: as after ``--model``.
        arm: method, stimuli, parameters; valid without a verifier.
        selector: hands in one of several answers.
        task: its reader and sampling, from `free_task`.
        prompt: as for `question_of`.
    """

    model: str
    arm: Arm
    selector: str
    task: LoadedTask
    prompt: Mapping[str, str] = field(default_factory=dict)


async def answer_freely(
    client: Client,
    way: Way,
    messages: Sequence[Message],
    *,
    id: str,
    sampling: Sampling | None = None,
    seed: int = 0,
    given_seed: int | None = None,
) -> tuple[Trace, FreeAsk]:
    """Answer a conversation the way that was named.

    Args:
        client: from `heartloop.run.session.open_client`.
        way: how.
        messages: the conversation; its last message is a user's.
        id: of the question, in addresses.
        sampling: in place of the way's own.
        seed: which asking of this question it is; two are never one answer.
        given_seed: sent to the server.

    Returns:
        The trace and the ask, which knows what was paid and what failed.

    Raises:
        UsageError: nothing is asked in the messages.
        CallError: no answer came of it: the last call's error.
        Stopped: a cap was reached, or the client is being stopped.
    """
    question = question_of(messages, id, way.prompt)
    task = way.task
    if sampling is not None:
        task = LoadedTask(task.card, task.data, task.grader, sampling, task.mode)
    unit = Unit(task, question, NO_GOLD, way.arm, way.model, seed)
    ask = FreeAsk(client, unit, given_seed)
    trace = await answer(unit, ask, way.selector)
    if trace.selected is None or trace.attempts[trace.selected].completion is None:
        raise ask.failure or CallError("no answer came of it", kind="no_answer")
    return trace, ask


NO_GOLD = Gold("", ())
