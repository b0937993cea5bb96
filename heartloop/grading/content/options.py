"""The options of a question: which of them one clause settles on, by its letter or its words."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from heartloop import regex as re
from heartloop.grading.content.polar import SENSE, polar_sense
from heartloop.grading.content.reading import Asked, fold
from heartloop.grading.phrases import DENIAL

Kind = Literal["letter", "words", "none", "hedge", "denied", "outside", "empty"]


@dataclass(frozen=True, slots=True)
class Settled:
    """What one place of a text says: an option's index, or why there is none."""

    kind: Kind
    index: int | None = None
    span: tuple[int, int] = (0, 0)
    rule: str = ""
    rank: int = 0


# --- one place --------------------------------------------------------------------------

_FILLER = re.compile(
    r"[\s\"'(\[<:=,;>|✓✔✅☑→➡▶👉•-]*(?:(?:that|it'?s|it is|that is|i think|i believe|i would say|"
    r"i'd say|definitely|only|print|return|"
    r"clearly|probably|most likely|likely|therefore|thus|simply|hence|so|indeed|"
    r"(?:the\s+)?(?:correct\s+|right\s+|best\s+)?(?:option|choice|letter|answer|number|statement|"
    r"sentence|alternative|variant|possibility)(?:\s+is)?|"
    r"(?:la|le|die|el|il|het|de)(?=\s+\(?[A-Z]\)?\W*$))"
    r"(?=[\s:(\[\"'])(?:\s*:)?[\s\"'<:=-]*)*",
    re.I,
)
_LETTER = re.compile(
    r"(?P<open>[(\[<|]{0,2})\s?(?P<letter>[A-Za-z])\s?(?P<close>[)\]>|]{0,2})"
    r"(?![0-9A-Za-z\u00c0-\u052f]|'\w|-\w|\.[A-Za-z]|\+)"
)
_MORE = re.compile(
    r"\s*[\"']?\s*(?:[/&+]|,?\s*\b(?:or|and|oder|und|ou|et|o|y|и|или|e)\b|"
    r",(?=\s*[\"'(]?[A-Z][\"')]?(?:\s*[,/&.)\]]|\s+(?:and|or)\b|\s*$))|"
    r",\s*(?:possibly|maybe|perhaps|or|also|alternatively)\b|\(\s*or\b|;\s*(?:or|and)\b|"
    r"または|或|和)",
    re.I,
)
_BEHIND = re.compile(
    r"\s*(?:$|[.:;,!?)\]>\"'|-]|(?:because|since|as|for|due|given|which|where|when|so|with|based|"
    r"according|though|although|after|rather than|instead of|over|"
    r"(?:and |but )?not|is (?:the )?(?:correct|right|best|true|answer)|it is(?=\W*$)|fits|matches|"
    r"weil|denn|da|parce|car|porque|потому|で|です|だ|。|이|입|了)(?![A-Za-z])|\()",
    re.I,
)
WRONG = re.compile(
    r"\s*[\"')\]:–-]*\s*(?:is|are|was|were|seems?|looks?|would be|can(?:not| not|'t)|"
    r"could(?:n't| not)|"
    r"does(?:n't| not)|is(?:n't| not))?\s*(?:also\s+|clearly\s+|definitely\s+)?"
    r"(?:not\b|n't|wrong|incorrect|false\b|out\b|excluded|impossible|eliminated|ruled out|invalid|"
    r"doubtful|unlikely|no good|fails?\b|[✗✘❌]|be (?:wrong|excluded|ruled out|eliminated))",
    re.I,
)
_NONE = re.compile(
    r"\s*(?:none|nothing|no (?:option|choice|answer|one)|neither|not\b|all (?:but|except)|"
    r"any(?:thing)? (?:but|except|other)|every(?:thing|one)? (?:but|except)|other than|"
    r"except|keine?\b|aucun|ninguna?)",
    re.I,
)
_ARTICLE = re.compile(r"\b(?:the|a|an)\s+", re.I)
_LETTER_FIRST = re.compile(r"\W*[A-Za-z]\s*[,.:;)\]]")
ASIDE = re.compile(r",?\s+(?:and not|but not|not|rather than|instead of|over)\s")
_LIST_LETTER = re.compile(r"\(?([A-Za-z])[).:]\s*", re.U)


_BRACKETED = re.compile(r"\(?[A-Za-z]\)?")


def lettered(asked: Asked) -> bool:
    """Whether a letter names an option: shown before the options, or all that an option is."""
    return asked.letters or bool(asked.choices) and all(map(_BRACKETED.fullmatch, asked.choices))


def _labelled_texts(asked: Asked) -> list[str]:
    """The words that the prompt shows behind each label: ``(a) … (b) …``."""
    texts = []
    for choice in asked.choices:
        name = choice.strip("() ")
        found = re.search(
            rf"\({name}\)\s*(?P<text>.{{12,}}?)(?=\s*\([A-Za-z]\)\s|\n|$)", asked.input, re.S
        )
        texts.append(found["text"] if found else "")
    return texts


_SMALL = set(
    "the a an is are was were of to in on at and or it its that this be by for with as so "
    "himself herself itself themselves".split()
)


_MARKED = re.compile(r"^\W*(?:Q|Question|Input)\s*:\s*")
_ASKING = frozenset("which what who when where why how does do did would".split())


def _content(text: str) -> set[str]:
    """The words of a text that carry it, what asks aside."""
    return {
        word.removesuffix("'s")
        for word in words_of(text).split()
        if word not in _SMALL and word not in _ASKING
    }


def _spelt(word: str, known: list[str]) -> str:
    """A long word as the options spell it, where it is a slip of the pen away."""
    if len(word) < 7 or word in known:
        return word
    return next(iter(get_close_matches(word, known, 1, 0.9)), word)


_PARTICLES = frozenset("a an the in on at to of by as or and it is be".split())


class Options:
    """The options of one question, made ready for reading."""

    def __init__(self, asked: Asked) -> None:
        """Fold the options' texts once."""
        self.asked = asked
        self.choices = asked.choices
        self.letters = lettered(asked)
        self.labelled = self.letters and all(map(_BRACKETED.fullmatch, asked.choices))
        self.names: list[tuple[str, int]] = []
        seen: set[str] = set()
        for index, choice in enumerate(asked.choices):
            self._name(words_of(choice), index, seen)
        for alias, label in asked.aliases.items():
            if label in asked.choices:
                self._name(alias, asked.choices.index(label), seen)
        if self.labelled:
            for index, shown in enumerate(_labelled_texts(asked)):
                if shown:
                    self.names.append((words_of(shown), index))
        self.longest_first = sorted(self.names, key=lambda item: -len(item[0]))
        self.shown = {words_of(_MARKED.sub("", line)) for line in asked.input.splitlines()}
        self.polar = _polar([name for name, _ in self.names])
        self.numbers = any(char.isdigit() for name, _ in self.names for char in name)
        self.senses = any(name in SENSE for name, _ in self.names)

    def _name(self, name: str, index: int, seen: set[str]) -> None:
        if name and name not in seen and not self.labelled:
            seen.add(name)
            self.names.append((name, index))

    def letter(self, letter: str) -> int | None:
        """The index of a letter, or None where no such option was shown."""
        if self.labelled:
            names = [choice.strip("() ").upper() for choice in self.choices]
            return names.index(letter.upper()) if letter.upper() in names else None
        index = ord(letter.upper()) - 65
        return index if 0 <= index < len(self.choices) else None

    def exactly(self, text: str) -> int | None:
        """The option that a text is, case, marks and a leading article aside."""
        words = words_of(text)
        found = next((i for name, i in self.names if name == words), None) if words else None
        if found is None and " " not in words and len(words) > 7:  # "neutrality" for "neutral"
            noun = words.removesuffix("ity").removesuffix("ness")
            found = next((i for name, i in self.names if name == noun), None)
        if found is None and " " not in words and len(words) > 4 and words.endswith("s"):
            found = next((i for name, i in self.names if f"{name}s" == words), None)
        if found is not None and self.letters and _LETTER_FIRST.match(text):
            # "A, Rome": a letter and words, not the article of "a Rome"
            same = fold(self.choices[found]) == fold(text)
            return found if same else None
        return found

    def heading(self, line: str) -> int | None:
        """The option of two letters or more that a line begins with."""
        words = f"{words_of(line)} "
        found = (i for name, i in self.longest_first if words.startswith(f"{name} "))
        return next(found, None)

    def containing(self, text: str) -> int | None:
        """The only option that has all the words of a short text: “the designer”."""
        words = _content(text)
        if self.polar or not any(len(word) > 2 for word in words):
            return None
        if words_of(text) in self.shown:
            return None  # the item itself
        if len(words) > 6:
            return self.near(text)
        found = [i for name, i in self.names if words <= _content(name)]
        return found[0] if len(found) == 1 else self.near(text)

    def near(self, text: str) -> int | None:
        """The option that a text says again in nearly its own words, and no other nearly so.

        Of the content words of both, 7 in 10 are common (Jaccard), and 2 in 10 more than with the
        next option; numbers and denials must be the same.
        """
        known = sorted(set().union(*(_content(name) for name, _ in self.names)))
        mine = {_spelt(word, known) for word in _content(text)}
        if len(mine) < 4 or self.polar or self.letters:
            return None
        shares = []
        for name, index in self.names:
            theirs = _content(name)
            share = len(mine & theirs) / len(mine | theirs)
            shares.append((share, index, name, {w for w in mine ^ theirs if w.isdigit()}))
        shares.sort(key=lambda item: -item[0])
        best, index, name, digits = shares[0]
        second = max((share for share, i, *_ in shares if i != index), default=0.0)
        asked_so = [_spelt(word, known) for word in words_of(text).split()] == name.split()
        if best < 0.7 or best - second < 0.2 and not asked_so or digits:
            return None
        return index if bool(DENIAL.search(text)) == bool(DENIAL.search(name)) else None

    def named(self, text: str) -> list[tuple[int, int, int]]:
        """Options whose words stand in a folded text, longest first: place, length, index."""
        padded = f" {text} "
        taken: list[tuple[int, int, int]] = []
        for name, index in self.longest_first:
            if len(name) < 2 and not name.isdigit() or name in _PARTICLES and name != text:
                continue  # a single letter is found everywhere, and so is "in"
            at = padded.find(f" {name} ")
            while at >= 0:
                end = at + len(name)
                if not any(a < end and at < a + size for a, size, _ in taken):
                    taken.append((at, len(name), index))
                at = padded.find(f" {name} ", at + 1)
        return sorted(taken)

    # --- settling a clause --------------------------------------------------------------

    def settle(self, text: str, start: int, end: int, *, firm: bool = True) -> Settled:
        """What the clause ``text[start:end]`` of a bare text settles on.

        Args:
            text: the whole bare text.
            start: where the clause begins.
            end: where it ends.
            firm: the clause stands behind a mark of commitment; a lone lower-case letter counts.
        """
        clause = text[start:end]
        if not clause.strip(" \t\n.:;,!?\"'()[]-"):
            return Settled("empty", span=(start, end))
        span = (start + len(clause) - len(clause.lstrip()), start + len(clause.rstrip()))
        whole = self.exactly(clause)
        if whole is not None and not (self.letters and lone_letter(clause)):
            return Settled("words", whole, span)
        lead = _FILLER.match(clause)
        at = lead.end() if lead else 0
        rest = clause[at:]
        if self.letters:
            found = self._letter_of(clause, at, firm)
            if found is not None:
                index, kind, stop = found
                return Settled(kind, index, (start + at, start + stop))
        else:
            head = _LIST_LETTER.match(rest)
            if head:
                rest = rest[head.end() :]
                at += head.end()
        return self._words_of(rest, (start + at, span[1]))

    def _letter_of(self, clause: str, at: int, firm: bool) -> tuple[int | None, Kind, int] | None:
        """A letter at the head of a clause: index, kind, end; None where there is none."""
        opened = at
        while opened and clause[opened - 1] in "([<":
            opened -= 1
        found = _LETTER.match(clause, opened)
        if found is None:
            return None
        letter, tail = found["letter"], clause[found.end() :]
        marked = bool(found["open"]) or bool(found["close"]) or tail[:1] in (".", ":", ")")
        alone = not tail.strip(" \t.:;,!?\"')]>|✓✔✅☑")
        if not (letter.isupper() or marked or alone and firm):
            return None
        if letter == "I" and re.match(r"\s+[a-z']", tail) or re.match(r"'[a-z]", tail):
            return None
        index = self.letter(letter)
        if _MORE.match(tail):
            return None, "hedge", found.end()
        own = words_of(tail)
        itself = any(
            which == index and (own.startswith(name) or len(own) > 8 and name.startswith(own))
            for name, which in self.names
        )
        if WRONG.match(tail) and not itself:
            return None, "denied", found.end()
        if not (marked or alone or _BEHIND.match(tail)):
            return None  # "A frog is …": an article, or a word
        if index is None:
            return (None, "none", found.end()) if alone or marked or letter.isupper() else None
        stop = found.end()
        aside = ASIDE.search(tail)
        tail = tail[: aside.start()] if aside else tail  # "(A) Paris, not (B) Rome"
        own = words_of(tail)
        own = re.sub(r"^- ", "", own)
        if own:
            named = [n for n in self.names if own == n[0] or own.startswith(n[0] + " ")]
            if named:
                best = max(named, key=lambda item: len(item[0]))
                if best[1] != index:
                    return None, "hedge", stop  # the letter says one thing, the words another
            if any(
                options != index
                and words_of(tail[match.end() :]).startswith(name + " ")
                or options != index
                and words_of(tail[match.end() :]) == name
                for match in re.finditer(r"\(?[A-Z][).:]\s", tail)
                for name, options in self.names
            ):
                return None, "hedge", stop  # the options are listed one by one
        return index, "letter", stop

    def _words_of(self, rest: str, span: tuple[int, int]) -> Settled:
        """The option whose words a clause gives."""
        exact = self.exactly(rest)
        if exact is None and "=" in rest:
            exact = self.exactly(rest.rsplit("=", 1)[1])
        if exact is not None:
            return Settled("words", exact, span)
        if self.polar:
            return self.polar_of(rest, span)
        if _NONE.match(rest):
            return Settled("denied", None, span)
        folded = words_of(rest)
        found = self.named(folded)
        distinct = {index for _, _, index in found}
        if len(distinct) > 1:
            first = found[0]
            behind = folded[first[0] + first[1] :].strip()
            if first[0] <= 1 and re.match(
                r"(?:because|since|as|not|rather than|instead of)\b", behind
            ):
                return Settled("words", first[2], span)
            return Settled("hedge", None, span)
        if not distinct:
            part = self.containing(rest)
            return Settled("outside" if part is None else "words", part, span)
        place, size, index = found[0]
        before = folded[: max(place - 1, 0) if place else 0]
        behind = folded[place + size :]
        denied = DENIAL.search(before) or NONE_OF_IT.search(f"{before} ") or WRONG.match(behind)
        if denied or re.match(r"\s*(?:or|and)\b", behind):
            return Settled("denied", None, span)
        return Settled("words", index, span)

    def polar_of(self, rest: str, span: tuple[int, int]) -> Settled:
        """Yes or no (true or false), as ``polar_sense`` reads it."""
        kind, sense = polar_sense(rest, self.names, self.asked, self.letters)
        if sense is None or self.polar is None:
            return Settled("hedge" if kind == "hedge" else "denied", None, span)
        return Settled("words", self.polar[sense], span)


def _polar(names: list[str]) -> dict[bool, int] | None:
    """Which option is yes and which is no, where there are these two and no others."""
    if len(names) != 2:
        return None
    senses = [SENSE.get(name) for name in names]
    if None in senses or senses[0] == senses[1]:
        return None
    return {bool(sense): index for index, sense in enumerate(senses)}


NONE_OF_IT = re.compile(r"\bno\s+(?:(?:direct|clear|logical|such|real)\s+)?$", re.I)
"""“There is no (logical) entailment between them”."""


def words_of(text: str) -> str:
    """Folded words without a leading article."""
    text = re.sub(r"\\(?:text|mathrm|textbf)\s*\{([^{}]*)\}|\\[,;:! ]|[{}$*`]", r" \1", text)
    return _ARTICLE.sub("", fold(text))


def lone_letter(text: str) -> bool:
    """Whether a text is one letter and marks."""
    return re.fullmatch(r"[\s\"'(\[]*[A-Za-z][\s\"')\].:]*", text) is not None
