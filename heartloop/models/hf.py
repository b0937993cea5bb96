"""``hf/PATH-OR-ID``: a transformers model in this process, concurrent requests batched."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from heartloop.errors import CallError, UsageError
from heartloop.models import ModelOptions
from heartloop.models.pocket._engine import choose
from heartloop.types import Completion, Request, Usage

BATCH = 32
GATHER_SECONDS = 0.01  # how long a batch waits for more requests before it starts


@dataclass
class _Job:
    """One generation: what ``choose`` draws from, and what came of it."""

    prompt: list[int]
    limit: int
    temperature: float
    top_p: float
    stop: tuple[str, ...]
    rng: np.random.Generator
    done: Callable[[_Job], None]
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish: str = ""
    text: str = ""
    cancelled: bool = False
    error: BaseException | None = None


class HFModel:
    """A causal language model with a chat template, loaded by transformers on first use.

    Draws are made row by row with the request's own seed, by the same rule as pocket's, so that an
    answer does not depend on what it is batched with (up to rounding between near ties).

    Args:
        spec: ``hf/PATH-OR-ID``, the model's name in records.
        path: the folder, or the id on the hub.
        options: ``device`` (None: a GPU where there is one) and ``batch_size`` are used.

    Raises:
        UsageError: torch or transformers is missing, there is no such model, or it has no chat
            template.
    """

    def __init__(self, spec: str, path: str, options: ModelOptions | None = None) -> None:
        options = options or ModelOptions()
        self.name = spec
        try:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ImportError as error:
            raise UsageError(
                f"--model {spec}: {error}; install heartloop[hf] for models in this process"
            ) from error
        self._torch = torch
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(path)
            model: Any = AutoModelForCausalLM.from_pretrained(path, dtype="auto")
        except (OSError, ValueError) as error:
            first = (str(error).strip().splitlines() or ["it cannot be loaded"])[0]
            raise UsageError(f"--model {spec}: {first}") from error
        if not self._tokenizer.chat_template:
            raise UsageError(
                f"--model {spec}: its tokenizer has no chat template; choose a chat model"
            )
        device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._model = model.to(device).eval()
        self._device = device
        self._batch = options.batch_size or BATCH
        config = self._model.config
        self._context = int(getattr(config, "max_position_embeddings", 0) or 1 << 20)
        ends = self._model.generation_config.eos_token_id
        ends = ends if ends is not None else self._tokenizer.eos_token_id
        self._ends = set(ends if isinstance(ends, list) else [ends])
        self._wake = threading.Condition()
        self._waiting: deque[_Job] = deque()
        self._closed = False
        self._thread: threading.Thread | None = None

    async def complete(self, request: Request) -> Completion:
        """Draw one completion.

        Raises:
            CallError: the conversation is longer than the model's context, the chat template
                refuses it, the model was closed, or generation failed.
        """
        started = time.time()
        s = request.sampling
        turns = [{"role": m.role, "content": m.content} for m in request.messages]
        ask: dict[str, bool] = (
            {"continue_final_message": True}
            if s.continue_final_message
            else {"add_generation_prompt": True}
        )
        try:
            encoded: Any = self._tokenizer.apply_chat_template(turns, tokenize=True, **ask)
        except Exception as error:  # jinja's errors, and whatever a template raises
            raise CallError(f"{self.name}: chat template: {error}", kind="http_400") from error
        prompt = list(encoded["input_ids"] if isinstance(encoded, Mapping) else encoded)
        room = self._context - len(prompt)
        if room < 1 or not prompt:
            raise CallError(
                f"{self.name}: {len(prompt)} prompt tokens do not fit {self._context}",
                kind="context_length",
            )
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_Job] = loop.create_future()

        def deliver(job: _Job) -> None:
            if not future.done():
                future.set_result(job)

        def done(job: _Job) -> None:
            try:
                loop.call_soon_threadsafe(deliver, job)
            except RuntimeError:  # the caller's loop is gone, and nobody waits any more
                pass

        job = _Job(
            prompt=prompt,
            limit=max(1, room if s.max_tokens is None else min(s.max_tokens, room)),
            temperature=1.0 if s.temperature is None else float(s.temperature),
            top_p=1.0 if s.top_p is None else float(s.top_p),
            stop=tuple(text for text in s.stop if text),
            rng=np.random.Generator(np.random.PCG64(request.seed)),
            done=done,
        )
        with self._wake:
            if self._closed:
                raise CallError(f"{self.name}: the model is closed", kind="connection")
            self._waiting.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="heartloop-hf", daemon=True)
                self._thread.start()
            self._wake.notify()
        try:
            await future
        except asyncio.CancelledError:
            job.cancelled = True
            raise
        if job.error is not None:
            raise CallError(f"{self.name}: {job.error}", kind="bad_response") from job.error
        return Completion(
            text=job.text,
            finish_reason=job.finish,
            usage=Usage(prompt=len(prompt), completion=len(job.tokens)),
            logprob=float(np.mean(job.logprobs)) if s.logprobs else None,
            logprob_tokens=len(job.logprobs) if s.logprobs else 0,
            started=started,
            finished=time.time(),
            endpoint=self._device,
        )

    async def close(self) -> None:
        """Stop the worker after its current batch and let go of the model."""
        with self._wake:
            self._closed = True
            self._wake.notify()
            thread = self._thread
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(None, thread.join)
        self._model = None

    def _work(self) -> None:
        while True:
            with self._wake:
                while not (self._waiting or self._closed):
                    self._wake.wait()
                if not self._closed:
                    self._wake.wait_for(
                        lambda: len(self._waiting) >= self._batch or self._closed, GATHER_SECONDS
                    )
                if self._closed:
                    dropped, self._waiting = list(self._waiting), deque()
                    for job in dropped:
                        job.error = RuntimeError("the model is closed")
                        job.done(job)
                    return
                taken = [
                    self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))
                ]
            jobs = [job for job in taken if not job.cancelled]
            if not jobs:
                continue
            try:
                with self._torch.inference_mode():
                    self._generate(jobs)
            except Exception as error:  # out of memory, a bug: every caller must hear of it
                for job in jobs:
                    if not job.finish:
                        job.error = error
                        job.done(job)

    def _generate(self, jobs: list[_Job]) -> None:
        """Generates for all jobs at once, prompts padded on the left; delivers each as it ends."""
        torch = self._torch
        longest = max(len(job.prompt) for job in jobs)
        ids = torch.zeros(len(jobs), longest, dtype=torch.long)
        mask = torch.zeros(len(jobs), longest, dtype=torch.long)
        for i, job in enumerate(jobs):
            ids[i, longest - len(job.prompt) :] = torch.tensor(job.prompt)
            mask[i, longest - len(job.prompt) :] = 1
        ids, mask = ids.to(self._device), mask.to(self._device)
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        past: Any = None
        running = set(range(len(jobs)))
        while running and not self._closed:
            out = self._model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=past,
                use_cache=True,
                logits_to_keep=1,
            )
            past = out.past_key_values
            scores = out.logits[:, -1].float().cpu().numpy()
            tokens, logprobs = choose(scores, jobs)
            for i in sorted(running):
                if jobs[i].cancelled or self._take(jobs[i], int(tokens[i]), float(logprobs[i])):
                    running.discard(i)
            ids = torch.from_numpy(tokens)[:, None].to(self._device)
            mask = torch.cat([mask, mask.new_ones(len(jobs), 1)], 1)
            positions = positions[:, -1:] + 1
        for i in running:  # closed in the middle
            jobs[i].error = RuntimeError("the model is closed")
            jobs[i].done(jobs[i])

    def _take(self, job: _Job, token: int, logprob: float) -> bool:
        """Adds a token to a job; delivers it and returns True when that ends it."""
        job.tokens.append(token)
        job.logprobs.append(logprob)
        if token in self._ends:
            job.finish = "stop"
        elif job.stop:
            text = self._text(job.tokens)
            places = [at for at in (text.find(s) for s in job.stop) if at >= 0]
            if places:
                job.text, job.finish = text[: min(places)], "stop"
                job.done(job)
                return True
        if not job.finish and len(job.tokens) >= job.limit:
            job.finish = "length"
        if job.finish:
            job.text = self._text(job.tokens)
            job.done(job)
        return bool(job.finish)

    def _text(self, tokens: list[int]) -> str:
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        return text
