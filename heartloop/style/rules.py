"""Patterns of an answer, read by the rules of ``patterns.yaml``: one line a rule, with examples.

A pattern stands in a text where one of its rules matches and none of its exceptions does at that
place. Quotes, code and formulas are no speech of the answer's own and are left out. English.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heartloop.cards._yaml import read_document
from heartloop.errors import CardError

CARD = Path(__file__).with_name("patterns.yaml")

MOST = 10_000
"""Letters of an answer that are read: a hostile text must not hold up rules that look ahead."""
_NOT_SPEECH = re.compile(
    r"```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]*\$|\\\[.*?\\\]|\\\(.*?\\\)", re.DOTALL
)
_SPACE = re.compile(r"\s+")
_SHORTHAND = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern of the card.

    Attributes:
        name: as the tables have it.
        meaning: one line.
        group: ``response`` for the seven response patterns, ``stance`` for the others.
        rules: regular expressions on lower-case text, one of which must match.
        unless: expressions that are no case of it; what they match is taken out first.
        yes, no: examples; each is a test.
    """

    name: str
    meaning: str
    group: str
    rules: tuple[str, ...]
    unless: tuple[str, ...]
    yes: tuple[str, ...]
    no: tuple[str, ...]


@functools.cache
def patterns() -> tuple[Pattern, ...]:
    """The patterns of the shipped card, read once.

    Raises:
        CardError: a rule is no regular expression; names it.
    """
    card: Any = read_document(CARD).root.plain()
    short = card["shorthand"]

    def rules(name: str, listed: list[str]) -> tuple[str, ...]:
        out = []
        for rule in listed:
            full = _SHORTHAND.sub(lambda m: f"(?:{short[m[1]]})" if m[1] in short else m[0], rule)
            try:
                re.compile(full)
            except re.error as error:
                raise CardError(f"{CARD.name}: {name}: {rule!r}: {error}; mend the rule") from error
            out.append(full)
        return tuple(out)

    return tuple(
        Pattern(
            name=one["name"],
            meaning=one["meaning"],
            group=one["group"],
            rules=rules(one["name"], one["rules"]),
            unless=rules(one["name"], one.get("unless", [])),
            yes=tuple(one["yes"]),
            no=tuple(one["no"]),
        )
        for one in card["patterns"]
    )


PATTERNS: dict[str, str] = {pattern.name: pattern.meaning for pattern in patterns()}
"""Name of each pattern and what it means, in the order of the card."""


@functools.cache
def _compiled() -> tuple[tuple[str, re.Pattern[str], re.Pattern[str] | None], ...]:
    def either(rules: tuple[str, ...]) -> re.Pattern[str] | None:
        return re.compile("|".join(f"(?:{rule})" for rule in rules)) if rules else None

    return tuple(
        (one.name, either(one.rules) or re.compile("(?!)"), either(one.unless))
        for one in patterns()
    )


def plain(text: str) -> str:
    """A text as the rules read it: speech only, lower case, straight quotes, single spaces."""
    text = text[:MOST]
    spoken = _NOT_SPEECH.sub(" ", text) if ("$" in text or "`" in text or "\\" in text) else text
    spoken = spoken.lower().replace("’", "'").replace("‘", "'").replace("“", '"').replace("”", '"')
    return _SPACE.sub(" ", spoken).strip()


def found(text: str) -> frozenset[str]:
    """Names of the patterns that stand in a text."""
    spoken = plain(text)
    out = []
    for name, rule, unless in _compiled():
        if rule.search(spoken) and (unless is None or rule.search(unless.sub(" … ", spoken))):
            out.append(name)
    return frozenset(out)
