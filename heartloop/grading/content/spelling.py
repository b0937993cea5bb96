"""Other ways to write the same name or word: accents left out, British spelling, half of a name.

None of them counts where a question asks for a spelling or for a word of another language: there
“ano” is not “año”, nor “Tochter” “Töchter”.
"""

from __future__ import annotations

import unicodedata

from heartloop import regex as re
from heartloop.types import Question

_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "æ": "ae"})
_STROKES = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe"})
_OF_LANGUAGE = re.compile(
    r"\b(?:translat|spell|spelt|plural|accent(?:ed|s? (?:on|mark))|diacritic|pronounc|"
    r"rhym|anagram|letters?\b|(?:french|german|spanish|italian|portuguese|polish|turkish|swedish|latin)\b)",
    re.I,
)
_AMERICAN = tuple(
    (re.compile(pattern), american)
    for pattern, american in (
        # colour, neighbours, humourless; not hour, four, flour
        (r"(?<=\w\w\w)our(?=(?:s|ed|ing|able|less|ful|ites?|ers?|hoods?|ly)?$)", "or"),
        # organise, realising; not raise, noises
        (r"(?<=\w\w\w)is(?=(?:e|es|ed|ing|ers?|ations?|ational)$)", "iz"),
        (r"(?<=\w\w\w)ys(?=(?:e|ed|ing|ers?)$)", "yz"),  # analyse
        (r"(?<=\w\w)([bt])re(?=s?$)", r"\1er"),  # centre, fibre
        (r"(?<=\w\w\w)ogue(?=s?$)", "og"),  # catalogue
        (r"(?<=\w\w)ence(?=s?$)", "ense"),  # defence
        # travelling, of two syllables or more before it; not filling, which is not filing
        (r"(?<=[aeiou])ll(?=(?:ed|ing|ers?|ors?)$)", "l"),
        (r"(?<=\w\w\w)amme(?=s?$)", "am"),  # programme
        (r"dgement", "dgment"),
        (r"^grey", "gray"),
    )
)
_TWO_SYLLABLES = re.compile(r"\w*[aeiou]\w*[^aeiou\W]\w*[aeiou]ll\w+")
_WHO = re.compile(r"\W*(?:by |to |for )?(?:who|whom|whose)\b", re.I)
_OF = r"(?:(?:da|de|del|della|der|den|di|du|la|le|van|von|zu)\s)"
_PERSON = re.compile(
    rf"(?:[A-Z][\w'’-]+ |[A-Z]\. ?){{1,3}}{_OF}*(?P<last>[A-Z][\w'’-]*[a-z][\w'’-]*)"
)
_PARTICLE = re.compile(rf"{_OF}+(?P<last>[A-Z][\w'’-]+)")
_LAST = re.compile(r"[A-Z][\w'’-]*[a-z][\w'’-]*")
_REPEATED = re.compile(r"(?P<said>[\w'-]+)(?:(?P<gap>\W+)(?P=said)\b)+\W*")


def same_spelling(gold: str, answer: str, question: Question | None) -> bool:
    """Whether two names in small letters without marks differ only in how they are written."""
    if question is not None and _asks_for_a_spelling(question):
        return gold != gold.translate(_GERMAN) and answer == gold.translate(_GERMAN)
    if answer.isascii() and answer in (_unaccented(gold), gold.translate(_GERMAN)):
        return True
    if len(gold) == len(answer) and all(
        one == two or two.isascii() and _unaccented(one) == two
        for one, two in zip(gold, answer, strict=True)
    ):
        return True  # some of its accents left out
    one, two = gold.split(), answer.split()
    if len(one) == len(two):
        return len(gold) > 3 and all(map(_same_word, one, two))
    parts = max(one, two, key=len)
    return len(one) + len(two) == 3 and min(map(len, parts)) > 2 and "".join(one) == "".join(two)


def torn(gold: str, answer: str) -> bool:
    """Whether a word is written as two: “Ber lin” is a slip, “snowman” for “snow man” is none."""
    return len(gold.split()) == 1 and len(answer.split()) == 2


_ARTICLES = re.compile(
    r"(?P<article>der|die|das|den|le|la|les|el|los|las|il|lo|gli|het)\s+(?=\w\w)|"
    r"(?P<short>l)['’](?=\w\w)",
    re.I,
)


def without_foreign_article(answer: str, question: Question | None) -> str:
    """A name without the article of its language: “der Rhein”, “la Seine”; not “Los Angeles”.

    A capital article is part of a name unless a word of another language is asked for.
    """
    found = _ARTICLES.match(answer)
    if found is None:
        return answer
    rest = answer[found.end() :]
    asked = question is not None and _asks_for_a_spelling(question)
    return rest if asked or found.group()[0].islower() and rest[0].isupper() else answer


def same_person(gold: str, answer: str, question: Question | None) -> bool:
    """Whether an answer to “who …?” is the surname of the person, and not said by the question.

    The other way round is open: a gold that gives half of a name may be anyone of that name.
    """
    if question is None:
        return False
    asked = re.findall(r"[^.?!\n]+\?", question.input) or [question.input]
    if not _WHO.match(asked[-1].strip()):
        return False
    last = _PARTICLE.fullmatch(answer.strip(" ."))
    if last is not None and gold.strip().endswith(f" {last.group()}"):
        answer = last["last"]
    whole, half = _PERSON.fullmatch(gold.strip()), _LAST.fullmatch(answer.strip(" ."))
    if whole is None or half is None or whole["last"] != half.group():
        return False
    return re.search(rf"\b{re.escape(half.group())}\b", question.input) is None


def same_translation(gold: str, answer: str, question: Question) -> bool:
    """Whether an answer is a translation that was asked for but for a leading article or accents.

    “Le longueur” is “longueur” and “autonomia” is “autonomía”; “ano” is not “año”, nor “Tochter”
    “Töchter”, which are other letters, nor “marche” “marché”, whose last letter makes another word.
    """
    if "ranslat" not in question.instruction:
        return False
    wanted, said = gold.casefold().strip(), answer.casefold().strip(" .\"'")
    if re.search(rf"\b{re.escape(said)}\s*\Z", question.input, re.I):
        return False  # the English word again
    article = _FOREIGN_ARTICLE.match(said)
    for name in (said, said[article.end() :] if article else said):
        if name in (wanted, _ACCENT.sub(lambda m: _PLAIN_VOWEL[m.group()], wanted)) and (
            name[-1:] == wanted[-1:]
        ):
            return True
    return False


_FOREIGN_ARTICLE = re.compile(
    r"(?:(?:le|la|les|une?|el|los|las|una|der|die|das|eine?)\s+(?=\w\w)|l['’])"
)
_PLAIN_VOWEL = dict(zip("áàâéèêëíìîïóòôúùûç", "aaaeeeeiiiiooouuuc", strict=True))
_ACCENT = re.compile(f"[{''.join(_PLAIN_VOWEL)}]")


def said_once(answer: str) -> str:
    """A word said again and again (“no no no”, “no, no”) as it is said once."""
    again = _REPEATED.fullmatch(answer.strip())
    if again is None or len(answer.split()) < 3 and not again["gap"].strip():
        return answer  # "Bora Bora"
    return again["said"]


def _asks_for_a_spelling(question: Question) -> bool:
    return any(_OF_LANGUAGE.search(part) for part in (question.instruction, question.input))


def _unaccented(text: str) -> str:
    letters = unicodedata.normalize("NFD", text.translate(_STROKES))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _same_word(one: str, two: str) -> bool:
    return one == two or _american(one) == _american(two)


def _american(word: str) -> str:
    for pattern, american in _AMERICAN:
        if american == "l" and not _TWO_SYLLABLES.fullmatch(word):
            continue
        word = pattern.sub(american, word)
    return word
