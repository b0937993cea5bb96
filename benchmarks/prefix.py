"""How much of what is sent a prefix cache could keep, and how much the real vLLM does keep.

    python benchmarks/prefix.py RUN                       what the layout of a run allows
    python benchmarks/prefix.py RUN --vllm MODEL_FOLDER   the same conversations through vLLM

The first counts characters of leading messages: those that an earlier prompt of the run began with
(reached), against what any order of the same prompts could share (best possible). The second sends
the run's conversations to a fresh vLLM server twice over: as heartloop lays them out, and with the
newest turn first, as a prompt template that states the task last would; and reads the server's own
prefix-cache counters. HEARTLOOP_VLLM_PYTHON names the interpreter that has vLLM.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import urllib.request
from pathlib import Path

from heartloop.calls import Journal
from heartloop.models import ModelOptions
from heartloop.models.http import HttpModel
from heartloop.serving.vllm import Fleet
from heartloop.types import Address, Message, Request, Sampling

Conversation = tuple[Message, ...]


def conversations(run: Path) -> list[Conversation]:
    """Every conversation of a run, in the order in which it was asked."""
    with Journal.open(run, read_only=True) as journal:
        records = [(r["started"], r["key"]) for r in journal.records() if not r["error"]]
        return [journal.messages_of(key) for _, key in sorted(records)]


def shares(asked: list[Conversation]) -> tuple[float, float]:
    """Share of prompt characters in leading messages that came before: reached, best possible."""
    seen: set[Conversation] = set()
    total = reached = 0
    nodes: dict[Conversation, int] = {}
    for conversation in asked:
        total += sum(len(m.content) for m in conversation)
        for end in range(len(conversation), 0, -1):
            if conversation[:end] in seen:
                reached += sum(len(m.content) for m in conversation[:end])
                break
        for end in range(1, len(conversation) + 1):
            seen.add(conversation[:end])
            nodes[conversation[:end]] = len(conversation[end - 1].content)
    return reached / total, 1 - sum(nodes.values()) / total


def newest_first(conversation: Conversation) -> Conversation:
    """The same content in one message, the newest turn first."""
    parts = [f"{m.role}: {m.content}" for m in reversed(conversation)]
    return (Message("user", "\n\n".join(parts)),)


def counters(url: str) -> tuple[float, float]:
    """Prefix-cache hits and queries, in tokens, as vLLM counts them."""
    with urllib.request.urlopen(url.removesuffix("/v1") + "/metrics", timeout=30) as answer:
        text = answer.read().decode()
    found = []
    for name in ("hits", "queries"):
        values = re.findall(
            rf"^vllm:(?:gpu_)?prefix_cache_{name}_total{{[^}}]*}} (\S+)", text, re.M
        )
        found.append(sum(map(float, values)))
    return found[0], found[1]


async def through_vllm(model: str, asked: list[Conversation]) -> float:
    """Hit rate of a fresh server that is sent the conversations, 16 at once, one new token each."""
    fleet = Fleet(model, arguments=["--enforce-eager", "--max-num-batched-tokens", "65536"])
    await fleet.start()
    url = fleet.servers[0].base_url
    http = HttpModel("vllm/x", model, ModelOptions(base_urls=(url,), request_seeds="off"))
    gate = asyncio.Semaphore(16)

    async def send(i: int, conversation: Conversation) -> None:
        async with gate:
            address = Address("prefix", str(i), "vllm/x", 0, 0)
            await http.complete(Request(address, conversation, Sampling(max_tokens=1)))

    try:
        await asyncio.gather(*(send(i, c) for i, c in enumerate(asked)))
        hits, queries = counters(url)
    finally:
        await http.close()
        await fleet.close()
    return hits / queries


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--vllm", metavar="MODEL_FOLDER")
    parser.add_argument("--most", type=int, default=2000, help="conversations sent to vLLM")
    options = parser.parse_args()
    asked = conversations(options.run)
    reached, best = shares(asked)
    print(f"{len(asked)} prompts")
    print(f"characters in leading messages seen before: {reached:.1%}; best possible {best:.1%}; "
          f"reached {reached / best:.1%} of it")  # fmt: skip
    if options.vllm:
        some = asked[: options.most]
        for name, sent in (
            ("heartloop's layout", some),
            ("newest turn first", [newest_first(c) for c in some]),
        ):
            rate = asyncio.run(through_vllm(options.vllm, sent))
            print(f"vLLM prefix-cache hits / queries, {len(sent)} prompts, {name}: {rate:.1%}")


if __name__ == "__main__":
    main()
