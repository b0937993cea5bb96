"""Log-likelihoods of continuations against a server that repeats its prompt as vLLM does."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from heartloop.calls import Client, Journal
from heartloop.errors import CallError
from heartloop.models import ModelOptions, make_model
from heartloop.models.scoring import scoring_request
from heartloop.types import Address


def pieces(text):
    """Tokens of up to three characters."""
    return [text[at : at + 3] for at in range(0, len(text), 3)]


def with_echo(work, *, first=(), drop=()):
    """Run ``work(url, bodies)`` beside a text-completion server with echo and logprobs.

    The log-probability of a token is minus the number of its characters over ten.
    """

    async def main():
        bodies = []

        async def handle(http):
            body = await http.json()
            bodies.append(body)
            prompt = [*first, *pieces(body["prompt"])]
            tokens = [*prompt, " ok"]
            values = [None, *(-len(token) / 10 for token in tokens[1:])]
            logprobs = {"tokens": tokens, "token_logprobs": values}
            choice = {"text": "".join(tokens), "finish_reason": "length", "logprobs": logprobs}
            for name in drop:
                choice[name] = None
            usage = {"prompt_tokens": len(prompt), "completion_tokens": 1}
            return web.json_response({"choices": [choice], "usage": usage})

        app = web.Application()
        app.router.add_post("/v1/completions", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            port = site._server.sockets[0].getsockname()[1]
            return await work(f"http://127.0.0.1:{port}/v1", bodies)
        finally:
            await runner.cleanup()

    return asyncio.run(main())


def score(url, prompt, continuation):
    async def main():
        model = make_model("server/mock", ModelOptions(base_urls=(url,)))
        try:
            asked = scoring_request(Address("t", "1", "server/mock", 0, 0), prompt, continuation)
            return await model.complete(asked)
        finally:
            await model.close()

    return main()


@pytest.mark.parametrize("first", [(), ("<s>",)])
def test_the_continuation_alone_is_scored_whatever_stands_before_the_prompt(first):
    said, body = with_echo(
        lambda url, bodies: _with(score(url, "What is it?x", " a cat"), bodies), first=first
    )
    assert said.text == " a cat"
    assert said.logprob_tokens == 2 and said.logprob == pytest.approx(-0.3)
    assert body["echo"] is True and body["prompt"] == "What is it?x a cat"


def test_a_token_across_the_border_counts():
    said, _ = with_echo(lambda url, bodies: _with(score(url, "What is it?", " a cat"), bodies))
    # "What is it? a cat" falls into …"t? ", "a c", "at": the first of them spans the border.
    assert said.logprob_tokens == 3
    assert said.logprob * said.logprob_tokens == pytest.approx(-0.8)


def test_an_empty_prompt_leaves_out_the_token_without_a_probability():
    said, _ = with_echo(lambda url, bodies: _with(score(url, "", "abcdef"), bodies))
    assert said.logprob_tokens == 1


async def _with(call, bodies):
    return await call, bodies[0]


def test_scores_are_journalled_and_shared(tmp_path):
    async def work(url, bodies):
        with Journal.open(tmp_path) as journal:
            model = make_model("server/mock", ModelOptions(base_urls=(url,)))
            client = Client({"server/mock": model}, journal)
            address = Address("t", "1", "server/mock", 0, 0)
            scores = await client.score(address, "Is it?xxx", [" yes", " no", " yes"])
            again = await client.score(address, "Is it?xxx", [" no"])
            await client.close()
            return scores, again, len(bodies)

    scores, again, asked = with_echo(work)
    assert [s.logprob_tokens for s in scores] == [2, 1, 2]
    assert again[0].logprob == scores[1].logprob and asked == 2


def test_a_server_without_echo_is_told_apart(mock_server):
    with pytest.raises(CallError, match="echo.*Log-likelihoods need") as caught:
        asyncio.run(score(mock_server(), "a", " b"))
    assert not caught.value.retryable


@pytest.mark.parametrize("missing", ["logprobs"])
def test_a_reply_without_log_probabilities_is_an_error(missing):
    with pytest.raises(CallError, match="no log-probabilities"):
        with_echo(lambda url, bodies: score(url, "a", " b"), drop=(missing,))
