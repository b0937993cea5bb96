"""``heartloop frames``: does the way an item is told change what is decided?"""

from __future__ import annotations

import json

import click

from heartloop.errors import UsageError
from heartloop.report.writing import filled

MANY = 3
"""More tables than this are one overview."""
OVERVIEW = (
    "Change of the share in points, frame minus base frame; *: the interval, for all frames of "
    "an arm together, excludes 0. It is each arm's own; whether arms differ is not tested here. "
    "Everything of an arm: --arm NAME; all numbers: --json."
)


@click.command("frames", short_help="What the frames of a framed task did to its decisions.")
@click.argument("run")
@click.option("--task", help="Only this task.")
@click.option(
    "--base", help="The frame to hold the others against. Default: neutral, else the first."
)
@click.option("--arm", "arms", multiple=True, metavar="NAME", help="Only these arms, in full.")
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
    arms: tuple[str, ...],
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
    from heartloop.report.frames import READING, heads_of, overview_of, rows_of, title_of
    from heartloop.run.folder import find_folder
    from heartloop.run.framed import frame_tables, load_framed, table_dict

    folder = find_folder(run, runs_folder(runs))
    found = load_framed(folder, task=task, base=base, data_dir=data_dir)
    known = list(dict.fromkeys(one.arm for one in found))
    for name in arms:
        if name not in known:
            raise UsageError(f"--arm {name}: no such arm; there are {', '.join(known)}")
    found = [one for one in found if not arms or one.arm in arms]
    tables = frame_tables(found, margin=margin / 100)
    if as_json:
        plain = {"run": folder.name, "arms": [table_dict(t) for t in tables]}
        click.echo(json.dumps(plain, indent=2))
        return
    several = len({t.of.model for t in tables}) > 1
    if len(tables) > MANY and not arms:
        for unit in dict.fromkeys((t.of.task, t.of.model) for t in tables):
            mine = [t for t in tables if (t.of.task, t.of.model) == unit]
            heads, rows = overview_of(mine)
            first = mine[0].of
            items = f"{len(first.items)} items, against {first.frames[0]}"
            click.echo(f"\n{', '.join(unit)}: {items}")
            click.echo(fitted(heads, rows, right=set(range(1, len(heads)))))
        click.echo("\n" + filled(OVERVIEW, width_now()))
        return
    for one in tables:
        heads = heads_of(one)
        click.echo(f"\n{title_of(one, several)}")
        click.echo(fitted(heads, rows_of(one, domains), right=set(range(1, len(heads)))))
    click.echo()
    click.echo(filled(READING.format(margin=margin), width_now()))
