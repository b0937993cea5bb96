"""What a phrase says beside its words: feeling, a demand, a verdict; and its shuffled twin.

The checks are word lists and patterns, written for the short English lines of stimulus cards.
They are made to be strict: a line that passes has none of the listed words or forms.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

_WORD = re.compile(r"[a-z]+(?:['’-][a-z]+)*")

_VERBS = frozenset(
    """
    accept add aim allow answer apply argue ask assume avoid be bear begin believe break breathe
    bring build calculate calm care carry change check choose cling come compare complete compute
    concentrate confirm consider continue convince copy correct count cover dare decide describe
    determine dig do double-check draw embrace end enjoy ensure examine explain extend fight figure
    find finish fix focus follow forget get give go grab greet have hear help hold hope identify
    ignore imagine improve include keep know lay learn leave let list listen look make mark mind
    move note notice observe offer open outline pay persevere persist pick place plan play please
    ponder prepare press proceed produce prove provide pull push put question quit raise reach read
    reason recall recheck recompute reconsider redo reflect refine relax remain remember remove
    repeat replace reply report rescue rest restate rethink retry return review revise rewrite say
    search see seek select set shake share show slow solve speak spot stand start state stay step
    stop strive study submit suppose take talk tell test think tighten treat trust try turn
    understand use validate verify wait wake walk watch welcome work write
    """.split()
)
_REQUESTS = re.compile(
    r"\b(?:please|let's|let us|should|must|ought|shall|need(?:s|ed)? to|ha(?:ve|s) (?:got )?to|"
    r"had better|'d better|better be|you'd do well|(?:could|would|can|will|won't|can't) you|"
    r"why (?:don't|not)|want you to|need you to|ask(?:ing)? you to|expect you to|count(?:ing)? on "
    r"you to|wish you|hope you|time to|be worth(?:while)?|(?:another|second|one more|fresh|closer)"
    r" (?:look|try|attempt|go|chance|glance|effort)|try again|once more|next time|over again|"
    r"more care(?:ful|fully)?|step by step|make sure|be sure)\b"
)
_VERDICTS = re.compile(
    r"\b(?:wrong(?:ly)?|right(?:ly)?|correct(?:ly|ed|ion)?|incorrect(?:ly)?|mistake[ns]?|"
    r"mistaken|error(?:s|neous)?|fail(?:s|ed|ing|ure)?|false|true|untrue|miss(?:ed)?|flaw(?:s|ed)?"
    r"|inaccurate|accurate|solved|unsolved|botched|blunder(?:s|ed)?|invalid|valid|solution|"
    r"answers?|result)\b"
)


def words(text: str) -> list[str]:
    """Lower-case words of a text, in order; ``isn't`` and ``double-check`` are one word each."""
    return _WORD.findall(text.lower().replace("’", "'"))


@functools.cache
def _affect() -> tuple[frozenset[str], tuple[str, ...]]:
    """Whole words and prefixes of the shipped list."""
    lines = Path(__file__).with_name("affect_words.txt").read_text(encoding="utf-8").splitlines()
    entries = [word for line in lines if not line.startswith("#") for word in line.split()]
    whole = frozenset(word for word in entries if not word.endswith("*"))
    return whole, tuple(word[:-1] for word in entries if word.endswith("*"))


def affect_words(text: str) -> list[str]:
    """Words of a text that stand in the affect list; empty for a neutral line."""
    whole, prefixes = _affect()
    return [word for word in words(text) if word in whole or word.startswith(prefixes)]


def demands(text: str) -> list[str]:
    """Signs that a text asks for something to be done; empty for a line that only states.

    A sign is a question, a request form ("you should", "please", "another look"), or a sentence
    or clause that begins with a bare verb (an imperative).
    """
    plain = text.lower().replace("’", "'")
    found = ["?"] if "?" in plain else []
    found += _REQUESTS.findall(plain)
    for clause in re.split(r"[.!?;:,]|\b(?:and|but|or|so|then)\b", plain):
        spoken = words(clause)
        while spoken and spoken[0] in ("just", "now", "always", "never", "also", "still"):
            spoken = spoken[1:]
        if spoken and (spoken[0] in _VERBS or spoken[0] == "don't"):
            found.append(spoken[0])
    return found


def verdicts(text: str) -> list[str]:
    """Words that say or suggest whether an answer was right; empty for a cue that does not."""
    return _VERDICTS.findall(text.lower())


def length_gap(text: str, other: str) -> float:
    """The larger of the relative differences in words and in characters, against ``other``.

    Words are runs of non-space, characters are code points.
    """
    by_words = abs(len(text.split()) / len(other.split()) - 1)
    return max(by_words, abs(len(text) / len(other) - 1))


def shuffled(text: str, seed: str) -> str:
    """The words of a text in a fixed random order, punctuation left on its word.

    Words are sorted by SHA-256 of ``seed:position:word``; where that order is the original one,
    the seed is lengthened until it is not. The same on every platform and version.

    Args:
        text: at least two different words, else it comes back unchanged.
        seed: the stimulus's full name, ``emotionprompt:EP02``.
    """
    original = text.split()
    if len(set(original)) < 2:
        return text
    while True:
        mixed = _by_hash(original, seed)
        if mixed != original:
            return " ".join(mixed)
        seed += "+"


def _by_hash(items: Sequence[str], seed: str) -> list[str]:
    def rank(pair: tuple[int, str]) -> bytes:
        return hashlib.sha256(f"{seed}:{pair[0]}:{pair[1]}".encode()).digest()

    return [word for _, word in sorted(enumerate(items), key=rank)]
