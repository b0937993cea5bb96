"""From findings to words: what a claim's results may be called, and nothing more.

Pure: findings and claim in, text out. Every figure comes from those two objects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from heartloop.analysis._special import norm_ppf
from heartloop.analysis.contrasts import Difference
from heartloop.report.findings import ArmFigures, Findings, Planned, Treatment, Unit
from heartloop.report.writing import points, span
from heartloop.run.claim import MOOD_METRIC
from heartloop.types import Claim

SHOWN = 4  # names in a list
POWER = 0.8
SHARE = 0.03  # lost answers from which on their share is said


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
        return name + "; ".join([unit.silence, *_at_stage(unit)])
    nothing = _nothing(unit)
    if nothing:
        return name + nothing
    clauses: list[str] = []
    many = len(found.treatments)
    if unit.treatments:
        if len(unit.treatments) == 1:
            clauses += _one(unit, unit.treatments[0], claim, many)
        else:
            clauses += _several(unit, claim, many, found.several > 1)
        clauses += _form_asked(unit.treatments)
        clauses += _controls(unit, claim)
    if unit.planned:
        clauses += _planned(unit, claim)
    if not clauses:
        return name + _alone(list(unit.arms.values()), claim)
    clauses += _caveats(unit)
    if unit.verifier:
        clauses.append(f"answers read by {unit.verifier}")
    return name + "; ".join(clauses)


def _at_stage(unit: Unit) -> list[str]:
    """What is known of a silent unit all the same, where its arms were cut at one budget."""
    if unit.speaking is None or unit.speaking.budget is None:
        return []
    levels = ", ".join(
        f"{a.arm} {points(a.own, False)} ({1 - a.lost:.0%} read)" for a in unit.arms.values()
    )
    return [_stage(unit), f"{levels} ({_size(unit)})", *_ends(unit)]


def _stage(unit: Unit) -> str:
    """At which budget the arms of a stopped run are compared, and what that leaves out."""
    s = unit.speaking
    assert s is not None and s.budget is not None
    text = f"all arms compared at {s.budget:,.0f} tokens a question, where every one still has all"
    for arm, stage in s.stages.items():
        first = f"first {stage.answers} answers" if stage.answers > 1 else "first answer"
        text += (
            f"; {arm} had ended on {s.ended.get(arm, 0):,} of {s.opened:,}, the solved ones "
            f"(right within its {first}, which all have: {points(stage.right, False)})"
        )
    return text


def _nothing(unit: Unit) -> str:
    """No room at all: every arm at an end of the scale."""
    levels = [arm.own for arm in unit.arms.values()]
    if len(levels) > 1 and min(levels) < 0 and max(levels) <= 0:
        return (
            "no arm is above chance: check verifier, extraction and model; nothing can be learned"
        )
    if len(levels) > 1 and max(levels) <= 0:
        return (
            "no answer was ever right: check verifier, extraction and model; nothing can be learned"
        )
    if len(levels) > 1 and min(levels) >= 1:
        return f"no headroom: every arm is at 100 % of {unit.questions:,} questions"
    return ""


def _alone(arms: Sequence[ArmFigures], claim: Claim) -> str:
    listed = ", ".join(
        f"{a.arm} {points(a.own, False)} % "
        f"[{points(a.interval[0], False)}, {points(a.interval[1], False)}]"
        for a in arms[:3]
    )
    more = f" and {len(arms) - 3} more" if len(arms) > 3 else ""
    why = (
        "no control was run, so nothing can be said about its cause"
        if claim.treatments
        else "no treatment was run"
    )
    return f"{listed}{more}: {why}" if listed else ""


def numbers(d: Difference) -> str:
    """A difference with its interval."""
    return f"{points(d.estimate)} {span(d.low, d.high)}"


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
    text += f", {_size(unit)}: {word_of(t, claim)}"
    if unit.edges is not None and unit.edges.blind:
        if t.finding.word == "undecided" and not t.finding.gate:
            text += " (there was little room for any difference)"
    elif t.finding.word == "undecided" and not t.finding.gate:
        text += f" ({_reach(m.none, claim, many, unit.questions)}; {_ruled_out(m.none)})"
    clauses = [text, *_wide([t]), *_content([t])]
    return [*clauses, *_over([t] if _worded(t) else [], unit), *_demand([t], claim)]


def _worded(t: Treatment) -> bool:
    return t.finding.word not in ("equivalent", "undecided")


def _each(unit: Unit, t: Treatment) -> str:
    levels = " and ".join(f"{points(unit.arms[p].own, False)}" for p in t.placebos)
    return f"two sentences, {levels}" if len(t.placebos) == 2 else levels


def _size(unit: Unit) -> str:
    tasks = f"on these {len(unit.tasks)} tasks, " if unit.suite else ""
    return f"{tasks}{unit.questions:,} questions"


def _ruled_out(d: Difference) -> str:
    """The bounded null: what the interval excludes."""
    return (
        f"gains above {points(max(d.high, 0), False)} and losses beyond "
        f"{points(max(-d.low, 0), False)} are ruled out"
    )


def reach(d: Difference, claim: Claim, family: int, questions: int) -> float:
    """The difference that would be found at the first step of Holm, with 80 % power; a share.

    With z the sum of both quantiles, z se, where se is that of the share of questions that differ
    now. But a difference of δ needs at least a share δ / m of questions that differ, m the typical
    size of one, and that spread of its own cannot be seen below z² m / (n + z²): where hardly
    anything differed the standard error alone would promise too much.

    Args:
        d: the contrast as it was measured.
        claim: gives the level.
        family: contrasts that Holm goes over.
        questions: n.
    """
    z = norm_ppf(1 - claim.level / (2 * max(1, family))) + norm_ppf(POWER)
    size = 1.0
    if d.discordance > 0:
        size = min(1.0, ((d.se**2 * questions + d.estimate**2) / d.discordance) ** 0.5)
    return max(z * d.se, z**2 * size / (questions + z**2))


def _reach(d: Difference, claim: Claim, family: int, questions: int) -> str:
    least = reach(d, claim, family, questions)
    if least >= 1:
        return "too few questions to find any difference"
    return f"this run could find about {points(least, False)} points or more"


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
            clauses.append(f"{_count(both)} {is_are} {side} none and {side} the placebo")
            clauses += _over(both, unit)
        if plain:
            is_are = "is" if len(plain) == 1 else "are"
            clauses.append(f"{_count(plain)} {is_are} {side} the plain prompt alone")
            clauses += _over(plain, unit)
    clauses += _gates(found)
    same = [t for t in found if t.finding.word == "equivalent"]
    if same:
        clauses.append(
            f"{_count(same)} without any difference beyond ±{100 * claim.margin:g} points (a "
            "family of its own)"
        )
    clauses += _wide([*works, *hurts, *above, *below])
    clauses += _content([*works, *hurts])
    clauses += _demand([*works, *hurts], claim)
    who = " of each model" if models else ""
    clauses.append(f"{_size(unit)}, Holm over {many} treatments{who}")
    return clauses


def _with_numbers(found: Sequence[Treatment]) -> str:
    def one(t: Treatment) -> str:
        m = t.finding.measured
        own = f", {numbers(m.placebo)} to its own placebo" if m.placebo else ""
        return f"{t.arm} ({numbers(m.none)}{own})"

    return _list(found, one)


def _count(found: Sequence[Treatment]) -> str:
    """Names of a few, else a number and the first names."""
    if len(found) <= SHOWN:
        return _list(found, lambda t: t.arm)
    return f"{len(found)} ({', '.join(t.arm for t in found[:SHOWN])} …)"


def _list(found: Sequence[Treatment], one: Callable[[Treatment], str]) -> str:
    shown = [one(t) for t in found[:SHOWN]]
    if len(found) > SHOWN:
        return f"{', '.join(shown)} and {len(found) - SHOWN} more"
    return " and ".join(shown) if len(shown) < 3 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _gates(found: Sequence[Treatment]) -> list[str]:
    clauses = []
    for sign, word in ((1, "more"), (-1, "less")):
        form = [t for t in found if t.finding.gate == "form" and t.finding.sign == sign]
        if form:
            verb = "answers" if len(form) == 1 else "answer"
            clauses.append(f"{_count(form)} {verb} {word} often in the asked form")
    for gate, words in (
        ("mixed", "content and form not told apart"),
        ("lost", "of all answers and of those that could be read with opposite signs"),
        ("placebos", "the two placebos disagree"),
    ):
        group = [t for t in found if t.finding.gate == gate]
        if group:
            clauses.append(f"{_count(group)}: {words}")
    return clauses


def _wide(found: Sequence[Treatment]) -> list[str]:
    """Words whose interval holds 0: Holm's steps are sharper than one interval for all."""
    wide = [t for t in found if _worded(t) and _holds_zero(t)]
    return (
        [f"{_list(wide, lambda t: t.arm)}: by Holm; the interval for all holds 0"] if wide else []
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
    return [f"over tasks like these only {_list(held, lambda t: t.arm)}"]


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
            + _list(untold, lambda t: f"{t.arm} ({t.asks})")
        )
    return told


def _form_asked(found: Sequence[Treatment]) -> list[str]:
    """Arms with a word whose own phrase asks for another form of answer."""
    asked = [t for t in found if "format" in t.asks and (_worded(t) or t.finding.gate)]
    if not asked:
        return []
    verb = "asks" if len(asked) == 1 else "ask"
    return [f"{_count(asked)} {verb} for another form of answer"]


def _controls(unit: Unit, claim: Claim) -> list[str]:
    """What the placebos did, and what their number allows."""
    clauses = []
    placebos = [a for a in unit.arms.values() if a.role == "placebo"]
    if not placebos:
        return ["no placebo was run: feeling cannot be told from any added sentence"]
    if all(len(t.placebos) < 2 for t in unit.treatments):
        one = placebos[0]
        clauses.append(
            f"one placebo was run ({points(one.own, False)}, "
            f"{points(unit.controls[one.arm].estimate)}), so “own placebo” does not apply"
        )
    else:
        found = [(a, unit.controls[a.arm]) for a in placebos if a.arm in unit.controls]
        apart = [(a, d) for a, d in found if not d.low <= 0 <= d.high]
        if apart and len(apart) == len(found):
            mean = sum(d.estimate for _, d in found) / len(found)
            verb = "costs" if mean < 0 else "gains"
            clauses.append(f"adding any sentence {verb} {points(abs(mean), False)} here")
        elif apart:
            listed = ", ".join(f"{a.arm} {points(d.estimate)}" for a, d in apart[:SHOWN])
            clauses.append(f"placebos that differ from the plain prompt: {listed}")
    return clauses


def _planned(unit: Unit, claim: Claim) -> list[str]:
    names = list(dict.fromkeys(n for p in unit.planned for n in _names(p)))
    levels = ", ".join(f"{n} {points(unit.arms[n].own, False)}" for n in names)
    clauses = [f"{levels} ({_size(unit)})"]
    for p in unit.planned:
        clauses.append(_contrast(p, unit, claim, len(unit.planned)))
    if len(unit.planned) > 1:
        clauses.append(f"Holm over the {len(unit.planned)}")
    if MOOD_METRIC in unit.metric:
        clauses.append(
            "above and below are the mood of the last answer, no gain; its course: heartloop "
            "trajectory"
        )
    return clauses


def _names(p: Planned) -> tuple[str, ...]:
    return (p.contrast.arm, *p.contrast.controls)


def _contrast(p: Planned, unit: Unit, claim: Claim, family: int) -> str:
    c, d = p.contrast, p.compared.difference
    control = " and ".join(c.controls)
    how = f"{c.arm} − {control}"
    if c.name == "the loop":
        a, b = unit.arms[c.arm].tokens, unit.arms[c.controls[0]].tokens
        far = a and b and abs(b / a - 1) > 0.05
        match = f"not at equal tokens, {points(b / a - 1)[:-2]} %" if far else "at equal tokens"
        how += f", {match}: {a:,.0f} and {b:,.0f} a question"
    word = p.compared.word
    if word in ("above", "below"):
        text = f"{c.arm} {word} {control}"
        if p.compared.inside:
            text += ", by less than the margin"
    elif word == "equivalent":
        text = f"no difference beyond ±{100 * claim.margin:g} points"
    else:
        text = f"undecided ({_reach(d, claim, family, unit.questions)})"
    if unit.suite and p.compared.over is not None and word in ("above", "below"):
        text += ", over tasks like these " + ("too" if p.compared.over else "undecided")
    lead = f"{c.name} ({how})" if c.family == "loop" else how
    return f"{lead}: {numbers(d)}, {text}"


def _ends(unit: Unit) -> list[str]:
    """Floor and ceiling of the control."""
    clauses = []
    ends = unit.edges
    if ends is not None:
        for where, name in ((ends.floor, "floor"), (ends.ceiling, "ceiling")):
            if where and unit.suite:
                clauses.append(f"{len(where)} of {ends.tasks} tasks at the {name}")
            elif where:
                clauses.append(f"the control is at the {name}: little could be seen")
    return clauses


def _caveats(unit: Unit) -> list[str]:
    clauses = _ends(unit)
    if unit.speaking is not None and unit.speaking.budget is not None:
        clauses.append(_stage(unit))
    moved = [*(t.finding.word for t in unit.treatments), *(p.compared.word for p in unit.planned)]
    cot = next((a for a in unit.arms.values() if a.role == "cot"), None)
    if cot is not None and cot.arm in unit.controls and set(moved) <= {"undecided", "equivalent"}:
        d = unit.controls[cot.arm]
        if d.low <= 0 <= d.high:
            clauses.append(f"the positive control {cot.arm} moved nothing either ({numbers(d)})")
    lost = [a for a in unit.arms.values() if a.lost > SHARE]
    if lost:
        worst = max(lost, key=lambda a: a.lost)
        clauses.append(f"up to {worst.lost:.0%} of the answers could not be read ({worst.arm})")
    if unit.left_out:
        clauses.append(f"{unit.left_out:,} questions that were open at the stop are left out")
    return clauses
