"""``heartloop trajectory``: what the mood of dialogues did, turn by turn."""

from __future__ import annotations

import json

import click

from heartloop.report.writing import filled


@click.command("trajectory", short_help="What the mood of dialogues did, turn by turn.")
@click.argument("run")
@click.option("--data", "data_dir", help="Where the data are now, if they moved.")
@click.option("--runs", type=click.Path(file_okay=False), help="Where run folders are.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the mean by turn.")
def trajectory_command(run: str, data_dir: str | None, runs: str | None, as_json: bool) -> None:
    """Coherence, delay, recovery, overshoot and hysteresis of the mood, by arm.

    For runs of `--task state25 --method dialogue`. How to read it: docs/state.md.
    """
    from heartloop.cli._config import runs_folder
    from heartloop.cli._show import cut, table
    from heartloop.report.trajectory import HEADS, READING, never_lines, rows_of, slope_lines
    from heartloop.run.folder import find_folder
    from heartloop.run.trajectories import (
        load_trajectories,
        trajectories_dict,
        trajectory_tables,
    )

    folder = find_folder(run, runs_folder(runs))
    found = load_trajectories(folder, data_dir=data_dir)
    if as_json:
        click.echo(json.dumps({"run": folder.name, **trajectories_dict(found)}, indent=2))
        return
    tables = trajectory_tables(found)
    if not tables:
        click.echo(f"{folder.name}: its task has no stretches, so there is nothing to measure")
        return
    rows = [[cut(name, 16), *cells] for name, *cells in rows_of(tables)]
    click.echo(table(HEADS, rows, right=set(range(2, len(HEADS)))))
    for line in (*never_lines(tables), *slope_lines(found), READING):
        click.echo(filled(line, 80))
