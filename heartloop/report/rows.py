"""Pairs of arms on their task's own metric: the lines of ``compare`` and of the page's table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from heartloop.analysis import ABSENT, CORRECT, ERROR, UNSCORED
from heartloop.analysis.compare import Comparison, compare_arms
from heartloop.analysis.contrasts import Difference, Sample, contrasts, edges, level_of
from heartloop.analysis.multiplicity import benjamini_hochberg
from heartloop.analysis.words import compare_all
from heartloop.errors import UsageError
from heartloop.report.align import Aligned
from heartloop.report.arms import Entry, Pair, entries
from heartloop.report.equal import equal_spending
from heartloop.report.samples import (
    bounds_of,
    contrast_weights,
    groups_of,
    metric_words,
    only_tasks,
    sampled,
    stack,
    values,
)
from heartloop.report.shapes import EqualSpending, Lost, Row
from heartloop.run.claim import DIALOGUE
from heartloop.run.layout import Manifest

FEW_FLIPS = 1_000  # for an interval that nothing is decided by


@dataclass(frozen=True, slots=True)
class _Case:
    """A pair on one task or suite."""

    arm: Entry
    control: Entry
    names: tuple[str, str]
    unit: str


@dataclass(frozen=True, slots=True)
class _Measured:
    """A case with its numbers; ``blind``: the control is at the floor or ceiling."""

    row: Row
    blind: bool


def rows_of(
    pairs: Sequence[Pair],
    *,
    margin: float = 0.03,
    level: float = 0.95,
    flips: int = 10_000,
    curves: bool = True,
    picked: bool = False,
) -> list[Row]:
    """Compare pairs on every task, or suite, that both arms have.

    Pairs on the same questions are tested in one pass over the same random flips.

    Args:
        pairs: what is compared.
        margin: half-width of the region of equivalence.
        level: coverage of the intervals over all rows at once.
        flips: random flips of the tests, and resamples of the counts of right answers.
        curves: cut journals at equal spending, too.
        picked: give the intervals that hold for every arm that might have been picked, too.

    Raises:
        UsageError: a pair that shares no finished question.
    """
    several = len({e.run.folder.path for p in pairs for e in (p.arm, p.control)}) > 1
    cases = [case for pair in pairs for case in _cases(pair, several)]
    found: dict[int, _Measured] = {}
    groups: dict[object, list[int]] = {}
    for i, case in enumerate(cases):
        groups.setdefault((_questions(case.arm), _questions(case.control)), []).append(i)
    for places in groups.values():
        each = 1 - (1 - level) * len(places) / len(cases)
        measured = _measure([cases[i] for i in places], margin, each, flips, curves)
        found |= dict(zip(places, measured, strict=True))
    ordered = [found[i] for i in range(len(cases))]
    if picked:
        ordered = [
            replace(m, row=_adjusted(m.row, case, level))
            for m, case in zip(ordered, cases, strict=True)
        ]
    differences = [m.row.difference for m in ordered]
    loose = benjamini_hochberg([d.p for d in differences])
    words = compare_all(differences, level, any(m.blind for m in ordered))
    return [
        replace(m.row, compared=word, p_bh=float(p))
        for m, word, p in zip(ordered, words, loose, strict=True)
    ]


def label_of(entry: Entry, several_runs: bool) -> str:
    """An arm's name in tables, with its run and its model where there are several."""
    name = f"{entry.run.folder.name}:{entry.arm}" if several_runs else entry.arm
    return f"{name} [{entry.model}]" if len(entry.run.manifest["plan"]["models"]) > 1 else name


def _cases(pair: Pair, several: bool) -> list[_Case]:
    names = (label_of(pair.arm, several), label_of(pair.control, several))
    shared = [t for t in pair.control.parts if t in pair.arm.parts]
    found = []
    for unit, tasks in groups_of(pair.control.run.manifest).items():
        here = [t for t in tasks if t in shared]
        if here:
            name = unit if len(here) > 1 else here[0]
            sides = [only_tasks(e, here) for e in (pair.arm, pair.control)]
            if stack(sides, pair.control.run.manifest) is not None:
                found.append(_Case(sides[0], sides[1], names, name))
    if not found:
        raise UsageError(f"{names[0]} and {names[1]} share no finished question")
    return found


def _questions(entry: Entry) -> object:
    """Equal for entries that can be stacked without losing a question of either."""
    return (
        entry.run.folder.path,
        entry.model,
        tuple(
            (task, part.questions, part.seeds, (part.outcomes == ABSENT).tobytes())
            for task, part in entry.parts.items()
        ),
    )


def _measure(
    cases: Sequence[_Case], margin: float, level: float, flips: int, curves: bool
) -> list[_Measured]:
    """All cases that share their questions."""
    every = {(e.run.folder.path, e.model, e.arm): e for c in cases for e in (c.arm, c.control)}
    at = {key: i for i, key in enumerate(every)}
    manifest = cases[0].control.run.manifest
    table = stack(list(every.values()), manifest)
    assert table is not None  # each pair has been stacked
    found, aligned, spoken = table
    places = [[at[e.run.folder.path, e.model, e.arm] for e in (c.arm, c.control)] for c in cases]
    weights = [contrast_weights(len(every), arm, [control]) for arm, control in places]
    own = contrasts(found, weights, margin=margin, level=level, flips=flips)
    soft = replace(found, own=found.content)
    content = contrasts(soft, weights, margin=margin, level=level, flips=flips)
    metric = metric_words(manifest, aligned.names)
    plain = len(aligned.names) == 1 and not bounds_of(manifest).keys() & set(aligned.names)
    out = []
    for case, (i, j), difference, right in zip(cases, places, own, content, strict=True):
        both = [_side(aligned, k, spoken) for k in (i, j)]
        lost = [_lost(side["outcomes"]) for side in both]
        notes = [*aligned.notes, *_remarks(found, difference, case, lost)]
        binary = plain and all(
            np.array_equal(values(s["outcomes"], s["scores"]) == 1, s["outcomes"] == CORRECT)
            and set(np.unique(values(s["outcomes"], s["scores"]))) <= {0.0, 1.0}
            for s in both
        )
        counts: Comparison | None = None
        if binary:
            counts = compare_arms(
                both[0]["outcomes"], both[1]["outcomes"], clusters=aligned.clusters[spoken],
                margin=margin, level=level, draws=flips,
            )  # fmt: skip
        seen = both[0]["outcomes"] != ABSENT
        spent = [[float(s[name][seen].mean()) for s in both] for name in ("tokens", "calls")]
        equal: tuple[EqualSpending, ...] = ()
        # A script cut short is another dialogue, so there is no equal spending of dialogues.
        if curves and min(spent[1]) > 1 and case.arm.any.method != DIALOGUE:
            equal = equal_spending(case.arm, case.control, margin=margin, level=level, flips=flips)
        row = Row(
            arm=case.names[0],
            control=case.names[1],
            arm_role=case.arm.role,
            control_role=case.control.role,
            model=case.arm.model,
            control_model=case.control.model,
            unit=case.unit,
            tasks=len(aligned.names),
            metric=metric,
            questions=int(spoken.sum()),
            seeds=len(aligned.columns[0]),
            clusters=len(np.unique(found.clusters)),
            own_arm=level_of(found, i),
            own_control=level_of(found, j),
            difference=difference,
            compared=compare_all([difference])[0],
            p_bh=difference.p,
            content=right,
            flips=_reading(difference, level) != _reading(right, level),
            scored=_scored(aligned, (i, j), manifest, level),
            lost_arm=lost[0],
            lost_control=lost[1],
            counts=counts,
            tokens_arm=spent[0][0],
            tokens_control=spent[0][1],
            calls_arm=spent[1][0],
            calls_control=spent[1][1],
            equal=equal,
            notes=tuple(dict.fromkeys(notes)),
        )
        out.append(_Measured(row, edges(found, j).blind))
    return out


def _adjusted(row: Row, case: _Case, level: float) -> Row:
    """A row with the interval that holds for every arm of the run it was picked from."""
    arm, control = case.arm, case.control
    others = [
        only_tasks(e, list(arm.parts))
        for e in entries(arm.run)
        if e.model == arm.model and not (e.run is control.run and e.arm == control.arm)
    ]
    table = stack([control, *others], arm.run.manifest)
    if table is None or len(others) < 2:
        return row
    weights = [contrast_weights(len(others) + 1, i, [0]) for i in range(1, len(others) + 1)]
    at = next(i for i, e in enumerate(others) if e.arm == arm.arm)
    found = contrasts(table[0], weights, level=level)[at]
    return replace(row, picked=len(others), picked_low=found.low, picked_high=found.high)


def _side(aligned: Aligned, which: int, spoken: np.ndarray) -> dict[str, np.ndarray]:
    names = ("outcomes", "scores", "tokens", "calls")
    return {name: aligned.stack(which, name)[spoken] for name in names}


def _lost(codes: np.ndarray) -> Lost:
    there = max(1, int((codes != ABSENT).sum()))
    return Lost(int((codes == UNSCORED).sum()) / there, int((codes == ERROR).sum()) / there)


def _reading(found: Difference, level: float) -> int:
    if found.p > 1 - level:
        return 0
    return 1 if found.estimate > 0 else -1


def _scored(
    aligned: Aligned, pair: tuple[int, int], manifest: Manifest, level: float
) -> Difference | None:
    """The own metric where both arms' answers were read; None where none was lost, or all."""
    codes = [aligned.stack(k, "outcomes") for k in pair]
    tried = (codes[0] != ABSENT) & (codes[1] != ABSENT)
    kept = (codes[0] > UNSCORED) & (codes[1] > UNSCORED)
    if (kept == tried).all() or not kept.any():
        return None
    found = sampled(aligned, pair, kept, manifest)
    return contrasts(found, [1.0, -1.0], level=level, flips=FEW_FLIPS)[0]


def _remarks(found: Sample, difference: Difference, case: _Case, lost: Sequence[Lost]) -> list[str]:
    """What a reader must know of one pair."""
    notes = []
    different = round(difference.discordance * found.own.shape[1])
    if different < 10:
        few = {0: "no question differs", 1: "only 1 question differs"}
        said = few.get(different, f"only {different} questions differ")
        notes.append(f"{said}: little can be said")
    groups = len(np.unique(found.clusters))
    if groups < 20:
        notes.append(f"only {groups} independent groups: intervals are rough")
    for name, share in zip(case.names, lost, strict=True):
        if share.whole > 0.05:
            notes.append(f"{share.whole:.0%} of the answers of {name} are unscored or errors")
    if abs(lost[0].whole - lost[1].whole) > 0.02:
        notes.append("the arms lose answers at different rates: compare of all with of scored")
    return notes
