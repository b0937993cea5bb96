"""The parts of a run's sentence: figures, what controls did, contrasts of loops, caveats."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from heartloop.analysis._special import norm_ppf
from heartloop.analysis.contrasts import Difference
from heartloop.report.units import ArmFigures, Planned, Treatment, Unit
from heartloop.report.writing import points, span
from heartloop.run.claim import MOOD_METRIC
from heartloop.types import Claim

SHOWN = 4  # names in a list


POWER = 0.8


SHARE = 0.03  # lost answers from which on their share is said


def at_stage(unit: Unit) -> list[str]:
    """What is known of a silent unit all the same, where its arms were cut at one budget."""
    if unit.speaking is None or unit.speaking.budget is None:
        return []
    levels = ", ".join(
        f"{a.arm} {points(a.own, False)} ({1 - a.lost:.0%} read)" for a in unit.arms.values()
    )
    return [_stage(unit), f"{levels} ({size(unit)})", *_ends(unit)]


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


def nothing(unit: Unit) -> str:
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


def alone(arms: Sequence[ArmFigures], claim: Claim) -> str:
    """Arms without a control: their levels, and why nothing is said of a cause."""
    shown = ", ".join(
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
    return f"{shown}{more}: {why}" if shown else ""


def numbers(d: Difference) -> str:
    """A difference with its interval."""
    return f"{points(d.estimate)} {span(d.low, d.high)}"


def size(unit: Unit) -> str:
    """How many questions, and of how many tasks."""
    tasks = f"on these {len(unit.tasks)} tasks, " if unit.suite else ""
    return f"{tasks}{unit.questions:,} questions"


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
    typical = 1.0
    if d.discordance > 0:
        typical = min(1.0, ((d.se**2 * questions + d.estimate**2) / d.discordance) ** 0.5)
    return max(z * d.se, z**2 * typical / (questions + z**2))


def reached(d: Difference, claim: Claim, family: int, questions: int) -> str:
    """What the run could have found, in words."""
    least = reach(d, claim, family, questions)
    if least >= 1:
        return "too few questions to find any difference"
    return f"this run could find about {points(least, False)} points or more"


def counted(found: Sequence[Treatment]) -> str:
    """Names of a few, else a number and the first names."""
    if len(found) <= SHOWN:
        return listed(found, lambda t: t.arm)
    return f"{len(found)} ({', '.join(t.arm for t in found[:SHOWN])} …)"


def listed(found: Sequence[Treatment], one: Callable[[Treatment], str]) -> str:
    """A few treatments, each as ``one`` says it, and how many more."""
    shown = [one(t) for t in found[:SHOWN]]
    if len(found) > SHOWN:
        return f"{', '.join(shown)} and {len(found) - SHOWN} more"
    return " and ".join(shown) if len(shown) < 3 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def controls(unit: Unit, claim: Claim) -> list[str]:
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
            shown = ", ".join(f"{a.arm} {points(d.estimate)}" for a, d in apart[:SHOWN])
            clauses.append(f"placebos that differ from the plain prompt: {shown}")
    return clauses


def planned(unit: Unit, claim: Claim) -> list[str]:
    """Every planned contrast, the levels of its arms first."""
    names = list(dict.fromkeys(n for p in unit.planned for n in _names(p)))
    levels = ", ".join(f"{n} {points(unit.arms[n].own, False)}" for n in names)
    clauses = [f"{levels} ({size(unit)})"]
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
        text = f"undecided ({reached(d, claim, family, unit.questions)})"
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


def caveats(unit: Unit) -> list[str]:
    """What a reader must know beside the words."""
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
