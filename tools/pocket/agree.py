"""Compares pocket in numpy, transformers and vLLM: greedy outputs, and answers drawn at T = 0.7.

    python tools/pocket/agree.py [--checkpoint FOLDER] [--base-url http://127.0.0.1:8000/v1]

Without ``--base-url`` only the first two are compared. The server must serve the same folder under
the name ``pocket`` in float32.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2])]

import numpy as np  # noqa: E402
import stream  # noqa: E402
from evaluate import boxed  # noqa: E402

from heartloop import practice  # noqa: E402
from heartloop.models import ModelOptions  # noqa: E402
from heartloop.models.hf import HFModel  # noqa: E402
from heartloop.models.http import HttpModel  # noqa: E402
from heartloop.models.pocket import CHECKPOINT, PocketModel, _network  # noqa: E402
from heartloop.types import Address, Message, Request, Sampling  # noqa: E402

NEAR = 1e-3
"""Nats between the two likeliest tokens below which a difference counts as a near tie."""


def conversations(n: int) -> list[tuple[Message, ...]]:
    """Prompts: practice questions, multi-turn conversations of the stream, odd texts."""
    out = []
    for row in practice.rows("olympiad")[: n // 2]:
        out.append((Message("user", f"Solve the problem.\n\n{row['question']}"),))
    number = 0
    while len(out) < n - 10:
        turns = stream.conversation(f"agree/{number}")[:-1]
        number += 1
        out.append(tuple(Message(role, text) for role, text, _ in turns))  # type: ignore[arg-type]
    odd = (
        "Привет, как дела?",
        "日本語 😀",
        "<b>x</b>",
        "a" * 400,
        "\\int_0^1 x dx",
        "?",
        "12 34 56",
    )
    out += [(Message("user", text),) for text in odd]
    while len(out) < n:
        out.append((Message("user", "word " * 150 * (n - len(out))),))
    return out


def gap(model: PocketModel, messages: tuple[Message, ...], first: str, second: str) -> float:
    """Nats between the two likeliest next tokens where two texts part."""
    a, b = model.tokenizer.encode(first), model.tokenizer.encode(second)
    same = next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )
    ids = model.prompt_ids(messages) + a[:same]
    cache = _network.Cache(model._weights, 1, len(ids))
    scores = _network.logits(
        model._weights, _network.prefill(model._weights, cache, 0, ids, 0)[-1:]
    )[0]
    top = np.sort(scores)[-2:]
    return float(top[1] - top[0])


async def compare(arguments: argparse.Namespace) -> None:
    """Prints the comparison as JSON."""
    folder = arguments.checkpoint or CHECKPOINT
    pocket = PocketModel(folder)
    others: dict[str, Any] = {"transformers": HFModel(f"hf/{folder}", str(folder))}
    if arguments.base_url:
        options = ModelOptions(base_urls=(arguments.base_url,))
        others["vllm"] = HttpModel("server/pocket", "pocket", options)
    address = Address("agree", "-", "-", 0, 0)
    prompts = conversations(arguments.prompts)

    async def answers(model: Any, temperature: float, which: list[Any]) -> list[tuple[str, int]]:
        """Text and number of tokens (the end token counted) of each answer."""
        sampling = Sampling(temperature=temperature, max_tokens=96)
        limit = asyncio.Semaphore(32)

        async def one(messages: Any) -> tuple[str, int]:
            async with limit:
                done = await model.complete(Request(address, messages, sampling))
                return done.text.strip(), done.usage.completion

        return list(await asyncio.gather(*map(one, which)))

    report: dict[str, Any] = {"prompts": len(prompts)}
    base = await answers(pocket, 0.0, prompts)
    chosen = [prompts[i] for i in range(0, 26, 2)]
    drawn_base = await answers(pocket, 0.7, [m for m in chosen for _ in range(60)])
    for name, model in others.items():
        texts = await answers(model, 0.0, prompts)
        differ = [i for i, (a, b) in enumerate(zip(base, texts, strict=True)) if a != b]
        gaps = {i: gap(pocket, prompts[i], base[i][0], texts[i][0]) for i in differ}
        drawn = await answers(model, 0.7, [m for m in chosen for _ in range(60)])
        report[name] = {
            "greedy equal in text and number of tokens": len(prompts) - len(differ),
            "differences": {
                i: {"gap": g, "near tie": g < NEAR, "pocket": base[i], name: texts[i]}
                for i, g in gaps.items()
            },
            **distribution([t for t, _ in drawn_base], [t for t, _ in drawn], 60),
        }
        await model.close()
    await pocket.close()
    print(json.dumps(report, indent=1, ensure_ascii=False))


def distribution(first: list[str], second: list[str], draws: int) -> dict[str, float]:
    """Two-sample permutation test on the answers drawn for each prompt.

    The statistic is the summed total variation distance between the two samples' answers; the
    permutation shuffles which sample an answer came from, prompt by prompt.
    """
    a, b = [boxed(t) or t for t in first], [boxed(t) or t for t in second]
    groups = [(a[i : i + draws], b[i : i + draws]) for i in range(0, len(a), draws)]

    def distance(pairs: list[tuple[list[str], list[str]]]) -> float:
        total = 0.0
        for x, y in pairs:
            p, q = Counter(x), Counter(y)
            total += sum(abs(p[k] - q[k]) for k in {*p, *q}) / (2 * draws)
        return total / len(pairs)

    seen = distance(groups)
    rng = np.random.default_rng(0)
    above = 0
    for _ in range(999):
        shuffled = []
        for x, y in groups:
            pool = list(rng.permutation(np.array([*x, *y], dtype=object)))
            shuffled.append((pool[:draws], pool[draws:]))
        above += distance(shuffled) >= seen
    return {"sampled distance": seen, "sampled p": (above + 1) / 1000}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--base-url")
    parser.add_argument("--prompts", type=int, default=200)
    asyncio.run(compare(parser.parse_args()))
