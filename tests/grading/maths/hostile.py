"""Makes hostile strings: broken LaTeX, deep nesting, huge numbers, control characters."""

from __future__ import annotations

import random

_PARTS = [
    "\\frac{", "}{", "}", "{", "\\sqrt[", "]", "(", ")", "[", "\\left(", "\\right]", "^", "_",
    "\\boxed{", "7^{7^8}", "99999999!", "10^{10^{10^{10}}}", "!", "%", "^{\\circ}", "\\pm",
    "=", "<", "\\le", "\\in", "\\cup", "\\{", "\\}", "|", ",", ";", " and ", " or ",
    "\\text{", "\\begin{pmatrix}", "\\end{pmatrix}", "&", "\\\\", "$", "$$", "\\[", "\\]",
    "\\sum_{k=1}^{", "\\int_0^1", "\\lim", "\\binom{", "x", "y", "n", "f(", "e", "i", "\\pi",
    "\\infty", "0", "1", "2.5", "1e999999", "9" * 50, "-", "+", "/", ":", "'",
    "the answer is ", "Final answer: ", "\n", "\u0000", "\f", "\t", "∞", "½", "²", "①", "０",
    "\u202e", "🙂", "<think>", "</think>", "\\overline{", "...", "\\ldots", "\\log_",
    "\\sin^{-1}", "\\tan", "1,000", "km/h", "\\operatorname{", "\\mathrm{", "degrees",
    "million", "0.\\overline{3}", "a_{1}", "\\forall", "**", "__",
]  # fmt: skip


def hostile(draw: random.Random) -> str:
    """One hostile string; no two draws need be different."""
    kind = draw.random()
    if kind < 0.6:
        return "".join(draw.choice(_PARTS) for _ in range(draw.randint(1, 25)))
    if kind < 0.7:
        return draw.choice(_PARTS) * draw.randint(1, 400)
    if kind < 0.8:
        opening = draw.choice(
            ["(", "{", "\\frac{", "\\sqrt{", "\\left[", "|", "\\{", "\\boxed{", "f("]
        )
        return (
            opening * draw.randint(1, 300)
            + "1"
            + draw.choice([")", "}", "]"]) * draw.randint(0, 300)
        )
    if kind < 0.9:
        numbers = [draw.choice(["9", "10", "7", "2", "999999999", "x"]) for _ in range(6)]
        return draw.choice(["^", "^{", "!", "*", "**", "/"]).join(numbers) + "}" * draw.randint(
            0, 5
        )
    return "".join(
        chr(draw.choice([draw.randint(1, 127), draw.randint(128, 0x2FFF)])) for _ in range(60)
    )
