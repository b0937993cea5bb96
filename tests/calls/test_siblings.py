"""Draws asked for together: one request with ``n``, checked, divided and recorded."""

from __future__ import annotations

import asyncio
import json
import urllib.request

import pytest
from aiohttp import web

from heartloop.calls import Client, Journal, Limits, Retry, derive_seed
from heartloop.errors import CallError
from heartloop.models import ModelOptions, make_model
from heartloop.types import Address, Completion, Message, Request, Sampling, Usage


def request(draw, question=0):
    return Request(
        Address("task", str(question), "server/mock", 0, draw),
        (Message("user", f"Question {question}?"),),
        Sampling(temperature=0.7, max_tokens=64),
    )


def run(work, tmp_path, url=None, model=None, **options):
    async def main():
        with Journal.open(tmp_path) as journal:
            opened = model or make_model(
                "server/mock", ModelOptions(base_urls=(url,), use_n=True, **options)
            )
            client = Client({"server/mock": opened}, journal, retry=Retry(first=0.01))
            try:
                return await work(client)
            finally:
                await client.close()

    return asyncio.run(main())


def draws(count):
    async def work(client):
        answers = await asyncio.gather(*(client.ask(request(draw)) for draw in range(count)))
        records = [client.journal.record(answer.key)["request"] for answer in answers]
        return answers, records, client.stats()

    return work


def stats_of(url):
    with urllib.request.urlopen(url.removesuffix("/v1") + "/stats") as reply:
        return json.load(reply)


def test_draws_asked_at_once_are_one_request_whose_prompt_is_paid_once(mock_server, tmp_path):
    url = mock_server()
    answers, records, stats = run(draws(8), tmp_path, url)
    assert stats_of(url)["requests"] == 1
    assert len({answer.key for answer in answers}) == 8 and stats.calls == 8
    assert [answer.usage.prompt > 0 for answer in answers] == [True] + [False] * 7
    assert [record["seed"] for record in records] == [derive_seed(request(0).address)] + [None] * 7


def test_different_requests_are_not_joined(mock_server, tmp_path):
    url = mock_server()

    async def work(client):
        await asyncio.gather(*(client.ask(request(0, question)) for question in range(5)))

    run(work, tmp_path, url)
    assert stats_of(url)["requests"] == 5


def test_a_server_that_ignores_n_is_found_out_and_every_draw_is_answered(tmp_path):
    asked = []

    async def main():
        async def handle(http):
            asked.append((await http.json()).get("n"))
            message = {"content": f"answer {len(asked)}"}
            usage = {"prompt_tokens": 3, "completion_tokens": 2}
            return web.json_response({"choices": [{"message": message}], "usage": usage})

        app = web.Application()
        app.router.add_post("/v1/chat/completions", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/v1"
        model = make_model("server/mock", ModelOptions(base_urls=(url,), use_n=True))
        with Journal.open(tmp_path) as journal:
            client = Client({"server/mock": model}, journal, limits=Limits(concurrency=8))
            first, _, stats = await draws(4)(client)
            await asyncio.gather(*(client.ask(request(draw)) for draw in range(4, 8)))
            await client.close()
        await runner.cleanup()
        return first, stats

    first, stats = asyncio.run(main())
    assert len({answer.text for answer in first}) == 4
    assert asked == [4, *[None] * 7]
    assert "gave 1 of n=4" in stats.notes[0]


class Failing:
    """Fails the first time it is asked for several draws."""

    name = "server/mock"
    use_n = True
    failures = 1

    async def complete_many(self, asked, count):
        if self.failures:
            self.failures -= 1
            raise CallError("busy", kind="http_503", retryable=True)
        return [Completion("yes", usage=Usage(1, 1))] * count

    async def complete(self, asked):
        return Completion("yes", usage=Usage(1, 1))

    async def close(self):
        pass


def test_a_failure_is_repeated_by_every_draw(tmp_path):
    answers, _, stats = run(draws(3), tmp_path, model=Failing())
    assert [answer.text for answer in answers] == ["yes"] * 3
    assert stats.retries == 3


def test_a_cancelled_leader_leaves_its_siblings_to_ask_again(tmp_path):
    class Slow(Failing):
        async def complete_many(self, asked, count):
            if self.failures:
                self.failures -= 1
                await asyncio.sleep(30)
            return await super().complete_many(asked, count)

    async def work(client):
        asks = [asyncio.create_task(client.ask(request(draw))) for draw in range(3)]
        await asyncio.sleep(0.05)
        asks[0].cancel()
        answers = await asyncio.gather(*asks[1:])
        with pytest.raises(asyncio.CancelledError):
            await asks[0]
        return answers

    assert [answer.text for answer in run(work, tmp_path, model=Slow())] == ["yes"] * 2


def test_a_server_that_refuses_seeds_is_asked_without(tmp_path):
    seen = []

    class Picky(Failing):
        use_n = False

        async def complete(self, asked):
            seen.append(asked.seed is not None)
            if asked.seed is not None:
                raise CallError("400: Unrecognized argument: seed", kind="http_400")
            return Completion("yes", usage=Usage(1, 1))

    async def work(client):
        for draw in range(3):
            await client.ask(request(draw))
        return client.stats()

    stats = run(work, tmp_path, model=Picky())
    assert seen == [True, False, False, False]
    assert "takes no seeds" in stats.notes[0] and stats.errors == 0
