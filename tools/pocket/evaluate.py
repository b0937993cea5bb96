"""Evaluates a pocket checkpoint on the practice sets: accuracies by family, with intervals.

    python tools/pocket/evaluate.py [--checkpoint FOLDER] [--dev] [--draws 6] [--out FILE.json]

Answers are compared as strings after the generator's own canonical form (sets of answers are
sorted), which is stricter than heartloop's graders. ``--dev`` asks the development set instead of
the test sets: whatever is chosen about the model is chosen there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2])]

import numpy as np  # noqa: E402
from problems import at_once  # noqa: E402

from heartloop import practice  # noqa: E402
from heartloop.analysis.paired import resample_sums  # noqa: E402
from heartloop.analysis.proportions import wilson  # noqa: E402
from heartloop.errors import UsageError  # noqa: E402
from heartloop.methods import wordings  # noqa: E402
from heartloop.models.pocket import PocketModel  # noqa: E402
from heartloop.practice import _maths as maths  # noqa: E402
from heartloop.types import Address, Completion, Message, Request, Sampling  # noqa: E402

INSTRUCTION = "Solve the following mathematics problem."
FORMAT = "Put the final answer in \\boxed{}."
ADDRESS = Address("practice", "-", "pocket", 0, 0)


def boxed(text: str) -> str | None:
    """Content of the last complete box."""
    at = text.rfind("\\boxed{")
    if at < 0:
        return None
    depth, start = 1, at + 7
    for i in range(start, len(text)):
        depth += (text[i] == "{") - (text[i] == "}")
        if depth == 0:
            return text[start:i]
    return None


def canonical(answer: str) -> str:
    """Sorted where it is a plain list of answers; brackets and spaces otherwise untouched."""
    answer = answer.replace("$", "").replace(" ", "")
    if answer[:1] in "([" or "," not in answer:
        return answer
    return ",".join(sorted(answer.split(",")))


def right(row: dict[str, Any], text: str) -> bool:
    """Whether the boxed answer is the gold answer."""
    found = boxed(text)
    return found is not None and canonical(found) == canonical(row["final_answer"][0])


def bootstrap(pairs: list[tuple[int, float]]) -> tuple[float, float]:
    """Percentile interval of the mean difference, questions resampled as clusters."""
    clusters: dict[int, list[float]] = {}
    for question, difference in pairs:
        clusters.setdefault(question, []).append(difference)
    sums = resample_sums([(sum(values), len(values)) for values in clusters.values()])
    low, high = np.quantile(sums[:, 0] / sums[:, 1], (0.025, 0.975))
    return float(low), float(high)


async def ask(
    model: PocketModel, turns: list[str], seed: int, *, temperature: float = 0.7, tokens: int = 256
) -> Completion:
    """One draw; turns alternate user, assistant, user and so on."""
    messages = tuple(
        Message("assistant" if i % 2 else "user", text) for i, text in enumerate(turns)
    )
    sampling = Sampling(temperature=temperature, max_tokens=tokens)
    return await model.complete(Request(ADDRESS, messages, sampling, seed=seed))


def prompt(row: dict[str, Any]) -> str:
    """The first message of an olympiad question."""
    return f"{INSTRUCTION}\n\n{row['question']}\n\n{FORMAT}"


def asked_problems(seed: str) -> list[dict[str, Any]]:
    """The test set, or the development set: as many other problems, which choices are made on."""
    if seed == "test":
        return practice.rows("olympiad")
    held_out = {problem.key for problem in maths.held_out()}
    return [
        maths.row(problem, index)
        for index, problem in enumerate(maths.held_out(seed))
        if problem.key not in held_out
    ]


FEEDBACK = {
    "wrong": f"{wordings.VERDICT_WRONG}\n\n{wordings.REFLECT}",
    "wrong, with feeling": f"{wordings.VERDICT_WRONG}\n\n{wordings.REFLECT}\n\n"
    "I am so disappointed, this hurts.",
    "wrong, in words never trained on": "No, that is false. Do it over.",
    "check": f"{wordings.CHECK_AGAIN}\n\n{wordings.REFLECT}",
}
"""What is said after the first answer: heartloop's own loop in both modes, and two variations."""


async def olympiad(model: PocketModel, rows: list[dict[str, Any]], draws: int) -> dict[str, Any]:
    """Single-answer accuracy, pass@k, extraction, and what follows after feedback."""
    first = await asyncio.gather(
        *(
            ask(model, [prompt(row)], 1000 * i + d)
            for i, row in enumerate(rows)
            for d in range(draws)
        )
    )
    texts = [[c.text for c in first[i * draws : (i + 1) * draws]] for i in range(len(rows))]
    good = [[right(row, text) for text in texts[i]] for i, row in enumerate(rows)]
    total, n = sum(map(sum, good)), len(rows) * draws
    marked = [
        (t, g) for ts, gs in zip(texts, good, strict=True) for t, g in zip(ts, gs, strict=True)
    ]
    families: dict[str, list[bool]] = {}
    for row, marks in zip(rows, good, strict=True):
        families.setdefault(row["family"], []).extend(marks)
    out: dict[str, Any] = {
        "questions": len(rows),
        "draws": draws,
        "accuracy": total / n,
        "pass@k": sum(any(marks) for marks in good) / len(rows),
        "extracted": sum(boxed(t) is not None for t, _ in marked) / n,
        "at once": sum(at_once(t) for t, _ in marked) / n,
        "right, at once": share([g for t, g in marked if at_once(t)]),
        "right, worked out": share([g for t, g in marked if not at_once(t)]),
        "tokens_an_answer": sum(c.usage.completion for c in first) / n,
        "families": {f: share(marks) for f, marks in families.items()},
        "right by question": [sum(marks) for marks in good],
    }
    every = [(i, d) for i in range(len(rows)) for d in range(draws)]
    for name, line in FEEDBACK.items():
        again = await asyncio.gather(
            *(
                ask(model, [prompt(rows[i]), texts[i][d], line], 10**6 + draws * i + d)
                for i, d in every
            )
        )
        for start in (False, True):
            after = [
                (i, d, c.text)
                for (i, d), c in zip(every, again, strict=True)
                if good[i][d] == start
            ]
            # The fresh draws are the other first answers to the same question.
            others = [(i, d, e) for i, d, _ in after for e in range(draws) if e != d]
            gain = [
                (i, right(rows[i], t) - (sum(good[i]) - good[i][d]) / (draws - 1))
                for i, d, t in after
            ]
            out[f"after {'right' if start else 'wrong'}, told '{name}'"] = {
                "n": len(after),
                "right": share([right(rows[i], text) for i, _, text in after]),
                "right, fresh draw": mean(good[i][e] for i, _, e in others),
                "gain over a fresh draw": mean(value for _, value in gain),
                "its 95 % interval, questions resampled": bootstrap(gain),
                "same answer": mean(boxed(t) == boxed(texts[i][d]) for i, d, t in after),
                "same answer, fresh draw": mean(
                    boxed(texts[i][e]) == boxed(texts[i][d]) for i, d, e in others
                ),
                "at once": mean(at_once(t) for _, _, t in after),
            }
    return out


def mean(values: Iterable[float]) -> float:
    """Mean; 0 of nothing."""
    found = list(values)
    return sum(found) / max(1, len(found))


def share(marks: list[bool]) -> list[float]:
    """Share of true marks with its 95 % interval (Wilson)."""
    found = wilson(sum(marks), len(marks))
    return [found.estimate or 0.0, found.low or 0.0, found.high or 0.0]


SETS = (
    "bigbench/snarks",
    "bigbench/object_counting",
    "bbh/navigate",
    *(f"instruction_induction/{name}" for name in practice.tasks("instruction_induction")),
    "simpleqa",
    "truthfulqa",
    "esconv",
)
"""Tasks of heartloop whose practice sets are asked; one of each suite stands for all."""


async def small_sets(model: PocketModel) -> dict[str, Any]:
    """Accuracy on the other practice sets at T = 0.7: heartloop's own prompts; own graders.

    SimpleQA and TruthfulQA need a judge model; here the gold must stand in the answer, any case.
    """
    from heartloop.data import load_data, resolve_tasks
    from heartloop.grading import open_grader
    from heartloop.methods import render

    out: dict[str, Any] = {}
    for name in SETS:
        try:
            card = resolve_tasks(name)[0]
        except UsageError:  # a practice task without a counterpart among the real ones
            continue
        data = load_data(card, practice=True)
        asked = [render(q, (), "after_instruction") for q in data.questions]
        sampling = Sampling(temperature=0.7, max_tokens=96)
        answers = await asyncio.gather(
            *(
                model.complete(Request(ADDRESS, messages, sampling, seed=i))
                for i, messages in enumerate(asked)
            )
        )
        k = unscored = 0
        if name in ("simpleqa", "truthfulqa"):
            for question, answer in zip(data.questions, answers, strict=True):
                golds = data.golds[question.id].answers
                k += any(gold.lower() in answer.text.lower() for gold in golds)
        else:
            grader = open_grader(card.verifier)
            for question, answer in zip(data.questions, answers, strict=True):
                verdict = (await grader.grade(question, data.golds[question.id], answer)).own
                k += verdict.outcome == "correct"
                unscored += verdict.outcome == "unscored"
            await grader.close()
        n = len(answers)
        out[name] = {
            "n": n,
            "accuracy": k / n,
            "interval": share([True] * k + [False] * (n - k))[1:],
            "unscored": unscored / n,
        }
    return out


async def evaluate(arguments: argparse.Namespace) -> None:
    """Evaluates and writes the figures."""
    if arguments.checkpoint and not (arguments.checkpoint / "model.safetensors").exists():
        raise SystemExit(f"--checkpoint {arguments.checkpoint}: no model.safetensors there")
    model = PocketModel(arguments.checkpoint)
    rows = asked_problems("dev" if arguments.dev else "test")
    result = {"olympiad": await olympiad(model, rows, arguments.draws)}
    if not arguments.dev:
        result |= await small_sets(model)
    await model.close()
    text = json.dumps(result, indent=1)
    if arguments.out:
        arguments.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--dev", action="store_true", help="the development set")
    parser.add_argument("--draws", type=int, default=6)
    parser.add_argument("--out", type=Path)
    asyncio.run(evaluate(parser.parse_args()))
