"""How calls are combined: methods, cue schedules, selectors, matched controls and their cost.

``async def method(question, arm, ask, check=None) -> Trace``: no method sees a gold; ``check``
exists in oracle mode only.
"""

from heartloop.methods import adaptive, basic, informed, loop, refine
from heartloop.methods.bandit import open_learner
from heartloop.methods.controls import (
    AVERAGED,
    TWINS,
    controls_for,
    length_difference,
    matched_controls,
    one_turn_controls,
    placebo_arms,
    placebo_class,
    placebos_of,
    twin_arms,
)
from heartloop.methods.cost import (
    TokenAverages,
    draws_for_equal_tokens,
    expected_calls,
    expected_tokens,
    first_calls,
)
from heartloop.methods.dialogue import turns_of
from heartloop.methods.params import PARAMS, Param
from heartloop.methods.prompt import render
from heartloop.methods.registry import (
    METHODS,
    SPECS,
    MethodSpec,
    older_defaults,
    older_params,
    register,
    settings,
    validate_arm,
)
from heartloop.methods.selectors import SELECTORS, Selector, select

__all__ = [
    "AVERAGED",
    "METHODS",
    "PARAMS",
    "SELECTORS",
    "SPECS",
    "TWINS",
    "MethodSpec",
    "Param",
    "Selector",
    "TokenAverages",
    "adaptive",
    "basic",
    "controls_for",
    "draws_for_equal_tokens",
    "expected_calls",
    "expected_tokens",
    "first_calls",
    "informed",
    "length_difference",
    "loop",
    "matched_controls",
    "older_defaults",
    "older_params",
    "one_turn_controls",
    "open_learner",
    "placebo_arms",
    "placebo_class",
    "placebos_of",
    "refine",
    "register",
    "render",
    "select",
    "settings",
    "twin_arms",
    "turns_of",
    "validate_arm",
]
