"""``heartloop export``: a run as a table, or as logs that other tools open."""

from __future__ import annotations

import click


@click.command("export", short_help="Write a run as a table, or for lm-eval or Inspect.")
@click.argument("run")
@click.option(
    "--to", type=click.Choice(["parquet", "jsonl", "csv", "inspect", "lm-eval"]), required=True
)
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    help="A file, or - for stdout; for inspect and lm-eval a new folder. "
    "Default: RUN/export.FORMAT",
)
@click.option("--texts", is_flag=True, help="With prompts, answers and reasoning.")
@click.option(
    "--data", type=click.Path(file_okay=False), help="The data folder, if it has moved: for golds."
)
@click.option("--runs", type=click.Path(file_okay=False), help="Where run folders are.")
def export_command(
    run: str, to: str, output: str | None, texts: bool, data: str | None, runs: str | None
) -> None:
    """Write a run for other programs.

    \b
    parquet, jsonl, csv   one row a graded candidate; docs/report.md explains the columns
    inspect               a log a task, model and arm, for `inspect view`
    lm-eval               a folder an arm, as lm_eval --log_samples writes them

    The logs hold the answers that were handed in, with their prompts, and the expected answers
    where the data are at hand.
    """
    import sys
    from pathlib import Path

    from heartloop.cli._command import one_thread

    one_thread()
    from heartloop.cli._config import runs_folder
    from heartloop.errors import UsageError
    from heartloop.report.export import export, write_rows
    from heartloop.run.folder import find_folder

    folder = find_folder(run, runs_folder(runs))
    target = Path(output) if output else folder.path / f"export.{to}"
    if to in ("inspect", "lm-eval"):
        if output == "-":
            raise UsageError(f"-o -: {to} writes a folder; name one")
        from heartloop.integrations.handed_in import check_folder, handed_in
        from heartloop.integrations.inspect_logs import write_inspect
        from heartloop.integrations.lm_eval import write_lm_eval

        check_folder(target)
        found = handed_in(folder, data)
        count = {"inspect": write_inspect, "lm-eval": write_lm_eval}[to](found, target)
        for line in found.notes:
            click.echo(f"note: {line}", err=True)
        click.echo(f"{target}: {count:,} answers")
        return
    if output == "-":
        write_rows(folder, to, sys.stdout.buffer, texts, data)
        return
    count = export(folder, to, target, texts, data)
    click.echo(f"{target}: {count:,} rows")
