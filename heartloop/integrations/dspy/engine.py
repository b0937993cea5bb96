"""heartloop as the engine under ``dspy.LM``: journal, limits, budget and resume for programs."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dspy

from heartloop.calls import Caps, Client, Journal, Limits, Stats
from heartloop.errors import CallError, HeartloopError, UsageError
from heartloop.integrations.dspy.bridge import (
    Bridge,
    Call,
    LoopThread,
    next_draw,
    place_of,
    rollout,
    sampling_of,
)
from heartloop.models import ModelOptions, make_model
from heartloop.types import Address, Completion, Message, Request, Sampling

# DSPy 3.4 gave engines a contract of their own (and 3.5 drops the old one); before it, an LM is a
# subclass with ``forward``.
NATIVE = hasattr(dspy, "lm15")
# From 3.3 on every LM's usage is counted by DSPy itself, before by the LM.
COUNTS = tuple(map(int, dspy.__version__.split(".")[:2])) >= (3, 3)


def make_lm(bridge: Bridge, model: str, **settings: Any) -> Any:
    """A DSPy language model whose calls go over a bridge; DSPy neither caches nor repeats them."""
    return (_NativeLM if NATIVE else _ForwardLM)(bridge, model, **settings)


def original(error: Exception) -> Exception:
    """Heartloop's own error where DSPy wrapped one; budget and stops must not look like bugs."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, HeartloopError) and not isinstance(cause, CallError):
            return cause
        cause = cause.__cause__
    return error


class _Shared:
    """What both kinds of LM have in common: copies share the engine."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self.copy()  # type: ignore[attr-defined]


if NATIVE:
    from dspy import lm15

    class _Engine:
        """dspy's engine contract: one request in, one response out."""

        supported_params = frozenset({"response_format"})

        def __init__(self, bridge: Bridge) -> None:
            self.bridge = bridge

        def complete(self, request: Any) -> Any:
            """Ask and wait."""
            try:
                return _response(request, self.bridge.sync(_call(request)))
            except CallError as error:
                raise _projected(error) from error

        def stream(self, request: Any) -> Any:
            """The whole answer as one piece: it is in the journal before anybody sees it."""
            return lm15.response_to_events(self.complete(request))

    class _AsyncEngine:
        """The same for async programs."""

        def __init__(self, bridge: Bridge) -> None:
            self.bridge = bridge

        async def complete(self, request: Any) -> Any:
            """Ask and await."""
            try:
                return _response(request, await self.bridge.wait(_call(request)))
            except CallError as error:
                raise _projected(error) from error

        async def stream(self, request: Any) -> Any:
            """The whole answer as one piece."""
            for event in lm15.response_to_events(await self.complete(request)):
                yield event

    class _NativeLM(_Shared, dspy.LM):  # type: ignore[misc]
        def __init__(self, bridge: Bridge, model: str, **settings: Any) -> None:
            super().__init__(
                model,
                cache=False,
                num_retries=0,
                engine=_Engine(bridge),
                async_engine=_AsyncEngine(bridge),
                **settings,
            )
            self.bridge = bridge

        def __call__(self, prompt: Any = None, *, messages: Any = None, **kwargs: Any) -> Any:
            with rollout(self.kwargs, kwargs):
                try:
                    return super().__call__(prompt, messages=messages, **kwargs)
                except Exception as error:
                    raise original(error) from error.__cause__

        async def acall(self, prompt: Any = None, *, messages: Any = None, **kwargs: Any) -> Any:
            with rollout(self.kwargs, kwargs):
                try:
                    return await super().acall(prompt, messages=messages, **kwargs)
                except Exception as error:
                    raise original(error) from error.__cause__

    def _call(request: Any) -> Call:
        messages = []
        if request.system is not None:
            system = request.system
            text = system if isinstance(system, str) else "".join(p.text for p in system)
            messages.append(Message("system", text))
        for message in request.messages:
            role = {"developer": "system"}.get(message.role, message.role)
            said = [_part(part.type, getattr(part, "text", None)) for part in message.parts]
            messages.append(Message(role, "\n".join(text for text in said if text is not None)))
        config = request.config
        names = ("temperature", "max_tokens", "top_p", "stop", "response_format", "logprobs")
        extra = ("top_k", "frequency_penalty", "presence_penalty")
        values = {name: getattr(config, name) for name in (*names, *extra)}
        effort = config.reasoning.effort if config.reasoning is not None else None
        if request.tools:
            values["tools"] = request.tools
        given = {**values, "reasoning_effort": effort, **(config.extensions or {})}
        return _made(tuple(messages), given)

    def _response(request: Any, completion: Completion) -> Any:
        parts: list[Any] = [lm15.TextPart(completion.text)]
        if completion.reasoning:
            parts.insert(0, lm15.ThinkingPart(completion.reasoning))
        usage = completion.usage
        known = ("stop", "length", "content_filter")
        return lm15.Response(
            id=completion.key or None,
            model=request.model,
            message=lm15.Message.assistant(parts),
            finish_reason=completion.finish_reason if completion.finish_reason in known else "stop",
            usage=lm15.Usage(
                input_tokens=usage.prompt,
                output_tokens=usage.completion,
                total_tokens=usage.total,
                reasoning_tokens=usage.reasoning,
            ),
        )

    def _projected(error: CallError) -> Exception:
        """A failed call in the words of DSPy's engines."""
        kinds = {
            "http_429": lm15.RateLimitError,
            "timeout": lm15.TimeoutError,
            "auth": lm15.AuthError,
            "context_length": lm15.ContextLengthError,
            "http_400": lm15.InvalidRequestError,
            "connection": lm15.TransportError,
        }
        made: Exception = kinds.get(error.kind, lm15.ServerError)(
            str(error), provider_code=error.kind, retry_after=error.retry_after
        )
        return made


class _ForwardLM(_Shared, dspy.BaseLM):  # type: ignore[misc]
    """For DSPy before 3.4: ``forward`` returns a response in OpenAI's shape."""

    def __init__(self, bridge: Bridge, model: str, **settings: Any) -> None:
        first = {"temperature": None, "max_tokens": None}
        super().__init__(model, cache=False, **{**first, **settings})
        self.bridge = bridge

    def copy(self, **kwargs: Any) -> Any:
        """A copy that shares the engine; DSPy's own would copy its thread and files, too."""
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new.kwargs, new.history = dict(self.kwargs), []
        for key, value in kwargs.items():
            if hasattr(self, key):
                setattr(new, key, value)
            elif value is None:
                new.kwargs.pop(key, None)
            else:
                new.kwargs[key] = value
            if key in self.kwargs:
                new.kwargs[key] = value
        return new

    def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        calls = self._calls(prompt, messages, kwargs)
        return self._answer([self.bridge.sync(call) for call in calls])

    async def aforward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        calls = self._calls(prompt, messages, kwargs)
        return self._answer([await self.bridge.wait(call) for call in calls])

    def _calls(self, prompt: Any, messages: Any, kwargs: Mapping[str, Any]) -> list[Call]:
        given = {**self.kwargs, **kwargs}
        turns = messages or [{"role": "user", "content": prompt}]
        said = tuple(Message(m["role"], _text(m.get("content"))) for m in turns)
        with rollout(self.kwargs, kwargs):
            return [_made(said, given) for _ in range(int(given.get("n") or 1))]

    def _answer(self, completions: list[Completion]) -> Any:
        prompt = sum(c.usage.prompt for c in completions)
        told = sum(c.usage.completion for c in completions)
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": told,
            "total_tokens": prompt + told,
        }
        if dspy.settings.usage_tracker and not COUNTS:
            dspy.settings.usage_tracker.add_usage(self.model, usage)
        choices = [
            types.SimpleNamespace(
                message=types.SimpleNamespace(
                    content=c.text, reasoning_content=c.reasoning, tool_calls=None
                ),
                finish_reason=c.finish_reason,
            )
            for c in completions
        ]
        return types.SimpleNamespace(
            choices=choices, usage=usage, model=self.model, _hidden_params={}
        )


def _text(content: Any) -> str:
    """The text of a message in OpenAI's shape."""
    if isinstance(content, str) or content is None:
        return content or ""
    parts = [{"type": "text", "text": p} if isinstance(p, str) else p for p in content]
    said = [_part(part.get("type", "text"), part.get("text")) for part in parts]
    return "".join(text for text in said if text is not None)


_SILENT = ("thinking", "citation")  # what earlier answers carry beside their text


def _part(kind: str, text: str | None) -> str | None:
    """The text of one part of a message.

    Raises:
        UsageError: it is no text: left out, the question would be another one, and two pictures
            would share one answer.
    """
    if kind in ("text", "refusal") and text is not None:
        return text
    if kind in _SILENT:
        return None
    name = {"image_url": "an image", "image": "an image", "input_audio": "audio"}.get(kind, kind)
    raise UsageError(
        f"heartloop's engine sends text only, and this message holds {name}; use dspy.LM for this "
        "program, with HeartLoop and with_stimulus around it as they are"
    )


def _made(messages: tuple[Message, ...], given: Mapping[str, Any]) -> Call:
    return Call(messages, sampling_of(given), next_draw(), place_of(messages))


class Engine:
    """A model behind heartloop's client, for DSPy programs.

    >>> with Engine("server/NAME", "runs/qa", base_urls=("http://localhost:8000/v1",)) as engine:
    ...     dspy.configure(lm=engine.lm(temperature=0.7))

    Every completion is one line of ``calls.jsonl`` in the folder, written before the program sees
    it: opened again, the folder answers what it knows without a call. DSPy's own cache is off for
    this LM: its keys leave out the server's address, so that two servers would share answers.

    Attributes:
        client: with journal, ledger and limits; ``client.stats()`` is for the screen.
    """

    def __init__(
        self,
        model: str,
        folder: str | Path,
        *,
        limits: Limits | None = None,
        caps: Caps | None = None,
        seed: int = 0,
        **options: Any,
    ) -> None:
        """Open the model and the journal.

        Args:
            model: as ``--model`` takes it.
            folder: where the journal lies; made if it is not there.
            limits: calls in flight and a minute.
            caps: tokens and dollars that may be spent, earlier sessions included.
            seed: the run seed in the addresses.
            **options: fields of `heartloop.models.ModelOptions`, such as ``base_urls``.

        Raises:
            UsageError: a model or an option that does not exist.
            JournalError: the folder is in use or cannot be written.
        """
        plain: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in options.items()
        }
        try:
            settings = ModelOptions(**plain)
        except TypeError as error:
            raise UsageError(f"Engine: {error}; it takes the fields of ModelOptions") from None
        Path(folder).mkdir(parents=True, exist_ok=True)
        self.model, self.seed = model, seed
        self._thread = LoopThread()
        self._journal: Journal | None = None
        try:
            self._journal = Journal.open(folder)
            self.client: Client = self._thread.run(self._open(settings, limits, caps))
        except BaseException:
            if self._journal is not None:
                self._journal.close()
            self._thread.close()
            raise
        self.bridge = Bridge(self._ask, self._thread.loop)

    async def _open(
        self, settings: ModelOptions, limits: Limits | None, caps: Caps | None
    ) -> Client:
        assert self._journal is not None
        models = {self.model: make_model(self.model, settings)}
        return Client(models, self._journal, limits=limits, caps=caps)

    async def _ask(self, call: Call) -> Completion:
        place = call.place
        return await self.client.ask(
            Request(
                Address(place.task, place.question, self.model, place.round, call.draw, self.seed),
                call.messages,
                Sampling(**call.sampling),
                arm="dspy",
            )
        )

    def lm(self, **settings: Any) -> Any:
        """A DSPy language model over this engine; keyword arguments are its defaults."""
        return make_lm(self.bridge, self.model, **settings)

    @property
    def stats(self) -> Stats:
        """Calls, tokens and errors so far; ``shared`` counts what the journal answered."""
        return self.client.stats()

    def close(self) -> None:
        """Abort what is under way, make the journal durable, stop the thread."""
        if self._journal is not None:
            self._thread.run(self.client.close())
            self._thread.run(asyncio.sleep(0))
            self._journal.close()
            self._thread.close()
            self._journal = None

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
