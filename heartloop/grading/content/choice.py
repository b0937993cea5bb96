"""Choices and labels: the places where a text commits itself, and what they say together.

A box, a tag, “the answer is …”, a letter alone at its head, “C is correct”: each place is settled
by ``Options``. Places that disagree are no answer unless the text corrects itself; a place that
denies, hedges or names nothing is none.
"""

from __future__ import annotations

import re

from heartloop.grading.content.options import WRONG, Options, Settled, lone_letter, words_of
from heartloop.grading.content.places import listed, places
from heartloop.grading.content.reading import Asked, Candidate, Reading, fold, nothing
from heartloop.grading.content.readings import readings
from heartloop.grading.content.statement import SO, committed
from heartloop.grading.content.surface import bare, even, sentence_end, statements
from heartloop.grading.content.text import ONLY_A_NUMBER
from heartloop.grading.phrases import CORRECTION, DENIAL, UNDECIDED

_MARKED_LETTER = re.compile(
    r"\((?P<a>[A-Za-z])\)|\b(?:option|choice|statement)\s+(?P<b>[A-Z])\b(?!')", re.I
)


def decide(found: list[Settled], text: str) -> Settled | None:
    """What the places of a text say together; None where they commit it to nothing."""
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
        group = names or decisive
        if len({words_of(text[slice(*item.span)]) for item in group}) == 1:
            return group[-1]  # another name: none of the choices
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


def _remarks(item: Settled, text: str) -> bool:
    """Whether a place outside of the choices is a remark rather than another answer: a clause."""
    return item.kind == "outside" and len(text[slice(*item.span)].split()) > 5


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
    if settled is None or settled.index is None:
        settled = _complement(plain, options) or settled
    if settled is None and options.polar:
        settled = _restated(plain, asked, options)
    if settled is None:
        settled = _another_question(plain, asked)
    if settled is None and options.letters:
        settled = _abroad(plain, options)
    if settled is None or settled.index is None and settled.rule == "in the text":
        settled = _said(plain, text, asked, options) or settled
    if settled is None:
        alone = ONLY_A_NUMBER.fullmatch(plain.lower())
        return nothing("not the task: only a number" if alone else "no choice is named")
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


_ABROAD = re.compile(
    r"\b(?:antwort|richtig\w*|korrekt\w*|wähle|stimmt|r[ée]ponse|choisis|bonne|option|exacte?|"
    r"respuesta|opci[óo]n|correct[ao]|elijo|resposta|corret[ao]|op[çc][ãa]o|escolho|risposta|"
    r"corrett[ao]|opzione|scelgo|antwoord|juiste?|kies|svar\w*|rätt|riktig\w*|rigtig\w*|väljer|"
    r"velger|odpowied\w*|poprawn\w*|wybieram|odpověď|správn\w*|ответ\w*|вариант\w*|верн\w*|"
    r"правильн\w*|выбираю|відповідь|правильн\w*|cevap|yanıt|doğru|seçiyorum|jawaban\w*|benar|"
    r"vastaus|oikea|válasz|helyes|răspuns\w*|corect|απάντηση|σωστ\w*|đáp án|đúng)\b|"
    r"उत्तर|सही|الإجابة|الصحيحة|الجواب|תשובה|答案|选|選|正解|正确|正確|答え|정답|답",
    re.I,
)
_ABROAD_NOT = re.compile(
    r"\b(?:nicht|kein\w*|falsch\w*|pas|non|no|n[ãa]o|niet|geen|inte|ikke|nie|ne|není|нет|не|ні|"
    r"неверн\w*|неправильн\w*|değil|yanlış|bukan|salah|ei|nem|nu|δεν|không|oder|ou|of|o|or|y|e|"
    r"und|et|and|i|и|veya|atau|eller|lub|nebo)\b|नहीं|ليس|أو|לא|不|没|错|ない|ません|아니|또는|或|または|"
    r"[?¿？]",
    re.I,
)


def _abroad(text: str, options: Options) -> Settled | None:
    """The only letter of a short sentence in another language that speaks of the answer.

    A denial or a second option in it leaves it unread.
    """
    if len(text.split()) > 10 or not _ABROAD.search(text) or _ABROAD_NOT.search(text):
        return None
    letters = [
        (options.letter(match.group()), match.span())
        for match in re.finditer(r"(?<![^\W\d_A-Z\u0900-\uffff])(?<![A-Z'])[A-Z](?![\w'-])", text)
    ]
    if len(letters) != 1 or letters[0][0] is None or options.named(words_of(text)):
        return None
    return Settled("letter", letters[0][0], letters[0][1], "the only letter named")


def _complement(text: str, options: Options) -> Settled | None:
    """“The premises do not entail it”, where the choices are entailment and non-entailment."""
    names = [name for name, _ in options.names]
    positive = min(names, key=len) if len(names) == 2 else ""
    if not positive or f"non {positive}" not in (name.replace("-", " ") for name in names):
        return None
    said = [
        (span, bool(DENIAL.search(text, *span)))
        for span in statements(text)
        if re.search(rf"\b{re.escape(positive[:6])}", text[slice(*span)], re.I)
        and not text[slice(*span)].rstrip().endswith("?")
    ]
    if not said or not all(denied for _, denied in said):
        return None
    both = r"\b(?:or|if|nor|neither|non)\b"
    if any(re.search(both, text[slice(*span)], re.I) for span, _ in said):
        return None
    index = next(i for name, i in options.names if name != positive)
    return Settled("words", index, said[0][0], "its contrary denied")


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
    if len(theirs) < 3:
        return None  # too little to know it again by
    said: list[tuple[tuple[int, int], bool]] = []
    all_said = statements(text)
    for span in all_said[:1] if len(theirs) == 3 and len(all_said) > 3 else all_said:
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
    if not options.letters and len(_ITEMS.findall(text)) > 2:
        return Settled("hedge", None, (0, len(text)), "in the text")  # one of several in a list
    span = letters.get(only, (0, len(text)))
    return Settled("words", only, span, "the only choice named")


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
