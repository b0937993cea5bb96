"""``re``, but for ``compile``: a pattern is compiled when it is first used.

The readers of answers hold some two hundred patterns. To compile all of them takes longer than the
first request, and most runs need few of them. Modules of many patterns write
``from heartloop import regex as re``.
"""

from __future__ import annotations

import re
from re import (
    IGNORECASE,
    I,
    M,
    Match,
    Pattern,
    S,
    U,
    escape,
    findall,
    finditer,
    fullmatch,
    match,
    search,
    split,
    sub,
)
from typing import Any, cast

__all__ = [
    "IGNORECASE", "I", "M", "Match", "Pattern", "S", "U", "compile", "escape", "findall",
    "finditer", "fullmatch", "match", "search", "split", "sub",
]  # fmt: skip

_METHODS = ("search", "match", "fullmatch", "sub", "subn", "split", "findall", "finditer")


class _Later:
    """Stands for a pattern, whose methods it has from its first use on."""

    def __init__(self, pattern: str, flags: int) -> None:
        self._made_of = pattern, flags

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made = re.compile(*self._made_of)
        for method in _METHODS:
            setattr(self, method, getattr(made, method))
        return getattr(made, name)


def compile(pattern: str, flags: int = 0) -> Pattern[str]:
    """As `re.compile`; a pattern that is none is an error at its first use."""
    return cast("Pattern[str]", _Later(pattern, flags))
