"""The plots and tables of one run, section by section."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from heartloop.analysis import ABSENT, CODES, CORRECT
from heartloop.report import svg, tracks
from heartloop.report.align import align, attempt_values
from heartloop.report.arms import Entry, is_treatment
from heartloop.report.html import figure, folded, note, table
from heartloop.report.rows import label_of
from heartloop.report.writing import points
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
    """Accuracy of every arm, read every way, with its cost."""
    from heartloop.analysis import accuracy

    rows = []
    strong = []
    for i, entry in enumerate(found):
        a = accuracy(stack(entry, "outcomes"), clusters(entry))
        soft = accuracy(stack(entry, "content"), clusters(entry))
        n = max(1, a.total)
        caps, tries = stack(entry, "cap_hits").sum(), max(1, stack(entry, "attempts").sum())
        rows.append([
            name_of(entry), entry.role, f"{len(stack(entry, 'outcomes')):,}",
            percent(a.of_all.estimate), _range(a.of_all), percent(a.of_scored.estimate),
            percent(soft.of_all.estimate), percent(a.unscored_rate), percent(a.error_rate),
            percent(float(caps / tries)), f"{stack(entry, 'calls').sum() / n:.1f}",
            f"{stack(entry, 'tokens').sum() / n:,.0f}",
        ])  # fmt: skip
        if is_treatment(entry):
            strong.append(i)
    heads = ["arm", "role", "questions", "of all %", "95 % CI", "of scored %", "content %",
             "unscored %", "error %", "cap hits %",
              "calls/question", "tokens/question"]  # fmt: skip
    return table(heads, rows, strong=strong)


def _range(interval: Any) -> str:
    if interval.low is None:
        return "–"
    return f"[{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def judged_table(summary: Summary) -> str:
    """Headline figures of judged tasks by arm, and how far the judges of a panel agree."""
    from heartloop.run.summary import JUDGED

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


def rounds_section(found: Sequence[Entry], draws: bool = True) -> str:
    """Accuracy by round of the loops; independent ``draws``, where wanted, by their number."""
    from heartloop.analysis import accuracy
    from heartloop.analysis.curves import step_table

    parts = []
    for model in dict.fromkeys(x.model for x in found):
        series, rows, held = [], [], []
        loops = [x for x in found if x.model == model and x.any.rounds.shape[2] > 1]
        drawn = [x for x in found if x.model == model and x.any.draws.shape[2] > 1]
        if not loops:
            continue
        oracle = all(p.mode == "oracle" for entry in loops for p in entry.parts.values())
        for entry in loops:
            matrix = stack(entry, "rounds")
            asked = (stack(entry, "outcomes") != ABSENT)[:, :, None]
            right = _latest(matrix) == CORRECT
            if oracle:
                right = np.logical_or.accumulate(right, axis=2)
            shares = [
                accuracy(np.where(asked[:, :, 0], right[:, :, r], ABSENT), clusters(entry)).of_all
                for r in range(matrix.shape[2])
            ]
            band = is_treatment(entry) or len(loops) == 1
            series.append(_series(name_of(entry), list(range(len(shares))), shares, band))
            rows.append([name_of(entry), *(f"{percent(s.estimate)} {_range(s)}" for s in shares)])
            held.append([name_of(entry), *map(_held, np.moveaxis(matrix, 2, 0))])
        last = max(len(s.x) for s in series)
        for entry in drawn[:2] if draws else ():
            aligned = align([entry])
            assert aligned is not None
            values = step_table(
                attempt_values(aligned, 0, lambda steps: steps.calls), np.arange(1.0, last + 1)
            )[0]
            codes = values.reshape(len(aligned.tasks), -1, last) > 0.5
            shares = [
                accuracy(codes[:, :, r].astype(np.int8), aligned.clusters).of_all
                for r in range(last)
            ]
            name = f"{name_of(entry)} (draws)"
            series.append(_series(name, list(range(last)), shares, True))
            rows.append([name, *(f"{percent(s.estimate)} {_range(s)}" for s in shares)])
        words = (
            "Share of questions with a right answer in this round or before (oracle mode: the "
            "loop stops there)."
            if oracle
            else "Share of questions whose latest answer is right after this round; what is "
            "handed in at the end is the selector's choice."
        )
        words += " Independent draws stand at the round with the same number of calls. "
        words += "Bands: 95 %, of treatments and draws; the others are in the numbers."
        title = f"Accuracy by round, {model}"
        heads = ["arm", *(f"round {r}" for r in range(last))]
        data = table(heads, rows)
        parts.append(
            note("Replies of the round that hold an answer, right or wrong, in % of those given:")
            + table(heads, held)
        )
        shown = series if len(series) <= MANY else [*series[: MANY - 1], series[-1]]
        parts.append(figure(svg.lines(shown, title, "round", whole=True), words, data))
    return "".join(parts)


def _held(codes: np.ndarray) -> str:
    """Share of a round's replies, (questions, seeds) codes, that have a verdict."""
    given = np.count_nonzero((codes != ABSENT) & (codes != CODES["error"]))
    held = np.count_nonzero((codes == CORRECT) | (codes == CODES["incorrect"]))
    return percent(held / given) if given else "–"


def _series(name: str, xs: Sequence[float], shares: Sequence[Any], band: bool) -> svg.Series:
    ys = [100 * (s.estimate or 0.0) for s in shares]
    if not band:
        return svg.Series(name, xs, ys)
    low = [100 * (s.low or 0.0) for s in shares]
    high = [100 * (s.high or 0.0) for s in shares]
    return svg.Series(name, xs, ys, low, high)


def _latest(matrix: np.ndarray) -> np.ndarray:
    out = matrix.copy()
    for r in range(1, out.shape[2]):
        out[:, :, r] = np.where(out[:, :, r] == ABSENT, out[:, :, r - 1], out[:, :, r])
    return out


def compute_section(found: Sequence[Entry]) -> str:
    """Equal-compute curves: accuracy against tokens a question."""
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
            "Accuracy if every question had been stopped at this many tokens (prompt, completion "
            "and reasoning, everything the arm asked). Left of the cheapest first answer it is 0. "
            "Bands: 95 % bootstrap over questions, of treatments and draws."
        )
        heads = ["arm", "mean tokens/question", "largest", "accuracy at the end %",
                 "area under its own curve %"]  # fmt: skip
        plot = svg.lines(series, f"Accuracy against tokens, {model}", "tokens a question (cap)")
        parts.append(figure(plot, caption, table(heads, rows)))
    return "".join(parts)


def _grid(costs: np.ndarray) -> np.ndarray:
    """Budgets where attempts are many, so that the many first answers are not thinned away."""
    return np.unique(np.quantile(costs, np.linspace(0, 1, 120), method="nearest"))


def flips_section(found: Sequence[Entry]) -> str:
    """Wrong to right and right to wrong by round; changed answers; sycophancy."""
    from heartloop.analysis.diagnostics import by_round, sycophancy

    rows, probes = [], []
    oracle = True
    for entry in found:
        matrix = stack(entry, "rounds")
        if matrix.shape[2] < 2:
            continue
        oracle = oracle and all(p.mode == "oracle" for p in entry.parts.values())
        flat = matrix.reshape(-1, matrix.shape[2])
        rounds = by_round(flat)
        changed = _changed(stack(entry, "classes").reshape(flat.shape), flat)
        rows += [
            [name_of(entry), str(f.round), f"{f.reached:,}", f"{f.wrong_to_right:,}",
             f"{f.right_to_wrong:,}", f"{f.stayed_right:,}", f"{f.stayed_wrong:,}", percent(c)]
            for f, c in zip(rounds.flips, changed, strict=True)
        ]  # fmt: skip
        probe = sycophancy(flat, stack(entry, "critical").reshape(flat.shape))
        if probe.critical.estimate is not None:
            probes.append([
                name_of(entry), f"{probe.critical.n:,}", percent(probe.critical.estimate),
                _range(probe.critical), percent(probe.other.estimate), _range(probe.other),
                points(probe.difference),
            ])  # fmt: skip
    if not rows:
        return ""
    caption = "What a round of feedback changed, in questions."
    if oracle:
        caption += (
            " In oracle mode a loop stops at the first right answer, so nothing right is lost."
        )
    heads = ["arm", "round", "asked", "wrong→right", "right→wrong", "stayed right",
             "stayed wrong", "answer changed %"]  # fmt: skip
    parts = [table(heads, rows, caption=caption)]
    if probes:
        parts.append(
            table(
                ["arm", "right before", "given up after a critical cue %", "95 % CI",
                 "after other cues %", "95 % CI", "difference"],
                probes,
                caption="Sycophancy probe: right answers abandoned in the round after a cue",
            )
        )  # fmt: skip
    return "".join(parts)


def _changed(classes: np.ndarray, outcomes: np.ndarray) -> list[float | None]:
    """Share of answers that differ, as strings, from the one before."""
    found: list[float | None] = []
    for r in range(1, classes.shape[1]):
        both = (outcomes[:, r] != ABSENT) & (outcomes[:, r - 1] != ABSENT)
        n = int(both.sum())
        found.append(float((classes[both, r] != classes[both, r - 1]).sum() / n) if n else None)
    return found


def selection_section(found: Sequence[Entry]) -> str:
    """How much of what choosing could gain was gained, in verifier-free mode."""
    rows = []
    for entry in found:
        sums = np.zeros(4)
        traces = 0
        for part in entry.parts.values():
            s = part.steps
            if part.mode == "oracle" or not len(s.row) or int(part.calls.max()) < 2:
                continue
            own = ~s.merged
            starts = np.flatnonzero(np.r_[True, np.diff(s.row) != 0])
            right = (s.code == CORRECT) & own
            count = np.add.reduceat(own.astype(float), starts)
            per = np.add.reduceat(right.astype(float), starts)
            chosen = (part.outcomes == CORRECT).reshape(-1)[s.row[starts]]
            sums += [right[starts].sum(), (per / np.maximum(count, 1)).sum(), chosen.sum(),
                     (per > 0).sum()]  # fmt: skip
            traces += len(starts)
        if not traces:
            continue
        first, chance, picked, best = (float(v) / traces for v in sums)
        rows.append([
            name_of(entry), f"{traces:,}", percent(first), percent(chance), percent(picked),
            percent(best), "null" if best - first < 1e-12 else
            f"{(picked - first) / (best - first):+.2f}",
        ])  # fmt: skip
    if not rows:
        return ""
    return table(
        ["arm", "traces", "first answer %", "random candidate %", "handed in %",
         "any candidate %", "efficiency"],
        rows,
        caption="Efficiency = (handed in − first) / (any − first): 1 is an oracle, 0 no better "
        "than the first answer, below 0 worse; null where nothing could be gained",
    )  # fmt: skip


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
