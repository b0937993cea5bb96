"""What a search for a stimulus found: its sentence, its section of the page, and what it forbids.

``heartloop optimize`` writes an ordinary run folder and ``search.json``. Its verdicts mix questions
that arms were picked on with questions that were held out, so comparisons over all of them are
biased towards the winner; this module says so wherever they would be shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from heartloop.report import tracks
from heartloop.report.html import e, facts, folded, note, table
from heartloop.report.searched import (
    Estimate,
    Found,
    Generation,
    Ranked,
    Search,
    is_search,
    read_search,
)
from heartloop.report.writing import p_value, points, span

if TYPE_CHECKING:
    from heartloop.report.arms import Loaded

__all__ = ["MIXED", "UNEVEN", "asked", "is_search", "search_section", "search_sentence"]

MIXED = (
    "a search: its verdicts mix the questions that arms were picked on with the held-out ones, and "
    "arms that did badly were asked fewer, so differences over all of them favour the winner; the "
    "figure to quote is the held-out one (heartloop report)"
)
UNEVEN = (
    "No comparison of arms: this is a search, so the questions that arms were picked on and the "
    "held-out ones are mixed here, and arms that left the race were asked fewer."
)
MOST_ROWS = 30  # arms in a plot
ENDED = {
    "one left": "one arm was left",
    "bounds": "the bounds had parted",
    "nothing better": "no arm could still be better by the difference worth finding",
    "questions": "the questions for searching had run out",
    "budget": "the budget had run out",
}


def search_sentence(run: Loaded) -> str:
    """The answer of a search in one sentence, without a full stop."""
    search = read_search(run)
    resume = f"heartloop optimize --resume {run.folder.path}"
    if search is None or not search.found:
        why = f" ({search.stopped})" if search is not None and search.stopped else ""
        return f"the search has not ended{why}, so nothing was found yet; {resume} goes on with it"
    if len(search.found) <= 3:
        alone = len(search.found) == 1
        text = "; ".join(_answer(one, search, naive=alone) for one in search.found)
    else:
        where: dict[str | None, list[str]] = {}
        for one in search.found:
            where.setdefault(one.chosen, []).append(one.name)
        parts = [f"{_arm(n, search)} on {', '.join(on)}" for n, on in where.items() if n]
        none = where.get(None, [])
        parts += [f"none of them on {len(none)} of {len(search.found)} tasks"] if none else []
        text = f"worth using: {'; '.join(parts)} (each task searched and tested by itself)"
    return text + (
        f"; stopped early ({search.stopped}): {resume} goes on" if search.stopped else ""
    )


def _answer(one: Found, search: Search, *, naive: bool) -> str:
    held, arms = one.held_out, len(one.ranking) - 1
    where = "" if one.name == "all" else f" on {one.name}"
    measured = (
        f"{points(held.difference)} points {span(held.low, held.high)} against none, "
        f"{_level(held.error)} CI, on {held.questions:,} questions the search never used "
        f"(one-sided p {p_value(held.p_value)})"
    )
    if naive:
        measured += (
            f"; not to be quoted: the {points(one.naive_maximum)} that put it ahead of the other "
            f"{arms - 1} on the {one.picked_on:,} questions it was picked on"
        )
    if one.chosen is not None:
        claimed = _claimed(search.claims.get(one.name))
        return f"worth using{where}: {_arm(one.chosen, search)}, {measured}{claimed}"
    return (
        f"worth using{where}: none of them; the leader of {arms}, {_arm(one.leader, search)}, "
        f"showed {measured}; {_reach(one)}, so smaller ones may exist"
    )


def _claimed(claim: Mapping[str, Any] | None) -> str:
    """Whether it is the feeling: the winner against its own placebos on the held-out questions."""
    if claim is None:
        return "; its own placebo was not asked, so feeling cannot be told from any added sentence"
    d = claim["placebo"]
    text = (
        f"; against its own placebo {points(d['estimate'])} {span(d['low'], d['high'])} on the "
        "same held-out questions: "
    )
    if claim["word"] in ("works", "hurts"):
        return text + f"it {claim['word']}"
    return text + "not told from adding any sentence"


def _level(error: float) -> str:
    """Coverage in percent: 95 %, or 99.2 %."""
    return f"{100 * (1 - error):.3g} %"


def _arm(name: str, search: Search) -> str:
    return f"{name} (words without feeling)" if search.roles.get(name) == "placebo" else name


def _reach(one: Found) -> str:
    if one.detectable >= 1:
        return "it was too small to find any difference reliably"
    return (
        f"it finds differences of {points(one.detectable, False)} points or more "
        f"{_level(one.held_out.error)} of the time"
    )


def search_section(run: Loaded, *, texts: bool = True) -> str:
    """The section of the page below the sentence.

    Args:
        run: a search.
        texts: show what the model wrote (proposals may echo a private task).
    """
    search = read_search(run)
    if search is None or not search.found:
        return note("The search has not ended yet: there is no ranking to show.")
    sizes = {t["task"]: t["questions"] for t in run.manifest["tasks"]}
    parts = []
    for one in search.found:
        if len(search.found) > 1:
            parts.append(f"<h3>{e(one.name)}</h3>")
        everything = sum(sizes.values()) if one.name == "all" else sizes.get(one.name, 0)
        made = search.generations.get(one.name, ())
        parts += [
            _held_out(one, search),
            _plot(one, search),
            _cost(one, search, made, everything),
            _by_task(one),
        ]
    many, error = len(search.found), search.options["error"]
    if many > 1:
        parts.append(
            note(
                f"Every task was searched at the whole error rate of {100 * error:g} %: of {many} "
                f"tasks on which nothing helps, up to {many * error:.2g} on average would still "
                "name an arm."
            )
        )
    for name, made in search.generations.items():
        last = next((one for one in search.found if one.name == name), None)
        parts.append(_lineage(name, made, last, texts))
    return "".join(parts)


def asked(run: Loaded) -> str:
    """What was searched for, in one or two sentences."""
    kept, manifest = run.manifest["search"], run.manifest
    tasks = [t["task"] for t in manifest["tasks"]]
    arms = [arm["name"] for arm in manifest["plan"]["arms"]]
    questions = sum(t["questions"] for t in manifest["tasks"])
    goal = "the best of" if kept["goal"] == "best" else "the first better than none of"
    named = ", ".join(arms[1:5]) + (" …" if len(arms) > 5 else "")
    where = ", ".join(tasks) if len(tasks) < 4 else f"{len(tasks)} tasks"
    caps = [
        f"{kept[name]:,} {unit}"
        for name, unit in (("budget_calls", "calls"), ("budget_tokens", "tokens"))
        if kept[name] is not None
    ]
    more = (
        f" and up to {kept['proposals']} stimuli of its own writing in each of "
        f"{kept['generations']} generation(s)"
    )
    first = manifest["plan"]["arms"][0]
    base = first["name"] if first["method"] == "single" else f"none (here {first['method']})"
    return (
        f"Searched for: {goal} {len(arms) - 1} arms ({named}){more if kept['proposals'] else ''} "
        f"against {base}, for {', '.join(manifest['plan']['models'])} on {where}"
        f"{', each by itself' if kept['per_task'] else ''} "
        f"({questions:,} questions). Smallest difference worth "
        f"finding {points(kept['delta'], False)} points, error {100 * kept['error']:g} %, strategy "
        f"{kept['strategy']}{', paying at most ' + ' and '.join(caps) if caps else ''}."
    )


def _held_out(one: Found, search: Search) -> str:
    held = one.held_out
    base, top = (points(value, False) for value in one.held_out_accuracy)
    rows = [
        ("worth using", one.chosen or "none of them"),
        ("leader", f"{_arm(one.leader, search)}; the search ended because "
                   f"{ENDED.get(one.stopped, one.stopped)}"),
        ("held-out estimate",
         f"{points(held.difference)} points {span(held.low, held.high)} ({_level(held.error)} CI) "
         f"on {held.questions:,} questions the search never used: {top} % against {base} % with "
         f"none; better on {held.wins}, worse on {held.losses}; one-sided p "
         f"{p_value(held.p_value)}, chosen at p ≤ {held.error:g}"),
        ("selection maximum",
         f"{points(one.naive_maximum)} points: what put it ahead of {len(one.ranking) - 2} others "
         f"on the {one.picked_on:,} questions it was picked on; biased upwards, not to be quoted"),
        ("within reach",
         f"{_reach(one)} (asked for: {points(search.options['delta'], False)}); two arms differ on "
         f"{points(one.discordance, False)} % of the questions"),
    ]  # fmt: skip
    placebo = next((r for r in one.ranking if search.roles.get(r.name) == "placebo"), None)
    if placebo is not None and search.roles.get(one.chosen or "") == "treatment":
        rows.append(
            ("is it feeling?",
             _claimed(search.claims.get(one.name))[2:]
             if one.name in search.claims
             else f"not tested here: the test is against none. The placebo stood at "
             f"{points(placebo.difference)} {span(placebo.low, placebo.high)} on "
             f"{placebo.questions} questions; heartloop run with its matched controls asks "
             "this, best on questions the search has not seen")
        )  # fmt: skip
    return facts(rows)


def _fate(row: Ranked, one: Found) -> str:
    if row.name == one.leader:
        return "leader"
    if row.name == "none":
        return "–"
    return "not dropped" if row.dropped_after is None else f"after {row.dropped_after:,}"


def _plot(one: Found, search: Search) -> str:
    held = one.held_out
    rows = [_row("held-out estimate", held, f"n {held.questions:,}", True)]
    if 1 < len(one.by_task) <= 12:
        rows += [_row(f"held out: {t}", v, f"n {v.questions:,}") for t, v in one.by_task.items()]
    arms = [row for row in one.ranking if row.name != "none"]
    for row in arms[:MOST_ROWS]:
        left = _fate(row, one)
        words = f"n {row.questions:,}" + (f", out {left}" if left.startswith("after") else "")
        rows.append(_row(row.name, row, words))
    data = table(
        ["arm", "− none", "always-valid interval", "accuracy %", "questions", "left the race"],
        [
            [row.name, points(row.difference), span(row.low, row.high),
             points(row.accuracy, False), f"{row.questions:,}", _fate(row, one)]
            for row in one.ranking
        ],
        caption=(
            "Ranking on the questions the search picked on (biased upwards at the top). Intervals "
            f"hold for all arms together at any moment, {_level(search.options['error'])}"
        ),
        strong=[i for i, row in enumerate(one.ranking) if row.name == one.leader],
    )  # fmt: skip
    if 1 < len(one.by_task) <= 12:
        level = _level(next(iter(one.by_task.values())).error)
        tasks = f" (by task {level}, simultaneous over the tasks)"
    else:
        tasks = ""
    cut = f" The first {MOST_ROWS} of {len(arms)} arms." if len(arms) > MOST_ROWS else ""
    caption = (
        "Differences to none in points. First the held-out estimate with its "
        f"{_level(held.error)} interval{tasks}, the only one to quote; below it what "
        f"the search saw, with always-valid intervals.{cut} Shaded: differences smaller than "
        f"the search was asked to find, ±{100 * search.options['delta']:g} points."
    )
    plot = tracks.intervals(
        rows,
        ["arm", "drawn", "− plain prompt", "questions"],
        margin=100 * search.options["delta"],
        caption=caption,
        axis="points below or above the plain prompt",
    )
    return plot + folded("the whole ranking", data)


def _row(label: str, of: Estimate | Ranked, words: str, strong: bool = False) -> tracks.Track:
    mark = tracks.Mark(
        100 * of.difference, 100 * of.low, 100 * of.high, "main" if strong else "plain"
    )
    cells = (f"{points(of.difference)} {span(of.low, of.high)}", words)
    return tracks.Track(label, (mark,), cells, css="strong" if strong else "")


def _cost(one: Found, search: Search, made: Sequence[Generation], everything: int) -> str:
    """Answers to questions, beside those of grids over the same arms."""
    races = [*(g.ranking for g in made), one.ranking]
    spent = sum(row.questions for race in races for row in race) + 2 * one.held_out.questions
    used = sum(max(row.questions for row in race) for race in races) + one.held_out.questions
    arms = len({row.name for race in races for row in race})
    rows = [
        ["this search, held-out questions included", f"{spent:,}", ""],
        *(
            [
                f"full grid: {arms} arms on {what} ({n:,})",
                f"{arms * n:,}",
                f"{100 * spent / (arms * n):.0f} %",
            ]
            for what, n in (("the questions it used", used), ("all questions", everything))
            if n
        ),
    ]
    last = " in the last race" if made else ""
    return table(
        ["what it took", "answers", "the search took"],
        rows,
        caption=(
            f"{one.calls:,} calls{last} ({one.paid_calls:,} paid), {one.tokens:,} tokens "
            f"({one.paid_tokens:,} paid). A grid of the same size is not one of the same error "
            "rate: docs/optimize.md has that comparison"
        ),
    )


def _by_task(one: Found) -> str:
    if not one.by_task:
        return ""
    level = _level(next(iter(one.by_task.values())).error)
    return table(
        ["held out, by task", "questions", f"{one.leader} − none", f"{level} CI",
         "one-sided p"],
        [
            [task, f"{v.questions:,}", points(v.difference), span(v.low, v.high),
             p_value(v.p_value)]
            for task, v in one.by_task.items()
        ],
        caption=(
            f"The leader's held-out estimate within each task; intervals hold for all "
            f"{len(one.by_task)} tasks together. The choice was made over all of them"
        ),
    )  # fmt: skip


def _lineage(name: str, made: Sequence[Generation], last: Found | None, texts: bool) -> str:
    """Who was written from whom, and how it fared in the race after."""
    if not made:
        return ""
    races = [g.ranking for g in made[1:]] + ([last.ranking] if last else [])
    out = [f"<h3>Stimuli the model wrote{'' if name == 'all' else e(f', {name}')}</h3>"]
    for i, generation in enumerate(made):
        after = {row.name: row for row in races[i]} if i < len(races) else {}
        top = [r for r in generation.ranking if r.name != "none"][:4]
        seen = ", ".join(f"{r.name} {points(r.difference)}" for r in top)
        out.append(
            note(
                f"Generation {generation.number}: {len(generation.ranking)} arms raced on "
                f"{max(r.questions for r in generation.ranking):,} questions of their own; ahead "
                f"(biased upwards): {seen}. {len(generation.proposed)} phrases were taken, "
                f"{len(generation.refused)} refused."
            )
        )
        items = []
        for arm, text, parents in generation.proposed:
            row = after.get(arm)
            fared = "not raced yet" if row is None else (
                f"{points(row.difference)} {span(row.low, row.high)} on {row.questions} questions "
                "of the next race"
            )  # fmt: skip
            words = f"“{text}”" if texts else "(hidden: the task is private)"
            items.append(
                f"<li><strong>{e(arm)}</strong> {e(words)} from {e(parents or 'nothing')}: "
                f"{e(fared)}{' — chosen' if last is not None and last.chosen == arm else ''}</li>"
            )
        if items:
            out.append(f"<ul>{''.join(items)}</ul>")
        if generation.refused:
            said = [
                f"“{text}”: {reason}" if texts else f"(hidden): {reason.partition(':')[0]}"
                for text, reason in generation.refused
            ]
            refused = "".join(f"<li>{e(words)}</li>" for words in said)
            out.append(f"<details><summary>refused, and why</summary><ul>{refused}</ul></details>")
    return "".join(out)
