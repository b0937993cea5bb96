"""What an instruction asks for ("the plural of the noun"), and where a text says what it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from heartloop import regex as re
from heartloop.grading.content.beside import SO, VERDICT
from heartloop.grading.content.reading import Asked, Span, fold
from heartloop.grading.content.surface import sentence_end

_ASKED = re.compile(
    r"\b(?:give|name|state|write|find|say|tell me|report|return|output|means?|that is|describes)"
    r"\s+the\s+(?P<noun>(?:\w+\s+){0,2}?\w+)(?=\s+(?:of|for|in|from|that|which|with)\b|[.,;?]|$)",
    re.I,
)
_NO_NAME = re.compile(r"(?:\w+ )?(?:word|sentence|number|result|answer|text|same|thing|output)s?")
_ONE = re.compile(r"(?P<degree>\w+er|more \w+) one")
_MADE = (
    (re.compile(r"\btranslate\b", re.I), "translation"),
    (re.compile(r"\bnegate\b", re.I), r"negation|negated (?:sentence|form|version)"),
    (re.compile(r"\bpassive\b", re.I), r"passive (?:voice|form|sentence|version)"),
    (re.compile(r"\bopposite\b", re.I), r"antonym"),
    (re.compile(r"\bmeans the same\b", re.I), r"synonym"),
)
"""What comes of what is to be done."""
_INTO = re.compile(r"\btranslate\b[^.]*? (?:in)?to (?P<language>[A-Z][a-z]+)\b")
_IS = (
    r"(?:\s*:\s*|\s+(?:is|are|would be|should be|will be|must be|becomes?)\s*:?\s+"
    r"(?:therefore |thus |simply |indeed |also |called )?)"
)
_QUOTED = r"(?:\"[^\"\n]{1,300}\"|(?<!\w)'[^'\n]{1,300}'(?!\w))"
_TILL = rf"(?:{_QUOTED}|(?!(?:is|are|was|would|should|not|that|which)\b)[^.!?:=;\"\n])"
_SHORT = r"[\w'-]+(?: [\w'-]+){0,2}?"
_ASIDE = re.compile(r",?\s+(?:which|that|because|since|as|and)\b|[,;(]")
_OWN = re.compile(r"\bmy (?:\w+ )?(?:prediction|decision|classification|answer|conclusion)\b", re.I)
_POINTS = re.compile(r"(?:the )?(?:first|second) (?:sentence|statement)$|sentence [12]$")
_SENTENCE = re.compile(r"\s*[A-Z]\w*(?: [\w'-]+){3}")
_WHICH = r"(?:the )?(?:first|second) sentence\b|sentence [12]\b"
_NO_VALUE = re.compile(
    r"\W*(?:not|n't|an?|the|formed|used|given|usually|often|typically|generally|always|that|it|"
    r"correct|incorrect|accurate|wrong|right|valid|same|different|very|also|already|based|clear|"
    r"in|of|for|to|by|because|due|as|more|most|less|when|where|what|how|if|considered|common|"
    r"widely|well|made|obtained|required|needed|unknown|none|no|similar|appropriate|spelled)\b",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for.

    Attributes:
        letter: it is one letter, so that nothing longer is said of it.
        claims: where it is said to be something; the group ``said`` is what.
    """

    letter: bool
    claims: tuple[re.Pattern[str], ...]


@lru_cache(maxsize=256)
def wanted_by(instruction: str) -> Wanted | None:
    """What an instruction asks for by a name of its own, or None ("Give a word that …")."""
    names = [found["noun"].lower() for found in _ASKED.finditer(instruction)]
    names = [name for name in names if not _NO_NAME.fullmatch(name)]
    one = [_ONE.fullmatch(name) for name in names]
    names = [
        rf"{re.escape(found['degree'])}(?: (?:one|\w+))?" if found else re.escape(name)
        for name, found in zip(names, one, strict=True)
    ]
    names += [made for verb, made in _MADE if verb.search(instruction)]
    into = _INTO.search(instruction)
    if into:
        names.append(rf"{into['language']} (?:word|term|equivalent|version|name)")
    if not names:
        return None
    name = rf"(?<!\w)(?:{'|'.join(names)})(?!\w)"
    letter = any(found.endswith("letter") for found in names)
    patterns = [
        rf"{name}{_TILL}{{0,80}}?{_IS}(?P<said>{_QUOTED}|(?=\S))",
        rf"(?P<said>{_QUOTED}|{_WHICH}(?:,? {_QUOTED},?)?|(?:the )?{_SHORT})\s+(?:\w+ly )?"
        rf"(?:is|describes|states|gives|represents)\s+(?:\w+ly )?(?:(?:the|a|an|in)\s+)?"
        rf"(?:\w+\s+)?{name}",
    ]
    if letter:
        patterns.append(rf"{name},?\s+(?:being )?(?P<said>\"\w\"|'\w'|\(\w\))")
    if into:
        to = into["language"]
        patterns += [
            rf"\btranslate[sd]?(?:{_TILL}|is){{0,60}}?\s(?:in)?to (?:{to} (?:as|is)\s+)?"
            rf"(?P<said>{_QUOTED})",
            rf"\bin {to}{_TILL}{{0,60}}?{_IS}(?P<said>{_QUOTED})(?! in English)",
            rf"\bas (?P<said>{_QUOTED}) in {to}\b",
        ]
    return Wanted(letter, tuple(re.compile(one, re.I) for one in patterns))


def claims_in(text: str, asked: Asked) -> list[Span]:
    """Where a text says of what was asked for what it is, in order; the item itself is none."""
    wanted = wanted_by(asked.instruction)
    if wanted is None:
        return []
    item = fold(asked.item)
    members = [fold(name) for name in asked.item.split(",")]
    found: dict[Span, bool] = {}
    for pattern in wanted.claims:
        for match in pattern.finditer(text):
            span = _value(text, match, item, members, wanted.letter)
            if span is not None:
                begin = max(text.rfind(char, 0, match.start()) for char in ".!?\n") + 1
                found[span] = bool(SO.match(text, begin) or _OWN.search(text, begin, span[0]))
    concluded = [span for span, so in found.items() if so]
    claims = sorted(concluded or found)
    named = {fold(text[slice(*span)]).removeprefix("the ") for span in claims}
    options = {name for name in named if name in members or _POINTS.match(name)}
    return [] if len(options) > 1 else claims


def _value(
    text: str, match: re.Match[str], item: str, members: list[str], letter: bool
) -> Span | None:
    """Where the value of a claim stands, without its quotes, or None where it is no value."""
    start, end = match.span("said")
    if text[start] in "\"'":
        start, end = start + 1, end - 1
        said = fold(text[start:end])
        if "(" in text[start:end]:
            return None  # "career(s)"
    else:
        end = end if end > start else sentence_end(text, start)
        aside = _ASIDE.search(text, start, end)
        said = fold(text[start : aside.start() if aside else end])
        words = len(said.split())
        if end < match.end():  # it stands in front
            if said.removeprefix("the ") not in members and not _POINTS.match(said):
                return None
        elif not (said in item if words > 3 else said.removeprefix("the ") in members):
            sentence = len(item.split()) > 3 and _SENTENCE.match(text, start)
            if not _POINTS.match(said) and not sentence:
                if words > 3 or _NO_VALUE.match(said) or VERDICT.match(said):
                    return None
    if (
        not said
        or said == item
        and text[start - 1] not in "\"'"
        or letter
        and not re.fullmatch(r"\w", said)
    ):
        return None
    return start, end
