"""``heartloop report``: one HTML page that opens offline."""

from __future__ import annotations

import click


@click.command("report", short_help="Write one HTML page that opens offline.")
@click.argument("run", nargs=-1, required=True, metavar="RUN …")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    help="Default: RUN/report.html, of many runs index.html beside them.",
)
@click.option("--runs", type=click.Path(file_okay=False), help="Where run folders are.")
@click.option("--show-texts", is_flag=True, help="Show texts of private tasks (esconv), too.")
@click.option("--force", is_flag=True, help="Compare runs that differ, and say so in the page.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the page and each conclusion.")
def report_command(
    run: tuple[str, ...],
    output: str | None,
    runs: str | None,
    show_texts: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write a page about a run: the answer, its uncertainty, plots, and every transcript.

    The page is one file under 5 MB without any link to the network. A second run is put beside
    the first; three or more get an index page, runs of one claim together. RUN is a folder, a
    name, a unique part of a name, or ``last``.
    """
    from pathlib import Path

    from heartloop.cli._command import one_thread

    one_thread()
    from heartloop.cli._config import runs_folder
    from heartloop.report.page import write_report
    from heartloop.run.folder import find_folder

    # What a shell makes of runs/* holds an earlier index, too.
    named = [spec for spec in run if len(run) < 3 or not Path(spec).is_file()]
    folders = [find_folder(spec, runs_folder(runs)) for spec in named]
    target = Path(output) if output else None
    if len(folders) > 2:
        from heartloop.report.index import write_index

        path = write_index(folders, target)
    else:
        path = write_report(folders, target, show_texts=show_texts, force=force)
    if as_json:
        import json

        from heartloop.report.conclusion import conclude

        said = {folder.name: conclude(folder.path) for folder in folders}
        facts = {"report": str(path), "bytes": path.stat().st_size, "conclusions": said}
        click.echo(json.dumps(facts, indent=2))
        return
    click.echo(f"report: {path} ({path.stat().st_size / 1e6:.1f} MB)")
