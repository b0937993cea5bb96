"""``heartloop status``: which runs there are and how far they are."""

from __future__ import annotations

import json
from typing import Any

import click


@click.command("status", short_help="Show runs and how far they are.")
@click.argument("run", required=False)
@click.option(
    "--runs", type=click.Path(file_okay=False), help="Where run folders are. Default: runs/"
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status_command(run: str | None, runs: str | None, as_json: bool) -> None:
    """List runs, or show one: progress, tokens, accuracy so far, why it stopped."""
    from heartloop.cli._config import runs_folder
    from heartloop.cli._show import show_result, table
    from heartloop.run.folder import find_folder, list_folders
    from heartloop.run.status import run_status

    place = runs_folder(runs)
    folders = [find_folder(run, place)] if run else list_folders(place)
    found = [run_status(folder) for folder in folders]
    if as_json:
        click.echo(json.dumps(found[0] if run else found, indent=2, default=str))
        return
    if not found:
        click.echo(f"no runs in {place}/; start one: heartloop run --task olympiad --rounds 5")
        return
    rows = [_row(item) for item in found]
    headers = ["run", "state", "done", "calls", "tokens", "updated"]
    click.echo(table(headers, rows, right={2, 3, 4}))
    for item in found:
        if item["why"]:
            click.echo(f"{item['run']}: {item['state']}: {item['why']}")
    if run and found[0]["summary"]:
        show_result(found[0]["summary"], folders[0])


def _row(item: dict[str, Any]) -> list[str]:
    return [
        item["run"],
        item["state"],
        f"{item['done']}/{item['total']}",
        _count(item["calls"]),
        _count(item["tokens"]),
        item["updated"],
    ]


def _count(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"
