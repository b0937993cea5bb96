"""Base URLs as users write them, and the addresses beneath them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from heartloop.errors import UsageError
from heartloop.secrets import clean, url_secrets

CHAT = "/chat/completions"
COMPLETIONS = "/completions"
MODELS = "/models"
_ENDPOINTS = re.compile(r"(?:/chat/completions|/completions|/models|/responses)$")


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """The root of an OpenAI-compatible API.

    Attributes:
        root: scheme, host and path, ``http://host:8000/v1``, without a slash at its end.
        query: what every request carries behind its path, such as Azure's ``api-version=…``.
    """

    root: str
    query: str = ""

    def at(self, path: str) -> str:
        """The address of an endpoint: the query goes to the end."""
        return f"{self.root}{path}?{self.query}" if self.query else self.root + path

    def __str__(self) -> str:
        return f"{self.root}?{self.query}" if self.query else self.root


def base_url(url: str, option: str = "--base-url") -> BaseUrl:
    """Read a base URL: double slashes and an endpoint at its end are taken off.

    Raises:
        UsageError: it is no URL, or it holds a secret (which is not repeated in the message).
    """
    held = url_secrets(url)
    if held:
        raise UsageError(
            f"{option}: {held[0]} in the URL would stand in every record; leave it out and set "
            "HEARTLOOP_API_KEY"
        )
    try:
        parts = urlsplit(url.strip())
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(f"{option} {clean(url)}: expected a URL such as http://localhost:8000/v1")
    path = re.sub(r"/{2,}", "/", parts.path).rstrip("/")
    path = _ENDPOINTS.sub("", path).rstrip("/")
    return BaseUrl(f"{parts.scheme}://{parts.netloc}{path}", parts.query)
