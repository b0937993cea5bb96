"""What a finished run prints: at most `LINES` lines of 80 columns, whatever the run.

The whole of it, every arm and warning, is in the report and behind ``--verbose``.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from heartloop.cli._show import amount, cut, table, width_now
from heartloop.errors import HeartloopError
from heartloop.report.writing import some_rounds, wrapped
from heartloop.run.layout import Summary

LINES = 22
"""Lines of a result; with a plan of two lines and a question the screen has at most 25."""
SENTENCE = 5
WARNINGS = 5


def folded(sentence: str, width: int, most: int = SENTENCE) -> list[str]:
    """A sentence by whole clauses, as many as fit in ``most`` lines, and how many are left out."""
    clauses = _clauses(sentence)
    whole = wrapped(sentence, width)
    if len(whole) <= most:
        return whole
    for count in range(len(clauses) - 1, 0, -1):
        left = len(clauses) - count
        more = "clause" if left == 1 else "clauses"
        text = "; ".join(clauses[:count]) + f"; … and {left} more {more} (--verbose)"
        lines = wrapped(text, width)
        if len(lines) <= most:
            return lines
    return [*whole[: most - 1], cut(" ".join(whole[most - 1 :]), width)]


def _clauses(sentence: str) -> list[str]:
    """The parts between semicolons that stand outside of all brackets."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(sentence):
        depth += (letter in "([") - (letter in ")]")
        if letter == ";" and depth <= 0:
            parts.append(sentence[start:at])
            start = at + 2
    return [*parts, sentence[start:]]


def few(lines: Sequence[str], width: int, most: int = 5) -> list[str]:
    """The first lines, cut to the width, and how many there are besides."""
    if len(lines) <= most:
        return [cut(line, width) for line in lines]
    more = f"and {len(lines) - most + 1} more of these: --verbose"
    return [*(cut(line, width) for line in lines[: most - 1]), more]


def warning_lines(found: Sequence[Any], width: int, most: int = WARNINGS) -> list[str]:
    """One line a kind of warning, with the section of the report that explains it."""
    lines = []
    for one in found[:most]:
        more = f" (+{len(one.lines) - 1})" if len(one.lines) > 1 else ""
        place = f" → {one.section}"
        room = width - 2 - len(place) - len(more)
        text = one.lines[0] if len(one.lines[0]) <= room else one.lines[0].split("; ")[0]
        lines.append(f"! {cut(text, room)}{more}{place}")
    if len(found) > most:
        lines[-1] = f"! and {len(found) - most + 1} more kinds of warning → report, --verbose"
    return lines


def handle(path: Path) -> str:
    """What to type for a run: its name where it lies in the default folder, else its path."""
    from heartloop.cli._config import runs_folder

    with_name = runs_folder(None) / path.name
    try:
        if with_name.resolve() == path.resolve():
            return path.name
        near = os.path.relpath(path)
    except (OSError, ValueError):
        return str(path)
    return near if len(near) < len(str(path)) else str(path)


def finish(
    summary: Summary,
    folder: Any,
    *,
    as_json: bool,
    quiet: bool = False,
    verbose: bool = False,
) -> int:
    """Print the result and return the exit code."""
    decided = (summary["stopped"] or "").startswith("decided:")
    if as_json:
        _stopped(summary, folder)
        click.echo(json.dumps(summary, indent=2, default=str))
    else:
        show_result(summary, folder, quiet=quiet, verbose=verbose)
    if summary["stopped"] and not decided:
        return 3
    answered = sum(row["trials"] - row["error"] for row in summary["arms"])
    return 0 if answered else 1


def _stopped(summary: Summary, folder: Any) -> int:
    """Say why a run ended early; returns the lines that took."""
    why = summary["stopped"]
    if not why:
        return 0
    if why.startswith("decided:"):
        lines = wrapped(why, width_now())
    else:
        said = f"stopped: {why}; what was paid for is saved. Go on with:"
        lines = wrapped(said, width_now(), break_long_words=False, break_on_hyphens=False)
        lines.append(f"  heartloop resume {handle(folder.path)}")
    for line in lines:
        click.echo(line, err=True)
    return len(lines)


def show_result(
    summary: Summary,
    folder: Any,
    *,
    own: bool = True,
    again: bool = False,
    quiet: bool = False,
    verbose: bool = False,
) -> None:
    """Table, sentence, warnings, paths and what to type next; everything with ``verbose``.

    The sentence is about the run's ``own`` verdicts, so it is left out for any others. A result
    that is shown ``again`` leaves a ``claim.md`` that is there as it is: reading every text for it
    takes the longest.
    """
    from heartloop.run.doubtful import HOLDING, examples_line
    from heartloop.run.selection import selection_line
    from heartloop.run.warnings import warnings_by_kind

    width = width_now()
    lines, sentence = _answer(folder, width, again) if own else (_arms(summary, width), "")
    left = LINES - _stopped(summary, folder)
    if quiet:
        click.echo(sentence or "nothing was answered, so nothing is concluded")
        click.echo(f"report: heartloop report {handle(folder.path)}")
        return
    judged = judged_lines(summary)
    chosen = selection_line(summary, folder.manifest["plan"].get("selector") or "") if own else None
    judged += [chosen] if chosen else []
    if verbose:
        lines = [*lines, *_everything(summary), *judged]
    else:
        lines = [*lines, *few(judged, width)]
    found = warnings_by_kind(summary, folder.manifest)
    last = _last(summary, folder, width)
    left -= len(lines) + len(last)
    most = max(2, min(SENTENCE, left - min(len(found), 4)))
    said = folded(sentence, width, most) if sentence and not verbose else [sentence or ""]
    for line in (*lines, *filter(None, said)):
        click.echo(line)
    if verbose:
        for error in summary.get("errors", []):
            click.secho(f"{error['count']} × {error['class']}: {error['message']}", fg="red")
        for one in found:
            for text in one.lines:
                click.secho(f"warning: {text} → {one.section}", fg="yellow")
        for note in (folder.manifest.get("calls") or {}).get("notes") or []:
            click.echo(f"note: {note}")
    else:
        kinds = [*_errors(summary), *found, *_server_notes(folder)]
        warned = warning_lines(kinds, width, max(1, min(WARNINGS, left - len(said))))
        for line in warned:
            click.secho(line, fg="yellow")
            if line.startswith(f"! {HOLDING}") and len(warned) < left - len(said):
                click.echo(examples_line(summary, width))
    for line in last:
        click.echo(line)


def _errors(summary: Summary) -> list[Any]:
    """Calls that ended in an error, as one kind of warning."""
    from heartloop.run.warnings import Warned

    lines = tuple(
        f"{e['count']} call{'s' * (e['count'] != 1)} failed: {e['class']}: {e['message']}"
        for e in summary.get("errors", [])
    )
    return [Warned("Plan and provenance", lines)] if lines else []


def _server_notes(folder: Any) -> list[Any]:
    """What the server made us do otherwise, as one kind of warning."""
    from heartloop.run.warnings import Warned

    notes = tuple((folder.manifest.get("calls") or {}).get("notes") or [])
    return [Warned("Plan and provenance", notes)] if notes else []


def _answer(folder: Any, width: int, again: bool) -> tuple[list[str], str]:
    """The tables and the sentence of a run's own verdicts; writes ``claim.md`` beside them."""
    from heartloop.cli._arms import result_lines
    from heartloop.report.arms import load_run
    from heartloop.report.conclusion import conclusion_of
    from heartloop.report.findings import findings
    from heartloop.report.look_back import FILE, look_back
    from heartloop.report.search import is_search
    from heartloop.run.claim import read_claim

    try:
        run = load_run(folder)
        if is_search(run):
            return [], conclusion_of(run)
        found = findings(run)
        lines = result_lines(run, found, read_claim(run.manifest), width)
        if again and (folder.path / FILE).exists():
            return lines, conclusion_of(run, found)
        return lines, look_back(run, found)
    except HeartloopError as error:
        return [], f"no conclusion: {error}"


def _arms(summary: Summary, width: int) -> list[str]:
    """Accuracies by another reading of the same answers."""
    from heartloop.report.ranking import MOST

    sums: dict[str, list[int]] = {}
    for row in summary["arms"]:
        own = sums.setdefault(row["arm"], [0, 0, 0])
        for i, n in enumerate((row["trials"], row["correct"], sum(row["unscored"].values()))):
            own[i] += n
    rows = [
        [cut(arm, width - 40), f"{n:,}", f"{100 * right / n:.1f} %", f"{lost:,}"]
        for arm, (n, right, lost) in sums.items()
        if n
    ]
    lines = table(["arm", "answers", "right", "unread"], rows[:MOST], right={1, 2, 3}).split("\n")
    return lines + ([f"and {len(rows) - MOST} more: report"] if len(rows) > MOST else [])


def _last(summary: Summary, folder: Any, width: int) -> list[str]:
    """What was paid, where the report is, and what to type next."""
    paid = summary["paid"]
    tokens = paid["tokens"]["prompt"] + paid["tokens"]["completion"]
    cost = f", ${paid['cost']:,.2f}" if paid.get("cost") is not None else ""
    name = handle(folder.path)
    spent = (
        f"paid: {paid['calls']:,} calls, {amount(tokens)} tokens{cost}, {summary['wall_s']:.0f} s"
    )
    if "imported" in folder.manifest:
        spent = f"imported: {paid['calls']:,} answers"
    report = f"report: heartloop report {name}"
    both = f"{spent} · {report}"
    lines = [both] if len(both) <= width else [spent, report]
    tried = [a for a in summary["arms"] if a["role"] == "treatment" and not len(a["rounds"]) > 1]
    if len({a["arm"] for a in tried}) > 1 and not summary["stopped"]:
        # A run tests all of them; a search tests the one it picks, and may say more of it.
        lines.append("one to use? heartloop optimize: picks on some questions, tests on others")
    if summary["models"] == ["pocket"] and not summary["stopped"]:
        sessions = folder.manifest.get("sessions") or [{}]
        following = on_a_real_model(sessions[0].get("command") or "")
        lines += wrapped(
            f"next: {following}",
            width,
            subsequent_indent="      ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines.append("a real model without a server: heartloop models get smollm2 (98 MB)")
    return lines


def _everything(summary: Summary) -> list[str]:
    """Every arm of every task, suites, judges' labels, several draws."""
    several_models = len(summary["models"]) > 1
    loops = any(len(row["rounds"]) > 1 for row in summary["arms"])
    heads = ["task", "arm", "n", "own metric", "unscored", "error", "by round"]
    heads += ["answered %"] if loops else []
    heads += ["calls", "tokens"]
    rows = []
    for row in summary["arms"]:
        if row["accuracy"] is None:
            continue
        course = [r.get("own", r["accuracy"]) for r in row["rounds"]]
        course = [course[r] for r in some_rounds(len(course))]
        rounds = [f"{100 * own:.1f}" for own in course if own is not None]
        rows.append(
            [
                row["task"],
                row["arm"] + (f" [{row['model']}]" if several_models else ""),
                str(row["n"]),
                f"{100 * (row.get('own', row['accuracy']) or 0.0):.1f}",
                str(sum(row["unscored"].values())),
                str(row["error"]),
                " ".join(rounds) if len(rounds) > 1 else "",
                *([_answered(row["rounds"])] if loops else []),
                f"{row['calls']:,}",
                f"{row['tokens']['prompt'] + row['tokens']['completion']:,}",
            ]
        )
    lines = [table(heads, rows, right={2, 3, 4, 5, len(heads) - 2, len(heads) - 1})]
    lines += [
        f"suite {suite['suite']}, {suite['arm']}: normalised mean {suite['normalised']:.2f}, "
        f"accuracy {100 * suite['accuracy']:.2f} % over {suite['tasks']} tasks"
        for suite in summary.get("suites", [])
    ]
    return [*lines, *_repeats(summary)]


def judged_lines(summary: Summary) -> list[str]:
    """The headline figures of judged tasks, an arm a line, and how far a panel's judges agree."""
    from heartloop.run.judged import JUDGED

    lines = []
    for pair in summary.get("panel", []):
        kappa = "none" if pair["kappa"] is None else f"{pair['kappa']:.2f}"
        lines.append(
            f"judges: {' and '.join(pair['judges'])}: {pair['axis']} equal in "
            f"{100 * pair['equal']:.0f} % of {pair['n']}, Cohen's κ {kappa}"
        )
    for row in summary["arms"]:
        judged = row.get("judged") or {}
        shown = [
            f"{words} {100 * judged[name]:.1f} %"
            for name, words in JUDGED.items()
            if judged.get(name) is not None
        ]
        shown += [f"{axis} {mean:.2f}" for axis, mean in judged.get("ratings", {}).items()]
        if shown:
            lines.append(f"judged: {row['task']} {row['arm']}: {', '.join(shown)}")
    return lines


def _repeats(summary: Summary) -> list[str]:
    """pass@k and its family, one line a number of draws."""
    from heartloop.run.repeats import NAMES, repeat_lines

    lines = repeat_lines(summary["arms"])
    heads = ["several draws", "k", *NAMES.values()]
    return [table(heads, lines, right={1, 2, 3, 4, 5})] if lines else []


def _answered(rounds: Sequence[Mapping[str, Any]]) -> str:
    """By round, the share of replies that hold an answer; empty for arms without rounds."""
    if len(rounds) < 2:
        return ""
    some = [rounds[r] for r in some_rounds(len(rounds))]
    return " ".join("–" if (a := r.get("answered")) is None else f"{100 * a:.0f}" for r in some)


def on_a_real_model(command: str) -> str:
    """The user's own ``heartloop run`` line with a server's model in place of pocket."""
    try:
        words = shlex.split(command)
    except ValueError:  # a quote left open
        words = []
    if words[:2] != ["heartloop", "run"]:
        words = ["heartloop", "run", "--task", "olympiad", "--rounds", "5"]
    kept: list[str] = []
    skip = False
    for word in words:
        if skip or word == "--practice":
            skip = False
        elif word in ("--model", "--name"):
            skip = True
        elif not word.startswith(("--model=", "--name=")):
            kept.append(word)
    data = "" if any(word.startswith("--data") for word in kept) else " --data DIR"
    return f"{shlex.join(kept)} --model server/NAME --base-url http://HOST:8000/v1{data}"
