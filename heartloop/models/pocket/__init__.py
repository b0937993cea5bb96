"""Pocket: the small language model that ships with heartloop, run by numpy alone.

It is trained from nothing on generated material (``docs/pocket.md``) and is no substitute for a
real language model: its reactions to feedback come from the generator of its training material.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from heartloop.errors import CallError
from heartloop.models.pocket import _network
from heartloop.models.pocket._engine import Engine, Job
from heartloop.models.pocket._tokenizer import Tokenizer
from heartloop.types import Completion, Message, Request, Usage

CHECKPOINT = Path(__file__).parent / "checkpoint"
"""The Hugging Face checkpoint folder inside the package; transformers and vLLM load it as it is."""


@lru_cache(maxsize=4)
def _load(folder: Path) -> tuple[_network.Weights, Tokenizer]:
    return _network.load(folder), Tokenizer(folder / "tokenizer.json")


@dataclass(frozen=True)
class Score:
    """Log-likelihood of one continuation.

    Attributes:
        logprob: sum over its tokens, in nats.
        tokens: how many there are.
    """

    logprob: float
    tokens: int


class PocketModel:
    """The built-in model: concurrent requests are stepped together in one worker thread.

    Args:
        folder: another checkpoint of the same architecture; the shipped one by default.
        batch: sequences that run at the same time at most.
    """

    name = "pocket"

    def __init__(self, folder: Path | None = None, *, batch: int = 64) -> None:
        self._weights, self.tokenizer = _load(folder or CHECKPOINT)
        self._engine = Engine(self._weights, self.tokenizer, batch=batch)

    def prompt_ids(
        self, messages: Sequence[Message], *, reserve: int = 0, continue_final: bool = False
    ) -> list[int]:
        """Token ids of a conversation, cut in the middle where it is too long.

        The first quarter of the room (the task) and the newest three quarters are kept.

        Args:
            messages: the conversation.
            reserve: tokens to leave free for the answer.
            continue_final: the last message is to be continued, not answered.
        """
        ids = self.tokenizer.render(messages, continue_final=continue_final)
        room = self._weights.context - min(max(reserve, 1), self._weights.context // 4)
        if len(ids) > room:
            head = room // 4
            ids = [*ids[:head], *ids[len(ids) - (room - head) :]]
        return ids

    async def complete(self, request: Request) -> Completion:
        """Draw one completion.

        The usage counts the tokens that were really read and written, the end token included; a
        conversation over 2,048 tokens is cut in the middle first (see :meth:`prompt_ids`). With a
        seed the draw is the same whatever else runs, up to float32 rounding between near ties.

        Raises:
            CallError: no messages, or the model was closed.
        """
        if not request.messages:
            raise CallError("pocket: a request without messages", kind="http_400")
        started = time.time()
        s = request.sampling
        prompt = self.prompt_ids(
            request.messages,
            reserve=s.max_tokens or 512,
            continue_final=s.continue_final_message,
        )
        room = self._weights.context - len(prompt)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Job] = loop.create_future()

        def deliver(job: Job) -> None:
            if not future.done():
                future.set_result(job)

        def done(job: Job) -> None:
            try:
                loop.call_soon_threadsafe(deliver, job)
            except RuntimeError:  # the caller's loop is gone, and nobody waits any more
                pass

        job = Job(
            prompt=prompt,
            limit=max(1, room if s.max_tokens is None else min(s.max_tokens, room)),
            temperature=1.0 if s.temperature is None else float(s.temperature),
            top_p=1.0 if s.top_p is None else float(s.top_p),
            stop=tuple(text for text in s.stop if text),
            rng=np.random.Generator(np.random.PCG64(request.seed)),
            done=done,
        )
        try:
            self._engine.submit(job)
            await future
        except RuntimeError as error:
            raise CallError(f"pocket: {error}", kind="connection") from error
        except asyncio.CancelledError:
            job.cancelled = True
            raise
        if job.error is not None:
            raise CallError(f"pocket: {job.error}", kind="bad_response") from job.error
        return Completion(
            text=job.text,
            finish_reason=job.finish,
            usage=Usage(prompt=len(prompt), completion=len(job.tokens), cached=job.cached),
            logprob=float(np.mean(job.logprobs)) if s.logprobs else None,
            logprob_tokens=len(job.logprobs) if s.logprobs else 0,
            started=started,
            finished=time.time(),
            endpoint="pocket",
        )

    def score(self, messages: Sequence[Message], continuations: Sequence[str]) -> list[Score]:
        """Log-likelihood of each text as the model's whole reply (the end token not counted).

        Args:
            messages: the conversation before the reply.
            continuations: the texts to compare, for example the choices of a question.
        """
        out = []
        prompt = self.prompt_ids(messages, reserve=512)
        cache = _network.Cache(self._weights, 1, self._weights.context)
        states = _network.prefill(self._weights, cache, 0, prompt, 0)[-1:]
        for text in continuations:
            ids = self.tokenizer.encode(text)[: self._weights.context - len(prompt)]
            if not ids:
                out.append(Score(0.0, 0))
                continue
            rest = _network.prefill(self._weights, cache, 0, ids, len(prompt))[:-1]
            scores = _network.logits(self._weights, np.concatenate([states, rest]))
            wide = scores.astype(np.float64)
            wide -= wide.max(1, keepdims=True)
            logprobs = wide[np.arange(len(ids)), ids] - np.log(np.exp(wide).sum(1))
            out.append(Score(float(logprobs.sum()), len(ids)))
        return out

    async def close(self) -> None:
        """Stop the worker and free the caches; open calls end with a CallError."""
        await asyncio.get_running_loop().run_in_executor(None, self._engine.close)
