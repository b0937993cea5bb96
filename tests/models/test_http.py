"""``server/NAME`` against real loopback servers: every class of answer and refusal."""

from __future__ import annotations

import asyncio
import contextlib
import time

import orjson
import pytest
from aiohttp import web

from heartloop.errors import CallError, UsageError
from heartloop.models import ModelOptions, make_model
from heartloop.types import Address, Message, Request, Sampling

ANSWER = {
    "choices": [{"message": {"content": "42"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
}


def request(question=0, seed=None, system=False, **sampling):
    messages = (Message("user", f"Question {question}: what is it?"),)
    if system:
        messages = (Message("system", "Be brief."), *messages)
    address = Address("task", str(question), "server/mock", 0, 0)
    return Request(address, messages, Sampling(**sampling), seed=seed)


def ask(url, asked=None, model="server/mock", **options):
    """One attempt at one completion."""

    async def main():
        opened = make_model(model, ModelOptions(base_urls=(url,), **options))
        try:
            return await opened.complete(asked or request())
        finally:
            await opened.close()

    return asyncio.run(main())


def serving(reply, work):
    """Run ``work(url, bodies)`` beside a server that answers with ``reply(request, body)``."""

    async def main():
        bodies = []

        async def handle(http):
            bodies.append(orjson.loads(await http.read()) if http.can_read_body else None)
            return await reply(http, bodies[-1])

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        try:
            return await work(f"http://127.0.0.1:{port}/v1", bodies)
        finally:
            await runner.cleanup()

    return asyncio.run(main())


def saying(reply, asked=None, status=200, headers=None, **options):
    """What one attempt makes of a fixed reply; also the body that was sent."""

    async def answer(http, body):
        content = reply if isinstance(reply, bytes) else orjson.dumps(reply)
        return web.Response(body=content, status=status, headers=headers)

    async def work(url, bodies):
        model = make_model("server/mock", ModelOptions(base_urls=(url,), **options))
        try:
            return await model.complete(asked or request()), bodies[0]
        finally:
            await model.close()

    return serving(answer, work)


# --- Answers ---------------------------------------------------------------------------------


def test_a_chat_answer_is_read_with_its_usage(mock_server):
    url = mock_server("--tokens", "7")
    said = ask(url, request(max_tokens=100, temperature=0.5, seed=3))
    assert said.text.endswith("\\boxed{4}.") and said.finish_reason == "stop"
    assert said.usage.completion == 7 and said.usage.prompt > 0 and not said.estimated
    assert said.endpoint == url and said.finished >= said.started > 1e9


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content", "think-tags"])
def test_reasoning_is_split_from_the_answer(mock_server, field):
    said = ask(mock_server("--preasoning", "1", "--reasoning-field", field))
    assert said.text.startswith("The final answer is")
    assert said.reasoning.startswith("Let me work")
    assert 0 < said.usage.reasoning < said.usage.completion


def test_an_unclosed_think_block_is_a_cut_answer_without_text(mock_server):
    said = ask(mock_server("--preasoning", "1", "--reasoning-field", "think-tags-unclosed"))
    assert said.text == "" and said.finish_reason == "length"
    assert "Let me work" in said.reasoning


def test_an_answer_cut_inside_the_reasoning_has_no_text(mock_server):
    said = ask(mock_server("--preasoning", "1"), request(max_tokens=5))
    assert said.text == "" and said.finish_reason == "length" and said.reasoning


def test_empty_and_cut_answers_are_answers(mock_server):
    assert ask(mock_server("--pempty", "1")).text == ""
    assert ask(mock_server("--ptruncate", "1")).finish_reason == "length"


def test_logprobs_are_averaged_over_tokens(mock_server):
    said = ask(mock_server(), request(logprobs=True))
    assert said.logprob == pytest.approx(-0.1) and said.logprob_tokens > 5


def test_tokens_are_counted_from_characters_where_the_server_does_not():
    reply = {"choices": [{"message": {"content": "x" * 40}, "finish_reason": None}]}
    said, _ = saying(reply)
    assert said.estimated and said.usage.completion == 10 and said.usage.prompt > 0
    assert said.finish_reason == "unknown"


def test_parts_refusals_and_usage_details_are_read():
    message = {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 8,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 6},
    }
    said, _ = saying({"choices": [{"message": message}], "usage": usage})
    assert said.text == "ab"
    assert (said.usage.cached, said.usage.reasoning) == (4, 6)
    refusal = {"content": None, "refusal": "I will not."}
    assert saying({"choices": [{"message": refusal}]})[0].text == "I will not."


def test_everything_that_was_set_is_sent_and_nothing_else():
    sampling = {
        "temperature": 0.0,
        "max_tokens": 5,
        "top_p": 0.9,
        "stop": ("\n",),
        "logprobs": True,
        "reasoning_effort": "low",
        "response_format": {"type": "json_object"},
        "continue_final_message": True,
        "extra": {"top_k": 4},
    }
    asked = request(seed=11, system=True, **sampling)
    _, body = saying(ANSWER, asked, extra_body={"min_p": 0.1}, system_role="developer")
    assert body == {
        "model": "mock",
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "Question 0: what is it?"},
        ],
        "temperature": 0.0,
        "max_tokens": 5,
        "top_p": 0.9,
        "stop": ["\n"],
        "logprobs": True,
        "reasoning_effort": "low",
        "response_format": {"type": "json_object"},
        "continue_final_message": True,
        "add_generation_prompt": False,
        "seed": 11,
        "min_p": 0.1,
        "top_k": 4,
    }
    _, body = saying(ANSWER)
    assert body.keys() == {"model", "messages"}


def test_the_key_is_sent_as_a_bearer_token(monkeypatch):
    seen = []

    async def answer(http, body):
        seen.append(http.headers.get("Authorization"))
        return web.json_response(ANSWER)

    async def work(url, bodies):
        for key in ("own-key-1234", None):
            model = make_model("server/mock", ModelOptions(base_urls=(url,), api_key=key))
            await model.complete(request())
            await model.close()

    monkeypatch.setenv("HEARTLOOP_API_KEY", "env-key-1234")
    serving(answer, work)
    assert seen == ["Bearer own-key-1234", "Bearer env-key-1234"]


# --- Refusals --------------------------------------------------------------------------------


def refusal(reply, status, headers=None, **options):
    with pytest.raises(CallError) as caught:
        saying(reply, status=status, headers=headers, **options)
    return caught.value


@pytest.mark.parametrize(
    ("status", "message", "kind", "retryable"),
    [
        (400, "temperature must be at most 2", "http_400", False),
        (400, "This model's maximum context length is 4096 tokens", "context_length", False),
        (401, "Incorrect key", "auth", False),
        (403, "no", "auth", False),
        (404, "The model `mock` does not exist.", "not_found", False),
        (413, "too much", "too_large", False),
        (422, "bad field", "http_422", False),
        (408, "slow", "http_408", True),
        (429, "Rate limit reached", "http_429", True),
        (429, "You exceeded your current quota, insufficient_quota", "quota", False),
        (500, "oops", "http_500", True),
        (501, "never", "http_501", False),
        (503, "loading", "http_503", True),
        (307, "elsewhere", "http_307", False),
    ],
)
def test_refusals_are_classified_and_carry_the_servers_words(status, message, kind, retryable):
    error = refusal({"error": {"message": message}}, status)
    assert (error.kind, error.retryable) == (kind, retryable)
    assert message in str(error) and "http://127.0.0.1" in str(error)


def test_other_shapes_of_refusals_are_read():
    assert "busy now" in str(refusal({"detail": "busy now"}, 503))
    assert "busy now" in str(refusal({"message": "busy now"}, 503))
    html = b"<html><style>b{}</style><body><h1>502 Bad Gateway</h1></body></html>"
    error = refusal(html, 502)
    assert "502 Bad Gateway" in str(error) and "<" not in str(error)
    assert len(str(refusal(b"x" * 10**6, 500))) < 600


def test_retry_after_is_read_in_seconds_and_as_a_date():
    assert refusal({}, 429, {"Retry-After": "7"}).retry_after == 7.0
    later = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 30))
    assert 20 < refusal({}, 503, {"Retry-After": later}).retry_after <= 30
    assert refusal({}, 429, {"Retry-After": "soon"}).retry_after is None


def test_a_wrong_model_name_is_told_which_names_there_are(mock_server):
    with pytest.raises(CallError, match=r"It serves: llama-3\.") as caught:
        ask(mock_server("--model", "llama-3"))
    assert caught.value.kind == "not_found" and not caught.value.retryable


def test_an_error_inside_a_200_is_an_error():
    error = refusal({"error": {"message": "overloaded", "code": 529}}, 200)
    assert error.kind == "http_529" and error.retryable


@pytest.mark.parametrize(
    "reply", [b"{", b"[]", b"{}", b'{"choices": []}', b'{"choices": [3]}', b'{"choices": [{}]}']
)
def test_what_is_no_completion_is_asked_again(reply):
    error = refusal(reply, 200)
    assert error.kind == "bad_response" and error.retryable


@pytest.mark.parametrize(
    ("fault", "kind"), [("malformed", "bad_response"), ("disconnect", "connection")]
)
def test_broken_answers_are_retryable_errors_never_text(mock_server, fault, kind):
    with pytest.raises(CallError) as caught:
        ask(mock_server(f"--p{fault}", "1"))
    assert caught.value.kind == kind and caught.value.retryable


def test_a_hung_request_is_given_up_and_the_server_notices(mock_server):
    url = mock_server("--phang", "1")
    started = time.monotonic()
    with pytest.raises(CallError) as caught:
        ask(url, first_byte_timeout=0.4)
    assert caught.value.kind == "timeout" and caught.value.retryable
    assert 0.3 < time.monotonic() - started < 2


def test_a_trickling_answer_ends_with_the_total_time():
    async def trickle(http, body):
        response = web.StreamResponse()
        await response.prepare(http)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b" ")
                await asyncio.sleep(0.05)

    async def work(url, bodies):
        options = ModelOptions(base_urls=(url,), first_byte_timeout=0.3, total_timeout=0.8)
        model = make_model("server/mock", options)
        with pytest.raises(CallError) as caught:
            await model.complete(request())
        await model.close()
        return caught.value

    started = time.monotonic()
    assert serving(trickle, work).kind == "timeout"
    assert 0.7 < time.monotonic() - started < 3


def test_cancelling_from_outside_is_no_timeout(mock_server):
    url = mock_server("--phang", "1")

    async def main():
        model = make_model("server/mock", ModelOptions(base_urls=(url,), first_byte_timeout=5))
        task = asyncio.create_task(model.complete(request()))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert model.pool.servers[0].in_flight == 0
        await model.close()

    asyncio.run(main())


def test_nobody_listening_is_a_connection_error_that_says_so():
    with pytest.raises(CallError, match="cannot be reached") as caught:
        ask("http://127.0.0.1:9/v1")
    assert caught.value.kind == "connection" and caught.value.retryable


def test_a_connection_closed_before_the_answer_is_asked_again_at_once():
    async def main():
        async def hang_up(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        model = make_model("server/mock", ModelOptions(base_urls=(f"http://127.0.0.1:{port}",)))
        with pytest.raises(CallError) as caught:
            await model.complete(request())
        await model.close()
        server.close()
        return caught.value

    error = asyncio.run(main())
    assert (error.kind, error.retryable, error.retry_after) == ("connection", True, 0.0)


# --- Several draws, model lists ---------------------------------------------------------------


def test_several_draws_of_one_request_divide_its_usage(mock_server):
    url = mock_server()

    async def main():
        model = make_model("server/mock", ModelOptions(base_urls=(url,)))
        draws = await model.complete_many(request(seed=1), 4)
        alone = await model.complete(request(seed=1))
        names = await model.models()
        await model.close()
        return draws, alone, names

    draws, alone, names = asyncio.run(main())
    assert len(draws) == 4 and names == ["mock"]
    assert sum(draw.usage.prompt for draw in draws) == alone.usage.prompt
    assert sum(draw.usage.completion for draw in draws) == 4 * alone.usage.completion


def test_a_server_that_ignores_n_gives_one():
    async def answer(http, body):
        return web.json_response(ANSWER)

    async def work(url, bodies):
        model = make_model("server/mock", ModelOptions(base_urls=(url,)))
        draws = await model.complete_many(request(), 4)
        await model.close()
        return draws, bodies[0]["n"]

    draws, asked = serving(answer, work)
    assert (len(draws), asked) == (1, 4)


@pytest.mark.parametrize(
    ("spec", "options", "complaint"),
    [
        ("server/", {}, "needs a name"),
        ("server/x", {"base_urls": ("localhost:8000",)}, "expected a URL"),
        ("server/x", {"base_urls": ("http://me:secret@host/v1",)}, "HEARTLOOP_API_KEY"),
        ("replay/", {}, "needs a file"),
        ("", {}, "needs a name"),
    ],
)
def test_bad_names_and_urls_are_refused_in_one_line(spec, options, complaint):
    with pytest.raises(UsageError, match=complaint) as caught:
        make_model(spec, ModelOptions(**options))
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value)
