"""How a search is told on the terminal: its plan, its progress, its answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from heartloop.report.writing import points, wrapped


def say_plan(line: str, told: dict[str, Any], *, whole: bool) -> str:
    """The plan in two lines; all of it with ``--dry-run`` or ``--verbose``."""
    from heartloop.cli._money import dollars_line
    from heartloop.cli._show import cut, width_now

    first, cost = told["searches"][0], told["estimate"]
    dollars = f"; cost: {dollars_line(cost)}" if cost["costs_money"] else ""
    searches = len(told["searches"])
    count = f"{searches} searches" if searches > 1 else "1 search"
    evaluations = sum(s["calls"] for s in told["searches"])
    if not whole:
        width = width_now()
        return "\n".join(
            cut(part, width)
            for part in (
                f"plan  {len(told['arms'])} arms, {told['questions']} questions, {count} · {line}",
                f"      about {evaluations:,} evaluations, at most {cost['calls_most']:,} calls · "
                f"finds {100 * first['delta']:.1f} points{dollars}",
            )
        )
    most = "no bound" if cost["tokens_most"] is None else f"at most {cost['tokens_most']:,}"
    names = [*told["arms"][:4], *(["…"] if len(told["arms"]) > 4 else [])]
    lines = [
        line,
        f"{len(told['arms'])} arms ({', '.join(names)}), {told['questions']} questions, {count}",
        f"about {evaluations:,} evaluations; the last arm is left "
        f"after {first['looks'][-1][0]} questions, {first['held_out']} are held out",
        f"at most {cost['calls_most']:,} calls, about {cost['tokens']:,} tokens ({most}){dollars}",
        f"finds a difference of {100 * first['delta']:.1f} points with probability "
        f"{1 - first['error']:.0%}, if two arms differ on {first['discordance']:.0%} of the "
        "questions",
    ]
    rows = "\n".join(lines).splitlines()
    return "\n".join(part for row in rows for part in wrapped(row, width_now()))


def progress(client: Any, done: int) -> None:
    if done % 20 == 0:
        stats = client.stats()
        click.echo(
            f"\r{done} evaluations, {stats.calls} calls paid, {stats.tokens:,} tokens, "
            f"{stats.in_flight} in flight ",
            nl=False,
            err=True,
        )


PROMPT = 5  # lines of the prompt to paste
SEVERAL = 12  # searches of which a line each is shown


def say_short(found: dict[str, Any], folder: Any, prepared: Any, *, quiet: bool) -> str:
    """The answer and where the rest is, on one screen; ``quiet``: the answer alone."""
    from heartloop.cli._show import cut, width_now
    from heartloop.optimize.answer import lines_of
    from heartloop.run.selection import selection_line

    width, plan = width_now(), prepared.plan
    answers = found["answers"]
    lines: list[str] = []
    if len(answers) == 1:
        ((task, answer),) = answers.items()
        tasks = ", ".join(plan.tasks) if task == "all" else task
        told = lines_of(answer, f"{tasks} with {plan.models[0]}", private=prepared.private)
        at = next((i for i, line in enumerate(told) if line.startswith("  prompt:")), len(told))
        lines += [part for line in told[:at] for part in _folded(line, width)]
        prompt = [line for line in told[at:] if line.strip()]
        lines += [
            line if len(line) <= width else line[: width - 1] + "…" for line in prompt[:PROMPT]
        ]
        if len(prompt) > PROMPT:
            lines.append("  … the whole prompt: --verbose")
    else:
        for task, answer in list(answers.items())[:SEVERAL]:
            effect = answer["effect"]
            low, high = points(effect["low"]), points(effect["high"])
            gain = f"{points(effect['difference'])} [{low}, {high}]"
            said = f"use {answer['use']}" if answer["use"] else f"none (best {answer['leader']})"
            lines.append(cut(f"{task}: {said} {gain}", width))
        if len(answers) > SEVERAL:
            lines.append(f"and {len(answers) - SEVERAL} more searches: --verbose")
    if quiet:
        return "\n".join(lines)
    if found["stopped"]:
        lines += _folded(f"stopped: {found['stopped']}", width)
        lines.append(f"go on: heartloop optimize --resume {folder.path}")
    for task, card in list(found["cards"].items())[:1]:
        lines.append(f"card: {card}")
        lines.append(f"to use it: {', '.join(found['exports'][task])} in {folder.path / 'use'}")
        lines += _folded(_confirm(card, folder, prepared), width)
    chosen = selection_line(folder.summary, plan.selector) if folder.summary else None
    lines += [cut(chosen, width)] if chosen else []
    lines.append(cut(f"all of them: {_every(plan)}", width))
    calls = sum(result["paid_calls"] for result in found["searches"].values())
    tokens = sum(result["paid_tokens"] for result in found["searches"].values())
    lines.append(f"paid: {calls:,} calls, {tokens:,} tokens · ranking: --verbose, report")
    lines.append(f"report: heartloop report {folder.path}")
    return "\n".join(lines)


def _folded(line: str, width: int) -> list[str]:
    """A line within the width, its rest under its text."""
    return wrapped(
        line,
        width,
        subsequent_indent=" " * 10 if line.startswith("  ") else "  ",
        drop_whitespace=True,
        break_on_hyphens=False,
        break_long_words=False,
    )


def say(found: dict[str, Any], folder: Any, prepared: Any) -> str:
    """The result for people: the answer first, then what it rests on."""
    from heartloop.cli._show import table
    from heartloop.optimize.answer import OTHER_TEST, lines_of

    lines: list[str] = []
    plan = prepared.plan
    for task, answer in found["answers"].items():
        tasks = ", ".join(plan.tasks) if task == "all" else task
        lines += [*lines_of(answer, f"{tasks} with {plan.models[0]}", private=prepared.private), ""]
    for task, result in found["searches"].items():
        held = result["held_out"]
        claim = found["claims"].get(task)
        placebos = f", and {claim['calls']:,} calls for its own placebos" if claim else ""
        rows = [
            [
                row["name"],
                points(row["difference"]),
                f"{points(row['low'])} to {points(row['high'])}",
                str(row["questions"]),
                "" if row["accuracy"] is None else f"{100 * row['accuracy']:.1f}",
            ]
            for row in result["ranking"][:15]
        ]
        headers = ["arm", "points to none", "always-valid interval", "questions", "accuracy %"]
        lines += [f"search on {task}: ranking by the questions it was chosen on (biased upwards)"]
        lines += [table(headers, rows, right={1, 3, 4})]
        if len(result["ranking"]) > 15:
            lines += [f"… and {len(result['ranking']) - 15} more in {folder.path / 'search.json'}"]
        lines += [
            f"held out: {result['leader']} {points(held['difference'])} points "
            f"({points(held['low'])} to {points(held['high'])}) on {held['questions']} "
            f"questions the search never used; one-sided p = {held['p_value']:.3g}",
            f"(its naive estimate, which put it ahead of the other {len(result['ranking']) - 2} on "
            f"the questions it was picked on, was {points(result['naive_maximum'])})",
        ]
        if result["chosen"] is None:
            lines += [
                f"this search finds differences of {100 * result['detectable']:.1f} points (two "
                f"arms differ on {100 * result['discordance']:.1f} % of the questions); smaller "
                "ones may exist"
            ]
        if task in found["cards"]:
            lines += [f"card: {found['cards'][task]}"]
            lines += [f"{kind}: {file}" for kind, file in found["exports"][task].items()]
            lines += [_confirm(found["cards"][task], folder, prepared)]
        lines += [
            f"{result['calls']:,} calls ({result['paid_calls']:,} paid), "
            f"{result['tokens']:,} tokens ({result['paid_tokens']:,} paid)" + placebos,
            "",
        ]
    if found["stopped"]:
        lines += [
            f"stopped: {found['stopped']}",
            f"go on: heartloop optimize --resume {folder.path}",
        ]
    lines += [f"{_every(plan)} {OTHER_TEST}"]
    lines += [f"run:    {folder.path}", f"report: heartloop report {folder.path}"]
    return "\n".join(lines).rstrip()


def _every(plan: Any) -> str:
    """The command that tests every stimulus of a search."""
    said = [s for arm in plan.arms if arm.role == "treatment" for s in arm.stimuli]
    names = dict.fromkeys(s.name for s in said if s.set != "own")
    sets = dict.fromkeys(s.set for s in said if s.set != "own")
    stimuli = ",".join(names if len(names) <= 4 else sets)
    asked = f"heartloop run --task {','.join(plan.tasks)}"
    return f"{asked} --stimuli {stimuli}" if stimuli else asked


def _confirm(card: str, folder: Any, prepared: Any) -> str:
    """How to confirm a choice on questions that the search has not seen."""
    from heartloop.run.claim import asked_questions

    asked = asked_questions(folder.path)
    left = sum(
        question.id not in asked.get(task.card.name, ())
        for task in prepared.tasks
        for question in task.data.questions
    )
    limited = prepared.plan.limit is not None
    if not left and not limited:
        return "confirm: on new questions, heartloop run --task NEW --stimuli " + Path(card).stem
    return (
        f"confirm: heartloop run --task {','.join(prepared.plan.tasks)} --stimuli "
        f"{Path(card).stem} --exclude-questions {folder.name}"
    )
