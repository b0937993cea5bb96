"""The one question before the first paid call, for every command that can send one."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from heartloop.errors import UsageError


def dollars_line(found: Mapping[str, Any]) -> str:
    """What a plan costs, in words; empty where nothing is billed."""
    if not found["costs_money"]:
        return ""
    if found["unpriced"]:
        return f"an unknown price ({', '.join(found['unpriced'])}: see --prices)"
    about, most = f"about {_dollars(found['usd'])}", found["usd_most"]
    return f"{about}, no upper bound" if most is None else f"{about}, at most {_dollars(most)}"


def _dollars(amount: float) -> str:
    """Cents, and of less than ten cents the digits that say something."""
    return f"${amount:,.2f}" if amount >= 0.1 or amount == 0 else f"${amount:.2g}"


def confirm_cost(found: Mapping[str, Any], yes: bool, what: str) -> None:
    """Ask before money is spent; without a terminal, refuse unless ``--yes`` stands there.

    Args:
        found: an estimate as plain data: ``costs_money``, ``unpriced``, ``usd``, ``usd_most``.
        yes: the user has agreed beforehand.
        what: what costs money, as a sentence goes on: "this run".

    Raises:
        UsageError: there is nobody to ask.
        click.exceptions.Abort: the answer is no.
    """
    if yes or not found["costs_money"]:
        return
    cost = dollars_line(found)
    if not sys.stdin.isatty():
        raise UsageError(f"{what} costs {cost}; nothing was sent. Without a terminal add --yes")
    if not click.confirm(f"{what[0].upper()}{what[1:]} costs {cost}. Go on?", err=True):
        raise click.exceptions.Abort()


def confirm_billed(models: Sequence[str], yes: bool, what: str) -> None:
    """Ask before something of unknown extent is sent to models that cost money.

    Args:
        models: specs of all that may be asked.
        yes: the user has agreed beforehand.
        what: what is sent, as a sentence goes on: "this question".

    Raises:
        UsageError: there is nobody to ask.
        click.exceptions.Abort: the answer is no.
    """
    from heartloop.models.kinds import kind_of

    billed = [m for m in models if (kind := kind_of(m)) is None or not kind.free]
    if yes or not billed:
        return
    words = f"{what} is billed ({', '.join(billed)})"
    if not sys.stdin.isatty():
        raise UsageError(f"{words}; nothing was sent. Without a terminal add --yes")
    if not click.confirm(f"{words[0].upper()}{words[1:]}. Go on?", err=True):
        raise click.exceptions.Abort()


def confirm_rest(prepared: Any, folder: Any, yes: bool) -> None:
    """Ask before the rest of a run is sent, with what of it is paid already.

    Raises:
        UsageError: a cap cannot hold, or there is nobody to ask.
        click.exceptions.Abort: the answer is no.
    """
    from heartloop.run.estimate import estimate
    from heartloop.run.state import run_state
    from heartloop.run.totals import paid_in

    whole = estimate(prepared).to_dict()
    if yes or not whole["costs_money"] or run_state(folder).whole:
        return
    paid = paid_in(folder)["cost"] or 0.0
    rest = {k: None if whole[k] is None else max(0.0, whole[k] - paid) for k in ("usd", "usd_most")}
    confirm_cost({**whole, **rest}, yes, "the rest of this run")
