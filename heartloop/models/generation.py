"""One generation in this process: what a local model draws from, and the way back to the caller."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heartloop.errors import CallError
from heartloop.thinking import split_thinking
from heartloop.types import Completion, Request, Usage


@dataclass
class Job:
    """One generation on its way through a worker thread.

    Attributes:
        prompt: token ids, at least one.
        limit: new tokens at most.
        temperature: 0 takes the likeliest token.
        top_p: nucleus; 1 keeps everything.
        stop: strings that end the text; none of them is part of it.
        rng: the job's own random numbers, so that its draw does not depend on the batch.
        done: called once, from the worker thread, with the job.
        tokens: what came out, the end token included.
        logprobs: log-probability of each of them at temperature 1.
        cached: prompt tokens that needed no reading.
        finish: ``stop`` or ``length``; ``""`` while it runs.
        text: the decoded answer, cut at a stop string.
        cancelled: set by the caller; the worker drops the job at the next step.
        error: what went wrong in the worker, or None.
    """

    prompt: list[int]
    limit: int
    temperature: float
    top_p: float
    stop: tuple[str, ...]
    rng: np.random.Generator
    done: Callable[[Job], None]
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    cached: int = 0
    finish: str = ""
    text: str = ""
    cancelled: bool = False
    error: BaseException | None = None

    @property
    def length(self) -> int:
        """Tokens that a cache holds for the job: all but the newest one."""
        return len(self.prompt) + len(self.tokens) - 1

    def take(
        self, token: int, logprob: float, ends: Container[int], decode: Callable[[list[int]], str]
    ) -> bool:
        """Adds a token; True when that ends the job (the caller then calls ``done``).

        Args:
            token: the token drawn.
            logprob: its log-probability at temperature 1.
            ends: tokens that end an answer.
            decode: text of a list of tokens.
        """
        self.tokens.append(token)
        self.logprobs.append(logprob)
        if token in ends:
            self.finish = "stop"
        elif self.stop:
            text = decode(self.tokens)
            places = [at for at in (text.find(s) for s in self.stop) if at >= 0]
            if places:
                self.text, self.finish = text[: min(places)], "stop"
                return True
        if not self.finish and len(self.tokens) >= self.limit:
            self.finish = "length"
        if self.finish:
            self.text = decode(self.tokens)
        return bool(self.finish)


def choose(
    scores: NDArray[Any], jobs: Sequence[Job]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Draws the next token of each job.

    Args:
        scores: (jobs, vocabulary) logits.
        jobs: their temperature, nucleus and random numbers are used.

    Returns:
        Tokens (jobs,) and their log-probabilities at temperature 1 (jobs,), in nats.
    """
    wide = scores.astype(np.float64)
    wide -= wide.max(1, keepdims=True)
    total = np.log(np.exp(wide).sum(1))
    tokens = wide.argmax(1)
    for i, job in enumerate(jobs):
        if job.temperature <= 0:
            continue
        p = np.exp(wide[i] / job.temperature)
        if job.top_p < 1:
            order = np.argsort(-p, kind="stable")
            mass = np.cumsum(p[order]) / p.sum()
            keep = order[: int(np.searchsorted(mass, job.top_p)) + 1]
            cut = np.zeros_like(p)
            cut[keep] = p[keep]
            p = cut
        mass = np.cumsum(p)
        at = int(np.searchsorted(mass, job.rng.random() * mass[-1], side="right"))
        tokens[i] = min(at, len(mass) - 1)
    return tokens, wide[np.arange(len(jobs)), tokens] - total


async def complete(
    request: Request,
    prompt: list[int],
    *,
    context: int,
    submit: Callable[[Job], None],
    name: str,
    endpoint: str,
) -> Completion:
    """Draws one completion of a prompt in a worker thread and waits for it.

    Args:
        request: its sampling and seed are used.
        prompt: the rendered conversation, shorter than the context.
        context: tokens that the model can hold.
        submit: hands a job to the worker.
        name: the model's, for messages.
        endpoint: what the record says about where it ran.

    Raises:
        CallError: the model was closed (``submit`` raised RuntimeError), or generation failed.
    """
    started = time.time()
    s = request.sampling
    room = context - len(prompt)
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
        submit(job)
        await future
    except RuntimeError as error:
        raise CallError(f"{name}: {error}", kind="connection") from error
    except asyncio.CancelledError:
        job.cancelled = True
        raise
    if job.error is not None:
        raise CallError(f"{name}: {job.error}", kind="bad_response") from job.error
    text, reasoning, closed = split_thinking(job.text)
    thought = round(len(job.tokens) * len(reasoning) / len(job.text)) if reasoning else 0
    return Completion(
        text=text,
        finish_reason=job.finish if closed else "length",
        usage=Usage(len(prompt), len(job.tokens), thought, job.cached),
        reasoning=reasoning,
        logprob=float(np.mean(job.logprobs)) if s.logprobs else None,
        logprob_tokens=len(job.logprobs) if s.logprobs else 0,
        started=started,
        finished=time.time(),
        endpoint=endpoint,
    )
