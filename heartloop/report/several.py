"""Several treatments against one control: the best without the winner's curse, and classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from heartloop.analysis.contrasts import Sample
from heartloop.analysis.selection import best_of_arms
from heartloop.analysis.suites import stimulus_class_effect
from heartloop.report.arms import Entry, Pair, is_treatment, wordings_of
from heartloop.report.samples import groups_of, only_tasks, stack
from heartloop.report.shapes import Best, StimulusClass


def best_arms(pairs: Sequence[Pair], level: float) -> list[Best]:
    """The best treatment against each control, on the own metric of each task or suite."""
    found = []
    for control, arms, unit in _groups(pairs):
        table = stack((control, *arms), control.run.manifest)
        if table is None or len(np.unique(table[0].clusters)) < 4:
            continue
        one = table[0]
        best = best_of_arms(
            one.own, tasks=one.tasks if len(one.low) > 1 else None, clusters=one.clusters,
            level=level,
        )  # fmt: skip
        names = tuple(arm.arm for arm in arms)
        name = names[best.arm - 1]
        found.append(Best(control.model, control.arm, unit, names, name, best))
    return found


def stimulus_classes(pairs: Sequence[Pair], level: float) -> list[StimulusClass]:
    """Classes of stimuli with several wordings against each control."""
    found = []
    for control, arms, unit in _groups(pairs):
        for label, members in wordings_of(arms).items():
            table = stack((control, *members), control.run.manifest)
            if len(members) < 2 or table is None:
                continue
            effect = stimulus_class_effect(_effects(table[0]), level)
            names = tuple(member.arm for member in members)
            sample = "tasks" if len(table[0].low) > 1 else "questions"
            found.append(
                StimulusClass(control.model, control.arm, unit, label, names, sample, effect)
            )
    return found


def _effects(found: Sample) -> np.ndarray:
    """Differences to the first arm: (wordings, tasks), or (wordings, questions) of one task."""
    gains = found.own[1:] - found.own[0]
    if len(found.low) == 1:
        return gains
    sizes = np.bincount(found.tasks)
    return np.stack([np.bincount(found.tasks, row) / sizes for row in gains])


def _groups(pairs: Sequence[Pair]) -> Iterator[tuple[Entry, list[Entry], str]]:
    """Two or more treatments by the control of one run that they share, task or suite by itself."""
    found: dict[tuple[Path, str, str], tuple[Entry, list[Entry]]] = {}
    for pair in pairs:
        control = pair.control
        if not is_treatment(pair.arm) or pair.arm.run is not control.run:
            continue
        key = (control.run.folder.path, control.model, control.arm)
        found.setdefault(key, (control, []))[1].append(pair.arm)
    for control, arms in found.values():
        for unit, tasks in groups_of(control.run.manifest).items():
            here = [only_tasks(e, tasks) for e in (control, *arms)]
            there = [e for e in here[1:] if e.parts]
            if here[0].parts and len(there) > 1:
                yield here[0], there, unit
