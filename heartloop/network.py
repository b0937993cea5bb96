"""Addresses that a file from elsewhere may not name: this machine, its network, its cloud."""

from __future__ import annotations

import ipaddress
import os
import socket
from urllib.parse import urlsplit

ALLOW = "HEARTLOOP_ALLOW_PRIVATE"
"""Set to 1 by users whose own cards and run folders name servers of their own network."""


def refused(url: str) -> str:
    """Why a URL from a file that may be another person's is not asked; empty where it may be.

    Only public http and https addresses are; ``HEARTLOOP_ALLOW_PRIVATE`` allows this machine and
    private networks, too.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or parts.scheme not in ("http", "https"):
        return f"{url[:200]}: only http and https addresses are asked"
    kind = "" if os.environ.get(ALLOW) else private_host(host, port or 443)
    if not kind:
        return ""
    return (
        f"{host} is {kind}; a file from elsewhere may not send requests there (your own: {ALLOW}=1)"
    )


def private_host(host: str, port: int = 443) -> str:
    """What makes a host private, in words; empty for a public one and for one without an address.

    Every address that the name stands for is looked at.
    """
    try:
        found = [ipaddress.ip_address(host)]
    except ValueError:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return ""  # asking will fail, too, and say why
        found = [ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in answers]
    for address in found:
        mapped = getattr(address, "ipv4_mapped", None)
        if mapped is not None:
            address = mapped
        if address.is_loopback or address.is_unspecified:
            return "this machine"
        if address.is_link_local:
            return "a link-local address (cloud metadata)"
        if not address.is_global:
            return "a private address"
    return ""
