"""The plan of a run: two lines before it starts, all of it with ``--dry-run`` or ``--verbose``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import click

from heartloop.cli._live import clock
from heartloop.cli._show import amount, cut, table, width_now


def show_plan(
    prepared: Any,
    *,
    line: str = "",
    as_json: bool = False,
    quiet: bool = False,
    verbose: bool = False,
    probe: Any = None,
    noise: Any = None,
    target: float | None = None,
) -> dict[str, Any]:
    """Print the plan and its estimate; returns the estimate as plain data.

    Args:
        prepared: the plan with its data.
        line: which model, and why.
        as_json: plan and estimate as JSON.
        quiet: print nothing.
        verbose: the whole plan, an arm a line.
        probe: what a short probe found, for tokens and time.
        noise: discordance of an earlier run and its name, for the power line.
        target: a difference whose number of questions is asked for, a share.
    """
    from heartloop.run.estimate import estimate

    found = estimate(prepared, probe, noise, target)
    if as_json:
        plan = {"plan": prepared.plan.to_dict(), "estimate": found.to_dict()}
        click.echo(json.dumps(plan, indent=2, default=str))
    elif not quiet:
        lines = _whole(prepared, found, line) if verbose else _short(prepared, found, width_now())
        for text in lines:
            click.echo(text, err=True)
    return found.to_dict()


def _short(prepared: Any, found: Any, width: int) -> list[str]:
    """What is asked; what it costs and what it can see; one line for all notes."""
    plan, tasks = prepared.plan, prepared.tasks
    suites = list(dict.fromkeys(t.card.suite or t.card.name for t in tasks))
    name = ", ".join(suites[:3]) + (f" and {len(suites) - 3} more" if len(suites) > 3 else "")
    if len(tasks) > len(suites):
        name += f" ({len(tasks)} tasks)"
    treated = [a.name for a in plan.arms if a.role == "treatment"]
    arms = f"{len(plan.arms)} arms"
    if 0 < len(treated) <= 3:
        arms = f"{', '.join(treated)} and {len(plan.arms) - len(treated)} controls"
    what = f"{name}, {found.questions:,} questions · {', '.join(plan.models)} · {arms}"
    banner = "PRACTICE SET " if any(t.data.practice for t in tasks) else ""
    lines = [
        "plan  " + click.style(banner, fg="yellow") + cut(what, width - 6 - len(banner)),
        *("      " + line for line in _folded(_cost(found), width - 6)),
    ]
    said = _notes(prepared, found)
    # What a file has wrong, or what is not used of it, is never left to --dry-run.
    faults = [note for note in said[1:] if _FAULT.search(note)][:2]
    if said:
        left = len(said) - 1 - len(faults)
        more = f" (+{left}: --dry-run)" if left else ""
        lines.append("note: " + cut(said[0].split("; ")[0], width - 6 - len(more)) + more)
    return lines + ["note: " + cut(fault, width - 6) for fault in faults]


_FAULT = re.compile(r"has different answers|not used in prompts")


def _cost(found: Any) -> str:
    from heartloop.cli._money import dollars_line

    most = "no bound" if found.tokens_most is None else f"at most {amount(found.tokens_most)}"
    calls = amount(found.calls_most)
    parts = [f"{'at most ' if found.calls_least < found.calls_most else ''}{calls} calls"]
    parts.append(f"about {amount(found.tokens)} tokens ({most})")
    dollars = dollars_line(found.to_dict())
    parts += [dollars] if dollars else []
    parts += [f"about {clock(found.seconds)}"] if found.seconds is not None else []
    power = found.power
    if power is not None and power.smallest is not None:
        parts.append(f"can see {100 * power.smallest:.0f} points")
    elif power is not None:
        parts.append("too few questions to see anything")
    return " · ".join(parts)


def _folded(text: str, width: int) -> list[str]:
    """Lines of parts that `` · `` sets apart; none of them is cut."""
    lines = [""]
    for part in text.split(" · "):
        longer = f"{lines[-1]} · {part}" if lines[-1] else part
        if lines[-1] and len(longer) > width:
            lines.append(part)
        else:
            lines[-1] = longer
    return lines


def _notes(prepared: Any, found: Any) -> list[str]:
    """What a user should know before agreeing, the gravest first."""
    from heartloop.data.items import CONTRADICTION

    plan, notes = prepared.plan, []
    for cap, about in (("max_usd", found.usd), ("max_total_tokens", found.tokens)):
        if plan.limits.get(cap) and about is not None and about > plan.limits[cap]:
            notes.append(
                f"that is more than --{cap.replace('_', '-')} {plan.limits[cap]:g}, where it will "
                "stop; resume goes on with a higher cap"
            )
    told = [
        (text, f"{task.card.name}: {text}")
        for task in prepared.tasks
        for text in task.data.notes
        if not text.startswith("practice set:")  # said beside this, in colour
    ]
    notes += [line for text, line in told if text.startswith(CONTRADICTION)]
    if found.self_judged:
        notes.append("the model under test judges its own answers; name another with --judge")
    against = [a.name for a in plan.arms if any("format" in s.demand for s in a.stimuli)]
    if against and any(t.data.questions[0].demos for t in prepared.tasks):
        notes.append(
            f"{', '.join(against[:4])} ask for another form of answer than demonstrations "
            "show: what they lose may be that contradiction"
        )
    for task in prepared.tasks:
        if task.card.chosen and task.grader.verifier.name == task.card.verifier:
            why = re.sub(r"^(?:the answers are|every question shows) ", "", task.card.chosen)
            notes.append(
                f"verifier {task.card.verifier}: {why} ({task.card.name}); --verifier takes another"
            )
    return notes + [line for text, line in told if not text.startswith(CONTRADICTION)]


def _whole(prepared: Any, found: Any, line: str) -> list[str]:
    """Tasks, data, every arm with its cost, what each level of controls costs, power."""
    from heartloop.run.arms import level_calls
    from heartloop.run.pilot import needs_pilot

    lines = [line] if line else []
    lines += [f"note: {text}" for text in _notes(prepared, found)]
    lines += [
        click.style(
            f"PRACTICE SET: {task.card.name} here means heartloop's own practice problems, "
            "not the published benchmark.",
            fg="yellow",
        )
        for task in prepared.tasks
        if task.data.practice
    ]
    names = ", ".join(
        f"{t.card.name} ({len(t.data.questions)}, {t.mode})" for t in prepared.tasks[:6]
    )
    more = f" and {len(prepared.tasks) - 6} more" if len(prepared.tasks) > 6 else ""
    lines.append(f"tasks: {names}{more}")
    shown = {(len(t.data.questions[0].demos), t.data.shots_as) for t in prepared.tasks}
    lines += [
        f"demonstrations: {count} as {form}, the same for every arm"
        for count, form in sorted((n, form) for n, form in shown if n)
    ]
    lines += [f"data: {task.data.source}" for task in prepared.tasks[:1]]
    rows = [
        [
            row.name,
            row.method,
            row.role,
            _span(row.calls_least, row.calls_most),
            f"{row.tokens:,}",
            "no bound" if row.tokens_most is None else f"{row.tokens_most:,}",
        ]
        for row in (*found.arms, *found.judges)
    ]
    heads = ["arm", "method", "role", "calls", "tokens, about", "at most"]
    lines.append(table(heads, rows, right={3, 4, 5}))
    if needs_pilot(prepared.plan):
        lines.append(
            "resample gets as many draws as cost the loop's tokens: fixed at the start from the "
            "lengths of a few shared first answers, never from what they say"
        )
    lines += _totals(found)
    repeats = len(prepared.plan.models) * len(prepared.plan.seeds)
    levels: Mapping[str, tuple[int, int]] = level_calls(
        prepared.plan.arms, prepared.questions * repeats
    )
    if levels:
        costs = ", ".join(
            f"{level} {least:,}" + (f" (at most {most:,})" if most > least else "")
            for level, (least, most) in levels.items()
        )
        lines.append(f"calls with --controls {costs}")
    if found.seconds is not None:
        lines.append(f"expected time {clock(found.seconds)} (from a probe of a few answers)")
    if found.power is not None:
        lines.append(found.power.sentence)
    return lines


def _totals(found: Any) -> list[str]:
    """Calls, tokens and dollars in all, about and at most."""
    from heartloop.cli._money import dollars_line

    most = "without an upper bound (no max_tokens)"
    if found.tokens_most is not None:
        most = f"at most {found.tokens_most:,} (every answer as long as it may be)"
    lines = [
        f"in all {_span(found.calls_least, found.calls_most)} calls (shared ones once), "
        f"about {found.tokens:,} tokens, {most}"
    ]
    cost = dollars_line(found.to_dict())
    return lines + ([f"cost: {cost}"] if cost else [])


def _span(least: int, most: int) -> str:
    return f"{most:,}" if least == most else f"{least:,}–{most:,}"
