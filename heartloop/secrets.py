"""Secrets out of every text that is printed or written: always before the text is cut.

Answers of models are not cleaned: they are what is measured.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

STARS = "***"
SECRET_LEAST = 8  # characters of a variable's value; shorter ones would blank out ordinary words
OWN_LEAST = 6  # of a key that is known to be one
PREFIX = 12  # characters of a secret that give it away where a server itself cut the rest

SECRET_NAME = re.compile(
    r"(?i)(?:key|token|secret|passw(?:or)?d|passphrase|credential)s?"
    r"(?:_?\d+|_(?!path|file|dir|name|url|id\b)[a-z]{1,8})?$"
)
"""Names of variables, fields and query parameters whose values are secrets."""

_NO_SECRET = re.compile(  # counts and kinds of tokens
    r"(?i)^(?:max|min|num|n|prompt|completion|reasoning|total|stop|bos|eos|pad|ban|bad)_.*tokens?|^tokens$"
)
_SIGNED = frozenset({"code", "sig", "signature", "auth", "authorization"})  # query parameters

# What keys look like, whoever they belong to.
_LOOKS = re.compile(
    r"(?i)\b(?:bearer\s+|basic\s+(?=[\w+/]*\d)|sk-|key-|hf_|gsk_|xai-|nvapi-|ghp_|glpat-|pplx-|"
    r"AIza|r8_)[\w.\-*+/=]{6,}"
)
_USERINFO = re.compile(r"(?i)(\b[a-z][a-z0-9+.-]{0,20}://)[^\s/@:'\"]{0,200}:[^\s/@'\"]{1,200}@")
# FILE.py:NAME@DIGEST is code of the user's own, not a name with its password.
_BARE_USERINFO = re.compile(
    r"(?<![\w./@-])[\w.-]{1,200}(?<!\.py):[^\s/@:'\"]{3,200}@(?=[\w-]+[.:/])"
)
_QUERY = re.compile(
    r"(?i)([?&][\w-]{0,40}(?:key|token|secret|password|signature|sig|code)=)[^&\s'\"]+"
)


def clean(text: str, *own: str | None) -> str:
    """A text without secrets.

    Taken out are the given keys, the values of every environment variable that is named like a
    secret, both as they are, in base64, hexadecimal, percent-encoded and escaped as in JSON, the
    beginnings of them, whatever looks like a key, and credentials within URLs.

    Args:
        text: of any length; cut it afterwards.
        own: further secrets, such as the key that was sent.
    """
    if not text:
        return text
    for secret in _secrets(own):
        text = _without(text, secret)
    text = _USERINFO.sub(rf"\1{STARS}@", text)
    text = _BARE_USERINFO.sub(f"{STARS}@", text)
    text = _QUERY.sub(rf"\1{STARS}", text)
    return _LOOKS.sub(STARS, text)


def one_line(text: str, *own: str | None, limit: int | None = None) -> str:
    """A text as one line: cleaned, without control characters, and only then cut."""
    text = clean(text, *own)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if limit is None or len(text) <= limit else f"{text[:limit]}…"


def is_secret_name(name: str) -> bool:
    """Whether a variable, field or parameter of this name holds a secret."""
    return bool(SECRET_NAME.search(name)) and not _NO_SECRET.search(name)


def secret_fields(fields: Mapping[str, Any]) -> list[str]:
    """Names of fields, at any depth, that hold secrets: ``api_key``, ``auth.token``."""
    found = []
    for name, value in fields.items():
        if isinstance(value, Mapping):
            found += [f"{name}.{inner}" for inner in secret_fields(value)]
        elif isinstance(value, str) and value and is_secret_name(str(name)):
            found.append(str(name))
        elif isinstance(value, str) and str(name).lower() == "authorization":
            found.append(str(name))
    return found


def url_secrets(url: str) -> list[str]:
    """What in a URL is a secret, in words: ``a password``, ``the parameter api_key``."""
    try:
        parts = urlsplit(url if "://" in url else f"//{url}")
        names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
        found = ["a password"] if "@" in parts.netloc else []
    except ValueError:  # an IPv6 address without its end
        return ["a password"] if "@" in url else []
    return found + [
        f"the parameter {name}" for name in names if is_secret_name(name) or name.lower() in _SIGNED
    ]


def _secrets(own: Iterable[str | None]) -> list[str]:
    """Every secret that is known, the longest first, so that none hides a part of another."""
    found = {key.strip() for key in own if key and len(key.strip()) >= OWN_LEAST}
    # Looked through anew only where a variable changed: replies are cleaned by the thousand.
    raw = getattr(os.environ, "_data", None)
    found |= _named(frozenset(os.environ.items() if raw is None else raw.items()))
    return sorted(found, key=len, reverse=True)


@lru_cache(maxsize=4)
def _named(variables: frozenset[tuple[str | bytes, str | bytes]]) -> frozenset[str]:
    """The values of variables whose names say that they are secret."""
    texts = ((os.fsdecode(name), os.fsdecode(value).strip()) for name, value in variables)
    return frozenset(
        value for name, value in texts if len(value) >= SECRET_LEAST and is_secret_name(name)
    )


def _without(text: str, secret: str) -> str:
    for form in _forms(secret):
        if form in text:
            text = text.replace(form, STARS)
    start = secret[:PREFIX]
    if len(secret) > PREFIX and start in text:
        text = re.sub(re.escape(start) + r"[\w.\-+/=]*[*…]*", STARS, text)
    return text


def _forms(secret: str) -> list[str]:
    raw = secret.encode("utf-8", "replace")
    forms = {secret, quote(secret, safe=""), raw.hex(), secret.replace("\\", "\\\\")}
    forms.add(secret.replace('"', '\\"').replace("/", "\\/"))
    # base64 depends on where in a text of three-byte groups the secret begins; what its
    # neighbours have a part in is left off.
    for lead, skip in ((0, 0), (1, 2), (2, 3)):
        coded = base64.b64encode(bytes(lead) + raw).decode().rstrip("=")
        whole = coded[skip:] if (lead + len(raw)) % 3 == 0 else coded[skip:-1]
        if len(whole) >= SECRET_LEAST:
            forms |= {whole, whole.replace("+", "-").replace("/", "_")}
    return sorted(forms, key=len, reverse=True)
