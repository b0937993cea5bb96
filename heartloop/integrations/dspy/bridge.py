"""From DSPy's calls, made in any thread, to an ``ask`` on heartloop's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import dspy

from heartloop.errors import HeartloopError, UsageError
from heartloop.types import Completion, Message

DRAWS = 1024  # candidates a rollout may hold before its draws would meet those of the next
SAMPLING = (
    "temperature",
    "max_tokens",
    "top_p",
    "stop",
    "logprobs",
    "reasoning_effort",
    "response_format",
)
_OURS = {"rollout_id", "n", "num_generations", "cache", "num_retries", "model", "prompt_cache"}
_REFUSED = ("tools", "tool_choice", "functions", "stream")


@dataclass(frozen=True, slots=True)
class Place:
    """The example a call belongs to: what stands in its address."""

    task: str
    question: str
    round: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """One completion that DSPy asks for."""

    messages: tuple[Message, ...]
    sampling: Mapping[str, Any]
    draw: int
    place: Place


Ask = Callable[[Call], Awaitable[Completion]]
_rollout: ContextVar[tuple[int, list[int]] | None] = ContextVar("rollout", default=None)


@contextlib.contextmanager
def example(task: str, question: str, round: int = 0) -> Iterator[None]:
    """Calls made inside carry this example's address, in DSPy's own worker threads, too."""
    with dspy.context(heartloop_place=Place(task, question, round)):
        yield


def place_of(messages: tuple[Message, ...]) -> Place:
    """The address set by `example`, else one made from the conversation itself."""
    place = dspy.settings.get("heartloop_place")
    if isinstance(place, Place):
        return place
    text = json.dumps([[m.role, m.content] for m in messages])
    return Place("dspy", hashlib.sha256(text.encode()).hexdigest()[:16])


@contextlib.contextmanager
def rollout(own: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[None]:
    """Say which rollout the calls inside are: DSPy does not tell engines, but it makes the draw."""
    number = given.get("rollout_id", own.get("rollout_id")) or 0
    token = _rollout.set((int(number), [0]))
    try:
        yield
    finally:
        _rollout.reset(token)


def next_draw() -> int:
    """The draw of the next candidate: two candidates of one call are never one answer."""
    current = _rollout.get()
    if current is None:
        return 0
    number, count = current
    count[0] += 1
    return number * DRAWS + count[0] - 1


@dataclass(slots=True)
class Bridge:
    """Hands calls over to the loop that ``ask`` lives on.

    Attributes:
        ask: makes one call.
        loop: where it is awaited.
        failure: the last deliberate error, which DSPy may have wrapped in one of its own.
        completions: answers so far, where ``keep`` is on.
    """

    ask: Ask
    loop: asyncio.AbstractEventLoop
    keep: bool = False
    failure: HeartloopError | None = None
    completions: list[Completion] = field(default_factory=list)
    thread: int = 0

    def sync(self, call: Call) -> Completion:
        """Ask from a thread that is not the loop's.

        Raises:
            UsageError: called on the loop itself, which would wait for itself forever.
            HeartloopError: what ``ask`` raises.
        """
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is self.loop:
            raise UsageError("a synchronous DSPy call on heartloop's own loop; use acall")
        return self._done(asyncio.run_coroutine_threadsafe(self._ask(call), self.loop).result)

    async def wait(self, call: Call) -> Completion:
        """Ask from any event loop."""
        future = asyncio.run_coroutine_threadsafe(self._ask(call), self.loop)
        try:
            return self._keep(await asyncio.wrap_future(future))
        except HeartloopError as error:
            self.failure = error
            raise

    async def _ask(self, call: Call) -> Completion:
        return await self.ask(call)

    def _done(self, result: Callable[[], Completion]) -> Completion:
        try:
            return self._keep(result())
        except HeartloopError as error:
            self.failure = error
            raise

    def _keep(self, completion: Completion) -> Completion:
        if self.keep:
            self.completions.append(completion)
        return completion


class LoopThread:
    """An event loop in a thread of its own, for callers that have none."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._work, name="heartloop-dspy", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.close()

    def run(self, coroutine: Any) -> Any:
        """Run a coroutine there and wait for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def close(self) -> None:
        """Stop the loop and wait for the thread."""
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()


def sampling_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """DSPy's keyword arguments as fields of `Sampling`; unknown ones go to ``extra``.

    Raises:
        UsageError: tools or streaming, which heartloop does not do.
    """
    found: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in values.items():
        if value is None or name in _OURS or value == () or value == {}:
            continue
        if name in _REFUSED:
            raise UsageError(f"{name}: heartloop's engine has no tools and no streams")
        if name in ("max_completion_tokens", "max_output_tokens"):
            name = "max_tokens"
        if name == "stop":
            value = (value,) if isinstance(value, str) else tuple(value)
        if name == "response_format":
            value = _format(value)
        if name == "logprobs":
            value = bool(value)
        if name in SAMPLING:
            found[name] = value
        elif not name.startswith("api_"):
            extra[name] = value
    return {**found, "extra": extra} if extra else found


def _format(value: Any) -> Any:
    """A response format as plain JSON; older adapters hand over a pydantic class."""
    if isinstance(value, type) and hasattr(value, "model_json_schema"):
        return {
            "type": "json_schema",
            "json_schema": {
                "name": value.__name__,
                "schema": value.model_json_schema(),
                "strict": True,
            },
        }
    return value
