"""What the card of a found stimulus says of its figures."""

from __future__ import annotations

from pathlib import Path

import yaml

from heartloop.optimize.answer import lines_of
from heartloop.optimize.card import write_card
from heartloop.types import Arm, Stimulus

HELD = {
    "difference": 0.32, "low": -0.0002, "high": 0.64, "error": 0.05, "p_value": 0.046,
    "questions": 20,
}  # fmt: skip


def test_a_one_sided_p_beside_a_two_sided_interval_says_so(tmp_path: Path) -> None:
    arm = Arm("app:A1", stimuli=(Stimulus("A1", "app", "Be careful.", "0" * 64),))
    file = write_card(tmp_path, "found", arm, {"held_out": HELD, "ranking": [1, 2]}, "here")
    text = file.read_text()
    words = " ".join(text.split())
    assert "points to +64.0 points at 95 %" in words  # the interval holds 0, p is below 5 %
    assert "one-sided p = 0.046: the test asks only for a gain" in words
    assert "the interval looks both ways" in words
    assert yaml.safe_load(text)["stimuli"][0]["text"] == "Be careful."
    effect = {**HELD, "level": 0.95, "none": None, "leader": None}
    answer = {"use": None, "leader": "app:A1", "effect": effect, "to_know": []}
    shown = "\n".join(lines_of(answer, "20 questions"))
    assert "+64.0] (95 %)" in shown and "one-sided p 0.046" in shown
