"""The plots and tables of one run, section by section."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from heartloop.analysis import ABSENT, CORRECT, ERROR, UNSCORED
from heartloop.analysis.contrasts import level_interval, level_of
from heartloop.report import svg, tracks
from heartloop.report.align import align, attempt_values
from heartloop.report.arms import Entry, is_treatment
from heartloop.report.html import figure, folded, note, table
from heartloop.report.rows import label_of
from heartloop.report.samples import groups_of, metric_words, only_tasks, sampled
from heartloop.report.samples import stack as stack_arms
from heartloop.run.layout import Summary
from heartloop.run.repeats import NAMES, repeat_lines

MANY = svg.SERIES


def percent(value: float | None) -> str:
    """A share as a percentage."""
    return "–" if value is None else f"{100 * value:.1f}"


def name_of(entry: Entry) -> str:
    """An arm's label within its run."""
    return label_of(entry, False)


def stack(entry: Entry, name: str) -> np.ndarray:
    """An array of an entry over all its tasks."""
    return np.concatenate([getattr(part, name) for part in entry.parts.values()])


def clusters(entry: Entry) -> np.ndarray:
    """One label a question, unique over tasks."""
    return np.array([f"{t}\t{c}" for t, part in entry.parts.items() for c in part.clusters])


def results_section(found: Sequence[Entry]) -> str:
    """The own metric of every arm on every task or suite, read every way, with its cost."""
    rows: list[list[str]] = []
    strong = []
    units = groups_of(found[0].run.manifest)
    for unit, tasks in units.items():
        for entry in (only_tasks(x, tasks) for x in found):
            table_of = stack_arms([entry], entry.run.manifest) if entry.parts else None
            if table_of is None:
                continue
            one, aligned, _ = table_of
            codes = aligned.stack(0, "outcomes")
            asked, read = codes != ABSENT, codes > UNSCORED
            scored = sampled(aligned, [0], read, entry.run.manifest) if read.any() else None
            n = max(1, int(asked.sum()))
            caps, tries = stack(entry, "cap_hits").sum(), max(1, stack(entry, "attempts").sum())
            if is_treatment(entry):
                strong.append(len(rows))
            rows.append([
                *([unit] if len(units) > 1 else []), name_of(entry), entry.role,
                f"{one.own.shape[1]:,}", percent(level_of(one, 0)),
                limits(level_interval(one, 0)), percent(level_of(scored, 0) if scored else None),
                percent(level_of(replace(one, own=one.content), 0)),
                percent(float((codes == UNSCORED).sum() / n)),
                percent(float((codes == ERROR).sum() / n)),
                percent(float(caps / tries)), f"{stack(entry, 'calls').sum() / n:.1f}",
                f"{stack(entry, 'tokens').sum() / n:,.0f}",
            ])  # fmt: skip
    heads = [*(["task"] if len(units) > 1 else []), "arm", "role", "questions", "own metric %",
             "95 % CI", "of scored %", "content %", "unscored %", "error %", "cap hits %",
             "calls/question", "tokens/question"]  # fmt: skip
    every = [t for tasks in units.values() for t in tasks]
    words = metric_words(found[0].run.manifest, every).rpartition(", mean of")[0]
    words = words or metric_words(found[0].run.manifest, every)
    caption = f"Own metric: {words}; unread answers and errors count as 0"
    return table(heads, rows, strong=strong, caption=caption)


def limits(interval: tuple[float, float]) -> str:
    """An interval as percentages."""
    return f"[{percent(interval[0])}, {percent(interval[1])}]"


def judged_table(summary: Summary) -> str:
    """Headline figures of judged tasks by arm, and how far the judges of a panel agree."""
    from heartloop.run.judged import JUDGED

    rows, pairs = [], []
    axes = sorted(
        {a for r in summary.get("arms", ()) for a in (r.get("judged") or {}).get("ratings", {})}
    )
    for arm in summary.get("arms", ()):
        judged = arm.get("judged") or {}
        if judged:
            rows.append(
                [arm["task"], arm["arm"], *(percent(judged.get(name)) for name in JUDGED)]
                + [
                    f"{mean:.2f}"
                    if (mean := judged.get("ratings", {}).get(axis)) is not None
                    else "–"
                    for axis in axes
                ]
            )
    for pair in summary.get("panel", ()):
        kappa = "–" if pair["kappa"] is None else f"{pair['kappa']:.2f}"
        pairs.append(
            [
                " and ".join(pair["judges"]),
                pair["task"],
                pair["axis"],
                percent(pair["equal"]),
                kappa,
                str(pair["n"]),
            ]
        )
    out = ""
    if rows:
        used = [i for i in range(len(rows[0])) if any(row[i] != "–" for row in rows)]
        heads = [
            "task",
            "arm",
            *(f"{words} %" for words in JUDGED.values()),
            *(f"{a}, mean 1 to 5" for a in axes),
        ]
        out += note("What the judge's labels add up to:")
        out += table([heads[i] for i in used], [[row[i] for i in used] for row in rows])
    if pairs:
        out += note("How far the judges of the panel agree:")
        out += table(["judges", "task", "axis", "equal %", "Cohen's κ", "n"], pairs)
    return out


def compute_section(found: Sequence[Entry]) -> str:
    """Equal-compute curves: the own metric against tokens a question."""
    from heartloop.analysis import compute_curve

    parts = []
    for model in dict.fromkeys(x.model for x in found):
        own = [x for x in found if x.model == model]
        longer = [x for x in own if int(stack(x, "calls").max()) > 1]
        if not longer:
            continue
        chosen = (longer + [x for x in own if x not in longer])[:MANY]
        data = []
        for entry in chosen:
            aligned = align([entry])
            assert aligned is not None
            data.append(attempt_values(aligned, 0))
        series, rows = [], []
        for entry, attempts in zip(chosen, data, strict=True):
            curve = compute_curve(attempts, _grid(attempts.cost), draws=400)
            y = [100 * v for v in curve.accuracy]
            low, high = ([100 * v for v in side] for side in (curve.low, curve.high))
            if not is_treatment(entry) and entry.role != "resample":
                low = high = []
            series.append(svg.Series(name_of(entry), curve.budget, y, low, high, step=True))
            rows.append([name_of(entry), f"{curve.spent[-1]:,.0f}", f"{curve.budget[-1]:,.0f}",
                         percent(curve.accuracy[-1]), percent(curve.area)])  # fmt: skip
        caption = (
            "Own metric (raw where it is normalised) if every question had been stopped at this "
            "many tokens (prompt, completion and reasoning, everything the arm asked). Left of the "
            "cheapest first answer it is 0. Bands: 95 % bootstrap over questions, of treatments "
            "and draws."
        )
        heads = ["arm", "mean tokens/question", "largest", "own metric at the end %",
                 "area under its own curve %"]  # fmt: skip
        plot = svg.lines(series, f"Own metric against tokens, {model}", "tokens a question (cap)")
        parts.append(figure(plot, caption, table(heads, rows)))
    return "".join(parts)


def _grid(costs: np.ndarray) -> np.ndarray:
    """Budgets where attempts are many, so that the many first answers are not thinned away."""
    return np.unique(np.quantile(costs, np.linspace(0, 1, 120), method="nearest"))


def outcomes_section(found: Sequence[Entry]) -> str:
    """Outcome classes, reasons of unscored answers, cap hits."""
    names = ("correct", "incorrect", "unscored", "error")
    bars, rows = [], []
    for entry in found:
        codes = stack(entry, "outcomes")
        counts = [int((codes == code).sum()) for code in (1, 0, -1, -2)]
        total = max(1, sum(counts))
        bars.append((name_of(entry), [c / total for c in counts]))
        reasons = stack(entry, "reasons").reshape(-1)
        why = {r: int((reasons == r).sum()) for r in sorted({str(x) for x in reasons if x})}
        caps, tries = int(stack(entry, "cap_hits").sum()), int(stack(entry, "attempts").sum())
        rows.append([
            name_of(entry), *(f"{c:,}" for c in counts),
            ", ".join(f"{k} {v}" for k, v in why.items()) or "–",
            f"{caps:,} of {tries:,} answers ({100 * caps / max(1, tries):.1f} %)",
        ])  # fmt: skip
    heads = ["arm", *names, "why unscored", "cap hits"]
    return tracks.shares(
        bars, names, caption="What became of the answers that were handed in"
    ) + folded("the numbers, and why answers could not be read", table(heads, rows))


def repeats_table(summary: Any) -> str:
    """pass@k, pass^k, maj@k and best@k of the arms whose questions have several draws."""
    rows = repeat_lines((summary or {}).get("arms", ()))
    if not rows:
        return ""
    return table(
        ["arm", "k", *(f"{name} %" for name in NAMES.values())], rows,
        caption="Several independent answers: right at least once, each time, by vote (95 % CI)",
    )  # fmt: skip


def cost_section(found: Sequence[Entry], summary: Any) -> str:
    """What it took: arms as if run alone, and what was really paid."""
    rows = []
    for entry in found:
        n = max(1, int((stack(entry, "outcomes") != ABSENT).sum()))
        tokens, calls = int(stack(entry, "tokens").sum()), int(stack(entry, "calls").sum())
        right = int((stack(entry, "outcomes") == CORRECT).sum())
        cost = stack(entry, "cost")
        dollars = None if np.isnan(cost).all() else float(np.nansum(cost))
        rows.append([
            name_of(entry), f"{calls:,}", f"{tokens:,}", f"{tokens / n:,.0f}",
            f"{tokens / right:,.0f}" if right else "–",
            f"{stack(entry, 'seconds').sum() / n:.2f}",
            "–" if dollars is None else f"${dollars:,.4f}",
        ])  # fmt: skip
    heads = ["arm", "calls", "tokens", "tokens/question", "tokens a right answer",
             "seconds/question", "dollars"]  # fmt: skip
    body = table(heads, rows, caption="Each arm as if it had been run alone")
    paid = (summary or {}).get("paid")
    if paid:
        t = paid["tokens"]
        price = f", ${paid['cost']:,.4f}" if paid.get("cost") is not None else ""
        body += note(
            f"Really paid, calls that arms share counted once: {paid['calls']:,} calls, "
            f"{t['prompt']:,} prompt tokens ({t['cached']:,} cached) and {t['completion']:,} "
            f"completion tokens ({t['reasoning']:,} reasoning){price}, in "
            f"{summary['wall_s']:,.0f} seconds."
        )
    return body
