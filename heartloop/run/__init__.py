"""Plan → runner → traces → verdicts → summary; resume and re-scoring."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Door(ModuleType):
    """This room, callable: `heartloop.run(…)` works although the room has the same name."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Call `heartloop.api.run`."""
        import importlib

        return importlib.import_module("heartloop.api").run(*args, **options)


sys.modules[__name__].__class__ = _Door
