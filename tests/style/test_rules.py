"""Each line of the card with its examples, and what is no speech of the answer's own."""

from __future__ import annotations

import re
import time

import pytest

from heartloop.style.measures import read
from heartloop.style.rules import PATTERNS, found, patterns, plain

CASES = [(p.name, text, True) for p in patterns() for text in p.yes] + [
    (p.name, text, False) for p in patterns() for text in p.no
]


@pytest.mark.parametrize(("name", "text", "expected"), CASES)
def test_examples_of_the_card(name: str, text: str, expected: bool) -> None:
    assert (name in found(text)) == expected


@pytest.mark.parametrize("pattern", patterns(), ids=lambda p: p.name)
def test_every_rule_has_an_example(pattern) -> None:  # type: ignore[no-untyped-def]
    for rule in pattern.rules:
        assert any(re.search(rule, plain(text)) for text in pattern.yes), rule
    assert len(pattern.no) >= 3


def test_code_and_formulas_are_no_speech() -> None:
    assert not found("```\n# perhaps\n```") and not found(r"\(perhaps\)") and not found("`maybe`")
    assert "hedging" in found("Perhaps `x` is 4.")
    assert found("") == frozenset()
    assert list(PATTERNS) == [pattern.name for pattern in patterns()]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "piece",
    ["as an ai ", "\\[", "```", "$", "i can not ", "please ", "a ", "…", "you feel ", "if you "],
)
def test_a_hostile_text_does_not_hold_the_rules_up(piece: str) -> None:
    before = time.process_time()
    read(piece * 20_000)
    assert time.process_time() - before < 10
