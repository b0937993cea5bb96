"""``heartloop frames``: does the way an item is told change what is decided?"""

from __future__ import annotations

import json
import textwrap

import click


@click.command("frames", short_help="What the frames of a framed task did to its decisions.")
@click.argument("run")
@click.option("--task", help="Only this task.")
@click.option(
    "--base", help="The frame to hold the others against. Default: neutral, else the first."
)
@click.option("--domains", is_flag=True, help="Also by domain.")
@click.option("--margin", type=click.FloatRange(0.1, 50), default=3.0, show_default=True,
              help="Half-width of equivalence, in points.")  # fmt: skip
@click.option("--data", "data_dir", help="Where the data are now, if they moved.")
@click.option("--runs", type=click.Path(file_okay=False), help="Where run folders are.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def frames_command(
    run: str,
    task: str | None,
    base: str | None,
    domains: bool,
    margin: float,
    data_dir: str | None,
    runs: str | None,
    as_json: bool,
) -> None:
    """Decision flips, Cohen's h, equivalence, drift of stated confidence, robustness: by frame.

    Every frame is held against the base frame on the same items. How to read it: docs/frames.md.
    """
    from heartloop.cli._config import runs_folder
    from heartloop.cli._show import fitted, width_now
    from heartloop.report.frames import READING, heads_of, rows_of, title_of
    from heartloop.run.folder import find_folder
    from heartloop.run.framed import frame_tables, load_framed, table_dict

    folder = find_folder(run, runs_folder(runs))
    found = load_framed(folder, task=task, base=base, data_dir=data_dir)
    tables = frame_tables(found, margin=margin / 100)
    if as_json:
        plain = {"run": folder.name, "arms": [table_dict(t) for t in tables]}
        click.echo(json.dumps(plain, indent=2))
        return
    several = len({t.of.model for t in tables}) > 1
    for one in tables:
        heads = heads_of(one)
        click.echo(f"\n{title_of(one, several)}")
        click.echo(fitted(heads, rows_of(one, domains), right=set(range(1, len(heads)))))
    click.echo()
    click.echo(textwrap.fill(READING.format(margin=margin), width_now()))
