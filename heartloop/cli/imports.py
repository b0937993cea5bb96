"""``heartloop import``: results of other tools become a run that compare and report read."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from heartloop.integrations.brought import Brought


@click.group("import", short_help="Bring results of other tools as a run.")
def import_group() -> None:
    """Make a run of results that another tool graded; nothing is asked and nothing graded anew.

    \b
    heartloop import lm-eval plain/ career/ --arm none --arm career
    heartloop import inspect plain.eval career.eval --arm none --arm career
    heartloop import csv results.csv --question prompt --score passed --arm variant

    Every source is an arm; the first is what the others are compared with. For two models, make
    two runs with the same names of arms, then: heartloop compare RUN RUN.
    """


def _common(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON."),
        click.option("--name", metavar="NAME", help="Exact name of the new run folder."),
        click.option("--runs", type=click.Path(file_okay=False), help="Where run folders are."),
    ):
        command = option(command)
    return command


ARM = click.option(
    "--arm",
    "arms",
    multiple=True,
    metavar="NAME",
    help="Name of each source's arm, in order. Default: its own name.",
)


@import_group.command("lm-eval", short_help="Output folders of lm-evaluation-harness.")
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@ARM
@click.option("--metric", metavar="NAME", help="Which metric. Default: the first of each task.")
@click.option(
    "--filter", "filter_", metavar="NAME", help="Which answer filter. Default: the first."
)
@_common
def lm_eval_command(
    folders: tuple[Path, ...],
    arms: tuple[str, ...],
    metric: str | None,
    filter_: str | None,
    **rest: Any,
) -> None:
    """Import the output folders of `lm_eval --log_samples`, an arm each.

    Questions are paired by the harness's own document hash.
    """
    from heartloop.integrations.brought import arm_names
    from heartloop.integrations.lm_eval import read_lm_eval

    names = arm_names(arms, folders)
    found = [
        read_lm_eval(folder, name, metric=metric, filter=filter_)
        for folder, name in zip(folders, names, strict=True)
    ]
    _write(found, "lm-eval", **rest)


@import_group.command("inspect", short_help="Logs of Inspect.")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@ARM
@click.option("--scorer", metavar="NAME", help="Which score. Default: the first of each log.")
@_common
def inspect_command(
    files: tuple[Path, ...], arms: tuple[str, ...], scorer: str | None, **rest: Any
) -> None:
    """Import Inspect logs (.eval or .json), an arm each; epochs are repeats.

    Questions are paired by the hash of their input, or by sample ids that are texts.
    """
    from heartloop.integrations.brought import arm_names
    from heartloop.integrations.inspect_logs import read_inspect

    names = arm_names(arms, files)
    found = [
        read_inspect(file, name, scorer=scorer) for file, name in zip(files, names, strict=True)
    ]
    _write(found, "inspect", **rest)


def _columns(command: Callable[..., Any]) -> Callable[..., Any]:
    # Written out here so that --help need not load the reader.
    meanings = "question score arm model task prompt answer gold seed prompt-tokens"
    for meaning in reversed([*meanings.split(), "completion-tokens"]):
        command = click.option(f"--{meaning}", metavar="COLUMN")(command)
    return command


@import_group.command("csv", short_help="A table of results, its columns named.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_columns
@_common
def csv_command(
    file: Path, runs: str | None, name: str | None, as_json: bool, **columns: str | None
) -> None:
    """Import a table with a row an answer: CSV, TSV, JSON, JSON lines or parquet.

    Needed are a question (or its id) and a score from 0 to 1; the arm column says which prompt or
    phrase a row belongs to, and its first value is what the others are compared with. Columns that
    are not named are looked for under these names.
    """
    from heartloop.integrations.tables import read_results

    given = {meaning: column for meaning, column in columns.items() if column is not None}
    _write([read_results(file, given)], file.stem, runs, name, as_json)


def _write(
    found: Sequence[Brought], what: str, runs: str | None, name: str | None, as_json: bool
) -> None:
    from heartloop.cli._config import runs_folder
    from heartloop.integrations.brought import together, write_run
    from heartloop.run.folder import new_folder

    brought = together(found)
    folder = new_folder(runs_folder(runs), name, f"imported_{what}")
    try:
        summary = write_run(brought, folder, shlex.join(["heartloop", *sys.argv[1:]]))
    except BaseException:
        import shutil

        shutil.rmtree(folder.path, ignore_errors=True)
        raise
    facts: dict[str, Any] = {
        "run": str(folder.path),
        "tool": brought.tool,
        "answers": len(brought.samples),
        "tasks": list(dict.fromkeys(s.task for s in brought.samples)),
        "models": list(dict.fromkeys(s.model for s in brought.samples)),
        "arms": {row["arm"]: row["trials"] for row in summary["arms"]},
        "notes": brought.notes,
    }
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    click.echo(
        f"{facts['answers']:,} graded answers of {brought.tool}: {', '.join(facts['tasks'])}; "
        f"{', '.join(facts['models'])}; arms {', '.join(facts['arms'])}"
    )
    for note in brought.notes:
        click.echo(f"  note: {note}")
    click.echo(f"{folder.path}\nnext: heartloop compare {folder.name}")
