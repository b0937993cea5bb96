"""The top of the page: the verdict, its picture, the words behind it, its price, its doubts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from heartloop.report import tracks
from heartloop.report.arms import Loaded
from heartloop.report.arrived import Arrived
from heartloop.report.clauses import numbers
from heartloop.report.conclusion import conclusion_of
from heartloop.report.html import bullets, e, folded, note, table
from heartloop.report.look_back import changes
from heartloop.report.plain import headline, standing
from heartloop.report.ranking import Row, chosen, ranked, tone
from heartloop.report.search import asked, is_search, search_sentence
from heartloop.report.searched import read_search
from heartloop.report.sentence import word_of
from heartloop.report.study import provenance
from heartloop.report.units import Findings, Planned, Unit
from heartloop.report.writing import points, span
from heartloop.run.claim import read_claim
from heartloop.run.state import headline as state_headline
from heartloop.types import Claim

MOST_UNITS = 12
FEW = 6


def answer_section(
    run: Loaded,
    found: Sequence[Findings],
    read: Sequence[Arrived],
    links: Mapping[str, str],
    level: int = 1,
) -> str:
    """Everything a reader needs first.

    Args:
        run: the run.
        found: its findings; empty for a search.
        read: its manipulation check.
        links: title of a section → its anchor, for warnings.
        level: of the headline: 1 where the page is about this run alone.
    """
    claim = read_claim(run.manifest)
    badges = "".join(
        f'<p><span class="badge">{e(text)}</span></p>' for text in provenance(run.manifest)
    )
    if not run.state.whole:
        badges += f'<p><span class="badge">{e(state_headline(run.state))}</span></p>'
    exact = (
        conclusion_of(run, found, read) or "Nothing was answered, so there is nothing to conclude."
    )
    if is_search(run):
        first = search_sentence(run).split("; ")[0]
        title, lead = first[0].upper() + first[1:] + ".", note(asked(run))
    else:
        title = headline(found, claim)
        speaking = [u for one in found for u in one.units if not u.silent]
        lead = "".join(f"<p>{e(standing(u))}</p>" for u in speaking[:FEW])
    return (
        badges
        + f'<h{level} class="headline">{e(title)}</h{level}>{lead}'
        + _pictures(found, claim)
        + f'<p class="answer"><small>in exact words, to quote</small>{e(exact)}</p>'
        + _words(run, found, claim)
        + _price(run)
        + _doubts(run, links)
        + _changes(found, claim)
    )


def _pictures(found: Sequence[Findings], claim: Claim) -> str:
    parts = []
    units = [(one, u) for one in found for u in one.units if not u.silent]
    for number, (one, unit) in enumerate(units):
        name = unit.name if one.several < 2 else f"{unit.name}, {one.model}"
        drawn = "".join([_forest(unit, claim, name), _contrasts(unit, claim, name)])
        parts.append(drawn if number < MOST_UNITS else folded(name, drawn))
    return "".join(parts)


def _forest(unit: Unit, claim: Claim, name: str) -> str:
    """Every treatment against the plain prompt and its placebo, content and form apart."""
    if not unit.treatments:
        return ""
    every = [row for row in ranked(unit) if row.difference]
    heads = ["arm", "drawn", "score", "− plain prompt", "− placebo", "content", "form", "word"]
    key = (
        '<p class="key small"><span class="k-main"><i></i>against the plain prompt</span>'
        '<span class="k-second"><i></i>against its placebo</span>'
        '<span class="k-content"><i></i>of it content</span>'
        '<span class="k-form"><i></i>of it form</span>'
        '<span class="k-region"><i></i>no difference</span></p>'
    )
    caption = (
        f"{name}: difference of every arm to the plain prompt, in points. Lines are intervals that "
        "hold for all arms at once; the bars below say how much of the difference is in what was "
        "said (content) and how much in the asked form."
    )
    axis = "points below or above the plain prompt (or the placebo)"
    few = chosen(every)

    def drawn(rows: Sequence[Row], caption: str) -> str:
        made = [_track(row, claim) for row in rows]
        return tracks.intervals(made, heads, margin=100 * claim.margin, caption=caption, axis=axis)

    whole = drawn(every, f"{name}: every arm") if len(few) < len(every) else ""
    return key + drawn(few, caption) + folded(f"all {len(every)} arms", whole)


def _track(row: Row, claim: Claim) -> tracks.Track:
    d, t = row.difference, row.treatment
    assert d is not None
    score = points(row.figures.own, False)
    marks = [_mark(d, "main" if t else "plain")]
    if t is None:
        label = {"again": "asked again", "placebo": "placebo"}.get(row.figures.role, "")
        cells = (score, numbers(d), "", "", "", label or row.figures.role)
        return tracks.Track(row.arm, tuple(marks), cells, css="reference")
    m = t.finding.measured
    bars: tuple[tracks.Bar, ...] = ()
    if m.placebo is not None:
        marks.append(_mark(m.placebo, "second"))
    if m.split is not None:
        bars = (
            tracks.Bar(100 * m.split.content, "content"),
            tracks.Bar(100 * m.split.form, "form"),
        )
    split = m.split
    cells = (
        score,
        numbers(d),
        numbers(m.placebo) if m.placebo else "–",
        points(split.content) if split else "–",
        points(split.form) if split else "–",
        word_of(t, claim),
    )
    css = {"good": "good", "bad": "bad"}.get(tone(t), "")
    return tracks.Track(row.arm, tuple(marks), cells, bars, css=css)


def _mark(d: Any, kind: str) -> tracks.Mark:
    return tracks.Mark(100 * d.estimate, 100 * d.low, 100 * d.high, kind)


def _contrasts(unit: Unit, claim: Claim, name: str) -> str:
    """Planned contrasts of a loop, or of named arms."""
    if not unit.planned:
        return ""
    rows = [_contrast(p, unit) for p in unit.planned]
    heads = ["what is asked", "drawn", "arm %", "control %", "difference", "word"]
    caption = (
        f"{name}: what was planned to be compared, in points, arm minus control; intervals hold "
        f"for all {len(rows)} at once."
    )
    return tracks.intervals(
        rows, heads, margin=100 * claim.margin, caption=caption,
        axis="points below or above the control",
    )  # fmt: skip


def _contrast(p: Planned, unit: Unit) -> tracks.Track:
    c, d = p.contrast, p.compared.difference
    versus = f"{c.arm} − {' and '.join(c.controls)}"
    looped = c.family == "loop"
    cells = (
        points(unit.arms[c.arm].own, False),
        " / ".join(points(unit.arms[x].own, False) for x in c.controls),
        f"{points(d.estimate)} {span(d.low, d.high)}",
        p.compared.word,
    )
    return tracks.Track(
        c.name if looped else versus,
        (_mark(d, "main"),),
        cells,
        title=versus if looped else "",
    )


def _words(run: Loaded, found: Sequence[Findings], claim: Claim) -> str:
    """The words of the stimuli that matter: those with a verdict, best, worst, and placebos."""
    said = {
        arm["name"]: (
            " … ".join(s["text"] for s in (*arm["stimuli"], *arm["cues"][:2])),
            arm["role"],
        )
        for arm in run.manifest["plan"]["arms"]
    }
    matter: dict[str, str] = {}
    for one in found:
        for unit in one.units:
            every = [] if unit.silent else ranked(unit)
            tested = [r for r in every if r.treatment]
            strong = [r for r in tested if tone(r.treatment)]
            strong.sort(key=lambda r: -abs(r.difference.estimate) if r.difference else 0)
            placebos = [r for r in every if r.figures.role == "placebo"]
            for row in (*tested[:2], *placebos[:2], *strong, *tested[-2:], *placebos):
                word = word_of(row.treatment, claim) if row.treatment else row.figures.role
                matter.setdefault(row.arm, word)
    search = read_search(run) if is_search(run) else None
    for race in search.found if search else ():
        for arm in filter(None, (race.chosen, race.leader)):
            matter.setdefault(arm, "worth using" if arm == race.chosen else "led, not chosen")
    for arm, (_, role) in said.items():
        if role == "treatment" and not matter:
            matter[arm] = role
    rows = [
        [arm, f"“{said[arm][0]}”", word]
        for arm, word in matter.items()
        if arm in said and said[arm][0]
    ]
    if not rows:
        return ""
    heads = ["arm", "its words", "word"]
    if len(rows) <= FEW + 2:
        return "<h3>The words</h3>" + table(heads, rows)
    return (
        "<h3>The words</h3>"
        + table(heads, rows[:FEW])
        + folded(f"and {len(rows) - FEW} more", table(heads, rows[FEW:]))
    )


def _price(run: Loaded) -> str:
    summary = run.summary
    if not summary:
        return ""
    paid = summary["paid"]
    tokens = paid["tokens"]["prompt"] + paid["tokens"]["completion"]
    dollars = f", ${paid['cost']:,.2f}" if paid.get("cost") is not None else ""
    text = f"{paid['calls']:,} calls, {tokens:,} tokens{dollars}, {summary['wall_s']:,.0f} seconds."
    return f"<h3>What it cost</h3><p>{e(text)}</p>"


def _doubts(run: Loaded, links: Mapping[str, str]) -> str:
    """Warnings, one entry a kind, each with the section that explains it."""
    from heartloop.run.warnings import warnings_by_kind

    if not run.summary:
        return ""
    items = []
    for one in warnings_by_kind(run.summary, run.manifest, run.results):
        first, *rest = one.lines
        link = links.get(one.section)
        where = f' <a href="#{e(link)}">{e(one.section)}</a>' if link else ""
        more = folded(f"and {len(rest)} more", bullets(rest))
        items.append(f"<li>{e(first)}{where}{more}</li>")
    if not items:
        return ""
    return (
        '<div class="warn" role="note"><strong>Before you believe it</strong>'
        f"<ul>{''.join(items)}</ul></div>"
    )


def _changes(found: Sequence[Findings], claim: Claim) -> str:
    lines = changes(found, claim)
    if not lines:
        return ""
    first, rest = lines[:FEW], lines[FEW:]
    return (
        "<h3>What would change the verdict</h3>"
        + bullets(first)
        + folded(f"and {len(rest)} more", bullets(rest))
    )
