"""Progress while a run goes on, in this process or in another one.

What is drawn comes from a `heartloop.run.runner.Live` and what was paid so far; a run of this
process fills them itself, `heartloop status --follow` from the folder of another.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click

from heartloop.cli._show import amount, cut, sparkline, width_now
from heartloop.cli._terminal import plain, visible

ARMS = 12
"""Arms of the live view."""
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 600.0


@dataclass(slots=True)
class Paid:
    """What a run has spent so far, and what it waits for.

    Attributes:
        tokens, dollars: of this session's calls; dollars None where no price is known.
        in_flight, waiting: calls; ``next_retry``: seconds until the first waiting one goes on.
        stopping: calls in flight are awaited, nothing more is sent.
    """

    tokens: int = 0
    dollars: float | None = None
    in_flight: int = 0
    waiting: int = 0
    next_retry: float | None = None
    stopping: bool = False


def clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def paid_by(client: Any) -> Paid:
    """What this process has spent."""
    stats = client.stats()
    return Paid(
        stats.tokens,
        stats.cost,
        stats.in_flight,
        stats.waiting,
        stats.next_retry_in,
        client.stopped is not None,
    )


def status_line(live: Any, paid: Paid, seconds: float, before: int = 0) -> str:
    """One line: done, left, spent, unscored; ``before`` units were done when the clock began."""
    share = f" ({live.done / live.total:.0%})" if live.total else ""
    parts = [f"{live.done:,} of {live.total:,} done{share}" if live.total else "getting ready"]
    new = live.done - before
    if new > 0 and live.done < live.total:
        parts.append(f"{clock(seconds / new * (live.total - live.done))} left")
    parts.append(f"{amount(paid.tokens)} tokens")
    if paid.dollars is not None:
        parts.append(f"${paid.dollars:,.2f}")
    lost = sum(live.unscored.values())
    if live.done:
        parts.append(f"{lost / live.done:.0%} unscored")
    if paid.in_flight:
        parts.append(f"{paid.in_flight} in flight")
    if paid.waiting:
        wait = f", next in {paid.next_retry:.0f} s" if paid.next_retry else ""
        parts.append(f"{paid.waiting} waiting{wait}")
    if live.errors:
        parts.append(f"{live.errors} errors ({live.last_error})")
    return " · ".join(parts)


def arm_lines(live: Any, width: int) -> list[str]:
    """An arm a line: right so far, its course by round, unscored share.

    Counts, not shares: what finishes first is short and easy, so a share would flatter loops.
    """
    names = list(live.finished)
    name = min(max(map(len, names), default=0), width - 46)
    lines = []
    for arm in names[:ARMS]:
        n = live.finished[arm]
        solved, course = 0, []
        for count in live.by_round.get(arm, []):
            solved += count
            course.append(solved / n)
        drawn = sparkline(course) if len(course) > 1 else ""
        lost = live.unscored.get(arm, 0) / n
        lines.append(
            f"{cut(arm, name):{name}}  {live.solved.get(arm, 0):>7,} right of {n:>7,} finished"
            f"  {drawn:<10}" + (f"  {lost:.0%} unscored" if lost else "")
        )
    if len(names) > ARMS:
        lines.append(f"and {len(names) - ARMS} more arms")
    return lines


def say_what_loads(models: Sequence[str]) -> None:
    """Say that the first call waits for litellm, which takes seconds to import."""
    from heartloop.models import by_litellm

    if "litellm" not in sys.modules and any(by_litellm(model) for model in models):
        click.echo("loading litellm (some seconds) …", err=True)


def watch(*, quiet: bool) -> Callable[[Any, Any], contextlib.AbstractContextManager[None]] | None:
    """Progress while a run goes on: a live view on a terminal, plain lines elsewhere."""
    if quiet:
        return None

    def shown(runner: Any, client: Any) -> contextlib.AbstractContextManager[None]:
        return showing(lambda: (runner.live, paid_by(client)))

    return shown


def showing(
    look: Callable[[], tuple[Any, Paid]], before: int = 0
) -> contextlib.AbstractContextManager[None]:
    """Show what ``look`` returns until the block ends."""
    draw = _drawn if sys.stderr.isatty() else _plain_lines
    return draw(look, before)


@contextlib.contextmanager
def _drawn(look: Callable[[], tuple[Any, Paid]], before: int) -> Iterator[None]:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    started = time.monotonic()

    class Screen:
        def __rich__(self) -> Group:
            live, paid = look()
            width = width_now()
            rows = [Text(visible(line), style="dim") for line in arm_lines(live, width)]
            rows += [Text(visible(f"warning: {line}"), style="yellow") for line in live.notices[:3]]
            if paid.stopping:
                rows.append(
                    Text("stopping: waiting for calls in flight; Ctrl-C again to stop at once")
                )
            full = round(min(60, width) * live.done / max(live.total, 1))
            bar = Text("━" * full, style="green").append("━" * (min(60, width) - full), style="dim")
            line = status_line(live, paid, time.monotonic() - started, before)
            return Group(bar, Text(visible(line)), *rows)

    console = Console(file=plain(sys.stderr))
    with Live(Screen(), console=console, refresh_per_second=4, transient=True):
        yield


@contextlib.contextmanager
def _plain_lines(look: Callable[[], tuple[Any, Paid]], before: int) -> Iterator[None]:
    """A line now and then, ever more seldom: a day of work fills no more than a screen."""
    started = time.monotonic()
    finished = threading.Event()

    def tell() -> None:
        pause, told, last = FIRST_PAUSE, 0, ""
        while not finished.wait(pause):
            live, paid = look()
            line = status_line(live, paid, time.monotonic() - started, before)
            if line != last:
                click.echo(line, err=True)
            last = line
            for notice in live.notices[told:]:
                click.echo(f"warning: {notice}", err=True)
            told = len(live.notices)
            pause = min(2 * pause, LONGEST_PAUSE)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join(timeout=1)
