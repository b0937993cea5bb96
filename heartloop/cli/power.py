"""``heartloop power``: what effect can this experiment see, and what would a smaller one take?"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from heartloop.errors import UsageError

if TYPE_CHECKING:
    from heartloop.analysis.power import Pilot, PowerPlan


@click.command("power", short_help="What effect can this experiment see?")
@click.option("--task", help="Task whose questions are counted, as in run.")
@click.option("-n", "--questions", type=click.IntRange(min=1), help="Number of questions instead.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many questions of the task.")
@click.option("--data", "data_dir", type=click.Path(file_okay=False), help="Data folder.")
@click.option("--practice", is_flag=True, help="Count the practice set's questions.")
@click.option("--arms", default="2", help="Number of arms, control included, or their names: A,B.")
@click.option("--seeds", default="1", help="Number of runs of each question, or seeds: 0,1,2.")
@click.option("--discordance", type=float, help="Share of questions on which two arms differ.")
@click.option("--correlation", type=float, help="Correlation of differences over seeds.")
@click.option("--pilot", help="Run whose arms say how noisy comparisons are.")
@click.option("--runs", type=click.Path(file_okay=False), help="Where run folders are.")
@click.option("--target", type=float, help="Difference to plan for, in points.")
@click.option("--power", "wanted", type=float, default=0.8, show_default=True)
@click.option("--alpha", type=float, default=0.05, show_default=True)
@click.option("--tokens", type=float, help="Tokens of one question in one arm.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def power_command(**options: Any) -> None:
    """Smallest difference a design can detect, and what a target would need.

    \b
    heartloop power --task olympiad --arms 6
    heartloop power -n 500 --arms 2 --seeds 3 --target 2 --tokens 900
    heartloop power --task olympiad --arms 2 --pilot last --target 3
    """
    from heartloop.analysis.power import power_plan

    _check(options)
    pilot, tokens, source = _pilot(options) if options["pilot"] else (None, None, "")
    questions = _questions(options)
    arms = _count(options["arms"], "--arms", least=2)
    seeds = _count(options["seeds"], "--seeds", least=1)
    target = None if options["target"] is None else options["target"] / 100

    def plan(n: int, arms: int, seeds: int, target: float | None = None) -> PowerPlan:
        try:
            return power_plan(
                n,
                arms,
                seeds,
                options["discordance"],
                options["correlation"],
                pilot,
                target,
                options["tokens"] if options["tokens"] is not None else tokens,
                options["wanted"],
                options["alpha"],
            )
        except ValueError as error:
            raise UsageError(f"power: {error}") from None

    main = plan(questions, arms, seeds, target)
    sizes = sorted(
        {questions // 4 or 1, questions // 2 or 1, questions, questions * 2, questions * 4}
    )
    grid = [plan(n, arms, seeds) for n in sizes]
    if options["as_json"]:
        found = asdict(main) | {"sentence": main.sentence, "pilot": pilot and asdict(pilot)}
        found["by_questions"] = [
            {"questions": p.questions, "smallest_corrected": p.smallest_corrected} for p in grid
        ]
        click.echo(json.dumps(found, indent=2))
        return
    _print(main, grid, plan(questions, arms, seeds + 2), source)


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
    elif len(parts) > 1 or option == "--arms":
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
        if options["pilot"]:
            return _pilot_size(options)
        raise UsageError("give --task, -n or --pilot: whose questions?")
    from heartloop.data import load_data, resolve_tasks

    total = 0
    for card in resolve_tasks(options["task"]):
        found = load_data(
            card,
            data_dir=options["data_dir"],
            practice=options["practice"],
            limit=options["limit"],
            download=False,
        )
        total += len(found.questions)
    return total


def _results(options: dict[str, Any]) -> list[Any]:
    from heartloop.run.folder import find_folder, runs_dir
    from heartloop.run.results import load_results

    return load_results(find_folder(options["pilot"], runs_dir(options["runs"])))


def _pilot_size(options: dict[str, Any]) -> int:
    tasks: dict[tuple[str, str], int] = {}
    for found in _results(options):
        key = found.task, found.model
        tasks[key] = max(tasks.get(key, 0), len(found.questions))
    return sum(tasks.values())


def _pilot(options: dict[str, Any]) -> tuple[Pilot, float | None, str]:
    """Noise of the pilot's noisiest arm against its control, tokens an answer, and a line."""
    import numpy as np

    from heartloop.analysis import ABSENT, CORRECT
    from heartloop.analysis.power import pilot_noise

    groups: dict[tuple[str, str], list[Any]] = {}
    for found in _results(options):
        groups.setdefault((found.task, found.model), []).append(found)
    parts: dict[str, list[Any]] = {}
    control = ""
    used = asked = 0
    for arms in groups.values():
        first = next((arm for arm in arms if arm.role == "none"), arms[0])
        control = first.arm
        for arm in arms:
            used += int(arm.tokens.sum())
            asked += int((arm.outcomes != ABSENT).sum())
            if arm is first:
                continue
            row = {q: i for i, q in enumerate(first.questions)}
            both = [(i, row[q]) for i, q in enumerate(arm.questions) if q in row]
            if both:
                here, there = (list(side) for side in zip(*both, strict=True))
                parts.setdefault(arm.arm, []).append((arm.outcomes[here], first.outcomes[there]))
    noise: dict[str, Pilot] = {}
    for name, tables in parts.items():
        a, b = (np.concatenate([pair[side] for pair in tables]) for side in (0, 1))
        mask = (a != ABSENT) & (b != ABSENT)
        if mask.any():
            noise[name] = pilot_noise(a == CORRECT, b == CORRECT, mask)
    if not noise:
        raise UsageError(f"--pilot {options['pilot']}: needs two arms with shared questions")
    name = max(noise, key=lambda arm: noise[arm].discordance)
    line = f"pilot: {name} against {control}, {noise[name].questions} questions"
    return noise[name], (used / asked if asked else None), line


def _print(main: PowerPlan, grid: list[PowerPlan], more_seeds: PowerPlan, source: str) -> None:
    from heartloop.cli._show import table

    def points(value: float | None) -> str:
        return "none" if value is None else f"{100 * value:.1f}"

    if source:
        click.echo(source)
    click.echo(main.sentence)
    if main.comparisons > 1:
        click.echo(f"for a single comparison: {points(main.smallest)} points")
    click.echo()
    headers = ["questions", "seeds", "smallest difference, points"]
    rows = [[f"{p.questions:,}", str(p.seeds), points(p.smallest_corrected)] for p in grid]
    rows.append(
        [
            f"{more_seeds.questions:,}",
            str(more_seeds.seeds),
            f"{points(more_seeds.smallest_corrected)}",
        ]
    )
    click.echo(table(headers, rows, right={0, 1, 2}))
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
