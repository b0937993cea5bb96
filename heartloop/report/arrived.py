"""Manipulation check: did the words arrive at all, before anything is said of what they do?

An answer *changed* when its text differs, white space aside, from that of the control with nothing
said, for the same question, seed and round. Any sentence changes some answers, so the share stands
beside that of the placebo.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heartloop.analysis.bands import Band, bands
from heartloop.report.arms import Loaded
from heartloop.report.search import is_search
from heartloop.report.style import LEAST, Texts, read_texts, shared_rounds
from heartloop.style.measures import NAMES
from heartloop.types import Claim

SEVERAL = 4
"""So many arms are said together where their words left nothing."""
_VALENCE = NAMES.index("valence")


@dataclass(frozen=True, slots=True)
class Arrived:
    """Whether the answers show that an arm's words were read.

    Attributes:
        model, arm: whose answers.
        base: the control without words, or with the neutral line in a loop.
        placebo: the controls with other words; empty where the run has none.
        changed: share of the arm's answers that differ from those of ``base``.
        by_placebo: the same share of the placebo's answers; None without one.
        more: difference of the two shares; ``valence``: difference of the answers' valence to the
            placebo's, from 20 words on. Bands hold over all arms of the model; None where there is
            too little.
        questions: pairs compared.
    """

    model: str
    arm: str
    base: str
    placebo: tuple[str, ...]
    changed: float
    by_placebo: float | None
    more: Band | None
    valence: Band | None
    questions: int

    @property
    def read(self) -> bool:
        """Whether the words left more in the answers than another sentence does."""
        return bool((self.more and self.more.low > 0) or (self.valence and self.valence.apart))

    @property
    def beside(self) -> str:
        """What the share of changed answers comes to beside the placebo's."""
        if self.changed == 0:
            return "nothing in the answers shows that the words were read"
        if self.by_placebo is None:
            return "no placebo was run to say how many any sentence changes"
        if self.more is not None and self.more.low > 0:
            return "they were read"
        if self.valence is not None and self.valence.apart:
            moved = f"{self.valence.estimate:+.2f}".replace("-", "−")
            return f"the answers' valence moved by {moved}, so they were read"
        return "no more than any sentence does"

    @property
    def sentence(self) -> str:
        """The check in words."""
        if self.changed == 0 or self.by_placebo is None:
            return f"the words changed {percent(self.changed)} of the answers; {self.beside}"
        return (
            f"the words changed {percent(self.changed)} of the answers, a placebo "
            f"{percent(self.by_placebo)}: {self.beside}"
        )


def percent(share: float) -> str:
    """A share as a whole per cent."""
    return f"{100 * share:.0f} %"


def checked(run: Loaded, claim: Claim) -> tuple[Arrived, ...]:
    """The check of a run, all models; empty where nothing was said to any arm.

    Raises:
        JournalError: the journal is damaged.
    """
    if not claim.treatments or is_search(run):
        return ()
    every = read_texts(run.folder, patterns=False, journal=run.journal).values()
    return tuple(check for texts in every for check in arrived(texts, claim))


def lines(found: Sequence[Arrived]) -> list[str]:
    """The check in words: few arms by themselves, many of which the same is to be said together."""
    if len(found) < SEVERAL:
        return [f"{c.arm}: {c.sentence}." for c in found]
    groups: dict[str, list[Arrived]] = {}
    for one in found:
        groups.setdefault(one.beside, []).append(one)
    out = []
    for beside, members in groups.items():
        if members[0].read and len(members) < SEVERAL:
            out += [f"{c.arm}: {c.sentence}." for c in members]
            continue
        theirs = {percent(c.by_placebo) for c in members if c.by_placebo is not None}
        if len(theirs) < 2:
            shares = ", ".join(f"{c.arm} {percent(c.changed)}" for c in members)
            shares += f" (a placebo {theirs.pop()})" if theirs else ""
        else:
            shares = "% changed (by a placebo): " + ", ".join(
                f"{c.arm} {100 * c.changed:.0f}"
                + ("" if c.by_placebo is None else f" ({100 * c.by_placebo:.0f})")
                for c in members
            )
        out.append(f"{shares}: {beside}.")
    return out


def clause(found: Sequence[Arrived], beyond: Collection[str] = ()) -> str:
    """The check of one model in a few words, for the run's sentence; empty without treatments.

    Args:
        found: the check of every treatment.
        beyond: arms that differ from the plain prompt and from the placebo, so that their words
            have arrived whatever share of the answers changed.
    """
    if not found:
        return ""
    if len(found) == 1:
        (one,) = found
        if one.changed == 0:
            return one.beside
        changed = f"the words changed {percent(one.changed)} of the answers"
        if one.arm in beyond and one.by_placebo is not None:
            return f"{changed}, a placebo {percent(one.by_placebo)}"
        return changed if one.by_placebo is None else one.sentence
    theirs = {percent(c.by_placebo) for c in found if c.by_placebo is not None}
    if not theirs:
        shares = [c.changed for c in found]
        least, most = percent(min(shares)).removesuffix(" %"), percent(max(shares))
        return f"the words changed {least} to {most} of the answers"
    read = sum(c.read or c.arm in beyond for c in found)
    beside = f" ({theirs.pop()} changed)" if len(theirs) == 1 else ""
    return (
        f"{read or 'none'} of {len(found)} phrases left more in the answers than a placebo{beside}"
    )


def arrived(texts: Texts, claim: Claim) -> list[Arrived]:
    """The check for every treatment of a claim that has a control without its words.

    Args:
        texts: one model's answers (`heartloop.report.style.read_texts`).
        claim: the run's claim.
    """
    cases = [(arm, *_roles(arm, claim)) for arm in claim.treatments]
    cases = [case for case in cases if case[1] and texts.rounds(case[0]) and texts.rounds(case[1])]
    changes = [_changed(texts, arm, base) for arm, base, _ in cases]
    others = [_placebo(texts, base, placebos) for _, base, placebos in cases]
    moods = [_mood(texts, arm, placebos or (base,)) for arm, base, placebos in cases]
    more = _together([a - b for a, b in zip(changes, others, strict=True)], texts, claim, 1.0)
    valence = _together(moods, texts, claim, 0.0, sparse=True)
    out = []
    for i, (arm, base, placebos) in enumerate(cases):
        seen = changes[i][~np.isnan(changes[i])]
        if not len(seen):
            continue
        theirs = others[i][~np.isnan(others[i])]
        out.append(
            Arrived(
                model=texts.model,
                arm=arm,
                base=base,
                placebo=placebos,
                changed=float(seen.mean()),
                by_placebo=float(theirs.mean()) if len(theirs) else None,
                more=more[i] if more[i].questions > 1 else None,
                valence=valence[i] if valence[i].questions else None,
                questions=len(seen),
            )
        )
    return out


def _roles(arm: str, claim: Claim) -> tuple[str, tuple[str, ...]]:
    """The control without the arm's words, and the controls with other words."""
    mine = claim.controls.get(arm, {})
    if "neutral" in mine:
        return mine["neutral"][0], mine.get("neutral-varied", ())
    return next(iter(mine.get("none", ())), ""), mine.get("placebo", ())


def _changed(texts: Texts, arm: str, base: str) -> NDArray[np.float64]:
    """Share of a question's rounds in which the text differs; NaN where no round is shared."""
    rows = []
    for number in shared_rounds(texts, arm, (base,)):
        a, b = texts.texts(arm, number), texts.texts(base, number)
        rows.append(np.where(np.isnan(a) | np.isnan(b), np.nan, a != b))
    return _mean(rows, len(texts.tasks))


def _placebo(texts: Texts, base: str, placebos: Sequence[str]) -> NDArray[np.float64]:
    rows = [_changed(texts, name, base) for name in placebos if texts.rounds(name)]
    return np.mean(rows, axis=0) if rows else np.full(len(texts.tasks), np.nan)


def _mood(texts: Texts, arm: str, controls: Sequence[str]) -> NDArray[np.float64]:
    rows = []
    for number in shared_rounds(texts, arm, controls):
        theirs = [texts.table(name, number)[_VALENCE] for name in controls]
        rows.append(texts.table(arm, number)[_VALENCE] - np.mean(theirs, axis=0))
    return _mean(rows, len(texts.tasks))


def _mean(rows: Sequence[NDArray[np.float64]], width: int) -> NDArray[np.float64]:
    if not rows:
        return np.full(width, np.nan)
    table = np.stack(rows)
    there = ~np.isnan(table)
    count = there.sum(axis=0)
    return np.where(count > 0, np.nansum(table, axis=0) / np.maximum(count, 1), np.nan)


def _together(
    rows: Sequence[NDArray[np.float64]],
    texts: Texts,
    claim: Claim,
    unit: float,
    sparse: bool = False,
) -> list[Band]:
    if not rows:
        return []
    found = np.stack(rows)
    if sparse:
        found[(~np.isnan(found)).sum(axis=1) < LEAST] = np.nan
    tasks = None if sparse else texts.tasks
    return bands(found, tasks, texts.clusters, unit=unit, level=1 - claim.level)
