"""The matched controls: the arms without which a loop's gain means nothing."""

from __future__ import annotations

from heartloop.methods.cost import expected_calls
from heartloop.methods.loop import LOOP
from heartloop.methods.registry import SPECS
from heartloop.types import Arm, Mode


def matched_controls(arm: Arm, mode: Mode) -> list[Arm]:
    """The controls of a loop: `single`, `resample`, `reflect`, `neutral`, `neutral-varied`.

    They have the loop's first prompt, rounds, candidates, history, wording, temperatures and stop
    rule, and share round 0 with it. The cues of `neutral` and `neutral-varied` are for the caller
    to resolve. `resample` gets as many draws as the loop has calls at most; at equal tokens,
    replace ``draws`` by `draws_for_equal_tokens` before the run. It ends at the first right draw
    where the loop does.

    Returns:
        Nothing for a method that is no loop.
    """
    if "rounds" not in SPECS[arm.method].params:
        return []
    shared = {name: value for name, value in arm.params.items() if name in LOOP}
    suffix = "" if arm.name == arm.method else f" for {arm.name}"

    def control(method: str, **params: object) -> Arm:
        role = "none" if method == "single" else method
        return Arm(
            f"{method}{suffix}",
            method,
            stimuli=arm.stimuli,
            placement=arm.placement,
            params=params,
            role=role,
        )

    stop = "solved" if mode == "oracle" and shared.get("stop", "auto") != "never" else "never"
    controls = [
        control("single"),
        control("resample", draws=expected_calls(arm, mode)[1], stop=stop),
        *(control(method, **shared) for method in ("reflect", "neutral", "neutral-varied")),
    ]
    return [other for other in controls if other.method != arm.method]
