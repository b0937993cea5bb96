"""``heartloop status``: which runs there are and how far they are."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from heartloop.cli._flags import VERBOSITY


@click.command("status", short_help="Show runs and how far they are.")
@click.argument("run", required=False)
@click.option(
    "--runs", type=click.Path(file_okay=False), help="Where run folders are. Default: runs/"
)
@click.option(
    "--follow",
    is_flag=True,
    help="Watch a run that another process or node is doing; default the newest.",
)
@VERBOSITY[0]
@VERBOSITY[1]
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status_command(
    run: str | None, runs: str | None, follow: bool, quiet: bool, verbose: bool, as_json: bool
) -> None:
    """List runs, or show one: progress, rate, time left, tokens, why it stopped, its result."""
    from heartloop.cli._config import runs_folder
    from heartloop.cli._result import show_result
    from heartloop.cli._show import table
    from heartloop.run.folder import find_folder, list_folders
    from heartloop.run.status import run_status

    place = runs_folder(runs)
    if follow:
        run = run or "last"
        _follow(find_folder(run, place))
    folders = [find_folder(run, place)] if run else list_folders(place)
    found = [run_status(folder) for folder in folders]
    if as_json:
        click.echo(json.dumps(found[0] if run else found, indent=2, default=str))
        return
    if not found:
        click.echo(f"no runs in {place}/; start one: heartloop run --task olympiad --rounds 5")
        return
    if not quiet:
        rows = [_row(item) for item in found]
        headers = ["run", "state", "done", "left", "calls", "tokens", "updated (UTC)"]
        click.echo(table(headers, rows, right={2, 3, 4, 5}))
        for item in found:
            if item["why"] and not (run and item["summary"]):
                click.echo(f"{item['run']}: {item['state']}: {item['why']}")
    if run and found[0]["summary"]:
        show_result(found[0]["summary"], folders[0], again=True, quiet=quiet, verbose=verbose)


def _follow(folder: Any) -> None:
    """Show a run's progress until nobody works on it any more, or until Ctrl-C."""
    from heartloop.cli._live import Paid, showing
    from heartloop.run.follow import Follower

    follower = Follower(folder)

    def look() -> tuple[Any, Paid]:
        paid = follower.totals.paid
        tokens = paid["tokens"]["prompt"] + paid["tokens"]["completion"]
        return follower.live, Paid(tokens, paid["cost"])

    try:
        with showing(look, follower.live.done):
            while follower.going_on:
                time.sleep(0.5)
                follower.look()
    except KeyboardInterrupt:
        click.echo("no longer watched; the run itself goes on", err=True)


def _row(item: dict[str, Any]) -> list[str]:
    from heartloop.cli._live import clock
    from heartloop.cli._show import amount

    left = ""
    if item["left"] is not None:
        left = f"{clock(item['left'])} at {item['rate']:,.0f}/min"
    return [
        item["run"],
        item["state"],
        f"{item['done']:,}/{item['total']:,}",
        left,
        "?" if item["calls"] is None else f"{item['calls']:,}",
        "?" if item["tokens"] is None else amount(item["tokens"]),
        item["updated"][:16].replace("T", " "),
    ]
