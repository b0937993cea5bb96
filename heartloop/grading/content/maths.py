"""Formulas and values: what a solution settles on."""

from __future__ import annotations

import re

from heartloop.grading import marks, positional
from heartloop.grading.content.numbers import values_in
from heartloop.grading.content.reading import Asked, Candidate, Reading, nothing
from heartloop.grading.content.surface import machine_fields
from heartloop.grading.maths.words import DOES_NOT_EXIST, leading_polar, spoken_number
from heartloop.grading.phrases import CORRECTION, DENIAL, REFUSAL, UNDECIDED, without_own_words

_CLAIMS = re.compile(
    r"(?:(?<![\w'])(?:is|are|equals?|get|gives?|have|obtain|yields?|makes?|becomes?|find|"
    r"left with)(?![\w'])|=|≈|\\approx|还剩|剩下|一共|总共|共有|等于|得到|是|为|需要|有|は)"
    r"[\s:$(\\\[]*",
    re.I,
)


def read_maths(text: str, asked: Asked) -> Reading:
    """The last box or “final answer”, an answer field, “the answer is …”, else a concluding value.

    A line of prose is never an answer: behind no mark, only a formula or a number counts that the
    last statement claims (“so we get 17”) or that stands alone.
    """
    text = without_own_words(text)
    short = text.strip(" \t\n.!*`$")
    if len(short) < 80 and (
        spoken_number(short) is not None or asked.words and _WORDS.fullmatch(short)
    ):
        at = text.find(short)
        return Reading((Candidate(short, (at, at + len(short)), _RULES["_alone"], False),))
    if DOES_NOT_EXIST.fullmatch(short):
        at = text.find(short)
        return Reading((Candidate(short, (at, at + len(short)), _RULES["_alone"], False),))
    if asked.words and len(short) < 200 and leading_polar(short) is not None:
        at = text.find(short)
        return Reading((Candidate(short, (at, at + len(short)), "a leading yes or no"),))
    for step in (marks.conclusion, _field, marks.answer_is, _alone, _claimed, _spoken):
        found = step(text)
        if found is not None and found[0].strip():
            answer = found[0].strip()
            at = text.rfind(answer)
            span = (at, at + len(answer)) if at >= 0 else None
            return Reading((Candidate(answer, span, _RULES[step.__name__], found[1]),))
    if REFUSAL.search(text[:300]):
        return Reading((), "refused", "the text declines to answer")
    return nothing("no value is settled on")


_WORDS = re.compile(r"(?:\\text\{)?[^\W\d_]+(?:[ -][^\W\d_]+){0,3}\}?")
_SET_WORDS = re.compile(
    r"(?:all|any|every|no|the)\s+(?:\w+\s+)?(?:numbers?|reals?|integers?|solutions?)", re.I
)
"""Up to four words: an answer where the question's answers are words ("increasing", "none")."""
_CHECK = re.compile(r"\W*(?:check|verif|sanity|proof|test|note|indeed)", re.I)

_RULES = {
    "conclusion": "the last box or final answer",
    "_field": "in the answer field",
    "answer_is": 'behind "the answer is"',
    "_alone": "the whole text",
    "_claimed": "the last value that is claimed",
    "_spoken": "the only number, in words",
}


def _field(text: str) -> tuple[str, bool] | None:
    fields = machine_fields(text)
    return (fields[-1][2], True) if fields else None


def _alone(text: str) -> tuple[str, bool] | None:
    """A short text that is a formula or a number and nothing else."""
    bare = text.strip()
    if not bare or len(bare) > 200 or "\n\n" in bare or CORRECTION.search(bare):
        return None
    if re.search(r"[.!] +[A-Z][a-z]", bare):
        return None  # more than one sentence
    if marks.ENVIRONMENT.fullmatch(bare):
        return bare, True
    named = _NAMED.fullmatch(bare)
    if named:
        return named["formula"], False
    if len(_HAN.findall(bare)) > 3:
        return None  # a sentence without blanks between its words
    plain = re.sub(r"\\(?:text|mathrm)\s*\{[^{}]*\}|\\[A-Za-z]+", " ", bare)
    words = re.findall(r"[^\W\d_]{3,}", plain)
    if (
        not re.search(r"[\d\\^=<>]|^\W*[A-Za-z]\W*$|^\s*[a-z]{1,2}/[a-z]{1,2}\s*$", bare)
        or len(words) > 4
    ):
        return None
    return bare, False


def _spoken(text: str) -> tuple[str, bool] | None:
    """The only number of a short sentence, in words: “There are five of them”."""
    if len(text) > 120 or re.search(r"\d|[.!?;]\s+\S|\n", text.strip()):
        return None
    if DENIAL.search(text) or UNDECIDED.search(text) or "?" in text or not _CLAIMS.search(text):
        return None
    found = values_in(re.sub(r"[*_`]", "", text))
    if len(found) != 1 or found[0][2] == 1:
        return None  # "one" is a pronoun as often as a number
    return str(found[0][2]), False


_HAN = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
_NAMED = re.compile(r"[A-Z][A-Za-z ]{2,40}:\s*(?P<formula>\$.{1,190}\$|\\\[.{1,190}\\\])", re.S)


def _claimed(text: str) -> tuple[str, bool] | None:
    """What the last statement with a claim claims: “so we get 17”."""
    if not text.isascii():
        text = re.sub(r"(?<=[\u3040-\u30ff\u4e00-\u9fff])(?=\d)", " ", text)
    for line in reversed(text.strip().splitlines()[-3:]):
        for sentence in reversed(re.split(r"(?<=[.!?])\s+(?=[A-Z$\\])", line)):
            if sentence.rstrip().endswith("?") or _CHECK.match(sentence):
                continue
            claims = list(_CLAIMS.finditer(sentence))
            value = positional.last_math(sentence[claims[-1].start() :]) if claims else None
            if value:
                return value, False
            formula = positional.last_latex(sentence)
            if formula and not re.search(r"[A-Za-z]{4,}", re.sub(r"\\[A-Za-z]+", "", formula)):
                return formula, False
    return None
