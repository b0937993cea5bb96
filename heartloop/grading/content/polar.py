"""Yes and no, true and false: which of the two one clause says, in a word or by restating.

A leading yes or no decides, unless its own sentence takes it back ("No, I return to the start" to
"Do you return to the start?"), says neither ("No, it does not mean yes or no") or speaks of the
model instead ("Yes, I am sure").
"""

from __future__ import annotations

from heartloop import regex as re
from heartloop.grading.content.beside import SO
from heartloop.grading.content.reading import Asked, fold
from heartloop.grading.content.surface import statements
from heartloop.grading.phrases import UNDECIDED

SENSE = {
    **dict.fromkeys(
        ("yes", "yeah", "yep", "yup", "true", "ja", "oui", "sí", "да", "sim", "はい", "是"), True
    ),
    **dict.fromkeys(("no", "nope", "false", "nein", "non", "нет", "não", "いいえ", "否"), False),
}
_CLAIMS = re.compile(r"\b(?:is|are|was|means?|says?|be|would|must be|=|to|choose|answer)\b")
_I_AM = re.compile(r"\W*(?:yes|no)\b\W*i(?:'m| am| do not| don't)\b(?P<rest>.*)", re.I | re.S)
_TURN = re.compile(r"^\W*[AB]:\s+(?=(?:yes|no|true|false)\b)", re.I)
_NOT_AT_ALL = re.compile(r"\W*(?:not at all|absolutely not|definitely not|of course not)\b", re.I)
_AGREES = re.compile(
    r"\W*(?:absolutely|certainly|definitely|of course(?: it (?:is|does|can|will))?|indeed|exactly|"
    r"surely|(?:that is|that's|this is) (?:true|right|correct))\W*",
    re.I,
)
_DISAGREES = re.compile(
    r"\W*(?:no way|i don't think so|by no means|certainly not|"
    r"(?:that|this)(?: is not|'s not| isn't) (?:true|right|correct|so))\W*",
    re.I,
)
"""Stock replies, and nothing else."""
_MEANS = re.compile(
    r"\b(?P<not>(?:does|do|did)(?:n't| not)\s+(?:really\s+)?)?means?\s+(?:that\s+|an?\s+)?"
    r"[\"'(]*(?P<word>yes|no)\b[\"'),]*(?!\s*(?:or|nor|and|/|if|when)\b)|"
    r"\bnot [\"']?(?:yes|no)[\"']?,? but [\"']?(?P<but>yes|no)\b",
    re.I,
)
NEITHER = re.compile(
    r"\b(?:not|n't|cannot)\s+(?:\w+\s+){0,3}?[\"']*(?:yes[\"',]*\s+(?:or|nor)\s+[\"']*no|"
    r"no[\"',]*\s+(?:or|nor)\s+[\"']*yes)\b",
    re.I,
)
_NO_SUCH = re.compile(r"\bno (?!(?:because|since|as|it|he|she|they|i|we|you|the|and|but|that)\b)\w")
"""“There is no evidence”: the word counts something; it answers nothing."""

Said = tuple[str, "bool | None"]
"""How a clause says it (words, hedge, denied), and what."""


def polar_sense(text: str, names: list[tuple[str, int]], asked: Asked, letters: bool) -> Said:
    """What a clause says: a leading yes or no decides, else the only one that it names.

    Args:
        text: the clause.
        names: the folded names of the two options.
        asked: the question.
        letters: whether letters were shown, so that “A: Yes” names an option and is no turn.
    """
    for statement in re.split(r"(?<=[.!?\n])\s+", text.strip()):
        if not letters:
            statement = _TURN.sub("", statement)
        if _of_oneself(statement, asked.question):
            continue
        if UNDECIDED.search(unquoted(statement, asked.input)):
            return "hedge", None
        if _NOT_AT_ALL.match(statement) or _DISAGREES.fullmatch(statement):
            return "words", False
        if _AGREES.fullmatch(statement):
            return "words", True
        head = re.match(r"\W*(?:absolutely |definitely )?(\w+)", statement)
        sense = SENSE.get(head[1].casefold()) if head else None
        if head and sense is not None:
            rest = statement[head.end() :]
            if re.match(r"\s*(?:or|and|/)\s*(?:no|yes|true|false)\b", rest, re.I):
                return "hedge", None
            if NEITHER.search(rest) or _takes_back(sense, rest, asked.question):
                return "hedge", None
            return "words", sense
        if NEITHER.search(statement):
            return "hedge", None
        means = _MEANS.search(statement)
        if means:
            word = means["but"] or means["word"]
            return "words", (word.casefold() == "yes") != bool(means["not"])
        words = fold(statement)
        found = {
            SENSE[name]
            for name, _ in names
            if f" {name} " in f" {words} " and not (name == "no" and _NO_SUCH.search(words))
        }
        if len(found) == 1:
            (sense,) = found
            name = next(name for name, _ in names if SENSE[name] == sense)
            before = words[: f" {words} ".find(f" {name} ")]
            if DENIES.search(before) or not _CLAIMS.search(before):
                return "denied", None
            return "words", sense
        if found:
            return "hedge", None
    return "denied", None


DENIES = re.compile(r"\b(?:not|never|neither|nor|cannot)\b|n t\b|n't\b")


def unquoted(statement: str, shown: str) -> str:
    """A statement without what it quotes of the question."""
    return _QUOTED.sub(
        lambda match: " " if fold(match.group()) in fold(shown) else match.group(), statement
    )


_QUOTED = re.compile(r"\"[^\"\n]*\"?")


def _takes_back(sense: bool, rest: str, question: str) -> bool:
    """Whether what follows a leading yes or no says the question again with the other sense.

    A yes stands where only the reason that it gives is another one.
    """
    again = restates(rest, question)
    if again is None or again == sense:
        return False
    main = [_CLAUSE.split(text, maxsplit=1)[0] for text in (rest, question)]
    return not (sense and restates(main[0], main[1]))


def _of_oneself(statement: str, question: str) -> bool:
    """“Yes, I am out of my depth”: it says nothing that the question asks for."""
    of_me = _I_AM.match(statement)
    return bool(of_me and question and not _stems(of_me["rest"]) & _stems(question))


# --- saying the question again ----------------------------------------------------------

_ALTERNATIVES = re.compile(r"\b(?:yes or no|true or false)\b", re.I)
NEGATION = re.compile(
    r"\b(?:not|never|cannot|no longer|accident(?:al|ally)?|unintentional(?:ly)?)\b|n't\b", re.I
)
_ASKS = re.compile(r"\?\s*(?:$|[\"'])")  # also where it quotes a question
_IF = re.compile(r"^\W*(?:if|since|because|although|even though|given)\b[^,]*,", re.I)
"""The clause in front of what is said: “If you follow these, …”, “Since the box was empty, …”."""
_CLAUSE = re.compile(
    r",?\s+\b(?:because|since|when|if|although|even though|so that)\b|,\s+as\b", re.I
)
_UNSURE = re.compile(r"\b(?:could|may|might|maybe|possibl[ey]|perhaps|whether|unclear)\b", re.I)
_CAUSING = re.compile(r"\b(?:caus|because|due to|respons|led|lead|result|made|make)", re.I)
_SMALL = frozenset(
    "did does was were the and his her its has had not are you for this that".split()
)


def _stems(text: str, least: int = 4) -> set[str]:
    """The first four letters of the words that carry a sentence."""
    words = fold(text).split()
    return {word[:4] for word in words if len(word) >= least and word not in _SMALL} - {"caus"}


def restates(clause: str, question: str) -> bool | None:
    """Whether a clause says a question again as a statement: True as it is, False denied.

    "Joe intentionally paid one dollar more" answers "Did Joe intentionally pay one dollar more?".
    7 in 10 of the words that carry the main clause must come back, all of them where they are
    fewer than three, and every adverb ("intentionally"). Where the question asks whether something
    is so *because* of something else, that reason belongs to what must come back.
    """
    if _ALTERNATIVES.search(question):
        return None
    wanted = _IF.sub("", question)
    reason = re.search(r"\bbecause\b", wanted, re.I) is not None
    clause = _IF.sub("", clause)
    if not reason:
        wanted = _CLAUSE.split(wanted, maxsplit=1)[0]
        clause = _CLAUSE.split(clause, maxsplit=1)[0]
    theirs, share = _stems(wanted), 0.7
    mine = _stems(clause)
    if len(theirs) < 3:
        theirs, mine, share = _stems(wanted, 3), _stems(clause, 3), 1.0
    if len(theirs) < 2 or "caus" in wanted and not _CAUSING.search(clause):
        return None
    adverbs = {word[:4] for word in fold(wanted).split() if word.endswith("ly") and len(word) > 5}
    if len(mine & theirs) < share * len(theirs) or adverbs - mine:
        return None
    denials = len(NEGATION.findall(clause)) - len(NEGATION.findall(wanted))
    return denials % 2 == 0


def restated(text: str, question: str) -> tuple[tuple[int, int], bool] | None:
    """Where a text says a yes-or-no question again, and whether as it is or denied.

    Statements that say it must agree, or the last of them must be a conclusion ("Therefore, …");
    a text that ends undecided says nothing.
    """
    if not question:
        return None
    said: list[tuple[tuple[int, int], bool]] = []
    spans = statements(text)
    brief = len(_stems(_IF.sub("", question))) < 4 and len(spans) > 3
    for span in spans:
        if brief and span != spans[0] and not SO.match(text, *span):
            continue
        clause = text[slice(*span)]
        if _ASKS.search(clause) or _UNSURE.search(clause):
            continue
        agrees = restates(clause, question)
        if agrees is not None:
            said.append((span, agrees))
    if not said or spans and UNDECIDED.search(text, *spans[-1]):
        return None
    span, agrees = said[-1]
    if len({agreed for _, agreed in said}) > 1 and not SO.match(text, *span):
        return None
    return span, agrees
