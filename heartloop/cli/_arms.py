"""The short tables of a result: arms sorted by effect, loops by round, many tasks one line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from heartloop.cli._show import bar, cut, sparkline
from heartloop.report.arms import Loaded
from heartloop.report.ranking import MOST, Row, chosen, ranked, short_word, tone
from heartloop.report.sentence import word_of
from heartloop.report.units import Findings, Unit
from heartloop.report.writing import points, some_rounds, span
from heartloop.run.layout import Summary
from heartloop.types import Claim

UNREAD = 6
"""Arms of a table that compares nothing."""
COLOURS = {"good": "green", "bad": "red"}


def result_lines(run: Loaded, found: Sequence[Findings], claim: Claim, width: int) -> list[str]:
    """The tables of a run: arms of one task or suite, or one line each of several."""
    units = [(one, unit) for one in found for unit in one.units]
    if len(units) == 1:
        return unit_lines(units[0][1], found[0], claim, run.summary, width)
    rows = [len(unit.arms) + len(unit.planned) + 2 for _, unit in units]
    if sum(rows) <= MOST:
        return [
            line for one, unit in units for line in unit_lines(unit, one, claim, run.summary, width)
        ]
    return _overview(units, claim, width)


def unit_lines(
    unit: Unit, one: Findings, claim: Claim, summary: Summary | None, width: int
) -> list[str]:
    """One task or suite: its arms sorted by effect, then what was planned to be compared."""
    tasks = f"{len(unit.tasks)} tasks, " if unit.suite else ""
    head = f"{unit.name} · {tasks}{unit.questions:,} questions · {unit.metric} · {one.model}"
    lines = [click.style(cut(head, width), bold=True)]
    rounds = _by_round(summary, one.model, unit.tasks)
    if unit.silent and not unit.check:
        return lines + _unread(unit, summary, one.model, width)
    every = ranked(unit)
    room = MOST - (len(unit.planned) + 1 if unit.planned else 0)
    shown = chosen(every, room)
    lines += _effects(shown, claim, width) if unit.treatments else _levels(shown, rounds, width)
    if len(every) > len(shown):
        lines.append(f"and {len(every) - len(shown)} more: report")
    if unit.planned:
        lines += _planned(unit, width)
    return lines


def _effects(rows: Sequence[Row], claim: Claim, width: int) -> list[str]:
    """Arms with their difference to the plain prompt, its interval as a bar, and the word."""
    wide = width >= 120
    name = min(max(len(r.arm) for r in rows), 12 if not wide else 24)
    words = {
        r.arm: (word_of(r.treatment, claim) if wide else short_word(r.treatment, claim))
        for r in rows
        if r.treatment
    }
    words |= {r.arm: _reference(r) for r in rows if not r.treatment}
    word = min(max(len(w) for w in words.values()), 45 if wide else 20)
    size = width - name - word - 35
    found = [r.difference for r in rows if r.difference]
    ends = (min([-claim.margin, *(d.low for d in found)]), max([claim.margin, *(
        d.high for d in found)]))  # fmt: skip
    scale = f"{points(ends[0])}".ljust(size - 5) + points(ends[1]).rjust(5)
    lines = [f"{'':{name}}  score %  − plain prompt, points  {scale}".rstrip()]
    for r in rows:
        d = r.difference
        line = f"{cut(r.arm, name):{name}}  {points(r.figures.own, False):>7}  "
        if d is None:
            line += " " * 22 + " " * (size + 2)
        else:
            line += f"{points(d.estimate):>5} {span(d.low, d.high):<16}"
            line += bar(d.low, d.estimate, d.high, ends, size) + "  "
        colour = COLOURS.get(tone(r.treatment))
        said = cut(words[r.arm], word)
        lines.append(line.rstrip() if not said else line + click.style(said, fg=colour))
    return lines


def _reference(row: Row) -> str:
    return {"none": "plain prompt", "again": "asked again", "placebo": "placebo"}.get(
        row.figures.role, row.figures.role
    )


def _levels(
    rows: Sequence[Row], rounds: Mapping[str, Sequence[float | None]], width: int
) -> list[str]:
    """Arms of a loop, or of anything without treatments: level, course by round, cost."""
    name = min(max(len(r.arm) for r in rows), width - 58)
    head = f"{'':{name}}  score %  {'95 % interval':<14}  {'by round':<16} tokens/question"
    lines = [head]
    for r in rows:
        f = r.figures
        course = rounds.get(f.arm, ())
        course = [course[i] for i in some_rounds(len(course), 16)]
        drawn = sparkline(course) if len(course) > 1 else ""
        if drawn and len(course) <= 10:
            drawn += f" {100 * (course[0] or 0):.0f}→{100 * (course[-1] or 0):.0f}"
        interval = f"[{points(f.interval[0], False)}, {points(f.interval[1], False)}]"
        lines.append(
            f"{cut(f.arm, name):{name}}  {points(f.own, False):>7}  {interval:<14}  "
            f"{drawn:<16} {f.tokens:>15,.0f}"
        )
    return lines


def _planned(unit: Unit, width: int) -> list[str]:
    """Planned contrasts: a loop's three, or named arms."""
    found = [(p, p.compared.difference) for p in unit.planned]
    names = [
        f"{p.contrast.name}: {p.contrast.arm} − {' and '.join(p.contrast.controls)}"
        if p.contrast.family == "loop"
        else f"{p.contrast.arm} − {' and '.join(p.contrast.controls)}"
        for p, _ in found
    ]
    name = min(max(map(len, names)), width - 46)
    size = max(8, width - name - 38)
    ends = min(-0.01, *(d.low for _, d in found)), max(0.01, *(d.high for _, d in found))
    lines = [f"{'points':>{name + 7}}"]
    for text, (p, d) in zip(names, found, strict=True):
        word = p.compared.word
        colour = {"above": "green", "below": "red"}.get(word)
        lines.append(
            f"{cut(text, name):{name}}  {points(d.estimate):>5} {span(d.low, d.high):<16}"
            f"{bar(d.low, d.estimate, d.high, ends, size)}  {click.style(word, fg=colour)}"
        )
    return lines


def _unread(unit: Unit, summary: Summary | None, model: str, width: int) -> list[str]:
    """Why nothing is compared: counts of what was finished and could not be read."""
    sums: dict[str, list[int]] = {}
    for row in summary["arms"] if summary else ():
        if row["model"] == model and row["trials"] and row["task"] in unit.tasks:
            own = sums.setdefault(row["arm"], [0, 0, 0, 0])
            lost = sum(row["unscored"].values())
            for i, n in enumerate((row["trials"], row["correct"], lost, row["error"])):
                own[i] += n
    rows = list(sums.items())
    more = max(0, len(rows) - UNREAD) if len(rows) > UNREAD + 1 else 0
    rows = rows[: len(rows) - more]
    name = min(max((len(arm) for arm, _ in rows), default=0), width - 44)
    lines = [f"{'':{name}}  {'finished':>9}  {'right':>7}  {'unread':>7}  {'errors':>7}"]
    lines += [
        f"{cut(arm, name):{name}}  {n:>9,}  {right:>7,}  {lost:>7,}  {errors:>7,}"
        for arm, (n, right, lost, errors) in rows
    ]
    if more:
        lines.append(f"and {more} more: report")
    return lines


def _overview(units: Sequence[tuple[Findings, Unit]], claim: Claim, width: int) -> list[str]:
    """One line a task or suite and model: plain prompt, best and worst treatment."""
    several = len({one.model for one, _ in units}) > 1
    names = [f"{u.name} [{one.model}]" if several else u.name for one, u in units]
    name = min(max(map(len, names)), width - 50)
    each = (width - name - 24) // 2
    lines = [f"{'':{name}}  questions  plain %  {'best':<{each}}  worst"]
    for text, (_, unit) in list(zip(names, units, strict=True))[:MOST]:
        rows = ranked(unit)
        tested = [r for r in rows if r.treatment]
        plain = next((r for r in rows if r.figures.role == "none"), None)
        level = points(plain.figures.own, False) if plain else "–"
        line = f"{cut(text, name):{name}}  {unit.questions:>9,}  "
        if unit.silent:
            lines.append(cut(f"{line}{unit.silence}", width))
            continue
        if not tested:
            said = "; ".join(
                f"{p.contrast.arm} − {p.contrast.controls[0]} "
                f"{points(p.compared.difference.estimate)} {p.compared.word}"
                for p in unit.planned
            ) or ", ".join(f"{r.arm} {points(r.figures.own, False)} %" for r in rows)
            lines.append(cut(f"{line}{level:>7}  {said}", width))
            continue
        ends = [
            cut(f"{r.arm} {points(r.difference.estimate)} {short_word(r.treatment, claim)}", each)
            for r in (tested[0], tested[-1])
            if r.difference and r.treatment
        ]
        lines.append(f"{line}{level:>7}  {ends[0]:<{each}}  {ends[1]}".rstrip())
    if len(units) > MOST:
        lines.append(f"and {len(units) - MOST} more: report")
    return lines


def _by_round(
    summary: Summary | None, model: str, tasks: Sequence[str]
) -> dict[str, list[float | None]]:
    """The own metric by round of each arm, tasks weighing the same."""
    found: dict[str, list[list[float]]] = {}
    for row in summary["arms"] if summary else ():
        if row["model"] != model or row["task"] not in tasks:
            continue
        mine = found.setdefault(row["arm"], [])
        for i, r in enumerate(row["rounds"]):
            if i == len(mine):
                mine.append([])
            own = r.get("own", r["accuracy"])
            if own is not None:
                mine[i].append(own)
    return {arm: [sum(x) / len(x) if x else None for x in own] for arm, own in found.items()}
