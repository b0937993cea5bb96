"""Models: one attempt at one completion per provider; ``make_model`` opens one by its name."""

from __future__ import annotations

import importlib

from heartloop.errors import UsageError
from heartloop.models.kinds import KINDS
from heartloop.models.options import ModelOptions, RequestSeeds
from heartloop.types import Model

__all__ = ["ModelOptions", "RequestSeeds", "make_model"]


def by_litellm(spec: str) -> bool:
    """Whether a name is one of litellm's: of no kind here and of no installed package."""
    from importlib import metadata

    name = spec.partition("/")[0]
    return name not in KINDS and not metadata.entry_points(group="heartloop.models", name=name)


def make_model(spec: str, options: ModelOptions | None = None) -> Model:
    """Open the model a name stands for.

    Args:
        spec: ``pocket``, ``server/NAME``, ``replay/FILE.jsonl``, ``hf/PATH-OR-ID``,
            ``vllm/PATH-OR-ID``; anything else is handed to litellm unchanged.
        options: how to reach it.

    Returns:
        A model whose ``name`` is the spec, as it stands in addresses and records.

    Raises:
        UsageError: the name is incomplete, or what it needs is not installed.
    """
    options = options or ModelOptions()
    name, slash, rest = spec.partition("/")
    kind = KINDS.get(name)
    if not spec.strip() or (kind is not None and kind.after and not slash):
        raise UsageError("--model: a model needs a name, such as pocket or server/NAME")
    if kind is not None and kind.after and not rest:
        needs = "a file" if kind.name == "replay" else "a name"
        raise UsageError(f"--model {spec}: {name}/ needs {needs} after the slash")
    if kind is not None and (kind.after or not slash):
        try:
            module = importlib.import_module(f"heartloop.models.{kind.module}")
        except ImportError as error:
            if not kind.missing:
                raise
            raise UsageError(f"--model {spec}: {error}; {kind.missing}") from error
        make = getattr(module, kind.attribute)
        made: Model = make(spec, rest, options) if kind.after else make()
        return made
    from importlib import metadata

    for point in metadata.entry_points(group="heartloop.models", name=name):
        model: Model = point.load()(spec, rest, options)  # a provider of an installed package
        return model
    from heartloop.models.litellm import LitellmModel

    return LitellmModel(spec, options)
