"""Two arms at equal spending: tokens, tokens that the model wrote, dollars where known."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from heartloop.analysis import ABSENT
from heartloop.errors import UsageError
from heartloop.report.align import Aligned, Cost, align, attempt_values
from heartloop.report.arms import Entry
from heartloop.report.samples import averaged, values
from heartloop.report.shapes import EqualSpending


def equal_spending(
    arm: Entry, control: Entry, *, margin: float, level: float, flips: int
) -> tuple[EqualSpending, ...]:
    """Arm and control where both spend the same a question: tokens first, then the others.

    Args:
        arm: on the tasks that are compared.
        control: on the same.
        margin: half-width of the region of equivalence.
        level: coverage.
        flips: random flips of the tests.
    """
    aligned = align((arm, control))
    assert aligned is not None
    wanted: list[tuple[str, list[Cost | None]]] = [
        ("tokens", [None, None]),
        ("completion tokens", [_completion, _completion]),
    ]
    prices = [_dollars(entry) for entry in aligned.entries]
    if all(price is not None for price in prices):
        wanted.append(("dollars", prices))
    options: dict[str, Any] = {"margin": margin, "level": level, "flips": flips}
    return tuple(_equal(aligned, options, unit, costs) for unit, costs in wanted)


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
    aligned: Aligned, options: dict[str, Any], unit: str, costs: Sequence[Cost | None]
) -> EqualSpending:
    """Cut the dearer arm's journal so that both arms spend the same on average.

    The cap is an amount, the same for every question, chosen from spending alone: the one at which
    the mean spending is nearest to that of the cheaper arm.
    """
    from heartloop.analysis import break_even
    from heartloop.analysis.contrasts import contrasts, level_of
    from heartloop.analysis.curves import budget_grid, step_table

    codes = [aligned.stack(i, "outcomes") for i in (0, 1)]
    tried = (codes[0] != ABSENT) & (codes[1] != ABSENT)
    own = [values(c, aligned.stack(i, "scores")) for i, c in enumerate(codes)]
    data = [attempt_values(aligned, i, cost) for i, cost in enumerate(costs)]
    spent = []
    for one in data:
        total = np.zeros(one.questions)
        np.maximum.at(total, one.question, one.cost)
        spent.append(float(total.reshape(tried.shape)[tried].mean()))
    dear = int(spent[1] > spent[0])
    cheap = 1 - dear
    grid = budget_grid(data[dear])
    worth, paid = (t.reshape(*tried.shape, len(grid)) for t in step_table(data[dear], grid))
    means = paid[tried].mean(axis=0)
    at = int(np.abs(means - spent[cheap]).argmin())
    uncut = spent[dear] - spent[cheap] <= abs(means[at] - spent[cheap])
    if not uncut:
        own[dear] = worth[:, :, at]
        spent[dear] = float(means[at])
    found = averaged(aligned, own, None, tried, aligned.entries[1].run.manifest)
    return EqualSpending(
        unit=unit,
        cut="neither" if uncut else ("arm", "control")[dear],
        cap=None if uncut else float(grid[at]),
        spent_arm=spent[0],
        spent_control=spent[1],
        ratio=spent[0] / spent[1] if spent[1] else None,
        own_arm=level_of(found, 0),
        own_control=level_of(found, 1),
        difference=contrasts(found, [1.0, -1.0], **options)[0],
        break_even=break_even(data[0], data[1], draws=500) if unit == "tokens" else None,
    )
