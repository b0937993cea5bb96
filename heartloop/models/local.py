"""Servers that run on this machine, found where they usually listen; no key is ever sent."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

USUAL = (
    ("vLLM", 8000),
    ("llama.cpp", 8080),
    ("Ollama", 11434),
    ("LM Studio", 1234),
    ("SGLang", 30000),
)
"""What usually listens at which port."""

LARGEST = 1 << 20  # bytes of a list of models


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model that a server on this machine serves.

    Attributes:
        name: as the server calls it.
        url: base URL of the server.
        server: what usually listens at that port.
        context: tokens of context, where the server says so.
    """

    name: str
    url: str
    server: str
    context: int | None


def find_local(
    places: Sequence[tuple[str, int]] | None = None, timeout: float = 0.7
) -> list[LocalModel]:
    """The models of all servers that answer at their usual ports, in the order of the ports.

    Args:
        places: (what listens there, port); `USUAL` by default.
        timeout: seconds for each; all are asked at once.
    """
    places = USUAL if places is None else places
    with ThreadPoolExecutor(len(places)) as pool:
        found = pool.map(lambda place: _models_at(place[0], place[1], timeout), places)
        return [model for models in found for model in models]


def _models_at(server: str, port: int, timeout: float) -> list[LocalModel]:
    url = f"http://127.0.0.1:{port}/v1"
    # No proxy and no redirect: what is asked is this machine.
    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.HTTPHandler(), urllib.request.HTTPErrorProcessor()):
        opener.add_handler(handler)
    try:
        with opener.open(f"{url}/models", timeout=timeout) as answer:  # type: ignore[union-attr]
            listed = json.loads(answer.read(LARGEST))["data"]
        return [
            LocalModel(str(entry["id"]), url, server, context_of(entry))
            for entry in listed
            if isinstance(entry, Mapping)
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def context_of(entry: Mapping[str, Any]) -> int | None:
    """The context length in an entry of a list of models; every server has its own name for it.

    ``max_model_len`` (vLLM, SGLang), ``meta.n_ctx`` and ``meta.n_ctx_train`` (llama.cpp),
    ``loaded_context_length`` and ``max_context_length`` (LM Studio), ``context_length``.
    """
    meta = entry.get("meta")
    fields = {**(meta if isinstance(meta, Mapping) else {}), **entry}
    for name in (
        "max_model_len", "n_ctx", "loaded_context_length", "context_length", "context_window",
        "n_ctx_train", "max_context_length",
    ):  # fmt: skip
        value = fields.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 40:
            return value
    return None
