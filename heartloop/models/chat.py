"""What is sent to ``/chat/completions``, and what ``/models`` says of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from heartloop.models.vocabulary import CONTEXT_FIELDS
from heartloop.types import Message, Sampling


def chat_messages(messages: Sequence[Message], system_role: str = "system") -> Any:
    """Messages as a chat body has them."""
    if system_role == "system":
        return messages  # orjson writes dataclasses as objects
    return [
        {"role": system_role if m.role == "system" else m.role, "content": m.content}
        for m in messages
    ]


def sampling_body(sampling: Sampling) -> dict[str, Any]:
    """Sampling parameters as fields of a request body; what is None is left out."""
    body: dict[str, Any] = {}
    if sampling.temperature is not None:
        body["temperature"] = sampling.temperature
    if sampling.max_tokens is not None:
        body["max_tokens"] = sampling.max_tokens
    if sampling.top_p is not None:
        body["top_p"] = sampling.top_p
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.logprobs:
        body["logprobs"] = True
    if sampling.reasoning_effort is not None:
        body["reasoning_effort"] = sampling.reasoning_effort
    if sampling.response_format is not None:
        body["response_format"] = dict(sampling.response_format)
    if sampling.continue_final_message:
        body["continue_final_message"] = True
        body["add_generation_prompt"] = False
    return body


def context_of(listed: Sequence[Mapping[str, Any]], name: str) -> int | None:
    """The tokens of context that a list of models names for a model, or None.

    A list of one model is about that one, whatever it is called.
    """
    entry = next((e for e in listed if e["id"] == name), listed[0] if len(listed) == 1 else None)
    if entry is None:
        return None
    meta = entry.get("meta")
    for fields in (entry, meta if isinstance(meta, Mapping) else {}):
        for field in CONTEXT_FIELDS:
            value = fields.get(field)
            if isinstance(value, int) and not isinstance(value, bool) and value >= 32:
                return value
    return None
