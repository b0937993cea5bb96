"""Planted keys never reach the journal, an error, the statistics or the screen."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from heartloop.calls import Client, Journal, Patience, Retry
from heartloop.errors import HeartloopError
from heartloop.models import ModelOptions, make_model
from heartloop.types import Address, Message, Request

KEY = "planted-secret-4711-abcdefgh"


@pytest.mark.parametrize("spec", ["server/mock", "openai/mock", "anthropic/claude-haiku-4-5"])
@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500])
def test_keys_stay_out_of_everything_that_is_written_or_shown(
    spec, status, tmp_path, monkeypatch, capfd, caplog
):
    for name in ("HEARTLOOP_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, KEY)

    async def main():
        seen = []

        async def handle(http):
            # The rudest server there is: it repeats the key in whatever it says.
            sent = http.headers.get("Authorization") or http.headers.get("x-api-key") or ""
            seen.append(KEY in sent)
            error = {"message": f"you sent '{sent}', bad {sent.split()[-1]}!", "type": "x"}
            body = {"error": error} if status != 200 else {"broken": sent}
            return web.json_response(body, status=status, headers={"x-echo": sent})

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
        said = []
        with Journal.open(tmp_path) as journal:
            options = ModelOptions(base_urls=(url if "anthropic" in spec else url + "/v1",))
            model = make_model(spec, options)
            said += [repr(options), repr(model), repr(model.__class__)]
            client = Client(
                {spec: model},
                journal,
                retry=Retry(attempts=2, first=0.01, longest=0.02),
                patience=Patience(gone=0.3),
            )
            asked = Request(Address("t", "1", spec, 0, 0), (Message("user", "hi"),))
            try:
                said.append(repr(await asyncio.wait_for(client.ask(asked), 90)))
            except HeartloopError as error:
                said += [str(error), repr(error)]
            said += [repr(client.stats()), repr(client.facts())]
            await client.close()
        await runner.cleanup()
        assert any(seen), "the key was to be sent"
        return said

    said = asyncio.run(main())
    captured = capfd.readouterr()
    said += [captured.out, captured.err, caplog.text]
    said += [file.read_text(errors="replace") for file in tmp_path.iterdir()]
    assert not [text for text in said if KEY in text]
    assert (tmp_path / "calls.jsonl").stat().st_size > 0 or status in (429,)


def test_an_explicit_key_is_not_shown_with_the_options():
    assert KEY not in repr(ModelOptions(api_key=KEY))
