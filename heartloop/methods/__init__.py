"""How calls are combined: methods, cue schedules, selectors, matched controls and their cost.

``async def method(question, arm, ask, check=None) -> Trace``: no method sees a gold; ``check``
exists in oracle mode only.
"""

from heartloop.methods import basic, loop
from heartloop.methods.controls import matched_controls
from heartloop.methods.cost import expected_calls
from heartloop.methods.prompt import render
from heartloop.methods.registry import (
    METHODS,
    PARAMS,
    SPECS,
    MethodSpec,
    Param,
    register,
    settings,
    validate_arm,
)
from heartloop.methods.wordings import wordings_sha256

__all__ = [
    "METHODS",
    "PARAMS",
    "SPECS",
    "MethodSpec",
    "Param",
    "basic",
    "expected_calls",
    "loop",
    "matched_controls",
    "register",
    "render",
    "settings",
    "validate_arm",
    "wordings_sha256",
]
