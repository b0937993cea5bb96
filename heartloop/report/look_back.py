"""``claim.md`` of a run folder: one page in words and figures that can go into an appendix.

What was asked, what was fixed beforehand, what was found, what was not found, and what would change
the verdict. Every figure is read from the claim and from its findings; no number is kept anywhere
else, so a verdict that changes changes the page.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from heartloop.analysis._special import norm_ppf
from heartloop.analysis.contrasts import Difference
from heartloop.errors import JournalError
from heartloop.report import claim_tables
from heartloop.report.answered import answered_table, differing
from heartloop.report.arms import Loaded
from heartloop.report.arrived import Arrived, checked
from heartloop.report.arrived import lines as arrived_lines
from heartloop.report.clauses import POWER, numbers
from heartloop.report.conclusion import conclusion_of
from heartloop.report.findings import findings
from heartloop.report.sentence import word_of
from heartloop.report.units import Findings, Treatment, Unit
from heartloop.report.writing import markdown_table, points
from heartloop.run.claim import read_claim
from heartloop.run.files import write_text
from heartloop.types import Claim

FILE = "claim.md"


def claim_page(
    run: Loaded,
    found: Sequence[Findings] | None = None,
    read: Sequence[Arrived] | None = None,
) -> str:
    """The page, as Markdown.

    Args:
        run: the run, read.
        found: its findings where they are at hand.
        read: its manipulation check where it is at hand.

    Raises:
        UsageError: the claim was changed after the run began.
    """
    claim = read_claim(run.manifest)
    every = findings(run, claim) if found is None else found
    read = checked(run, claim) if read is None else read
    parts = [
        f"# The claim of {run.folder.name}",
        conclusion_of(run, every, read) or "Nothing was answered, so there is nothing to conclude.",
        "## What was asked",
        *_asked(run, every),
        "## What was fixed beforehand",
        *_fixed(claim),
        "## What was found",
        *claim_tables.blocks(every, claim, markdown_table)[1:],
        *(markdown_table(*answered_table(rows)) for rows in differing(run, every)),
        *_arrived(read),
        "## What was not found",
        *_not_found(every, claim),
        "## What would change the verdict",
        "\n".join(f"- {line}" for line in changes(every, claim)) or "Any result at all.",
    ]
    return "\n\n".join(parts) + "\n"


def _arrived(read: Sequence[Arrived]) -> list[str]:
    """The manipulation check, as a list."""
    said = arrived_lines(read)
    return ["Did the words arrive?", "\n".join(f"- {line}" for line in said)] if said else []


def _asked(run: Loaded, found: Sequence[Findings]) -> list[str]:
    m = run.manifest
    lines = []
    for one in found:
        for unit in one.units:
            tasks = f" ({len(unit.tasks)} tasks)" if unit.suite else ""
            left = f", {unit.left_out:,} left out" if unit.left_out else ""
            lines.append(
                f"- {one.model} on {unit.name}{tasks}: {unit.questions:,} questions that every "
                f"compared arm has finished{left}; metric: {unit.metric}."
            )
    arms = {a["name"]: a for a in m["plan"]["arms"]}
    said = [
        f"- {name} ({arm['role']}): "
        + (" ".join(f"“{s['text']}”" for s in arm["stimuli"]) or f"method {arm['method']}")
        for name, arm in arms.items()
    ]
    seeds = f"Run seeds: {', '.join(map(str, m['plan']['seeds']))}."
    return ["\n".join(lines), "Arms:", "\n".join(said), seeds]


def _fixed(claim: Claim) -> list[str]:
    first = claim_tables.heading(claim) + f". Full hash: `{claim.sha256}`."
    if not claim.fixed:
        first += " This folder has no claim of its own: it was rebuilt from the roles of its arms."
    metrics = sorted({f"{metric}" for metric in claim.metric.values()})
    lines = [f"- Primary metric: {', '.join(metrics)}."]
    for family in dict.fromkeys(c.family for c in claim.contrasts):
        own = [c for c in claim.contrasts if c.family == family]
        shown = [f"{c.arm} − {' and '.join(c.controls)}" for c in own]
        more = f" and {len(shown) - 6} more" if len(shown) > 6 else ""
        lines.append(f"- Family *{family}* (Holm): {'; '.join(shown[:6])}{more}.")
    if claim.primary:
        lines.append(f"- Watched while running: {claim.primary}.")
    return [first, "\n".join(lines)]


def _speaking(found: Sequence[Findings]) -> list[Unit]:
    return [unit for one in found for unit in one.units if not unit.silent]


def _not_found(found: Sequence[Findings], claim: Claim) -> list[str]:
    lines = []
    for unit in _speaking(found):
        for t in unit.treatments:
            if t.finding.word == "undecided" or t.finding.gate:
                lines.append(f"- {t.arm} on {unit.name}: {word_of(t, claim)}.")
        alone = [
            t.arm
            for t in unit.treatments
            if t.finding.word in ("above", "below") and not t.finding.both and t.placebos
        ]
        if alone:
            lines.append(
                f"- On {unit.name} apart from the plain prompt, but not from the placebo, so that "
                f"it cannot be told from adding a sentence: {', '.join(alone)}."
            )
        here = [
            t.arm
            for t in unit.treatments
            if t.finding.word not in ("undecided", "equivalent") and t.finding.over is False
        ]
        if here:
            lines.append(f"- On these tasks only, not over tasks like these: {', '.join(here)}.")
        lines += [
            f"- {p.contrast.name} on {unit.name}: undecided."
            for p in unit.planned
            if p.compared.word == "undecided"
        ]
    for one in found:
        lines += [f"- {u.name}: {u.silence}." for u in one.units if u.silent]
    return ["\n".join(lines) or "Nothing that was asked was left open."]


def needed(d: Difference, questions: int, claim: Claim, family: int) -> int | None:
    """Questions that would show a difference of the size seen, at Holm's first step, 80 % power."""
    if abs(d.estimate) < 1e-9 or d.se <= 0:
        return None
    z = norm_ppf(1 - claim.level / (2 * max(1, family))) + norm_ppf(POWER)
    return max(1, round(questions * (z * d.se / d.estimate) ** 2))


def changes(found: Sequence[Findings], claim: Claim) -> list[str]:
    """What would change each verdict, one line a treatment or contrast."""
    lines = []
    for one in found:
        family = len(one.treatments)
        for unit in one.units:
            if unit.silent:
                continue
            lines += [_of(t, unit, claim, family) for t in unit.treatments]
            if any(t.finding.both and len(t.placebos) < 2 for t in unit.treatments):
                lines.append(
                    "A second placebo of each phrase's own length: with one there is no word "
                    "about feeling."
                )
            for p in unit.planned:
                d = p.compared.difference
                if p.compared.word == "undecided":
                    more = _more(d, unit.questions, claim, len(unit.planned))
                    lines.append(f"{p.contrast.name}: {more}")
                else:
                    lines.append(f"{p.contrast.name}: {_distance(d)}")
    return lines


def _of(t: Treatment, unit: Unit, claim: Claim, family: int) -> str:
    m = t.finding.measured
    if t.finding.gate:
        return f"{t.arm}: answers in the asked form, or a reading that finds them."
    if t.finding.word == "undecided":
        best = len(unit.treatments) > 1 and t is max(unit.treatments, key=_seen)
        return f"{t.arm}: {_more(m.none, unit.questions, claim, family, best=best)}"
    return f"{t.arm} ({word_of(t, claim)}): {_distance(m.none)}"


def _seen(t: Treatment) -> float:
    return t.finding.measured.none.estimate


def _distance(d: Difference) -> str:
    if d.low <= 0 <= d.high:
        return f"{numbers(d)}: the interval over all contrasts at once holds 0"
    near = d.low if d.low > 0 else d.high
    return f"{numbers(d)}: the interval ends {points(abs(near), False)} points from 0"


def _more(d: Difference, questions: int, claim: Claim, family: int, *, best: bool = False) -> str:
    count = needed(d, questions, claim, family)
    if count is None:
        return "more questions; nothing was seen that could be planned for"
    chosen = ", which for the best of several it is not" if best else ""
    return (
        f"about {count:,} questions in all ({questions:,} were asked), if the difference is as "
        f"large as it looks ({points(d.estimate)}){chosen}"
    )


def look_back(run: Loaded, found: Sequence[Findings]) -> str:
    """Write ``claim.md`` into a run's folder and return the run's sentence.

    A folder that cannot be written to stays as it is.

    Raises:
        UsageError: the claim was changed after the run began.
    """
    read: Sequence[Arrived] = ()
    with contextlib.suppress(OSError, JournalError):
        read = checked(run, read_claim(run.manifest))
        write_text(run.folder.path / FILE, claim_page(run, found, read))
    return conclusion_of(run, found, read)
