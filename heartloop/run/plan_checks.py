"""Checks of a plan's fields: what exists, of which type, in which range."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from heartloop.errors import UsageError
from heartloop.secrets import secret_fields
from heartloop.types import Sampling, Stimulus


def check_selector(name: str, where: str) -> None:
    """Raise UsageError for a selector that does not exist."""
    from heartloop.methods import SELECTORS

    if name not in SELECTORS:
        import difflib

        near = difflib.get_close_matches(str(name), list(SELECTORS), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(SELECTORS)}"
        raise UsageError(f"{where}: selector {name!r}: {hint}")


def is_whole(value: Any) -> bool:
    """A whole number, and neither true nor false."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """A number, and neither true nor false."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_sampling(value: Mapping[str, Any], where: str) -> None:
    """Raise UsageError for a sampling parameter that does not exist or cannot be."""
    no_unknown(value, {f.name for f in dataclasses.fields(Sampling)}, f"{where}: sampling")
    for name in ("extra", "response_format"):
        inner = value.get(name) or {}
        if not isinstance(inner, Mapping):
            raise UsageError(f"{where}: sampling.{name}: expected a mapping")
        if held := secret_fields(inner):
            raise UsageError(
                f"{where}: sampling.{name}: {held[0]} would stand in every record; leave it out "
                "and set HEARTLOOP_API_KEY"
            )
    for name, least, most in (
        ("temperature", 0, None),
        ("top_p", 0, 1),
        ("max_tokens", 1, None),
    ):
        given = value.get(name)
        if given is None:
            continue
        good = is_whole(given) if name == "max_tokens" else is_number(given)
        if not good or given < least or (most is not None and given > most):
            span = f"at least {least}" if most is None else f"from {least} to {most}"
            raise UsageError(f"{where}: sampling: {name}: expected a number {span}")


LIMITS = (
    "concurrency", "rpm", "tpm", "max_total_tokens", "max_usd", "max_question_tokens", "prices",
    "max_unscored",
)  # fmt: skip
"""What a plan's ``limits`` may hold."""


def check_limits(value: Mapping[str, Any], where: str) -> None:
    """Raise UsageError for a limit that does not exist or cannot be."""
    no_unknown(value, set(LIMITS), f"{where}: limits")
    for name, given in value.items():
        if given is None or name == "prices" or (name == "concurrency" and given == "auto"):
            continue
        if not is_number(given) or given <= 0:
            raise UsageError(f"{where}: limits: {name}: expected a number above 0")


def no_unknown(value: Mapping[str, Any], known: set[str], where: str) -> None:
    """Raise UsageError for a field that does not exist, with the nearest that does."""
    for key in value:
        if key not in known:
            import difflib

            near = difflib.get_close_matches(str(key), sorted(known), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
            raise UsageError(f"{where}: unknown field {key!r}; {hint}")


def check_texts(value: Mapping[str, Any], where: str) -> None:
    """Fields of a plan that are text or lists of text.

    Raises:
        UsageError: any that is something else.
    """
    for name in ("verifier", "helper", "data_dir", "selector", "match", "mode", "stop_when",
                 "shots_as", "claim_from"):  # fmt: skip
        if value.get(name) is not None and not isinstance(value[name], str):
            raise UsageError(f"{where}: {name}: expected text")
    server = value.get("server", {})
    texts = {
        "tasks": value.get("tasks"),
        "models": value.get("models"),
        "reuse": value.get("reuse"),
        "exclude_questions": value.get("exclude_questions"),
        "server.base_urls": server.get("base_urls"),
        "server.vllm_args": server.get("vllm_args"),
    }
    for name, found in texts.items():
        if found is not None and not (
            isinstance(found, (list, tuple)) and all(isinstance(x, (str, int)) for x in found)
        ):
            raise UsageError(f"{where}: {name}: expected a list of texts")
    for name in ("reuse", "exclude_questions"):
        if not all(isinstance(x, str) for x in value.get(name) or ()):
            raise UsageError(f"{where}: {name}: expected a list of run folders")
    for name in ("extra_body", "replay_fields"):
        if not isinstance(server.get(name) or {}, Mapping):
            raise UsageError(f"{where}: server.{name}: expected a mapping")


def check_stimulus(item: Any, where: str) -> Mapping[str, Any]:
    """A stimulus that stands in a plan word for word.

    Raises:
        UsageError: an unknown or missing field, or one that is no text.
    """
    if not isinstance(item, Mapping):
        raise UsageError(f"{where}: {item!r} is neither a name nor a stimulus")
    no_unknown(item, {f.name for f in dataclasses.fields(Stimulus)}, where)
    for name in ("id", "set", "text", "sha256"):
        if name not in item:
            raise UsageError(f"{where}: {name} is missing; name a stimulus of a card instead")
    for name, one in item.items():
        if name == "intensity":
            if not is_whole(one):
                raise UsageError(f"{where}: {name}: expected a whole number")
        elif not isinstance(one, str):
            raise UsageError(f"{where}: {name}: expected text")
    return item
