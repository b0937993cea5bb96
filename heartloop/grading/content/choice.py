"""Choices and labels: the places where a text commits itself, and what they say together.

A box, a tag, “the answer is …”, a letter alone at its head, “C is correct”: each place is settled
by ``Options``. Places that disagree are no answer unless the text corrects itself; a place that
denies, hedges or names nothing is none.
"""

from __future__ import annotations

import re

from heartloop.grading.content.options import WRONG, Kind, Options, Settled, lone_letter, words_of
from heartloop.grading.content.reading import Asked, Candidate, Reading, fold, nothing
from heartloop.grading.content.statement import SO, committed, readings
from heartloop.grading.content.surface import (
    bare,
    even,
    machine_fields,
    sentence_end,
    statements,
)
from heartloop.grading.marks import box_spans
from heartloop.grading.phrases import (
    CORRECTION,
    DENIAL,
    FINAL,
    OTHERS_ERROR,
    UNDECIDED,
    markers,
)

_SUBJECT = r"(?<![\w'])(?:(?:option|choice|answer|statement|number)\s+)?\(?(?P<letter>[A-Z])\)?"
_PRAISE = (
    r"(?:the\s+|a\s+)?(?:most\s+|only\s+|single\s+|one\s+)?(?:correct|right|best|true|answer|"
    r"correct\s+\w+|right\s+\w+|best\s+\w+|final\s+answer|appropriate|accurate|suitable|likely|"
    r"option that|one that|choice that)"
)
_PRAISED = re.compile(
    rf"{_SUBJECT}\s*(?:\([^()\n]{{1,60}}\)\s*)?,?\s+(?:is|must be|has to be|would be|"
    rf"should be|seems|appears to be)\s+"
    rf"(?:clearly\s+|definitely\s+|therefore\s+|thus\s+)?{_PRAISE}(?![\w-])"
)
_CHOSEN = re.compile(
    r"\b(?:i(?:'d|'ll| would| will| have| must)?(?: have to)?|we|let me|let us)\s+(?:\w+ly\s+)?"
    r"(?:choose|chose|pick|picked|select|selected|go with|go for|opt for|vote for|settle on|"
    r"recommend|answer|say|think|believe|suggest|guess|conclude|prefer)"
    r"(?:\s+(?:that|is|it'?s|it is|it must be|the answer is))*\s+",
    re.I,
)
_OWN_LABEL = re.compile(
    r"^\W*(?:[a-z]+\s+){0,2}(?:decision|prediction|classification|verdict|choice|selection)"
    r"\s*:(?=\s*\S)",
    re.I | re.M,
)
_IT_IS = re.compile(
    r"(?:^|(?<=[.!?;\n,:])|\b(?P<so>so|thus|therefore|hence|then|and))\s*"
    r"(?:it|this|that|the (?:relation|pronoun|statement|sentence|word|sentiment)[^.\n]{0,60}?)"
    r"(?:'s| is| must be| has to be| would be)\s+(?:therefore\s+|thus\s+|clearly\s+|"
    r"definitely\s+)?",
    re.I,
)
_NAMED_AS = re.compile(
    r"(?:^|(?<=[.!?;\n,:]))\s*(?P<so>(?:so|thus|therefore|hence|finally)\b[\s,]*)?"
    r"(?:based on [^,\n]{1,120},\s*|in (?:this|the) [^,\n]{1,60},\s*)?"
    r"the\s[^.\n]{3,160}?\s(?:is|would be|must be|should be)\s*:?\s+",
    re.I,
)
"""“The humorous edit of "air supply" is …”: any subject, where the predicate is an option alone."""
_THEREFORE = re.compile(
    r"(?:^|(?<=[.!?;\n,:])|\b)(?:so|thus|therefore|hence|consequently|which (?:gives|leaves|"
    r"is))\s*[,:]?\s+"
    r"(?=\(?[A-Z]\)?\s*[.!]?\s*(?:$|\n))",
    re.I,
)
_MARKED_LETTER = re.compile(
    r"\((?P<a>[A-Za-z])\)|\b(?:option|choice|statement)\s+(?P<b>[A-Z])\b(?!')", re.I
)


def places(text: str, raw: str, options: Options) -> list[Settled]:
    """Every place where a text commits itself, in its order."""
    found: list[Settled] = []

    def add(start: int, end: int, rank: int, rule: str, *, firm: bool = True) -> None:
        settled = options.settle(text, start, end, firm=firm)
        if options.polar and settled.index is None and settled.kind != "hedge":
            return  # it speaks of something else than yes and no
        if settled.kind != "empty":
            found.append(Settled(settled.kind, settled.index, settled.span, rule, rank))

    for start, end, _ in box_spans(raw):
        add(start, end, 3, "in the box")
    for start, end, _ in machine_fields(raw):
        add(start, end, 3, "in the answer field")
    for match in markers(text):
        end = sentence_end(text, match.end())
        begin = max(text.rfind(".", 0, match.start()), text.rfind("\n", 0, match.start())) + 1
        if OTHERS_ERROR.search(text, begin, match.end()):
            continue
        rank = 3 if FINAL.search(match.group()) else 2
        add(match.end(), end, rank, f'behind "{" ".join(match.group().split())}"')
    for match in _OWN_LABEL.finditer(text):
        add(match.end(), sentence_end(text, match.end()), 2, "behind its own label")
    for match in _CHOSEN.finditer(text):
        settled = options.settle(text, match.end(), sentence_end(text, match.end()), firm=False)
        if settled.kind in ("letter", "words", "hedge"):
            found.append(Settled(settled.kind, settled.index, settled.span, "chosen in words", 1))
    for match in _IT_IS.finditer(text):
        settled = options.settle(text, match.end(), sentence_end(text, match.end()), firm=False)
        if settled.kind in ("letter", "words", "hedge"):
            rank = 2 if SO.match(text, _sentence_start(text, match.start() + 1)) else 1
            found.append(Settled(settled.kind, settled.index, settled.span, 'behind "it is"', rank))
    for match in _NAMED_AS.finditer(text):
        if re.search(r"\bif\b", text[_sentence_start(text, match.start() + 1) : match.end()], re.I):
            continue
        clause = text[match.end() : sentence_end(text, match.end())]
        index = options.exactly(clause)
        if index is None and options.letters and _LABELLED_OPTION.match(clause):
            settled = options.settle(text, match.end(), match.end() + len(clause), firm=False)
            index = settled.index
        if index is not None:
            span = (match.end(), match.end() + len(clause))
            found.append(Settled("words", index, span, "named as such", 2 if match["so"] else 1))
    if options.letters:
        for match in _PRAISED.finditer(text):
            begin = max(text.rfind(c, 0, match.start()) for c in ".\n;") + 1
            before = text[begin : match.start()]
            index = options.letter(match["letter"])
            if re.search(
                r"\b(?:if|unless|provided)\b", text[match.end() : sentence_end(text, match.end())]
            ):
                continue
            if DENIAL.search(before) or re.search(
                r"\b(?:if|whether|why|and|or|both|suppose)\W*$", before, re.I
            ):
                index = None
            kind: Kind = "hedge" if index is None else "letter"
            found.append(Settled(kind, index, match.span("letter"), "called right", 1))
        for match in _THEREFORE.finditer(text):
            add(match.end(), sentence_end(text, match.end()), 2, "concluded")
    head = _head(text, options)
    if head is not None:
        found.append(head)
    return sorted(found, key=lambda item: item.span)


def _sentence_start(text: str, at: int) -> int:
    return max(text.rfind(char, 0, at) for char in ".!?\n") + 1


_LABELLED_OPTION = re.compile(r"\s*\(?[A-Za-z]\)|\s*[A-Z][.:]\s")


def _head(text: str, options: Options) -> Settled | None:
    """A letter or an option's words as the first statement of a text."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    if _listed(lines, options):
        return None
    if options.letters:
        marks = {m[1] for m in (re.match(r"\s*\(?([A-Z])[).:]\s", line) for line in lines) if m}
        if len(marks) > 1:
            return None  # the options are gone through one by one
    spans = [span for span in statements(text) if not _HEADING.fullmatch(text[slice(*span)])]
    if not spans:
        return None
    start, end = spans[0]
    if (
        options.letters
        and re.fullmatch(r"\s*\(?[A-Za-z][.)]\)?\s*", text[start:end])
        and len(spans) > 1
    ):
        line_end = text.find("\n", end)
        end = len(text) if line_end < 0 else line_end  # "b. 4": the stop belongs to the letter
    named = _HEADED.match(text, start)
    if named and options.exactly(named["name"]) is not None:
        index = options.exactly(named["name"])
        return Settled("words", index, named.span("name"), "at the head of the text", 2)
    if text[start:end].rstrip().endswith("?"):
        return None
    settled = options.settle(text, start, end, firm=True)
    if settled.kind in ("letter", "hedge") or settled.kind == "words":
        exact = settled.kind == "letter" or options.exactly(_labelless(text[start:end])) is not None
        rank = 2 if exact else 1
        return Settled(settled.kind, settled.index, settled.span, "at the head of the text", rank)
    return None


def _listed(lines: list[str], options: Options) -> bool:
    """Whether a text begins by listing the options, one a line."""
    return len({options.exactly(line) for line in lines[:8]} - {None}) > 1


_HEADING = re.compile(r"\W*(?:the\s+|my\s+|final\s+|correct\s+)*(?:answer|choice|option)\W*", re.I)
_HEADED = re.compile(r"\s*[\[(\"']*(?P<name>[^\n:.\])\"']{2,60})[\"'\])]*\s*(?:[:.\])\n]|$)")


def _labelless(text: str) -> str:
    return re.sub(r"^\s*(?:[A-Za-z]|choice|answer|option)\s*[:.)]\s*", "", text, flags=re.I)


def decide(found: list[Settled], text: str) -> Settled | None:
    """What the places of a text say together; None where they commit it to nothing."""
    if not found:
        return None
    top = max(item.rank for item in found)
    decisive = [item for item in found if item.rank == top]
    last = decisive[-1]
    for item in found[::-1]:
        if item.span <= last.span or item.rank == top:
            continue
        if item.index != last.index or item.index is None:
            if CORRECTION.search(text, last.span[1], item.span[0] + 1):
                return item  # the text takes back what it had settled on
            if item.index is not None:
                return Settled("hedge", None, item.span, item.rule)
    for item in decisive[:-1]:
        if item.index == last.index and item.index is not None:
            continue
        if CORRECTION.search(text, item.span[1], last.span[0] + 1):
            continue
        if item.kind in ("denied", "outside") and last.index is not None:
            continue
        if item.kind == "hedge" and item.span[0] <= last.span[0] and last.span[1] <= item.span[1]:
            continue  # the same clause, read more closely
        if "final" in last.rule.lower() and "final" not in item.rule.lower():
            continue
        return Settled("hedge", None, last.span, last.rule)
    return last


def read_choice(text: str, asked: Asked) -> Reading:
    """The option that a text settles on, by its letter or its words."""
    options = Options(asked)
    if not options.choices:
        return read_letter(text, asked)
    plain = bare(_without_prefix(even(text), asked))
    whole = options.exactly(plain)
    if whole is not None and not (options.letters and lone_letter(plain)):
        span = (len(plain) - len(plain.lstrip()), len(plain.rstrip()))
        return Reading((Candidate(asked.choices[whole], span, "the whole text"),))
    settled = decide(places(plain, text, options), plain)
    if settled is None or settled.kind == "empty":
        settled = _mentioned(plain, options)
    if settled is None and options.polar:
        settled = _restated(plain, asked, options)
    if settled is None:
        settled = _another_question(plain, asked)
    if settled is None or settled.index is None and settled.rule == "in the text":
        settled = _said(plain, text, asked, options) or settled
    if settled is None:
        return nothing("no choice is named")
    if settled.index is not None:
        return Reading((Candidate(asked.choices[settled.index], settled.span, settled.rule),))
    said = " ".join(text[slice(*settled.span)].split())[:80]
    if settled.kind == "outside" and said and not options.letters and not options.polar:
        return Reading((Candidate(said, settled.span, f"{settled.rule}, outside of the choices"),))
    if settled.kind == "outside" and said:
        start, end = settled.span
        while (
            text.count("{", start, end) > text.count("}", start, end) and text[end : end + 1] == "}"
        ):
            end += 1  # the bare text has no braces
        clause = text[start:end].strip()
        return Reading((), "unparsed", f"{said!r} names no choice", clause, settled.span)
    why = {"hedge": "more than one choice is named", "denied": "a choice is only denied"}
    return nothing(f"{why.get(settled.kind, 'no shown choice is named')} ({said!r})")


_NEGATION = re.compile(r"\b(?:not|never|cannot|no longer)\b|n't\b", re.I)
_CLAUSE = re.compile(r",?\s+\b(?:because|since|as|when|if|although|even though|so that)\b", re.I)
_UNSURE = re.compile(r"\b(?:could|may|might|maybe|possibl[ey]|perhaps|whether|unclear)\b", re.I)
_CAUSING = re.compile(r"\b(?:caus|because|due to|respons|led|lead|result|made|make)", re.I)


def _restated(text: str, asked: Asked, options: Options) -> Settled | None:
    """A yes-or-no question answered by saying it again as a statement, denied or not.

    "Did Joe intentionally pay one dollar more?" is answered by "Joe intentionally paid one dollar
    more." Statements that say the question's main clause again must agree, or the last of them
    must be a conclusion ("Therefore, …"). Where the question asks whether something is so
    *because* of something else, that reason belongs to what must come back.
    """
    if not asked.question or options.polar is None:
        return None
    wanted = re.sub(r"^\s*if\b[^,]*,", "", asked.question, flags=re.I)
    reason = re.search(r"\bbecause\b", wanted, re.I) is not None
    if not reason:
        wanted = _CLAUSE.split(wanted, maxsplit=1)[0]
    theirs = _stems(wanted)
    if len(theirs) < 3 or len(theirs) == 3 and len(statements(text)) > 3:
        return None  # too little to know it again by, in a long text
    said: list[tuple[tuple[int, int], bool]] = []
    for span in statements(text):
        clause = text[slice(*span)]
        if clause.rstrip().endswith("?") or _UNSURE.search(clause):
            continue
        if "caus" in wanted and not _CAUSING.search(clause):
            continue
        clause = clause if reason else _CLAUSE.split(clause, maxsplit=1)[0]
        if len(_stems(clause) & theirs) >= 0.7 * len(theirs):
            denials = len(_NEGATION.findall(clause)) - len(_NEGATION.findall(wanted))
            said.append((span, denials % 2 == 0))
    if not said:
        return None
    span, agrees = said[-1]
    if len({agreed for _, agreed in said}) > 1 and not SO.match(text, *span):
        return None
    return Settled("words", options.polar[agrees], span, "the question said again")


def _stems(text: str) -> set[str]:
    """The first four letters of the words that carry a sentence."""
    return {word[:4] for word in fold(text).split() if len(word) > 3} - {"caus"}


def _another_question(text: str, asked: Asked) -> Settled | None:
    """One question, where the choices are questions: an answer outside of them."""
    asks = all(choice.rstrip().endswith("?") for choice in asked.choices)
    if not asks or not re.fullmatch(r"[^?\n]{8,200}\?", text.strip()):
        return None
    return Settled("outside", None, (0, len(text)), "the whole text")


def _without_prefix(text: str, asked: Asked) -> str:
    """The text with the prompt's own last words, repeated at its head, blanked."""
    for prefix in (asked.prefix, "choice:", "A:"):
        if prefix and (prefix != "A:" or not asked.letters):
            head = len(text) - len(text.lstrip())
            if text[head : head + len(prefix)].casefold() == prefix.casefold():
                return " " * (head + len(prefix)) + text[head + len(prefix) :]
    return text


def _said(plain: str, text: str, asked: Asked, options: Options) -> Settled | None:
    """The option that the predicate of the first statement names, or an answer outside of all."""
    if _listed([line for line in plain.splitlines() if line.strip()], options):
        return None
    if (
        options.polar
        or options.letters
        and len({i for _, _, i in options.named(words_of(plain))}) > 1
    ):
        return None
    spans, rule = committed(plain, text, asked)
    if len(spans) != 1 or UNDECIDED.search(plain, *spans[0]):
        return None
    found = readings(plain, spans[0], asked, rule)
    for candidate in found:
        index = options.exactly(candidate.answer)
        index = options.containing(candidate.answer) if index is None else index
        if index is not None and candidate.span:
            return Settled("words", index, candidate.span, candidate.rule)
    if options.letters and found and len(plain.split()) <= 8:
        return Settled("outside", None, found[-1].span or spans[0], rule)
    if options.letters or not found:
        return None
    alone = not plain[spans[0][1] :].strip() and len(plain.split()) <= 25
    if not alone:
        found = (
            found if rule != "the first statement" else [c for c in found if "behind “" in c.rule]
        )
        if not found or not _NAMES.fullmatch(found[-1].answer) or DENIAL.search(plain):
            return None
        if options.named(words_of(plain)):
            return None
    if not re.search(r"[^\W\d_]{3,}", found[-1].answer):
        return None
    return Settled("outside", None, spans[0] if alone else found[-1].span or spans[0], rule)


_NAMES = re.compile(
    r"(?!(?:an?|some|all|one|several|few|many|both|indeed|similar|been|also|very|not|here|that)\b)"
    r"(?!.*\bor\b)\S+(?:\s+\S+){0,8}",
    re.I,
)
"""A name of up to nine words, no description: what a claim gives as its answer."""


def _mentioned(text: str, options: Options) -> Settled | None:
    """The only option that a text names at all, where nothing denies or doubts it."""
    if UNDECIDED.search(text) or text.strip().endswith("?"):
        return None
    if options.letters and re.match(
        r"\W*(?:let me|let us|let's|first,|to (?:decide|answer))", text, re.I
    ):
        return None
    if options.polar:
        settled = options.polar_of(text, (0, len(text)))
        return settled if settled.index is not None else None
    letters: dict[int, tuple[int, int]] = {}
    if options.letters:
        for match in _MARKED_LETTER.finditer(text):
            index = options.letter(match["a"] or match["b"])
            if index is not None:
                letters.setdefault(index, match.span())
    named = {index for _, _, index in options.named(words_of(text))}
    both = set(letters) | named
    if len(both) != 1:
        return Settled("hedge", None, (0, len(text)), "in the text") if both else None
    (only,) = both
    if _denied(text, options, letters.get(only)):
        return Settled("denied", None, (0, len(text)), "in the text")
    if (
        len(named)
        and not letters
        and re.search(r"\b(?:or|might|maybe|perhaps|possibl[ey])\b", text, re.I)
    ):
        return None
    span = letters.get(only, (0, len(text)))
    return Settled("words", only, span, "the only choice named")


def _denied(text: str, options: Options, place: tuple[int, int] | None) -> bool:
    """Whether a text that names one option denies it.

    Any denial counts; where the options are the labels themselves, one in the same statement.
    """
    if place is None or not options.labelled:
        return DENIAL.search(text) is not None
    begin = max(text.rfind(char, 0, place[0]) for char in ".\n!?;") + 1
    return bool(DENIAL.search(text, begin, place[0]) or WRONG.match(text, place[1]))


def read_letter(text: str, asked: Asked) -> Reading:
    """A letter where the choices themselves are not known (bare pairs)."""
    choices = tuple(f"\0{i}" for i in range(26))
    options = Options(Asked(choices=choices, letters=True))
    plain = bare(text)
    settled = decide(places(plain, text, options), plain)
    if settled is None or settled.index is None:
        return nothing("no letter is settled on")
    return Reading((Candidate(chr(65 + settled.index), settled.span, settled.rule),))


def read_label(text: str, asked: Asked) -> Reading:
    """The label that a text settles on: behind its own name ("Strategy:"), else as a choice."""
    options = Options(asked)
    plain = bare(text)
    found = []
    for match in _LABELLED.finditer(plain):
        index = options.exactly(plain[match.end() : sentence_end(plain, match.end())])
        if index is not None:
            found.append((match.end(), sentence_end(plain, match.end()), index))
    for match in _QUOTED_FIELD.finditer(text):
        index = options.exactly(match[1])
        if index is not None:
            found.append((*match.span(1), index))
    if found:
        start, end, index = max(found)
        return Reading((Candidate(asked.choices[index], (start, end), "behind its name"),))
    return read_choice(text, asked)


_LABELLED = re.compile(
    r"(?:^|\n)[\s>#-]*(?:strategy|label|category|class|sentiment|intent|emotion|stance|"
    r"relation|topic|"
    r"type|verdict|answer|output)\s*:[\s\[(\"']*",
    re.I,
)
_QUOTED_FIELD = re.compile(
    r"\"(?:strategy|label|category|class|sentiment|intent|emotion)\"\s*:\s*\"([^\"\n]*)\"", re.I
)
