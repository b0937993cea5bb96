"""The numbered sentence of an item that an answer means: by its number, or in nearly its words."""

from __future__ import annotations

from heartloop import regex as re
from heartloop.grading.content.reading import Asked, fold

_ANY_LABEL = re.compile(
    r"\b(?:sentence|option|choice|statement|number|item|word|animal)\s+(\d+|one|two|three|"
    r"first|second)$|"
    r"\b(?P<which>first|second) (?P<kind>sentence|option|choice|statement|word|animal)$",
    re.I,
)


def sentence_meant(answer: str, asked: Asked) -> str | None:
    """The sentence of the item that an answer refers to, or None."""
    return _referred(answer, asked.input) or _copied(answer, asked) or _member(answer, asked.item)


def _member(answer: str, item: str) -> str | None:
    """The one of two names that an answer gives in the plural or with an article: “Whales”."""
    names = [name.strip() for name in item.split(",")]
    said = fold(answer)
    said = re.sub(r"^(?:the|an?) ", "", said)
    meant = [name for name in names if said in (fold(name), f"{fold(name)}s", f"{fold(name)}es")]
    return meant[0] if len(names) == 2 and len(meant) == 1 else None


def _copied(answer: str, asked: Asked) -> str | None:
    """The numbered sentence that an answer gives in nearly its words, where one is to be copied."""
    if not _COPY.search(asked.instruction) or len(answer.split()) < 4:
        return None
    sentences = numbered_sentences(asked.item)
    mine = _stems(answer)
    near = [len(mine & _stems(one)) / len(mine | _stems(one)) for one in sentences if mine]
    best = max(range(len(near)), key=near.__getitem__, default=None)
    if best is None or near[best] < 0.6 or sorted(near)[-2:][0] > 0.5 * near[best]:
        return None
    return sentences[best]


_COPY = re.compile(r"\bcopy\b", re.I)
_NUMBERED = re.compile(r"\bsentence \d+:", re.I)


def numbered_sentences(item: str) -> list[str]:
    """The sentences that an item numbers: “Sentence 1: Someone fainted. Sentence 2: …”."""
    return [part.strip() for part in _NUMBERED.split(item) if part.strip()]


def _stems(text: str) -> set[str]:
    return {word[:4] for word in fold(text).split() if len(word) > 2}


def _referred(answer: str, shown: str) -> str | None:
    """The text that the question numbers as the answer says: “Sentence 1”."""
    named = _ANY_LABEL.search(answer)
    if named is None or len(answer.split()) > 4:
        return None
    said = (named[1] or named["which"]).lower()
    word = {"one": "1", "two": "2", "three": "3", "first": "1", "second": "2"}.get(said, said)
    name = named["kind"] or named.group().split()[0]
    found = re.search(
        rf"\b{name}\s+{word}\s*:\s*(?P<text>.+?)(?=\s*\b{name}\s+\d+\s*:|\n|$)", shown, re.I | re.S
    )
    return found["text"].strip() if found else None
