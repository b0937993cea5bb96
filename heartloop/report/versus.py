"""Arms against their controls on the page: every pair with every test, and the heat map by task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from heartloop.report.arms import Entry, Loaded, entries
from heartloop.report.html import e, note, table
from heartloop.report.ranking import Row, ranked
from heartloop.report.samples import bounds_of, values
from heartloop.report.shapes import Row as Pair
from heartloop.report.shapes import Study
from heartloop.report.tables import equal_cells, equal_heads
from heartloop.report.units import Findings, Unit
from heartloop.report.writing import p_value, points, signed, span

if TYPE_CHECKING:
    from heartloop.analysis.selection import HonestEstimate


def pairs(study: Study) -> str:
    """Every arm against each of its controls, with every test."""
    rows = study.rows
    if not rows:
        return ""
    units = len({r.unit for r in rows}) > 1
    heads = [
        *(["task"] if units else []), "arm − control", "n", "arm %", "control %", "difference",
        f"{study.level:.0%} CI", "p Holm", "", "p", "p BH", "exact p", "TOST p", "Cohen's h",
        "of scored", "content",
    ]  # fmt: skip
    parts = [
        note(
            "Paired differences in points on each task's own metric; intervals hold and p is "
            f"adjusted (Holm) over the {len(rows)} rows. Unread answers and errors count as 0. "
            "Exact p and Cohen's h: where the metric is right or not."
        )
    ]
    for metric in dict.fromkeys(r.metric for r in rows):
        mine = [r for r in rows if r.metric == metric]
        main = [i for i, r in enumerate(mine) if r.control_role == rows[0].control_role]
        lines = [[*([r.unit] if units else []), *_cells(r)] for r in mine]
        parts.append(table(heads, lines, strong=main, caption=f"Own metric: {metric}"))
    if any(r.flips for r in rows):
        parts.append(note("⚑ own metric and content lead to different conclusions."))
    if study.best:
        parts.append(
            table(
                ["best arm", "against", "on the questions that chose it", "if nothing worked",
                 "held out", "cross-fitted", "chosen on other tasks"],
                [
                    [f"{x.name} of {len(x.arms)}, {x.unit}", x.control,
                     points(x.best.selected_maximum), points(x.best.noise_maximum),
                     _gain(x.best.held_out), _gain(x.best.cross_fitted), _gain(x.best.over_tasks)]
                    for x in study.best
                ],
                caption="The best of several looks better than it is (winner's curse): what is "
                "left of it on questions that did not choose it",
            )
        )  # fmt: skip
    if study.classes:
        parts.append(
            table(
                ["stimulus class − control", "wordings", "groups", "difference", "95 % CI", "p"],
                [
                    [f"{c.label} − {c.control}, {c.unit}", str(c.effect.wordings),
                     f"{c.effect.groups} {c.sample}", points(c.effect.estimate),
                     span(c.effect.low, c.effect.high), p_value(c.effect.p)]
                    for c in study.classes
                ],
                caption="Classes of stimuli: the wordings are a sample of what might be said",
            )
        )  # fmt: skip
    equal = [(r, one) for r in rows for one in r.equal]
    if equal:
        parts.append(
            table(
                equal_heads(study),
                [equal_cells(*row, study) for row in equal],
                caption="The dearer arm cut where both spend the same a question: it hands in its "
                "latest answer, draws their vote, whatever selector the run had",
            )
        )
    return "".join(parts)


def _cells(r: Pair) -> list[str]:
    d, c = r.difference, r.counts
    return [
        f"{r.arm} − {r.control}", f"{r.questions:,}", points(r.own_arm, False),
        points(r.own_control, False), points(d.estimate), span(d.low, d.high),
        p_value(r.compared.p_holm), "⚑" if r.flips else "", p_value(d.p), p_value(r.p_bh),
        p_value(c.p_exact) if c else "–", p_value(r.compared.p_equal),
        signed(c.cohens_h, 2) if c else "–", points(r.scored.estimate if r.scored else None),
        points(r.content.estimate),
    ]  # fmt: skip


def _gain(found: HonestEstimate | None) -> str:
    return "–" if found is None else f"{points(found.gain)} {span(found.low, found.high)}"


def tasks_section(run: Loaded, found: Sequence[Findings]) -> str:
    """Heat map by task in each task's own metric, for suites: differences to the plain prompt."""
    parts = []
    for one in found:
        mine = {x.arm: x for x in entries(run) if x.model == one.model}
        for unit in one.units:
            rows = [r for r in ranked(unit) if r.difference]
            plain = next((r for r in ranked(unit) if r.figures.role == "none"), None)
            if len(unit.tasks) < 2 or not rows or plain is None or unit.silent:
                continue
            levels = _levels(mine[plain.arm], unit.tasks, bounds_of(run.manifest))
            parts.append(_heat(f"{unit.name}, {one.model}", unit, rows, levels))
    return "".join(parts)


def _levels(
    entry: Entry, tasks: Sequence[str], bounds: Mapping[str, tuple[float, float]]
) -> list[float]:
    """The entry's level in each task, in the task's own metric."""
    out = []
    for task in tasks:
        part = entry.parts[task]
        low, high = bounds.get(task, (0.0, 1.0))
        level = float(np.nanmean(values(part.outcomes, part.scores)))
        out.append((level - low) / (high - low))
    return out


def _heat(name: str, unit: Unit, rows: Sequence[Row], levels: Sequence[float]) -> str:
    heads = "".join(f'<th scope="col">{e(r.arm)}</th>' for r in rows)
    body = []
    for i, task in enumerate(unit.tasks):
        cells = "".join(_cell(r.difference.by_task[i]) for r in rows if r.difference)
        short = task.rpartition("/")[2]
        body.append(
            f'<tr><th scope="row">{e(short)}</th><td>{points(levels[i], False)}</td>{cells}</tr>'
        )
    means = "".join(_cell(r.difference.estimate) for r in rows if r.difference)
    mean = points(float(np.mean(levels)), False)
    body.append(f'<tr class="main"><th scope="row">mean</th><td>{mean}</td>{means}</tr>')
    return (
        note(
            f"{name}: points above (blue) or below (orange) the plain prompt, in each task's own "
            "measure; the first column is the plain prompt itself. One task alone is noisy: read "
            "the mean, not single cells."
        )
        + '<div class="scroll" tabindex="0" role="region" aria-label="heat map by task">'
        '<table class="heat"><thead><tr><th scope="col">task</th>'
        f'<th scope="col">plain</th>{heads}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _cell(gap: float | None) -> str:
    if gap is None:
        return "<td>–</td>"
    size = 100 * abs(gap)
    level = sum(size >= limit for limit in (1.5, 4, 8, 16))
    css = "h-0" if level == 0 else f"h-{'d' if gap > 0 else 'e'}{level}"
    return f'<td class="{css}">{points(gap)}</td>'
