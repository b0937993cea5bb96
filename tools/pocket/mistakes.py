"""Lets a checkpoint answer fresh training problems and keeps what it said, right or wrong.

    python tools/pocket/mistakes.py --checkpoint FOLDER --out FILE.jsonl [--problems 8000]

The third phase of the training shows pocket its own answers, so that it learns to reconsider the
mistakes it really makes. Problems of the test set are left out as everywhere in the stream.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2])]

import phrases  # noqa: E402
import problems  # noqa: E402
from evaluate import ask, boxed, canonical  # noqa: E402

from heartloop.models.pocket import PocketModel  # noqa: E402
from heartloop.practice._random import Rng  # noqa: E402

PROBLEMS = 8000
"""How many are asked."""


async def collect(checkpoint: Path, out: Path, count: int) -> None:
    """Draws one answer to each problem at T = 0.9 and writes prompt, answer, truth."""
    model = PocketModel(checkpoint)
    asked = []
    for i in range(count):
        r = Rng(f"mistakes/{i}")
        found, seed = problems.problem(r)
        text = problems.ask(r, found.question, phrases.INSTRUCTIONS, phrases.FORMATS)
        asked.append((text, found, seed))
    answers = await asyncio.gather(
        *(
            ask(model, [text], i, temperature=0.9, tokens=160)
            for i, (text, _, _) in enumerate(asked)
        )
    )
    await model.close()
    with out.open("w") as file:
        for (text, found, seed), answer in zip(asked, answers, strict=True):
            said = boxed(answer.text)
            truth = ",".join(found.answers)
            record = {
                "question": text,
                "said": answer.text,
                "right": said is not None and canonical(said) == canonical(truth),
                "family": found.family,
                "seed": seed,
            }
            file.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--problems", type=int, default=PROBLEMS)
    arguments = parser.parse_args()
    asyncio.run(collect(arguments.checkpoint, arguments.out, arguments.problems))
