"""How calls are combined: methods, cue schedules, selectors, matched controls and their cost.

``async def method(question, arm, ask, check=None) -> Trace``: no method sees a gold; ``check``
exists in oracle mode only.
"""

from heartloop.methods import adaptive, basic, informed, loop, refine
from heartloop.methods.bandit import open_learner
from heartloop.methods.controls import matched_controls
from heartloop.methods.cost import (
    TokenAverages,
    draws_for_equal_tokens,
    draws_from_pilot,
    expected_calls,
    expected_tokens,
    never_right,
)
from heartloop.methods.prompt import render
from heartloop.methods.registry import (
    METHODS,
    PARAMS,
    SPECS,
    MethodSpec,
    Param,
    older_defaults,
    register,
    settings,
    validate_arm,
)
from heartloop.methods.selectors import SELECTORS, Selector, select
from heartloop.methods.wordings import wordings_sha256

__all__ = [
    "METHODS",
    "PARAMS",
    "SELECTORS",
    "SPECS",
    "MethodSpec",
    "Param",
    "Selector",
    "TokenAverages",
    "adaptive",
    "basic",
    "draws_for_equal_tokens",
    "draws_from_pilot",
    "expected_calls",
    "expected_tokens",
    "informed",
    "loop",
    "matched_controls",
    "never_right",
    "older_defaults",
    "open_learner",
    "refine",
    "register",
    "render",
    "select",
    "settings",
    "validate_arm",
    "wordings_sha256",
]
