"""No secret reaches a text that is printed or written, in whatever form a server repeats it."""

from __future__ import annotations

import base64
import time

import pytest

from heartloop.secrets import clean, is_secret_name, one_line, secret_fields, url_secrets

KEY = "PLANTEDSECRETKEY0001"
OTHER = "MYTOKENVALUE_abcdef123456"


@pytest.fixture(autouse=True)
def planted(monkeypatch):
    monkeypatch.setenv("MY_SERVICE_TOKEN", OTHER)


@pytest.mark.parametrize(
    "said",
    [
        f"you sent {KEY}",
        f"{{\"key\": \"{KEY}\"}}",
        "in base64: " + base64.b64encode(KEY.encode()).decode(),
        "basic: " + base64.b64encode(f"u:{KEY}".encode()).decode(),
        "basic: " + base64.b64encode(f"us:{KEY}, and more".encode()).decode(),
        "in hex: " + KEY.encode().hex(),
        f"cut by the server: {KEY[:14]}…",
        f"of another variable: {OTHER}",
        f"http://somebody:{KEY}@host/v1 and http://host/v1?api_key={KEY}",
    ],
)  # fmt: skip
def test_keys_are_taken_out_in_every_form(said):
    left = clean(said, KEY)
    assert "***" in left
    assert "PLANTEDSEC" not in left and OTHER not in left
    assert base64.b64encode(KEY.encode()).decode()[:12] not in left


@pytest.mark.parametrize(
    "said",
    [
        "ftp://user:PASSWORT@host/v1", "user:PASSWORT@host.org/v1", "http://u:PASSWORT@[::1]:80/",
        "http://host/v1?api_key=PASSWORT", "https://h/x?a=b&access_token=PASSWORT&c=d",
        "Bearer PASSWORT", "Incorrect API key provided: sk-PASSWORT1",
    ],
)  # fmt: skip
def test_what_looks_like_a_key_goes_whoever_it_belongs_to(said):
    assert "PASSWORT" not in clean(said) and "***" in clean(said)


@pytest.mark.parametrize(
    "said",
    [
        "max_tokens=4096 cannot be greater than max_model_len=2048", "at 12:30@home",
        "mail bob@example.org: the monkey has the keys", "http://127.0.0.1:8000/v1/models?x=y",
        "", "the basic value of tokens", "key 'a' is missing",
    ],
)  # fmt: skip
def test_ordinary_words_stay(said):
    assert clean(said, "none", "", None) == said


def test_a_text_is_cleaned_before_it_is_cut():
    cut = one_line("x" * 386 + " " + KEY, KEY, limit=400)
    assert "PLANTED" not in cut and cut.endswith("***")
    assert one_line("a\x1b[31mb\n\tc\x00", limit=400) == "a [31mb c"


def test_names_of_secrets_and_of_none():
    secret = "OPENAI_API_KEY api-key apikey access_token KEY_2 SOME_KEY_PROD AWS_SECRET_ACCESS_KEY"
    assert all(is_secret_name(name) for name in secret.split())
    plain = "max_tokens SSH_KEY_PATH TOKENIZERS_PARALLELISM reasoning_tokens top_k stop_token_ids"
    assert not any(is_secret_name(name) for name in plain.split())
    assert secret_fields({"api_key": "x", "a": {"token": "y"}, "max_tokens": 5}) == [
        "api_key", "a.token",
    ]  # fmt: skip
    assert url_secrets("http://h/v1?api-version=2024&api_key=x") == ["the parameter api_key"]
    assert url_secrets("user:pass@h") == ["a password"]


def test_a_long_hostile_text_is_cleaned_in_linear_time():
    started = time.monotonic()
    for piece in ("a.", "a:", "://", "?key", "basic ", "sk-", "u:p@"):
        clean(piece * 200_000, KEY)
    assert time.monotonic() - started < 20
