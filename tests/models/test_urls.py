"""Base URLs as users write them."""

from __future__ import annotations

import pytest

from heartloop.errors import UsageError
from heartloop.models.urls import CHAT, base_url


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("http://h:8000/v1", "http://h:8000/v1/chat/completions"),
        ("http://h:8000/v1/", "http://h:8000/v1/chat/completions"),
        ("http://h:8000//v1", "http://h:8000/v1/chat/completions"),
        ("http://h:8000/v1/chat/completions", "http://h:8000/v1/chat/completions"),
        ("http://h:8000/v1/completions/", "http://h:8000/v1/chat/completions"),
        ("http://h:8000/v1/models", "http://h:8000/v1/chat/completions"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1/chat/completions"),
        ("https://h", "https://h/chat/completions"),
        (
            "https://x.azure.com/openai/deployments/d?api-version=2024-10-21",
            "https://x.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
        ),
        (
            "https://x.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
            "https://x.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
        ),
    ],
)
def test_the_query_goes_to_the_end_and_an_endpoint_is_taken_off(written, asked):
    url = base_url(written)
    assert url.at(CHAT) == asked
    assert base_url(str(url)) == url


@pytest.mark.parametrize(
    "written",
    [
        "http://user:PASSWORT@h/v1", "ftp://user:PASSWORT@h/v1", "user:PASSWORT@h/v1",
        "http://h/v1?api_key=PASSWORT", "http://h/v1?code=PASSWORT", "http://u:PASSWORT@[::1/v1",
    ],
)  # fmt: skip
def test_a_secret_in_a_url_is_refused_and_not_repeated(written):
    with pytest.raises(UsageError, match="HEARTLOOP_API_KEY") as refused:
        base_url(written)
    assert "PASSWORT" not in str(refused.value)


@pytest.mark.parametrize("written", ["", "h:8000/v1", "http://", "ftp://h/v1", "http://h:x/v1"])
def test_what_is_no_url_is_refused(written):
    with pytest.raises(UsageError, match="expected a URL"):
        base_url(written)
