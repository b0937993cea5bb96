"""The server, asked over HTTP as clients ask it."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from heartloop.errors import UsageError
from heartloop.run.plan import Plan
from heartloop.serve.app import Where, serving
from heartloop.serve.names import Names

HELLO = [{"role": "user", "content": "What is 3 + 4?"}]


@asynccontextmanager
async def served(url: str, *, token: str | None = None, limits: Any = None, **more: Any) -> Any:
    names = Names(["server/m"], more.pop("file", None))
    plan = Plan(
        (), ("server/m",), (), server={"base_urls": [url], "request_seeds": "off"},
        limits=limits or {},
    )  # fmt: skip
    async with serving(names, plan, Where(token=token), **more) as (base, app):
        async with aiohttp.ClientSession() as session:

            async def ask(path: str = "/chat/completions", **body: Any) -> Any:
                headers = body.pop("headers", None)
                given = {"model": "m", "messages": HELLO, **body}
                async with session.post(base + path, json=given, headers=headers) as response:
                    return response, await response.text()

            yield ask, base, app


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    return asyncio.run(work())


def test_a_plain_name_passes_the_conversation_on_word_for_word(loopback: Any) -> None:
    upstream = loopback(lambda body: "seven")
    talk = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "system", "content": "Stay brief."},
        {"role": "user", "content": "What is 3 + 4?\n\nA:"},
    ]

    async def work() -> Any:
        async with served(upstream.url) as (ask, _, _app):
            return await ask(
                messages=talk, temperature=0.3, max_completion_tokens=9, seed=5, top_k=3, stop="\n"
            )

    response, text = run(work)
    said = json.loads(text)
    assert response.status == 200
    assert said["object"] == "chat.completion" and said["model"] == "m"
    assert said["choices"][0]["message"]["content"] == "seven"
    assert said["choices"][0]["finish_reason"] == "stop"
    assert said["usage"]["total_tokens"] == 15
    (_, _, body) = upstream.asked[0]
    assert body == {
        "model": "m",
        "messages": talk,
        "temperature": 0.3,
        "max_tokens": 9,
        "seed": 5,
        "top_k": 3,
        "stop": ["\n"],
    }


def test_names_add_words_and_loops_and_tell_what_they_took(loopback: Any) -> None:
    upstream = loopback(lambda body: "The answer is 7.")

    async def work() -> Any:
        async with served(upstream.url) as (ask, _, _app):
            words = await ask(model="m+EP02")
            calls_before = len(upstream.asked)
            loop = await ask(model="m+heart")
            loop_calls = len(upstream.asked) - calls_before
            votes = await ask(model="m+adaptive")
            return words, loop, loop_calls, votes

    (_, words), (response, loop), loop_calls, (_, votes) = run(work)
    assert json.loads(words)["choices"][0]["message"]["content"] == "The answer is 7."
    first = upstream.asked[0][2]["messages"][-1]["content"]
    assert first == "This is very important to my career.\n\nWhat is 3 + 4?"
    facts = json.loads(loop)["heartloop"]
    assert facts["calls"] == loop_calls == 7  # round 0, five rounds, the synthesis
    assert facts["rounds"] == 5
    assert json.loads(loop)["usage"]["total_tokens"] == 15 * 7 == facts["tokens"]
    assert response.headers["X-Heartloop-Calls"] == "7"
    facts = json.loads(votes)["heartloop"]
    assert facts["choices"][0]["stopped"] == "decided" and facts["calls"] < 16


def test_choices_are_draws_and_seeds_differ(loopback: Any) -> None:
    count = iter(range(100))
    upstream = loopback(lambda body: f"draw {next(count)}")

    async def work() -> Any:
        async with served(upstream.url) as (ask, _, _app):
            _, text = await ask(n=3, seed=5)
            for _ in range(2):  # two equal requests are two draws
                await ask()
            return text

    said = json.loads(run(work))
    assert len({c["message"]["content"] for c in said["choices"]}) == 3
    assert [c["index"] for c in said["choices"]] == [0, 1, 2]
    assert sorted(body["seed"] for _, _, body in upstream.asked[:3]) == [5, 6, 7]
    assert len(upstream.asked) == 5 and "seed" not in upstream.asked[-1][2]


def test_a_stream_holds_the_same_answer_and_ends(loopback: Any) -> None:
    upstream = loopback(lambda body: "seven")

    async def work() -> Any:
        async with served(upstream.url) as (ask, _, _app):
            return await ask(stream=True, stream_options={"include_usage": True})

    response, text = run(work)
    assert response.content_type == "text/event-stream"
    events = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(one) for one in events[:-1]]
    said = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"])
    assert said == "seven"
    assert [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]][-1] == "stop"
    assert chunks[-1]["usage"]["total_tokens"] == 15 and chunks[-1]["choices"] == []
    assert len({c["id"] for c in chunks}) == 1
    assert chunks[-2]["heartloop"]["calls"] == 1


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"model": "gpt-9"}, 404, "model 'gpt-9' is not served here"),
        ({"model": "m+EP99"}, 404, "unknown stimulus"),
        ({"model": "m+critique"}, 400, "second model"),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, 400, "the last message"),
        ({"messages": [{"role": "tool", "content": "x"}]}, 400, "'tool' is none of"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            400,
            "'image_url' are not passed on",
        ),
        ({"tools": [{"type": "function"}]}, 400, "tools: heartloop does not pass this on"),
        ({"logprobs": True}, 400, "logprobs"),
        ({"temperature": "hot"}, 400, "temperature: a number"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"stream": "yes"}, 400, "stream: true or false"),
        ({"n": 1000}, 400, "n: a whole number from 1 to 128"),
        ({"api_key": "sk-1234567890"}, 400, "a secret does not belong"),
    ],
)
def test_errors_have_the_apis_shape(loopback: Any, body: Any, status: int, words: str) -> None:
    upstream = loopback(lambda body: "no")

    async def work() -> Any:
        async with served(upstream.url) as (ask, _, _app):
            return await ask(**body)

    response, text = run(work)
    error = json.loads(text)["error"]
    assert response.status == status, text
    assert words in error["message"]
    assert set(error) == {"message", "type", "param", "code"}
    assert upstream.asked == []


@pytest.mark.parametrize(
    ("reply", "status", "kind"),
    [
        ((400, {"error": {"message": "max context length is 512 tokens"}}), 400, "context_length"),
        ((401, {"error": {"message": "bad key"}}), 502, "auth"),
        ((418, {"error": {"message": "teapot"}}), 502, "http_418"),
    ],
)
def test_what_the_models_server_refuses_is_passed_on(
    loopback: Any, reply: Any, status: int, kind: str
) -> None:
    upstream = loopback(lambda body: reply)

    async def work() -> Any:
        async with served(upstream.url) as (ask, _, _app):
            # More failures than a run would bear: the next request is tried all the same.
            return [await ask() for _ in range(25)][-1], len(upstream.asked)

    (response, text), asked = run(work)
    error = json.loads(text)["error"]
    assert (response.status, error["code"]) == (status, kind), text
    assert asked >= 25


def test_caps_hold_and_are_said_as_quota(loopback: Any) -> None:
    upstream = loopback(lambda body: "seven")

    async def work() -> Any:
        async with served(upstream.url, limits={"max_total_tokens": 100}) as (ask, _, _app):
            return [await ask(max_tokens=20) for _ in range(12)]

    answers = run(work)
    assert answers[0][0].status == 200
    response, text = answers[-1]
    assert response.status == 429
    error = json.loads(text)["error"]
    assert error["type"] == "insufficient_quota" and "--max-total-tokens" in error["message"]
    assert len(upstream.asked) * 15 <= 100


def test_doors_are_shut(loopback: Any) -> None:
    upstream = loopback(lambda body: "seven")
    with pytest.raises(UsageError, match="HEARTLOOP_SERVE_TOKEN"):
        Where("0.0.0.0")  # noqa: S104

    async def work() -> Any:
        async with served(upstream.url) as (ask, base, _app):
            page = await ask(headers={"Origin": "https://evil.example"})
            rebound = await ask(headers={"Host": "evil.example"})
            async with aiohttp.ClientSession() as session:
                async with session.post(base + "/chat/completions", data=b"{}") as form:
                    plain = form.status
                async with session.get(base + "/nothing") as nothing:
                    lost = await nothing.json()
        async with served(upstream.url, token="s3cret") as (ask, base, _app):  # noqa: S106
            none = await ask()
            wrong = await ask(headers={"Authorization": "Bearer s3cre"})
            right = await ask(headers={"Authorization": "Bearer s3cret"})
        return page, rebound, plain, lost, none, wrong, right

    page, rebound, plain, lost, none, wrong, right = run(work)
    assert (page[0].status, rebound[0].status, plain) == (403, 403, 415)
    assert "POST /v1/chat/completions" in lost["error"]["message"]
    assert (none[0].status, wrong[0].status, right[0].status) == (401, 401, 200)
    assert len(upstream.asked) == 1


def test_a_client_that_is_gone_cancels_what_it_asked_for(loopback: Any) -> None:
    release, asked = threading.Event(), threading.Event()

    def slow(body: Any) -> str:
        asked.set()
        release.wait(10)
        return "late"

    upstream = loopback(slow)

    async def gone(stream: bool) -> Any:
        async with served(upstream.url) as (ask, _, app):
            task = asyncio.ensure_future(ask(model="m+heart", stream=stream))
            while not asked.is_set():
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for _ in range(200):
                stats = app.client.stats()
                if stats.cancelled:
                    break
                await asyncio.sleep(0.01)
            return stats

    for stream in (False, True):
        asked.clear()
        stats = asyncio.run(gone(stream))
        assert stats.cancelled == 1 and stats.in_flight == 0
    release.set()


def test_after_a_restart_the_journal_answers(loopback: Any, tmp_path: Path) -> None:
    count = iter(range(100))
    upstream = loopback(lambda body: f"draw {next(count)}")

    async def work() -> Any:
        async with served(upstream.url, journal=tmp_path) as (ask, _, _app):
            found = [json.loads((await ask())[1]) for _ in range(2)]
            loop = json.loads((await ask(model="m+heart"))[1])
            return [one["choices"][0]["message"]["content"] for one in (*found, loop)], loop

    first, loop = run(work)
    paid = len(upstream.asked)
    again, same = run(work)
    assert first == again and len(set(first)) == 3
    assert loop["heartloop"]["from_journal"] == 1  # its first round is the plain answer
    assert same["heartloop"]["from_journal"] == 7
    assert len(upstream.asked) == paid == 2 + 6


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_killed_and_started_again_on_the_command_line(
    loopback: Any, tmp_path: Path, number: int
) -> None:
    upstream = loopback(lambda body: "seven")
    command = [
        sys.executable, "-m", "heartloop", "serve", "--json", "--port", "0",
        "--model", "server/m", "--base-url", upstream.url, "--journal", str(tmp_path / "kept"),
    ]  # fmt: skip

    async def ask(url: str) -> Any:
        async with aiohttp.ClientSession() as session:
            body = {"model": "m", "messages": HELLO}
            async with session.post(f"{url}/chat/completions", json=body) as response:
                return (await response.json())["heartloop"]["from_journal"]

    found = []
    for _ in range(2):
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
        ) as process:
            assert process.stdout is not None and process.stderr is not None
            line = process.stdout.readline()
            assert line, process.stderr.read()
            found.append(asyncio.run(ask(json.loads(line)["url"])))
            process.send_signal(number)
            began = time.monotonic()
            assert process.wait(20) == (0 if number == signal.SIGINT else -number)
            assert time.monotonic() - began < 8
    assert found == [0, 1] and len(upstream.asked) == 1
