"""Judge models of a plan: each with its own address, key, sampling and price."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from heartloop.calls.prices import Price, price_of_entry
from heartloop.errors import UsageError
from heartloop.grading.judge import SAMPLING
from heartloop.models import ModelOptions
from heartloop.models.urls import base_url
from heartloop.run.plan_checks import check_sampling, no_unknown
from heartloop.types import Sampling

JUDGE_KEY = "HEARTLOOP_JUDGE_API_KEY"
DEFAULT_SAMPLING = Sampling(temperature=0.0, max_tokens=4096)
"""A judge is asked without dice, with room for a reasoning model's thinking."""


@dataclass(frozen=True, slots=True)
class JudgeModel:
    """One judge of a panel.

    Attributes:
        model: as ``--model`` takes it.
        base_url: its own server; None: as a model of the plan of that name is reached, a
            ``server/`` judge at the plan's servers, any other at its provider.
        key_env: the variable that holds the key for ``base_url``; None looks into
            ``HEARTLOOP_JUDGE_API_KEY``. Keys of the models under test never go there.
        sampling: over the card's: temperature, max_tokens, top_p, reasoning_effort, extra.
        price: dollars for a million tokens, ``{prompt, completion, cached}``; None: as known.
    """

    model: str
    base_url: str | None = None
    key_env: str | None = None
    sampling: Mapping[str, Any] = field(default_factory=dict)
    price: Mapping[str, float] | None = None


def judges_of(value: Any, where: str) -> tuple[JudgeModel, ...]:
    """The judges that a plan's ``judge`` names: a name, a mapping, or a list of these.

    Raises:
        UsageError: an unknown field, a value of the wrong kind, or a judge that stands twice.
    """
    if value is None or value == "":
        return ()
    entries = list(value) if isinstance(value, (list, tuple)) else [value]
    found = tuple(_judge(entry, f"{where}: judge") for entry in entries)
    places = [(judge.model, judge.base_url) for judge in found]
    for place in places:
        if places.count(place) > 1:
            raise UsageError(
                f"{where}: judge: {place[0]} stands twice; the same judge agrees with itself "
                "(`votes` in the verifier card asks one judge several times)"
            )
    return found


def _judge(entry: Any, where: str) -> JudgeModel:
    if isinstance(entry, JudgeModel):
        return entry
    if isinstance(entry, str):
        return JudgeModel(entry.strip())
    if not isinstance(entry, Mapping):
        raise UsageError(f"{where}: expected a model name or {{model: …, base_url: …}}")
    no_unknown(entry, {f.name for f in dataclasses.fields(JudgeModel)}, where)
    if not isinstance(entry.get("model"), str) or not entry["model"].strip():
        raise UsageError(f"{where}: model is missing")
    sampling = entry.get("sampling") or {}
    if not isinstance(sampling, Mapping):
        raise UsageError(f"{where}: sampling: expected a mapping")
    no_unknown(sampling, SAMPLING, f"{where}: sampling")
    check_sampling(sampling, where)
    price = entry.get("price")
    if price is not None:
        price_of_entry(price, f"{where}: price")
    url = entry.get("base_url")
    return JudgeModel(
        entry["model"].strip(),
        None if url is None else str(base_url(str(url), f"{where}: base_url")),
        entry.get("key_env"),
        dict(sampling),
        price,
    )


def names_of(judges: Sequence[JudgeModel], taken: Sequence[str]) -> list[str]:
    """The name that each judge has in addresses: its model's, marked where that is taken.

    The address is no part of it, so that a server may move between two sessions.

    Args:
        judges: a panel.
        taken: models under test and helpers; a judge of that name at a URL of its own is another.
    """
    names: list[str] = []
    for judge in judges:
        name = judge.model
        if judge.base_url is not None and name in taken:
            name = f"{judge.model} (judge)"
        count = 2
        while name in names:
            name, count = f"{judge.model} (judge {count})", count + 1
        names.append(name)
    return names


def judge_options(judge: JudgeModel, shared: ModelOptions) -> ModelOptions:
    """How a judge with a URL of its own is reached; no key but its own goes there.

    Args:
        judge: its ``base_url`` is set.
        shared: options of the models under test, of which time-outs are taken over.

    Raises:
        UsageError: its variable is named and holds nothing.
    """
    key = (os.environ.get(judge.key_env or JUDGE_KEY) or "").strip()
    if judge.key_env and not key:
        raise UsageError(f"--judge-key-env {judge.key_env}: the variable is not set")
    return ModelOptions(
        base_urls=(str(judge.base_url),),
        api_key=key or "",
        connect_timeout=shared.connect_timeout,
        total_timeout=shared.total_timeout,
        request_seeds=shared.request_seeds,
    )


def judge_price(judge: JudgeModel) -> Price | None:
    """The price that the plan gives a judge, in dollars a token; None where it gives none."""
    return None if judge.price is None else price_of_entry(judge.price, "judge: price")


def judge_sampling(judge: JudgeModel, card: Mapping[str, Any]) -> Sampling:
    """The sampling of a judge: defaults, the verifier card's over them, the plan's over those."""
    return dataclasses.replace(DEFAULT_SAMPLING, **{**card, **judge.sampling})
