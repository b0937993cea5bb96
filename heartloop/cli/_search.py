"""How a search is told on the terminal: its plan, its progress, its answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


def say_plan(line: str, told: dict[str, Any]) -> str:
    from heartloop.cli._money import dollars_line

    first, cost = told["searches"][0], told["estimate"]
    dollars = f"; cost: {dollars_line(cost)}" if cost["costs_money"] else ""
    most = "no bound" if cost["tokens_most"] is None else f"at most {cost['tokens_most']:,}"
    lines = [
        line,
        f"{len(told['arms'])} arms ({', '.join(told['arms'][:4])}, …), "
        f"{told['questions']} questions, {len(told['searches'])} search(es)",
        f"about {sum(s['calls'] for s in told['searches']):,} evaluations; the last arm is left "
        f"after {first['looks'][-1][0]} questions, {first['held_out']} are held out",
        f"at most {cost['calls_most']:,} calls, about {cost['tokens']:,} tokens ({most}){dollars}",
        f"finds a difference of {100 * first['delta']:.1f} points with probability "
        f"{1 - first['error']:.0%}, if two arms differ on {first['discordance']:.0%} of the "
        "questions",
    ]
    return "\n".join(lines)


def progress(client: Any, done: int) -> None:
    if done % 20 == 0:
        stats = client.stats()
        click.echo(
            f"\r{done} evaluations, {stats.calls} calls paid, {stats.tokens:,} tokens, "
            f"{stats.in_flight} in flight ",
            nl=False,
            err=True,
        )


def say(found: dict[str, Any], folder: Any, prepared: Any) -> str:
    """The result for people: the answer first, then what it rests on."""
    from heartloop.cli._show import table
    from heartloop.optimize.answer import lines_of, other_command

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
                f"{100 * row['difference']:+.1f}",
                f"{100 * row['low']:+.1f} to {100 * row['high']:+.1f}",
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
            f"held out: {result['leader']} {100 * held['difference']:+.1f} points "
            f"({100 * held['low']:+.1f} to {100 * held['high']:+.1f}) on {held['questions']} "
            f"questions the search never used; one-sided p = {held['p_value']:.3g}",
            f"(its naive estimate, which put it ahead of the other {len(result['ranking']) - 2} on "
            f"the questions it was picked on, was {100 * result['naive_maximum']:+.1f})",
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
    said = [s for arm in plan.arms if arm.role == "treatment" for s in arm.stimuli]
    names = dict.fromkeys(s.name for s in said if s.set != "own")
    sets = dict.fromkeys(s.set for s in said if s.set != "own")
    lines += [other_command(plan.tasks, ",".join(names if len(names) <= 4 else sets) or None)]
    lines += [f"run:    {folder.path}", f"report: heartloop report {folder.path}"]
    return "\n".join(lines).rstrip()


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
