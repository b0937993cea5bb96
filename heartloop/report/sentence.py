"""From findings to words: what a claim's results may be called, and nothing more.

Pure: findings and claim in, text out. Every figure comes from those two objects.
"""

from __future__ import annotations

from collections.abc import Sequence

from heartloop.analysis.contrasts import Difference
from heartloop.report.clauses import (
    SHOWN,
    alone,
    at_stage,
    caveats,
    controls,
    counted,
    listed,
    nothing,
    numbers,
    planned,
    reached,
    size,
)
from heartloop.report.units import Findings, Treatment, Unit
from heartloop.report.writing import points, span
from heartloop.types import Claim


def sentence(found: Findings, claim: Claim, read: str = "") -> str:
    """What one model's findings come to, without a full stop; empty where there is nothing.

    Args:
        found: one model's findings.
        claim: the run's claim.
        read: the manipulation check in a few words; said where anything else is.
    """
    parts = [_unit(unit, found, claim) for unit in found.units]
    text = "; ".join(part for part in parts if part)
    if not text:
        return ""
    if read and not all(unit.silent for unit in found.units):
        text += f"; {read}"
    if claim.confirms:
        text += f"; confirms or refutes the claim {claim.confirms[:8]} on other questions"
    if not claim.fixed:
        text += "; not fixed beforehand"
    return text


def _unit(unit: Unit, found: Findings, claim: Claim) -> str:
    name = f"{unit.name}: " if len(found.units) > 1 else ""
    if unit.silent:
        return name + "; ".join([unit.silence, *at_stage(unit)])
    empty = nothing(unit)
    if empty:
        return name + empty
    clauses: list[str] = []
    many = len(found.treatments)
    if unit.treatments:
        if len(unit.treatments) == 1:
            clauses += _one(unit, unit.treatments[0], claim, many)
        else:
            clauses += _several(unit, claim, many, found.several > 1)
        clauses += _form_asked(unit.treatments)
        clauses += controls(unit, claim)
    if unit.planned:
        clauses += planned(unit, claim)
    if not clauses:
        return name + alone(list(unit.arms.values()), claim)
    clauses += caveats(unit)
    if unit.verifier:
        clauses.append(f"answers read by {unit.verifier}")
    return name + "; ".join(clauses)


def word_of(t: Treatment, claim: Claim) -> str:
    """What one treatment may be called."""
    f = t.finding
    more = "more" if f.sign > 0 else "less"
    gates = {
        "form": f"answers {more} often in the asked form",
        "mixed": "content and form not told apart",
        "lost": "of all answers and of those that could be read with opposite signs",
    }
    if f.gate in gates:
        return gates[f.gate]
    side = "above" if f.sign > 0 else "below"
    words = {
        "works": "works",
        "hurts": "hurts",
        "above": "above the plain prompt",
        "below": "below the plain prompt",
        "equivalent": f"no difference beyond ±{100 * claim.margin:g} points",
        "undecided": "undecided",
    }
    text = words[f.word]
    if f.word in ("above", "below") and f.both and not f.gate:
        text = f"{side} the plain prompt and {side} the placebo"
    if f.gate == "placebos":
        text += ", its two placebos disagree"
    if f.word in ("hurts", "below") and f.inside:
        text += ", worse by less than the margin"
    return text


def _one(unit: Unit, t: Treatment, claim: Claim, many: int) -> list[str]:
    m = t.finding.measured
    arm, none = unit.arms[t.arm], unit.arms[t.none]
    text = (
        f"{t.arm} {points(arm.own, False)} against {points(none.own, False)} for the plain prompt, "
        f"{numbers(m.none)}"
    )
    if m.placebo is not None:
        own = "its own placebo" if len(t.placebos) > 1 else "the placebo"
        text += f", and {numbers(m.placebo)} against {own} ({_each(unit, t)})"
    text += f", {size(unit)}: {word_of(t, claim)}"
    if unit.edges is not None and unit.edges.blind:
        if t.finding.word == "undecided" and not t.finding.gate:
            text += " (there was little room for any difference)"
    elif t.finding.word == "undecided" and not t.finding.gate:
        text += f" ({reached(m.none, claim, many, unit.questions)}; {_ruled_out(m.none)})"
    clauses = [text, *_wide([t]), *_content([t])]
    return [*clauses, *_over([t] if _worded(t) else [], unit), *_demand([t], claim)]


def _worded(t: Treatment) -> bool:
    return t.finding.word not in ("equivalent", "undecided")


def _each(unit: Unit, t: Treatment) -> str:
    levels = " and ".join(f"{points(unit.arms[p].own, False)}" for p in t.placebos)
    return f"two sentences, {levels}" if len(t.placebos) == 2 else levels


def _ruled_out(d: Difference) -> str:
    """The bounded null: what the interval excludes."""
    return (
        f"gains above {points(max(d.high, 0), False)} and losses beyond "
        f"{points(max(-d.low, 0), False)} are ruled out"
    )


def _several(unit: Unit, claim: Claim, many: int, models: bool) -> list[str]:
    found = unit.treatments
    none = unit.arms[found[0].none]
    again = next((a for a in unit.arms.values() if a.role == "again"), None)
    base = points(none.own, False)
    if again is not None:
        base += f", asked again {points(again.own, False)}"
    works = [t for t in found if t.finding.word == "works"]
    hurts = [t for t in found if t.finding.word == "hurts"]
    above = [t for t in found if t.finding.word == "above"]
    below = [t for t in found if t.finding.word == "below"]
    best = max(found, key=lambda t: t.finding.measured.none.estimate)
    clauses = []
    if works:
        head = f"{_with_numbers(works)} {'works' if len(works) == 1 else 'work'} "
        clauses.append(f"{head}(plain prompt {base})")
    elif above:
        clauses.append(f"nothing works (plain prompt {base})")
    else:
        d = best.finding.measured.none
        clauses.append(
            f"no phrase beats the plain prompt ({base}; best of {len(found)} {best.arm} "
            f"{points(d.estimate)}, simultaneous {span(d.low, d.high)})"
        )
    clauses += _over(works, unit)
    if hurts:
        clauses.append(f"{_with_numbers(hurts)} {'hurts' if len(hurts) == 1 else 'hurt'}")
        clauses += _over(hurts, unit)
    for side, group in (("above", above), ("below", below)):
        both = [t for t in group if t.finding.both and not t.finding.gate]
        plain = [t for t in group if t not in both]
        if both:
            is_are = "is" if len(both) == 1 else "are"
            clauses.append(f"{counted(both)} {is_are} {side} none and {side} the placebo")
            clauses += _over(both, unit)
        if plain:
            is_are = "is" if len(plain) == 1 else "are"
            clauses.append(f"{counted(plain)} {is_are} {side} the plain prompt alone")
            clauses += _over(plain, unit)
    clauses += _gates(found)
    same = [t for t in found if t.finding.word == "equivalent"]
    if same:
        clauses.append(
            f"{counted(same)} without any difference beyond ±{100 * claim.margin:g} points (a "
            "family of its own)"
        )
    clauses += _wide([*works, *hurts, *above, *below])
    clauses += _content([*works, *hurts])
    clauses += _demand([*works, *hurts], claim)
    who = " of each model" if models else ""
    clauses.append(f"{size(unit)}, Holm over {many} treatments{who}")
    return clauses


def _with_numbers(found: Sequence[Treatment]) -> str:
    def one(t: Treatment) -> str:
        m = t.finding.measured
        own = f", {numbers(m.placebo)} to its own placebo" if m.placebo else ""
        return f"{t.arm} ({numbers(m.none)}{own})"

    return listed(found, one)


def _gates(found: Sequence[Treatment]) -> list[str]:
    clauses = []
    for sign, word in ((1, "more"), (-1, "less")):
        form = [t for t in found if t.finding.gate == "form" and t.finding.sign == sign]
        if form:
            verb = "answers" if len(form) == 1 else "answer"
            clauses.append(f"{counted(form)} {verb} {word} often in the asked form")
    for gate, words in (
        ("mixed", "content and form not told apart"),
        ("lost", "of all answers and of those that could be read with opposite signs"),
        ("placebos", "the two placebos disagree"),
    ):
        group = [t for t in found if t.finding.gate == gate]
        if group:
            clauses.append(f"{counted(group)}: {words}")
    return clauses


def _wide(found: Sequence[Treatment]) -> list[str]:
    """Words whose interval holds 0: Holm's steps are sharper than one interval for all."""
    wide = [t for t in found if _worded(t) and _holds_zero(t)]
    return (
        [f"{listed(wide, lambda t: t.arm)}: by Holm; the interval for all holds 0"] if wide else []
    )


def _holds_zero(t: Treatment) -> bool:
    m = t.finding.measured
    shown = [m.none, m.placebo] if t.finding.both and m.placebo is not None else [m.none]
    return any(d.low <= 0 <= d.high for d in shown if d is not None)


def _content(found: Sequence[Treatment]) -> list[str]:
    """What stands behind a word: C1 - C0 itself."""
    clauses = []
    for t in found[:SHOWN]:
        s = t.finding.measured.split
        if s is None or t.finding.word in ("equivalent", "undecided"):
            continue
        how = "more" if s.right > 0 else "less"
        clauses.append(
            f"{t.arm} is right {how} often by content "
            f"({points(s.right)} {span(s.right_low, s.right_high)})"
        )
    return clauses


def _over(found: Sequence[Treatment], unit: Unit) -> list[str]:
    """Whether tasks like these agree; nothing with fewer than six."""
    if not unit.suite or not found:
        return []
    if all(t.finding.over is None for t in found):
        return [f"{len(unit.tasks)} tasks are too few to speak of tasks like these"]
    held = [t for t in found if t.finding.over]
    if len(held) == len(found):
        return ["over tasks like these the same"]
    if not held:
        return ["over tasks like these undecided"]
    return [f"over tasks like these only {listed(held, lambda t: t.arm)}"]


def _demand(found: Sequence[Treatment], claim: Claim) -> list[str]:
    """Words that also ask for something: told apart only by a twin that asks for it alone."""
    told, untold = [], []
    for t in found:
        if t.finding.word not in ("works", "hurts") or not t.asks:
            continue
        if t.beyond is not None and t.beyond_p <= claim.level:
            told.append(f"{t.arm} beyond what it asks for ({numbers(t.beyond)})")
        else:
            untold.append(t)
    if untold:
        told.append(
            "words and what they ask for, not told apart: "
            + listed(untold, lambda t: f"{t.arm} ({t.asks})")
        )
    return told


def _form_asked(found: Sequence[Treatment]) -> list[str]:
    """Arms with a word whose own phrase asks for another form of answer."""
    asked = [t for t in found if "format" in t.asks and (_worded(t) or t.finding.gate)]
    if not asked:
        return []
    verb = "asks" if len(asked) == 1 else "ask"
    return [f"{counted(asked)} {verb} for another form of answer"]
