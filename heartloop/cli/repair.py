"""``heartloop repair``: set damage aside and rebuild what the journal can give."""

from __future__ import annotations

import click


@click.command("repair", short_help="Set damage aside and rebuild from the journal.")
@click.argument("run")
@click.option("--runs", type=click.Path(file_okay=False), help="Where run folders are.")
@click.option("--data", type=click.Path(file_okay=False), help="The data folder, if it has moved.")
def repair_command(run: str, runs: str | None, data: str | None) -> None:
    """Repair a run folder; nothing is deleted, what cannot be used is set aside.

    Damaged lines of the journal go to calls.damaged.jsonl, the manifest comes back from its copy,
    verdicts and summary are rebuilt from the journal. Says what was lost and what would be asked
    again. A folder that was killed before its plan was written is removed.
    """
    from heartloop.run.folder import find_folder, runs_dir
    from heartloop.run.repair import repair

    folder = find_folder(run, runs_dir(runs))
    done = repair(folder, data_dir=data)
    for sentence in done.did:
        click.echo(sentence)
    if done.removed:
        click.echo(f"{folder.path}: removed; its name is free")
    elif not done.did:
        click.echo(f"{folder.path}: nothing is damaged")
