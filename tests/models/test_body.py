"""No body is read without a limit, packed or not, and memory stays small while one is endless."""

from __future__ import annotations

import asyncio
import gzip
import re
import resource
import zlib

import pytest
from aiohttp import web

from heartloop.errors import CallError
from heartloop.models import ModelOptions, body, make_model
from heartloop.types import Address, Message, Request

ASKED = Request(Address("t", "1", "server/m", 0, 0), (Message("user", "hi"),))
GOOD = b'{"choices": [{"message": {"content": "It is 4."}, "finish_reason": "stop"}]}'


def answered(handle):
    """What one attempt makes of a server's ``handle(request)``, or its error."""

    async def main():
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/v1"
        model = make_model("server/m", ModelOptions(base_urls=(url,)))
        try:
            return await asyncio.wait_for(model.complete(ASKED), 60)
        except CallError as error:
            return error
        finally:
            await model.close()
            await runner.cleanup()

    return asyncio.run(main())


def endless(status, packing=None):
    async def handle(http):
        response = web.StreamResponse(status=status)
        piece = b" " * 2**20
        if packing:
            response.headers["Content-Encoding"] = packing
            engine = zlib.compressobj(9, zlib.DEFLATED, 31)
            piece = b"".join(engine.compress(bytes(2**20)) for _ in range(64))
        await response.prepare(http)
        try:
            for _ in range(4096):
                await response.write(piece)
        except (ConnectionError, asyncio.CancelledError):
            pass
        return response

    return handle


def packed(data, packing):
    async def handle(http):
        return web.Response(body=data, headers={"Content-Encoding": packing})

    return handle


@pytest.mark.parametrize("packing", [None, "gzip"])
def test_an_endless_answer_is_an_error_of_its_call_and_memory_stays_small(packing, monkeypatch):
    monkeypatch.setattr(body, "LARGEST", 8 * 2**20)
    monkeypatch.setattr("heartloop.models.http.LARGEST", 8 * 2**20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    error = answered(endless(200, packing))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert isinstance(error, CallError) and error.kind == "too_large" and not error.retryable
    assert grown < 64 * 1024  # KiB


def test_of_an_endless_refusal_the_beginning_is_read():
    error = answered(endless(500))
    assert error.kind == "http_500" and error.retryable


@pytest.mark.parametrize(
    ("data", "packing"),
    [
        (gzip.compress(GOOD), "gzip"), (gzip.compress(GOOD[:9]) + gzip.compress(GOOD[9:]), "gzip"),
        (gzip.compress(GOOD + b" " * 10**6), "x-gzip"), (zlib.compress(GOOD), "deflate"),
        (zlib.compress(GOOD)[2:-4], "deflate"), (GOOD, "identity"),
    ],
    ids=["gzip", "two", "x-gzip", "zlib", "raw", "plain"],
)  # fmt: skip
def test_packed_answers_are_unpacked(data, packing):
    assert answered(packed(data, packing)).text == "It is 4."


@pytest.mark.parametrize(
    ("data", "packing", "words"),
    [(b"rubbish", "gzip", "cannot be unpacked"), (GOOD, "br", "not asked for"),
     (gzip.compress(GOOD)[:30], "gzip", "not valid JSON|empty")],
    ids=["rubbish", "br", "cut"],
)  # fmt: skip
def test_what_cannot_be_unpacked_is_asked_again(data, packing, words):
    error = answered(packed(data, packing))
    assert error.kind == "bad_response" and error.retryable
    assert re.search(words, str(error))


def test_many_endless_answers_at_once_are_held_together(monkeypatch):
    monkeypatch.setattr(body, "LARGEST_TOGETHER", 2**23)
    monkeypatch.setattr(body, "LARGE", 2**20)

    async def main():
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", endless(200))
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/v1"
        model = make_model("server/m", ModelOptions(base_urls=(url,)))
        said = await asyncio.gather(
            *(model.complete(ASKED) for _ in range(24)), return_exceptions=True
        )
        await model.close()
        await runner.cleanup()
        return said

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = asyncio.run(main())
    assert {error.kind for error in said} == {"too_large"}
    assert any("together" in str(error) for error in said)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 128 * 1024
    assert body._held == [0]
