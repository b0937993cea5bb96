"""How to reach a model: the options that every provider takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from heartloop.provider import RequestSeeds

__all__ = ["ModelOptions", "RequestSeeds"]


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """How to reach a model; every provider takes from it what concerns it.

    Attributes:
        base_urls: roots of OpenAI-compatible servers, ``http://host:8000/v1``; several are
            balanced. litellm takes the first as its ``api_base``.
        api_key: sent as a bearer token, none where it is empty; None looks into
            ``HEARTLOOP_API_KEY`` for ``server/`` and ``vllm/``, and leaves litellm to the
            provider's usual variables.
        connect_timeout, first_byte_timeout, total_timeout: seconds an attempt may take to
            connect, to hear anything, and altogether. Without streaming the first byte comes
            with the last, so ``first_byte_timeout`` None adapts to the latencies seen.
        extra_body: further fields of every request body, as the server spells them.
        request_seeds: ``on`` sends every draw's derived seed, ``off`` none; ``auto`` sends them
            until the server turns out not to bear it.
        use_n: ask for draws of the same request at once, with ``n`` (``server/``, ``vllm/``):
            the prompt is paid once, but only the first draw is drawn with its own seed.
        system_role: ``developer`` renames system messages for servers that want it.
        cache_prompts: mark prompts for caching where a provider wants that said (Anthropic).
        per_server: most requests in flight at any one of ``base_urls``; None for no limit.
        replay_fields: other names for the fields of a replay file
            (``id``, ``index``, ``round``, ``draw``, ``text``).
        vllm_args: passed through to every vLLM server that heartloop starts.
        tensor_parallel: GPUs a vLLM server spans.
        device, batch_size: for ``hf/`` models; None chooses.
        batch: ask through the provider's batch endpoint (`heartloop.calls.batches`).
    """

    base_urls: tuple[str, ...] = ()
    api_key: str | None = field(default=None, repr=False)
    connect_timeout: float = 10.0
    first_byte_timeout: float | None = None
    total_timeout: float = 900.0
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    request_seeds: RequestSeeds = "auto"
    use_n: bool = False
    system_role: Literal["system", "developer"] = "system"
    cache_prompts: bool = False
    per_server: int | None = None
    replay_fields: Mapping[str, str] = field(default_factory=dict)
    vllm_args: tuple[str, ...] = ()
    tensor_parallel: int = 1
    device: str | None = None
    batch_size: int | None = None
    batch: bool = False
