"""A DSPy language model as a heartloop model: what a compile asks, through the client."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dspy
from dspy.utils.usage_tracker import UsageTracker

from heartloop.errors import CallError, HeartloopError
from heartloop.integrations.dspy.bridge import Bridge, Call, Place, sampling_of
from heartloop.integrations.dspy.engine import NATIVE, original
from heartloop.integrations.dspy.method import of_a_call
from heartloop.secrets import clean, one_line
from heartloop.types import Completion, Request, Sampling, Usage

KINDS = (
    ("ratelimit", "http_429"),
    ("timeout", "timeout"),
    ("auth", "auth"),
    ("context", "context_length"),
    ("connection", "connection"),
    ("transport", "connection"),
    ("badrequest", "http_400"),
    ("invalidrequest", "http_400"),
)
"""Part of an error's class name in lower case (litellm's, openai's, DSPy's engines) -> its kind."""


class LmModel:
    """One attempt at one completion by the LM that a program is used with.

    An LM of heartloop's `Engine` is asked directly. DSPy's own keep their retries and their cache;
    an answer from that cache counts as it says, before DSPy 3.4 with no tokens.

    Attributes:
        name: the LM's model, so that prices and comparisons know it.
        sampling: what the LM sends unless a program says otherwise.
    """

    def __init__(self, lm: Any, threads: int) -> None:
        self.name, self.lm = str(lm.model), lm
        self.sampling = Sampling(**sampling_of(lm.kwargs))
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="heartloop-lm")
        self._context = contextvars.copy_context()

    async def complete(self, request: Request) -> Completion:
        """Make one attempt; raises CallError."""
        place, given = request.address, _given(request.sampling)
        bridge: Bridge | None = getattr(self.lm, "bridge", None)
        if bridge is not None:
            where = Place(place.task, place.question, place.round)
            return await bridge.wait(Call(request.messages, given, place.draw, where))
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._context.copy().run, self._ask, request)

    def _ask(self, request: Request) -> Completion:
        given = _given(request.sampling)
        given |= given.pop("extra", {})
        messages = [{"role": m.role, "content": m.content} for m in request.messages]
        draw = {"rollout_id": request.address.draw} if request.address.draw else {}
        try:
            if NATIVE and isinstance(self.lm, dspy.LM):
                body = {"model": self.lm.model, "messages": messages, **given}
                return _read(self.lm(dspy.lm15.request_from_openai_chat(body), **draw))
            own = _given(self.sampling)
            changed = {name: value for name, value in given.items() if value != own.get(name)}
            return self._ask_older(messages, {**changed, **draw})
        except Exception as error:
            raise _failure(error) from error

    def _ask_older(self, messages: list[dict[str, str]], given: dict[str, Any]) -> Completion:
        """Before DSPy 3.4, and LMs with a ``forward`` of their own: texts, with usage apart."""
        tracker = UsageTracker()
        with dspy.context(usage_tracker=tracker):
            first = self.lm(messages=messages, **given)[0]
        text, reasoning = first, None
        if not isinstance(first, str):
            text, reasoning = first.get("text") or "", first.get("reasoning_content")
        used = tracker.get_total_tokens().values()
        usage = Usage(
            sum(int(one.get("prompt_tokens") or 0) for one in used),
            sum(int(one.get("completion_tokens") or 0) for one in used),
        )
        return Completion(text, usage=usage, reasoning=reasoning)

    async def close(self) -> None:
        """Let go of the threads; the LM stays as it is."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _given(sampling: Sampling) -> dict[str, Any]:
    """The fields of a sampling that are set."""
    plain = Sampling()
    values = {f.name: getattr(sampling, f.name) for f in dataclasses.fields(sampling)}
    return {name: value for name, value in values.items() if value != getattr(plain, name)}


def _read(response: Any) -> Completion:
    """A response of DSPy 3.4 and newer."""
    used = response.usage
    reasoning = "".join(p.text for p in response.message.parts if p.type == "thinking")
    return Completion(
        response.text or "",
        finish_reason=response.finish_reason or "stop",
        usage=Usage(
            int(used.input_tokens or 0),
            int(used.output_tokens or 0),
            int(used.reasoning_tokens or 0),
        ),
        reasoning=reasoning or None,
    )


def _failure(error: Exception) -> Exception:
    """An LM's error in heartloop's words; a bug of the LM's own code ends the search."""
    mine = original(error)
    if isinstance(mine, HeartloopError):
        return mine
    words = one_line(clean(str(error) or type(error).__name__), limit=400)
    if not of_a_call(error):
        return HeartloopError(f"the language model raised {type(error).__name__}: {words}")
    names = " ".join(cls.__name__ for cls in type(error).__mro__).lower()
    kind = next((kind for part, kind in KINDS if part in names), None)
    status = getattr(error, "status_code", None)
    kind = kind or (f"http_{status}" if isinstance(status, int) else "provider")
    retryable = kind in ("http_429", "timeout", "connection") or kind.startswith("http_5")
    return CallError(words, kind=kind, retryable=retryable)
