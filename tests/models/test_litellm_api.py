"""litellm's OpenAI, hosted_vllm and Anthropic-shaped routes against loopback servers.

One process each would be clean; litellm takes seconds to import, so all scenarios share one.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys

import orjson
import pytest
from aiohttp import web

from heartloop.calls import Client, Journal, Retry
from heartloop.errors import CallError, UsageError
from heartloop.models import ModelOptions, make_model
from heartloop.types import Address, Message, Request, Sampling

REQUEST = Request(
    Address("task", "1", "m", 0, 0),
    (Message("system", "Be brief."), Message("user", "What is it?")),
    Sampling(max_tokens=64, temperature=0.5),
    seed=3,
)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HOSTED_VLLM_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def ask(spec, asked=REQUEST, **options):
    """One attempt; returns the completion and the model."""

    async def main():
        model = make_model(spec, ModelOptions(**options))
        try:
            return await model.complete(asked), model
        finally:
            await model.close()

    return asyncio.run(main())


@pytest.mark.parametrize("spec", ["openai/mock", "hosted_vllm/mock"])
@pytest.mark.parametrize("field", ["reasoning_content", "think-tags"])
def test_answers_reasoning_and_usage_are_mapped(mock_server, spec, field):
    url = mock_server("--preasoning", "1", "--reasoning-field", field)
    said, model = ask(spec, base_urls=(url,))
    assert said.text.startswith("The final answer is") and said.reasoning.startswith("Let me")
    assert said.finish_reason == "stop" and said.usage.total > 20 and said.cost is None
    assert said.endpoint == url and said.finished > said.started
    cut, _ = ask(
        spec, Request(REQUEST.address, REQUEST.messages, Sampling(max_tokens=3)), base_urls=(url,)
    )
    assert cut.finish_reason == "length" and cut.usage.completion == 3


@pytest.mark.parametrize("spec", ["openai/mock", "hosted_vllm/mock"])
@pytest.mark.parametrize(
    ("options", "kind", "retryable"),
    [
        (("--p429", "1", "--retry-after", "3"), "http_429", True),
        (("--p500", "1"), "http_500", True),
        (("--p503", "1"), "http_503", True),
        (("--pmalformed", "1"), "bad_response", True),
        (("--pdisconnect", "1"), "connection", True),
        (("--phang", "1"), "timeout", True),
        (("--model", "other"), "not_found", False),
        (("--max-body", "10"), "too_large", False),
    ],
)
def test_errors_have_our_classes(mock_server, spec, options, kind, retryable):
    url = mock_server(*options)
    with pytest.raises(CallError) as caught:
        ask(spec, base_urls=(url,), total_timeout=0.5 if kind == "timeout" else 20)
    assert (caught.value.kind, caught.value.retryable) == (kind, retryable)
    assert "litellm." not in str(caught.value) and "\n" not in str(caught.value)
    if kind == "http_429":
        assert caught.value.retry_after == 3.0


@pytest.mark.parametrize("spec", ["openai/mock", "hosted_vllm/mock"])
def test_nobody_listening_is_a_connection_error(spec):
    with pytest.raises(CallError) as caught:
        ask(spec, base_urls=("http://127.0.0.1:9/v1",))
    assert (caught.value.kind, caught.value.retryable) == ("connection", True)


def test_an_unknown_provider_and_a_missing_key_are_explained():
    with pytest.raises(UsageError, match="PROVIDER/NAME"):
        ask("some-model-nobody-knows")
    with pytest.raises(CallError, match="ANTHROPIC_API_KEY") as caught:
        ask("anthropic/claude-haiku-4-5")
    assert caught.value.kind == "auth"


def anthropic(work, status=200, **reply):
    """Run ``work(url, seen)`` beside a server that speaks Anthropic's messages API."""

    async def main():
        seen = []

        async def handle(http):
            seen.append((http.path, dict(http.headers), orjson.loads(await http.read())))
            headers = {
                "anthropic-ratelimit-requests-remaining": "7",
                "anthropic-ratelimit-requests-limit": "50",
                "retry-after": "2",
            }
            return web.json_response(reply or ANTHROPIC, status=status, headers=headers)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            port = site._server.sockets[0].getsockname()[1]
            return await work(f"http://127.0.0.1:{port}", seen)
        finally:
            await runner.cleanup()

    return asyncio.run(main())


ANTHROPIC = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5",
    "content": [
        {"type": "thinking", "thinking": "Let me see.", "signature": "x"},
        {"type": "text", "text": "It is 4."},
    ],
    "stop_reason": "max_tokens",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 20,
        "output_tokens": 10,
        "cache_read_input_tokens": 5,
        "cache_creation_input_tokens": 0,
    },
}


def test_an_anthropic_shaped_answer_is_mapped_with_cost_and_limits(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "planted-key-anthropic")

    async def work(url, seen):
        options = ModelOptions(base_urls=(url,), cache_prompts=True)
        model = make_model("anthropic/claude-haiku-4-5", options)
        said = await model.complete(REQUEST)
        await model.close()
        return said, model, seen

    said, model, seen = anthropic(work)
    assert said.text == "It is 4." and said.reasoning == "Let me see."
    assert said.finish_reason == "length"
    assert said.usage.completion == 10 and said.usage.cached == 5 and said.usage.prompt >= 20
    assert 0 < said.cost < 0.001
    assert model.rate_limit["limit-requests"] == "50"
    assert model.rate_limit["remaining-requests"] == "7"
    path, headers, body = seen[0]
    assert path == "/v1/messages" and headers["x-api-key"] == "planted-key-anthropic"
    assert "cache_control" in orjson.dumps(body).decode()
    # Anthropic takes no seeds: none is sent, and the model says so.
    assert "seed" not in body and model.request_seeds == "off"


def test_an_anthropic_refusal_is_classified(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "planted-key-anthropic")

    async def work(url, seen):
        model = make_model("anthropic/claude-haiku-4-5", ModelOptions(base_urls=(url,)))
        try:
            await model.complete(REQUEST)
        except CallError as error:
            return error
        finally:
            await model.close()

    error = {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down"}}
    busy = anthropic(work, status=429, **error)
    assert busy.kind == "http_429" and busy.retryable and busy.retry_after == 2.0
    assert str(busy) == "Slow down"
    error["error"]["message"] = "prompt is too long: 300000 tokens > 200000 maximum"
    assert anthropic(work, status=400, **error).kind == "context_length"


def test_a_client_runs_over_litellm_and_records_that_no_seed_was_sent(monkeypatch, tmp_path):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "planted-key-anthropic")
    name = "anthropic/claude-haiku-4-5"
    asked = Request(Address("task", "1", name, 0, 0), REQUEST.messages, REQUEST.sampling)

    async def work(url, seen):
        with Journal.open(tmp_path) as journal:
            model = make_model(name, ModelOptions(base_urls=(url,)))
            client = Client({name: model}, journal, retry=Retry(first=0.01))
            said = await client.ask(asked)
            await client.close()
            return said, journal.record(said.key), client.stats()

    said, record, stats = anthropic(work)
    assert record["request"]["seed"] is None
    assert stats.cost == pytest.approx(said.cost) and record["cost"] == pytest.approx(said.cost)


def test_importing_it_is_quiet_and_needs_no_network(tmp_path):
    script = (
        "import asyncio, os, socket\n"
        "def refuse(*_): raise AssertionError('network')\n"
        "socket.socket.connect = refuse\n"
        "socket.getaddrinfo = refuse\n"
        "from heartloop.models.litellm import _import_litellm\n"
        "assert len(_import_litellm().model_cost) > 100\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def gateway(body):
    """A hosted reasoning model that takes neither a temperature nor system messages."""
    if "temperature" in body:
        return 400, {"error": {"message": "Unsupported value: 'temperature' does not support 0.5",
                               "param": "temperature", "code": "unsupported_value"}}  # fmt: skip
    if body["messages"][0]["role"] == "system":
        return 400, {"error": {"message": "System role not supported"}}
    return "It is 4."


def test_what_a_provider_refuses_is_learnt_once(loopback):
    server = loopback(gateway)
    said, model = ask("openai/mock", base_urls=(server.url,))
    assert said.text == "It is 4." and said.served == "mock"
    assert said.sent == {"temperature": None, "system": "user"}
    assert len(server.asked) == 3 and len(model.notes) == 2


def test_a_reasoning_model_can_be_asked_though_litellm_itself_refuses_its_temperature(loopback):
    server = loopback(lambda body: "It is 4.")
    asked = Request(
        REQUEST.address, REQUEST.messages, Sampling(max_tokens=64, temperature=0.0), seed=3
    )
    said, model = ask("openai/gpt-5-nano", asked, base_urls=(server.url,))
    assert said.text == "It is 4." and said.sent["temperature"] is None
    assert "temperature" in model.notes[0] and "temperature" not in server.asked[0][2]


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {"message": "x", "type": "exceed_context_size_error"}, "context_length"),
        (400, {"message": "x", "code": "content_filter"}, "content_filter"),
        (402, {"message": "Insufficient credits."}, "quota"),
        (400, {"message": "messages must alternate"}, "http_400"),
    ],
)  # fmt: skip
def test_refusals_have_the_same_classes_as_a_servers_own(loopback, status, error, kind):
    server = loopback(lambda body: (status, {"error": error}))
    with pytest.raises(CallError) as caught:
        ask("hosted_vllm/mock", base_urls=(server.url,))
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    "change",
    [{"usage": {"prompt_tokens": 1, "completion_tokens": -5}}, {"usage": None},
     {"usage": {"prompt_tokens": "n/a", "completion_tokens": [5]}}],
    ids=str,
)  # fmt: skip
def test_odd_usage_is_an_answer_or_an_error_of_its_call(loopback, change):
    choice = {"index": 0, "message": {"role": "assistant", "content": "4"}, "finish_reason": "stop"}
    server = loopback(lambda body: (200, {"model": "m", "choices": [choice], **change}))
    try:
        said, _ = ask("hosted_vllm/mock", base_urls=(server.url,))
    except CallError as error:
        assert error.kind == "bad_response" or error.kind.startswith("http_5")
    else:
        assert said.text == "4" and 0 < said.usage.total < 1000
