"""Trains pocket from nothing on generated conversations, on a CPU.

    python tools/pocket/train.py --out FOLDER [--minutes 75] [--threads 1] [--seed 0]

The folder becomes a Hugging Face checkpoint, rewritten every few minutes, with ``loss.jsonl``
beside it (step, seconds, tokens seen, mean loss a token since the last line).
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2])]

import stream  # noqa: E402
import tokens  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from network import Network, Shape, load, save  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

BUCKET = 512
"""Conversations that are sorted by length together, so that a batch holds little padding."""


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
    tokenizer: Tokenizer, seed: int, budget: int, context: int, phase: str
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Endless batches (ids, labels) of about ``budget`` tokens; labels are -1 where not counted."""
    order = stream.Rng(f"order/{seed}")
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
            labels = torch.full((len(group), length), -1, dtype=torch.long)
            for i, (row, counts) in enumerate(group):
                ids[i, : len(row)] = torch.tensor(row)
                labels[i, : len(row)] = torch.where(
                    torch.tensor(counts), ids[i, : len(row)], torch.tensor(-1)
                )
            yield ids[:, :-1], labels[:, 1:]


def main() -> None:
    """Runs the training."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=75)
    parser.add_argument("--steps", type=int, default=10**9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--budget", type=int, default=4096)
    parser.add_argument("--lr", type=float, default=2.5e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--phase", choices=list(stream.PHASES), default="skills")
    parser.add_argument("--mistakes", type=Path, help="what mistakes.py wrote; phase feedback")
    parser.add_argument("--init", type=Path, help="folder of a checkpoint to go on from")
    parser.add_argument("--save-every", type=float, default=4, help="minutes")
    arguments = parser.parse_args()
    if arguments.mistakes:
        stream.MISTAKES += map(json.loads, arguments.mistakes.read_text().splitlines())
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    if arguments.init:
        arguments.out.mkdir(parents=True, exist_ok=True)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(arguments.init / name, arguments.out / name)
    if not (arguments.out / "tokenizer.json").exists():
        tokens.train(arguments.out)
    tokenizer = Tokenizer.from_file(str(arguments.out / "tokenizer.json"))
    network = Network(Shape(vocabulary=tokens.VOCABULARY))
    if arguments.init:
        load(network, arguments.init)
    matrices = [p for n, p in network.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in network.named_parameters() if p.ndim != 2 or "embed" in n]
    # Muon (Jordan et al. 2024) for the matrices, AdamW for embeddings and norms.
    optimizers = [
        torch.optim.Muon(
            matrices, lr=arguments.lr, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"
        ),
        torch.optim.AdamW(others, lr=arguments.lr, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    log = (arguments.out / "loss.jsonl").open("w")
    start = saved = time.monotonic()
    seen, total, count = 0, 0.0, 0
    source = batches(
        tokenizer, arguments.seed, arguments.budget, network.s.context, arguments.phase
    )
    hidden = torch.compile(network.hidden, dynamic=True)
    for step, (ids, labels) in enumerate(source):
        elapsed = time.monotonic() - start
        done = max(elapsed / (60 * arguments.minutes), step / arguments.steps)
        scale = min(1.0, (step + 1) / 150) * (
            0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(done, 1)))
        )
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = arguments.lr * scale
        with torch.autocast("cpu", dtype=torch.bfloat16):
            states = hidden(ids)
            chosen = labels >= 0
            logits = states[chosen] @ network.embed.weight.T
        loss = F.cross_entropy(logits.float(), labels[chosen])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        seen += ids.numel()
        total += loss.item() * int(chosen.sum())
        count += int(chosen.sum())
        if step % 50 == 49 or done >= 1:
            line = {
                "step": step + 1,
                "seconds": round(elapsed, 1),
                "tokens": seen,
                "loss": round(total / max(count, 1), 4),
            }
            log.write(json.dumps(line) + "\n")
            log.flush()
            total, count = 0.0, 0
        if time.monotonic() - saved > 60 * arguments.save_every or done >= 1:
            save(network, arguments.out)
            saved = time.monotonic()
        if done >= 1:
            break


if __name__ == "__main__":
    main()
