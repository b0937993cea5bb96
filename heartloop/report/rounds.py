"""Loops round by round: the own metric, flips of right and wrong, and what choosing gained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heartloop.analysis import ABSENT, CODES, CORRECT
from heartloop.analysis.contrasts import level_interval, level_of
from heartloop.analysis.curves import step_table
from heartloop.analysis.proportions import Interval
from heartloop.report import svg
from heartloop.report.align import Aligned, align, attempt_values, kept_once_right, own_metric
from heartloop.report.arms import Entry, is_treatment
from heartloop.report.figures import MANY, limits, name_of, percent, stack
from heartloop.report.html import figure, note, table
from heartloop.report.samples import averaged, groups_of, metric_words, only_tasks
from heartloop.report.writing import points, signed, some_rounds

Level = tuple[float, tuple[float, float]]
"""The own metric of an arm and its interval."""


def rounds_section(found: Sequence[Entry], draws: bool = True) -> str:
    """The own metric by round of the loops; independent ``draws``, where wanted, by their number.

    Every task or suite with every model has a picture of its own.
    """
    loops = [x for x in found if x.any.rounds.shape[2] > 1]
    drawn = [x for x in found if x.any.draws.shape[2] > 1] if draws else []
    parts = []
    for model in dict.fromkeys(x.model for x in loops):
        for unit, tasks in groups_of(loops[0].run.manifest).items():
            here = [
                [one for x in group if x.model == model and (one := only_tasks(x, tasks)).parts]
                for group in (loops, drawn)
            ]
            if here[0]:
                parts.append(_unit(here[0], here[1][:2], f"{unit}, {model}"))
    return "".join(parts)


def _unit(loops: Sequence[Entry], drawn: Sequence[Entry], name: str) -> str:
    series, rows, held = [], [], []
    oracle = all(p.mode == "oracle" for entry in loops for p in entry.parts.values())
    for entry in loops:
        levels = by_round(entry, oracle)
        series.append(_series(name_of(entry), levels, is_treatment(entry) or len(loops) == 1))
        rows.append([name_of(entry), *map(_cell, levels)])
        held.append([name_of(entry), *map(_held, np.moveaxis(stack(entry, "rounds"), 2, 0))])
    last = max(len(s.x) for s in series)
    for entry in drawn:
        aligned = align([entry])
        assert aligned is not None
        kept = aligned.stack(0, "outcomes") != ABSENT
        values = step_table(
            attempt_values(aligned, 0, lambda steps: steps.calls), np.arange(1.0, last + 1)
        )[0].reshape(*kept.shape, last)
        levels = _levels(aligned, values, kept, entry)
        series.append(_series(f"{name_of(entry)} (draws)", levels, True))
        rows.append([f"{name_of(entry)} (draws)", *map(_cell, levels)])
    metric = metric_words(loops[0].run.manifest, list(loops[0].parts))
    words = (
        "after this round, a right answer being kept (oracle mode: the loop stops there)."
        if oracle
        else "of the latest answer after this round; what is handed in at the end is the "
        "selector's choice."
    )
    words = f"Own metric ({metric}) {words} Independent draws stand at the round with the same "
    words += "number of calls. Bands: 95 %, of treatments and draws; the others are in the numbers."
    title = f"Own metric by round, {name}"
    kept_rounds = some_rounds(last)
    heads = ["arm", *(f"round {r}" for r in kept_rounds)]
    rows, held = (
        [[row[0], *(row[1 + r] for r in kept_rounds if 1 + r < len(row))] for row in each]
        for each in (rows, held)
    )
    replies = table(heads, held)
    shown = series if len(series) <= MANY else [*series[: MANY - 1], series[-1]]
    return (
        note("Replies of the round that hold an answer, right or wrong, in % of those given:")
        + replies
        + figure(
            svg.lines(shown, title, "round", whole=True),
            words,
            table(heads, rows),
        )
    )


def by_round(entry: Entry, oracle: bool) -> list[Level]:
    """The own metric of an arm's latest answer after each round; a right one kept in oracle mode.

    Args:
        entry: a loop, on one task or suite.
        oracle: whether the loop ends at the first right answer.
    """
    aligned = align([entry])
    assert aligned is not None
    codes = aligned.stack(0, "rounds")
    # The latest round that was asked: a loop that has ended keeps its last answer.
    at = np.where(codes == ABSENT, 0, np.arange(codes.shape[2]))
    at = np.maximum.accumulate(at, axis=2)
    codes, scores = (
        np.take_along_axis(t, at, axis=2) for t in (codes, aligned.stack(0, "round_scores"))
    )
    own = own_metric(codes, scores)
    if oracle:
        own = kept_once_right(own, codes)
    return _levels(aligned, own, aligned.stack(0, "outcomes") != ABSENT, entry)


def _levels(aligned: Aligned, own: np.ndarray, kept: np.ndarray, entry: Entry) -> list[Level]:
    """Level and interval of every column of (questions, seeds, columns)."""
    manifest = entry.run.manifest
    tables = [averaged(aligned, [x], None, kept, manifest) for x in np.moveaxis(own, 2, 0)]
    return [(level_of(one, 0), level_interval(one, 0)) for one in tables]


def _cell(level: Level) -> str:
    return f"{percent(level[0])} {limits(level[1])}"


def _share(found: Interval) -> str:
    return "–" if found.low is None or found.high is None else limits((found.low, found.high))


def _held(codes: np.ndarray) -> str:
    """Share of a round's replies, (questions, seeds) codes, that have a verdict."""
    given = np.count_nonzero((codes != ABSENT) & (codes != CODES["error"]))
    held = np.count_nonzero((codes == CORRECT) | (codes == CODES["incorrect"]))
    return percent(held / given) if given else "–"


def _series(name: str, levels: Sequence[Level], band: bool) -> svg.Series:
    xs = list(range(len(levels)))
    ys = [100 * own for own, _ in levels]
    if not band:
        return svg.Series(name, xs, ys)
    return svg.Series(
        name, xs, ys, [100 * x[0] for _, x in levels], [100 * x[1] for _, x in levels]
    )


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
                _share(probe.critical), percent(probe.other.estimate), _share(probe.other),
                points(probe.difference),
            ])  # fmt: skip
    if not rows:
        return ""
    caption = "What a round of feedback changed, in questions; right means full marks."
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
            value = np.where(s.merged, 0.0, own_metric(s.code, s.score))
            if part.mode == "oracle" or not len(s.row) or int(part.calls.max()) < 2:
                continue
            own = ~s.merged
            starts = np.flatnonzero(np.r_[True, np.diff(s.row) != 0])
            count = np.add.reduceat(own.astype(float), starts)
            per = np.add.reduceat(value, starts)
            chosen = own_metric(part.outcomes, part.scores).reshape(-1)[s.row[starts]]
            sums += [value[starts].sum(), (per / np.maximum(count, 1)).sum(), chosen.sum(),
                     np.maximum.reduceat(value, starts).sum()]  # fmt: skip
            traces += len(starts)
        if not traces:
            continue
        first, chance, picked, best = (float(v) / traces for v in sums)
        rows.append([
            name_of(entry), f"{traces:,}", percent(first), percent(chance), percent(picked),
            percent(best), "null" if best - first < 1e-12 else
            signed((picked - first) / (best - first), 2),
        ])  # fmt: skip
    if not rows:
        return ""
    return table(
        ["arm", "traces", "first answer %", "random candidate %", "handed in %",
         "best candidate %", "efficiency"],
        rows,
        caption="In each task's own metric. "
        "Efficiency = (handed in − first) / (best − first): 1 is an oracle, 0 no better "
        "than the first answer, below 0 worse; null where nothing could be gained",
    )  # fmt: skip
