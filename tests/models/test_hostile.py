"""One question of every hostile mode; and thousands with a fifth of the replies hostile."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import hostile_server as hostile
import pytest

from heartloop.calls import Client, Journal, Limits, Patience, Retry
from heartloop.errors import CallError
from heartloop.models import ModelOptions, make_model
from heartloop.types import Address, Message, Request, Sampling

ROOT = Path(__file__).resolve().parents[2]
SAMPLING = Sampling(
    temperature=0.7, max_tokens=100, top_p=0.9, response_format={"type": "json_schema"}
)


def question(number: int = 4, *, system: bool = False) -> Request:
    messages = (Message("user", f"What is {number}"),)
    if system:
        messages = (Message("system", "Be brief."), *messages)
    return Request(Address("t", str(number), "server/m", 0, 0), messages, SAMPLING)


async def client_of(server: hostile.Hostile, journal: Journal) -> Client:
    model = make_model("server/m", ModelOptions(base_urls=(server.url,)))
    return Client(
        {"server/m": model},
        journal,
        limits=Limits(concurrency=64),
        retry=Retry(first=0.001, longest=0.01, longest_answered=0.01, longest_asked=0.01),
        patience=Patience(alike=10**6),
    )


@pytest.mark.parametrize("mode", hostile.MODES, ids=lambda m: f"{m.group}: {m.name}")
def test_every_mode_ends_as_the_table_says(mode: hostile.Mode, tmp_path: Path) -> None:
    async def main() -> None:
        server = hostile.Hostile(lambda body, nth: mode, keep=True)
        async with hostile.serving(server):
            with Journal.open(tmp_path) as journal:
                client = await client_of(server, journal)
                try:
                    said = await client.ask(question(system=mode.when == "system"))
                except CallError as error:
                    assert mode.outcome == hostile.ERROR and error.kind == mode.kind
                    assert len(server.bodies) <= 2
                    return
                finally:
                    notes = client.stats().notes
                    await client.close()
        assert mode.outcome != hostile.ERROR
        assert 0 <= said.usage.completion < 10**6 and 0 < said.usage.prompt < 10**6
        if mode.outcome == hostile.CUT:
            assert said.finish_reason == "length"
        elif mode.outcome == hostile.FILTERED:
            assert said.finish_reason == "content_filter"
        else:
            assert said.finish_reason == "stop"
            assert said.text.strip(" \n\ufffd") == "The answer is \\boxed{4}."
            assert "41" not in said.text
        assert said.attempts == 1 + (mode.outcome == hostile.AGAIN or "seed" in mode.name)
        if mode.group == "thinking":
            assert hostile.IDEA in (said.reasoning or "") and said.usage.reasoning > 0
        if mode.outcome == hostile.OTHERWISE:
            assert len(notes) == 1 and len(server.bodies) == 2
            assert said.sent or "seed" in mode.name

    asyncio.run(main())


def test_the_table_in_the_docs_is_that_of_the_server() -> None:
    page = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")
    assert hostile.table() in page, "python tests/hostile_server.py prints the table"


def test_with_a_fifth_of_all_replies_hostile_nothing_is_lost_or_asked_twice(tmp_path: Path) -> None:
    dice = random.Random(5)
    modes = [m for m in hostile.MODES if m.outcome in (hostile.KEPT, hostile.AGAIN)]

    async def main() -> None:
        server = hostile.Hostile(
            lambda body, nth: dice.choice(modes) if dice.random() < 0.2 else None
        )
        async with hostile.serving(server):
            with Journal.open(tmp_path) as journal:
                client = await client_of(server, journal)
                said = await asyncio.gather(*(client.ask(question(n)) for n in range(1500)))
                facts = client.facts()
                await client.close()
        assert [s.text.strip(" \n\ufffd") for s in said] == [
            f"The answer is \\boxed{{{n}}}." for n in range(1500)
        ]
        assert set(server.answers.values()) == {1} and len(server.answers) == 1500
        assert facts["calls"] == 1500 and facts["errors"] == 0
        assert facts["retries"] >= server.hostile[hostile.AGAIN] > 50

    asyncio.run(main())
