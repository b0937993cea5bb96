"""What stands beside an answer: greetings, scores, reasons, remarks on the answer or on oneself."""

from __future__ import annotations

from heartloop import regex as re
from heartloop.grading.content.reading import Asked, Span, fold
from heartloop.grading.content.surface import statements
from heartloop.grading.phrases import ANSWER_LABEL, LABEL, NO_ANSWER_LABEL

_GREETING = re.compile(
    r"\W*(?:(?:sure|of course|certainly|okay|ok|alright|great|absolutely|thank you|thanks|hello|hi|"
    r"understood|got it|no problem|happy to help|i'?d be happy|i'm here to|i am here to|"
    r"let me|let's|"
    r"let us|i will|i'll|to (?:determine|find|solve|answer|decide)|first,|we need to|"
    r"i need to|to \w+ .{1,200}, (?:we|you|i) (?:need to|have to|can|should|must|will|would))\b.*|"
    r"here(?:'s| is| are)\b.*|step \d.*)",
    re.I | re.S,
)
HEADING = re.compile(
    r"\W*(?:the\s+|my\s+|final\s+|correct\s+)*(?:answer|output|result|solution|response|"
    r"translation)\W*",
    re.I,
)
_FEELING = re.compile(
    r"\W*(?:(?:yes|no|well|oh)\W+)?(?:i(?:'m| am)|we(?:'re| are)|i)\s+(?:\w+\s+)?(?:sorry|"
    r"sure|certain|confident|"
    r"positive|afraid|glad|happy|here|ready|not sure|apologi[sz]e|understand|appreciate|"
    r"regret|feel|promise)\b",
    re.I,
)
_CONFIDENCE = re.compile(
    r"\W*(?:(?:so|therefore|thus|hence|and)\b[\s,]*)?(?:(?:my|the|overall|an?)\s+)*"
    r"(?:confidence|certainty)\b(?: (?:score|level))?[^.\n]{0,60}?(?:\bis\b|:|=)\s*[\d*.]",
    re.I,
)
SCORED = re.compile(
    r"\W*(?:\w+[\s/-]+){0,2}\w+\s*[:=]\s*\W*[\d.]+\s?%?(?:\s*/\s*\d+)?\W*|"
    r"\W*(?:\d{1,2}[.)]\s+)?\d{0,3}\.?\s?\d{1,18}\s?%?(?:\s*/\s*\d+)?\W*"
)
"""A number alone, or behind a label: where words are asked for it is a score."""
_OF_THE_ANSWER = re.compile(
    r"\W*(?:(?:so|therefore|thus|hence|overall|in (?:conclusion|summary))\b[\s,:]*)?"
    r"(?:the|this|my|our|these|all)\s+(?:\w+\s+){0,2}?"
    r"(?:reasons?|reasoning|classification|confidence|explanation|justification|analysis|"
    r"prediction|decision)\b(?P<rest>.*)",
    re.I | re.S,
)
_ANSWER_IS = re.compile(
    r"\W*(?:this|that|my|your|the) (?:answer|response|translation|output) is\b", re.I
)
_ITEM_LABEL = re.compile(
    r"(?:the\s+)?(?:original\s+|given\s+)?(?:sentence|statement|word|noun|input|question)", re.I
)
_NAMED_AFTER_ALL = re.compile(
    r"(?:\s+(?:decision|prediction|score))?\s*(?::|\bis\b|\bwould be\b)\s*:?\s*"
    r"(?:[\"'(\\]|(?!(?:not|very|likely|also|based|supported|justified|correct|incorrect|accurate|"
    r"wrong|right|high|low|that|because|due|as|clear|an?\s+\d|[\d.]+\s?%?(?:\s+for\b|\W*$))\b)"
    r"\S+(?:\s+\S+){0,4}\W*$)",
    re.I | re.S,
)
"""“My prediction is: humpback whale”: a sentence on the answer that names it."""
VERDICT = re.compile(
    r"\W*(?:(?:not|also|indeed|clearly|very|quite|highly|both|most likely)\s+)*"
    r"(?:correct(?:ly)?|incorrect|accurate|inaccurate|right|wrong|valid|supported|based|justified|"
    r"straightforward|simple|clear|different|self-contained|complete|reliable|appropriate)\b(?!\s*[-:])",
    re.I,
)
"""“Your answer is correct”: what is said of an answer, not the answer."""
SO = re.compile(
    r"\W*(?:\d{1,2}[.)]\s+)?"
    r"(?:so|therefore|thus|hence|consequently|in conclusion|in summary)\b[\s,:]*",
    re.I,
)
_CLASS = re.compile(r"(?:my\s+)?classification(?:\s+decision)?", re.I)
REASONS = re.compile(r"\b(?:reasons?|reasoning|explanation|justification|analysis)\b", re.I)
_ITS_SCORE = re.compile(r"\bconfidence\b[^.\n]{0,60}?(?:\bis|\bof|:)\s*(?P<score>[\d.]*\d)", re.I)
_UNSURE_NAME = re.compile(
    r"(?!(?:answer|what|who|which|sorry|pardon|huh)\b)\w+(?: \w+)?\s?[?:]", re.I
)
"""A name and a mark, all that a text says: “Oslo?”, “Oslo:”."""
_NUMBER = re.compile(r"^\d{1,2}[.)]\s+(?=\D)")
ITEM = re.compile(r"\s*(?:[-•*+]|\d{1,2}[.)])\s+\S")


def beside(text: str, span: Span, asked: Asked) -> bool:
    """Whether a statement is beside the task: a greeting, a question, a remark on oneself."""
    piece = _NUMBER.sub("", text[slice(*span)].strip())
    if not re.search(r"\w", piece):
        return True
    if _UNSURE_NAME.fullmatch(piece) and piece == text.strip():
        return False
    if piece.endswith("?") and not asked.questions:
        return True
    if HEADING.fullmatch(piece) or _CONFIDENCE.match(piece):
        return True
    if piece.endswith(":") and text[span[1] :].strip():
        return True  # it introduces what stands in the next line
    judged = _ANSWER_IS.match(piece)
    if judged and VERDICT.match(piece, judged.end()):
        return True
    of_it = _OF_THE_ANSWER.match(piece)
    if of_it and not _NAMED_AFTER_ALL.match(of_it["rest"]):
        return not (asked.numeric and re.search(r"\bthat\b.*\d", of_it["rest"]))
    label = LABEL.match(piece)
    if label and NO_ANSWER_LABEL.search(label["name"]) and not ANSWER_LABEL.search(label["name"]):
        return True
    if label and _ITEM_LABEL.fullmatch(label["name"]) and text[span[1] :].strip():
        item = fold(asked.question).removeprefix("input ")
        if fold(piece[label.end() :]) == item:
            return True  # it says the item again, before it answers
    if label and not piece[label.end() :].strip():
        return True  # "The plural is:" alone: the answer stands in the next line
    feeling = _FEELING.match(piece)
    if feeling and not re.search(r"\b(?:that|is|are|equals)\b.*\w|=", piece[feeling.end() :]):
        return True
    if _GREETING.fullmatch(piece) and (len(piece.split()) > 3 or piece.endswith((":", "!", "."))):
        return not re.search(
            r"\b(?:is|are|equals)\s+\S|=", re.sub(r"^\W*here(?:'s| is| are)", "", piece)
        )
    return False


def classed(statement: str, asked: Asked) -> bool:
    """Whether a statement classes something in a word that the question does not know."""
    label = LABEL.match(statement)
    if label is None or not _CLASS.fullmatch(label["name"]):
        return False
    named = fold(statement[label.end() :])
    return len(named.split()) <= 2 and f" {named} " not in f" {fold(asked.input)} "


def is_score(text: str, span: Span) -> bool:
    """Whether a number alone is what the text calls its confidence elsewhere, or a score's size.

    The caller has seen that the text gives a result beside it: “1. The sum of 25 and 50 is 75”.
    """
    piece = text[slice(*span)].strip()
    if not SCORED.fullmatch(piece):
        return False
    label = LABEL.match(piece)
    alone = piece[label.end() if label else 0 :].rstrip(".")
    if label and ANSWER_LABEL.search(label["name"]):
        return False
    if not text[: span[0]].strip() and re.fullmatch(r"10|\d?\.\d+|\d(?:\.0)?", alone):
        return True
    scores = {match["score"] for match in _ITS_SCORE.finditer(text, span[1])}
    return piece.rstrip(".") in scores


def explained(text: str) -> list[Span]:
    """What stands behind “Explanation:” on its line: all that a text says beside its score."""
    found = []
    for start, end in statements(text):
        label = LABEL.match(text, start, end)
        if label and REASONS.search(label["name"]) and text[label.end() : end].strip():
            found.append((label.end(), end))
    return found


def outside_reasons(text: str) -> list[Span]:
    """The statements of a text but for the items of a list of reasons."""
    found = []
    reasons = False
    for start, end in statements(text):
        piece = text[start:end].strip()
        if reasons and ITEM.match(piece) and not SO.match(piece):
            continue
        if piece:
            reasons = (
                piece.endswith(":")
                and REASONS.search(piece) is not None
                or (reasons and not piece.endswith(":"))
            )
        found.append((start, end))
    return found
