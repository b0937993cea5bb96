"""The one-file report: everything about one run, or several, in a page that opens offline."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from heartloop.errors import UsageError
from heartloop.report import claim_tables, figures, style_page, versus
from heartloop.report.answered import answered_table, differing
from heartloop.report.arms import Loaded, entries, load_run, pairs_between, pairs_within
from heartloop.report.beside import beside_section
from heartloop.report.conclusion import conclusion_of
from heartloop.report.dose import dose_section
from heartloop.report.esc import esc_section, is_support_run
from heartloop.report.facts import baselines, deviations, plan_section
from heartloop.report.findings import Findings, findings
from heartloop.report.frames import frames_section
from heartloop.report.html import e, note, section, table
from heartloop.report.search import MIXED, UNEVEN, asked, is_search, search_section
from heartloop.report.shapes import Study
from heartloop.report.study import provenance, stopped_too_early, study
from heartloop.report.trajectory import trajectory_section
from heartloop.report.transcripts import Packed, pack_transcripts, private_tasks
from heartloop.run.claim import read_claim
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
    for number, run in enumerate(runs):
        prefix = f"r{number}-" if len(runs) > 1 else ""
        body.append(_run(run, prefix, len(runs) > 1, show_texts))
    packed = pack_transcripts(runs, show_texts=show_texts)
    body.append(section("transcripts", "Transcripts", _explorer(packed)))
    main = "".join(body)
    style, script = (_asset(name) for name in ("report.css", "report.js"))
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>heartloop: {e(names)}</title><style>{style}</style></head><body>"
        '<a class="skip" href="#transcripts">skip to the transcripts</a>'
        f"<header><p class='small'>heartloop report</p><h1>{e(names)}</h1></header>{_nav(runs)}"
        f"<main>{main}</main>"
        "<footer><p class='small'>One file, no network: everything shown is in it. How to read "
        "it: docs/report.md of heartloop.</p></footer>"
        f'<script type="text/plain" id="data-index">{packed.index}</script>'
        f'<script type="text/plain" id="data-texts">{packed.texts}</script>'
        f"<script>{script}</script></body></html>\n"
    )


def _asset(name: str) -> str:
    return (files("heartloop.report") / "assets" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


SECTIONS = (
    ("search", "Search"),
    ("answer", "Answer"),
    ("arms", "Arms against controls"),
    ("results", "Results"),
    ("rounds", "By round"),
    ("compute", "Equal compute"),
    ("flips", "Flips"),
    ("selection", "Selection"),
    ("outcomes", "Outcomes"),
    ("style", "Style of the answers"),
    ("tasks", "Tasks"),
    ("cost", "Cost"),
    ("baselines", "Baselines"),
    ("plan", "Plan"),
    ("deviations", "Deviations"),
)
NOT_OF_SEARCHES = ("answer", "arms", "tasks", "style")
"""Comparisons over questions that arms were picked on: a search has its own section instead."""
MIXING = ("results", "rounds", "compute", "flips", "selection", "outcomes")
"""Sections that show arms of a search on different questions, and say so."""


def _sections(run: Loaded) -> list[str]:
    """The sections that a run of its kind has."""
    left_out = NOT_OF_SEARCHES if is_search(run) else ("search",)
    return [name for name, _ in SECTIONS if name not in left_out]


def _nav(runs: Sequence[Loaded]) -> str:
    if len(runs) > 1:
        links = [("between", "Between runs")]
        links += [(f"r{i}-{_sections(run)[0]}", run.folder.name) for i, run in enumerate(runs)]
    else:
        links = [(name, title) for name, title in SECTIONS if name in _sections(runs[0])]
        if is_support_run(runs[0].manifest):
            links.append(("preference", "Preference bias"))
    links.append(("transcripts", "Transcripts"))
    items = "".join(f'<li><a href="#{e(a)}">{e(t)}</a></li>' for a, t in links)
    return f'<nav aria-label="sections"><ul>{items}</ul></nav>'


def _between(runs: Sequence[Loaded], force: bool) -> str:
    """Arms of the same name, every further run against the first."""
    from heartloop.report.study import check_comparable

    forced = check_comparable(runs, force)
    result = study(pairs_between([(run, None) for run in runs]), forced=forced)
    words = [f"FORCED, no clean comparison: {'; '.join(forced)}"] if forced else []
    words += [f"{run.folder.name}: {MIXED}." for run in runs if is_search(run)]
    text = "".join(f'<p class="warn">{e(w)}</p>' for w in words)
    return section("between", "Between the runs", text, versus.forest_section(result))


def _run(run: Loaded, prefix: str, several: bool, show_texts: bool) -> str:
    found = entries(run)
    summary = run.summary
    searched = is_search(run)
    result = Study((run.folder.name,), (), (), (), (), (), 0.03, 0.95, 0)
    if not searched:
        with suppress(UsageError):  # a single arm
            result = study(pairs_within(run))
    claimed = [] if searched else findings(run)
    if stopped_too_early(claimed):
        result = replace(result, rows=(), best=(), classes=())
    texts = show_texts or not private_tasks(run.manifest)
    words = style_page.words_of(run)
    bodies = {
        "search": _answer(run, ()) + search_section(run, texts=texts) if searched else "",
        "answer": "" if searched else _answer(run, claimed) + style_page.check(words),
        "arms": versus.forest_section(result)
        or note("A single arm, or too little is complete: there is nothing to compare it with."),
        "results": figures.results_section(found)
        + (figures.judged_table(summary) if summary else "")
        + figures.repeats_table(summary)
        + ("" if searched else beside_section(run, read_claim(run.manifest))),
        "rounds": figures.rounds_section(found),
        "compute": figures.compute_section(found),
        "flips": figures.flips_section(found),
        "selection": figures.selection_section(found),
        "outcomes": figures.outcomes_section(found),
        "style": style_page.section(words),
        "tasks": versus.tasks_section(found, result),
        "cost": figures.cost_section(found, summary),
        "baselines": baselines(run),
        "plan": plan_section(run),
        "deviations": deviations(run),
    }
    absent = {
        "rounds": "No arm of this run has rounds.",
        "compute": "Every arm asks once; there is no curve to draw.",
        "flips": "No arm of this run has rounds.",
        "selection": "Oracle mode or single answers: nothing was selected.",
        "tasks": "One task, or no control to compare with.",
    }
    titles = dict(SECTIONS)
    out = []
    for name in _sections(run):
        title = f"{titles[name]}: {run.folder.name}" if several else titles[name]
        body = bodies[name]
        if searched and body and name in MIXING:
            body = f'<p class="warn">{e(UNEVEN)}</p>' + body
        out.append(section(prefix + name, title, body or note(absent.get(name, "Nothing."))))
    title = f"Preference bias: {run.folder.name}" if several else "Preference bias"
    preference = esc_section(run.folder)
    if searched and preference:
        preference = f'<p class="warn">{e(UNEVEN)}</p>' + preference
    out.append(section(prefix + "preference", title, preference))
    out.append(section(prefix + "frames", "Frames", frames_section(run.folder)))
    out.append(section(prefix + "dose", "Dose and response", dose_section(run.folder)))
    out.append(section(prefix + "mood", "Mood by turn", trajectory_section(run.folder)))
    return "".join(out)


def _answer(run: Loaded, found: Sequence[Findings]) -> str:
    from heartloop.run.warnings import warnings_for

    summary = run.summary
    badges = []
    for text in provenance(run.manifest):
        badges.append(f'<p><span class="badge">{e(text)}</span></p>')
    question = asked(run) if is_search(run) else _question(run)
    sentence = conclusion_of(run, found) or "Nothing was answered, so there is nothing to conclude."
    warnings = warnings_for(summary, run.manifest, run.results) if summary else []
    listed = "".join(f"<li>{e(w)}</li>" for w in warnings)
    box = f'<div class="warn" role="note"><strong>Warnings</strong><ul>{listed}</ul></div>'
    return (
        "".join(badges)
        + f"<p>{e(question)}</p>"
        + f'<p class="answer">{e(sentence)}</p>'
        + (box if listed else "")
        + _claimed(run, found)
    )


def _claimed(run: Loaded, found: Sequence[Findings]) -> str:
    """The claim's tables, and how the arms answered where that differs."""
    if not found:
        return ""
    claim = read_claim(run.manifest)
    parts: list[str] = []

    def make(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        return table(list(heads), [list(row) for row in rows])

    for block in claim_tables.blocks(found, claim, make):
        parts.append(block if block.startswith("<") else note(block))
    parts += [make(*answered_table(rows)) for rows in differing(run, found)]
    return "".join(parts)


def _question(run: Loaded) -> str:
    """What was asked, in one sentence."""
    m = run.manifest
    found = entries(run)
    tasks = [t["task"] for t in m["tasks"]]
    n = sum(t["questions"] for t in m["tasks"])
    treatments = list(dict.fromkeys(x.arm for x in found if x.role == "treatment"))
    controls = list(dict.fromkeys(x.arm for x in found if x.role != "treatment"))
    many = f"any of {len(treatments)} arms" if len(treatments) > 3 else " or ".join(treatments)
    what = many or "these arms"
    where = tasks[0] if len(tasks) == 1 else f"{len(tasks)} tasks"
    against = f" against {', '.join(controls[:6])}" if controls else ", without any control"
    mode = " and ".join(dict.fromkeys(t["mode"] for t in m["tasks"]))
    return (
        f"Asked: does {what} help {', '.join(m['plan']['models'])} on {where} ({n:,} questions, "
        f"{mode} mode){against}?"
    )


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
    '<label>task<select id="f-task"><option value="">all</option></select></label>'
    '<label>outcome<select id="f-outcome"><option value="">all</option>'
    '<option value="c">correct</option><option value="i">incorrect</option>'
    '<option value="u">unscored</option><option value="e">error</option></select></label>'
    '<label>flip or disagreement<select id="f-flip"><option value="">any</option>'
    '<option value="gain">wrong → right</option><option value="loss">right → wrong</option>'
    '<option value="disagree">strict ≠ content</option></select></label>'
    '<label>text or question id<input id="f-text" type="search" size="28" autocomplete="off">'
    "</label>"
    '<label>texts in this page<input id="f-has" type="checkbox"></label></form>'
)
