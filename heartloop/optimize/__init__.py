"""Find the stimulus worth using: a race of arms on paired questions with a held-out estimate."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Door(ModuleType):
    """This room, callable: `heartloop.optimize(…)` works although the room has the same name."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Call `heartloop.api.optimize`."""
        import importlib

        return importlib.import_module("heartloop.api").optimize(*args, **options)


sys.modules[__name__].__class__ = _Door
