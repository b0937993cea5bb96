"""The generation scorers of the NegativePrompt code, under a name of their own.

Source: the rules of ``utility.py`` in wangxu0820/NegativePrompt (Wang et al. 2024, arXiv
2405.02814), written anew; EmotionPrompt's published levels rest on the same kind of scorer. They
are more lenient than the data set's own metrics (the gold *contained* in the answer, a digit, what
stands before or behind a word), so a figure may be compared with those papers only under this
verifier. They have traps, kept as they are: a rhyme may be the input itself, a denied or explained
mention counts, a minus sign does not.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping
from typing import Any

from heartloop.grading.judgement import Judgement, f1_score, shown
from heartloop.types import Gold, Question

_BARE = str.maketrans("", "", string.punctuation)
_DROPPED = (" and ", "Sentence 1:", "Sentence 2:")
_LONG_FORMS = {
    "don't": "do not",
    "can't": "cannot",
    "doesn't": "does not",
    "wasn't": "was not",
    "weren't": "were not",
}


def normal(text: str) -> str:
    """First line up to its first full stop, lower case, without punctuation, long forms."""
    for part in _DROPPED:
        text = text.replace(part, " ")
    for short, long in _LONG_FORMS.items():
        text = text.replace(short, long)
    text = text.strip().split("\n")[0].split(".")[0].lower().replace("-", " ")
    return text.translate(_BARE)


def _equal(text: str, gold: str) -> bool:
    return normal(text) == normal(gold)


def _contained(text: str, gold: str) -> bool:
    return normal(gold) in normal(text)


def _whole_words(text: str, gold: str) -> bool:
    return re.search(rf"\b{re.escape(normal(gold))}\b", normal(text)) is not None


def _flat(text: str, *, commas: bool = True) -> str:
    """Lower case without punctuation; commas, stops and hyphens part words."""
    text = text.lower() if commas else text
    for mark in (",", ".", "-") if commas else ("-",):
        text = text.replace(mark, " ")
    return text.translate(_BARE)


def _letters(text: str) -> list[str]:
    text = text.lower().replace("confidence score:", "")
    return re.sub(r"\d+", "", _flat(text)).split()


def _behind_is(text: str, gold: str) -> bool:
    for word in ("is", "would be"):
        place = text.find(word)
        if place >= 0:
            rest = text[place + len(word) :]
            return bool(rest) and _contained(rest, gold)
    return _equal(text, gold)


def _sentiment(text: str, gold: str) -> bool:
    said = _flat(text, commas=False).strip().lower()
    if "positive" in said and "negative" in said:
        return False
    first = said.split()[0] if said else ""
    number = first.lstrip("-")
    if "positive" not in said and "negative" not in said and first:
        if number.isdigit():
            said = "positive" if int(first) > 0 else "negative"
        elif first in ("neg", "pos"):
            said = {"neg": "negative", "pos": "positive"}[first]
        elif "positiv" in said or "negativ" in said:
            said = "positive" if "positiv" in said else "negative"
    return gold in said


def _digit(text: str, gold: str) -> bool:
    words = _flat(text, commas=False).strip().lower().split()
    return any(word.isdigit() and word[0] == gold.split()[0] for word in words)


def _same_sense(text: str, gold: str) -> bool:
    said = text.strip().lower()
    if said:
        head = said.split()[0].replace("-", " ").translate(_BARE).strip()
        if head in ("true", "yes", "1", "10", "match", "similar") or "same" in head:
            said = "same"
        elif head in ("false", "no", "0", "00", "not", "opposite") or "different" in head:
            said = "not the same"
        elif "different" in said:
            said = "same" if "not" in said else "not the same"
        elif "same" in said:
            said = "not the same" if "not" in said else "same"
    return said == gold


def _larger(text: str, gold: str) -> bool:
    said, gold = text.lower(), gold.strip().lower()
    if "larger" in said and "than" in said:
        said = said[: said.find("larger")]
    if "confidence" in said:
        said = said[: said.find("confidence")].strip()
    words = gold.split()
    return gold in said or len(words) > 1 and words[-1] in said


def _set(text: str, gold: str) -> bool:
    said = set(normal(text).split())
    return said == set(normal(gold).split()) or said == set(normal(gold).split(","))


def _cause(text: str, gold: str) -> bool:
    parts = [part.strip().lower().replace(".", "") for part in gold.split(":")]
    return any(part in text.lower() for part in parts)


_RULES: dict[str, Callable[[str, str], bool]] = {
    **dict.fromkeys(
        (
            "sum", "diff", "antonyms", "singular_to_plural",
            "translation_en-de", "translation_en-es", "translation_en-fr",
        ),
        _contained,
    ),
    "sentiment": _sentiment,
    "sentence_similarity": _digit,
    "larger_animal": _larger,
    "orthography_starts_with": lambda text, gold: (
        set(_letters(re.sub(r"(?i)(?<!confidence )score:", "", text))) == set(gold.split())
    ),
    "letters_list": lambda text, gold: _letters(text) == gold.split(),
    "taxonomy_animal": _set,
    "word_in_context": _same_sense,
    "cause_and_effect": _cause,
    "rhymes": lambda text, gold: normal(gold) in normal(text).split(),
    "first_word_letter": _behind_is,
    "second_word_letter": _behind_is,
    "synonyms": _whole_words,
}  # fmt: skip
_F1 = ("common_concept", "informal_to_formal")


def ii_negativeprompt(
    gold: Gold, params: Mapping[str, Any], answer: str, question: Question | None
) -> Judgement:
    """The rule of the question's task; equality for tasks without one, token F1 for two."""
    task = question.task.rpartition("/")[2] if question is not None else ""
    accepted = [str(text) for text in params.get("official_answers") or gold.answers]
    if task == "cause_and_effect" and question is not None:
        accepted = [_named(text, str(question.meta.get("raw_input", ""))) for text in accepted]
    if task in _F1:
        score = max((f1_score(normal(answer), normal(text)) for text in accepted), default=0.0)
    else:
        rule = _RULES.get(task, _equal)
        score = float(any(rule(answer, text) for text in accepted))
    detail = f"{score:.3g} of {shown(answer)} by the NegativePrompt code's rule for {task or '?'}"
    return Judgement("correct" if score >= 1.0 else "incorrect", None, score, detail, answer)


def _named(cause: str, shown: str) -> str:
    """The cause with its sentence's number in front, as that code has its golds."""
    first = shown.partition("Sentence 2:")[0]
    return f"Sentence {1 if cause in first else 2}: {cause}"
