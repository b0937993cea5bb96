"""What a content reader is given and what it gives back."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from heartloop import regex as re
from heartloop.grading.content.numbers import value_of
from heartloop.types import Gold, Question, UnscoredReason

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a reader may know of the question: what the model was shown, never which is right.

    Attributes:
        input: the item as it was shown; what is quoted from it is no answer.
        choices: the choices or labels, in their canonical spelling; empty where there are none.
        letters: whether the choices were shown with letters, so that a letter is an answer.
        aliases: further spelling (folded) -> label.
        numeric: the answers of this question are numbers.
        numbered: its answers begin with a number or are numbers in words, so that a number alone
            may answer.
        prefix: the words that the prompt ends in (``A:``), which models repeat.
        question: the last question that was asked, of the item or of the instruction.
        questions: its answers are questions themselves.
        words: its answers are words, or sentences, without a digit or a sign of mathematics.
        signs: its answers are signs without a letter or digit (brackets to be closed).
        item: the input without its label (``Input:``).
        instruction: what is to be done with it.
    """

    input: str = ""
    choices: tuple[str, ...] = ()
    letters: bool = True
    aliases: Mapping[str, str] = field(default_factory=dict)
    numeric: bool = False
    numbered: bool = False
    prefix: str = ""
    question: str = ""
    questions: bool = False
    words: bool = False
    signs: bool = False
    item: str = ""
    instruction: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One reading of the statement that a text commits itself to.

    Attributes:
        answer: the words that were read.
        span: where they stand in the visible text, start and end in characters.
        rule: how they were found, in words a person understands.
        closed: the answer is complete even if the text was cut behind it.
    """

    answer: str
    span: tuple[int, int] | None
    rule: str
    closed: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader found.

    Attributes:
        candidates: readings of *one* statement, widest first ("Paris, because …", "Paris"); the
            answer is right where one of them is. Empty where the text commits itself to nothing.
        reason: why there is no candidate.
        detail: the same in words.
        clause: what a choice question was answered with where that names no choice as it is
            written; it may still equal one by value.
        span: where the clause stands.
    """

    candidates: tuple[Candidate, ...] = ()
    reason: UnscoredReason | None = None
    detail: str = ""
    clause: str = ""
    span: tuple[int, int] | None = None


def nothing(detail: str) -> Reading:
    """A text that gives no answer that can be read."""
    return Reading((), "unparsed", detail)


def asked_of(
    question: Question | None, gold: Gold, params: Mapping[str, Any], letters: bool | None = None
) -> Asked:
    """What the reader is told of a question.

    Args:
        question: the question, or None for a bare pair.
        gold: only what kind of answers it has (numbers, questions, signs) is passed on.
        params: ``labels`` and ``aliases`` of the card.
        letters: whether letters count; by default, whether the prompt shows ``(A)`` or ``A.``
            in front of the first choice.
    """
    labels = tuple(str(label) for label in params.get("labels") or ())
    choices = tuple(question.choices) if question is not None else ()
    if not choices and not labels:
        choices = tuple(str(name) for name in params.get("target_scores") or ())
    aliases = {fold(str(k)): str(v) for k, v in (params.get("aliases") or {}).items()}
    shown = "" if question is None else question.input
    if letters is None:
        letters = not labels and shows_letters(shown, choices)
    prefix = "" if question is None else question.answer_format.strip().splitlines()[-1:]
    return Asked(
        input=shown,
        item=_item(shown),
        instruction="" if question is None else question.instruction,
        choices=labels or choices,
        letters=letters,
        aliases=aliases,
        numeric=_numeric(gold.answers),
        numbered=any(answer[:1].isdigit() or _SPOKEN.match(answer) for answer in gold.answers),
        prefix=prefix[0].strip() if prefix and len(prefix[0]) < 60 else "",
        question="" if question is None else _last_question(question),
        questions=bool(gold.answers) and all(a.rstrip().endswith("?") for a in gold.answers),
        words=bool(gold.answers) and all(map(_ALL_WORDS.fullmatch, gold.answers)),
        signs=bool(gold.answers) and not any(map(_SAYS.search, gold.answers)),
    )


_ALL_WORDS = re.compile(
    r"(?=.*[^\W\d_]{2})(?:\\(?:text|emptyset|varnothing)\b|[^\W\d_]|[\s.,;:'!?{}$-])+|\\\{\s*\\\}",
    re.S,
)
_LABELLED = re.compile(r"(?:Instruction:[^\n]*)?\s*(?:Input|Item|Q|Question|Text)\s*:\s*")
_SAYS = re.compile(r"[\w\\]")


def _item(shown: str) -> str:
    label = _LABELLED.match(shown)
    return shown[label.end() :].strip() if label else shown.strip()


def _last_question(question: Question) -> str:
    asked = [q for part in (question.instruction, question.input) for q in _ASKS.findall(part)]
    return _MARKED.sub("", asked[-1].strip()) if asked else ""


_MARKED = re.compile(r"^(?:Q|Question|Instruction)\s*:\s*")


_ASKS = re.compile(r"(?:[^.?!\n]|\b(?:Mrs?|Ms|Dr|Prof|St)\.|\.(?=\d))+\?")


def _numeric(answers: tuple[str, ...]) -> bool:
    """Whether the accepted answers are numbers, one of them at least in digits ("five", "5")."""
    rest = [answer for answer in answers if not is_number(answer)]
    return len(rest) < len(answers) and all(value_of(answer) is not None for answer in rest)


def shows_letters(shown: str, choices: tuple[str, ...]) -> bool:
    """Whether a prompt prints a letter in front of its first choice."""
    if not choices:
        return False
    return re.search(rf"\(?A[).:]\s*{re.escape(choices[0])}", shown) is not None


_SPOKEN = re.compile(
    r"(?:minus |negative |a )?(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|"
    r"eleven|twelve|"
    r"\w+teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand)\b",
    re.I,
)
_NUMBER = re.compile(r"[-+−]?[$€£]?\s*(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?\s*%?")


def is_number(text: str) -> bool:
    """Whether a gold is a plain number."""
    return _NUMBER.fullmatch(text.strip()) is not None


@lru_cache(maxsize=16_384)
def fold(text: str) -> str:
    """Words in lower case without marks, accents kept, ``ß`` as ``ss``; signs of numbers kept."""
    text = plain(text).casefold().replace("&", " and ").replace("i\u0307", "i")  # İ
    if "#" in text:
        text = _SHARP.sub(" sharp", text)
    if "." in text:
        text = _DOTTED.sub(lambda m: m.group().replace(".", ""), text)
    if "," in text:
        text = _GROUPED.sub("", text)
    if "-" in text or "+" in text:
        text = _SIGN.sub(" \\1", text)
    text = _MARKS.sub(" ", text)
    return " ".join(text.split())


_DOTTED = re.compile(r"\b(?:(?:Ph|ph|[^\W\d_])\.)+[^\W\d_]\b\.?")  # U.S.A.
_SHARP = re.compile(r"(?<=\w)#(?!\w)")  # C#
_GROUPED = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_SIGN = re.compile(r"(?<![\w)])\s*([-+]\d)")
_MARKS = re.compile(r"(?<!\d)[.,](?!\d)|(?<=\d)[.,](?!\d)|-(?!\d)|(?<=\w)-|[^\w\s.,%+$€£°/-]|_")


def plain(text: str) -> str:
    """Unicode in composed form, one sign for each kind of dash, quote and blank."""
    if text.isascii():
        return text.replace("`", "'")
    return unicodedata.normalize("NFKC", text).translate(SAME_SIGN)


SAME_SIGN = {
    **dict.fromkeys(map(ord, "‐‑‒–—―−﹣－"), "-"),
    **dict.fromkeys(map(ord, "“”„‟«»″＂"), '"'),
    **dict.fromkeys(map(ord, "‘’‚‛‹›′＇`´"), "'"),
    **dict.fromkeys(map(ord, "【〔［"), "["),
    **dict.fromkeys(map(ord, "】〕］"), "]"),
    **dict.fromkeys(map(ord, "「」『』"), '"'),
    **dict.fromkeys(map(ord, "\u00a0\u2002\u2003\u2009\u202f\u3000"), " "),
    **dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"), ""),
}
