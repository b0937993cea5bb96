"""What tokens cost: the user's ``prices.yaml`` first, then the map that litellm ships."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heartloop.errors import UsageError
from heartloop.models.kinds import KINDS
from heartloop.types import Usage

MAP_FILES = ("model_prices_and_context_window_backup.json", "model_prices_and_context_window.json")
FREE = tuple(kind.name for kind in KINDS.values() if kind.free)  # unless the user says otherwise
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars a token.

    Attributes:
        prompt, completion: dollars for one token in and out (reasoning counts as out).
        cached: dollars for a prompt token read from the provider's cache; None: as ``prompt``.
    """

    prompt: float
    completion: float
    cached: float | None = None

    def cost(self, usage: Usage) -> float:
        """Dollars for a usage."""
        cached = usage.cached if self.cached is not None else 0
        return (
            (usage.prompt - cached) * self.prompt
            + cached * (self.cached or 0.0)
            + usage.completion * self.completion
        )


def load_prices(file: Path) -> dict[str, Price]:
    """Read a user's price list: dollars for a million tokens, by model name.

    The file looks like ``{MODEL: {prompt: 0.5, completion: 1.5, cached: 0.1}}``.

    Raises:
        UsageError: the file cannot be read, or a price is missing or no number.
    """
    from heartloop.cards import read_yaml

    try:
        content = read_yaml(file.read_bytes(), str(file))
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    if not isinstance(content, Mapping):
        raise UsageError(f"{file}: must map model names to prices")
    prices = {}
    for model, entry in content.items():
        prices[str(model)] = price_of_entry(entry, f"{file}: {model}")
    return prices


def price_of_entry(entry: Any, where: str) -> Price:
    """A price from ``{prompt: …, completion: …, cached: …}`` in dollars for a million tokens.

    Raises:
        UsageError: a price is missing or no number.
    """
    if not isinstance(entry, Mapping):
        raise UsageError(f"{where}: must be {{prompt: …, completion: …}}")
    unknown = set(entry) - {"prompt", "completion", "cached"}
    if unknown:
        raise UsageError(f"{where}: {sorted(map(str, unknown))[0]}: unknown field")
    values = {}
    for name in ("prompt", "completion", "cached"):
        value = entry.get(name)
        if value is None and name == "cached":
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
            raise UsageError(f"{where}: {name}: must be dollars for a million tokens, from 0")
        values[name] = value / MILLION
    return Price(**values)


def price_of(model: str, prices: Mapping[str, Price] | None = None) -> Price | None:
    """The price of a model: the user's, else that of litellm's map, else None.

    Models that run here (``pocket``, ``server/``, ``vllm/``, ``hf/``, ``replay/``) cost nothing
    unless the user says so: None.
    """
    if prices and model in prices:
        return prices[model]
    if model.partition("/")[0] in FREE:
        return None
    entry = _shipped_map()
    _, _, bare = model.partition("/")
    found = entry.get(model) or entry.get(bare)
    if not isinstance(found, Mapping):
        return None
    prompt, completion = found.get("input_cost_per_token"), found.get("output_cost_per_token")
    if prompt is None or completion is None:
        return None
    cached = found.get("cache_read_input_token_cost")
    return Price(float(prompt), float(completion), None if cached is None else float(cached))


def prices_for(
    models: Iterable[str], prices: Mapping[str, Price] | None, *, needed: bool
) -> dict[str, Price]:
    """The prices of the models that have one.

    Raises:
        UsageError: a price is ``needed``, for a cap on dollars, and a model has none.
    """
    found = {}
    for model in models:
        price = price_of(model, prices)
        if price is not None:
            found[model] = price
        elif needed and not runs_here(model):
            raise UsageError(no_price(model))
    return found


def runs_here(model: str) -> bool:
    """Whether a model is computed on this machine; a server may be anybody's."""
    return model.partition("/")[0] in ("pocket", "vllm", "hf", "replay")


def no_price(model: str) -> str:
    """What to say where dollars are capped and a price is missing."""
    return (
        f"no price is known for {model}, so --max-usd cannot hold: give one with --prices "
        f"prices.yaml ({model}: {{prompt: …, completion: …}} in dollars for a million tokens; "
        "0 where it costs nothing)"
    )


def _shipped_map() -> dict[str, Any]:
    """The price map of litellm, read without importing litellm, which takes seconds."""
    import orjson

    found = importlib.util.find_spec("litellm")
    for folder in found.submodule_search_locations or () if found else ():
        for name in MAP_FILES:
            file = Path(folder) / name
            if file.is_file():
                content: dict[str, Any] = orjson.loads(file.read_bytes())
                return content
    return {}
