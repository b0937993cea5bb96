"""``heartloop merge``: shards that were run apart become one run."""

from __future__ import annotations

import shlex
import sys

import click


@click.command("merge", short_help="Make one run of its shards.")
@click.argument("shards", nargs=-1, required=True)
@click.option("--runs", type=click.Path(file_okay=False), help="Where run folders are.")
@click.option("--name", metavar="NAME", help="Exact name of the new run folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON on stdout.")
def merge_command(
    shards: tuple[str, ...], runs: str | None, name: str | None, as_json: bool
) -> int:
    """Make one run of SHARDS, the folders of `heartloop run --shard i/n`.

    The shards stay as they are; the new folder has the calls and verdicts of all of them.
    """
    from heartloop.cli._config import runs_folder
    from heartloop.cli._result import finish
    from heartloop.run.folder import find_folder, new_folder
    from heartloop.run.merge import check_shards, merge_shards

    place = runs_folder(runs)
    folders = [find_folder(shard, place) for shard in shards]
    check_shards(folders)
    into = new_folder(place, name, f"merged_{folders[0].name}")
    summary = merge_shards(folders, into, shlex.join(["heartloop", *sys.argv[1:]]))
    return finish(summary, into, as_json=as_json)
