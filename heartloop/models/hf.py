"""``hf/PATH-OR-ID``: a transformers model in this process, concurrent requests batched."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

from heartloop.errors import CallError, UsageError
from heartloop.models import ModelOptions, generation
from heartloop.models.fetched import local_model
from heartloop.models.generation import Job, choose
from heartloop.types import Completion, Request

BATCH = 32
GATHER_SECONDS = 0.01  # how long a batch waits for more requests before it starts


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
                f"--model {spec}: {error}; pip install 'heartloop[hf]' for models in this process"
            ) from error
        self._torch = torch
        path = local_model(spec, path)
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(path)
            model: Any = AutoModelForCausalLM.from_pretrained(path, dtype="auto")
        except Exception as error:  # a damaged file ends in errors of safetensors', json's, torch's
            first = (str(error).strip().splitlines() or ["it cannot be loaded"])[0]
            raise UsageError(f"--model {spec}: {first}") from error
        if not self._tokenizer.chat_template:
            raise UsageError(
                f"--model {spec}: its tokenizer has no chat template; choose a chat model"
            )
        device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
        if device == "cpu":
            model = model.float()  # half precision is slower on a CPU, not faster
        self._model = model.to(device).eval()
        takes = inspect.signature(model.forward).parameters
        self._cache = "cache" if "cache" in takes else "past_key_values"  # its older name
        self._device = device
        self._batch = options.batch_size or BATCH
        config = self._model.config
        self._context = int(getattr(config, "max_position_embeddings", 0) or 1 << 20)
        ends = self._model.generation_config.eos_token_id
        ends = ends if ends is not None else self._tokenizer.eos_token_id
        self._ends = set(ends if isinstance(ends, list) else [ends])
        self._wake = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._closed = False
        self._thread: threading.Thread | None = None

    async def complete(self, request: Request) -> Completion:
        """Draw one completion.

        Raises:
            CallError: the conversation is longer than the model's context, the chat template
                refuses it, the model was closed, or generation failed.
        """
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
        if not prompt or len(prompt) >= self._context:
            raise CallError(
                f"{self.name}: {len(prompt)} prompt tokens do not fit {self._context}",
                kind="context_length",
            )
        return await generation.complete(
            request,
            prompt,
            context=self._context,
            submit=self._submit,
            name=self.name,
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

    def _submit(self, job: Job) -> None:
        with self._wake:
            if self._closed:
                raise RuntimeError("the model is closed")
            self._waiting.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="heartloop-hf", daemon=True)
                self._thread.start()
            self._wake.notify()

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

    def _generate(self, jobs: list[Job]) -> None:
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
                use_cache=True,
                logits_to_keep=1,
                **{self._cache: past},
            )
            past = getattr(out, self._cache)
            scores = out.logits[:, -1].float().cpu().numpy()
            tokens, logprobs = choose(scores, jobs)
            for i in sorted(running):
                job = jobs[i]
                if job.cancelled:
                    running.discard(i)
                elif job.take(int(tokens[i]), float(logprobs[i]), self._ends, self._text):
                    running.discard(i)
                    job.done(job)
            ids = torch.from_numpy(tokens)[:, None].to(self._device)
            mask = torch.cat([mask, mask.new_ones(len(jobs), 1)], 1)
            positions = positions[:, -1:] + 1
        for i in running:  # closed in the middle
            jobs[i].error = RuntimeError("the model is closed")
            jobs[i].done(jobs[i])

    def _text(self, tokens: list[int]) -> str:
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        return text
