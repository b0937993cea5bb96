"""The answer of a search: which words, what they gain, what may be said, what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from heartloop.calls.prices import load_prices
from heartloop.methods import render
from heartloop.methods.prompt import phrase
from heartloop.optimize.planning import plan_search
from heartloop.run.clients import tested_price
from heartloop.run.folder import VERDICTS, RunFolder
from heartloop.run.load import Prepared
from heartloop.run.verdicts import read_traces
from heartloop.types import Arm, Usage

THOUSAND = 1000
WITHIN = (1, 2)  # times --delta: differences whose price is told where the answer is none

SAYS = {
    "works": "it works: better than the plain prompt and than two placebo sentences of its length",
    "hurts": "it hurts: worse than the plain prompt and than two placebo sentences of its length",
    "above": "better than the plain prompt; not told apart from adding any sentence of its length",
    "below": "worse than the plain prompt; not told apart from adding any sentence of its length",
    "equivalent": "no difference to the plain prompt beyond the margin",
    "undecided": "better than the plain prompt by the search's own test; against its placebos, "
    "and corrected for both comparisons, it is undecided",
}


def answers_of(
    prepared: Prepared, folder: RunFolder, found: Mapping[str, Any], arms: Mapping[str, Arm]
) -> dict[str, dict[str, Any]]:
    """The answer of every search in a folder, as plain data.

    Args:
        prepared: the plan of the search.
        folder: with its verdicts: tokens are those of the questions that both arms answered.
        found: as `heartloop.optimize.search.search` returned it.
        arms: all of its arms by name.

    Returns:
        Task or ``all`` to ``use`` (the chosen arm's name, or None), ``leader``, ``words``,
        ``placement``, ``prompt`` (the messages of one question), ``effect``, ``says`` (the claim in
        words, with its figures), ``tokens``, ``dollars`` for a thousand questions (None without a
        price) and, where nothing was chosen, ``to_know``.
    """
    used = _usage(folder.path / VERDICTS)
    answers = {}
    for task, result in found["searches"].items():
        leader = arms[result["leader"]]
        chosen = result["chosen"] is not None
        questions = [
            question
            for one in prepared.tasks
            if task in ("all", one.card.name)
            for question in one.data.questions
        ]
        tokens = _tokens(used, arms, leader.name, task)
        held, right = result["held_out"], result["held_out_accuracy"]
        answers[task] = {
            "use": leader.name if chosen else None,
            "leader": leader.name,
            "words": phrase(leader.stimuli) or None,
            "placement": leader.placement if leader.stimuli else None,
            "method": leader.method,
            "prompt": [
                {"role": m.role, "content": m.content}
                for m in render(questions[0], leader.stimuli, leader.placement)
            ],
            "question": questions[0].id,
            "effect": {
                **{k: held[k] for k in ("difference", "low", "high", "questions", "p_value")},
                "level": 1 - held["error"],
                "none": right[0],
                "leader": right[1],
            },
            "says": _says(result, found["claims"].get(task), leader),
            "tokens": tokens,
            "dollars": _dollars(prepared, tokens),
            "to_know": None if chosen else _to_know(prepared, result, found["options"], tokens),
        }
    return answers


def _usage(verdicts: Path) -> dict[tuple[str, str], dict[str, Usage]]:
    """(task, question) -> arm -> everything that the arm used on it."""
    found: dict[tuple[str, str], dict[str, Usage]] = {}
    if verdicts.exists():
        for trace in read_traces(verdicts):
            last = trace[-1]
            total = Usage(last["usage"]["prompt"], last["usage"]["completion"])
            found.setdefault((last["task"], last["question"]), {})[last["arm"]] = total
    return found


def _tokens(
    used: Mapping[tuple[str, str], Mapping[str, Usage]],
    arms: Mapping[str, Arm],
    leader: str,
    task: str,
) -> dict[str, Any] | None:
    """Mean tokens a question, of the plain prompt and of the leader, on the same questions."""
    none = next(arm.name for arm in arms.values() if arm.role == "none")
    both = [
        (one[none], one[leader])
        for (name, _), one in used.items()
        if none in one and leader in one and task in ("all", name)
    ]
    if not both:
        return None
    n = len(both)
    plain = {k: sum(getattr(p, k) for p, _ in both) / n for k in ("prompt", "completion")}
    own = {k: sum(getattr(o, k) for _, o in both) / n for k in ("prompt", "completion")}
    before, after = sum(plain.values()), sum(own.values())
    return {
        "questions": n,
        "none": plain,
        "leader": own,
        "more": {k: own[k] - plain[k] for k in plain},
        "share": after / before - 1 if before else None,
    }


def _dollars(prepared: Prepared, tokens: Mapping[str, Any] | None) -> dict[str, float] | None:
    """Dollars for a thousand questions, of the plain prompt and of the leader."""
    price = _price(prepared)
    if price is None or tokens is None:
        return None
    plain, own = (
        THOUSAND * (tokens[k]["prompt"] * price.prompt + tokens[k]["completion"] * price.completion)
        for k in ("none", "leader")
    )
    return {"none": plain, "leader": own, "more": own - plain}


def _price(prepared: Prepared) -> Any:
    plan = prepared.plan
    own = load_prices(Path(plan.limits["prices"])) if plan.limits.get("prices") else {}
    return tested_price(plan, plan.models[0], own)


def _says(result: Mapping[str, Any], claim: Mapping[str, Any] | None, leader: Arm) -> str:
    """What may be said of the leader, in the words of every other claim."""
    if result["chosen"] is None:
        return "not shown to be better than the plain prompt"
    if leader.role != "treatment":
        return "better than the plain prompt, and it is a placebo: words without feeling"
    if claim is None:
        return (
            "better than the plain prompt; its own placebos were not asked, so feeling is not told "
            "apart from adding any sentence"
        )
    placebo = claim["placebo"]
    return (
        f"{SAYS[claim['word']]} (to the placebos {_points(placebo['estimate'])} "
        f"[{_points(placebo['low'])}, {_points(placebo['high'])}])"
    )


def _to_know(
    prepared: Prepared,
    result: Mapping[str, Any],
    options: Mapping[str, Any],
    tokens: Mapping[str, Any] | None,
) -> list[dict[str, Any]]:
    """Questions, calls, tokens and dollars that a search for a difference takes."""
    arms = len(result["ranking"]) - 1
    price = _price(prepared)
    rows = []
    for times in WITHIN:
        plan = plan_search(
            arms,
            delta=min(0.9, times * options["delta"]),
            discordance=result["discordance"],
            error=options["error"],
        )
        each = result["calls"] and result["tokens"] / result["calls"]
        row: dict[str, Any] = {
            "difference": plan.delta,
            "questions": plan.looks[-1][0] + plan.held_out,
            "calls": plan.calls,
            "tokens": round(plan.calls * each),
            "dollars": None,
        }
        if price is not None and tokens is not None:
            mean = tokens["none"]
            dollars = mean["prompt"] * price.prompt + mean["completion"] * price.completion
            row["dollars"] = plan.calls * dollars
        rows.append(row)
    return rows


def lines_of(answer: Mapping[str, Any], measured: str, *, private: bool = False) -> list[str]:
    """The answer for people.

    Args:
        answer: one of `answers_of`.
        measured: what the search ran on: "40 questions of mine with server/m".
        private: texts of questions are not shown.
    """
    effect = answer["effect"]
    level = f"{100 * effect['level']:.3g} %"
    right = ""
    if effect["none"] is not None and effect["leader"] is not None:
        right = f"; right answers {100 * effect['none']:.1f} → {100 * effect['leader']:.1f} %"
    gain = (
        f"{_points(effect['difference'])} points [{_points(effect['low'])}, "
        f"{_points(effect['high'])}] ({level}) on {effect['questions']} questions that the search "
        f"never used{right}"
    )
    if answer["use"] is None:
        lines = [
            f"ANSWER: none of them ({measured}).",
            f"best of them: {answer['leader']} {gain}; one-sided p {effect['p_value']:.2g}",
            "what it would take to know:",
        ]
        for row in answer["to_know"]:
            dollars = "" if row["dollars"] is None else f", about ${row['dollars']:.2f}"
            lines.append(
                f"  a difference of {100 * row['difference']:.1f} points: about "
                f"{row['questions']:,} questions, {row['calls']:,} calls, {row['tokens']:,} tokens"
                f"{dollars}"
            )
        return lines
    words = answer["words"]
    lines = [f"ANSWER: use {answer['use']} ({measured})."]
    if words:
        lines.append(f"  words:  {words}")
    if answer["method"] != "single":
        lines.append(f"  method: {answer['method']}")
    lines += [f"  gain:   {gain}", f"  claim:  {answer['says']}", f"  cost:   {_cost(answer)}"]
    if not private:
        lines.append(f"  prompt: as sent for question {answer['question']}")
        for message in answer["prompt"]:
            lines.append(f"    [{message['role']}]")
            lines += [f"    {line}" for line in message["content"].split("\n")]
    return lines


def _cost(answer: Mapping[str, Any]) -> str:
    tokens, dollars = answer["tokens"], answer["dollars"]
    if tokens is None:
        return "not known: the folder has no verdicts"
    before, after = (sum(tokens[k].values()) for k in ("none", "leader"))
    share = "" if tokens["share"] is None else f" ({100 * tokens['share']:+.0f} %)"
    more = tokens["more"]
    text = (
        f"{before:.1f} → {after:.1f} tokens a question{share}: {more['prompt']:+.1f} in, "
        f"{more['completion']:+.1f} out"
    )
    if dollars is None:
        return f"{text}; dollars: no price is known (--prices)"
    return (
        f"{text}; ${dollars['none']:.4g} → ${dollars['leader']:.4g} for a thousand "
        f"(${dollars['more']:+.4g})"
    )


def _points(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", "−")


OTHER_TEST = (
    "tests every one of them on all questions, against the plain prompt and placebos, corrected "
    "for all (Holm); a search tests the one it picked, once, on questions kept back. On the same "
    "questions the two may differ: by power, not by data"
)
"""What `heartloop run` on the same data tests that a search does not."""
