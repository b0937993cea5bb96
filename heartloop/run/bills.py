"""Which models of a plan cost money, at what price, and whether its caps can hold."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from heartloop.calls.prices import FREE, Price, load_prices, no_price, price_of, runs_here
from heartloop.errors import UsageError
from heartloop.run.clients import judges_for, tested_price
from heartloop.run.judges import judge_price, names_of
from heartloop.run.load import Prepared
from heartloop.run.plan import Plan

if TYPE_CHECKING:
    pass


HELPED = ("critique", "planner")  # methods whose `helper` answers some of the calls


def tested_models(plan: Plan) -> list[str]:
    """Models under test, and the helper."""
    return list(dict.fromkeys([*plan.models, *([plan.helper] if plan.helper else [])]))


def known_prices(prepared: Prepared) -> dict[str, Price]:
    """The prices of a plan's models, judges included, by the names that the ledger uses.

    Raises:
        UsageError: the user's price list cannot be read.
    """
    plan = prepared.plan
    file = plan.limits.get("prices")
    own = load_prices(Path(file)) if file else {}
    found: dict[str, Price | None] = {
        name: tested_price(plan, name, own) for name in tested_models(plan)
    }
    panel = judges_for(plan, prepared.tasks)
    for name, judge in zip(names_of(panel, tested_models(plan)), panel, strict=True):
        found[name] = judge_price(judge) or price_of(judge.model, own)
    return {name: price for name, price in found.items() if price is not None}


def billed_models(prepared: Prepared, prices: Mapping[str, Price]) -> list[str]:
    """The models that cost money or may: priced above nothing, or at somebody else's address.

    A ``server/`` model without a price may be billed where a key is sent to it beyond this
    machine and its private network.
    """
    plan = prepared.plan
    urls = plan.server.get("base_urls") or ()
    key = os.environ.get("HEARTLOOP_API_KEY")
    places = {name: (urls, bool(key)) for name in tested_models(plan)}
    panel = judges_for(plan, prepared.tasks)
    for name, judge in zip(names_of(panel, tested_models(plan)), panel, strict=True):
        if judge.base_url is not None:
            places[name] = ((judge.base_url,), True)
        else:
            places.setdefault(name, (urls, bool(key)))
    found = []
    for name, (where, keyed) in places.items():
        price = prices.get(name)
        if price is not None:
            bills = price.prompt > 0 or price.completion > 0
        elif name.partition("/")[0] == "server":
            bills = keyed and not all(_is_near(url) for url in where)
        else:
            bills = name.partition("/")[0] not in FREE
        if bills:
            found.append(name)
    return found


def _is_near(url: str) -> bool:
    """Whether a URL is on this machine or in a private network."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost", ".lan"))


def check_caps(prepared: Prepared, prices: Mapping[str, Price]) -> None:
    """Refuse caps that cannot hold or that no call fits into.

    Raises:
        UsageError: dollars are capped and a model has no price, or a question's tokens are
            capped below what one call may take.
    """
    plan = prepared.plan
    if plan.limits.get("max_usd"):
        panel = judges_for(plan, prepared.tasks)
        for name in [*tested_models(plan), *names_of(panel, tested_models(plan))]:
            if name not in prices and not runs_here(name):
                raise UsageError(no_price(name))
    cap = int(plan.limits.get("max_question_tokens") or 0)
    for task in prepared.tasks if cap else ():
        most = task.sampling.max_tokens
        if most is not None and most >= cap:
            raise UsageError(
                f"--max-question-tokens {cap:,}: no call fits; max_tokens of "
                f"{task.card.name} is {most:,} (lower it with --max-tokens)"
            )
