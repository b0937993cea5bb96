"""``heartloop compare``: paired tests between arms or runs."""

from __future__ import annotations

import json

import click


@click.command("compare", short_help="Paired tests between arms or runs.")
@click.argument("specs", nargs=-1, required=True, metavar="RUN[:ARM] …")
@click.option("--runs", type=click.Path(file_okay=False), help="Where run folders are.")
@click.option("--control", metavar="ARM", help="One run: compare with this control only.")
@click.option(
    "--margin",
    type=click.FloatRange(0, 100, min_open=True, max_open=True),
    help="Points either way that count as no difference. Default: the claim's.",
)
@click.option(
    "--level",
    type=click.FloatRange(0.5, 1, max_open=True),
    help="Coverage of intervals. Default: the claim's.",
)
@click.option(
    "--draws",
    type=click.IntRange(100, 1_000_000),
    default=10_000,
    show_default=True,
    help="Bootstrap resamples.",
)
@click.option(
    "--by",
    metavar="COLUMN",
    help="Apart by the values of a column of the task's table, or of what is noted of a question.",
)
@click.option(
    "--data", type=click.Path(file_okay=False), help="For --by: the data folder, if it has moved."
)
@click.option("--force", is_flag=True, help="Compare runs that differ, and say so in the result.")
@click.option("--markdown", is_flag=True, help="Print Markdown tables.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON (shares).")
def compare_command(
    specs: tuple[str, ...],
    runs: str | None,
    control: str | None,
    margin: float | None,
    level: float | None,
    draws: int,
    by: str | None,
    data: str | None,
    force: bool,
    markdown: bool,
    as_json: bool,
) -> None:
    """Compare arms on the questions they share.

    \b
    heartloop compare RUN                 what the run's claim comes to, then every detail
    heartloop compare RUN:none RUN:EP02   EP02 minus none
    heartloop compare OLD NEW             arms of the same name, NEW minus OLD
    heartloop compare A B C …             runs of one claim: a forest over models, random effects
    heartloop compare RUN --by subject    apart by a column of the table: descriptive

    What is named or changed after the fact (an arm, a control, a margin, a level) is marked post
    hoc and gets no word. The first run or arm named is what the others are compared to. Runs from
    different data, cards or sampling are refused. RUN is a folder, a name, a unique part of a
    name, or ``last``.
    """
    from heartloop.cli._command import one_thread

    one_thread()
    from heartloop.cli._config import runs_folder
    from heartloop.cli._show import width_now
    from heartloop.report.study import compare_specs
    from heartloop.report.tables import render

    if by is not None:
        from heartloop.report import by_column

        tables = by_column.by_column(
            specs, runs_folder(runs), by, control=control, level=level, data_dir=data
        )
        if as_json:
            click.echo(json.dumps([table.to_dict() for table in tables], indent=2))
        else:
            click.echo(by_column.render(tables, markdown))
        return
    found = compare_specs(
        specs,
        runs_folder(runs),
        control=control,
        margin=None if margin is None else margin / 100,
        level=level,
        draws=draws,
        force=force,
    )
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=2, default=_plain))
        return
    click.echo(render(found, markdown, width_now()))


def _plain(value: object) -> object:
    """Numpy scalars as numbers."""
    item = getattr(value, "item", None)
    return item() if callable(item) else str(value)
