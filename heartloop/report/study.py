"""Paired comparisons of arms: the numbers behind ``compare``, the report and the conclusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from heartloop.analysis import ABSENT, CORRECT
from heartloop.errors import UsageError
from heartloop.report.across import across
from heartloop.report.align import Aligned, align, pair_up
from heartloop.report.answered import differing
from heartloop.report.arms import (
    Entry,
    Loaded,
    Pair,
    differences,
    entries,
    find_entry,
    is_treatment,
    load_run,
    pairs_between,
    pairs_within,
    pick,
    wordings_of,
)
from heartloop.report.arrived import checked
from heartloop.report.beside import beside, speaks_alone
from heartloop.report.equal import equal_spending
from heartloop.report.findings import Findings, findings, stack
from heartloop.report.search import MIXED, is_search
from heartloop.report.shapes import Best, EqualSpending, Row, StimulusClass, Study
from heartloop.run.claim import read_claim, same_claim
from heartloop.run.state import headline
from heartloop.types import Claim

if TYPE_CHECKING:
    from heartloop.analysis.compare import Comparison


def compare_specs(
    specs: Sequence[str],
    runs: Path,
    *,
    control: str | None = None,
    margin: float | None = None,
    level: float | None = None,
    draws: int = 10_000,
    force: bool = False,
) -> Study:
    """Compare what ``RUN[:ARM] …`` names; one run alone is compared with its own controls.

    Args:
        specs: as on the command line; the first of several is what the others are compared to.
        runs: where run folders are.
        control: compare with this control only.
        margin: half-width of the region of equivalence, a share; default the claim's.
        level: coverage; 1 - level is the level of the tests; default the claim's.
        draws: bootstrap resamples.
        force: compare runs whose data, cards or sampling differ, and say so.

    Raises:
        UsageError: no such run or arm, nothing shared, or runs that must not be compared.
    """
    found = [find_entry(spec, runs) for spec in specs]
    loaded: dict[Path, Loaded] = {}
    for folder, _ in found:
        if folder.path not in loaded:
            loaded[folder.path] = load_run(folder)
    named = [(loaded[folder.path], arm) for folder, arm in found]
    forced = check_comparable(list(loaded.values()), force)
    together = _together(named)
    if len(together) > 2 and len({e.model for run in together for e in entries(run)}) > 1:
        pairs = []  # a claim over models: no arm of one model is set against that of another
    elif len(named) > 1:
        pairs = pairs_between(named)
    else:
        run, arm = named[0]
        pairs = _pairs_of(run)
        if arm is not None:
            chosen = pick(run, arm)
            pairs = [p for p in pairs if p.arm.arm == arm]
            if not pairs:
                raise UsageError(
                    f"{run.folder.name}:{arm} is a control ({chosen[0].role}); name what to "
                    f"compare it with: {run.folder.name}:OTHER {run.folder.name}:{arm}"
                )
    if control is not None:
        kept = [p for p in pairs if p.control.arm == control]
        if not kept:
            known = ", ".join(dict.fromkeys(p.control.arm for p in pairs))
            raise UsageError(f"--control {control}: no such control here; there are {known}")
        pairs = kept
    claim = read_claim(named[0][0].manifest)
    post_hoc = _chosen_later(claim, control, margin, level)
    picked = _picked(named)
    if picked:
        post_hoc.append(
            f"{', '.join(picked)} picked out of several arms after the fact; the interval in the "
            "last column holds for all arms that might have been picked"
        )
    result = study(
        pairs,
        forced=forced,
        margin=claim.margin if margin is None else margin,
        level=1 - claim.level if level is None else level,
        draws=draws,
    )
    rows = [_adjusted(row, pair) for row, pair in zip(result.rows, pairs, strict=True)]
    if together and not post_hoc:
        names = tuple(run.folder.name for run in together)
        result = replace(result, runs=names, across=across(together, claim))
        result = replace(result, claim=None if pairs else claim)
    result = replace(result, rows=tuple(rows) if picked else result.rows, post_hoc=tuple(post_hoc))
    if len(named) == 1 and not post_hoc and not is_search(named[0][0]):
        every = tuple(findings(named[0][0], claim))
        shown = tuple(differing(named[0][0], every))
        read = checked(named[0][0], claim)
        result = replace(result, claim=claim, findings=every, answered=shown, arrived=read)
        result = replace(result, beside=beside(named[0][0], claim))
        if stopped_too_early(every):  # the details would compare those that finish first
            result = replace(result, rows=(), best=(), classes=())
    return result


def _pairs_of(run: Loaded) -> list[Pair]:
    """Pairs within a run; none where its only arm has figures that stand alone."""
    try:
        return pairs_within(run)
    except UsageError:
        if speaks_alone(run):
            return []
        raise


def _together(named: Sequence[tuple[Loaded, str | None]]) -> list[Loaded]:
    """Whole runs of one claim, or one run of several models: their contrasts are taken together."""
    runs = [run for run, _ in named]
    models = {e.model for run in runs for e in entries(run)}
    if any(arm is not None for _, arm in named) or any(map(is_search, runs)):
        return []
    if len(runs) == 1:
        return runs if len(models) > 1 else []
    claims = [read_claim(run.manifest) for run in runs]
    one = claims[0].contrasts and all(same_claim(claims[0], c) for c in claims[1:])
    return runs if one else []


def stopped_too_early(found: Sequence[Findings]) -> bool:
    """Whether too little of a stopped run is complete for any of its comparisons."""
    units = [unit for one in found for unit in one.units]
    return bool(units) and all(u.silent and (u.left_out or u.decided) for u in units)


def _chosen_later(
    claim: Claim, control: str | None, margin: float | None, level: float | None
) -> list[str]:
    """What was asked for now and is not in the claim."""
    found = []
    if control is not None:
        found.append(f"--control {control} was chosen after the fact")
    if margin is not None and abs(margin - claim.margin) > 1e-9:
        was = f"{100 * claim.margin:g} points"
        found.append(f"--margin {100 * margin:g} was chosen after the fact; the claim has {was}")
    if level is not None and abs(1 - level - claim.level) > 1e-9:
        was = f"{1 - claim.level:g}"
        found.append(f"--level {level:g} was chosen after the fact; the claim has {was}")
    return found


def _picked(named: Sequence[tuple[Loaded, str | None]]) -> list[str]:
    """Arms named out of runs that have several treatments or contrasts to choose from."""
    found = []
    for run, arm in named:
        if arm is not None and len({e.arm for e in entries(run)}) > 2:
            found.append(f"{run.folder.name}:{arm}")
    return found


def _adjusted(row: Row, pair: Pair) -> Row:
    """A row with the interval that holds for every arm of the run it was picked from."""
    from heartloop.analysis.contrasts import contrasts

    others = [
        e
        for e in entries(pair.arm.run)
        if e.model == pair.arm.model
        and not (e.run is pair.control.run and e.arm == pair.control.arm)
    ]
    table = stack([pair.control, *others], pair.arm.run.manifest)
    if table is None or len(others) < 2:
        return row
    width = len(others) + 1
    weights = [[-1.0, *(1.0 * (j == i) for j in range(width - 1))] for i in range(width - 1)]
    at = next(i for i, e in enumerate(others) if e.arm == pair.arm.arm)
    found = contrasts(table[0], weights, level=row.comparison.level)[at]
    return replace(row, picked=len(others), picked_low=found.low, picked_high=found.high)


def check_comparable(runs: Sequence[Loaded], force: bool) -> list[str]:
    """Refuse runs that are not comparable.

    Raises:
        UsageError: names everything that differs.
    """
    different: list[str] = []
    for other in runs[1:]:
        found = differences(runs[0], other)
        if found and found[0].startswith("tasks:"):
            raise UsageError(
                f"{runs[0].folder.name} and {other.folder.name} share no task ({found[0]})"
            )
        different += [f"{other.folder.name}: {text}" for text in found]
    if different and not force:
        raise UsageError(
            f"not comparable with {runs[0].folder.name}: {'; '.join(different)}. "
            "--force compares them all the same and says so"
        )
    return different


def study(
    pairs: Sequence[Pair],
    *,
    forced: Sequence[str] = (),
    margin: float = 0.03,
    level: float = 0.95,
    draws: int = 10_000,
    curves: bool = True,
) -> Study:
    """Compare pairs of arms; Holm and Benjamini-Hochberg over all of them.

    Args:
        pairs: what is compared.
        forced: differences between runs that were overruled.
        margin: half-width of the region of equivalence.
        level: coverage.
        draws: bootstrap resamples.
        curves: cut journals at equal tokens, too.

    Raises:
        UsageError: a pair that shares no question.
    """
    from heartloop.analysis import benjamini_hochberg, holm

    several_runs = len({e.run.folder.path for p in pairs for e in (p.arm, p.control)}) > 1
    rows = [_row(pair, several_runs, margin, level, draws, curves) for pair in pairs]
    p = [row.comparison.p for row in rows]
    adjusted = [
        replace(row, comparison=replace(row.comparison, p_holm=float(strict), p_bh=float(loose)))
        for row, strict, loose in zip(rows, holm(p), benjamini_hochberg(p), strict=True)
    ]
    names = dict.fromkeys(name for q in pairs for name in (_run_name(q.control), _run_name(q.arm)))
    return Study(
        runs=tuple(names),
        rows=tuple(adjusted),
        best=tuple(_best(pairs, level)),
        classes=tuple(_classes(pairs, level)),
        forced=tuple(forced),
        notes=tuple(_notes(pairs)),
        margin=margin,
        level=level,
        draws=draws,
    )


def _run_name(entry: Entry) -> str:
    return entry.run.folder.name


def label_of(entry: Entry, several_runs: bool) -> str:
    """An arm's name in tables, with its run and its model where there are several."""
    name = f"{_run_name(entry)}:{entry.arm}" if several_runs else entry.arm
    return f"{name} [{entry.model}]" if len(entry.run.manifest["plan"]["models"]) > 1 else name


def _row(
    pair: Pair, several_runs: bool, margin: float, level: float, draws: int, curves: bool
) -> Row:
    from heartloop.analysis import compare_arms

    aligned = pair_up(pair)
    names = [label_of(entry, several_runs) for entry in (pair.arm, pair.control)]
    if aligned is None:
        raise UsageError(f"{names[0]} and {names[1]} share no question")
    codes = [aligned.stack(i, "outcomes") for i in (0, 1)]
    if not ((codes[0] != ABSENT) & (codes[1] != ABSENT)).any():
        raise UsageError(f"{names[0]} and {names[1]} share no finished question")
    options: dict[str, Any] = {
        "clusters": aligned.clusters,
        "margin": margin,
        "level": level,
        "draws": draws,
    }
    main = compare_arms(*codes, tasks=aligned.task_labels, **options)
    soft = compare_arms(*(aligned.stack(i, "content") for i in (0, 1)), **{**options, "draws": 100})
    shared = (codes[0] != ABSENT) & (codes[1] != ABSENT)
    used = [
        [float(aligned.stack(i, what)[shared].mean()) for i in (0, 1)]
        for what in ("tokens", "calls")
    ]
    equal: tuple[EqualSpending, ...] = ()
    if curves and min(used[1]) > 1:
        equal = equal_spending(aligned, codes, shared, options)
    return Row(
        arm=names[0],
        control=names[1],
        arm_role=pair.arm.role,
        control_role=pair.control.role,
        model=pair.arm.model,
        control_model=pair.control.model,
        comparison=main,
        content_difference=soft.difference,
        content_p=soft.p,
        flips=_reading(main, level) != _reading(soft, level),
        tokens_arm=used[0][0],
        tokens_control=used[0][1],
        calls_arm=used[1][0],
        calls_control=used[1][1],
        equal=equal,
        notes=tuple(dict.fromkeys((*aligned.notes, *main.notes))),
    )


def _reading(found: Comparison, level: float) -> int:
    if found.p > 1 - level:
        return 0
    return 1 if found.difference > 0 else -1


def _groups(pairs: Sequence[Pair]) -> list[tuple[Entry, list[Entry]]]:
    """Treatments by the control of one run that they share."""
    found: dict[tuple[Path, str, str], tuple[Entry, list[Entry]]] = {}
    for pair in pairs:
        control = pair.control
        if not is_treatment(pair.arm) or pair.arm.run is not control.run:
            continue
        key = (control.run.folder.path, control.model, control.arm)
        found.setdefault(key, (control, []))[1].append(pair.arm)
    return [group for group in found.values() if len(group[1]) > 1]


def _right(aligned: Aligned) -> tuple[np.ndarray, np.ndarray]:
    """Mean correctness over seeds, (arms, questions), on questions that every arm has."""
    tables = [aligned.stack(i, "outcomes") for i in range(len(aligned.entries))]
    seen = np.stack([(t != ABSENT).any(axis=1) for t in tables]).all(axis=0)
    right = [(t[seen] == CORRECT).sum(axis=1) / (t[seen] != ABSENT).sum(axis=1) for t in tables]
    return np.stack(right), np.asarray(seen)


def _best(pairs: Sequence[Pair], level: float) -> list[Best]:
    from heartloop.analysis import best_of_arms

    found = []
    for control, arms in _groups(pairs):
        aligned = align((control, *arms))
        if aligned is None:
            continue
        right, seen = _right(aligned)
        if len(np.unique(aligned.clusters[seen])) < 4:
            continue
        labels = aligned.task_labels
        best = best_of_arms(
            right,
            tasks=None if labels is None else labels[seen],
            clusters=aligned.clusters[seen],
            level=level,
        )
        names = tuple(arm.arm for arm in arms)
        found.append(Best(control.model, control.arm, names, names[best.arm - 1], best))
    return found


def _classes(pairs: Sequence[Pair], level: float) -> list[StimulusClass]:
    from heartloop.analysis import stimulus_class_effect

    found = []
    for control, arms in _groups(pairs):
        for label, members in wordings_of(arms).items():
            aligned = align((control, *members))
            if len(members) < 2 or aligned is None:
                continue
            right, seen = _right(aligned)
            effects, unit = right[1:] - right[0], "questions"
            labels = aligned.task_labels
            if labels is not None:
                names, where = np.unique(labels[seen], return_inverse=True)
                sizes = np.bincount(where)
                effects = np.stack([np.bincount(where, row) / sizes for row in effects])
                unit = "tasks" if len(names) > 1 else unit
            names_of = tuple(member.arm for member in members)
            effect = stimulus_class_effect(effects, level)
            found.append(StimulusClass(control.model, control.arm, label, names_of, unit, effect))
    return found


def _notes(pairs: Sequence[Pair]) -> list[str]:
    """Facts about the runs that no number shows."""
    notes = []
    for run in {p.run.folder.path: p.run for q in pairs for p in (q.control, q.arm)}.values():
        if is_search(run):
            notes.append(f"{run.folder.name}: WARNING, {MIXED}")
        notes += [f"{run.folder.name}: {text}" for text in provenance(run.manifest)]
        if not run.state.whole:
            notes.append(f"{run.folder.name}: {headline(run.state)}")
    if not any(is_treatment(q.arm) for q in pairs):
        notes.append("none of these arms is a treatment")
    return notes


def provenance(manifest: Any) -> list[str]:
    """What must be said wherever results are shown: practice data, pocket, simulated models."""
    found = []
    practice = [d["task"] for d in manifest["data"] if d["practice"]]
    if practice:
        found.append(
            f"PRACTICE SET: {', '.join(practice)} means heartloop's own practice problems, "
            "not the published benchmark"
        )
    for model in manifest["plan"]["models"]:
        if model == "pocket":
            found.append(
                "pocket is a tiny embedded model for trying things out: this says nothing about "
                "large language models"
            )
        elif is_simulated(model):
            found.append(
                f"SIMULATED: {model} is a stand-in that draws its answers, not a language model"
            )
    return found


def is_simulated(model: str) -> bool:
    """Whether a model spec names a stand-in that invents its answers."""
    return model.rsplit("/", 1)[-1].lower() in ("mock", "simulated")
