"""``heartloop grade``: grade pairs of gold and prediction, or recorded answers to a task."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click


@click.command("grade", short_help="Grade answers from anywhere.")
@click.option("--verifier", metavar="V", help="Verifier card (see heartloop verifiers list).")
@click.option("--pairs", metavar="FILE", help="JSON lines with id, gold, prediction, params.")
@click.option("--task", metavar="T", help="Task whose golds the answers are graded against.")
@click.option("--answers", metavar="FILE", help="JSON lines with index or id, and prediction.")
@click.option("--data", "data_dir", metavar="DIR", help="Data folder; else HEARTLOOP_DATA.")
@click.option("--field", default="prediction", show_default=True, help="Field of the answer text.")
@click.option(
    "--compat", metavar="RULES", help="official: a published scorer's rules, as they are."
)
@click.option("-o", "--output", metavar="FILE", help="Write the graded lines here.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
@click.option("--explain", is_flag=True, help="Say of each answer what was read where, and why.")
def grade_command(
    verifier: str | None,
    pairs: str | None,
    task: str | None,
    answers: str | None,
    data_dir: str | None,
    field: str,
    compat: str | None,
    output: str | None,
    as_json: bool,
    explain: bool,
) -> None:
    """Grade answers that were recorded anywhere.

    \b
    heartloop grade --verifier math --pairs pairs.jsonl     each line again, with verdict and reason
    heartloop grade --task olympiad --answers out.jsonl     accuracy and outcome counts

    A line of --pairs may carry params (how the gold is to be read) and prediction_kind: answer
    (the default) or response, a whole text that the answer is extracted from. --explain takes
    every prediction as a whole text.
    """
    from heartloop.errors import UsageError

    params = {"compat": compat} if compat else {}
    if pairs is not None and answers is None and task is None:
        if verifier is None:
            raise UsageError("--pairs: needs --verifier; see heartloop verifiers list")
        if explain:
            _explain_pairs(verifier, pairs, params, field)
        else:
            _pairs(verifier, pairs, params, output, field)
    elif task is not None and answers is not None and pairs is None:
        _task(task, answers, data_dir, verifier, params, field, output, as_json, explain)
    else:
        raise UsageError("give --verifier V --pairs FILE, or --task T --answers FILE")


def _pairs(
    verifier: str, path: str, params: dict[str, Any], output: str | None, field: str
) -> None:
    from heartloop.errors import DataError
    from heartloop.grading.pairs import grade_pairs

    rows = list(_lines(path))
    if field != "prediction":
        for number, row in enumerate(rows, start=1):
            if field not in row:
                raise DataError(f"{path}: line {number}: {field}: is missing")
            row["prediction"] = row[field]
    try:
        graded = grade_pairs(verifier, rows, params=params)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    _write(graded, output)


def _explain_pairs(verifier: str, path: str, params: dict[str, Any], field: str) -> None:
    from heartloop.grading.grader import open_grader
    from heartloop.grading.pairs import asked_pairs

    rows = [{**row, "prediction": row.get(field)} for row in _lines(path)]
    grader = open_grader(verifier, params=params)
    _explained(grader, lambda: asked_pairs(grader, rows), path)


def _explained(grader: Any, asked: Callable[[], Any], path: str) -> None:
    """Print of every answer how it was read.

    Args:
        grader: the grader; closed here.
        asked: gives question, gold and completion of each line.
        path: the file, for errors.
    """
    from heartloop.errors import DataError
    from heartloop.grading.explain import explain
    from heartloop.grading.pairs import run_sync

    async def run() -> None:
        try:
            for question, gold, completion in asked():
                click.echo(await explain(grader, question, gold, completion) + "\n")
        finally:
            await grader.close()

    try:
        run_sync(run())
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _task(
    name: str,
    path: str,
    data_dir: str | None,
    verifier: str | None,
    params: dict[str, Any],
    field: str,
    output: str | None,
    as_json: bool,
    explain: bool,
) -> None:
    from heartloop.data import load_data, resolve_tasks
    from heartloop.errors import DataError, UsageError
    from heartloop.grading.answers_file import asked_answers, grade_answers, summary_of
    from heartloop.grading.grader import open_grader
    from heartloop.grading.pairs import run_sync

    cards = resolve_tasks(name)
    if len(cards) != 1:
        raise UsageError(f"--task {name}: is {len(cards)} tasks; grade one task at a time")
    data = load_data(cards[0], data_dir=data_dir, shots=0)
    card = data.card
    grader = open_grader(verifier or card.verifier, params={**card.params, **params})
    rows = list(_lines(path))
    if explain:
        _explained(
            grader, lambda: asked_answers(data.questions, data.golds, rows, field=field), path
        )
        return

    async def run() -> list[dict[str, Any]]:
        try:
            return await grade_answers(grader, data.questions, data.golds, rows, field=field)
        finally:
            await grader.close()

    try:
        records = run_sync(run())
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    summary = {
        "task": card.name,
        "verifier": grader.verifier.name,
        "data": data.source,
        "sha256": data.sha256,
        **summary_of(records, data.metric_low, len(data.questions)),
    }
    if output:
        _write(records, output)
    if as_json:
        click.echo(json.dumps(summary, indent=1, ensure_ascii=False))
        return
    _print(summary)


def _print(summary: dict[str, Any]) -> None:
    outcomes = summary["outcomes"]
    reasons = ", ".join(f"{name} {count}" for name, count in sorted(summary["reasons"].items()))
    click.echo(f"task        {summary['task']} ({summary['n']} answers, {summary['verifier']})")
    if not summary["n"]:
        click.echo("accuracy    no answers")
        return
    click.echo(f"accuracy    {summary['accuracy']:.6f} of all")
    if summary["accuracy_of_scored"] is not None:
        click.echo(f"            {summary['accuracy_of_scored']:.6f} of scored")
    click.echo(f"score       {summary['score']:.6f}")
    click.echo(f"normalised  {summary['normalised']:.4f} (0 is {summary['low']:.4f}, 100 is 1)")
    click.echo(f"content     {summary['content_accuracy']:.6f}, {summary['flips']} verdicts differ")
    click.echo(
        f"outcomes    correct {outcomes['correct']}, incorrect {outcomes['incorrect']}, "
        f"unscored {outcomes['unscored']}" + (f" ({reasons})" if reasons else "")
    )
    for warning in summary["warnings"]:
        click.secho(f"warning: {warning}", fg="yellow", err=True)


def _lines(path: str) -> Iterator[dict[str, Any]]:
    """The objects of a JSON-lines file.

    Raises:
        DataError: the file cannot be read, or a line is no JSON object.
    """
    from heartloop.errors import DataError

    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            problem = str(error).split(":")[0]
            raise DataError(f"{path}: line {number}: not valid JSON ({problem})") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}: line {number}: not a JSON object")
        yield row


def _write(rows: list[dict[str, Any]], output: str | None) -> None:
    from heartloop.run.files import write_text
    from heartloop.run.folder import check_target

    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if output is None:
        click.echo(lines, nl=False)
        return
    check_target(Path(output), (b"{",), "file of JSON lines")
    write_text(Path(output), lines)
