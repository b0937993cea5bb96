"""``heartloop export``: a run as parquet, JSON lines or CSV."""

from __future__ import annotations

import click


@click.command("export", short_help="Write a run as parquet, JSON lines or CSV.")
@click.argument("run")
@click.option("--to", type=click.Choice(["parquet", "jsonl", "csv"]), required=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Default: RUN/export.FORMAT")
@click.option("--texts", is_flag=True, help="With prompts, answers and reasoning.")
@click.option("--runs", type=click.Path(file_okay=False), help="Where run folders are.")
def export_command(run: str, to: str, output: str | None, texts: bool, runs: str | None) -> None:
    """Write one row a graded candidate; the columns are explained in docs/report.md."""
    from pathlib import Path

    from heartloop.cli._config import runs_folder
    from heartloop.report.export import export
    from heartloop.run.folder import find_folder

    folder = find_folder(run, runs_folder(runs))
    target = Path(output) if output else folder.path / f"export.{to}"
    count = export(folder, to, target, texts)
    click.echo(f"{target}: {count:,} rows")
