"""Paired comparisons of arms: the numbers behind ``compare``, the report and the conclusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from heartloop.errors import UsageError
from heartloop.report.across import across
from heartloop.report.answered import differing
from heartloop.report.arms import (
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
)
from heartloop.report.arrived import checked
from heartloop.report.beside import beside, speaks_alone
from heartloop.report.findings import findings
from heartloop.report.rows import rows_of
from heartloop.report.search import MIXED, is_search
from heartloop.report.several import best_arms, stimulus_classes
from heartloop.report.shapes import Study
from heartloop.report.units import Findings
from heartloop.run.claim import read_claim, same_claim
from heartloop.run.state import headline
from heartloop.types import Claim


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
        pairs = _pairs_of(run, every=control is not None)
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
        picked=bool(picked),
    )
    if together and not post_hoc:
        names = tuple(run.folder.name for run in together)
        result = replace(result, runs=names, across=across(together, claim))
        result = replace(result, claim=None if pairs else claim)
    result = replace(result, post_hoc=tuple(post_hoc))
    if len(named) == 1 and not post_hoc and not is_search(named[0][0]):
        every = tuple(findings(named[0][0], claim))
        shown = tuple(differing(named[0][0], every))
        read = checked(named[0][0], claim)
        result = replace(result, claim=claim, findings=every, answered=shown, arrived=read)
        result = replace(result, beside=beside(named[0][0], claim))
        if stopped_too_early(every):  # the details would compare those that finish first
            result = replace(result, rows=(), best=(), classes=())
    return result


def _pairs_of(run: Loaded, every: bool) -> list[Pair]:
    """Pairs within a run; none where its only arm has figures that stand alone."""
    try:
        return pairs_within(run, every)
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
    picked: bool = False,
) -> Study:
    """Compare pairs of arms on their tasks' own metric; Holm over all of them.

    Args:
        pairs: what is compared.
        forced: differences between runs that were overruled.
        margin: half-width of the region of equivalence.
        level: coverage.
        draws: random flips and bootstrap resamples.
        curves: cut journals at equal spending, too.
        picked: arms were picked after the fact: intervals over all they were picked from, too.

    Raises:
        UsageError: a pair that shares no question.
    """
    names = dict.fromkeys(e.run.folder.name for q in pairs for e in (q.control, q.arm))
    rows = rows_of(pairs, margin=margin, level=level, flips=draws, curves=curves, picked=picked)
    return Study(
        runs=tuple(names),
        rows=tuple(rows),
        best=tuple(best_arms(pairs, level)),
        classes=tuple(stimulus_classes(pairs, level)),
        forced=tuple(forced),
        notes=tuple(_notes(pairs)),
        margin=margin,
        level=level,
        draws=draws,
    )


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
