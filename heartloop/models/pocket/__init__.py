"""Pocket: the small language model that ships with heartloop, run by numpy alone.

It is trained from nothing on generated material (``docs/pocket.md``) and is no substitute for a
real language model: its reactions to feedback come from the generator of its training material.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from heartloop.errors import CallError
from heartloop.models import generation
from heartloop.models.pocket import _network
from heartloop.models.pocket._engine import Engine
from heartloop.models.pocket._tokenizer import Tokenizer
from heartloop.types import Completion, Message, Request

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
        s = request.sampling
        prompt = self.prompt_ids(
            request.messages,
            reserve=s.max_tokens or 512,
            continue_final=s.continue_final_message,
        )
        return await generation.complete(
            request,
            prompt,
            context=self._weights.context,
            submit=self._engine.submit,
            name="pocket",
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
