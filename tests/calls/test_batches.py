"""Batches: one for what is asked together, found again by their ids, errors as those of calls."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from heartloop.calls.batches import Batched
from heartloop.calls.keys import call_key
from heartloop.errors import CallError, UsageError
from heartloop.models import ModelOptions
from heartloop.models.batch_shapes import shape_of
from heartloop.types import Address, Message, Request, Sampling
from tests.batch_server import BatchServer, chat_reply, message_reply

SPECS = ("server/m", "anthropic/claude-x")


@pytest.fixture
def batch_server() -> Iterator[Any]:
    """Makes servers; all are stopped."""
    made: list[BatchServer] = []

    def start(reply: Any, looks: int = 1) -> BatchServer:
        made.append(BatchServer(reply, looks))
        return made[-1]

    yield start
    for server in made:
        server.close()


def model(spec: str, server: BatchServer, folder: Path) -> Batched:
    options = ModelOptions(base_urls=(server.url,), api_key="k" * 12)
    return Batched(spec, shape_of(spec, options), folder, quiet=0.05, poll=(0.01, 0.05))


def request(number: int, text: str = "", **sampling: Any) -> Request:
    messages = (Message("system", "Be brief."), Message("user", text or f"Question {number}"))
    place = Address("t", str(number), "m", 0, 0)
    return Request(place, messages, Sampling(max_tokens=9, **sampling))


def replying(spec: str) -> Any:
    say = chat_reply if spec.startswith("server") else message_reply
    return lambda body: say(f"to {body['messages'][-1]['content']}")


@pytest.mark.parametrize("spec", SPECS)
def test_what_is_asked_together_is_one_batch(batch_server: Any, tmp_path: Path, spec: str) -> None:
    server = batch_server(replying(spec), looks=2)

    async def work() -> Any:
        batched = model(spec, server, tmp_path)
        first = await asyncio.gather(*(batched.complete(request(i)) for i in range(20)))
        second = await batched.complete(request(20, stop=("END",), temperature=0.5))
        await batched.close()
        return first, second

    first, second = asyncio.run(work())
    assert [c.text for c in first] == [f"to Question {i}" for i in range(20)]
    assert [len(rows) for rows in server.batches.values()] == [20, 1]
    assert first[0].usage.total == 15 and first[0].finish_reason == "stop"
    body = server.asked[-1]
    if spec == SPECS[0]:
        assert [m["role"] for m in body["messages"]] == ["system", "user"]
        assert (body["max_tokens"], body["stop"]) == (9, ["END"])
        assert server.headers[0]["Authorization"] == "Bearer " + "k" * 12
    else:
        assert body["system"] == "Be brief." and len(body["messages"]) == 1
        assert body["stop_sequences"] == ["END"] and body["temperature"] == 0.5
        assert server.headers[0]["x-api-key"] == "k" * 12
        assert first[0].reasoning == "hm" and first[0].usage.cached == 3


@pytest.mark.parametrize("spec", SPECS)
def test_a_session_that_ends_leaves_its_batch_to_the_next(
    batch_server: Any, tmp_path: Path, spec: str
) -> None:
    server = batch_server(replying(spec), looks=10**9)

    async def work(giving_up: bool) -> Any:
        batched = model(spec, server, tmp_path)
        calls = asyncio.gather(
            *(batched.complete(request(i)) for i in range(3)), return_exceptions=True
        )
        if giving_up:
            while not (tmp_path / "batches.jsonl").exists():
                await asyncio.sleep(0.01)
            calls.cancel()
        done = await asyncio.gather(calls, return_exceptions=True)
        await batched.close()
        return done[0]

    asyncio.run(work(True))
    server.looks = 0
    with (tmp_path / "batches.jsonl").open("ab") as file:
        foreign = {"batch": "../../models", "model": spec, "requests": [call_key(request(0))]}
        file.write(json.dumps(foreign).encode() + b'\n{"batch": "torn')
    answers = asyncio.run(work(False))
    assert [c.text for c in answers] == [f"to Question {i}" for i in range(3)]
    assert len(server.batches) == 1


@pytest.mark.parametrize("spec", SPECS)
def test_an_error_is_that_requests_own(batch_server: Any, tmp_path: Path, spec: str) -> None:
    def reply(body: dict[str, Any]) -> Any:
        said = body["messages"][-1]["content"]
        if "1" in said:
            error = {"type": "invalid_request_error", "message": "prompt is too long: 9 tokens"}
            return 400, {"error": error}
        return replying(spec)(body)

    server = batch_server(reply)

    async def work() -> Any:
        batched = model(spec, server, tmp_path)
        work = [batched.complete(request(i)) for i in range(3)]
        found = asyncio.gather(*work, return_exceptions=True)
        while not server.batches:
            await asyncio.sleep(0.01)
        server.expire = {server.batches["batch_0"][2][0]}
        first = await found
        server.expire = set()
        again = await batched.complete(request(2))  # what expired is asked in another batch
        await batched.close()
        return first, again

    (good, wrong, late), again = asyncio.run(work())
    assert good.text == "to Question 0" and again.text == "to Question 2"
    assert isinstance(wrong, CallError) and not wrong.retryable and "too long" in str(wrong)
    assert isinstance(late, CallError) and (late.kind, late.retryable) == ("expired", True)
    assert [len(rows) for rows in server.batches.values()] == [3, 1]


def test_a_batch_that_fails_as_a_whole_says_why(batch_server: Any, tmp_path: Path) -> None:
    server = batch_server(replying(SPECS[0]))
    server.failed = "the model does not take batches"

    async def work() -> Any:
        batched = model(SPECS[0], server, tmp_path)
        try:
            return await asyncio.gather(batched.complete(request(0)), return_exceptions=True)
        finally:
            await batched.close()

    (error,) = asyncio.run(work())
    assert isinstance(error, CallError) and "does not take batches" in str(error)


def test_what_an_endpoint_cannot_be_told_is_refused(batch_server: Any, tmp_path: Path) -> None:
    server = batch_server(replying(SPECS[1]))

    async def work() -> None:
        await model(SPECS[1], server, tmp_path).complete(request(0, logprobs=True))

    with pytest.raises(CallError, match="logprobs: the messages API has no such field"):
        asyncio.run(work())
    with pytest.raises(UsageError, match="pocket has no batch endpoint"):
        shape_of("pocket", ModelOptions())
    with pytest.raises(UsageError, match="needs its key in OPENAI_API_KEY"):
        shape_of("openai/gpt", ModelOptions(api_key=""))


def test_known_prices_are_halved_and_those_of_the_user_stand() -> None:
    from heartloop.calls import Price, price_of
    from heartloop.run.clients import tested_price
    from heartloop.run.plan import Plan

    name = "openai/gpt-4o-mini"
    plan = Plan((), (name,), (), server={"batch": True})
    known = price_of(name)
    if known is None:
        pytest.skip("litellm, whose price list is read, is not installed")
    half = tested_price(plan, name, {})
    assert half is not None and half.prompt == known.prompt / 2
    assert half.completion == known.completion / 2
    assert tested_price(plan, name, {name: Price(1.0, 2.0)}) == Price(1.0, 2.0)
    assert tested_price(Plan((), (name,), ()), name, {}) == known


def test_a_killed_run_goes_on_with_its_batches(batch_server: Any, tmp_path: Path) -> None:
    server = batch_server(lambda body: chat_reply("\\boxed{4}"), looks=10**9)
    (tmp_path / "mine.csv").write_text("question,answer\nWhat is 2 + 2?,4\nWhat is 3 + 3?,6\n")
    heartloop = [sys.executable, "-m", "heartloop"]
    run = [
        *heartloop, "run", "--task", "mine.csv", "--method", "heart", "--rounds", "1", "--batch",
        "--controls", "lean", "--model", "server/m", "--base-url", server.url, "--name", "r",
        "--json",
    ]  # fmt: skip
    environment = {**os.environ, "HEARTLOOP_API_KEY": "k" * 12}
    with subprocess.Popen(
        run, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        for _ in range(600):
            if (tmp_path / "runs/r/batches.jsonl").exists():
                break
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert [len(rows) for rows in server.batches.values()] == [4]  # single and again, 2 questions
    server.looks = 0
    done = subprocess.run(
        [*heartloop, "resume", "r", "--json"],
        cwd=tmp_path, capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["paid"]["calls"] == 5
    # the loop's second round, of the question that was wrong: one more batch of one
    assert [len(rows) for rows in server.batches.values()] == [4, 1]
