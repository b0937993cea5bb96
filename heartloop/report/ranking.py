"""The arms of a task or suite in the order in which people read them, for terminal and page.

Reference rows first (the plain prompt, the same asked again, placebos), then the treatments by
their difference to the plain prompt, then what else was run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from heartloop.analysis.contrasts import Difference
from heartloop.report.units import ArmFigures, Treatment, Unit
from heartloop.types import Claim

MOST = 10
"""Rows of a table on the terminal."""
ENDS = 3
"""Treatments shown from either end."""
REFERENCES = ("none", "again", "placebo")


@dataclass(frozen=True, slots=True)
class Row:
    """One arm of a table sorted by effect.

    Attributes:
        figures: its level, tokens, and so on.
        difference: to the plain prompt; None for the plain prompt itself and for controls that
            are not compared with it.
        treatment: its finding, where it is a treatment.
    """

    figures: ArmFigures
    difference: Difference | None = None
    treatment: Treatment | None = None

    @property
    def arm(self) -> str:
        """The arm's name."""
        return self.figures.arm


def ranked(unit: Unit) -> list[Row]:
    """Every arm of a unit: references, treatments from best to worst, other controls."""
    treated = {t.arm: t for t in unit.treatments}
    rows = [
        Row(f, treated[f.arm].finding.measured.none, treated[f.arm])
        if f.arm in treated
        else Row(f, unit.controls.get(f.arm))
        for f in unit.arms.values()
    ]
    first = [r for name in REFERENCES for r in rows if r.figures.role == name]
    tested = sorted((r for r in rows if r.treatment), key=_effect, reverse=True)
    return [*first, *tested, *(r for r in rows if r not in first and r not in tested)]


def _effect(row: Row) -> float:
    return row.difference.estimate if row.difference else 0.0


def chosen(rows: Sequence[Row], most: int = MOST) -> list[Row]:
    """The rows that a short table shows, in their order.

    References, the three best and the three worst treatments, then those with a word, the
    strongest first, then the others, as far as there is room.
    """
    if len(rows) <= most:
        return list(rows)
    tested = [r for r in rows if r.treatment]
    worded = sorted((r for r in tested if _said(r)), key=lambda r: -abs(_effect(r)))
    placebos = [r for r in rows if r.figures.role == "placebo"]
    few = [r for r in rows if r.figures.role in REFERENCES and r not in placebos[2:]]
    wish = [*few, *tested[:ENDS], *tested[-ENDS:], *worded, *tested, *rows]
    kept = list(dict.fromkeys(map(id, wish)))[:most]
    return [r for r in rows if id(r) in kept]


def _said(row: Row) -> bool:
    return row.treatment is not None and row.treatment.finding.word not in (
        "undecided",
        "equivalent",
    )


GATES = {
    "form": "form, not content",
    "mixed": "content or form?",
    "lost": "readings disagree",
    "placebos": "placebos disagree",
}
WORDS = {"works": "works", "hurts": "hurts", "undecided": "undecided"}


def short_word(t: Treatment, claim: Claim) -> str:
    """What a treatment may be called, in at most twenty characters."""
    f = t.finding
    if f.gate in GATES:
        return GATES[f.gate]
    if f.word == "equivalent":
        return f"same within ±{100 * claim.margin:g}"
    if f.word in ("above", "below"):
        return f"{f.word} plain" + (", placebo" if f.both else " only")
    return WORDS[f.word]


def tone(t: Treatment | None) -> str:
    """``good``, ``bad`` or empty: how a treatment's word is coloured."""
    if t is None or t.finding.gate in GATES or t.finding.word in ("undecided", "equivalent"):
        return ""
    return "good" if t.finding.sign > 0 else "bad"
