"""``heartloop style``: what did the words do to the answers, beside right and wrong?"""

from __future__ import annotations

import json

import click

from heartloop.errors import UsageError


@click.command("style", short_help="What did the words do to the answers?")
@click.argument("run_name", metavar="RUN")
@click.option("--runs", type=click.Path(file_okay=False), help="Where run folders are.")
@click.option("--arm", help="Every measure of this arm, with its bands.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON (shares).")
def style_command(run_name: str, runs: str | None, arm: str | None, as_json: bool) -> None:
    """Length, patterns, repetition, language and mood of the answers, arm by arm.

    \b
    heartloop style last               means, and what stands apart from the controls
    heartloop style last --arm EP06    every measure of one arm

    Read from the journal, without any call. Every arm is set against the controls of the run's
    claim, question by question. What each measure means, and how well the patterns are read:
    docs/style.md.
    """
    from heartloop.cli._command import one_thread

    one_thread()
    from heartloop.cli._config import runs_folder
    from heartloop.report.arrived import arrived
    from heartloop.report.style import read_texts, style
    from heartloop.report.style_text import render, to_dict
    from heartloop.run.claim import read_claim
    from heartloop.run.folder import find_folder

    folder = find_folder(run_name, runs_folder(runs))
    names = [a["name"] for a in folder.manifest["plan"]["arms"]]
    if arm is not None and arm not in names:
        raise UsageError(f"--arm {arm}: {folder.name} has no such arm; it has {', '.join(names)}")
    claim = read_claim(folder.manifest)
    models = list(read_texts(folder).values())
    styles = [style(texts, claim, folder.manifest) for texts in models]
    checks = [arrived(texts, claim) for texts in models]
    if as_json:
        click.echo(json.dumps(to_dict(styles, checks), indent=2))
        return
    click.echo(render(styles, checks, arm or ""))
