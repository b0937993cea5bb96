"""``heartloop doctor``: is everything there, and what to do where it is not."""

from __future__ import annotations

import json
import sys

import click


@click.command("doctor", short_help="Check the installation.")
@click.option("--model", metavar="M", help="Make one real request to this model.")
@click.option("--base-url", multiple=True, metavar="URL", help="Servers to ask.")
@click.option("--data", type=click.Path(file_okay=False), help="Data folder to look at.")
@click.option("--runs", type=click.Path(file_okay=False), help="Where run folders land.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor_command(
    model: str | None,
    base_url: tuple[str, ...],
    data: str | None,
    runs: str | None,
    as_json: bool,
) -> int:
    """Check what is installed, what can be reached, and say what to do about each failure.

    Exits with 1 when something that runs need is broken; what is merely absent is only told.
    """
    from heartloop.cli._examine import examine
    from heartloop.cli._options import default_model
    from heartloop.cli._settings import normal_url

    urls = tuple(normal_url(url) for url in base_url)
    name, chosen, why = (model, urls, "") if model else default_model(urls)
    checks = examine(name, chosen, data_dir=data, runs=runs)
    if as_json:
        click.echo(json.dumps([check.to_dict() for check in checks], indent=2))
    else:
        marks = {"ok": "ok     ", "absent": "absent ", "broken": "BROKEN "}
        colours = {"ok": "green", "absent": "yellow", "broken": "red"}
        for check in checks:
            click.secho(marks[check.state], nl=False, fg=colours[check.state])
            click.echo(f"{check.name}: {check.found}")
            if check.remedy:
                click.echo(f"        → {check.remedy}")
        if why:
            click.echo(f"model without --model: {name} ({why})")
    sys.stdout.flush()
    return 1 if any(check.state == "broken" for check in checks) else 0
