"""The caps that come before any computation on text a model wrote."""

from __future__ import annotations

MAX_LENGTH = 4_000
"""Characters of one answer that the maths verifier reads."""

MAX_NESTING = 60
"""Open brackets at once."""

MAX_NODES = 3_000
"""Nodes of one parsed answer."""

MAX_DIGITS = 20_000
"""Decimal digits of an exact integer that is computed."""

MAX_FACTORIAL = 3_000
"""Largest whole number whose factorial is computed exactly."""

MAX_TERMS = 2_000
"""Terms of a sum or product that are added up."""


class TooLarge(Exception):
    """A cap was reached; the comparison is not made."""


class Unreadable(Exception):
    """A text is no expression that the parser knows."""
