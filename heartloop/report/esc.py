"""The preference-bias part of a report: bars of p by stage, confusion heat map, drift lines.

Only labels and counts are shown, never a text. Everything is inline SVG in the page's own classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from heartloop.analysis.preference import STAGES, preference_scores
from heartloop.errors import UsageError
from heartloop.report.html import e, figure, folded, note, table
from heartloop.report.svg import _frame, _line, _text, short, ticks
from heartloop.run.folder import RunFolder
from heartloop.run.layout import Manifest
from heartloop.run.predictions import Predictions, load_predictions
from heartloop.run.preference_bias import Analysis, analyse, published

MOST_ARMS = 8
VERIFIER = "esconv"


def is_support_run(manifest: Manifest) -> bool:
    """Whether a run has a task whose answers are support strategies."""
    tasks = manifest["tasks"]
    assert isinstance(tasks, list)
    return any(t["verifier"] == VERIFIER for t in tasks)


def esc_section(folder: RunFolder | Path, *, draws: int = 400) -> str:
    """The HTML of one run's preference-bias analysis; empty for runs without support tasks.

    Golds are read from the data again; where they are not at hand the part says so.

    Args:
        folder: the run folder.
        draws: bootstrap resamples of conversations.
    """
    run = folder if isinstance(folder, RunFolder) else RunFolder(Path(folder))
    if not is_support_run(run.manifest):
        return ""
    try:
        found = load_predictions(run)
    except UsageError as error:
        return note(f"The preference-bias analysis is not here: {error}")
    shown = [analyse(one, draws=draws) for one in found[:MOST_ARMS] if len(one.keys)]
    parts = [_table(shown)]
    if len(found) > MOST_ARMS:
        parts.append(note(f"{len(found) - MOST_ARMS} more arms: heartloop esc {run.name}"))
    for number, one in enumerate(shown):
        drawn = _bars(one) + _heat(one)
        parts.append(drawn if number < 2 else folded(_name(one.of, True), drawn))
    moving = [one for one in shown if one.drift is not None]
    if moving:
        parts.append(_drift(moving))
    return "".join(parts)


def _name(found: Predictions, several: bool) -> str:
    return f"{found.arm} [{found.model}]" if several else found.arm


def _table(shown: Sequence[Analysis]) -> str:
    several = len({one.of.model for one in shown}) > 1 or len({one.of.task for one in shown}) > 1
    rows = []
    for one in shown:
        r = one.report
        low, high = r.bias_interval or (r.preference.bias, r.preference.bias)
        rows.append(
            [
                f"{one.of.task}: {_name(one.of, several)}",
                str(r.items),
                str(r.unread),
                f"{100 * r.accuracy:.1f}",
                f"{100 * r.macro:.2f}",
                f"{r.preference.bias:.2f} [{low:.2f}, {high:.2f}]",
                f"{r.bias_balanced:.2f}",
            ]
        )
    heads = ["arm", "items", "unread", "accuracy %", "Q %", "B, 95 % CI", "B adjusted"]
    if shown:
        r = shown[0].report
        for name, ref in (("uniform", r.uniform), ("gold-marginal", r.gold_marginal)):
            span = f"{ref.mean:.2f} [{ref.low:.2f}, {ref.high:.2f}]"
            rows.append(
                [f"random predictor, {name}", str(r.items), "", "", f"{100 * ref.macro:.2f}", span]
                + [""]
            )
        for label, macro, bias in published(r.labels):
            rows.append(
                [f"published, other test sets: {label}", "", "", "", f"{macro:.2f}"]
                + ["" if bias is None else f"{bias:.2f}", ""]
            )
    words = (
        "Q: macro-F1. B: preference bias, 0 where the predicted counts equal the gold counts. "
        "Published rows (Kang et al. 2024) are reference values on other items."
    )
    return table(heads, rows, caption=words)


def stage_preferences(found: Predictions) -> dict[str, np.ndarray]:
    """Preference p of each label within each stage's set."""
    out = {}
    for stage in STAGES:
        rows = found.stages == stage
        if not rows.any():
            continue
        width = len(found.labels)
        w = np.zeros((width + 1, width))
        given = np.where(found.final[rows] < 0, width, found.final[rows])
        np.add.at(w, (given, found.gold[rows]), 1)
        out[stage] = preference_scores(w)
    return out


def _bars(one: Analysis) -> str:
    """Bars of p with intervals, and a mark for each stage's own p."""
    report = one.report
    by_stage = stage_preferences(one.of)
    left, plot, pitch, top = 230.0, 520.0, 30.0, 34.0
    values = [*report.preference.p, *(v for p in by_stage.values() for v in p)]
    values += [high for _, high in report.p_interval or ()]
    most = max(2.0, *values)
    bottom = top + pitch * len(report.labels)

    def at(value: float) -> float:
        return left + plot * value / most

    body = [
        part
        for tick in ticks(0, most)
        for part in (
            _line(at(tick), top - 6, at(tick), bottom, "grid"),
            _text(at(tick), bottom + 16, f"{tick:g}", "middle", "tick"),
        )
    ]
    for i, label in enumerate(report.labels):
        y = top + pitch * i
        p = report.preference.p[i]
        words = f"{label}: p = {p:.2f}"
        body.append(_text(left - 8, y + 17, short(label, 30), "end"))
        body.append(
            f'<rect x="{left:.1f}" y="{y + 5:.1f}" width="{max(at(p) - left, 0.5):.1f}" '
            f'height="16" class="mark s0" fill-opacity="0.55"><title>{e(words)}</title></rect>'
        )
        if report.p_interval:
            low, high = report.p_interval[i]
            body.append(_line(at(low), y + 13, at(high), y + 13, "whisker"))
        for n, (stage, found) in enumerate(by_stage.items(), start=1):
            words = f"{label}, {stage}: p = {found[i]:.2f}"
            body.append(
                f'<circle cx="{at(float(found[i])):.1f}" cy="{y + 13:.1f}" r="4.2" '
                f'class="mark s{n}"><title>{e(words)}</title></circle>'
            )
    body.append(_line(at(1), top - 6, at(1), bottom, "zero"))
    x = left
    for n, stage in enumerate(by_stage, start=1):
        body.append(f'<circle cx="{x + 5:.1f}" cy="14" r="4.2" class="mark s{n}"/>')
        body.append(_text(x + 14, 18, stage, "start", "tick"))
        x += 30 + 7.2 * len(stage)
    name = _name(one.of, True)
    svg = _frame(left + plot + 20, bottom + 26, f"preference by label, {name}", body)
    heads = ["label", "p", "95 % CI", *by_stage, "F1"]
    rows = []
    for i, label in enumerate(report.labels):
        span = report.p_interval[i] if report.p_interval else None
        rows.append(
            [
                label,
                f"{report.preference.p[i]:.3f}",
                "" if span is None else f"{span[0]:.2f} to {span[1]:.2f}",
                *(f"{p[i]:.3f}" for p in by_stage.values()),
                f"{report.f1[i]:.3f}",
            ]
        )
    caption = (
        f"{one.of.task}, {name}: preference p of each label (bar, with 95 % interval over "
        "conversations) and within each stage (dots; far out where a stage hardly calls for a "
        "label). p = 1: as often as called for; above: preferred."
    )
    return figure(svg, caption, table(heads, rows))


def _heat(one: Analysis) -> str:
    """Heat map of the confusion matrix; shades are shares of each gold column."""
    labels = one.of.labels
    names = (*labels, "(unread)")
    left, top, cell = 230.0, 40.0, 72.0
    total = np.maximum(one.confusion.sum(axis=0), 1)
    body = []
    for j, label in enumerate(labels):
        x = left + cell * (j + 0.5)
        body.append(_text(x, 18, short(label, 9), "middle", "tick"))
        body.append(_text(x, 32, f"n = {int(one.confusion[:, j].sum())}", "middle", "tick"))
    for i, name in enumerate(names):
        y = top + 30 * i
        body.append(_text(left - 8, y + 20, short(name, 30), "end"))
        for j, label in enumerate(labels):
            count = int(one.confusion[i, j])
            share = count / total[j]
            words = f"predicted {name}, gold {label}: {count} ({share:.0%})"
            body.append(
                f'<rect x="{left + cell * j + 1:.1f}" y="{y + 1:.1f}" width="{cell - 2:.1f}" '
                f'height="28" class="mark s0" fill-opacity="{0.04 + 0.7 * share:.3f}">'
                f"<title>{e(words)}</title></rect>"
            )
            css = "strong" if i == j else ""
            body.append(_text(left + cell * (j + 0.5), y + 20, str(count), "middle", css))
    name = _name(one.of, True)
    height = top + 30 * len(names) + 8
    svg = _frame(left + cell * len(labels) + 16, height, f"confusions, {name}", body)
    rows = [[n, *map(str, one.confusion[i].tolist())] for i, n in enumerate(names)]
    caption = (
        f"{one.of.task}, {name}: rows are predictions, columns golds, right answers in bold; the "
        "shade is the share of the column."
    )
    return figure(svg, caption, table(["predicted \\ gold", *labels], rows))


def _drift(moving: Sequence[Analysis]) -> str:
    """B by round of every arm that has rounds, and p by round of the first of them."""
    bias = [(_name(one.of, False), one.drift.bias) for one in moving if one.drift]
    out = [
        figure(
            _lines(bias, "preference bias B by round", "B"),
            "Preference bias B after each round of refinement.",
            table(["arm", *(f"round {r}" for r in range(max(len(b) for _, b in bias)))],
                  [[n, *(f"{v:.3f}" for v in b)] for n, b in bias]),
        )
    ]  # fmt: skip
    for one in moving:
        if one.drift is None or len(one.of.labels) > 8:
            continue
        columns = list(zip(*one.drift.p, strict=True))
        rows = list(zip(one.of.labels, columns, strict=True))
        told = one.drift.reinforcement
        words = "" if told is None else f" Correlation of p with its change: {told:.2f}."
        out.append(
            figure(
                _lines(rows, f"preference by round, {one.of.arm}", "p"),
                f"{one.of.arm}: preference p of each label after each round.{words}",
                table(["label", *(f"round {r}" for r in range(len(one.drift.p)))],
                      [[n, *(f"{v:.3f}" for v in p)] for n, p in rows]),
            )
        )  # fmt: skip
    return "".join(out)


def _lines(rows: Sequence[tuple[str, Sequence[float]]], title: str, unit: str) -> str:
    """Lines over rounds with their names at the right end, moved apart where they meet."""
    left, plot, top, bottom = 46.0, 480.0, 12.0, 290.0
    rounds = max(len(values) for _, values in rows)
    most = 1.05 * max(max(max(values) for _, values in rows), 0.1)

    def at(number: int, value: float) -> tuple[float, float]:
        x = left + plot * number / max(rounds - 1, 1)
        return x, bottom - (bottom - top) * value / most

    body = []
    for tick in ticks(0, most):
        _, y = at(0, tick)
        body += [
            _line(left, y, left + plot, y, "grid"),
            _text(left - 6, y + 4, f"{tick:g}", "end", "tick"),
        ]
    for number in range(rounds):
        body.append(_text(at(number, 0)[0], bottom + 16, str(number), "middle", "tick"))
    body.append(_text(left + plot / 2, bottom + 32, f"round ({unit})", "middle", "tick"))
    free = top - 8
    for i, (name, values) in sorted(enumerate(rows), key=lambda r: -r[1][1][-1]):
        points = [at(number, value) for number, value in enumerate(values)]
        path = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        body.append(f'<path d="M{path}" class="line s{i % 8}"/>')
        for (x, y), value in zip(points, values, strict=True):
            words = f"{name}: {value:.2f}"
            body.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.4" class="mark s{i % 8}">'
                f"<title>{e(words)}</title></circle>"
            )
        free = max(free + 15, points[-1][1] + 4)
        label = _text(left + plot + 12, free, short(name, 30), "start", f"name s{i % 8}")
        body.append(label)
    return _frame(left + plot + 240, max(bottom + 40, free + 10), title, body)
