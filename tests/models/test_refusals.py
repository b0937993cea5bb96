# ruff: noqa: E501 - a table is easier to read with one line a case
"""Refusals of many servers: their class, what they refuse, how large the context is."""

from __future__ import annotations

import json

import pytest

from heartloop.errors import CallError
from heartloop.models.asking import Asking
from heartloop.models.refusals import Limit, error_of, read_limit
from heartloop.types import Message


def refusal(status, error, headers=None):
    body = error if isinstance(error, bytes) else json.dumps(error).encode()
    return error_of(status, body, headers)


def said(words, **fields):
    return {"error": {"message": words, **fields}}


@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable"),
    [
        # too long: vLLM, llama.cpp (400 and, in the middle of a text, 500), TGI, Groq, Anthropic,
        # Ollama, Gemini, Cohere
        (400, said("This model's maximum context length is 4096 tokens."), "context_length", False),
        (400, said("exceeds the available context size", type="exceed_context_size_error"), "context_length", False),
        (500, said("the request exceeds the available context size. try increasing"), "context_length", False),
        (422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096"}, "context_length", False),
        (400, said("Please reduce.", code="context_length_exceeded"), "context_length", False),
        (400, said("input length and `max_tokens` exceed context limit: 19 + 21 > 20"), "context_length", False),
        (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 21 tokens > 20 maximum"}}, "context_length", False),
        (500, {"error": "the input length exceeds the context length"}, "context_length", False),
        (400, [said("The input token count (9) exceeds the maximum number of tokens allowed (8).")], "context_length", False),
        (400, {"message": "too many tokens: size limit exceeded by 7"}, "context_length", False),
        (400, said("Prompt contains 40000 tokens, too large for model with 32768 maximum context length"), "context_length", False),
        (400, said("This model's maximum prompt length is 131072 but the request contains 200000 tokens."), "context_length", False),
        (400, said("Invalid request: Your request exceeded model token limit: 8192"), "context_length", False),
        (400, said("Input is too long for requested model."), "context_length", False),
        (400, said("the model is loaded with context length of only 4096 tokens"), "context_length", False),
        (500, said("context deadline exceeded"), "http_500", True),
        (413, b"", "too_large", False),
        # filters: Azure, DashScope, Zhipu, OpenRouter
        (400, said("filtered due to the prompt", code="content_filter"), "content_filter", False),
        (400, said("x", code="bad", innererror={"code": "ResponsibleAIPolicyViolation"}), "content_filter", False),
        (400, {"code": "data_inspection_failed", "message": "Input data may contain inappropriate content."}, "content_filter", False),
        (400, said("x", code="1301"), "content_filter", False),
        (403, said("Your input was flagged by moderation"), "content_filter", False),
        # accounts
        (402, said("Insufficient credits."), "quota", False),
        (402, b"", "quota", False),
        (429, said("You exceeded your current quota", code="insufficient_quota"), "quota", False),
        (400, said("Your credit balance is too low to access the API."), "quota", False),
        (403, said("Insufficient Balance"), "quota", False),
        (400, {"code": "Arrearage", "message": "Access denied"}, "quota", False),
        # rates
        (429, said("slow down"), "http_429", True),
        (400, {"__type": "ThrottlingException", "message": "Too many requests"}, "http_429", True),
        (529, said("Overloaded", type="overloaded_error"), "http_529", True),
        (429, [{"error": {"message": "You exceeded your current quota", "status": "RESOURCE_EXHAUSTED",
                          "details": [{"retryDelay": "20s"}]}}], "http_429", True),
        # keys and names
        (401, b"", "auth", False), (403, b"", "auth", False),
        (400, [said("API key not valid.", status="API_KEY_INVALID")], "auth", False),
        (404, b"", "not_found", False),
        (503, said("no channel", code="model_not_found"), "not_found", False),
        # the server's own faults
        (500, said("boom"), "http_500", True), (503, said("the model is loading"), "http_503", True),
        (502, b"<html><script>x</script><h1>Bad gateway</h1>", "http_502", True),
        (400, said("messages must alternate between user and assistant"), "http_400", False),
        (418, b"", "http_418", False),
    ],
    ids=lambda value: str(value)[:50],
)  # fmt: skip
def test_the_class_of_an_error(status, body, kind, retryable):
    error = refusal(status, body)
    assert (error.kind, error.retryable) == (kind, retryable)


def test_words_are_found_in_every_nesting_and_redirects_are_named():
    for body in (
        said("boom"), {"error": "boom"}, {"message": "boom"}, {"detail": "boom"}, [said("boom")],
        b"<html><style>p{}</style><p>boom</p>", b"boom", {"error": {"message": {"detail": "boom"}}},
        {"error": {"message": "Provider error", "metadata": {"raw": "boom"}}},
    ):  # fmt: skip
        assert "boom" in str(refusal(500, body))
    moved = refusal(307, b"", {"Location": "https://other/v1?token=SECRETSECRET"})
    assert "https://other/v1" in str(moved) and "--base-url" in str(moved)
    assert "SECRETSECRET" not in str(moved)
    assert refusal(429, [said("x", details=[{"retryDelay": "20s"}])]).retry_after == 20


@pytest.mark.parametrize(
    ("words", "limit"),
    [
        ("This model's maximum context length is 4096 tokens. However, you requested 5000 tokens "
         "(904 in the messages, 4096 in the completion).", Limit(4096, 904)),
        ("This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.", Limit(4096, 904)),
        ("max_tokens=4096 cannot be greater than max_model_len=2048.", Limit(2048)),
        ("'max_tokens' is too large: 4096. This model's maximum context length is 2,048 tokens and your "
         "request has 35 input tokens (4096 > 2048 - 35).", Limit(2048, 35)),
        ("request (4390 tokens) exceeds the available context size (4096 tokens)", Limit(4096, 4390)),
        ("`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 3000 `inputs` tokens and 2048 "
         "`max_new_tokens`", Limit(4096, 3000)),
        ("input length and `max_tokens` exceed context limit: 190000 + 21333 > 200000", Limit(200000, 190000)),
        ("prompt is too long: 205000 tokens > 200000 maximum", Limit(200000, 205000)),
        ("You requested a total of 4130 tokens: 34 tokens from the input messages and 4096 tokens for the "
         "completion. The model's maximum context length of 2048 tokens", Limit(2048, 34)),
        ("The input (3000 tokens) is longer than the model's context length (2048 tokens).", Limit(2048, 3000)),
        ("Requested tokens (2110) exceed context window of 2048", Limit(2048, 2110)),
        ("max_tokens: 10000 > 8192, which is the maximum allowed number of output tokens", Limit(answer=8192)),
        ("`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than "
         "the `context_window` for this model", Limit(answer=8192)),
        ("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", Limit(answer=8192)),
        ("max_tokens is too large: 5000. This model supports at most 4096 completion tokens", Limit(answer=4096)),
        ("Please reduce the length of the messages or completion.", Limit()),
    ],
)  # fmt: skip
def test_the_size_of_the_context_is_read_from_the_words(words, limit):
    assert read_limit(refusal(400, said(words)), 4096) == limit


# --- Asking in the server's way -------------------------------------------------------------

BODY = {
    "model": "m", "messages": (Message("user", "hi"),), "max_tokens": 4096, "temperature": 0.7,
    "top_p": 0.9, "seed": 3, "response_format": {"type": "json_schema"},
}  # fmt: skip


def taught(status, error, body=BODY, own=()):
    """What is sent after a refusal, and what differs; None where it is taken as it is."""
    asking = Asking([])
    error = error if isinstance(error, CallError) else refusal(status, error)
    again = asking.learn(error, asking.shape(body)[0], own)
    if again is None:
        return None
    shaped, sent = asking.shape(body, again.room)
    assert shaped != body and len(asking.notes) >= (again.room is None)
    assert asking.shape(body)[0].keys() == shaped.keys()  # from now on, for every arm
    return {k: shaped.get(k) for k in {*body, *shaped} if shaped.get(k) != body.get(k)}


@pytest.mark.parametrize(
    ("status", "error", "changed"),
    [
        (400, said("Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                   "'max_completion_tokens' instead.", param="max_tokens", code="unsupported_parameter"),
         {"max_tokens": None, "max_completion_tokens": 4096}),
        (422, {"detail": [{"loc": ["body", "max_tokens"], "msg": "Extra inputs are not permitted", "type": "extra_forbidden"}]},
         {"max_tokens": None, "max_completion_tokens": 4096}),
        (400, said("Unsupported value: 'temperature' does not support 0.7 with this model.", param="temperature"),
         {"temperature": None}),
        (400, said("`temperature` is deprecated for this model."), {"temperature": None}),
        (400, said("temperature is not supported"), {"temperature": None}),
        (400, said("invalid temperature: only 1 is allowed for this model"), {"temperature": None}),
        (400, said("`temperature` may only be set to 1 when thinking is enabled."), {"temperature": None}),
        (400, said("this model is not supported MaxTokens, please use MaxCompletionTokens"),
         {"max_tokens": None, "max_completion_tokens": 4096}),
        (400, said("`temperature` and `top_p` cannot both be specified for this model."), {"top_p": None}),
        (500, said("the backend does not support parameters: ['top_p']"), {"top_p": None}),
        (400, said("Unknown field: top_p"), {"top_p": None}),
        (422, said("unknown variant `json_schema`, expected `text`"), {"response_format": None}),
        (400, said("'response_format' of type 'json_schema' is not supported"), {"response_format": None}),
        (400, said("Structured output is not available"), {"response_format": None}),
        (400, said("max_tokens=4096 cannot be greater than max_model_len=2048"), {"max_tokens": 1536}),
        (400, said("max_tokens: 4096 > 1024, which is the maximum allowed number of output tokens"), {"max_tokens": 1024}),
        (400, said("maximum context length is 2048 tokens and your request has 1900 input tokens"), {"max_tokens": 148}),
    ],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
def test_what_a_server_refuses_is_left_out_renamed_or_fitted(status, error, changed):
    assert taught(status, error) == changed


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, said("messages must alternate between user and assistant")),
        (400, said("temperature must be between 0 and 1")), (422, {"error": "`temperature` must be strictly positive"}),
        (400, said("seed is not supported")), (500, said("boom: temperature of the GPU")), (429, said("max_tokens")),
        (400, said("maximum context length is 2048 tokens and your request has 2040 input tokens")),
        (400, said("Please reduce the length of the messages or completion.")), (401, said("invalid temperature")),
        (400, said("the image is invalid")),
    ],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
def test_what_would_not_help_or_is_the_users_own_to_mend_is_taken_as_it_is(status, error):
    assert taught(status, error) is None


def test_what_the_user_spelt_out_is_never_left_out():
    error = said("temperature is not supported", param="temperature")
    assert taught(400, error, own={"temperature"}) is None


@pytest.mark.parametrize(
    "words",
    ["System role not supported", "Only user and assistant roles are supported!", "Conversation roles must alternate "
     "user/assistant/user/assistant/...", "Unsupported value: 'messages[0].role' does not support 'system' with this "
     "model.", "Developer instruction is not enabled for models/gemma-3", "Unexpected role 'system'"],
)  # fmt: skip
@pytest.mark.parametrize("status", [400, 422, 500])
def test_a_system_message_is_put_before_the_users_where_the_role_is_refused(words, status):
    body = BODY | {
        "messages": (
            Message("system", "Be brief."),
            Message("user", "hi"),
            Message("assistant", "x"),
        )
    }
    changed = taught(status, said(words), body)
    assert changed == {"messages": [Message("user", "Be brief.\n\nhi"), Message("assistant", "x")]}


def test_the_cap_is_one_number_for_all_and_longer_prompts_get_what_is_left():
    asking = Asking([])
    asking.know_context(2048)
    assert asking.shape(BODY)[0]["max_tokens"] == 1536
    assert asking.shape(BODY, 100)[0]["max_tokens"] == 100
    assert asking.shape(BODY | {"max_tokens": 500})[1] == {}
    assert asking.notes == [
        "the model's context is 2,048 tokens: max_tokens is 1,536 instead of 4,096, the same for every arm"
    ]
