"""What a method costs before it runs: calls, tokens, and the draws that match a budget."""

from __future__ import annotations

from heartloop.methods.registry import SPECS, settings
from heartloop.types import Arm, Mode


def expected_calls(arm: Arm, mode: Mode) -> tuple[int, int]:
    """Least and most calls a question takes under this arm, selectors aside.

    Raises:
        UsageError: the arm does not validate.
    """
    return SPECS[arm.method].calls(settings(arm), mode == "oracle")
