"""``heartloop ask`` and ``heartloop render``: one question under an arm, asked or only shown."""

from __future__ import annotations

import asyncio
import dataclasses
import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from heartloop.cli._command import GroupedCommand, option_group
from heartloop.cli._flags import (
    ARMS,
    CAPS,
    DATA,
    LAUNCH,
    LOOP,
    MONEY,
    OUTPUT,
    REUSE,
    SAMPLING,
    SCHEDULE,
    SERVER,
    STOPPING,
    WHAT,
    defaults,
)

QUESTION = option_group(
    "What is run",
    click.argument("text", required=False),
    click.option(
        "--question", "id", metavar="ID", help="With --task: this question. Default: the first."
    ),
)
PLANNED = option_group(
    "What is run",
    click.option(
        "--plan", type=click.Path(dir_okay=False), help="Arms of a plan, or of a run's manifest."
    ),
)
JSON = click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")


@click.command("ask", cls=GroupedCommand, short_help="Ask one question and show the dialogue.")
@QUESTION
@WHAT
@PLANNED
@click.option("--arm", metavar="NAME", help="Which arm, where there are several.")
@LOOP
@SCHEDULE
@DATA
@SAMPLING
@SERVER
@LAUNCH
@CAPS
@JSON
def ask_command(**flags: Any) -> int:
    """Ask one question under one arm and show every message and every answer.

    \b
    heartloop ask "What is 17 * 23?" --model server/NAME --base-url URL --stimuli EP02
    heartloop ask "What is 17 * 23?" --method heart --rounds 2
    heartloop ask --task olympiad --question 1606 --method heart

    Nothing is kept. A question of a task is graded; one of your own has no gold, so that loops run
    without a verifier.
    """
    from heartloop.cli._money import confirm_billed
    from heartloop.errors import UsageError
    from heartloop.run.dialogue import ask_once

    if not flags["plan"]:
        own = "heart" if flags["rounds"] is not None or flags["schedule"] else "single"
        flags |= {"controls": "none", "method": flags["method"] or own}
    prepared, units = _units(flags)
    unit = _picked(units, flags["arm"])
    confirm_billed([unit.model], flags["yes"], "this question")
    if flags["selector"] and unit.task.mode == "oracle":
        raise UsageError("--selector: the task's verifier chooses; add --mode verifier-free")
    trace, graded, said = asyncio.run(ask_once(prepared, unit))
    if flags["as_json"]:
        click.echo(json.dumps(_facts(unit, trace, graded, said), indent=2, ensure_ascii=False))
        return 0
    cues = {(a.round, a.draw): a.cue for a in trace.attempts if a.cue}
    click.echo(f"{unit.model}, arm {unit.arm.name}, {unit.task.mode}")
    click.echo("\n".join(_shown(said, cues)))
    click.echo(f"\n{_ending(trace, graded)}")
    return 0


@click.command("render", cls=GroupedCommand, short_help="Show the exact messages of an arm.")
@QUESTION
@WHAT
@ARMS
@click.option("--arm", multiple=True, metavar="NAME", help="Only this arm; repeat for several.")
@click.option("--diff", nargs=2, metavar="ARM ARM", help="What differs between two arms.")
@LOOP
@SCHEDULE
@DATA
@JSON
def render_command(**flags: Any) -> int:
    """Show the exact messages of a task, a question and an arm; nothing is asked.

    \b
    heartloop render --task bbh/snarks --stimuli EP02
    heartloop render --task olympiad --method heart --rounds 2
    heartloop render --task my.csv --stimuli EP02 --diff EP02 none
    heartloop render "What is 3 + 4?" --stimuli "My job depends on it."

    Arms and their controls are those of `heartloop run` with the same flags. Further rounds hold
    placeholders where the model's answers would stand, ⟨answer of round 0⟩; with a verifier each
    answer counts as wrong.
    """
    from heartloop.run.dialogue import rehearse

    prepared, units = _units(flags)
    names = flags["diff"] or flags["arm"]
    units = [_picked(units, name) for name in names] if names else units
    selector = prepared.plan.selector

    async def all_of() -> list[Any]:
        return [await rehearse(unit, selector) for unit in units]

    shown = asyncio.run(all_of())
    rows = list(zip(units, shown, strict=True))
    if flags["diff"]:
        (first, one), (second, other) = rows
        lines = list(
            difflib.unified_diff(
                _shown(one, {}),
                _shown(other, {}),
                first.arm.name,
                second.arm.name,
                "",
                "",
                1000,
                "",
            )
        )
        if flags["as_json"]:
            click.echo(json.dumps({"arms": names, "diff": lines}, indent=2, ensure_ascii=False))
        else:
            click.echo("\n".join(lines[:2] + lines[3:]) or "the two arms send the same messages")
        return 0
    if flags["as_json"]:
        found = [{"arm": u.arm.name, "role": u.arm.role, "calls": _calls(said)} for u, said in rows]
        where = {"task": units[0].task.card.name, "question": units[0].question.id}
        click.echo(json.dumps({**where, "arms": found}, indent=2, ensure_ascii=False))
        return 0
    click.echo(f"{units[0].task.card.name}, question {units[0].question.id}")
    for unit, said in rows:
        role = "" if unit.arm.role == "treatment" else f" ({unit.arm.role})"
        click.echo(f"\n=== {unit.arm.name}{role}")
        click.echo("\n".join(_shown(said, {})))
    return 0


# --- What is asked --------------------------------------------------------------------------


def _units(flags: Mapping[str, Any]) -> tuple[Any, list[Any]]:
    """The plan of flags as in `heartloop run`, and a unit for every arm on the one question.

    Raises:
        UsageError: neither or both of a question and a task, no such question, or flags that
            cannot be used.
    """
    from heartloop.cli._options import make_plan
    from heartloop.errors import UsageError
    from heartloop.run.execute import prepare
    from heartloop.run.free import NO_GOLD, free_task, question_of
    from heartloop.run.load import Prepared, sampling_changes
    from heartloop.run.unit import Unit
    from heartloop.types import Message, Sampling

    text = flags["text"]
    if (text is None) == (not flags["task"] and not flags["plan"]):
        raise UsageError('give a question ("What is 3 + 4?") or --task')
    if text is not None and not text.strip():
        raise UsageError("the question is empty")
    groups = (ARMS, SAMPLING, SERVER, LAUNCH, MONEY, REUSE, STOPPING, OUTPUT)
    given = {**defaults(*groups), **flags}
    if text is None:
        plan, _ = make_plan(given)
        prepared = prepare(plan)
        task, question = _question(prepared.tasks, flags["id"])
        gold = task.data.golds[question.id]
    else:
        if flags["id"] is not None or flags["mode"] == "oracle":
            raise UsageError("--question and --mode oracle belong to --task")
        # A table's name, so that no card is looked for.
        plan, _ = make_plan({**given, "task": ("question.",), "mode": "verifier-free"})
        task = free_task(flags["verifier"], Sampling(**sampling_changes(plan)))
        prepared = Prepared(plan, [task])
        question, gold = question_of([Message("user", text)], "1", {}), NO_GOLD
    model, seed = plan.models[0], plan.seeds[0]
    return prepared, [Unit(task, question, gold, arm, model, seed) for arm in plan.arms]


def _question(tasks: Sequence[Any], id: str | None) -> tuple[Any, Any]:
    from heartloop.errors import UsageError

    if id is None:
        return tasks[0], tasks[0].data.questions[0]
    for task in tasks:
        for question in task.data.questions:
            if question.id == id:
                return task, question
    known = [question.id for task in tasks for question in task.data.questions]
    near = difflib.get_close_matches(id, known, n=3) or known[:3]
    raise UsageError(f"--question {id}: no such question; there are {', '.join(near)} …")


def _picked(units: Sequence[Any], name: str | None) -> Any:
    from heartloop.errors import UsageError

    names = [unit.arm.name for unit in units]
    if name is None and len(units) == 1:
        return units[0]
    if name in names:
        return units[names.index(name)]
    what = "several arms; name one with --arm" if name is None else f"--arm {name}: no such arm"
    raise UsageError(f"{what}: {', '.join(names)}")


# --- What is shown --------------------------------------------------------------------------


def _shown(said: Iterable[Any], cues: Mapping[tuple[int, int], str]) -> list[str]:
    """A dialogue as lines; further draws of the same request are counted, not repeated."""
    lines: list[str] = []
    before: tuple[Any, ...] = ()
    for call in said:
        asked = (call.round, call.goes_on, call.messages)
        if asked != before:
            if before and not call.goes_on:
                lines.append("— asked anew —")
            for message in call.messages:
                lines += [f"[{message.role}]", *message.content.split("\n")]
        before = asked
        place = f"round {call.round}" + (f", draw {call.draw}" if call.draw else "")
        what = "" if call.purpose == "answer" else f", {call.purpose}"
        cue = f", cue {cues[call.round, call.draw]}" if (call.round, call.draw) in cues else ""
        tokens = f", {call.tokens} tokens" if call.tokens else ""
        lines.append(f"[assistant: {place}{what}{cue}{tokens}]")
        text = call.answer if call.answer is not None else f"ERROR {call.error}"
        lines += text.split("\n")
    return lines


def _calls(said: Iterable[Any]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(call) for call in said]


def _facts(unit: Any, trace: Any, graded: Sequence[Any], said: Sequence[Any]) -> dict[str, Any]:
    chosen = None if trace.selected is None else trace.attempts[trace.selected]
    verdict = graded[trace.selected] if graded and trace.selected is not None else None
    return {
        "model": unit.model,
        "arm": unit.arm.name,
        "task": unit.task.card.name,
        "question": unit.question.id,
        "mode": unit.task.mode,
        "calls": _calls(said),
        "answer": chosen.completion.text if chosen and chosen.completion else None,
        "selected": chosen and {"round": chosen.round, "draw": chosen.draw},
        "verdict": verdict and dataclasses.asdict(verdict),
        "tokens": trace.usage.total,
        "cost": trace.cost,
        "notes": json.loads(json.dumps(dict(trace.notes), default=str)),
    }


def _ending(trace: Any, graded: Sequence[Any]) -> str:
    """Which answer is handed in, what it took, and what the verifier says."""
    cost = "" if trace.cost is None else f", ${trace.cost:.4g}"
    took = f"{trace.calls} call{'s' * (trace.calls != 1)}, {trace.usage.total:,} tokens{cost}"
    if trace.selected is None:
        return f"no answer; {took}"
    chosen = trace.attempts[trace.selected]
    lines = [f"handed in: round {chosen.round}, draw {chosen.draw}; {took}"]
    verdict = graded[trace.selected] if graded else None
    if verdict is not None:
        lines.append(f"verdict: {_read(verdict.own)}")
        if verdict.content != verdict.own:
            lines.append(f"by content: {_read(verdict.content)}")
    return "\n".join(lines)


def _read(verdict: Any) -> str:
    reason = f" ({verdict.reason})" if verdict.reason else ""
    return f"{verdict.outcome}{reason}; {verdict.detail}"
