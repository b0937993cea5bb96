"""What is measured on one answer: length, patterns, repetition, language, mood.

All of it is read from texts alone, without a model and without gold. A measure that a text cannot
have (the mood of five words, the repetition of an answer where none came before) is NaN.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from heartloop.style.affect import vad
from heartloop.style.language import language
from heartloop.style.rules import PATTERNS, found

LEAST_WORDS = 20
"""Under so many words a text has no mood worth a number."""
RUN = 4  # words in a row that are no accident
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_STOP = re.compile(r"[.!?。！？…]+[\"'”’)\]*_]*(?=\s|$)|\n\s*\n")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Measure:
    """What a column of the table means.

    Attributes:
        name: its name in tables and in JSON.
        meaning: one line.
        unit: ``share``, ``count`` or ``score`` (−1 to 1).
        sparse: many answers have none, and tasks differ in how many: then questions weigh the
            same rather than tasks.
    """

    name: str
    meaning: str
    unit: str
    sparse: bool = False

    @property
    def share(self) -> bool:
        """Whether it is the share of answers that have something."""
        return self.unit == "share"


MEASURES: tuple[Measure, ...] = (
    Measure("tokens", "completion tokens", "count"),
    Measure("sentences", "sentences", "count"),
    Measure(
        "form kept", "content right and in the form asked for, of the right ones", "share", True
    ),
    *(Measure(name, meaning, "share") for name, meaning in PATTERNS.items()),
    Measure("cue repeated", f"{RUN} words in a row of the cue, or all of it", "share"),
    Measure("answer repeated", f"share of its runs of {RUN} words in the answer before", "share"),
    Measure("language switch", "another language than the prompt's", "share"),
    Measure("valence", f"valence of the text, from {LEAST_WORDS} words on", "score", True),
    Measure("arousal", "arousal, likewise", "score", True),
    Measure("dominance", "dominance, likewise", "score", True),
)
NAMES = tuple(measure.name for measure in MEASURES)


@dataclass(frozen=True, slots=True)
class Read:
    """What an answer's text alone says; the same whoever asked for it.

    Attributes:
        words: its words in lower case.
        sentences: how many.
        patterns: names of the patterns that stand in it.
        language: see `heartloop.style.language`.
        mood: valence, arousal, dominance; NaN under 20 words or in another language.
        same: hash of the text without its white space: two answers are the same or not.
    """

    words: tuple[str, ...]
    sentences: int
    patterns: frozenset[str]
    language: str
    mood: tuple[float, float, float]
    same: int


def read(text: str, *, patterns: bool = True) -> Read:
    """Read one answer; its patterns, which take the longest, only where they are wanted."""
    spoken = words(text)
    mood = (math.nan, math.nan, math.nan)
    if len(spoken) >= LEAST_WORDS:
        point = vad(text)
        if point.supported:
            mood = (point.valence, point.arousal, point.dominance)
    return Read(
        words=spoken,
        sentences=sentences(text),
        patterns=found(text) if patterns else frozenset(),
        language=language(text),
        mood=mood,
        same=hash(_SPACE.sub(" ", text.strip())),
    )


def words(text: str) -> tuple[str, ...]:
    """Words and numbers of a text, in lower case."""
    return tuple(_WORD.findall(text.lower().replace("’", "'")))


def sentences(text: str) -> int:
    """Sentences: ends of sentences and empty lines; a text without any has one."""
    plain = text.strip()
    if not plain:
        return 0
    parts = [part for part in _STOP.split(plain) if _WORD.search(part)]
    return max(1, len(parts))


@functools.lru_cache(maxsize=4096)
def _cue(text: str) -> tuple[tuple[str, ...], frozenset[tuple[str, ...]]]:
    spoken = words(text)
    return spoken, _runs(spoken)


def _runs(spoken: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    if len(spoken) < RUN:
        return frozenset([spoken] if spoken else [])
    return frozenset(zip(*(spoken[i:] for i in range(RUN)), strict=False))


def repeats(answer: Read, said: str) -> float:
    """1 where an answer holds four words in a row of a phrase, or a shorter phrase as a whole."""
    spoken, runs = _cue(said)
    if not spoken:
        return 0.0
    if len(spoken) < RUN:
        width = len(spoken)
        here = zip(*(answer.words[i:] for i in range(width)), strict=False)
        return float(spoken in set(here))
    return float(not runs.isdisjoint(_runs(answer.words)))


def overlap(answer: Read, before: Read | None) -> float:
    """Share of an answer's runs of four words that stand in the answer before it; NaN without."""
    if before is None or not answer.words:
        return math.nan
    runs = _runs(answer.words)
    return len(runs & _runs(before.words)) / len(runs)


def measure(
    answer: Read,
    *,
    tokens: float = math.nan,
    form: bool | None = None,
    cue: str = "",
    before: Read | None = None,
    asked_in: str = "",
) -> Mapping[str, float]:
    """All measures of an answer, by name.

    Args:
        answer: from `read`.
        tokens: completion tokens of its call.
        form: whether it kept the form asked for; None where its content is not right.
        cue: what was said to the model beside the task: the stimulus, or the cue of this turn.
        before: the answer of the turn before.
        asked_in: language of the prompt; empty where it cannot be told.
    """
    switched = bool(asked_in and answer.language and answer.language != asked_in)
    return {
        "tokens": float(tokens),
        "sentences": float(answer.sentences),
        "form kept": math.nan if form is None else float(form),
        **{name: float(name in answer.patterns) for name in PATTERNS},
        "cue repeated": repeats(answer, cue),
        "answer repeated": overlap(answer, before),
        "language switch": float(switched),
        **dict(zip(("valence", "arousal", "dominance"), answer.mood, strict=True)),
    }
