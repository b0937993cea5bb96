"""What ``run`` prints: the plan, live progress, the result, and what to type next."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click

from heartloop.cli._terminal import plain, visible
from heartloop.errors import HeartloopError


def table(headers: list[str], rows: list[list[str]], *, right: set[int] | None = None) -> str:
    """A plain aligned table; columns in ``right`` are right-aligned."""
    right = right or set()
    widths = [max(len(row[i]) for row in [headers, *rows]) for i in range(len(headers))]
    lines = []
    for row in [headers, *rows]:
        cells = [
            c.rjust(w) if i in right else c.ljust(w)
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def show_plan(
    prepared: Any,
    *,
    as_json: bool = False,
    quiet: bool = False,
    probe: Any = None,
    noise: Any = None,
    target: float | None = None,
) -> dict[str, Any]:
    """Print the plan and its estimate; returns the estimate as plain data."""
    from heartloop.run.arms import level_calls
    from heartloop.run.estimate import estimate
    from heartloop.run.pilot import needs_pilot

    found = estimate(prepared, probe, noise, target)
    if as_json:
        plan = {"plan": prepared.plan.to_dict(), "estimate": found.to_dict()}
        click.echo(json.dumps(plan, indent=2, default=str))
        return found.to_dict()
    for task in prepared.tasks:
        data = task.data
        for note in data.notes:
            click.echo(f"note: {task.card.name}: {note}", err=True)
        if data.practice:
            click.secho(
                f"PRACTICE SET: {task.card.name} here means heartloop's own practice problems, "
                "not the published benchmark.",
                err=True,
                fg="yellow",
            )
    if quiet:
        return found.to_dict()
    names = ", ".join(
        f"{t.card.name} ({len(t.data.questions)}, {t.mode})" for t in prepared.tasks[:6]
    )
    more = f" and {len(prepared.tasks) - 6} more" if len(prepared.tasks) > 6 else ""
    click.echo(f"tasks: {names}{more}", err=True)
    shown = {(len(t.data.questions[0].demos), t.data.shots_as) for t in prepared.tasks}
    for count, form in sorted((n, form) for n, form in shown if n):
        click.echo(f"demonstrations: {count} as {form}, the same for every arm", err=True)
    against = [a.name for a in prepared.plan.arms if any("format" in s.demand for s in a.stimuli)]
    if against and any(count for count, _ in shown):
        click.echo(
            f"note: {', '.join(against[:4])} ask for another form of answer than demonstrations "
            "show: what they lose may be that contradiction",
            err=True,
        )
    for task in prepared.tasks:
        if task.card.chosen and task.grader.verifier.name == task.card.verifier:
            click.echo(
                f"verifier: {task.card.verifier} for {task.card.name} ({task.card.chosen}); "
                "--verifier takes another",
                err=True,
            )
    for task in prepared.tasks[:1]:
        click.echo(f"data: {task.data.source}", err=True)
    rows = [
        [
            row.name,
            row.method,
            row.role,
            _span(row.calls_least, row.calls_most),
            f"{row.tokens:,}",
            "no bound" if row.tokens_most is None else f"{row.tokens_most:,}",
        ]
        for row in (*found.arms, *found.judges)
    ]
    heads = ["arm", "method", "role", "calls", "tokens, about", "at most"]
    click.echo(table(heads, rows, right={3, 4, 5}), err=True)
    if found.self_judged:
        click.echo(
            "note: the model under test judges its own answers; name another with --judge", err=True
        )
    if needs_pilot(prepared.plan):
        click.echo(
            "resample gets as many draws as cost the loop's tokens: fixed at the start from the "
            "lengths of a few shared first answers, never from what they say",
            err=True,
        )
    _show_totals(found, prepared.plan.limits)
    repeats = len(prepared.plan.models) * len(prepared.plan.seeds)
    levels = level_calls(prepared.plan.arms, prepared.questions * repeats)
    if levels:
        costs = ", ".join(
            f"{level} {least:,}" + (f" (at most {most:,})" if most > least else "")
            for level, (least, most) in levels.items()
        )
        click.echo(f"calls with --controls {costs}", err=True)
    if found.seconds is not None:
        click.echo(
            f"expected time {_clock(found.seconds)} (from a probe of a few answers)", err=True
        )
    if found.power is not None:
        click.echo(found.power.sentence, err=True)
    return found.to_dict()


def _show_totals(found: Any, limits: Mapping[str, Any]) -> None:
    """Calls, tokens and dollars in all, about and at most, and the caps they exceed."""
    from heartloop.cli._money import dollars_line

    most = "without an upper bound (no max_tokens)"
    if found.tokens_most is not None:
        most = f"at most {found.tokens_most:,} (every answer as long as it may be)"
    click.echo(
        f"in all {_span(found.calls_least, found.calls_most)} calls (shared ones once), "
        f"about {found.tokens:,} tokens, {most}",
        err=True,
    )
    cost = dollars_line(found.to_dict())
    if cost:
        click.echo(f"cost: {cost}", err=True)
    for cap, about in (("max_usd", found.usd), ("max_total_tokens", found.tokens)):
        if limits.get(cap) and about is not None and about > limits[cap]:
            option = cap.replace("_", "-")
            click.echo(
                f"note: that is more than --{option} {limits[cap]:g}, where it will stop; "
                "resume goes on with a higher cap",
                err=True,
            )


def _span(least: int, most: int) -> str:
    return f"{most:,}" if least == most else f"{least:,}–{most:,}"


def watch(*, quiet: bool) -> Callable[[Any, Any], contextlib.AbstractContextManager[None]] | None:
    """Progress while a run goes on: a live line on a terminal, plain lines elsewhere."""
    if quiet:
        return None
    return _live if sys.stderr.isatty() else _plain_lines


def _status(runner: Any, client: Any, started: float) -> str:
    live, stats = runner.live, client.stats()
    seconds = time.monotonic() - started
    parts = [f"{live.done}/{live.total} done", f"{stats.in_flight} in flight"]
    if stats.waiting:
        wait = f", next in {stats.next_retry_in:.0f} s" if stats.next_retry_in else ""
        parts.append(f"{stats.waiting} waiting{wait}")
    parts.append(f"{stats.tokens:,} tokens")
    if live.errors:
        parts.append(f"{live.errors} errors ({live.last_error})")
    if live.done and live.done < live.total:
        parts.append(f"{_clock(seconds / live.done * (live.total - live.done))} left")
    return " · ".join(parts)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _by_round(live: Any) -> list[str]:
    lines = []
    for arm, finished in live.finished.items():
        solved, shares = 0, []
        for count in live.by_round.get(arm, []):
            solved += count
            shares.append(f"{solved / finished:.0%}")
        lines.append(f"{arm:<18} {' → '.join(shares)}  of {finished}")
    return lines


@contextlib.contextmanager
def _live(runner: Any, client: Any) -> Iterator[None]:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    started = time.monotonic()

    class Screen:
        def __rich__(self) -> Group:
            live = runner.live
            bar = ProgressBar(total=max(live.total, 1), completed=live.done, width=60)
            rows = [Text(visible(line), style="dim") for line in _by_round(live)[:12]]
            rows += [Text(visible(f"warning: {line}"), style="yellow") for line in live.notices[:3]]
            if client.stopped is not None:
                rows.append(
                    Text("stopping: waiting for calls in flight; Ctrl-C again to stop at once")
                )
            return Group(bar, Text(visible(_status(runner, client, started))), *rows)

    console = Console(file=plain(sys.stderr))
    with Live(Screen(), console=console, refresh_per_second=4, transient=True):
        yield


@contextlib.contextmanager
def _plain_lines(runner: Any, client: Any) -> Iterator[None]:
    started = time.monotonic()
    finished = threading.Event()

    def tell() -> None:
        pause, told = 5.0, 0
        while not finished.wait(pause):
            click.echo(_status(runner, client, started), err=True)
            for notice in runner.live.notices[told:]:
                click.echo(f"warning: {notice}", err=True)
            told = len(runner.live.notices)
            pause = min(pause * 1.5, 60.0)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join(timeout=1)


def finish(summary: dict[str, Any], folder: Any, *, as_json: bool) -> int:
    """Print the result and return the exit code."""
    if summary["stopped"] and summary["stopped"].startswith("decided:"):
        click.echo(summary["stopped"], err=True)
    elif summary["stopped"]:
        click.echo(
            f"stopped: {summary['stopped']}. Everything paid for is saved; "
            f"go on with: heartloop resume {folder.path}",
            err=True,
        )
    if as_json:
        click.echo(json.dumps(summary, indent=2, default=str))
    else:
        show_result(summary, folder)
    if summary["stopped"] and not summary["stopped"].startswith("decided:"):
        return 3
    answered = sum(row["trials"] - row["error"] for row in summary["arms"])
    return 0 if answered else 1


def judged_lines(summary: Mapping[str, Any]) -> list[str]:
    """The headline figures of judged tasks, an arm a line, and how far a panel's judges agree."""
    from heartloop.run.summary import JUDGED

    lines = []
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
    for pair in summary.get("panel", []):
        kappa = "none" if pair["kappa"] is None else f"{pair['kappa']:.2f}"
        lines.append(
            f"judges: {' and '.join(pair['judges'])}: {pair['axis']} equal in "
            f"{100 * pair['equal']:.0f} % of {pair['n']}, Cohen's κ {kappa}"
        )
    return lines


def show_result(summary: dict[str, Any], folder: Any, *, own: bool = True) -> None:
    """Accuracy by round beside the controls, one sentence, and what to type next.

    The sentence is about the run's ``own`` verdicts, so it is left out for any others.
    """
    several_tasks = len({row["task"] for row in summary["arms"]}) > 1
    several_models = len({row["model"] for row in summary["arms"]}) > 1
    headers = ["arm", "n", "accuracy", "unscored", "error", "by round", "calls", "tokens"]
    loops = any(len(row["rounds"]) > 1 for row in summary["arms"])
    if loops:
        headers.insert(6, "answered %")
    rows = []
    for row in summary["arms"]:
        if not row["trials"]:
            continue
        name = row["arm"]
        if several_tasks:
            name = f"{row['task']} {name}"
        if several_models:
            name = f"{name} [{row['model']}]"
        rounds = [f"{100 * r['accuracy']:.1f}" for r in row["rounds"] if r["accuracy"] is not None]
        rows.append(
            [
                name,
                str(row["n"]),
                f"{100 * row['accuracy']:.1f} %",
                str(sum(row["unscored"].values())),
                str(row["error"]),
                " ".join(rounds) if len(rounds) > 1 else "",
                *([_answered(row["rounds"])] if loops else []),
                f"{row['calls']:,}",
                f"{row['tokens']['prompt'] + row['tokens']['completion']:,}",
            ]
        )
    click.echo()
    click.echo(table(headers, rows, right={1, 2, 3, 4, len(headers) - 2, len(headers) - 1}))
    for suite in summary.get("suites", []):
        click.echo(
            f"suite {suite['suite']}, {suite['arm']}: normalised mean {suite['normalised']:.2f}, "
            f"accuracy {100 * suite['accuracy']:.2f} % over {suite['tasks']} tasks"
        )
    for line in judged_lines(summary):
        click.echo(line)
    _show_repeats(summary)
    paid = summary["paid"]
    tokens = paid["tokens"]
    click.echo(
        f"paid: {paid['calls']:,} calls, {tokens['prompt'] + tokens['completion']:,} tokens "
        f"(shared calls once), {summary['wall_s']:.0f} s"
    )
    if own:
        _conclude(folder)
    for error in summary.get("errors", []):
        click.secho(f"{error['count']} × {error['class']}: {error['message']}", fg="red")
    for warning in summary.get("warnings", []):
        click.secho(f"warning: {warning}", fg="yellow")
    for note in (folder.manifest.get("calls") or {}).get("notes") or []:
        click.echo(f"note: {note}")
    click.echo(f"run:    {folder.path}")
    report = folder.path / "report.html"
    if report.exists():
        click.echo(f"report: {report}")
    else:
        click.echo(f"report: heartloop report {folder.path}")
    if summary["models"] == ["pocket"] and not summary["stopped"]:
        sessions = folder.manifest.get("sessions") or [{}]
        click.echo(f"next:   {on_a_real_model(sessions[0].get('command') or '')}")
        click.echo("        a real model without a server: heartloop models get smollm2 (98 MB)")


def _show_repeats(summary: Mapping[str, Any]) -> None:
    """pass@k and its family, one line a number of draws, for one task and a few arms."""
    from heartloop.run.repeats import NAMES, repeat_lines

    lines = repeat_lines(summary["arms"])
    if 0 < len(lines) <= 10:
        click.echo(table(["several draws", "k", *NAMES.values()], lines, right={1, 2, 3, 4, 5}))


def _answered(rounds: Sequence[Mapping[str, Any]]) -> str:
    """By round, the share of replies that hold an answer; empty for arms without rounds."""
    if len(rounds) < 2:
        return ""
    return " ".join("-" if (a := r.get("answered")) is None else f"{100 * a:.0f}" for r in rounds)


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


def _conclude(folder: Any) -> None:
    """The conclusion in one sentence, where the analysis can give one."""
    from heartloop.report.look_back import look_back

    try:
        sentence = look_back(folder.path)
    except HeartloopError as error:
        sentence = f"no conclusion: {error}"
    if sentence:
        click.echo(sentence)
