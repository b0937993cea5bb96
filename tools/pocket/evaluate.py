"""Evaluates a pocket checkpoint on the practice sets: accuracies by family, with intervals.

    python tools/pocket/evaluate.py [--checkpoint FOLDER] [--draws 6] [--out FILE.json]

Answers are compared as strings after the generator's own canonical form (sets of answers are
sorted), which is stricter than heartloop's graders.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

import numpy as np  # noqa: E402

from heartloop import practice  # noqa: E402
from heartloop.errors import UsageError  # noqa: E402
from heartloop.models.pocket import PocketModel  # noqa: E402
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


def wilson(k: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    if not n:
        return 0.0, 1.0
    z, p = 1.959964, k / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * ((p * (1 - p) + z * z / (4 * n)) / n) ** 0.5 / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def bootstrap(pairs: list[tuple[int, float]]) -> tuple[float, float]:
    """Percentile interval of the mean difference, questions resampled as clusters."""
    clusters: dict[int, list[float]] = {}
    for question, difference in pairs:
        clusters.setdefault(question, []).append(difference)
    sums = np.array([sum(values) for values in clusters.values()])
    sizes = np.array([len(values) for values in clusters.values()])
    rng = np.random.default_rng(0)
    index = rng.integers(0, len(sums), (4000, len(sums)))
    means = sums[index].sum(1) / sizes[index].sum(1)
    low, high = np.quantile(means, (0.025, 0.975))
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


async def olympiad(model: PocketModel, draws: int) -> dict[str, Any]:
    """Single-answer accuracy, pass@k, extraction, and what follows after feedback."""
    rows = practice.rows("olympiad")
    first = await asyncio.gather(
        *(
            ask(model, [prompt(row)], 1000 * i + d)
            for i, row in enumerate(rows)
            for d in range(draws)
        )
    )
    texts = [[c.text for c in first[i * draws : (i + 1) * draws]] for i in range(len(rows))]
    good = [[right(row, text) for text in texts[i]] for i, row in enumerate(rows)]
    families: dict[str, list[int]] = {}
    for row, marks in zip(rows, good, strict=True):
        k = families.setdefault(row["family"], [0, 0])
        k[0] += sum(marks)
        k[1] += len(marks)
    total, n = sum(map(sum, good)), len(rows) * draws
    out: dict[str, Any] = {
        "questions": len(rows),
        "draws": draws,
        "accuracy": total / n,
        "pass@k": sum(any(marks) for marks in good) / len(rows),
        "extracted": sum(boxed(t) is not None for ts in texts for t in ts) / n,
        "tokens_an_answer": sum(c.usage.completion for c in first) / n,
        "families": {f: [k / m, *wilson(k, m)] for f, (k, m) in families.items()},
    }
    feedback = {
        "wrong": "Your answer is not correct. Try again.",
        "wrong, with feeling": "I am so disappointed. Your answer is not correct. Try again.",
        "check": "Check your answer again.",
    }
    every = [(i, d) for i in range(len(rows)) for d in range(draws)]
    for name, line in feedback.items():
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
            n, k = len(after), sum(right(rows[i], text) for i, _, text in after)
            # The fresh draws are the other first answers to the same question.
            others = [(i, d, e) for i, d, _ in after for e in range(draws) if e != d]
            out[f"after {'right' if start else 'wrong'}, told '{name}'"] = {
                "n": n,
                "accuracy": k / max(1, n),
                "interval": wilson(k, n),
                "same answer": sum(boxed(t) == boxed(texts[i][d]) for i, d, t in after) / max(1, n),
                "fresh draw, accuracy": sum(good[i][e] for i, _, e in others) / max(1, len(others)),
                "fresh draw, same answer": sum(
                    boxed(texts[i][e]) == boxed(texts[i][d]) for i, d, e in others
                )
                / max(1, len(others)),
                "new accuracy minus fresh, 95 % (bootstrap over questions)": bootstrap(
                    [
                        (i, right(rows[i], t) - (sum(good[i]) - good[i][d]) / (draws - 1))
                        for i, d, t in after
                    ]
                ),
            }
    return out


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
                verdict = (await grader.grade(question, data.golds[question.id], answer)).strict
                k += verdict.outcome == "correct"
                unscored += verdict.outcome == "unscored"
            await grader.close()
        n = len(answers)
        out[name] = {"n": n, "accuracy": k / n, "interval": wilson(k, n), "unscored": unscored / n}
    return out


async def evaluate(arguments: argparse.Namespace) -> None:
    """Evaluates and writes the figures."""
    model = PocketModel(arguments.checkpoint)
    result = {"olympiad": await olympiad(model, arguments.draws), **(await small_sets(model))}
    await model.close()
    text = json.dumps(result, indent=1)
    if arguments.out:
        arguments.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--draws", type=int, default=6)
    parser.add_argument("--out", type=Path)
    asyncio.run(evaluate(parser.parse_args()))
