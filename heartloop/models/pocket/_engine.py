"""Continuous batching over the numpy network: one worker thread, any number of callers."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque

import numpy as np
from numpy.typing import NDArray

from heartloop.models.generation import Job, choose
from heartloop.models.pocket import _network as net
from heartloop.models.pocket._blas import use_one_thread
from heartloop.models.pocket._tokenizer import END, Tokenizer

CHUNK = 256
"""Prompt tokens read at a time, so that a long prompt does not hold up the others for long."""
CACHE_TOKENS = 40_960
"""Room for keys and values of running sequences (2.5 KB a token: 105 MB)."""
KEPT_TOKENS = 16_384
"""Tokens of finished sequences whose keys and values are kept for reuse (42 MB)."""


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
        if job.take(int(tokens[0]), float(logprobs[0]), (END,), self._tokenizer.decode):
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
            if job.take(int(chosen[row]), float(logprobs[row]), (END,), self._tokenizer.decode)
        ]
        for row in reversed(ended):
            self._leave(row)

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
