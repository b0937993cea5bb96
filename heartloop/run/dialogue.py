"""What is said on one question under one arm: for real (`ask_once`), or rehearsed (`rehearse`)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from heartloop.calls import Client, Journal
from heartloop.calls.records import own_messages
from heartloop.errors import Stopped
from heartloop.methods import METHODS, open_learner, select
from heartloop.run.ask import BoundAsk
from heartloop.run.free import TASK, FreeAsk
from heartloop.run.load import Prepared
from heartloop.run.session import open_client
from heartloop.run.unit import Unit
from heartloop.run.work import answer, work_on
from heartloop.types import AnswerBy, Completion, Graded, Message, Request, Trace

SECOND = "the second model"


@dataclass(frozen=True, slots=True)
class Said:
    """One call of a dialogue.

    Attributes:
        goes_on: the messages follow those of an earlier call and its answer; else they are all.
        messages: what was asked (behind that answer).
        answer: what came back; None where the call ended in ``error``.
        tokens: prompt and completion.
    """

    round: int
    draw: int
    purpose: str
    goes_on: bool
    messages: tuple[Message, ...]
    answer: str | None
    tokens: int
    error: str | None = None


def said_in(journal: Journal) -> Iterator[Said]:
    """The calls of a journal, by round and draw."""
    records = sorted(journal.records(), key=lambda r: (r["address"]["round"], r["address"]["draw"]))
    for record in records:
        used, address, error = record["usage"], record["address"], record["error"]
        yield Said(
            address["round"],
            address["draw"],
            record["purpose"],
            bool(record["request"].get("extends")),
            own_messages(record),
            record["text"],
            used["prompt"] + used["completion"],
            error and f"{error['class']}: {error['message']}",
        )


async def ask_once(prepared: Prepared, unit: Unit) -> tuple[Trace, list[Graded | None], list[Said]]:
    """Ask one question and keep nothing but what is returned.

    Args:
        prepared: the plan, for its models, limits and selector, and the unit's task.
        unit: what is asked; graded unless it is a free question (`heartloop.run.free`).

    Raises:
        UsageError: a model that cannot be asked.
        HeartloopError: it cannot go on.
        CallError: no answer came of it.
    """
    plan = prepared.plan
    with tempfile.TemporaryDirectory() as place, Journal.open(place) as journal:
        graded: list[Graded | None] = []
        async with open_client(prepared, journal) as client:
            if unit.task.card.name == TASK:
                ask = FreeAsk(client, unit)
                trace = await answer(unit, ask, plan.selector)
                if trace.selected is None and ask.failure is not None:
                    raise ask.failure
            else:
                learner = open_learner(unit.arm, [unit.question.id])
                bound = BoundAsk(client, unit, learner=learner, helper=plan.helper)
                trace, graded = await work_on(unit, bound, plan.selector)
        return trace, graded, list(said_in(journal))


async def rehearse(unit: Unit, selector: str) -> list[Said]:
    """Every call that an arm would make on a question, with placeholders for the answers.

    The method itself runs, so what is shown is what is sent; a verifier says "wrong" each time.

    Args:
        unit: question and arm.
        selector: as in a run, for verifier-free mode.
    """
    with tempfile.TemporaryDirectory() as place, Journal.open(place) as journal:
        client = Client({unit.model: Stand(unit.model), SECOND: Stand(SECOND)}, journal)
        ask = BoundAsk(
            client, unit, learner=open_learner(unit.arm, [unit.question.id]), helper=SECOND
        )
        ask.reader = StandReader()
        method = METHODS[unit.arm.method]
        try:
            if unit.task.mode == "oracle":
                await method(unit.question, unit.arm, ask, _wrong)
            else:
                trace = await method(unit.question, unit.arm, ask)
                await select(selector, trace, unit.question, unit.arm, ask)
        except Stopped:
            pass
        finally:
            await client.close()
        return list(said_in(journal))


async def _wrong(completion: Completion) -> bool:
    return False


class Stand:
    """A model that says which answer would stand there."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def complete(self, request: Request) -> Completion:
        """The place's own name."""
        place = request.address
        what = request.purpose if request.purpose != "answer" else "answer"
        draw = f", draw {place.draw}" if place.draw else ""
        return Completion(f"⟨{what} of round {place.round}{draw}⟩")

    async def close(self) -> None:
        """Nothing is open."""


class StandReader:
    """Reads placeholders: each is an answer, and none is another's."""

    def extract(self, text: str) -> str | None:
        """The placeholder."""
        return text

    async def same(self, first: str, second: str) -> bool:
        """Whether they are one."""
        return first == second

    async def answered(self, completion: Completion) -> AnswerBy | None:
        """Always."""
        return "own"
