"""``heartloop power``: what effect can this experiment see, and what would a smaller one take?"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from heartloop.errors import DataError, UsageError

if TYPE_CHECKING:
    from heartloop.analysis.design import PowerPlan
    from heartloop.analysis.power import Pilot
    from heartloop.cards import TaskCard


@click.command("power", short_help="What effect can this experiment see?")
@click.option("--task", help="Task whose questions are counted, as in run.")
@click.option("-n", "--questions", type=click.IntRange(min=1), help="Number of questions instead.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many questions of the task.")
@click.option("--data", "data_dir", type=click.Path(file_okay=False), help="Data folder.")
@click.option("--practice", is_flag=True, help="Count the practice set's questions.")
@click.option(
    "--treatments", default="1", help="How many are tried (one Holm family), or their names: A,B."
)
@click.option(
    "--placebos",
    type=click.IntRange(0),
    default=2,
    show_default=True,
    help="Placebos that each must beat beside the plain prompt; 0: none.",
)
@click.option("--seeds", default="1", help="Number of runs of each question, or seeds: 0,1,2.")
@click.option("--discordance", type=float, help="Share of questions on which two arms differ.")
@click.option("--correlation", type=float, help="Correlation of differences over seeds.")
@click.option("--power-from", metavar="RUN", help="Run whose arms say how noisy comparisons are.")
@click.option("--runs", type=click.Path(file_okay=False), help="Where run folders are.")
@click.option("--target", type=float, help="Difference to plan for, in points.")
@click.option("--power", "wanted", type=float, default=0.8, show_default=True)
@click.option("--alpha", type=float, default=0.05, show_default=True)
@click.option("--tokens", type=float, help="Tokens of one question in one arm.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def power_command(**options: Any) -> None:
    """Smallest difference a design can detect, and what a target would need.

    \b
    heartloop power --task olympiad --treatments 11
    heartloop power -n 500 --seeds 3 --target 2 --tokens 900
    heartloop power --task olympiad --power-from last --target 3
    """
    from heartloop.analysis.design import power_plan

    _check(options)
    pilot, tokens, source = _pilot(options) if options["power_from"] else (None, None, "")
    questions = _questions(options)
    treatments = _count(options["treatments"], "--treatments", least=1)
    seeds = _count(options["seeds"], "--seeds", least=1)
    target = None if options["target"] is None else options["target"] / 100

    each = options["tokens"] if options["tokens"] is not None else tokens
    arms = treatments + 1 + options["placebos"]

    def plan(n: int, seeds: int, target: float | None = None) -> PowerPlan:
        try:
            return power_plan(
                n,
                treatments,
                seeds,
                placebos=options["placebos"],
                discordance=options["discordance"],
                correlation=options["correlation"],
                pilot=pilot,
                source=options["power_from"] or "" if options["discordance"] is None else "",
                target=target,
                tokens_per_question=None if each is None else each * arms,
                power=options["wanted"],
                alpha=options["alpha"],
            )
        except ValueError as error:
            raise UsageError(f"power: {error}") from None

    main = plan(questions, seeds, target)
    sizes = sorted(
        {questions // 4 or 1, questions // 2 or 1, questions, questions * 2, questions * 4}
    )
    grid = [plan(n, seeds) for n in sizes]
    if options["as_json"]:
        found = asdict(main) | {"sentence": main.sentence, "pilot": pilot and asdict(pilot)}
        found["by_questions"] = [
            {"questions": p.questions, "smallest": p.smallest, "equivalence": p.equivalence}
            for p in grid
        ]
        click.echo(json.dumps(found, indent=2))
        return
    _print(main, grid, plan(questions, seeds + 2), source)


def _check(options: dict[str, Any]) -> None:
    for name, low, high in (
        ("discordance", 0.0, 1.0),
        ("wanted", 0.0, 1.0),
        ("alpha", 0.0, 1.0),
    ):
        value = options[name]
        if value is not None and not low < value <= high:
            flag = "power" if name == "wanted" else name
            raise UsageError(f"--{flag} {value:g}: expected a share between 0 and 1, such as 0.1")
    if options["correlation"] is not None and not 0 <= options["correlation"] <= 1:
        raise UsageError("--correlation: expected a share from 0 to 1")
    if options["target"] is not None and not 0 < options["target"] < 100:
        raise UsageError("--target: expected a difference in points, such as 3")
    if options["tokens"] is not None and options["tokens"] < 0:
        raise UsageError("--tokens: expected a number of tokens, such as 900")


def _count(text: str, option: str, least: int) -> int:
    """A number, or how many names a comma list holds."""
    parts = [part for part in text.split(",") if part.strip()]
    if len(parts) == 1 and parts[0].strip().lstrip("-").isdigit():
        number = int(parts[0])
    elif len(parts) > 1 or option == "--treatments":
        number = len(parts)
    else:
        raise UsageError(f"{option} {text!r}: expected a number or a comma list")
    if number < least:
        raise UsageError(f"{option} {text}: at least {least}")
    return number


def _questions(options: dict[str, Any]) -> int:
    if options["questions"]:
        return int(options["questions"])
    if not options["task"]:
        if options["power_from"]:
            return _pilot_size(options)
        raise UsageError("give --task, -n or --power-from: whose questions?")
    from heartloop.data import load_data, resolve_tasks

    total = 0
    for card in resolve_tasks(options["task"]):

        def load(practice: bool, card: TaskCard = card) -> int:
            found = load_data(
                card,
                data_dir=options["data_dir"],
                practice=practice,
                limit=options["limit"],
                download=False,
            )
            return len(found.questions)

        try:
            total += load(options["practice"])
        except DataError:
            named = options["data_dir"] or os.environ.get("HEARTLOOP_DATA")
            if options["practice"] or named or not card.source.practice:
                raise
            total += load(True)
            click.echo(
                f"{card.name}: no data on this machine; the questions of its PRACTICE SET are "
                "counted (--data DIR or -n for others)",
                err=True,
            )
    return total


def _folder(options: dict[str, Any]) -> Any:
    from heartloop.cli._config import runs_folder
    from heartloop.run.folder import find_folder

    return find_folder(options["power_from"], runs_folder(options["runs"]))


def _results(options: dict[str, Any]) -> list[Any]:
    from heartloop.run.results import load_results

    return load_results(_folder(options))


def _pilot_size(options: dict[str, Any]) -> int:
    tasks: dict[tuple[str, str], int] = {}
    for found in _results(options):
        key = found.task, found.model
        tasks[key] = max(tasks.get(key, 0), len(found.questions))
    return sum(tasks.values())


def _pilot(options: dict[str, Any]) -> tuple[Pilot, float | None, str]:
    """Noise of an earlier run, tokens an answer, and a line that says where it is from."""
    from heartloop.run.power import noise_of

    return noise_of(_results(options), options["power_from"])


def _print(main: PowerPlan, grid: list[PowerPlan], more_seeds: PowerPlan, source: str) -> None:
    from heartloop.cli._show import table, width_now
    from heartloop.report.writing import filled

    def points(value: float | None) -> str:
        return "none" if value is None else f"{100 * value:.1f}"

    def line(p: PowerPlan) -> list[str]:
        return [f"{p.questions:,}", str(p.seeds), points(p.smallest), f"{100 * p.equivalence:.0f}"]

    if source:
        click.echo(filled(source, width_now()))
    click.echo(filled(main.sentence, width_now()))
    click.echo()
    headers = ["questions", "seeds", "smallest difference, points", "shows equivalence, %"]
    rows = [line(p) for p in [*grid, more_seeds]]
    click.echo(table(headers, rows, right={0, 1, 2, 3}))
    if main.seeds > 1 or more_seeds.seeds > 1:
        click.echo(f"(seeds: differences of a question correlate {main.correlation:g})")
    if main.tokens is not None:
        click.echo(f"\nthis design: about {main.tokens:,} tokens")
    if main.target is not None:
        if main.needed is None:
            click.echo(f"{100 * main.target:g} points: out of reach")
        else:
            cost = f", about {main.needed_tokens:,} tokens" if main.needed_tokens else ""
            click.echo(f"{100 * main.target:g} points: {main.needed:,} questions{cost}")
