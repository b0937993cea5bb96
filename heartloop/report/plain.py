"""The verdict in a person's words: the headline of the page.

It says less than the sentence of the claim and never more: every word is that of a finding.
"""

from __future__ import annotations

from collections.abc import Sequence

from heartloop.report.clauses import numbers
from heartloop.report.ranking import ranked
from heartloop.report.units import Findings, Planned, Treatment, Unit
from heartloop.report.writing import points
from heartloop.types import Claim

NAMES = 3
QUESTIONS = {
    "feeling": "feeling in the feedback",
    "reflection": "asking to reflect",
    "the loop": "the loop",
}


def headline(found: Sequence[Findings], claim: Claim) -> str:
    """One or two short statements."""
    units = [(one, unit) for one in found for unit in one.units]
    if not units:
        return "Nothing was answered, so nothing can be said."
    if len(units) == 1:
        return _verdict(units[0][1], claim)
    silent = [unit for _, unit in units if unit.silent]
    if len(silent) == len(units):
        return f"Nothing can be said yet. {_verdict(units[0][1], claim)}"
    said: dict[str, list[str]] = {}
    several = len(found) > 1
    for one, unit in units:
        name = f"{unit.name} with {one.model}" if several else unit.name
        said.setdefault(_verdict(unit, claim), []).append(name)
    return " ".join(
        f"{_names(where)}: {text}" if len(said) > 1 else text for text, where in said.items()
    )


def _verdict(unit: Unit, claim: Claim) -> str:
    if cut_short(unit):
        return "Too little of this run is finished to say anything."
    if unit.decided or unit.bias is not None or unit.check:
        first = unit.silence.split("; ")[0]
        return f"{first[0].upper()}{first[1:]}."
    if unit.silent:
        return "Nothing can be said: too many answers could not be read."
    levels = [arm.own for arm in unit.arms.values()]
    if len(levels) > 1 and max(levels) <= 0:
        return "No answer was ever right, so nothing can be learned from this run."
    if len(levels) > 1 and min(levels) >= 1:
        return "Every arm is right on everything: there is no room to see a difference."
    if unit.treatments:
        return _phrases(unit.treatments, claim)
    if unit.planned and all(p.contrast.family == "arms" for p in unit.planned):
        return " ".join(_named(p, unit, claim) for p in unit.planned[:NAMES])
    if unit.planned:
        told = [p for p in unit.planned if p.compared.word != "undecided"]
        undecided = (p for p in unit.planned if p.compared.word == "undecided")
        open_ = list(dict.fromkeys(map(_asked, undecided)))  # several arms may ask the same
        said = [_contrast(p, claim) for p in told[:NAMES]]
        if open_:
            what = f"{', '.join(open_[:-1])} or {open_[-1]}" if len(open_) > 1 else open_[0]
            said.append(f"Whether {what} helps cannot be told from {unit.questions:,} questions.")
        return " ".join(said)
    return "Nothing was compared: there is no treatment with a control."


def cut_short(unit: Unit) -> bool:
    """Whether it is silent because the run was stopped before enough was finished by every arm."""
    return bool(unit.silent and unit.speaking and unit.speaking.why)


def _phrases(found: Sequence[Treatment], claim: Claim) -> str:
    words: dict[str, list[str]] = {}
    for t in found:
        gated = t.finding.gate in ("form", "mixed", "lost")
        words.setdefault("gated" if gated else t.finding.word, []).append(t.arm)
    one = len(found) == 1
    parts = []
    if works := words.get("works"):
        parts.append(f"{_names(works)} {'makes' if len(works) == 1 else 'make'} the model better.")
    elif above := words.get("above"):
        parts.append(
            f"{_names(above)} {'is' if len(above) == 1 else 'are'} above the plain prompt, but it "
            "is not shown that feeling is the reason."
        )
    elif len(words.get("equivalent", [])) == len(found):
        parts.append(
            f"{'The phrase makes' if one else f'All {len(found)} phrases make'} no difference "
            f"beyond ±{100 * claim.margin:g} points."
        )
    elif len(words.get("undecided", [])) == len(found):
        what = (
            f"Whether {found[0].arm} helps" if one else f"Whether any of {len(found)} phrases helps"
        )
        parts.append(f"{what} cannot be told from this run.")
    else:
        parts.append(
            f"{found[0].arm} does not beat the plain prompt." if one
            else "No phrase beats the plain prompt."
        )  # fmt: skip
    if hurts := words.get("hurts"):
        parts.append(f"{_names(hurts)} {'makes' if len(hurts) == 1 else 'make'} it worse.")
    both = [t.arm for t in found if t.arm in words.get("below", ()) and t.finding.both]
    if both:
        parts.append(
            f"{_names(both)} {'ends' if len(both) == 1 else 'end'} below it and below the placebo."
        )
    return " ".join(parts)


def _names(names: Sequence[str]) -> str:
    if len(names) > NAMES:
        return f"{len(names)} of them ({', '.join(names[:NAMES])} …)"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _asked(p: Planned) -> str:
    return QUESTIONS.get(p.contrast.name, p.contrast.arm)


def _contrast(p: Planned, claim: Claim) -> str:
    c, word = p.contrast, p.compared.word
    what = _asked(p)
    name = what[0].upper() + what[1:]
    if word == "equivalent":
        return f"{name} makes no difference beyond ±{100 * claim.margin:g} points."
    verb = "helps" if word == "above" else "costs points"
    return f"{name} {verb} ({c.arm} {word} {' and '.join(c.controls)})."


def _named(p: Planned, unit: Unit, claim: Claim) -> str:
    """Two named arms: above or below, and no word about help."""
    c, word = p.contrast, p.compared.word
    control = " and ".join(c.controls)
    if word in ("above", "below"):
        return f"{c.arm} is {word} {control}."
    if word == "equivalent":
        return f"{c.arm} and {control}: no difference beyond ±{100 * claim.margin:g} points."
    return (
        f"Whether {c.arm} differs from {control} cannot be told from {unit.questions:,} questions."
    )


def standing(unit: Unit) -> str:
    """Where the plain prompt, its repetition and the placebos stand, and what was asked."""
    parts = []
    rows = ranked(unit)
    plain = next((r for r in rows if r.figures.role == "none"), None)
    if plain is not None:
        parts.append(f"Plain prompt {points(plain.figures.own, False)}")
    for role, name in (("again", "asked again"), ("placebo", "with a neutral sentence")):
        levels = [r.figures.own for r in rows if r.figures.role == role]
        if levels:
            low, high = points(min(levels), False), points(max(levels), False)
            parts.append(f"{name} {low}" + (f" to {high}" if low != high else ""))
    tested = [r for r in rows if r.treatment]
    if len(tested) > 1 and tested[0].difference:
        parts.append(
            f"best of {len(tested)}: {tested[0].arm} {numbers(tested[0].difference)} points"
        )
    tasks = f"{len(unit.tasks)} tasks, " if unit.suite else ""
    parts.append(f"{tasks}{unit.questions:,} questions, measured as {unit.metric}")
    return "; ".join(parts) + "."
