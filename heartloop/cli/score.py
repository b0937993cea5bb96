"""``heartloop score``: grade a run again from its journal."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import click

from heartloop.cli._flags import ALLOW_CODE, VERBOSITY
from heartloop.cli._judges import judge_options, judges_from


@click.command("score", short_help="Grade a run again from its journal.")
@click.argument("run")
@click.option("--runs", type=click.Path(file_okay=False), help="Where run folders are.")
@click.option("--verifier", metavar="V", help="Another verifier card, by name or path.")
@click.option(
    "--selectors",
    metavar="S[,S]",
    help="Verifier-free runs: selectors to try, or all. Their results stand beside the run's own.",
)
@click.option("--data", type=click.Path(file_okay=False), help="The data folder, if it has moved.")
@click.option(
    "--calls/--no-calls",
    "allow_calls",
    default=None,
    help="Whether selectors that ask the model may do so. Default: only with --selectors.",
)
@judge_options
@click.option("--yes", is_flag=True, help="Do not ask before spending money.")
@ALLOW_CODE
@click.option("--force", is_flag=True, help="Replace the run's own verdicts even by fewer.")
@VERBOSITY[0]
@VERBOSITY[1]
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def score_command(
    run: str,
    runs: str | None,
    verifier: str | None,
    selectors: str | None,
    data: str | None,
    allow_calls: bool | None,
    allow_code: bool,
    force: bool,
    yes: bool,
    quiet: bool,
    verbose: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Grade a run again from its journal; nothing that was answered is asked again.

    \b
    heartloop score RUN                      rebuild verdicts.jsonl and summary.json
    heartloop score RUN --verifier choice    another reading of the same answers
    heartloop score RUN --judge M2           judged anew by another model or panel
    heartloop score RUN --selectors all      every way to pick an answer, side by side

    With --verifier or --selectors the run's own results stay as they are; the new ones are
    written beside them (summary.LABEL.json).
    """
    from heartloop.cli._command import one_thread

    one_thread()
    from heartloop.cli._config import runs_folder
    from heartloop.cli._money import confirm_cost
    from heartloop.cli._options import register_methods
    from heartloop.cli._result import handle, show_result
    from heartloop.cli._show import table
    from heartloop.errors import UsageError
    from heartloop.methods import SELECTORS
    from heartloop.run.estimate import estimate
    from heartloop.run.folder import find_folder
    from heartloop.run.rescore import has_logprobs, rescore
    from heartloop.run.tables import edited_tables

    folder = find_folder(run, runs_folder(runs))
    panel = judges_from(flags)
    if panel and allow_calls is None:
        allow_calls = True
    asks = bool(allow_calls) or (bool(selectors) and allow_calls is not False)
    register_methods(folder, folder.manifest, asks=asks, allow_code=allow_code)

    for line in edited_tables(folder.path, folder.manifest, data):
        click.echo(f"note: {line}", err=True)

    def agree(prepared: Any) -> None:
        confirm_cost(estimate(prepared).to_dict(), yes, "scoring with calls, the whole plan,")

    if not selectors:
        parts = [f"verifier-{verifier}"] if verifier else []
        parts += ["judge-" + "+".join(j.model for j in panel)] if panel else []
        label = "-".join(parts).replace("/", "-").replace(":", "-") or None
        summary = asyncio.run(
            rescore(
                folder,
                verifier=verifier,
                judge=panel,
                data_dir=data,
                allow_calls=bool(allow_calls),
                before=agree if allow_calls else None,
                label=label,
                force=force,
            )
        )
        if as_json:
            click.echo(json.dumps(summary, indent=2, default=str))
            return
        show_result(summary, folder, own=label is None, quiet=quiet, verbose=verbose)
        if label:
            click.echo(f"these are not the run's own verdicts: summary.{label}.json beside it")
        if summary["scored_with"]["incomplete"]:
            click.echo(
                f"{summary['scored_with']['incomplete']:,} traces cannot be completed from the "
                + (
                    "journal: under this verifier\nthe loop would have asked on"
                    if verifier
                    else f"journal; go on with:\n  heartloop resume {handle(folder.path)}"
                )
            )
        return
    names = list(SELECTORS) if selectors == "all" else selectors.split(",")
    unknown = [name for name in names if name not in SELECTORS]
    if unknown:
        raise UsageError(f"--selectors {unknown[0]!r}: known are {', '.join(SELECTORS)}")
    modes = {task["mode"] for task in folder.manifest["tasks"]}
    if modes == {"oracle"}:
        raise UsageError(
            f"{folder.name} is an oracle run: its loops stopped at the first right answer, so "
            "there is nothing for a selector to choose from; run with --mode verifier-free"
        )
    found = {}
    for name in names:
        found[name] = summary = asyncio.run(
            rescore(
                folder,
                verifier=verifier,
                judge=panel,
                selector=name,
                before=agree if asks else None,
                data_dir=data,
                allow_calls=allow_calls is not False,
                label=f"selector-{name}",
            )
        )
    if as_json:
        click.echo(json.dumps(found, indent=2, default=str))
        return
    blind = [n for n in found if SELECTORS[n].logprobs and not has_logprobs(folder)]
    for name in blind:
        click.echo(
            f"{name}: the journal holds no log-probabilities, so this fell back as its "
            "documentation says; run with --logprobs to use it",
            err=True,
        )
    rows = [
        [
            row["arm"],
            name,
            f"{100 * row['accuracy']:.1f} %",
            str(row["trials"]),
            str(sum(row["unscored"].values())),
            str(row["error"]),
            str(row["calls"]),
            *_gained(row.get("selection")),
        ]
        for name, summary in found.items()
        for row in summary["arms"]
        if row["accuracy"] is not None
    ]
    headers = ["arm", "selector", "accuracy", "n", "unscored", "error", "calls",
               "any right", "efficiency"]  # fmt: skip
    click.echo(table(headers, sorted(rows), right={2, 3, 4, 5, 6}))
    for error in summary["errors"]:
        click.echo(f"{error['count']} × {error['class']}: {error['message']}", err=True)


def _gained(found: Any) -> list[str]:
    """Share of traces with any right candidate, and how much of the possible gain was gained."""
    from heartloop.report.writing import signed
    from heartloop.run.selection import efficiency

    if found is None:
        return ["", ""]
    gained = efficiency(found)
    return [f"{100 * found['any']:.1f} %", "–" if gained is None else signed(gained, 2)]
