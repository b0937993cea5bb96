"""An index of many runs: one page that can be published from a folder of runs.

Runs of one claim stand together, with what their models come to together.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from heartloop.errors import HeartloopError, UsageError
from heartloop.report.across import across, across_blocks, sentence_across
from heartloop.report.arms import Loaded, load_run
from heartloop.report.findings import findings
from heartloop.report.html import bullets, e, head_cells, note, section, table
from heartloop.report.page import document
from heartloop.report.plain import headline
from heartloop.report.search import is_search, search_sentence
from heartloop.report.study import provenance
from heartloop.run.claim import read_claim, same_claim
from heartloop.run.files import write_text
from heartloop.run.folder import REPORT, RunFolder, check_target
from heartloop.run.state import headline as state_headline

FILE = "index.html"
HEADS = ("run", "model", "date (UTC)", "questions", "calls", "tokens", "verdict")


def write_index(folders: Sequence[RunFolder], output: Path | None = None) -> Path:
    """Write the index of several runs.

    Args:
        folders: the runs; those that cannot be read are named in the page.
        output: the file; default ``index.html`` beside the first run.

    Returns:
        The file that was written.

    Raises:
        UsageError: none of the runs can be read, or the file is something else's.
    """
    target = output or folders[0].path.parent / FILE
    if not target.parent.is_dir():
        raise UsageError(f"-o {target}: there is no folder {target.parent}")
    runs, unread = [], []
    for folder in folders:
        try:
            runs.append(load_run(folder))
        except (HeartloopError, OSError) as error:
            unread.append(f"{folder.name}: {error}")
    if not runs:
        raise UsageError(f"none of {len(folders)} runs can be read: {unread[0]}")
    check_target(target, (b"<!DOCTYPE html>",), "report of heartloop")
    write_text(target, build_index(runs, target.parent, unread))
    return target


def build_index(runs: Sequence[Loaded], place: Path, unread: Sequence[str] = ()) -> str:
    """The page as HTML text; links to reports are relative to ``place``."""
    parts, links = [], []
    for number, group in enumerate(grouped(runs)):
        name = f"g{number}"
        title = _title(group)
        links.append((name, title))
        rows = "".join(_row(run, place) for run in group)
        listed = (
            f'<table class="tracks"><caption>{len(group)} of one claim</caption>'
            f"<thead><tr>{head_cells(HEADS)}</tr></thead><tbody>{rows}</tbody></table>"
        )
        parts.append(section(name, title, listed, _together(group)))
    if unread:
        links.append(("unread", "Not read"))
        parts.append(section("unread", "Not read", bullets(unread)))
    count = f"{len(runs)} runs"
    return document(f"heartloop: {count}", f"<h1>{e(count)}</h1>", links, "".join(parts))


def grouped(runs: Sequence[Loaded]) -> list[list[Loaded]]:
    """Runs of one claim on the same tasks together, in the order of the first of each."""
    groups: list[list[Loaded]] = []
    for run in runs:
        for group in groups:
            if _alike(group[0], run):
                group.append(run)
                break
        else:
            groups.append([run])
    return groups


def _alike(a: Loaded, b: Loaded) -> bool:
    if is_search(a) != is_search(b) or _tasks(a) != _tasks(b):
        return False
    if is_search(a):
        return True
    try:
        return same_claim(read_claim(a.manifest), read_claim(b.manifest))
    except HeartloopError:
        return False


def _tasks(run: Loaded) -> list[str]:
    return [t["task"] for t in run.manifest["tasks"]]


def _title(group: Sequence[Loaded]) -> str:
    manifest = group[0].manifest
    suites = list(dict.fromkeys(t.get("suite") or t["task"] for t in manifest["tasks"]))
    name = ", ".join(suites[:3]) + (f" and {len(suites) - 3} more" if len(suites) > 3 else "")
    treated = [a["name"] for a in manifest["plan"]["arms"] if a["role"] == "treatment"]
    what = ", ".join(treated[:3]) + (f" and {len(treated) - 3} more" if len(treated) > 3 else "")
    return f"{name}: {'search' if is_search(group[0]) else what or 'no treatment'}"


def _row(run: Loaded, place: Path) -> str:
    report = run.folder.path / REPORT
    name = e(run.folder.name)
    if report.exists():
        name = f'<a href="{e(os.path.relpath(report, place), quote=True)}">{name}</a>'
    sessions = run.manifest.get("sessions") or [{}]
    summary: Any = run.summary or {}
    paid = summary.get("paid") or {"calls": 0, "tokens": {"prompt": 0, "completion": 0}}
    cells = [
        ", ".join(run.manifest["plan"]["models"]),
        str(sessions[0].get("started") or "")[:10],
        f"{sum(t['questions'] for t in run.manifest['tasks']):,}",
        f"{paid['calls']:,}",
        f"{paid['tokens']['prompt'] + paid['tokens']['completion']:,}",
        _verdict(run),
    ]
    inner = "".join(
        f'<td data-head="{e(h, quote=True)}">{e(c)}</td>'
        for h, c in zip(HEADS[1:], cells, strict=True)
    )
    return f'<tr><th scope="row">{name}</th>{inner}</tr>'


def _verdict(run: Loaded) -> str:
    """The claim in one line, with what the run is in front."""
    try:
        if is_search(run):
            said = search_sentence(run).split("; ")[0]
        else:
            found = findings(run, flips=2_000, draws=500)
            said = headline(found, read_claim(run.manifest))
    except HeartloopError as error:
        said = f"no conclusion: {error}"
    marks = ["practice set or toy model"] if provenance(run.manifest) else []
    marks += [] if run.state.whole else [state_headline(run.state).split(":")[0].lower()]
    return f"[{'; '.join(marks)}] {said}" if marks else said


def _together(group: Sequence[Loaded]) -> str:
    """What the models of one claim come to together."""
    if len(group) < 2 or is_search(group[0]):
        return ""

    def make(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        return table(list(heads), [list(row) for row in rows])

    try:
        found = across(group)
    except HeartloopError as error:
        return note(f"Not taken together: {error}")
    said = sentence_across(found)
    blocks = across_blocks(found, make)
    return (f"<p>{e(said)}.</p>" if said else "") + "".join(
        block if block.startswith("<") else note(block) for block in blocks
    )
