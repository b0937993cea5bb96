"""A run's claim applied to its results: the one source of sentence, compare, report and claim.md.

Everything here follows the claim: which arms, which controls, which metric, which families. Nothing
is chosen by looking at a result.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from heartloop.analysis import ABSENT, CORRECT, UNSCORED
from heartloop.analysis.contrasts import (
    Difference,
    Sample,
    contrasts,
    edges,
    level_interval,
    level_of,
)
from heartloop.analysis.words import (
    Measured,
    Roles,
    compare_all,
    decide,
    measure,
)
from heartloop.data.perturb import OLD_ANSWER
from heartloop.report.align import Aligned
from heartloop.report.arms import Entry, Loaded, entries
from heartloop.report.bias_claim import (
    bias_findings,
    is_bias,
    predictions_of,
)
from heartloop.report.samples import contrast_weights, groups_of, only_tasks, stack
from heartloop.report.units import ON_BIAS, ArmFigures, Findings, Planned, Treatment, Unit
from heartloop.report.writing import points, span
from heartloop.run.claim import MOOD_METRIC, read_claim
from heartloop.run.folder import RunFolder
from heartloop.types import Claim, Contrast

LOST = 0.2
"""No conclusion where more of the control's answers have no verdict."""


def findings(
    run: Loaded, claim: Claim | None = None, *, flips: int = 10_000, draws: int = 2_000
) -> list[Findings]:
    """Apply a run's claim to its results, model by model.

    Args:
        run: the run, read.
        claim: default the run's own.
        flips: random flips of the tests.
        draws: resamples of the intervals of content and form.

    Raises:
        UsageError: the claim was changed after the run began.
    """
    claim = claim or read_claim(run.manifest)
    every = entries(run)
    models = list(dict.fromkeys(e.model for e in every))
    return [
        Findings(
            model,
            _units(run, claim, [e for e in every if e.model == model], flips, draws),
            len(models),
        )
        for model in models
    ]


def standing(folder: RunFolder) -> set[str]:
    """Treatments whose word is "works" or "hurts" by the verdicts so far, with any model."""
    from heartloop.report.arms import load_run

    found = findings(load_run(folder))
    return {
        t.arm
        for one in found
        for unit, t in one.treatments
        if not unit.silent and t.finding.word in ("works", "hurts")
    } | {
        f.contrast.arm
        for one in found
        for unit in one.units
        if unit.bias is not None
        for f in unit.bias.found
        if f.both
    }


def decided_by_looking(manifest: Mapping[str, Any]) -> str:
    """What ``--stop-when decided`` found when it ended a run, else an empty text."""
    sessions = manifest.get("sessions") or [{}]
    why = str(sessions[-1].get("stopped") or "")
    return why.removeprefix("decided: ") if why.startswith("decided: ") else ""


def _metric(run: Loaded, claim: Claim, task: str) -> str:
    """A task's own metric in words; claims from before the mood had a name call it accuracy."""
    if any(t["task"] == task and t.get("verifier") == "mood" for t in run.manifest["tasks"]):
        return MOOD_METRIC
    return claim.metric.get(task, "accuracy")


def _units(
    run: Loaded, claim: Claim, mine: Sequence[Entry], flips: int, draws: int
) -> tuple[Unit, ...]:
    groups = groups_of(run.manifest)
    # Several lone tasks are one family: each unit's intervals share the level.
    told = sum(claim.metric.get(tasks[0]) != OLD_ANSWER for tasks in groups.values())
    level = 1 - claim.level / max(1, told)
    drafts: list[tuple[Unit, list[Measured], list[tuple[Contrast, Difference]], list[Any]]] = []
    for name, tasks in groups.items():
        draft = _draft(run, claim, mine, name, tasks, level, flips, draws)
        if draft is not None:
            drafts.append(draft)
    # One family over treatments x units, one over the contrasts of loops and named arms.
    words = iter(decide([m for _, found, _, _ in drafts for m in found], 1 - claim.level))
    blind = any(unit.edges is not None and unit.edges.blind for unit, *_ in drafts)
    planned = iter(
        compare_all([d for _, _, more, _ in drafts for _, d in more], 1 - claim.level, blind)
    )
    count = sum(len(found) for _, found, _, _ in drafts)
    units = []
    for unit, found, more, names in drafts:
        treatments = []
        for _, (arm, none, placebos) in zip(found, names, strict=True):
            one = Treatment(arm.arm, none, placebos, next(words), asks=_asks(arm))
            treatments.append(_beyond(one, claim, mine, unit, run, count, level, flips))
        shown = tuple(Planned(contrast, next(planned)) for contrast, _ in more)
        units.append(dataclasses.replace(unit, treatments=tuple(treatments), planned=shown))
    return tuple(units)


def _asks(entry: Entry) -> str:
    demands = [s["demand"] for s in entry.any.plan["stimuli"] if s["demand"] not in ("", "none")]
    return ", ".join(dict.fromkeys(demands))


def _draft(
    run: Loaded,
    claim: Claim,
    mine: Sequence[Entry],
    name: str,
    tasks: Sequence[str],
    level: float,
    flips: int,
    draws: int,
) -> Any:
    """One unit before words: figures, measured treatments, planned contrasts, names."""
    wanted = [c for c in claim.contrasts if c.family in ("works", "plain", "loop", "arms")]
    needed = {n for c in wanted for n in (c.arm, *c.controls)}
    needed |= {n for roles in claim.controls.values() for r in ("again",) for n in roles.get(r, ())}
    part = {e.arm: only_tasks(e, tasks) for e in mine}
    chosen = [e for e in part.values() if e.parts and (e.arm in needed or not wanted)]
    if not chosen:
        return None
    table = stack(chosen, run.manifest)
    if table is None:
        return None
    found, aligned, spoken = table
    row = {e.arm: i for i, e in enumerate(chosen)}
    figures = _figures(found, aligned, spoken, chosen)
    treatments, names = [], []
    for arm in claim.treatments:
        roles = claim.controls.get(arm, {})
        none = next(iter(roles.get("none", ())), None)
        if arm not in row or none not in row or not _in_family(claim, "plain", arm):
            continue
        placebos = tuple(p for p in roles.get("placebo", ()) if p in row)
        treatments.append(Roles(row[arm], row[none], tuple(row[p] for p in placebos)))
        names.append((part[arm], none, placebos))
    lost = [_turns(aligned, spoken, r.arm, r.none) for r in treatments]
    measured = measure(
        found, treatments, margin=claim.margin, level=level, lost=lost, flips=flips, draws=draws
    )
    more = [
        c
        for c in claim.contrasts
        if c.family in ("loop", "arms") and c.arm in row and all(x in row for x in c.controls)
    ]
    weights = [
        contrast_weights(len(chosen), row[c.arm], [row[x] for x in c.controls]) for c in more
    ]
    tested = (
        contrasts(found, weights, margin=claim.margin, level=level, flips=flips) if more else []
    )
    questions = int(spoken.sum())
    speaking = run.speaking.get(chosen[0].model)
    decided = decided_by_looking(run.manifest)
    bias = None
    if is_bias(claim, tasks):
        predicted, why = predictions_of(run)
        bias = bias_findings(predicted, claim, name, chosen[0].model)
        if why:
            bias = dataclasses.replace(bias, why=f"B needs the golds: {why}")
    begun = sum(
        len(set().union(*(e.parts[t].questions for e in chosen if t in e.parts)))
        + (speaking.left_out.get(t, 0) if speaking and not speaking.why else 0)
        for t in tasks
    )
    first = treatments[0].none if treatments else (row[more[0].controls[0]] if more else None)
    unit = Unit(
        name=name,
        tasks=tuple(aligned.names),
        questions=questions,
        left_out=begun - questions,
        metric=" / ".join(dict.fromkeys(_metric(run, claim, t) for t in tasks)),
        arms=figures,
        treatments=(),
        planned=(),
        controls=_noise(found, claim, row, chosen, level, flips),
        edges=None if first is None else edges(found, first),
        silent=decided
        or (speaking.why if speaking else "")
        or (ON_BIAS if bias is not None else "")
        or _silent(figures, [chosen[r.none].arm for r in treatments]),
        speaking=speaking,
        decided=decided,
        bias=bias,
        verifier=" / ".join(dict.fromkeys(claim.verifier[t] for t in tasks if t in claim.verifier)),
    )
    if unit.check:
        beside = _beside_none(found, claim, row, level, flips)
        return dataclasses.replace(unit, controls=beside, silent=_old(unit, beside)), [], [], []
    return unit, measured, list(zip(more, tested, strict=True)), names


def _silent(figures: Mapping[str, ArmFigures], nones: Sequence[str]) -> str:
    """Why nothing can be said: too little was read."""
    base = [figures[name] for name in dict.fromkeys(nones)] or list(figures.values())
    worst = max(base, key=lambda f: f.lost)
    if worst.lost > LOST:
        return (
            f"{worst.lost:.0%} of the answers of {worst.arm} have no verdict (unscored or "
            "errors), so what was measured is mostly the reading of answers"
        )
    return ""


def _in_family(claim: Claim, family: str, arm: str) -> bool:
    return any(c.family == family and c.arm == arm for c in claim.contrasts)


def _figures(
    found: Sample, aligned: Aligned, spoken: np.ndarray, chosen: Sequence[Entry]
) -> dict[str, ArmFigures]:
    figures = {}
    for i, entry in enumerate(chosen):
        codes = aligned.stack(i, "outcomes")[spoken]
        seen = codes != ABSENT
        soft = dataclasses.replace(found, own=found.content)
        figures[entry.arm] = ArmFigures(
            arm=entry.arm,
            role=entry.role,
            own=level_of(found, i),
            interval=level_interval(found, i),
            content=level_of(soft, i),
            lost=float((codes[seen] <= UNSCORED).mean()),
            tokens=float(aligned.stack(i, "tokens")[spoken][seen].mean()),
            calls=float(aligned.stack(i, "calls")[spoken][seen].mean()),
        )
    return figures


def _turns(aligned: Aligned, spoken: np.ndarray, arm: int, none: int) -> bool:
    """Whether the difference changes its sign on the questions that both arms had read.

    Only where the arms lose answers at clearly different rates: elsewhere a sign is chance.
    """
    a, b = (aligned.stack(i, "outcomes")[spoken] for i in (arm, none))
    both = (a != ABSENT) & (b != ABSENT)
    gap = (a[both] <= UNSCORED).mean() - (b[both] <= UNSCORED).mean()
    scored = both & (a > UNSCORED) & (b > UNSCORED)
    if abs(gap) <= 0.02 or not scored.any():
        return False
    of_all = float(((a == CORRECT)[both].astype(float) - (b == CORRECT)[both]).mean())
    of_scored = float(((a == CORRECT)[scored].astype(float) - (b == CORRECT)[scored]).mean())
    return bool(of_all * of_scored < 0)


def _noise(
    found: Sample, claim: Claim, row: Mapping[str, int], chosen: Sequence[Entry], level: float,
    flips: int,
) -> dict[str, Difference]:  # fmt: skip
    """``again``, every placebo and cot against the plain prompt, all at once."""
    none = next((n for c in claim.controls.values() for n in c.get("none", ()) if n in row), None)
    shown = [e.arm for e in chosen if e.role in ("again", "placebo", "cot")]
    return _against(none, shown, found, claim, row, level, flips) if none is not None else {}


def _against(
    base: str, arms: Sequence[str], found: Sample, claim: Claim, row: Mapping[str, int],
    level: float, flips: int,
) -> dict[str, Difference]:  # fmt: skip
    """Arms minus one base; intervals hold for all at once."""
    if not arms:
        return {}
    weights = [contrast_weights(len(row), row[arm], [row[base]]) for arm in arms]
    tested = contrasts(found, weights, margin=claim.margin, level=level, flips=flips)
    return dict(zip(arms, tested, strict=True))


def _beside_none(
    found: Sample, claim: Claim, row: Mapping[str, int], level: float, flips: int
) -> dict[str, Difference]:
    """Every arm against the plain prompt, else the first arm; intervals hold for all at once."""
    nones = [n for c in claim.controls.values() for n in c.get("none", ()) if n in row]
    base = next(iter(nones), next(iter(row)))
    arms = [arm for arm in row if arm != base]
    return _against(base, arms, found, claim, row, level, flips)


def _old(unit: Unit, beside: Mapping[str, Difference]) -> str:
    """What a check for contamination found: how often the published answer is given still."""
    if unit.silent:
        return f"no conclusion: {unit.silent}"
    base = next(arm for arm in unit.arms if arm not in beside)
    text = f"old answers to changed numbers: {base} {points(unit.arms[base].own, False)} %"
    if beside:
        treated = {a: d for a, d in beside.items() if unit.arms[a].role == "treatment"}
        arm, d = max((treated or beside).items(), key=lambda pair: abs(pair[1].estimate))
        text += f", furthest from it {arm} {points(d.estimate)} {span(d.low, d.high)}"
        text += f", simultaneous over {len(beside)}" if len(beside) > 1 else ""
    return f"{text} (a sign of memory; no word is said of it)"


def _beyond(
    one: Treatment, claim: Claim, mine: Sequence[Entry], unit: Unit, run: Loaded, count: int,
    level: float, flips: int,
) -> Treatment:  # fmt: skip
    """The demand-only twin, asked behind the word: within a treatment the second of a sequence.

    Each treatment has level / treatments for its sequence word -> beyond its demand, so that the
    family keeps its level (Bonferroni over sequences, a fixed order within each).
    """
    twin = next(iter(claim.controls.get(one.arm, {}).get("demand-only", ())), None)
    if twin is None or one.finding.word not in ("works", "hurts"):
        return one
    pair = [only_tasks(e, unit.tasks) for name in (one.arm, twin) for e in mine if e.arm == name]
    table = stack(pair, run.manifest) if len(pair) == 2 and all(e.parts for e in pair) else None
    if table is None:
        return one
    tested = contrasts(table[0], [1.0, -1.0], margin=claim.margin, level=level, flips=flips)[0]
    same = tested.estimate * one.finding.measured.none.estimate > 0
    p = max(tested.p, one.finding.measured.p_works) if same else 1.0
    return dataclasses.replace(one, beyond=tested, beyond_p=min(1.0, count * p))
