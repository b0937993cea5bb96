"""The one-file report: everything about one run, or several, in a page that opens offline."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

from heartloop.errors import UsageError
from heartloop.report import claim_tables, figures, rounds, style_page, versus
from heartloop.report.across import across, across_lines, across_table, sentence_across
from heartloop.report.answer import answer_section
from heartloop.report.answered import answered_table, differing
from heartloop.report.arms import Loaded, entries, load_run, pairs_between, pairs_within
from heartloop.report.beside import beside_section
from heartloop.report.dose import dose_section
from heartloop.report.esc import esc_section
from heartloop.report.facts import baselines, deviations, plan_section
from heartloop.report.findings import findings
from heartloop.report.frames import frames_section
from heartloop.report.glossary import GLOSSARY
from heartloop.report.html import e, folded, note, section, table
from heartloop.report.plain import cut_short
from heartloop.report.search import MIXED, UNEVEN, is_search, search_section
from heartloop.report.study import stopped_too_early, study
from heartloop.report.trajectory import trajectory_section
from heartloop.report.transcripts import Packed, pack_transcripts, private_tasks
from heartloop.report.units import Findings
from heartloop.report.wrong import wrong_answers
from heartloop.run.claim import DIALOGUE, read_claim, same_claim
from heartloop.run.files import write_text
from heartloop.run.folder import REPORT, RunFolder, check_target


def write_report(
    folders: Sequence[RunFolder],
    output: Path | None = None,
    *,
    show_texts: bool = False,
    force: bool = False,
) -> Path:
    """Write the report of one run or several.

    Args:
        folders: the runs; further ones are compared with the first where arms share a name.
        output: the file; default ``report.html`` in the first run's folder.
        show_texts: show the texts of private tasks, too.
        force: compare runs that differ in data, cards or sampling.

    Returns:
        The file that was written.

    Raises:
        UsageError: a run has no verdicts, or runs that must not be compared.
    """
    target = output or folders[0].path / REPORT
    if not target.parent.is_dir():
        raise UsageError(f"-o {target}: there is no folder {target.parent}")
    runs = [load_run(folder) for folder in folders]
    check_target(target, (b"<!DOCTYPE html>",), "report of heartloop")
    write_text(target, build_page(runs, show_texts=show_texts, force=force))
    return target


def build_page(runs: Sequence[Loaded], *, show_texts: bool = False, force: bool = False) -> str:
    """The page as HTML text."""
    names = ", ".join(run.folder.name for run in runs)
    body = [_between(runs, force)] if len(runs) > 1 else []
    shown: list[tuple[str, str]] = []
    for number, run in enumerate(runs):
        prefix = f"r{number}-" if len(runs) > 1 else ""
        part, links = _run(run, prefix, len(runs) > 1, show_texts)
        body.append(part)
        shown += links
    packed = pack_transcripts(runs, show_texts=show_texts)
    body.append(section("transcripts", "Transcripts", _explorer(packed)))
    body.append(section("glossary", "Words", _glossary()))
    main = "".join(body)
    title = f"<p class='small'>heartloop report · {e(names)}</p>"
    if len(runs) > 1:
        title = f"<p class='small'>heartloop report</p><h1>{e(names)}</h1>"
    data = (
        f'<script type="text/plain" id="data-index">{packed.index}</script>'
        f'<script type="text/plain" id="data-texts">{packed.texts}</script>'
    )
    return document(f"heartloop: {names}", title, _links(runs, shown), main, data)


def document(
    title: str, head: str, links: Sequence[tuple[str, str]], main: str, data: str = ""
) -> str:
    """One self-contained page: the style sheet and, where there are ``data``, the script."""
    style, script = _asset("report.css"), _asset("report.js") if data else ""
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    items = "".join(f'<li><a href="#{e(a)}">{e(t)}</a></li>' for a, t in links)
    last = links[-1][0] if links else ""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{e(title)}</title><style>{style}</style></head><body>"
        f'<a class="skip" href="#{e("transcripts" if data else last)}">skip to the end</a>'
        f'<header>{head}</header><nav aria-label="sections"><ul>{items}</ul></nav>'
        f"<main>{main}</main>"
        "<footer><p class='small'>One file, no network: everything shown is in it. How to read "
        "it: docs/report.md of heartloop.</p></footer>"
        f"{data}{f'<script>{script}</script>' if script else ''}</body></html>\n"
    )


def _asset(name: str) -> str:
    return (files("heartloop.report") / "assets" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _links(runs: Sequence[Loaded], shown: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    links = list(shown)
    if len(runs) > 1:
        firsts = [f"r{i}-answer" for i in range(len(runs))]
        links = [("between", "Between the runs")]
        links += [(a, run.folder.name) for a, run in zip(firsts, runs, strict=True)]
    return [*links, ("transcripts", "Transcripts"), ("glossary", "Words")]


def _between(runs: Sequence[Loaded], force: bool) -> str:
    """Arms of the same name, every further run against the first."""
    from heartloop.report.study import check_comparable

    forced = check_comparable(runs, force)
    result = study(pairs_between([(run, None) for run in runs]), forced=forced)
    words = [f"FORCED, no clean comparison: {'; '.join(forced)}"] if forced else []
    words += [f"{run.folder.name}: {MIXED}." for run in runs if is_search(run)]
    text = "".join(f'<p class="warn">{e(w)}</p>' for w in words)
    return section("between", "Between the runs", text, _together(runs), versus.pairs(result))


def _together(runs: Sequence[Loaded]) -> str:
    """The contrasts of runs of one claim over their models."""
    claims = [read_claim(run.manifest) for run in runs]
    if any(map(is_search, runs)) or not all(same_claim(claims[0], c) for c in claims[1:]):
        return ""
    found = across(runs, claims[0])
    if not found:
        return ""
    said = [*across_lines(found), sentence_across(found)]
    return table(*across_table(found)) + "".join(note(line) for line in said if line)


SECTIONS: tuple[tuple[str, str], ...] = (
    ("search", "Search"),
    ("claim", "Claim"),
    ("tasks", "Tasks"),
    ("form", "Form and style"),
    ("rounds", "Rounds"),
    ("compute", "Equal compute"),
    ("preference", "Preference bias"),
    ("frames", "Frames"),
    ("dose", "Dose and response"),
    ("mood", "Mood by turn"),
    ("answers", "Answers"),
    ("cost", "Cost"),
    ("plan", "Plan and provenance"),
)
"""Anchor and title; a run has those that have something to show."""
MIXING = ("rounds", "compute", "answers")
"""Sections that show arms of a search on different questions, and say so."""


def _bodies(
    run: Loaded, found: Sequence[Findings], words: style_page.Words, show_texts: bool
) -> dict[str, str]:
    """What each section holds; empty where the run has nothing of the kind."""
    every = entries(run)
    loops = [e for e in every if e.any.method != DIALOGUE]
    summary = run.summary
    unfinished = any(cut_short(unit) for one in found for unit in one.units)
    texts = show_texts or not private_tasks(run.manifest)
    preference = esc_section(run.folder)
    if is_search(run):
        first = {"search": search_section(run, texts=texts)}
        forms = ""
    else:
        first = {"claim": _claimed(run, found)}
        forms = "".join(table(*answered_table(rows)) for rows in differing(run, found))
        forms += style_page.check(words) + style_page.section(words)
        first["tasks"] = versus.tasks_section(run, found)
    bodies = {
        **first,
        "form": forms,
        "rounds": rounds.rounds_section(loops, draws=not unfinished)
        + rounds.flips_section(loops)
        + rounds.selection_section(loops),
        "compute": figures.compute_section(loops),
        "preference": preference,
        "frames": frames_section(run.folder),
        "dose": dose_section(run.folder),
        "mood": trajectory_section(run.folder),
        "answers": (wrong_answers(run) if texts else "")
        + figures.outcomes_section(every)
        + figures.results_section(every)
        + (figures.judged_table(summary) if summary else "")
        + figures.repeats_table(summary),
        "cost": figures.cost_section(every, summary),
        "plan": plan_section(run) + baselines(run) + deviations(run),
    }
    uneven = UNEVEN if is_search(run) else UNFINISHED if unfinished else ""
    for name in (*MIXING, "preference") if uneven else ():
        if bodies.get(name):
            bodies[name] = f'<p class="warn">{e(uneven)}</p>' + bodies[name]
    if unfinished:
        bodies["compute"] = ""
    return bodies


UNFINISHED = (
    "No comparison of arms: the run was stopped when some arms had finished many questions and "
    "others few, and those that finish first are the short and easy ones."
)


def _run(
    run: Loaded, prefix: str, several: bool, show_texts: bool
) -> tuple[str, list[tuple[str, str]]]:
    """The sections of a run, and their anchors and titles."""
    found = [] if is_search(run) else findings(run)
    words = style_page.words_of(run)
    bodies = _bodies(run, found, words, show_texts)
    shown = [(prefix + name, title) for name, title in SECTIONS if bodies.get(name)]
    links = {title: anchor for anchor, title in shown}
    read = [check for checks in words.checks for check in checks]
    first = answer_section(run, found, read, links, level=3 if several else 1)
    name = f"<h2>{e(run.folder.name)}</h2>" if several else ""
    out = [f'<section id="{prefix}answer">{name}{first}</section>']
    for anchor, title in shown:
        name = f"{title}: {run.folder.name}" if several else title
        out.append(section(anchor, name, bodies[anchor.removeprefix(prefix)]))
    return "".join(out), [(prefix + "answer", "Answer"), *shown]


def _claimed(run: Loaded, found: Sequence[Findings]) -> str:
    """What was fixed beforehand, every table of the claim, and all pairs of arms and controls."""
    claim = read_claim(run.manifest)

    def make(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        return table(list(heads), [list(row) for row in rows])

    parts = [
        block if block.startswith("<") else note(block)
        for block in claim_tables.blocks(found, claim, make)
    ]
    if not stopped_too_early(found):
        with suppress(UsageError):  # a single arm
            every = versus.pairs(study(pairs_within(run)))
            parts.append(beside_section(run, claim))
            parts.append(folded("every pair of arm and control, with every test", every))
    return "".join(parts)


def _glossary() -> str:
    rows = "".join(f"<dt>{e(k)}</dt><dd>{e(v)}</dd>" for k, v in GLOSSARY.items())
    return f"<dl>{rows}</dl>"


def _explorer(packed: Packed) -> str:
    words = f"{packed.traces:,} traces are listed"
    if packed.shown == packed.traces:
        words += ", all of them with their texts."
    else:
        words += (
            f"; the texts of {packed.shown:,} are in this page, so that it stays under 5 MB: whole "
            "questions, one of every pattern of outcomes first, then a seeded random sample. The "
            "others are in the run folder (heartloop export RUN --to jsonl --texts)."
        )
    if packed.hidden:
        words += (
            f" Texts of {', '.join(packed.hidden)} are left out because they are private; "
            "--show-texts shows them."
        )
    return (
        f'<p class="note">{e(words)}</p>{FILTERS}'
        '<p id="count" role="status" aria-live="polite">unpacking …</p>'
        '<div id="list"></div><button id="more" type="button" hidden>show 50 more</button>'
        '<noscript><p class="warn">The explorer needs JavaScript; everything above does not.</p>'
        "</noscript>"
    )


FILTERS = (
    '<form class="filters" id="explorer">'
    '<label>arm<select id="f-arm"><option value="">all</option></select></label>'
    '<label>beside arm<select id="f-beside"><option value="">none</option></select></label>'
    '<label>task<select id="f-task"><option value="">all</option></select></label>'
    '<label>outcome<select id="f-outcome"><option value="">all</option>'
    '<option value="c">correct</option><option value="i">incorrect</option>'
    '<option value="u">unscored</option><option value="e">error</option></select></label>'
    '<label>flip or disagreement<select id="f-flip"><option value="">any</option>'
    '<option value="gain">wrong → right</option><option value="loss">right → wrong</option>'
    '<option value="disagree">own metric ≠ content</option></select></label>'
    '<label>text or question id<input id="f-text" type="search" size="28" autocomplete="off">'
    "</label>"
    '<label>texts in this page<input id="f-has" type="checkbox"></label></form>'
)
