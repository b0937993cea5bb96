"""The claim of a search: one treatment, held-out questions only, against none and its own placebo.

The race and its held-out test say which stimulus is worth using in place of none. Whether it is the
feeling is another question: the chosen stimulus's two placebo sentences are asked on the same
held-out questions, and the words are those of any other claim (`heartloop.analysis.words`).
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from heartloop.analysis.contrasts import sample
from heartloop.analysis.words import Roles, decide, measure
from heartloop.methods import placebo_arms
from heartloop.optimize.field import Field
from heartloop.optimize.order import asking_order
from heartloop.optimize.results import RaceOptions, RaceResult, RaceState

if TYPE_CHECKING:
    from heartloop.run.session import Session
    from heartloop.run.unit import LoadedTask
    from heartloop.types import Arm, Question


async def claim_of_winner(
    session: Session,
    items: Sequence[tuple[LoadedTask, Question]],
    leader: Arm,
    result: RaceResult,
    state: RaceState,
    options: RaceOptions,
    split: int | None = None,
) -> dict[str, Any] | None:
    """Ask the winner's own placebos on the held-out questions, and give it its word.

    Args:
        session: of the search.
        items: what was raced on, held-out questions included.
        leader: the winner.
        result: of the race.
        state: its scores.
        options: of the search; under a budget the placebos are not asked.
        split: how many of the questions the search could use; None where it drew its own.

    Returns:
        Plain data for ``search.json``; None where nothing was chosen, the winner is a control or
        says nothing of its own, or a budget is set.
    """
    size = result.held_out.questions
    capped = options.budget_calls is not None or options.budget_tokens is not None
    if result.chosen is None or leader.role != "treatment" or not leader.stimuli or capped:
        return None
    groups = [task.card.name for task, _ in items]
    held = asking_order(groups, options.seed, split)[-size:]
    arms = placebo_arms([leader])
    field = Field(session, arms, items, None)
    asked = await asyncio.gather(*(field(i, held) for i in range(len(arms))))
    known = [[state.scores[name].get(q) for q in held] for name in ("none", leader.name)]
    rows = [known[0], *(list(one.scores) for one in asked), known[1]]
    table = np.array([[np.nan if v is None else v for v in row] for row in rows], dtype=float)
    found = sample(table, None, [groups[q] for q in held])
    roles = Roles(len(rows) - 1, 0, tuple(range(1, len(rows) - 1)))
    (finding,) = decide(measure(found, [roles], margin=session.prepared.plan.margin))
    m = finding.measured
    assert m.placebo is not None
    return {
        "arm": leader.name,
        "placebos": [arm.stimuli[0].text for arm in arms],
        "questions": int(found.own.shape[1]),
        "calls": sum(one.calls for one in asked),
        "word": finding.word,
        "none": _plain(m.none),
        "placebo": _plain(m.placebo),
        "alone": list(m.alone),
        "p_works": finding.p_works,
        "p_plain": finding.p_plain,
    }


def _plain(difference: Any) -> dict[str, Any]:
    kept = ("estimate", "low", "high", "p")
    return {k: v for k, v in dataclasses.asdict(difference).items() if k in kept}
