"""Several models in this process: at no time are two of them loaded, and each is asked in turn."""

from __future__ import annotations

import asyncio
import json

import pytest

from heartloop.errors import CallError, UsageError
from heartloop.models.in_turn import take_turns
from heartloop.run import clients
from heartloop.types import Address, Completion, Message, Request, Sampling

ASKED = Request(Address("t", "1", "m", 0, 0), (Message("user", "2+2?"),), Sampling())


class Loaded:
    """A stand-in for a model in this process; counts what is loaded at once."""

    alive: list[str] = []
    seen: list[list[str]] = []

    def __init__(self, name: str) -> None:
        self.name = name
        Loaded.alive.append(name)
        Loaded.seen.append(list(Loaded.alive))

    async def complete(self, request: Request) -> Completion:
        await asyncio.sleep(0.002)
        return Completion("\\boxed{4}")

    async def close(self) -> None:
        Loaded.alive.remove(self.name)


@pytest.fixture(autouse=True)
def nothing_loaded() -> None:
    Loaded.alive, Loaded.seen = [], []


def test_the_next_is_loaded_when_the_one_before_is_given_back_and_again_when_asked_again():
    async def story() -> None:
        a, b = take_turns(["hf/a", "hf/b"], Loaded).values()
        assert (a.wave, b.wave) == (0, 1)
        await a.check()
        await b.check()
        assert Loaded.alive == ["hf/a"]
        waiting = asyncio.create_task(b.complete(ASKED))
        await asyncio.gather(*(a.complete(ASKED) for _ in range(3)))
        assert Loaded.alive == ["hf/a"] and not waiting.done()
        await a.rest()
        await waiting
        assert Loaded.alive == ["hf/b"]
        again = asyncio.create_task(a.complete(ASKED))
        await b.rest()
        await again
        await b.close()
        await a.close()

    asyncio.run(story())
    assert Loaded.seen == [["hf/a"], ["hf/b"], ["hf/a"]]
    assert Loaded.alive == []


def test_one_that_waits_is_closed_without_ever_being_loaded():
    async def story() -> None:
        a, b = take_turns(["hf/a", "hf/b"], Loaded).values()
        await a.complete(ASKED)
        waiting = asyncio.create_task(b.complete(ASKED))
        await asyncio.sleep(0.01)
        await b.close()
        with pytest.raises((asyncio.CancelledError, CallError)):
            await waiting
        await a.close()

    asyncio.run(story())
    assert Loaded.seen == [["hf/a"]]


def test_what_is_missing_is_told_first_and_keeps_nobody_waiting():
    def missing(name: str) -> Loaded:
        if name == "hf/a":
            raise UsageError("--model hf/a: no such file")
        return Loaded(name)

    async def story() -> None:
        a, b = take_turns(["hf/a", "hf/b"], missing).values()
        with pytest.raises(UsageError, match="no such file"):
            await a.check()
        with pytest.raises(CallError, match="no such file"):
            await a.complete(ASKED)
        assert (await b.complete(ASKED)).text
        await b.close()

    asyncio.run(story())


def test_one_alone_takes_no_turns():
    assert take_turns(["hf/a"], Loaded) == {}


def test_a_run_over_two_models_in_this_process_is_one_run(tmp_path, monkeypatch, heartloop, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ta.csv").write_text("id,question,answer\n" + "q1,2+2?,4\nq2,3+3?,6\n")
    monkeypatch.setattr(clients, "make_model", lambda name, options=None: Loaded(name))
    heartloop(
        "run", "--task", "ta.csv", "--verifier", "math", "--rounds", "2", "--name", "t", "--yes",
        "--model", "hf/a,hf/b", "--json",
    )  # fmt: skip
    rows = json.loads(capsys.readouterr().out)["arms"]
    assert {row["model"] for row in rows} == {"hf/a", "hf/b"}
    assert all(row["error"] == 0 and row["n"] == 2 for row in rows)
    assert all(len(alive) == 1 for alive in Loaded.seen)
    assert Loaded.alive == []
