"""Texts, numbers and lists: readings of the statement that an answer commits itself to."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from heartloop import regex as re
from heartloop.grading.content.numbers import answers_in, result_in, value_of, values_in
from heartloop.grading.content.polar import restates
from heartloop.grading.content.reading import Asked, Candidate, Reading, fold, nothing, plain
from heartloop.grading.content.readings import readings
from heartloop.grading.content.spelling import (
    said_once,
    same_person,
    same_spelling,
    same_translation,
    torn,
    without_foreign_article,
)
from heartloop.grading.content.statement import committed
from heartloop.grading.content.surface import bare, even, sentence_end, statements
from heartloop.grading.content.wanted import other_of_two
from heartloop.grading.dates import date_of
from heartloop.grading.marks import box_spans
from heartloop.grading.maths.units import parse_unit
from heartloop.grading.phrases import ASKS_BACK, NO_ANSWER_LABEL, REFUSAL, UNDECIDED, markers
from heartloop.types import Question

ONLY_A_NUMBER = re.compile(
    r"\W*(?:(?:my |the )?(?:confidence|certainty)\w*(?: (?:score|level))?\s*(?:is|:|=)?\s*)?"
    r"(?:[01](?:\.\d+)?|\.\d+|\d{1,3}\s?%)\W*"
)


def read_text(text: str, asked: Asked) -> Reading:
    """A short text: a name, a word, a sentence."""
    if asked.numeric:
        return read_number(text, asked)
    if asked.signs:
        return read_signs(text, asked)
    body = _without_prefix(bare(text), asked.prefix)
    if not asked.numbered and ONLY_A_NUMBER.fullmatch(body.lower()):
        return Reading((), "unparsed", "not the task: only a number")
    spans, rule = committed(body, text, asked)
    if not spans:
        return _unanswered(body)
    if len(spans) > 1 and rule == "a list":
        items = [_BULLET.sub("", body[slice(*span)]).strip(" \n.,;") for span in spans]
        return Reading((Candidate(", ".join(items), (spans[0][0], spans[-1][1]), rule),))
    if len(spans) > 1:
        return nothing("it settles on several answers")
    start, end = spans[0]
    if rule == "the first statement" and (
        UNDECIDED.search(body, start, end)
        or REFUSAL.search(body, start, end)
        or len(body[start:end].split()) > 6
        and ASKS_BACK.search(body)
    ):
        return _unanswered(body)
    found = readings(body, (start, end), asked, rule)
    other = other_of_two(body[start:end], asked)
    if other is not None:
        found = [Candidate(other, (start, end), "the other of two")]
    if asked.question and _POLAR.match(asked.question):
        clause = body[start:end]
        again = _same_or_not(clause, asked.question)
        again = restates(clause, asked.question) if again is None else again
        if again is not None:
            said = "yes" if again else "no"
            found.append(Candidate(said, (start, end), "the question said again"))
    return Reading(tuple(found)) if found else _unanswered(body)


_SAME = re.compile(r"\bthe same (?P<what>\w{3})", re.I)


def _same_or_not(clause: str, question: str) -> bool | None:
    """Whether a clause answers “… the same meaning …?” by its predicate: “different meanings”."""
    asked = _SAME.search(question)
    if asked is None:
        return None
    what = asked["what"]
    said = re.search(rf"\b(?P<how>same|different) (?:{what}|senses?\b)", clause, re.I)
    if said is None or re.search(r"\b(?:if|whether)\b|\?", clause):
        return None
    denied = re.search(r"\b(?:not|never)\b|n't\b", clause[: said.start()]) is not None
    return (said["how"].lower() == "same") != denied


_POLAR = re.compile(r"\W*(?:do|does|did|is|are|was|were|has|have|can|will)\b", re.I)
_SIGNS = re.compile(r"[^\w\n`*$\\]*[^\w\s`*$\\][^\w\n`*$\\]*")
_BLOCK = re.compile(r"```\w*\n([^`]*)```")
_SIGN_LINES = re.compile(r"[^\w`*$\\]*[^\w\s`*$\\][^\w`*$\\]*")
_OUTPUT = re.compile(
    r"\b(?:output|result|answer|sequence)\b[^.\n]{0,40}?(?:\bis|\b(?:will|should) be|:)\W{0,12}?"
    r"(?P<said>\d{1,4}|true|false)\b(?![^\n]{0,3}\w)",
    re.I,
)
"""A number where signs are asked for: “the output is 1”."""
_UNDER_A_LABEL = re.compile(
    r"^[\s*#>-]*(?:(?P<label>[^\W\d_][\w ]{0,40}):|\d{1,2}[.)])\s+(?P<said>[^\w\n]+)$", re.M
)
"""Signs behind a label or the number of an item: “Output: { [ ] }”."""
_MARKS = " \t*`$\"'.:"


def read_signs(text: str, asked: Asked) -> Reading:
    """Signs alone, such as the brackets that close a sequence: the last ones that stand apart.

    A sequence that repeats the item's own signs in front is also read without them.
    """
    body = _without_prefix(even(text), asked.prefix)
    blocks = [match.span(1) for match in _BLOCK.finditer(body)]
    body = _BLOCK.sub(lambda block: " " * len(block.group()), body)
    body = body.replace("\\[", "  ").replace("\\]", "  ")
    last = body.rstrip().rfind("\n")
    apart = [match.span() for match in re.finditer(r"[^\n]+", body)]
    apart += [(match.end(), sentence_end(body, match.end())) for match in markers(body)]
    apart += [(start, end) for start, end, _ in box_spans(text)]
    apart += [
        match.span("said")
        for match in _UNDER_A_LABEL.finditer(body)
        if not NO_ANSWER_LABEL.search(match["label"] or "")
    ]
    apart = [span for span in apart if _SIGNS.fullmatch(body[slice(*span)].strip(_MARKS).strip())]
    coded = [match.span(1) for match in re.finditer(r"`([^\w`\n]+)`", body)]
    apart = apart or [span for span in coded if span[0] > last]
    whole = even(text)
    apart += [span for span in blocks if _SIGN_LINES.fullmatch(whole[slice(*span)])]
    behind = max((span[1] for span in apart), default=-1)
    others = list(_OUTPUT.finditer(whole, max(behind, 0)))
    if others and (behind >= 0 or not apart):
        return Reading((Candidate(others[-1]["said"], others[-1].span("said"), "its output"),))
    if not apart:
        plain = bare(text)
        spans, rule = committed(plain, text, asked)
        if len(spans) == 1 and rule.startswith(("behind", "in the")):
            return Reading(tuple(readings(plain, spans[0], asked, rule)))  # no signs: "it is 4"
        return _unanswered(body)
    span = max(apart, key=lambda one: one[1])
    said = " ".join(whole[slice(*span)].strip(_MARKS).split())
    signs = "".join(said.split())
    answers = [said, " ".join(signs)]
    given = "".join(re.split(r"[\w:]", asked.input)[-1].split())
    if given and signs.startswith(given) and signs != given:
        answers.append(" ".join(signs[len(given) :]))
    rules = ("the signs", "the signs one by one", "what follows the item's own signs")
    return Reading(tuple(Candidate(a, span, r) for a, r in zip(answers, rules, strict=False)))


def _unanswered(body: str) -> Reading:
    if REFUSAL.search(body[:300]):
        return Reading((), "refused", "the text declines to answer")
    return nothing("the text settles on nothing")


def _without_prefix(text: str, prefix: str) -> str:
    """The prompt's own last words, repeated at the head of the answer, blanked."""
    head = len(text) - len(text.lstrip())
    if prefix and text[head : head + len(prefix)].casefold() == prefix.casefold():
        return " " * (head + len(prefix)) + text[head + len(prefix) :]
    return text


_NUMBERED = re.compile(r"\s*(\d+)\s*[-–:.)]\s*(\D+)")


def same_name(gold: str, answer: str, question: Question | None) -> bool:
    """Whether two texts are the same name, however it is spelt, or one number."""
    answer = said_once(answer)
    bare_name = without_foreign_article(answer, question)
    if bare_name != answer and same_text(without_foreign_article(gold, question), bare_name):
        return True
    return (
        same_text(gold, answer)
        or same_number(gold, answer)
        or same_person(gold, answer, question)
        or not torn(gold, answer)
        and same_spelling(_name(gold), _name(answer), question)
    )


def same_text(gold: str, answer: str, question: Question | None = None) -> bool:
    """Whether two texts are the same name: case, marks, a leading article, Unicode form aside.

    A gold that numbers its label ("3 - probably") is also answered by the number or the label; of
    a translation that the question asks for, accents and a leading article may be left out.
    """
    mine, wanted = _name(answer), _name(gold)
    if mine == wanted:
        return bool(wanted)
    if question is not None and same_translation(gold, answer, question):
        return True
    if not mine or not wanted:
        return False
    if "," in gold and mine.replace(" and ", " ") == wanted.replace(" and ", " "):
        return True  # "rock, paper" and "rock and paper"
    numbered = _NUMBERED.fullmatch(gold) if gold[:1].isdigit() else None
    if numbered and mine in (numbered[1], _name(numbered[2])):
        return True
    day = date_of(gold)
    if day is not None and day == date_of(answer):
        return True
    if gold[:1].isdigit() and answer[:1].isdigit() and same_quantity(gold, answer):
        return True
    if "-" in plain(gold + answer):
        return mine.replace(" ", "") == wanted.replace(" ", "")
    return False


_UNIT_JOINED = re.compile(r"(?<![^\W\d_])(\d+)(?=[^\W\d_])")  # 10km
_ARTICLE = re.compile(r"(?:the|an|a) (?=\w\w)")


@lru_cache(maxsize=16_384)
def _name(text: str) -> str:
    text = even(text)
    if "n't" in text or "annot" in text:
        text = _NOT.sub(lambda m: f"{_FULL.get((m[1] or 'ca').lower(), m[1])} not", text)
    if _ROMAN.search(text):
        text = _ROMAN.sub(lambda m: str(10 * len(m["tens"]) + _ROMANS.index(m["ones"])), text)
    folded = fold(_INITIALS.sub(r"\1.", text) if "." in text else text)
    if _ORDINAL.search(folded):
        folded = _ORDINAL.sub(lambda m: _ORDINALS[int(m[1]) - 1], folded)
    if _UNIT_JOINED.search(folded):
        folded = _UNIT_JOINED.sub(r"\1 ", folded)
    article = _ARTICLE.match(folded)
    folded = folded[article.end() :] if article else folded
    title = _TITLE.match(folded)
    folded = folded[title.end() :] if title else folded
    if folded.startswith("st "):
        folded = f"saint {folded[3:]}"
    return _KIND_OF_LABEL.sub("", _FIRM.sub("", folded))


_NOT = re.compile(r"\b(?:cannot|(\w+)n't)\b", re.I)
_FULL = {"ca": "can", "wo": "will", "sha": "shall"}
"""“doesn't” is “does not”, “won't” is “will not”."""
_INITIALS = re.compile(r"\b([A-Z])\.\s+(?=[A-Z]\.)")  # J. K. Rowling
_ROMANS = ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX")
_ROMAN = re.compile(
    r"(?<=[a-z] )(?=[XVI])(?P<tens>X{0,3})(?P<ones>IX|IV|V?I{0,3})$"
)  # World War II, Louis XVI
_ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
)  # fmt: skip
_ORDINAL = re.compile(r"\b([1-9]|10)(?:st|nd|rd|th)\b")
_TITLE = re.compile(r"(?:king|queen|mr|mrs|ms|dr|prof|professor|sir|president) (?=\w{2})")
_KIND_OF_LABEL = re.compile(r"(?<=\w) (?:sentiment|emotion|polarity)$")  # "positive sentiment"
_FIRM = re.compile(r"(?<=\w) (?:inc|ltd|llc|corp|gmbh)$")


def same_quantity(gold: str, answer: str) -> bool:
    """Whether two texts are one number of one unit: “10 km” and “10 kilometres”."""
    parts = [_QUANTITY.fullmatch(text.strip(" .")) for text in (gold, answer)]
    if parts[0] is None or parts[1] is None:
        return False
    units = [parse_unit(part["unit"]) for part in parts if part]
    if units[0] is None or units[1] is None or units[0][1] != units[1][1]:
        return False
    values = [value_of(part["number"]) for part in parts if part]
    if values[0] is None or values[1] is None:
        return False
    return values[0] * units[0][0] == values[1] * units[1][0]


_QUANTITY = re.compile(r"(?P<number>[\d.,]*\d)\s*(?P<unit>[A-Za-zµ°][A-Za-z/ ]*)")


# --- numbers ----------------------------------------------------------------------------


def read_number(text: str, asked: Asked) -> Reading:
    """A number: behind “=” or “is”, or the only new one that a statement names.

    Where the first statement names none that can be told apart, the next that does decides.
    """
    body = _without_prefix(bare(text), asked.prefix)
    spans, rule = committed(body, text, asked)
    if not spans:
        return _unanswered(body)
    if len(spans) > 1:
        spans = [s for s in spans if not re.search(r"\w\(", body[slice(*s)])]  # a call in code
        named = [_number_in(body, span, asked, rule) for span in spans]
        values = {value_of(one.answer) for one in named if one is not None}
        if len(values) != 1 or None in values:
            return nothing("it settles on several numbers")
        spans = [s for s, one in zip(spans, named, strict=True) if one is not None][-1:]
    if rule == "the first statement":
        if REFUSAL.search(body, *spans[0]):
            return _unanswered(body)
        spans += [span for span in statements(body) if span[0] >= spans[0][1]][:8]
    several = False
    for span in spans:
        if UNDECIDED.search(body, *span):
            continue
        candidate = _number_in(body, span, asked, rule)
        if candidate is not None:
            return Reading((candidate,))
        several = several or bool(values_in(body[slice(*span)]))
    if several:
        return nothing("more than one number is named")
    found = readings(body, spans[0], asked, rule)
    return Reading(tuple(found[-1:])) if found else _unanswered(body)


_AND_SCORE = re.compile(
    r"[\s,]+(?:and|with|which)\b[^.\n]{0,30}?\b(?:confidence|certainty)\b.*", re.I | re.S
)
"""“…, and the confidence score is 1”."""
_ITEM_NUMBER = re.compile(r"\s*\d{1,2}[.)]\s+(?=\D)")
"""“2. The sum …”: the number of an item in a list is no answer."""


def _number_in(body: str, span: tuple[int, int], asked: Asked, rule: str) -> Candidate | None:
    start, end = span
    numbered = _ITEM_NUMBER.match(body, start, end)
    start = numbered.end() if numbered else start
    piece = body[start:end]
    score = _AND_SCORE.search(piece)
    piece = piece[: score.start()] if score and score.start() else piece
    aside = re.search(r",?\s+(?:not|rather than|instead of)\s", piece)
    if aside and values_in(piece[: aside.start()]):
        piece = piece[: aside.start()]  # "12, not 13"
    if _denies(piece):
        return None
    result = result_in(piece)
    if result is not None:
        a, b, value = result
        at = (start + a, start + b)
        return Candidate(_shown(value, body[slice(*at)]), at, f"{rule}, behind its sign")
    inside = answers_in(piece)
    shown = {value for _, _, value in values_in(bare(asked.input))}
    fresh = [item for item in inside if item[2] not in shown]
    for chosen, how in ((inside, "its only number"), (fresh, "its new number")):
        if len({item[2] for item in chosen}) == 1:
            a, b, value = chosen[-1]
            return Candidate(_shown(value, piece[a:b]), (start + a, start + b), f"{rule}, {how}")
    for candidate in sorted(readings(body, span, asked, rule), key=lambda c: len(c.answer)):
        if value_of(candidate.answer) is not None and candidate.rule.count("explains") == 0:
            return Candidate(candidate.answer, candidate.span, candidate.rule)
    return None


def _denies(text: str) -> bool:
    return re.search(r"\b(?:not|never|neither|nor|isn't|or)\b|n't\b", text, re.I) is not None


def _shown(value: Fraction, said: str) -> str:
    money = _MONEY.search(said)
    if money:
        return " ".join(said.split())  # euros are no dollars
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.12g}"


def same_number(gold: str, answer: str) -> bool:
    """Whether two texts are one number."""
    mine, wanted = value_of(even(answer)), value_of(even(gold))
    if mine is None or wanted is None:
        return False
    if gold.rstrip().endswith("%") and "%" not in answer and 0 < mine < 1:
        wanted /= 100  # 0.5 for 50 %
    if mine != wanted:
        return False
    money = set(_MONEY.findall(answer)), set(_MONEY.findall(gold))
    return not all(money) or money[0] == money[1]


_MONEY = re.compile(r"[$€£¥₹]")


# --- lists ------------------------------------------------------------------------------

_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+", re.M)


def read_list(text: str, asked: Asked) -> Reading:
    """Members of a list: bullets, else what stands behind a label, “are” or nothing at all."""
    body = _without_prefix(bare(text), asked.prefix)
    if len(_BULLET.findall(text)) > 1:
        lines = [line for line in text.splitlines() if _BULLET.match(line)]
        start, end = text.find(lines[0]), text.rfind(lines[-1]) + len(lines[-1])
        return Reading(
            (Candidate("\n".join(bare(line) for line in lines), (start, end), "its bullets"),)
        )
    spans, rule = committed(body, text, asked)
    if not spans:
        return _unanswered(body)
    if len(spans) > 1:
        return nothing("it settles on several answers")
    found = readings(body, spans[0], asked, rule)
    if rule == "the first statement" and "\n" in body.strip():
        stripped = body.strip()
        at = body.find(stripped)
        found.insert(0, Candidate(stripped, (at, at + len(stripped)), "the whole text"))
    return Reading(tuple(found)) if found else _unanswered(body)
