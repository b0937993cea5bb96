"""Valence, arousal and dominance of a text, from our own lexicon (``affect.yaml``).

The estimator has no memory and no model: the mean point of the words that carry feeling. A word
after a negation counts as a weak opposite, one after a word of degree for more or less. It reads
English; a text in another language is said to be unsupported and gets no mood.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heartloop.cards._yaml import read_document
from heartloop.style.language import language

CARD = Path(__file__).with_name("affect.yaml")

Point = tuple[float, float, float]

_TOKEN = re.compile(r"[a-z]+(?:['-][a-z]+)*|[.,;:!?\n]")


@dataclass(frozen=True, slots=True)
class Vad:
    """The mood of a text.

    Attributes:
        valence, arousal, dominance: each in [-1, 1]; 0 where no word carries feeling, and for a
            text that is not supported.
        words: words of the text.
        felt: how many of them carry feeling.
        supported: False for a text in another language than English.
    """

    valence: float
    arousal: float
    dominance: float
    words: int
    felt: int = 0
    supported: bool = True


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The card as it is used: words and stems with their points, negations, degrees."""

    words: Mapping[str, Point]
    stems: tuple[tuple[str, Point], ...]
    negations: frozenset[str]
    reach: int
    turns: float
    degrees: Mapping[str, float]
    examples: tuple[tuple[str, str], ...]
    sha256: str


@functools.cache
def lexicon() -> Lexicon:
    """The shipped lexicon, read once."""
    document = read_document(CARD)
    card: Any = document.root.plain()
    entries = [
        (word, (float(v), float(a), float(d)))
        for feeling in card["feelings"]
        for v, a, d in (feeling["at"],)
        for word in feeling["words"].split()
    ]
    return Lexicon(
        words={word: point for word, point in entries if not word.endswith("*")},
        stems=tuple((word[:-1], point) for word, point in entries if word.endswith("*")),
        negations=frozenset(card["negation"]["words"].split()),
        reach=card["negation"]["reach"],
        turns=card["negation"]["turns"],
        degrees={w: row["times"] for row in card["degree"] for w in row["words"].split()},
        examples=tuple((row["text"], row["is"]) for row in card["examples"]),
        sha256=document.sha256,
    )


@functools.lru_cache(maxsize=65536)
def _point(word: str) -> Point | None:
    """Where a word lies; None for one without feeling. A whole word goes before a stem."""
    known = lexicon()
    if word in known.words:
        return known.words[word]
    return next((point for stem, point in known.stems if word.startswith(stem)), None)


def vad(text: str) -> Vad:
    """Valence, arousal and dominance of a text: the mean point of its words of feeling.

    Args:
        text: any text.

    Returns:
        The mood; at rest (0, 0, 0) where no word carries feeling or the language is not English.
    """
    tokens = _TOKEN.findall(text.lower().replace("’", "'"))
    words = sum(len(token) > 1 or token.isalpha() for token in tokens)
    if language(text) not in ("en", ""):
        return Vad(0.0, 0.0, 0.0, words, supported=False)
    found = [(at, point) for at, token in enumerate(tokens) if (point := _point(token))]
    if not found:
        return Vad(0.0, 0.0, 0.0, words)
    total = [0.0, 0.0, 0.0]
    for at, point in found:
        for axis, value in enumerate(_turned(tokens, at, point)):
            total[axis] += value
    v, a, d = (value / len(found) for value in total)
    return Vad(v, a, d, words, len(found))


def _turned(tokens: list[str], at: int, point: Point) -> Point:
    """The point of a word after what stands before it in its clause: degree and negation."""
    known = lexicon()
    times, negated = 1.0, False
    for token in tokens[max(0, at - known.reach) : at][::-1]:
        if not token[0].isalpha():
            break
        times *= known.degrees.get(token, 1.0)
        negated = negated or token in known.negations
    v, a, d = (min(1.0, max(-1.0, value * times)) for value in point)
    return (v * known.turns, a * abs(known.turns), d * known.turns) if negated else (v, a, d)
