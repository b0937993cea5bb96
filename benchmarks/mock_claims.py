"""A server with planted effects on content, on form, and on content by task.

    python benchmarks/mock_claims.py --plant plant.json [--seed 0]    prints "listening PORT"

Questions read "Problem 00017 of TASK: what is it?" and their answer is 1017. ``plant.json`` has

    {"ability": 0.5, "spread": 0.3, "coupling": 0.5, "form": 1.0,
     "cues": {"a text in the prompt": {"content": 0.08, "form": 0.6, "tasks": {"TASK": -0.1}}},
     "words": {"a text in the prompt, or the model": 300},
     "replies": {"a text in the prompt": "a whole answer"}}

An answer is right with probability ability + spread × (the question's own, even in [-1, 1]) + the
content of the cues in its prompt + what they do in its task. In the asked form (a bare number) it
is with probability form × that of the cues; else it is a sentence that holds the number. With
probability coupling the luck of a question depends on question and seed alone, so that arms succeed
and fail together. ``words`` puts so many words before the answer, in a box. Nothing is random: all
draws are hashes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import socket
import struct
from pathlib import Path
from typing import Any

from aiohttp import web

QUESTION = re.compile(r"Problem (\d+) of (\w+)")


def draws(*parts: object) -> tuple[float, ...]:
    """Eight independent numbers in [0, 1), fixed by the parts."""
    digest = hashlib.blake2b(repr(parts).encode()).digest()[:32]
    return tuple(word / 2**32 for word in struct.unpack("<8I", digest))


def planted(plant: dict[str, Any], seed: int, prompt: str) -> tuple[float, float]:
    """Chance of a right answer and of the asked form, for one prompt."""
    number, task = QUESTION.search(prompt).groups()  # type: ignore[union-attr]
    own = 2 * draws("ease", seed, number, task)[0] - 1
    chance = plant.get("ability", 0.5) + plant.get("spread", 0.0) * own
    form = plant.get("form", 1.0)
    for cue, effect in plant.get("cues", {}).items():
        if cue in prompt:
            chance += effect.get("content", 0.0) + effect.get("tasks", {}).get(task, 0.0)
            form *= effect.get("form", 1.0)
    return min(1.0, max(0.0, chance)), form


def answer(
    plant: dict[str, Any], seed: int, prompt: str, request_seed: object, model: str = ""
) -> str:
    """One answer."""
    found = QUESTION.search(prompt)
    if found is None:
        return "4"
    number, task = found.groups()
    chance, form = planted(plant, seed, prompt)
    luck, kept, other, *_ = draws(
        "own", seed, hashlib.sha256(prompt.encode()).digest(), request_seed
    )
    together, same, *_ = draws("together", seed, number, task, request_seed)
    if together < plant.get("coupling", 0.0):
        luck = same
    for cue, text in plant.get("replies", {}).items():
        if cue in prompt:
            return str(text)
    value = 1000 + int(number) + (0 if luck < chance else 3)
    for cue, words in plant.get("words", {}).items():
        if cue in prompt or cue == model:
            value += int(9 * other) * (luck >= chance)  # wrong answers differ, as real ones do
            return "word " * words + f"\\boxed{{{value}}}"
    return str(value) if kept < form else f"I would say that the answer is {value}."


def serve(plant: dict[str, Any], seed: int, port: int) -> None:
    """Answer chat completions on 127.0.0.1 until the process is ended."""

    async def complete(request: web.Request) -> web.Response:
        body = await request.json()
        prompt = "\n".join(str(m["content"]) for m in body["messages"])
        text = answer(plant, seed, prompt, body.get("seed"), body["model"])
        usage = {"prompt_tokens": len(prompt) // 4 + 1, "completion_tokens": len(text) // 4 + 1}
        usage["total_tokens"] = sum(usage.values())
        choice = {
            "index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text},
        }  # fmt: skip
        return web.json_response(
            {"id": "x", "object": "chat.completion", "model": body["model"], "choices": [choice],
             "usage": usage}
        )  # fmt: skip

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "mock", "object": "model"}]})

    app = web.Application()
    app.add_routes([web.post("/v1/chat/completions", complete), web.get("/v1/models", models)])

    listener = socket.create_server(("127.0.0.1", port))
    print(f"listening {listener.getsockname()[1]}", flush=True)
    web.run_app(app, sock=listener, print=None, handle_signals=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--plant", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    serve(json.loads(options.plant.read_text()), options.seed, options.port)


if __name__ == "__main__":
    main()
