"""heartloop: do words with feeling make a language model better, and is it worth the tokens?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heartloop.api import (
        Progress,
        Run,
        grade,
        load,
        optimize,
        register,
        register_selector,
        run,
        run_async,
    )
    from heartloop.types import Arm, Stimulus

__version__ = "0.1.0"

__all__ = [
    "Arm", "Progress", "Run", "Stimulus", "grade", "load", "optimize", "register",
    "register_selector", "run", "run_async",
]  # fmt: skip

_API = frozenset(__all__) - {"Arm", "Stimulus"}


if not TYPE_CHECKING:  # mypy knows the names above, and no others

    def __getattr__(name: str) -> Any:
        """Find a public name when it is first used: `import heartloop` itself loads nothing."""
        if name in _API:
            # The rooms `run` and `optimize` answer to a call as the functions of these names do.
            from heartloop import api

            return getattr(api, name)
        if name in __all__:
            from heartloop import types

            return getattr(types, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
