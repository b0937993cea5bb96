"""Trains pocket from nothing on generated conversations, on one CPU thread: the whole recipe.

    python tools/pocket/train.py --out FOLDER [--seed 0]

The folder becomes a Hugging Face checkpoint, rewritten every few minutes, with ``loss.jsonl``
beside it (phase, step, seconds, tokens seen, mean loss a token since the last line) and, from the
third phase on, ``mistakes.jsonl``. Schedule and phases follow the tokens seen, never the clock,
so that a slow machine trains the same model, only later.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2])]

import mistakes  # noqa: E402
import stream  # noqa: E402
import tokens  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from network import Network, Shape, save  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

from heartloop.practice._random import Rng  # noqa: E402

BUCKET = 512
"""Conversations that are sorted by length together, so that a batch holds little padding."""
PLAN = (("skills", 9.1e6), ("conversation", 7.8e6), ("feedback", 9.1e6), ("verdict", 2.6e6))
"""The phases of the training and the tokens of each, padding counted."""
LAST = PLAN[-1][1]
MAIN = sum(tokens for _, tokens in PLAN) - LAST
RATE, LAST_RATE = 2.5e-3, 8e-4
"""Highest learning rates: of the first three phases, and of the last one."""


def encode(tokenizer: Tokenizer, turns: list[stream.Turn]) -> tuple[list[int], list[bool]]:
    """Token ids of a conversation, and which of them the loss counts."""
    ids: list[int] = []
    counts: list[bool] = []
    for role, content, counted in turns:
        text = tokenizer.encode(content).ids
        ids += [tokenizer.token_to_id(f"<|{role}|>"), *text, 0]
        counts += [False, *[counted] * (len(text) + 1)]
    return ids, counts


def batches(
    tokenizer: Tokenizer, seed: str, budget: int, context: int, phase: str
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Endless batches (inputs, next tokens, counted) of about ``budget`` tokens."""
    order = Rng(f"order/{seed}")
    number = 0
    while True:
        rows = []
        for _ in range(BUCKET):
            rows.append(encode(tokenizer, stream.conversation(f"{seed}/{number}", phase)))
            number += 1
        rows = sorted((row for row in rows if len(row[0]) <= context), key=lambda row: len(row[0]))
        groups: list[list[tuple[list[int], list[bool]]]] = [[]]
        for row in rows:
            if groups[-1] and len(row[0]) * (len(groups[-1]) + 1) > budget:
                groups.append([])
            groups[-1].append(row)
        for group in order.shuffled(groups):
            length = max(len(row[0]) for row in group)
            ids = torch.zeros(len(group), length, dtype=torch.long)
            counted = torch.zeros(len(group), length, dtype=torch.bool)
            for i, (row, counts) in enumerate(group):
                ids[i, : len(row)] = torch.tensor(row)
                counted[i, : len(row)] = torch.tensor(counts)
            yield ids[:, :-1], ids[:, 1:], counted[:, 1:]


def rate(seen: float, step: int) -> float:
    """Learning rate after so many tokens and steps: a warm-up and two cosines."""
    done, top = (seen / MAIN, RATE) if seen < MAIN else ((seen - MAIN) / LAST, LAST_RATE)
    return top * min(1.0, step / 150) * (0.02 + 0.49 * (1 + math.cos(math.pi * min(1.0, done))))


def optimizers_of(network: Network) -> list[torch.optim.Optimizer]:
    """Muon (Jordan et al. 2024) for the matrices, AdamW for embeddings and norms."""
    matrices = [p for n, p in network.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in network.named_parameters() if p.ndim != 2 or "embed" in n]
    return [
        torch.optim.Muon(matrices, lr=RATE, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=RATE, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def main() -> None:
    """Runs the training."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--budget", type=int, default=4096, help="tokens of a batch")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    out = arguments.out
    if (out / "model.safetensors").exists():
        parser.error(f"--out {out}: holds a checkpoint already; choose another folder")
    if not (out / "tokenizer.json").exists():
        tokens.train(out)
    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    network = Network(Shape(vocabulary=tokens.VOCABULARY))
    optimizers = optimizers_of(network)
    hidden = torch.compile(network.hidden, dynamic=True)
    log = (out / "loss.jsonl").open("w")
    start = time.monotonic()
    step = seen = count = 0
    total, end = 0.0, 0.0
    for phase, share in PLAN:
        end += share
        if phase in ("feedback", "verdict"):
            save(network, out)
            asyncio.run(mistakes.collect(out, out / "mistakes.jsonl", mistakes.PROBLEMS))
            records = (out / "mistakes.jsonl").read_text().splitlines()
            stream.MISTAKES[:] = map(json.loads, records)
        if phase == "verdict":  # goes on from the weights as they are saved
            for p in network.parameters():
                p.data.copy_(p.data.bfloat16())
            optimizers = optimizers_of(network)
        source = batches(
            tokenizer, f"{arguments.seed}/{phase}", arguments.budget, network.s.context, phase
        )
        while seen < end:
            ids, following, counted = next(source)
            step += 1
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = rate(seen, step)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = hidden(ids)[counted] @ network.embed.weight.T
            loss = F.cross_entropy(logits.float(), following[counted])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            seen += ids.numel()
            total += loss.item() * len(logits)
            count += len(logits)
            if step % 50 == 0:
                line = {
                    "phase": phase,
                    "step": step,
                    "seconds": round(time.monotonic() - start, 1),
                    "tokens": seen,
                    "loss": round(total / count, 4),
                }
                log.write(json.dumps(line) + "\n")
                log.flush()
                total, count = 0.0, 0
            if step % 500 == 0:
                save(network, out)
    save(network, out)


if __name__ == "__main__":
    main()
