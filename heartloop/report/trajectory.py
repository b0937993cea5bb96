"""The moods of dialogues: rows for the terminal, and lines for the report."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from heartloop.analysis.frames import Mean
from heartloop.errors import UsageError
from heartloop.report.html import figure, note, table
from heartloop.report.svg import Series, lines
from heartloop.report.writing import signed
from heartloop.run.folder import RunFolder
from heartloop.run.trajectories import (
    NAMES,
    Trajectories,
    TrajectoryTable,
    hysteresis_slopes,
    load_trajectories,
    trajectory_tables,
)

HEADS = ["arm", "of", *NAMES]
READING = (
    "Valence, −1 to 1. state: what the model was told (stateless: what was heard, told nothing); "
    "said: the mood of its answers. coherence: lag-1 autocorrelation; delay: turns until half way "
    "down; recovery: turns until back within a tenth of the depth, of those that came back; "
    "overshoot: beyond all that was heard; hysteresis: area between falling and rising branch over "
    "what was heard; noise adds to it, so hold it against stateless. ±: 95 % interval over scripts."
)


def rows_of(tables: Sequence[TrajectoryTable]) -> list[list[str]]:
    """Two rows an arm: its state, and what was said."""
    rows = []
    models = len({t.of.model for t in tables}) > 1
    for one in tables:
        name = f"{one.of.arm} [{one.of.model}]" if models else one.of.arm
        for what, found in (("state", one.state), ("said", one.said)):
            rows.append([name, what, *(_cell(found[n]) for n in NAMES)])
    return rows


def never_lines(tables: Sequence[TrajectoryTable]) -> list[str]:
    """Dialogues that did not come back, in words; they are not in the mean of the recovery."""
    shares = [
        f"{one.of.arm} {100 * one.never[0]:.0f} and {100 * one.never[1]:.0f} %"
        for one in tables
        if any(share > 0 for share in one.never)
    ]
    return [f"never back, state and said, of the dialogues: {', '.join(shares)}"] if shares else []


def slope_lines(found: Sequence[Trajectories]) -> list[str]:
    """The slope of hysteresis on μ, in words."""
    return [
        f"hysteresis on μ ({', '.join(f'{mu:g}' for mu in s['mu'])}; {s['at']}): "
        f"{_cell(s['slope'])} per unit"
        for s in hysteresis_slopes(found)
    ]


def _cell(mean: Mean) -> str:
    if math.isnan(mean.value):
        return "none"
    if math.isnan(mean.low):
        return signed(mean.value, 2).removeprefix("+")
    return f"{signed(mean.value, 2).removeprefix('+')}±{(mean.high - mean.low) / 2:.2f}"


def trajectory_section(folder: RunFolder) -> str:
    """Lines and table as HTML; empty for a run without dialogues, or without its data."""
    try:
        found = load_trajectories(folder)
    except UsageError:
        return ""
    turns = list(range(found[0].user.shape[1]))
    heard = Series("the user", turns, list(np.nanmean(found[0].user, axis=0)))
    parts = []
    for what, caption in (
        ("states", "The state by turn, mean over dialogues."),
        ("said", "The mood of what the model said, by turn."),
    ):
        drawn = [heard]
        for one in found[:7]:
            drawn.append(Series(one.arm, turns, list(np.nanmean(getattr(one, what), axis=0))))
        svg = lines(drawn, caption, "turn", whole=True, span=(-1.0, 1.0), unit="")
        parts.append(figure(svg, caption))
    tables = trajectory_tables(found)
    if tables:
        parts.append(table(HEADS, rows_of(tables)))
    parts += [note(line) for line in (*never_lines(tables), *slope_lines(found))]
    return "".join(parts) + note(READING)
