"""Choices and labels: the places where a text commits itself, and what they say together.

A box, a tag, “the answer is …”, a letter alone at its head, “C is correct”: each place is settled
by ``Options``. Places that disagree are no answer unless the text corrects itself; a place that
denies, hedges or names nothing is none.
"""

from __future__ import annotations

from heartloop import regex as re
from heartloop.grading.content.left_over import PRINTED, SETS_OUT, abroad, by_place, left_over
from heartloop.grading.content.options import (
    NONE_OF_IT,
    WRONG,
    Options,
    Settled,
    lettered,
    words_of,
)
from heartloop.grading.content.places import listed, places
from heartloop.grading.content.polar import NEGATION, NEITHER, restated, unquoted
from heartloop.grading.content.reading import Asked, Candidate, Reading, nothing
from heartloop.grading.content.readings import readings
from heartloop.grading.content.statement import SO, committed
from heartloop.grading.content.surface import bare, even, sentence_end, statements
from heartloop.grading.content.text import ONLY_A_NUMBER
from heartloop.grading.phrases import CORRECTION, DENIAL, UNDECIDED

_MARKED_LETTER = re.compile(
    r"\((?P<a>[A-Za-z])\)|\b(?:option|choice|statement)\s+(?P<b>[A-Z])\b(?!')", re.I
)


def decide(found: list[Settled], text: str, asked: Asked | None = None) -> Settled | None:
    """What the places of a text say together; None where they commit it to nothing.

    Args:
        found: the places, in their order.
        text: the bare text.
        asked: the question, so that what a place only repeats of it is not taken for an answer.
    """
    if any(item.index is not None and item.rule != "at the head of the text" for item in found):
        found = [item for item in found if not _says_nothing(item, text, asked)]
    if not found:
        return None
    top = max(item.rank for item in found)
    decisive = [item for item in found if item.rank == top]
    if any(item.index is not None for item in decisive):
        decisive = [item for item in decisive if not _remarks(item, text)]
    elif all(item.kind == "outside" for item in decisive):
        names = [item for item in decisive if not _remarks(item, text)]
        below = [item for item in found if item.rank < top]
        if not names and any(item.index is not None for item in below):
            return decide(below, text)
        decisive = names or decisive
    last = decisive[-1]
    if asked is None or lettered(asked):  # another option further on
        for item in found[::-1]:
            if item.span > last.span and item.index not in (None, last.index):
                if CORRECTION.search(text, last.span[1], item.span[0] + 1):
                    return item  # the text takes back what it had settled on
                return Settled("hedge", None, item.span, item.rule)
    for item in decisive[:-1]:
        if item.index == last.index or item.kind in ("denied", "outside"):
            continue
        if CORRECTION.search(text, item.span[1], last.span[0] + 1):
            continue
        if item.span[0] <= last.span[0] and last.span[1] <= item.span[1]:
            continue  # the same clause, read more closely
        return Settled("hedge", None, last.span, last.rule)
    return last


def _says_nothing(item: Settled, text: str, asked: Asked | None) -> bool:
    """Whether a place without an option gives way to one that has an option.

    It denies without naming an option ("the solution was not satisfactory"), it weighs both at the
    head of the text ("whether it is A or B"), or it repeats what the question shows.
    """
    if item.index is not None or item.rank > 2 or asked is None or asked.letters:
        return False
    clause = text[slice(*item.span)]
    options = Options(asked)
    if item.kind == "denied":
        return not options.named(words_of(clause)) and not _MARKED_LETTER.search(clause)
    if item.kind == "hedge":
        return item.rule == "at the head of the text" and len(clause.split()) > 5
    if item.kind == "outside":
        shown = re.sub(r"(?m)^\s*choice:.*$", "", asked.input)
        return f" {words_of(clause)} " in f" {words_of(shown)} "
    return False


def _remarks(item: Settled, text: str) -> bool:
    """Whether a place outside of the choices is a remark rather than another answer: a clause."""
    return item.kind == "outside" and len(text[slice(*item.span)].split()) > 5


def read_choice(text: str, asked: Asked) -> Reading:
    """The option that a text settles on, by its letter or its words."""
    options = Options(asked)
    if not options.choices:
        return read_letter(text, asked)
    plain = bare(_without_prefix(even(text), asked))
    printed = PRINTED.fullmatch(plain)
    if printed:
        a, b = printed.span("said")
        plain = " " * a + plain[a:b] + " " * (len(plain) - b)
    settled = _settle(plain, text, asked, options)
    if settled is None:
        alone = ONLY_A_NUMBER.fullmatch(plain.lower())
        return nothing("not the task: only a number" if alone else "no choice is named")
    if settled.index is not None:
        return Reading((Candidate(asked.choices[settled.index], settled.span, settled.rule),))
    return _no_choice(settled, text, asked, options)


def _settle(plain: str, text: str, asked: Asked, options: Options) -> Settled | None:
    """What a text settles on: the places where it commits itself, then one rule after another."""
    settled = decide(places(plain, text, options), plain, asked)
    if settled is None and options.letters and _BROKEN_OFF.search(plain):
        return None
    if settled is None or settled.index is None:
        settled = _inflected(plain, options) or settled
    if settled is None:
        settled = _mentioned(plain, options)
    if settled is None and options.polar:
        again = restated(plain, asked.question)
        if again is not None:
            settled = Settled("words", options.polar[again[1]], again[0], "the question said again")
        elif (neither := NEITHER.search(plain)) is not None:
            settled = Settled("hedge", None, neither.span(), "in the text")
    if settled is None and options.letters:
        settled = abroad(plain, options)
    if options.letters and (settled is None or settled.kind == "outside"):
        settled = by_place(plain, options) or settled
    if settled is None or settled.index is None and settled.rule == "in the text":
        settled = _said(plain, text, asked, options) or settled
    if settled is None or settled.index is None:
        settled = left_over(plain, options) or settled
    if settled is not None and settled.index is not None:
        last = _inflected(plain, options)
        if last is not None and last.index != settled.index and last.span > settled.span:
            if SO.match(plain, *last.span) or _OF_IT.search(plain, *last.span):
                return Settled("hedge", None, last.span, "its contrary is concluded")
    return settled


_OF_IT = re.compile(r"\b(?:(?:it|this|they) (?:is|are)|making (?:it|this|them))\b(?! the\b)", re.I)
"""“…, making it a valid statement”: said of what was asked."""


_BROKEN_OFF = re.compile(
    r"\b(?:a|an|the|of|to|in|on|at|by|with|for|from|and|or|but|if|when|where|which|who|that|because|"
    r"since|as|is|are|was|has|would|must|be|it|we|that (?:option |choice )?[A-Z])[ ,]*$"
)


def _no_choice(settled: Settled, text: str, asked: Asked, options: Options) -> Reading:
    """A text that settles on no option: another answer (wrong), or none that can be read."""
    said = " ".join(text[slice(*settled.span)].split())[:80]

    def answer(words: str, how: str) -> Reading:
        return Reading((Candidate(words, settled.span, f"{settled.rule}, {how}"),))

    if settled.kind == "hedge" and options.polar and NEITHER.search(text):
        return answer("neither", "neither of both")
    if said and not options.letters and not options.polar:
        if settled.kind == "outside":
            return answer(said, "outside of the choices")
        if settled.kind == "hedge":
            several = options.exactly(said) is not None
            return answer("several of the choices" if several else said, "more than one choice")
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


def _inflected(text: str, options: Options) -> Settled | None:
    """“The premises (do not) entail it”, where the choices are entailment and non-entailment.

    The last statement that says so counts.
    """
    names = [name for name, _ in options.names]
    positive = min(names, key=len) if len(names) == 2 else ""
    contrary = _CONTRARY.fullmatch(max(names, key=len)) if positive else None
    if contrary is None or contrary["of"] != positive:
        return None
    stem = re.compile(rf"\b(?P<non>non[- ]|in|im|un)?{re.escape(positive[:6])}\w*", re.I)
    said = []
    for span in statements(text):
        clause = text[slice(*span)]
        found = list(stem.finditer(clause))
        if not found or _BOTH.search(clause) or len({bool(m["non"]) for m in found}) > 1:
            continue
        before = clause[: found[0].start()].rsplit(",", 1)[-1]
        denied = bool(NEGATION.search(before) or NONE_OF_IT.search(before))
        said.append((span, denied != bool(found[0]["non"])))
    if not said:
        return None
    span, no = said[-1]
    index = next(i for name, i in options.names if (name != positive) == no)
    return Settled("words", index, span, "its contrary denied" if no else "said as a verb")


_CONTRARY = re.compile(r"(?:non[- ]|in|im|un)(?P<of>\w+)")
_BOTH = re.compile(r"\b(?:or|if|whether|nor|neither)\b", re.I)


def _without_prefix(text: str, asked: Asked) -> str:
    """The text with the prompt's own last words, repeated at its head, blanked."""
    for prefix in (asked.prefix, "choice:", "A:"):
        if prefix and (prefix != "A:" or not asked.letters):
            head = len(text) - len(text.lstrip())
            if text[head : head + len(prefix)].casefold() == prefix.casefold():
                return " " * (head + len(prefix)) + text[head + len(prefix) :]
    if asked.letters and _ANSWERED.fullmatch(text):
        return text.replace("A:", "  ", 1)
    return text


_ANSWERED = re.compile(r"\s*A:\s*\(?[B-Z]\)?\W*")
"""“A: C”: the short form of “Answer: C”."""


def _said(plain: str, text: str, asked: Asked, options: Options) -> Settled | None:
    """The option that the predicate of the first statement names, or an answer outside of all."""
    if listed([line for line in plain.splitlines() if line.strip()], options):
        return None
    if (
        options.polar
        or options.letters
        and len({i for _, _, i in options.named(words_of(plain))}) > 1
    ):
        return None
    spans, rule = committed(plain, text, asked)
    if len(spans) != 1 or UNDECIDED.search(plain):
        return None
    found = readings(plain, spans[0], asked, rule)
    for candidate in found:
        index = options.exactly(candidate.answer)
        index = options.containing(candidate.answer) if index is None else index
        if index is not None and candidate.span:
            return Settled("words", index, candidate.span, candidate.rule)
    if options.letters and found and len(plain.split()) <= 8:
        return Settled("outside", None, found[-1].span or spans[0], rule)
    said = unquoted(plain[slice(*spans[0])], asked.input)
    if options.letters or not found or _THERE_IS_NONE.search(said):
        return None
    if DENIAL.search(said) and len(said.split()) > 1:
        return None
    if not re.search(r"[^\W\d_]{3,}", found[-1].answer):
        return None
    return Settled("outside", None, found[-1].span or spans[0], rule)


_THERE_IS_NONE = re.compile(r"\bthere (?:is|are) no\b", re.I)


def _mentioned(text: str, options: Options) -> Settled | None:
    """The only option that a text names at all, where nothing denies or doubts it."""
    said = unquoted(text, options.asked.input) if options.polar else text
    if UNDECIDED.search(said) or text.strip().endswith("?"):
        return None
    if options.letters and SETS_OUT.match(text):
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
    words = words_of(text)
    named = {index: (at, at + size) for at, size, index in options.named(words)[::-1]}
    both = {*letters, *named}
    if len(both) != 1:
        return Settled("hedge", None, (0, len(text)), "in the text") if both else None
    (only,) = both
    if options.labelled and not letters and _IS_SO.match(words, named[only][1]):
        return Settled("words", only, (0, len(text)), "the only choice that is called so")
    if _denied(text, options, letters.get(only)):
        return Settled("denied", None, (0, len(text)), "in the text")
    if (
        len(named)
        and not letters
        and re.search(r"\b(?:or|might|maybe|perhaps|possibl[ey])\b", text, re.I)
    ):
        return None
    if not options.letters and len(_ITEMS.findall(text)) > 2:
        return Settled("hedge", None, (0, len(text)), "in the text")  # one of several in a list
    span = letters.get(only, (0, len(text)))
    return Settled("words", only, span, "the only choice named")


_IS_SO = re.compile(r" (?:is|are|was|were) (?!not\b)")
"""“"We won by nothing" is sarcastic”, whatever the reasons deny."""
_ITEMS = re.compile(r"^\s*(?:\d{1,2}[.)]|[-•])\s+\S", re.M)


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
