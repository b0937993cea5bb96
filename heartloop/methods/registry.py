"""The registry of methods and their parameters: what exists, what it takes, what it defaults to.

Every parameter of every method is declared here once (`PARAMS`), with its default and what it
means; a method lists the names it takes. `settings` merges an arm's own values over the defaults,
`validate_arm` refuses what does not exist.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from heartloop.errors import UsageError
from heartloop.methods.params import PARAMS
from heartloop.methods.prompt import OLDER_COMMA
from heartloop.methods.schedule_names import check_cues
from heartloop.types import Arm, Method


@dataclass(frozen=True, slots=True)
class Step:
    """Calls that go out together, and what stands in their prompt behind the first prompt.

    Attributes:
        answers: earlier completions in the prompt.
        feedbacks: user messages of the method's own in the prompt.
        draws: how many such calls; a fraction is an average over questions.
    """

    answers: int = 0
    feedbacks: int = 0
    draws: float = 1


@dataclass(frozen=True, slots=True)
class MethodSpec:
    """What is known of a method without running it.

    Attributes:
        name: in the registry and on the command line.
        function: the method itself.
        params: names of the parameters it takes.
        defaults: defaults that differ from those of `PARAMS`.
        cues: kind of cue set it needs: ``heart``, ``neutral``, ``neutral-varied`` or empty.
        shape: maps the settings to the calls a question takes when nothing stops it early, round
            by round; see `Step`.
        early: whether a question may end before that, from the settings and the mode.
        summary: one line for people.
        helper: it needs a second model.
    """

    name: str
    function: Method
    params: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    cues: str = ""
    shape: Callable[[Mapping[str, Any]], list[list[Step]]] = lambda _settings: [[Step()]]
    early: Callable[[Mapping[str, Any], bool], bool] = lambda _settings, _oracle: False
    summary: str = ""
    helper: bool = False


METHODS: dict[str, Method] = {}
"""Name → method. Filled by `register`; integrations add their own."""

SPECS: dict[str, MethodSpec] = {}
"""Name → what is known of the method."""


def register(
    name: str,
    *,
    params: tuple[str, ...] = (),
    defaults: Mapping[str, Any] | None = None,
    cues: str = "",
    shape: Callable[[Mapping[str, Any]], list[list[Step]]] | None = None,
    early: Callable[[Mapping[str, Any], bool], bool] | None = None,
    summary: str = "",
    helper: bool = False,
) -> Callable[[Method], Method]:
    """Register a method under a name; use as a decorator.

    ``shape`` and ``early`` are as in `MethodSpec`; without them a method counts as one call.
    Parameters that are not in `PARAMS` cannot
    be declared: an integration adds its own there first.

    Raises:
        ValueError: the name is taken, or a parameter is not declared.
    """

    def add(function: Method) -> Method:
        if name in METHODS:
            raise ValueError(f"a method named {name!r} is registered already")
        missing = [param for param in params if param not in PARAMS]
        if missing:
            raise ValueError(f"{name}: parameters {missing} are not declared in PARAMS")
        known = {key: value for key, value in (("shape", shape), ("early", early)) if value}
        SPECS[name] = MethodSpec(
            name,
            function,
            params,
            dict(defaults or {}),
            cues,
            summary=summary,
            helper=helper,
            **known,  # type: ignore[arg-type]
        )
        METHODS[name] = function
        return function

    return add


def settings(arm: Arm) -> dict[str, Any]:
    """An arm's parameters, checked, over the defaults of its method.

    Raises:
        UsageError: unknown method or parameter, or a value that cannot be.
    """
    spec = SPECS.get(arm.method)
    if spec is None:
        raise UsageError(f"arm {arm.name!r}: no method {arm.method!r}{_hint(arm.method, SPECS)}")
    merged = {name: spec.defaults.get(name, PARAMS[name].default) for name in spec.params}
    for name, value in arm.params.items():
        if name not in merged:
            raise UsageError(
                f"arm {arm.name!r}: {arm.method} takes no parameter {name!r}{_hint(name, merged)}"
            )
        try:
            merged[name] = PARAMS[name].check(value)
        except ValueError as error:
            raise UsageError(f"arm {arm.name!r}: {name}: {value!r}: {error}") from None
    return merged


def check_helper(arm: Arm, helper: object | None) -> None:
    """Refuse an arm whose method needs a second model where there is none.

    Raises:
        UsageError: names the flag.
    """
    if SPECS[arm.method].helper and helper is None:
        raise UsageError(
            f"arm {arm.name!r}: {arm.method} needs a second model; name one with --helper MODEL"
        )


def validate_arm(arm: Arm, mode: str | None = None) -> None:
    """Refuse an arm that cannot run, before anything is asked.

    Args:
        arm: with its cues resolved, if its method needs any.
        mode: ``oracle`` or ``verifier-free`` where it is known.

    Raises:
        UsageError: unknown method or parameter, a value that cannot be, cues missing, or a
            schedule that needs a verifier.
    """
    values = settings(arm)
    spec = SPECS[arm.method]
    if spec.cues and not arm.cues:
        raise UsageError(
            f"arm {arm.name!r}: {arm.method} needs cues; name a stimulus card with the parameter "
            "cues, for example cues=heart"
        )
    if values.get("order", 1) > 2:
        raise UsageError(f"arm {arm.name!r}: order: {values['order']}: give 1 or 2")
    if "schedule" in values:
        check_cues(values, arm, mode)
    if arm.method == "knowledge" and values["knowledge"] is None:
        raise UsageError(f"arm {arm.name!r}: knowledge: missing; give a text or a file of them")
    if arm.method == "traces" and values["traces"] is None:
        raise UsageError(
            f"arm {arm.name!r}: traces: missing; write them from an earlier run with heartloop esc "
            "RUN --arm ARM --write-traces FILE.json and give --param traces=@FILE.json"
        )


def _hint(name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(str(name), list(known), n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; it knows {', '.join(sorted(known))}" if known else "; it takes none"


OLDER = {
    "layout": "cue-last",
    "answer_by": "own",
    "goes_on": "newest",
    "lost": 0,
    "signal": "verdict",
    "personality": [],
}
"""What these parameters were before they existed: for runs that were begun then."""


def older_params(method: str, known: Collection[str] = ()) -> dict[str, Any]:
    """Values of a method's parameters that did not exist when ``known`` were all there were."""
    return {k: v for k, v in OLDER.items() if k in SPECS[method].params and k not in known}


def older_defaults(arm: Arm) -> Arm:
    """An arm of a run from before the claim block, with the defaults of its time written out."""
    taken = older_params(arm.method)
    comma = [dataclasses.replace(s, joiner=OLDER_COMMA) for s in arm.stimuli if s.joiner == ", "]
    if comma:
        said = tuple(next((c for c in comma if c.name == s.name), s) for s in arm.stimuli)
        arm = dataclasses.replace(arm, stimuli=said)
    return dataclasses.replace(arm, params={**taken, **arm.params}) if taken else arm
