"""A key goes to the server that was named, and to no other."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from heartloop.cli._options import default_model, served_models
from heartloop.errors import CallError, UsageError
from heartloop.models import ModelOptions, make_model
from heartloop.types import Address, Message, Request

KEY = "PLANTEDSECRETKEY0001"
ASKED = Request(Address("t", "1", "server/m", 0, 0), (Message("user", "hi"),))


def with_servers(work, status=307):
    """``work(url of A, url of B)``: A redirects everything to B; returns what B was sent."""

    async def main():
        stolen, runners, urls = [], [], []

        async def second(http):
            stolen.append(dict(http.headers))
            return web.json_response({"data": [{"id": "evil"}]})

        async def first(http):
            return web.Response(
                status=status, headers={"Location": urls[0] + "/stolen" + http.path}
            )

        for handle in (second, first):
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", handle)
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            runners.append(runner)
            urls.append(f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}")
        try:
            await work(urls[1] + "/v1", urls[0] + "/v1")
        finally:
            for runner in runners:
                await runner.cleanup()
        return stolen

    return asyncio.run(main())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed_with_a_key_and_its_target_is_named(status, monkeypatch):
    monkeypatch.setenv("HEARTLOOP_API_KEY", KEY)
    said = []

    async def work(url, other):
        assert await asyncio.to_thread(served_models, url) == []
        model = make_model("server/m", ModelOptions(base_urls=(url,)))
        for attempt in (model.complete(ASKED), model.models()):
            with pytest.raises(CallError) as caught:
                await attempt
            said.append(caught.value)
        await model.close()

    assert with_servers(work, status) == []
    assert all(not error.retryable and "/stolen/v1" in str(error) for error in said)
    assert "--base-url" in str(said[0])


@pytest.mark.parametrize("spec", ["anthropic/claude-haiku-4-5", "gemini/gemini-2.0-flash"])
def test_litellm_takes_no_key_to_where_a_redirect_points(spec):
    said = []

    async def work(url, other):
        model = make_model(spec, ModelOptions(base_urls=(url,), api_key=KEY))
        with pytest.raises(CallError) as caught:
            await model.complete(ASKED)
        said.append(caught.value)
        await model.close()

    assert with_servers(work) == []
    assert said[0].kind == "http_307" and "/stolen/v1" in str(said[0])


def test_no_key_for_a_server_that_nobody_named(monkeypatch):
    monkeypatch.setenv("HEARTLOOP_API_KEY", KEY)
    seen = []

    async def work(url, other):
        monkeypatch.setattr(
            "heartloop.models.local.USUAL", (("vLLM", int(other.split(":")[2].split("/")[0])),)
        )
        monkeypatch.setattr("heartloop.models.http.LOCAL_SERVER", other)
        name, urls, _ = await asyncio.to_thread(default_model, ())
        if name != "pocket":
            assert urls == ()
        model = make_model("server/evil", ModelOptions())
        with pytest.raises(CallError):
            await model.complete(ASKED)
        await model.close()
        seen.append(await asyncio.to_thread(served_models, other))

    stolen = with_servers(work)
    asked_with_key = [sent for sent in stolen if KEY in str(sent)]
    assert len(stolen) >= 2 and seen == [["evil"]]
    assert len(asked_with_key) == 1  # the last one alone, which named the server


def test_azure_gets_its_key_in_its_own_header_and_its_query_at_the_end():
    async def main():
        seen = []

        async def handle(http):
            seen.append(
                (http.path_qs, http.headers.get("api-key"), "Authorization" in http.headers)
            )
            return web.json_response({"choices": [{"message": {"content": "hi"}}]})

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        root = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/openai/deployments/d"
        url = f"{root}/chat/completions?api-version=2024-10-21"
        model = make_model("server/d", ModelOptions(base_urls=(url,), api_key=KEY))
        await model.complete(ASKED)
        await model.close()
        await runner.cleanup()
        return seen

    path = "/openai/deployments/d/chat/completions?api-version=2024-10-21"
    assert asyncio.run(main()) == [(path, KEY, False)]


@pytest.mark.parametrize("key", [f"{KEY}\r", f" {KEY}\n"])
def test_line_ends_around_a_key_are_taken_off(key, monkeypatch):
    monkeypatch.setenv("HEARTLOOP_API_KEY", key)
    model = make_model("server/m", ModelOptions(base_urls=("http://127.0.0.1:9/v1",)))
    assert model._key == KEY


@pytest.mark.parametrize("key", [f"{KEY}\r\nX: y", "two words", "schlüssel-abc"])
def test_a_key_that_no_header_can_hold_is_refused_by_the_name_of_its_variable(key, monkeypatch):
    monkeypatch.setenv("HEARTLOOP_API_KEY", key)
    with pytest.raises(UsageError, match="HEARTLOOP_API_KEY") as refused:
        make_model("server/m", ModelOptions(base_urls=("http://127.0.0.1:9/v1",)))
    assert key not in str(refused.value)
