"""``heartloop dose``: does an outcome rise or fall with the intensity of a feeling?"""

from __future__ import annotations

import json

import click

from heartloop.report.writing import filled


@click.command("dose", short_help="Outcomes by the intensity of a feeling.")
@click.argument("run")
@click.option("--data", "data_dir", help="Where the data are now, if they moved.")
@click.option("--runs", type=click.Path(file_okay=False), help="Where run folders are.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def dose_command(run: str, data_dir: str | None, runs: str | None, as_json: bool) -> None:
    """Slope of accuracy, form, agreement with a wrong hint, words of abuse and length.

    For runs of `--stimuli intensity` (four feelings in four intensities), or of a family of your
    own with `feeling` and `intensity`. How to read it: docs/intensity.md.
    """
    from heartloop.cli._config import runs_folder
    from heartloop.cli._show import fitted, width_now
    from heartloop.report.dose import HEADS, READING, rows_of, same_lines
    from heartloop.run.doses import dose_dict, load_doses
    from heartloop.run.folder import find_folder

    folder = find_folder(run, runs_folder(runs))
    found = load_doses(folder, data_dir=data_dir)
    if as_json:
        plain = {"run": folder.name, "doses": [dose_dict(one) for one in found]}
        click.echo(json.dumps(plain, indent=2))
        return
    click.echo(fitted(HEADS, rows_of(found), right={2, 4, 6}, keep=2))
    click.echo()
    for line in same_lines(found):
        click.echo(line)
    click.echo(filled(READING, width_now()))
