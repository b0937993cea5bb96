"""Identity of a call: the key it is found under again, and the seed of its draw."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import orjson

from heartloop.types import Address, Request, Sampling

KEY_CHARS = 32


def call_key(request: Request) -> str:
    """The identity of a call: a hash of its address, messages and sampling.

    The arm, the purpose, ``extends`` and the seed sent are not part of it (invariant 3), so arms
    that ask the same thing share the call. Every part goes in with its length before it, so that
    no two requests can run together into the same bytes; a conversation is read once, without
    being copied or written as JSON.

    Returns:
        32 hex digits (128 bits of BLAKE2b).
    """
    digest = blake2b(_address_bytes(request.address), digest_size=KEY_CHARS // 2)
    for message in request.messages:
        content = message.content.encode("utf-8", "surrogatepass")
        digest.update(b"%s %d\n" % (message.role.encode(), len(content)))
        digest.update(content)
    digest.update(b"sampling\n")
    digest.update(_sampling_bytes(request.sampling))
    return digest.hexdigest()


_last: tuple[Sampling | None, bytes] = (None, b"")


def _sampling_bytes(sampling: Sampling) -> bytes:
    """The fields as they are hashed; all calls of a task share one Sampling."""
    global _last
    if _last[0] is not sampling:
        fields = sampling_fields(sampling)
        _last = (sampling, orjson.dumps(fields, option=orjson.OPT_SORT_KEYS))
    return _last[1]


def derive_seed(address: Address) -> int:
    """The seed a draw is asked with: 31 bits fixed by its address, whatever is asked.

    Arms that differ only in wording meet the same seed, which sharpens paired comparisons.
    """
    digest = blake2b(_address_bytes(address), digest_size=4, person=b"seed").digest()
    return int.from_bytes(digest, "big") >> 1


def sampling_fields(sampling: Sampling) -> dict[str, Any]:
    """The fields of a Sampling that say something, in the form that is hashed and recorded.

    Fields left at their default are left out, so that a field added later changes no key.
    """
    fields: dict[str, Any] = {}
    if sampling.temperature is not None:
        fields["temperature"] = float(sampling.temperature)
    if sampling.max_tokens is not None:
        fields["max_tokens"] = sampling.max_tokens
    if sampling.top_p is not None:
        fields["top_p"] = float(sampling.top_p)
    if sampling.stop:
        fields["stop"] = list(sampling.stop)
    if sampling.logprobs:
        fields["logprobs"] = True
    if sampling.reasoning_effort is not None:
        fields["reasoning_effort"] = sampling.reasoning_effort
    if sampling.response_format is not None:
        fields["response_format"] = dict(sampling.response_format)
    if sampling.continue_final_message:
        fields["continue_final_message"] = True
    if sampling.extra:
        fields["extra"] = dict(sampling.extra)
    return fields


def _address_bytes(address: Address) -> bytes:
    task, question, model = address.task, address.question, address.model
    return (
        f"{len(task)}:{task}{len(question)}:{question}{len(model)}:{model}"
        f"{address.round} {address.draw} {address.seed}\n"
    ).encode("utf-8", "surrogatepass")
