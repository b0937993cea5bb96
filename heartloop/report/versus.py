"""Arms against their controls on the page: the forest plot, its tables, the heat map by task."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heartloop.analysis import ABSENT, CORRECT
from heartloop.report import svg
from heartloop.report.align import align
from heartloop.report.arms import Entry, controls_of, is_treatment
from heartloop.report.figures import name_of, percent
from heartloop.report.html import e, figure, note, table
from heartloop.report.shapes import Study
from heartloop.report.tables import equal_cells, equal_heads
from heartloop.report.writing import p_value, points, span


def forest_section(study: Study) -> str:
    """Every arm against its controls."""
    rows = study.rows
    if not rows:
        return ""
    plot = svg.forest(
        [
            svg.ForestRow(
                f"{r.arm} − {r.control}",
                100 * r.comparison.difference,
                100 * r.comparison.low,
                100 * r.comparison.high,
                f"{points(r.comparison.difference)} "
                f"{span(r.comparison.low, r.comparison.high)}  p {p_value(r.comparison.p_holm)}",
                r.control_role == rows[0].control_role,
            )
            for r in rows[:60]
        ],
        100 * study.margin,
        "Differences of arms against controls with intervals",
    )
    heads = [
        "arm − control", "n", "arm %", "control %", "difference", "95 % CI", "p Holm", "",
        "p", "p BH", "exact p", "TOST p", "Cohen's h", "of scored", "content",
    ]  # fmt: skip
    lines = [
        [
            f"{r.arm} − {r.control}", f"{r.comparison.questions:,}",
            points(r.comparison.a.of_all.estimate, False),
            points(r.comparison.b.of_all.estimate, False),
            points(r.comparison.difference), span(r.comparison.low, r.comparison.high),
            p_value(r.comparison.p_holm), "⚑" if r.flips else "",
            p_value(r.comparison.p), p_value(r.comparison.p_bh), p_value(r.comparison.p_exact),
            p_value(r.comparison.equivalence.p), f"{r.comparison.cohens_h:+.2f}",
            points(r.comparison.of_scored.difference), points(r.content_difference),
        ]
        for r in rows
    ]  # fmt: skip
    main = [i for i, r in enumerate(rows) if r.control_role == rows[0].control_role]
    data = table(heads, lines, strong=main)
    caption = (
        f"Paired differences in points with {study.level:.0%} intervals; p adjusted over the "
        f"{len(rows)} comparisons (Holm). Shaded: the region of no difference, "
        f"±{100 * study.margin:g} points. Unscored answers and errors count as not right."
    )
    parts = [figure(plot, caption), data]
    if any(r.flips for r in rows):
        parts.append(note("⚑ own metric and content lead to different conclusions."))
    for best in study.best:
        b = best.best
        parts.append(
            "<p><strong>Winner's curse.</strong> "
            + e(
                f"Best of {len(best.arms)} against {best.control}: {best.name}, "
                f"{points(b.selected_maximum)} points on the questions that chose it (selected "
                f"maximum, biased upwards; arms without any effect would show "
                f"{points(b.noise_maximum)}). Held out: {points(b.held_out.gain)} "
                f"{span(b.held_out.low, b.held_out.high)}; cross-fitted: "
                f"{points(b.cross_fitted.gain)} {span(b.cross_fitted.low, b.cross_fitted.high)}"
                + (
                    f"; chosen on other tasks: {points(b.over_tasks.gain)} "
                    f"{span(b.over_tasks.low, b.over_tasks.high)}"
                    if b.over_tasks
                    else ""
                )
                + "."
            )
            + "</p>"
        )
    if study.classes:
        parts.append(
            table(
                ["stimulus class − control", "wordings", "groups", "difference", "95 % CI", "p"],
                [
                    [f"{c.label} − {c.control}", str(c.effect.wordings),
                     f"{c.effect.groups} {c.unit}", points(c.effect.estimate),
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
                [equal_cells(*row) for row in equal],
                caption="The dearer arm cut where both spend the same a question",
            )
        )
    return "".join(parts)


def tasks_section(found: Sequence[Entry], study: Study) -> str:
    """Heat map of differences by task, for suites and other runs of several tasks."""
    tasks = list(dict.fromkeys(t for entry in found for t in entry.parts))
    if len(tasks) < 2 or not study.rows:
        return ""
    parts = []
    for model in dict.fromkeys(entry.model for entry in found):
        own = [entry for entry in found if entry.model == model]
        treatments = [entry for entry in own if is_treatment(entry)]
        if not treatments or not controls_of(treatments[0], own):
            continue
        control = controls_of(treatments[0], own)[0]
        others = [entry for entry in own if entry is not control]
        head = "".join(f'<th scope="col">{e(name_of(x))}</th>' for x in others)
        body = []
        sums: dict[str, list[float]] = {}
        for task in tasks:
            cells = []
            for entry in others:
                gap = _gap(entry, control, task)
                if gap is not None:
                    sums.setdefault(entry.arm, []).append(gap)
                cells.append(_cell(gap))
            base = control.parts.get(task)
            level = "–" if base is None else percent(float((base.outcomes == CORRECT).mean()))
            body.append(f'<tr><th scope="row">{e(task)}</th><td>{level}</td>{"".join(cells)}</tr>')
        means = "".join(_cell(float(np.mean(sums[x.arm])) if x.arm in sums else None)
                        for x in others)  # fmt: skip
        body.append(f'<tr class="main"><th scope="row">mean over tasks</th><td></td>{means}</tr>')
        parts.append(
            note(
                f"{model}: points above (blue) or below (orange) {name_of(control)}, whose "
                "accuracy in % is in the first column; paired on shared questions. One task alone "
                "is noisy: read the mean, not single cells."
            )
            + '<div class="scroll" tabindex="0" role="region" aria-label="heat map by task">'
            f'<table class="heat"><thead><tr><th scope="col">task</th>'
            f'<th scope="col">{e(name_of(control))} %</th>{head}</tr></thead>'
            f"<tbody>{''.join(body)}</tbody></table></div>"
        )
    return "".join(parts)


def _gap(entry: Entry, control: Entry, task: str) -> float | None:
    if task not in entry.parts or task not in control.parts:
        return None
    aligned = align([Entry(x.run, x.model, x.arm, {task: x.parts[task]}) for x in (entry, control)])
    if aligned is None:
        return None
    a, b = aligned.stack(0, "outcomes"), aligned.stack(1, "outcomes")
    both = (a != ABSENT) & (b != ABSENT)
    if not both.any():
        return None
    return float(((a == CORRECT)[both].astype(float) - (b == CORRECT)[both]).mean())


def _cell(gap: float | None) -> str:
    if gap is None:
        return "<td>–</td>"
    size = 100 * abs(gap)
    level = sum(size >= limit for limit in (1.5, 4, 8, 16))
    css = "h-0" if level == 0 else f"h-{'d' if gap > 0 else 'e'}{level}"
    return f'<td class="{css}">{points(gap)}</td>'
