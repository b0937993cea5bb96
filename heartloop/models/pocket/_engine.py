"""Continuous batching over the numpy network: one worker thread, any number of callers."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from heartloop.models.pocket import _network as net
from heartloop.models.pocket._blas import use_one_thread
from heartloop.models.pocket._tokenizer import END, Tokenizer

CHUNK = 256
"""Prompt tokens read at a time, so that a long prompt does not hold up the others for long."""
CACHE_TOKENS = 40_960
"""Room for keys and values of running sequences (2.5 KB a token: 105 MB)."""
KEPT_TOKENS = 16_384
"""Tokens of finished sequences whose keys and values are kept for reuse (42 MB)."""


@dataclass
class Job:
    """One generation on its way.

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
        """Tokens that the cache holds for the job: all but the newest one."""
        return len(self.prompt) + len(self.tokens) - 1


class Draw(Protocol):
    """What :func:`choose` needs to know of a generation."""

    @property
    def temperature(self) -> float:
        """0 takes the likeliest token."""
        ...

    @property
    def top_p(self) -> float:
        """Nucleus; 1 keeps everything."""
        ...

    @property
    def rng(self) -> np.random.Generator:
        """The generation's own random numbers."""
        ...


def choose(
    scores: net.Array, jobs: Sequence[Draw]
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


class Prefixes:
    """Keys and values of finished sequences, for conversations that go on from them (LRU)."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, ...], tuple[NDArray[np.int32], net.Array, net.Array]]
        self._kept = OrderedDict()
        self._tokens = 0

    def put(self, ids: list[int], cache: net.Cache, row: int) -> None:
        """Keeps a sequence; the longest unused ones go when room is short."""
        key = tuple(ids)
        if key in self._kept or len(ids) > KEPT_TOKENS:
            return
        n = len(ids)
        keys = cache.keys[:, row, :, :n].copy()
        self._kept[key] = (np.array(ids, np.int32), keys, cache.values[:, row, :, :n].copy())
        self._tokens += n
        while self._tokens > KEPT_TOKENS:
            old, _ = self._kept.popitem(last=False)
            self._tokens -= len(old)

    def fill(self, ids: list[int], cache: net.Cache, row: int) -> int:
        """Copies the longest known prefix into a row; returns its length, below ``len(ids)``."""
        wanted = np.array(ids[:-1], np.int32)
        best, found = 0, None
        for key, (tokens, _, _) in self._kept.items():
            n = min(len(tokens), len(wanted))
            if n <= best:
                continue
            differ = np.flatnonzero(tokens[:n] != wanted[:n])
            same = int(differ[0]) if len(differ) else n
            if same > best:
                best, found = same, key
        if found is None or best < 8:
            return 0
        self._kept.move_to_end(found)
        _, keys, values = self._kept[found]
        cache.keys[:, row, :, :best] = keys[:, :, :best]
        cache.values[:, row, :, :best] = values[:, :, :best]
        return best


class Engine:
    """Runs jobs in one daemon thread; sequences join and leave the batch at any step."""

    def __init__(self, weights: net.Weights, tokenizer: Tokenizer, *, batch: int = 64) -> None:
        self._weights = weights
        self._tokenizer = tokenizer
        self._batch = batch
        self._cache = net.Cache(weights, 4, 256)
        self._prefixes = Prefixes()
        self._waiting: deque[Job] = deque()
        self._running: list[Job] = []
        self._wake = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def submit(self, job: Job) -> None:
        """Queues a job; ``job.done`` is called from the worker thread when it is finished."""
        with self._wake:
            if self._closed:
                raise RuntimeError("the engine is closed")
            self._waiting.append(job)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="heartloop-pocket", daemon=True
                )
                self._thread.start()
            self._wake.notify()

    def close(self) -> None:
        """Ends the thread and frees the caches; what waits and runs ends with an error."""
        with self._wake:
            self._closed = True
            self._wake.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        # The thread is gone, so nobody else touches the lists; whoever still waits must hear of it.
        for job in (*self._running, *self._waiting):
            job.error = RuntimeError("the engine is closed")
            job.done(job)
        self._running.clear()
        self._waiting.clear()
        self._prefixes = Prefixes()
        self._cache = net.Cache(self._weights, 1, 1)

    def _work(self) -> None:
        use_one_thread()
        while True:
            with self._wake:
                while not (self._waiting or self._running or self._closed):
                    self._wake.wait()
                if self._closed:
                    return
            try:
                self._admit()
                self._drop_cancelled()
                if self._running:
                    self._step()
            except Exception as error:  # a bug or no memory: every caller must hear of it
                jobs = [*self._running, *self._waiting]
                self._running, self._waiting = [], deque()
                for job in jobs:
                    job.error = error
                    job.done(job)

    def _admit(self) -> None:
        """Takes waiting jobs into the batch while there is room, and reads their prompts."""
        while self._waiting and len(self._running) < self._batch:
            job = self._waiting[0]
            need = max(len(j.prompt) + j.limit for j in (*self._running, job))
            # Room grows with what is really there, not with what a job may reach at most.
            now = max([len(job.prompt) + 64, *(j.length + 64 for j in self._running)])
            length = min(-(-min(now, need) // 128) * 128, self._weights.context)
            rows = len(self._running) + 1
            if self._running and rows * max(length, self._cache.length) > CACHE_TOKENS:
                return
            self._waiting.popleft()
            if job.cancelled:
                continue
            self._room(rows, length)
            self._read(job, len(self._running))

    def _room(self, rows: int, length: int) -> None:
        cache = self._cache
        if rows <= cache.rows and length <= cache.length:
            return
        if not self._running and length * rows < CACHE_TOKENS // 8:
            # Nothing to keep: start small again instead of dragging an old length along.
            self._cache = net.Cache(self._weights, max(rows, 4), length)
            return
        rows = cache.rows if rows <= cache.rows else min(max(rows, 2 * cache.rows), self._batch)
        self._cache = cache.resized(self._weights, rows, max(length, cache.length))

    def _read(self, job: Job, row: int) -> None:
        job.cached = self._prefixes.fill(job.prompt, self._cache, row)
        at = job.cached
        while at < len(job.prompt):
            part = job.prompt[at : at + CHUNK]
            states = net.prefill(self._weights, self._cache, row, part, at)
            at += len(part)
        self._running.append(job)
        tokens, logprobs = choose(net.logits(self._weights, states[-1:]), [job])
        if self._take(job, int(tokens[0]), float(logprobs[0])):
            self._leave(row)

    def _step(self) -> None:
        longest = max(job.length for job in self._running) + 1
        if longest > self._cache.length:
            length = min(-(-(longest + 64) // 128) * 128, self._weights.context)
            self._room(len(self._running), length)
        lengths = np.array([job.length for job in self._running])
        tokens = np.array([job.tokens[-1] for job in self._running])
        states = net.decode(self._weights, self._cache, tokens, lengths)
        chosen, logprobs = choose(net.logits(self._weights, states), self._running)
        ended = [
            row
            for row, job in enumerate(self._running)
            if self._take(job, int(chosen[row]), float(logprobs[row]))
        ]
        for row in reversed(ended):
            self._leave(row)

    def _take(self, job: Job, token: int, logprob: float) -> bool:
        """Adds a token to a job; True when that ends it."""
        job.tokens.append(token)
        job.logprobs.append(logprob)
        if token == END:
            job.finish = "stop"
        elif job.stop:
            text = self._tokenizer.decode(job.tokens)
            places = [at for at in (text.find(s) for s in job.stop) if at >= 0]
            if places:
                job.text, job.finish = text[: min(places)], "stop"
                return True
        if not job.finish and len(job.tokens) >= job.limit:
            job.finish = "length"
        if job.finish:
            job.text = self._tokenizer.decode(job.tokens)
        return bool(job.finish)

    def _leave(self, row: int) -> None:
        """Takes a finished job out; the last row moves into its place."""
        job = self._running[row]
        self._prefixes.put([*job.prompt, *job.tokens[:-1]], self._cache, row)
        self._remove(row)
        job.done(job)

    def _remove(self, row: int) -> None:
        last = self._running.pop()
        if row < len(self._running):
            self._running[row] = last
            self._cache.copy_row(len(self._running), row, last.length)

    def _drop_cancelled(self) -> None:
        for row in reversed(range(len(self._running))):
            if self._running[row].cancelled:
                self._remove(row)
