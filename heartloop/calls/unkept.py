"""A journal that keeps nothing: for answers that are handed on and forgotten."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from heartloop.calls.index import Index
from heartloop.calls.journal import Journal
from heartloop.errors import CallError
from heartloop.types import Completion, Request, Usage


class Unkept(Journal):
    """Takes the place of a `Journal` where none is wanted; it has no file, no lock, no memory."""

    def __init__(self) -> None:
        self.path = Path(os.devnull)
        self.read_only = False
        self.notes: list[str] = []
        self.paid = (Usage(), 0.0)
        self._index = Index()
        self._errors: dict[bytes, int] = {}
        self._descriptor = -1  # nothing to close

    def get(self, key: str) -> Completion | None:
        """Nothing is known."""
        return None

    def append(self, request: Request, completion: Completion) -> None:
        """Let go of an answer."""

    def append_error(self, request: Request, error: CallError, **facts: Any) -> None:
        """Let go of an error."""
