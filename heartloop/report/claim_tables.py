"""Findings as tables: what ``compare``, the report and ``claim.md`` show of a claim."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from heartloop.analysis.contrasts import Difference
from heartloop.report.clauses import numbers
from heartloop.report.sentence import word_of
from heartloop.report.units import Findings, Treatment, Unit
from heartloop.report.writing import p_value, points, span
from heartloop.types import Claim

Make = Callable[..., str]


def heading(claim: Claim) -> str:
    """What was claimed, in one line."""
    when = "fixed before the first call" if claim.fixed else "not fixed beforehand"
    words = [
        f"claim {claim.sha256[:8]} ({when})",
        f"margin ±{100 * claim.margin:g} points",
        f"level {100 * claim.level:g} % for each family",
    ]
    if claim.confirms:
        words.append(f"confirms {claim.confirms[:8]} on other questions")
    return ", ".join(words)


def blocks(found: Sequence[Findings], claim: Claim, make: Make) -> list[str]:
    """Every table of a claim's findings, with a line before each unit."""
    out = [heading(claim)]
    for one in found:
        for unit in one.units:
            model = f" [{one.model}]" if one.several > 1 else ""
            tasks = f"mean of {len(unit.tasks)} tasks, " if unit.suite else ""
            line = f"{unit.name}{model}: {unit.metric}, {tasks}{unit.questions:,} questions"
            if unit.silent:
                out.append(f"{line}: {unit.silence}")
                if unit.check and unit.controls:
                    out.append(make(*controls(unit)))
                continue
            out.append(line)
            if unit.treatments:
                out.append(make(*treatments(unit, claim)))
            if unit.planned:
                out.append(make(*planned(unit)))
            if unit.controls:
                out.append(make(*controls(unit)))
    out.append(_legend(found, claim))
    return [block for block in out if block]


def _over(d: Difference) -> str:
    return "–" if d.over is None else f"{span(d.over.low, d.over.high)} p {p_value(d.over.p)}"


def treatments(unit: Unit, claim: Claim) -> tuple[list[str], list[list[str]]]:
    """Header and rows: each treatment against the plain prompt and its own placebo."""
    heads = [
        "arm", "%", "− none", "p", "− placebo", "p works", "p equal", "content", "form",
        "right", "over tasks like these", "word",
    ]  # fmt: skip
    return heads, [_treatment(unit, t, claim) for t in unit.treatments]


def _treatment(unit: Unit, t: Treatment, claim: Claim) -> list[str]:
    f, m = t.finding, t.finding.measured
    s = m.split
    return [
        t.arm, points(unit.arms[t.arm].own, False), numbers(m.none), p_value(f.p_plain),
        numbers(m.placebo) if m.placebo else "–", p_value(f.p_works) if m.placebo else "–",
        p_value(f.p_equal),
        f"{points(s.content)} {span(s.content_low, s.content_high)}" if s else "–",
        f"{points(s.form)} {span(s.form_low, s.form_high)}" if s else "–",
        f"{points(s.right)} {span(s.right_low, s.right_high)}" if s else "–",
        _over(m.none), word_of(t, claim),
    ]  # fmt: skip


def planned(unit: Unit) -> tuple[list[str], list[list[str]]]:
    """Header and rows of planned contrasts: a loop's three, or named arms."""
    heads = ["contrast", "arm − control", "arm %", "control %", "diff", "p Holm", "p equal",
             "tokens a question", "over tasks like these", "word"]  # fmt: skip
    rows = []
    for p in unit.planned:
        c, d = p.contrast, p.compared.difference
        arm, control = unit.arms[c.arm], unit.arms[c.controls[0]]
        rows.append([
            c.name, f"{c.arm} − {', '.join(c.controls)}", points(arm.own, False),
            points(control.own, False), numbers(d), p_value(p.compared.p_holm),
            p_value(p.compared.p_equal), f"{arm.tokens:,.0f} / {control.tokens:,.0f}", _over(d),
            p.compared.word,
        ])  # fmt: skip
    return heads, rows


def controls(unit: Unit) -> tuple[list[str], list[list[str]]]:
    """Header and rows of what the controls did against the plain prompt."""
    heads = ["shown, no hypothesis", "%", "− none", "p"]
    rows = [
        [arm, points(unit.arms[arm].own, False), numbers(d), p_value(d.p)]
        for arm, d in unit.controls.items()
    ]
    return heads, rows


def _legend(found: Sequence[Findings], claim: Claim) -> str:
    if not any(u.treatments for f in found for u in f.units):
        return ""
    count = max(len(f.treatments) for f in found)
    who = "One treatment." if count == 1 else f"Each model's {count} treatments are one family."
    return (
        f"{who} p: against the plain prompt alone; "
        "p works: the larger of the p-values against the plain prompt and the mean of its own "
        "placebos, 1 where the signs differ; p equal: TOST against the plain prompt; each adjusted "
        "by Holm. content, form: contributions to the difference to the plain prompt; right: "
        "difference in the share right by content. Every interval holds for all treatments at "
        "once, but for those over tasks like these."
    )
