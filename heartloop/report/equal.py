"""Two arms at equal spending: tokens, tokens that the model wrote, dollars where known."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from heartloop.errors import UsageError
from heartloop.report.align import Aligned, Cost, attempt_values, to_codes
from heartloop.report.arms import Entry
from heartloop.report.shapes import EqualSpending


def equal_spending(
    aligned: Aligned, codes: Sequence[np.ndarray], shared: np.ndarray, options: dict[str, Any]
) -> tuple[EqualSpending, ...]:
    """Arm and control where both spend the same a question: tokens first, then the others.

    Args:
        aligned: the two arms.
        codes: their outcomes, shape (questions, seeds) each.
        shared: where both were tried, same shape.
        options: clusters, margin, level and draws of the comparison.
    """
    wanted: list[tuple[str, list[Cost | None]]] = [
        ("tokens", [None, None]),
        ("completion tokens", [_completion, _completion]),
    ]
    prices = [_dollars(entry) for entry in aligned.entries]
    if all(price is not None for price in prices):
        wanted.append(("dollars", prices))
    return tuple(_equal(aligned, codes, shared, options, unit, costs) for unit, costs in wanted)


def _completion(steps: Any) -> np.ndarray:
    return np.asarray(steps.completion)


def _dollars(entry: Entry) -> Cost | None:
    """Dollars of each candidate by the price of the arm's model; None where nobody knows it."""
    from heartloop.calls.prices import load_prices, price_of

    own = None
    file = (entry.run.manifest["plan"].get("limits") or {}).get("prices")
    if file:
        with suppress(UsageError):  # the list may have gone since
            own = load_prices(Path(file))
    price = price_of(entry.model, own)
    if price is None or not price.prompt + price.completion:
        return None

    def cost(steps: Any) -> np.ndarray:
        prompt = steps.tokens - steps.completion
        return np.asarray(prompt * price.prompt + steps.completion * price.completion)

    return cost


def _equal(
    aligned: Aligned,
    codes: Sequence[np.ndarray],
    shared: np.ndarray,
    options: dict[str, Any],
    unit: str,
    costs: Sequence[Cost | None],
) -> EqualSpending:
    """Cut the dearer arm's journal so that both arms spend the same on average.

    The cap is an amount, the same for every question, chosen from spending alone: the one at which
    the mean spending is nearest to that of the cheaper arm.
    """
    from heartloop.analysis import break_even, compare_arms
    from heartloop.analysis.curves import budget_grid, step_table

    data = [attempt_values(aligned, i, cost) for i, cost in enumerate(costs)]
    totals = []
    for one in data:
        total = np.zeros(one.questions)
        np.maximum.at(total, one.question, one.cost)
        totals.append(total.reshape(aligned.questions, -1))
    spent = [float(total[shared].mean()) for total in totals]
    dear = int(spent[1] > spent[0])
    cheap = 1 - dear
    grid = budget_grid(data[dear])
    tables = step_table(data[dear], grid)
    means = tables[1].reshape(aligned.questions, -1, len(grid))[shared].mean(axis=0)
    at = int(np.abs(means - spent[cheap]).argmin())
    cut = [np.asarray(c) for c in codes]
    uncut = spent[dear] - spent[cheap] <= abs(means[at] - spent[cheap])
    if not uncut:
        cut[dear] = to_codes(tables[0][:, at], aligned.questions, shared)
        spent[dear] = float(means[at])
    return EqualSpending(
        unit=unit,
        cut="neither" if uncut else ("arm", "control")[dear],
        cap=None if uncut else float(grid[at]),
        spent_arm=spent[0],
        spent_control=spent[1],
        ratio=spent[0] / spent[1] if spent[1] else None,
        comparison=compare_arms(*cut, **{**options, "draws": 100}),
        break_even=break_even(data[0], data[1], draws=500) if unit == "tokens" else None,
    )
