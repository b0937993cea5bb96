"""Every other API through litellm, imported on first use, with its offline price map."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import re
import threading
import time
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from heartloop.errors import UsageError, absent_part
from heartloop.models.asking import MOST_LESSONS, Asking
from heartloop.models.chat import chat_messages, sampling_body
from heartloop.models.options import ModelOptions
from heartloop.models.refusals import (
    MESSAGE_CHARS,
    Refused,
    error_of,
    read_retry_after,
    server_words,
)
from heartloop.models.replies import read_choices, served_name
from heartloop.secrets import clean, one_line
from heartloop.types import Completion, Request

CONNECTION_WORDS = re.compile(
    r"(?i)connection error|cannot connect|connection refused|disconnect|payload is not completed"
)
KEY_WORDS = re.compile(r"(?i)missing credentials|api_?key[^.]{0,40} must be set|no api key")
JSON_WORDS = re.compile(r"(?i)expecting value|json|unterminated string|unable to get json response")
WRAPPING = re.compile(r"litellm\.\w+: (?:\w+Error: )?|\b\w+Exception - ")
RATE_HEADERS = (
    "limit-requests",
    "remaining-requests",
    "reset-requests",
    "limit-tokens",
    "remaining-tokens",
    "reset-tokens",
)
_import_lock = threading.Lock()
_users = 0  # models open; the last one closes litellm's shared connections


class LitellmModel:
    """A model behind any API litellm speaks.

    Keys come from the provider's usual environment variables, unless ``ModelOptions.api_key`` is
    set. Parameters that the provider does not know are refused by litellm, not dropped; the seed
    alone is left out where the provider takes none.

    Attributes:
        name: the spec, as litellm takes it.
        request_seeds: ``off`` once it is known that the provider takes no seed.
        rate_limit: what the provider last said of its limits (``x-ratelimit-…`` headers).
    """

    def __init__(self, spec: str, options: ModelOptions) -> None:
        """Prepare; litellm is imported by the first call."""
        global _users
        self.name = spec
        self.options = options
        self.request_seeds = options.request_seeds
        self.rate_limit: dict[str, str] = {}
        self.notes: list[str] = []
        self.asking = Asking(self.notes)
        self._litellm: Any = None
        self._provider = ""
        self._open = True
        _users += 1

    async def prepare(self) -> None:
        """Import litellm, off the event loop, and see what the provider takes.

        Raises:
            UsageError: litellm does not know the provider.
        """
        if self._litellm is not None:
            return
        try:
            litellm = await asyncio.to_thread(_import_litellm)
        except ImportError as error:
            what = f"--model {self.name}"
            raise UsageError(
                f"{absent_part(what, 'litellm', 'api')}; a server of your own is server/NAME with "
                "--base-url"
            ) from error
        try:
            _, self._provider, _, _ = litellm.get_llm_provider(self.name, api_base=self._base_url())
            known = litellm.get_supported_openai_params(self.name) or ()
        except Exception as error:
            raise UsageError(
                f"--model {self.name}: litellm knows no such provider; write PROVIDER/NAME, such "
                "as openai/gpt-4o-mini, or server/NAME with --base-url for a server of your own"
            ) from error
        if "seed" not in known and self.request_seeds == "auto":
            self.request_seeds = "off"
        self._litellm = litellm

    async def check(self) -> None:
        """Refuse before anything is asked what could never be answered.

        Raises:
            UsageError: litellm does not know the provider, or its key variable is not set.
        """
        await self.prepare()
        if self.options.api_key or self._base_url():
            return
        try:
            missing = self._litellm.validate_environment(model=self.name)["missing_keys"]
        except Exception:  # what litellm cannot tell shows at the first call
            return
        if missing:
            raise UsageError(f"--model {self.name}: no key; set {' and '.join(missing)}")

    async def complete(self, request: Request) -> Completion:
        """Make one attempt at one completion.

        Raises:
            CallError: classified as those of ``server/``, with the provider's own words.
            UsageError: litellm does not know the provider.
        """
        await self.prepare()
        started = time.time()
        reply, arguments, sent = await self._asked(self._arguments(request), request)
        said = reply.model_dump()
        completion = read_choices(
            said,
            request.messages,
            max_tokens=arguments.get("max_tokens", arguments.get("max_completion_tokens")),
        )[0]
        self.asking.answered += 1
        hidden = getattr(reply, "_hidden_params", None) or {}
        self._note_limits(hidden.get("additional_headers") or {})
        cost = hidden.get("response_cost")
        return replace(
            completion,
            cost=float(cost) if cost else None,
            started=started,
            finished=time.time(),
            endpoint=self._base_url() or self._provider,
            served=served_name(said),
            sent=sent or None,
        )

    def facts(self) -> dict[str, Any]:
        """What the manifest tells of it; see `heartloop.provider.Tells`."""
        return {"rate_limit": dict(self.rate_limit), "asked_otherwise": self.asking.facts()}

    async def close(self) -> None:
        """Close the connections that litellm keeps, once no model uses them."""
        global _users
        if not self._open:
            return
        self._open = False
        _users -= 1
        if self._litellm is None or _users:
            return
        close = getattr(self._litellm, "close_litellm_async_clients", None)
        if close is not None:
            await close()

    # --- Inside --------------------------------------------------------------------------

    async def _asked(
        self, raw: dict[str, Any], request: Request
    ) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """The reply, the arguments it was asked with, and what in them was changed."""
        own = {*self.options.extra_body, *request.sampling.extra}
        room: int | None = None
        for lesson in range(MOST_LESSONS + 1):
            arguments, sent = self.asking.shape(raw, room)
            try:
                return await self._litellm.acompletion(**arguments), arguments, sent
            except asyncio.CancelledError:
                raise
            except Exception as error:
                problem = self._classified(error)
            again = self.asking.learn(problem, arguments, own, room=room)
            if again is None or lesson == MOST_LESSONS:
                raise problem
            room = again.room if again.room is not None else room
            if self.asking.shape(raw, room)[0] == arguments:
                raise problem
        raise AssertionError("unreachable")

    def _base_url(self) -> str | None:
        return self.options.base_urls[0] if self.options.base_urls else None

    def _arguments(self, request: Request) -> dict[str, Any]:
        options, sampling = self.options, request.sampling
        fields = sampling_body(sampling)
        extra = {**options.extra_body, **sampling.extra}
        for name in ("continue_final_message", "add_generation_prompt"):
            if name in fields:
                extra[name] = fields.pop(name)
        arguments: dict[str, Any] = {
            "model": self.name,
            "messages": [
                {"role": m["role"], "content": m["content"]}
                if isinstance(m, dict)
                else {"role": m.role, "content": m.content}
                for m in chat_messages(request.messages, options.system_role)
            ],
            "timeout": options.total_timeout,
            "num_retries": 0,
            "max_retries": 0,
            **fields,
        }
        if request.seed is not None and self.request_seeds != "off":
            arguments["seed"] = request.seed
        if extra:
            arguments["extra_body"] = extra
        if options.api_key:
            arguments["api_key"] = options.api_key
        if self._base_url():
            arguments["api_base"] = self._base_url()
            own = self._provider in ("openai", "hosted_vllm") and not _openai_key(options)
            if own or options.api_key == "":
                # Servers of one's own need none, litellm insists on one or takes the provider's.
                arguments["api_key"] = "none"
        if options.cache_prompts:
            arguments["cache_control_injection_points"] = [
                {"location": "message", "role": "system"},
                {"location": "message", "index": -1},
            ]
        return arguments

    def _note_limits(self, headers: Mapping[str, Any]) -> None:
        for name in RATE_HEADERS:
            for prefix in ("x-ratelimit-", "llm_provider-x-ratelimit-"):
                value = headers.get(prefix + name)
                if value is not None:
                    self.rate_limit[name] = str(value)

    def _classified(self, error: Exception) -> Refused:
        """Our class of a litellm error, by the same tables as a server's own."""
        litellm = self._litellm
        words = str(getattr(error, "message", "") or error) or type(error).__name__
        status = getattr(error, "status_code", None)
        status = status if isinstance(status, int) and status >= 300 else 500
        headers = getattr(getattr(error, "response", None), "headers", None)
        headers = headers or getattr(error, "litellm_response_headers", None) or {}
        said = _unwrapped(clean(words, self.options.api_key))
        fields = {"message": said}
        for name in ("code", "type", "param"):
            value = getattr(error, name, None)
            if isinstance(value, str):
                fields[name] = value
        body = orjson.dumps({"error": fields})
        bare = WRAPPING.sub("", words).strip()
        if bare.startswith("{"):  # the provider's reply as it came, codes and all
            body = bare.encode("utf-8", "replace")
        moved = _redirect(error)
        if moved is not None:
            return error_of(moved.status_code, b"", moved.headers, self.options.api_key)
        problem = error_of(status, body, headers, self.options.api_key)
        kind: str | None = None
        if isinstance(error, litellm.ContextWindowExceededError):
            kind = "context_length"
        elif isinstance(error, litellm.ContentPolicyViolationError):
            kind = "content_filter"
        elif isinstance(error, (litellm.Timeout, asyncio.TimeoutError)):
            kind = "timeout"
        elif KEY_WORDS.search(words):
            kind = "auth"
        elif status >= 500 and CONNECTION_WORDS.search(words):
            kind = "connection"
        elif status >= 500 and problem.kind == f"http_{status}" and JSON_WORDS.search(words):
            kind = "bad_response"
        if kind is not None:
            problem.kind = kind
            problem.retryable = kind in ("timeout", "connection", "bad_response")
        problem.retry_after = read_retry_after(headers) if problem.retryable else None
        problem.args = (one_line(said, limit=MESSAGE_CHARS),)
        return problem


def _import_litellm() -> Any:
    """Import litellm quiet and offline; it would fetch its price map otherwise."""
    with _import_lock:
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
        os.environ.setdefault("LITELLM_LOG", "ERROR")
        # It builds further types at the first call, with warnings of no use to anybody.
        warnings.filterwarnings("ignore", category=UserWarning, module=r"pydantic\._internal.*")
        import litellm

        litellm.suppress_debug_info = True
        litellm.telemetry = False
        litellm.drop_params = False
        _stay_where_asked(litellm)
        for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        return litellm


def _stay_where_asked(litellm: Any) -> None:
    """Let litellm's own clients follow no redirect.

    Keys in headers of a provider's own (``x-api-key``) would go with them. OpenAI's client, which
    is not litellm's, takes its key off by itself.
    """
    handler = litellm.AsyncHTTPHandler
    parameters = inspect.signature(handler.__init__).parameters
    with_defaults = [p.name for p in parameters.values() if p.default is not p.empty]
    if "follow_redirects" in with_defaults:
        defaults = list(handler.__init__.__defaults__)
        defaults[with_defaults.index("follow_redirects")] = False
        handler.__init__.__defaults__ = tuple(defaults)
    made = getattr(litellm.module_level_aclient, "client", None)  # when litellm was imported
    if made is not None:
        made.follow_redirects = False


def _redirect(error: BaseException | None) -> Any:
    """The redirect at the bottom of a litellm error, or None."""
    found = None
    for _ in range(8):
        response = getattr(error, "response", None)
        status = getattr(response, "status_code", None)
        if isinstance(status, int) and 300 <= status < 400:
            found = response  # those above it were made by litellm, without a location
        if error is None:
            break
        error = error.__cause__ or error.__context__
    return found


def _openai_key(options: ModelOptions) -> bool:
    return bool(
        options.api_key or os.environ.get("OPENAI_API_KEY") or os.environ.get("HOSTED_VLLM_API_KEY")
    )


def _unwrapped(words: str) -> str:
    """The provider's own words, without what litellm puts around them."""
    words = WRAPPING.sub("", words)
    start, end = words.find("{"), words.rfind("}")
    said = server_words(words[start : end + 1].encode()) if 0 <= start < end else ""
    return said if start == 0 and said else words
