"""What an instruction asks for ("the plural of the noun"), and where a text says what it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from heartloop import regex as re
from heartloop.grading.content.beside import SO, VERDICT
from heartloop.grading.content.reading import Asked, Span, fold
from heartloop.grading.content.sentences import numbered_sentences
from heartloop.grading.content.surface import sentence_end

_ASKED = re.compile(
    r"\b(?:give|name|state|write|find|say|tell me|report|return|output|means?|that is|describes)"
    r"\s+the\s+(?P<noun>(?:\w+\s+){0,2}?\w+)(?=\s+(?:of|for|in|from|that|which|with)\b|[.,;?]|$)",
    re.I,
)
_NO_NAME = re.compile(r"(?:\w+ )?(?:word|sentence|number|result|answer|text|same|thing|output)s?")
_DEGREE = re.compile(r"(?P<stem>\w+?)er (?:one|\w+)")
_OPPOSITE = {"larg": "small", "bigg": "small", "small": "larg", "long": "short", "short": "long"}
_MADE = (
    (re.compile(r"\btranslate\b", re.I), "translation"),
    (re.compile(r"\bnegate\b", re.I), "negation|negated|negative|negate"),
    (re.compile(r"\bpassive\b", re.I), "passive"),
    (re.compile(r"\bplural\b", re.I), "plurali[sz]ed"),
    (re.compile(r"\bopposite\b", re.I), "antonym"),
    (re.compile(r"\bmeans the same\b", re.I), "synonym"),
)
"""What comes of what is to be done, and other names of what is asked for."""
_INTO = re.compile(r"\b(?i:translate)\b[^.]*? (?:in)?to (?P<language>[A-Z][a-z]+)\b")
_QUOTED = r"(?:\"[^\"\n]{1,300}\"|(?<!\w)'[^'\n]{1,300}'(?!\w))"
_TILL = rf"(?:{_QUOTED}|(?!\b(?:is|are|was|would|should|not|that|which)\b)[^.!?:=;\"\n])"
_FORM = r"(?: (?:form|version|noun|word|sentence|voice|one|animal|statement))?"
_OF = rf"(?:,? (?:of|for|in|into|between|from|to|given|among)\b{_TILL}{{0,90}}?)?"
_IS = (
    r"(?:\s*:\s*|,?\s+(?:is|are|would be|should be|will be|must be|becomes?|results? in|"
    r"resulting in)\s*:?\s+(?:(?:\w+ly|thus|indeed|also|called|that)\s+){0,2}"
    r"(?:the (?:\w+ )?(?:word|letter|noun|sentence|animal)\s+)?)"
)
_AND_SO = (
    r"(?:[^.!?:\n\"]|\"[^\"\n]*\"){0,80}?"
    r"(?:\b(?:becomes?|resulting in|results in|we (?:get|say|have))|:)"
    r"\s*:?\s*"
)
_WHICH = r"(?:the )?(?:first|second) sentence\b|sentence [12]\b"
_NAMED = r"(?<![\w'-])(?:the )?[\w'-]+(?: [\w'-]+){0,2}?"
_LINE = re.compile(r"[^\n]+(?:(?<=[:*]) *\n+[^\n]+)?")
"""A line, with the next one where it ends in a colon."""
_OR = re.compile(r",?\s+or\s+[\"']")
_ASIDE = re.compile(r",?\s+(?:which|that|because|since|as|and)\b|[,;(]")
_OWN = re.compile(r"\bmy (?:\w+ )?(?:prediction|decision|classification|answer|conclusion)\b", re.I)
_POINTS = re.compile(r"(?:the )?(?:first|second) (?:sentence|statement)|sentence [12]")
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
        stems: one of these stands in every line where it is named.
        name: its names.
        claims: where it is said to be something; the group ``said`` is what (empty: what follows).
        denied: where it is said not to be something.
    """

    letter: bool
    stems: tuple[str, ...]
    name: re.Pattern[str]
    claims: tuple[re.Pattern[str], ...]
    denied: re.Pattern[str]


@lru_cache(maxsize=256)
def wanted_by(instruction: str) -> Wanted | None:
    """What an instruction asks for by a name of its own, or None ("Give a word that …")."""
    nouns = [found["noun"].lower() for found in _ASKED.finditer(instruction)]
    nouns = [noun for noun in nouns if not _NO_NAME.fullmatch(noun)]
    letter = any(noun.endswith("letter") for noun in nouns)
    degrees = [_DEGREE.fullmatch(noun) for noun in nouns]
    names = [
        rf"{re.escape(degree['stem'])}(?:er|est)" if degree else re.escape(noun)
        for noun, degree in zip(nouns, degrees, strict=True)
    ]
    stems = {
        degree["stem"] if degree else noun for noun, degree in zip(nouns, degrees, strict=True)
    }
    for verb, made in _MADE:
        if verb.search(instruction):
            names.append(made)
            stems |= {name[:5] for name in made.split("|")}
    into = _INTO.search(instruction)
    if into:
        names.append(rf"{into['language']} (?:word|term|equivalent|version|name|translation)")
        stems |= {"translat", into["language"].lower()}
    if "first letter" in nouns:
        stems |= {"start", "begin"}
    if not names:
        return None
    name = rf"(?<!\w)(?:{'|'.join(names)})(?!\w){_FORM}"
    patterns = [
        rf"{name}{_OF}{_IS}(?P<said>{_QUOTED}|(?=\S))",
        rf"{name}{_OF} as (?P<said>{_QUOTED})",
        rf"{name}{_AND_SO}(?P<said>{_QUOTED})",
        rf"\b(?:becomes?|means?) (?P<said>{_QUOTED}) in (?:the )?{name}",
        rf"(?P<said>{_QUOTED}|(?:{_WHICH})(?:,? \(?{_QUOTED}\)?,?)?|{_NAMED})\s+(?:\w+ly )?"
        rf"(?:is|as|means|describes|states|gives|represents)\s+(?:(?:\w+ly|considered|the|an?|in)\s+){{0,3}}"
        rf"(?:(?!not\b)\w+\s+)?{name}",
    ]
    if letter:
        patterns.append(rf"{name},?\s+(?:being |as )?(?P<said>\"\w\"|'\w'|\(\w\))")
        patterns.append(rf"(?P<said>\"\w\"|'\w'),? (?:is|as) (?:the|its) {name}")
    if "first letter" in nouns:
        patterns.append(r"\b(?:start|begin)\w* with (?:the )?(?:letter )?(?P<said>\"\w\"|'\w')")
    if into:
        to = into["language"]
        patterns += [
            rf"\btranslate[sd]?(?:(?!English){_TILL}|is){{0,60}}?\s"
            rf"(?:(?:in)?to|as) (?:{to} (?:as|is)\s+)?"
            rf"(?P<said>{_QUOTED})(?! in English)",
            rf"\bin {to}{_TILL}{{0,60}}?{_IS}(?P<said>{_QUOTED})(?! in English)",
            rf"\b(?:as|is) (?P<said>{_QUOTED}) in {to}\b",
        ]
    if "negat" in name:
        patterns.append(
            rf"\bnegated?\b (?:{_TILL}|is){{0,200}}?\b(?:as|to|by \w+ing(?: that)?) "
            rf"(?P<said>{_QUOTED})"
        )
    stem = next((degree["stem"] for degree in degrees if degree), "")
    less = rf"|(?:\w+ly |much )?(?:the )?{_OPPOSITE[stem]}er" if stem in _OPPOSITE else ""
    denied = (
        rf"(?:\A|,|\n)\s*(?P<said>(?:an? )?{_NAMED}) (?:is|are)"
        rf"(?:(?: not|n't) (?:\w+ly )?(?:the )?{name}| (?:{less[1:] or '(?!)'})\b)"
    )
    claims = tuple(re.compile(one, re.I) for one in patterns)
    return Wanted(letter, tuple(stems), re.compile(name, re.I), claims, re.compile(denied, re.I))


def claims_in(text: str, asked: Asked) -> list[Span]:
    """Where a text says of what was asked for what it is, in order; the item itself is none."""
    wanted = wanted_by(asked.instruction)
    if wanted is None:
        return []
    found: dict[Span, bool] = {}
    for line in _LINE.finditer(text):
        low = line.group().lower()
        if not any(stem in low for stem in wanted.stems):
            continue
        for pattern in wanted.claims:
            for match in pattern.finditer(text, line.start(), line.end() + 1):
                span = _value(text, match, asked.item, wanted.letter)
                if span is not None:
                    begin = max(text.rfind(char, 0, match.start()) for char in ".!?\n") + 1
                    found[span] = bool(SO.match(text, begin) or _OWN.search(text, begin, span[0]))
    concluded = [span for span, so in found.items() if so]
    claims = sorted(concluded or found)
    others = [span for span in claims if fold(text[slice(*span)]) != fold(asked.item)]
    claims = others or claims  # the item itself only where nothing else is named
    named = {fold(text[slice(*span)]).removeprefix("the ") for span in claims}
    options = {name for name in named if name in _members(asked.item) or _POINTS.fullmatch(name)}
    return [] if len(options) > 1 else claims


def _value(text: str, match: re.Match[str], item: str, letter: bool) -> Span | None:
    """Where the value of a claim stands, without its quotes, or None where it is no value."""
    start, end = match.span("said")
    shown = fold(item)
    quoted = text[start] in "\"'"
    if quoted:
        start, end = start + 1, end - 1
        said = fold(text[start:end])
        if "(" in text[start:end] or _OR.match(text, end + 1):
            return None  # "career(s)", "lake" or "sea"
    elif end > start:
        said = fold(text[start:end]).removeprefix("the ")
        last = [name for name in _members(item) if f" {said}".endswith(f" {name}")]
        if last:  # "because whale is larger"
            said, start = last[0], end - len(last[0])
        elif not _POINTS.match(said):
            return None
    else:
        end = sentence_end(text, start)
        aside = _ASIDE.search(text, start, end)
        said = fold(text[start : aside.start() if aside else end])
        if letter and re.match(r"\w\b", text[start:end]):
            end, said = start + 1, fold(text[start])  # "is C. It is a noun"
        if said.removeprefix("the ") in _members(item) or _POINTS.fullmatch(said):
            end = aside.start() if aside else end
        elif said in map(fold, numbered_sentences(item)):
            pass
        elif (
            len(shown.split()) > 2 and "," not in item
        ):  # of a sentence another one is made, of much the same words
            said = fold(text[start:end])
            known = set(shown.split())
            if said not in shown and 2 * sum(word in known for word in said.split()) <= max(
                4, len(said.split())
            ):
                return None
        elif len(said.split()) > 3 or _NO_VALUE.match(said) or VERDICT.match(said):
            return None
    in_front = end < match.end() - 1
    if (
        not said
        or said == shown
        and (in_front or not quoted)
        or letter
        and not re.fullmatch(r"[^\W\d_]", said)
    ):
        return None
    return start, end


def other_of_two(statement: str, asked: Asked) -> str | None:
    """The other of two names where the text denies one: “No, pike is not the larger one”."""
    wanted, names = wanted_by(asked.instruction), asked.item.split(",")
    if wanted is None or len(names) != 2:
        return None
    found = wanted.denied.search(statement)
    said = re.sub(r"^(?:the|an?) ", "", fold(found["said"])) if found else ""
    if found is None or said not in _members(asked.item):
        return None
    return names[1 - _members(asked.item).index(said)].strip()


def _members(item: str) -> list[str]:
    """What an item lists with commas: “whale, flea”."""
    return [fold(name) for name in item.split(",")]
