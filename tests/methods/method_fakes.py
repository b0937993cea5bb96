"""A fake of `Ask` for the tests of methods: a known process answers, and every call is kept."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from heartloop.errors import CallError
from heartloop.types import AnswerBy, Completion, Message, Question, Stimulus, Usage


@dataclass
class Call:
    messages: tuple[Message, ...]
    round: int
    draw: int
    purpose: str
    extends: Completion | None
    sampling: dict[str, Any]

    @property
    def key(self) -> str:
        return repr((self.messages, self.round, self.draw, sorted(self.sampling.items())))


class BoxReader:
    """Reads the last \\boxed{…}; numbers are the same when their values are."""

    def extract(self, text: str) -> str | None:
        found = re.findall(r"\\boxed\{([^}]*)\}", text)
        return found[-1] if found else None

    async def same(self, first: str, second: str) -> bool:
        await asyncio.sleep(0)
        try:
            return float(first) == float(second)
        except ValueError:
            return first == second

    async def answered(self, completion: Completion) -> AnswerBy | None:
        """A box; else a number that ends the text is an answer that is not in form."""
        if completion.finish_reason == "length":
            return None
        if self.extract(completion.text) is not None:
            return "own"
        return "content" if re.search(r"\d\.?$", completion.text) else None


Process = Callable[[Call], "str | Completion | CallError"]


@dataclass
class FakeAsk:
    """Answers from ``process``; a call made before comes from ``journal``, as with the client.

    ``die_after`` ends it, as kill -9 would, after that many new calls.
    """

    process: Process
    journal: dict[str, Completion] = field(default_factory=dict)
    seed: int = 0
    die_after: int | None = None
    delay: Callable[[Call], float] = lambda call: 0.0
    reader: BoxReader = field(default_factory=BoxReader)
    helper: Any = None
    learner: Any = None

    def __post_init__(self) -> None:
        self.calls: list[Call] = []
        self.paid = 0
        self.in_flight = 0
        self.peak = 0

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
        call = Call(messages, round, draw, purpose, extends, sampling)
        self.calls.append(call)
        if extends is not None:
            # What the journal relies on: the conversation begins with that call and its answer.
            start = self.conversations[extends.key]
            assert messages[: len(start) + 1] == (*start, Message("assistant", extends.text))
        if call.key in self.journal:
            self.conversations.setdefault(call.key, messages)
            return replace(self.journal[call.key], shared=True)
        if self.die_after is not None and self.paid >= self.die_after:
            raise Killed
        self.paid += 1
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            await asyncio.sleep(self.delay(call))
            said = self.process(call)
        finally:
            self.in_flight -= 1
        if isinstance(said, CallError):
            raise said
        if isinstance(said, str):
            prompt = sum(len(message.content) for message in messages)
            said = Completion(said, usage=Usage(prompt, len(said)))
        done = replace(said, key=call.key)
        self.journal[call.key] = done
        self.conversations[call.key] = messages
        return done

    @property
    def conversations(self) -> dict[str, tuple[Message, ...]]:
        return self.__dict__.setdefault("_conversations", {})


class Killed(BaseException):
    """The process is gone."""


def question(number: int = 0, **fields: Any) -> Question:
    defaults: dict[str, Any] = {
        "id": f"q{number}",
        "task": "sums",
        "index": number,
        "instruction": "Solve the problem.",
        "input": f"Problem {number}: what is it?",
        "answer_format": "End with \\boxed{ANSWER}.",
    }
    return Question(**{**defaults, **fields})


def cue(emotion: str, number: int = 1, valence: str | None = None) -> Stimulus:
    side = valence or ("encouraging" if emotion in ("happiness", "surprise") else "critical")
    text = f"This is {emotion}, phrase {number}."
    return Stimulus(
        f"{emotion[:3].upper()}{number}", "feelings", text, text, valence=side, emotion=emotion
    )


CUES = tuple(
    cue(emotion, number)
    for emotion in ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
    for number in (1, 2, 3)
)


def boxed(value: object) -> str:
    return f"I think it is \\boxed{{{value}}}."


def check_for(gold: object) -> Callable[[Completion], Any]:
    async def check(answer: Completion) -> bool:
        await asyncio.sleep(0)
        return BoxReader().extract(answer.text) == str(gold)

    return check
