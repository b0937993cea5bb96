"""Sums of floats that do not depend on the order in which they are added."""

from __future__ import annotations

import math


class Sum:
    """An exact sum: the same to the last digit in whatever order a run's lines came.

    It keeps partial sums that do not overlap (Shewchuk 1997, "Adaptive precision floating-point
    arithmetic"), as `math.fsum` does, which wants all numbers at once.
    """

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        """Nothing is added yet."""
        self._parts: list[float] = []

    def add(self, value: float) -> None:
        """Add a finite number."""
        kept = []
        for part in self._parts:
            if abs(value) < abs(part):
                value, part = part, value
            high = value + part
            low = part - (high - value)
            if low:
                kept.append(low)
            value = high
        kept.append(value)
        self._parts = kept

    @property
    def total(self) -> float:
        """The sum, rounded once; 0.0 of nothing."""
        return math.fsum(self._parts)
