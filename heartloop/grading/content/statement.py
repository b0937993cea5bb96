"""The statement that a text commits itself to."""

from __future__ import annotations

from heartloop import regex as re
from heartloop.grading.content.numbers import answers_in
from heartloop.grading.content.reading import Asked, fold
from heartloop.grading.content.surface import machine_fields, sentence_end, statements
from heartloop.grading.marks import box_spans
from heartloop.grading.phrases import (
    ANSWER_LABEL,
    CORRECTION,
    DENIAL,
    LABEL,
    NO_ANSWER_LABEL,
    OTHERS_ERROR,
    UNDECIDED,
    markers,
)

Span = tuple[int, int]

_GREETING = re.compile(
    r"\W*(?:(?:sure|of course|certainly|okay|ok|alright|great|absolutely|thank you|thanks|hello|hi|"
    r"understood|got it|no problem|happy to help|i'?d be happy|i'm here to|i am here to|"
    r"let me|let's|"
    r"let us|i will|i'll|to (?:determine|find|solve|answer|decide)|first,|we need to|"
    r"i need to|to \w+ .{1,200}, (?:we|you|i) (?:need to|have to|can|should|must|will|would))\b.*|"
    r"here(?:'s| is| are)\b.*|step \d.*)",
    re.I | re.S,
)
_HEADING = re.compile(
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
SCORE_OF = re.compile(
    r"\b(?:confidence|certainty|probability)\b(?: (?:score|level|value))?"
    r"(?:\s+(?:between|from) [\d.]+ ?(?:and|to|-) ?[\d.]+)?[^.;,\n]{0,60}$",
    re.I,
)
"""What stands in front of the score of an answer: “the confidence score for this answer is”."""
VERDICT = re.compile(
    r"\W*(?:(?:not|also|indeed|clearly|very|quite|highly|both|most likely)\s+)*"
    r"(?:correct(?:ly)?|incorrect|accurate|inaccurate|right|wrong|valid|supported|based|justified|"
    r"straightforward|simple|clear|different|self-contained|complete|reliable|appropriate)\b(?!\s*[-:])",
    re.I,
)
"""“Your answer is correct”: what is said of an answer, not the answer."""
_CONCLUSION_THAT = re.compile(r"conclusions? that\b", re.I)
SO = re.compile(
    r"\W*(?:\d{1,2}[.)]\s+)?"
    r"(?:so|therefore|thus|hence|consequently|in conclusion|in summary)\b[\s,:]*",
    re.I,
)


def committed(text: str, raw: str, asked: Asked) -> tuple[list[Span], str]:
    """Where the text commits itself: the span of one statement, and how it was found.

    A box, an answer field or a tag comes first, then the last “the answer is …”, then the last
    sentence that concludes (“So …”), then the first statement that says something of the task. What
    the text takes back (“Wait, …”) gives way to what it says then.

    Args:
        text: the bare text.
        raw: the visible text, of the same length.
        asked: what the model was shown.

    Returns:
        Spans in the text (several where the text holds on to several), and the rule in words.
    """
    marked = _marked(text, raw, asked)
    if marked:
        end = marked[-1][0][1]
        taken_back = _taken_back(text, end)
        if taken_back is not None:
            return [taken_back], "behind a correction"
        top = max(rank for _, rank, _ in marked)
        best = [(span, rule) for span, rank, rule in marked if rank == top]
        spans = [best[-1][0]]
        for span, _ in best[:-1]:
            same = fold(text[slice(*span)]) == fold(text[slice(*spans[0])])
            if not same and not CORRECTION.search(text, span[1], spans[0][0] + 1):
                spans.insert(0, span)
        return spans, best[-1][1]
    listed = _listing(text)
    if listed is not None:
        return [listed], "a list"
    said = [span for span in _outside_reasons(text) if not _beside(text, span, asked)]
    if not (asked.numeric or asked.numbered or asked.signs):
        words = [span for span in said if not SCORED.fullmatch(text[slice(*span)].strip())]
        explained = _explained(text)
        if words and explained and explained[0] < words[0]:
            words = sorted({*words, *explained})
        said = words or explained or said
        said = [span for span in said if not _classed(text[slice(*span)], asked)] or said
        said = [span for span in said if not _OF_THE_TASK.match(text, *span)] or said
    elif asked.numeric:
        said = sorted(said + [span for span in _explained(text) if answers_in(text[slice(*span)])])
        rest = [span for span in said if not _is_score(text, span)]
        said = rest if any(_GIVES.search(text, *span) for span in rest) else said
    if not said:
        return [], ""
    led_to = [
        end
        for start, end in statements(text)
        if text[start:end].rstrip().endswith(":") and SO.match(text, start, end)
    ]
    concluded = [span for span in said if led_to and span[0] >= led_to[-1]]
    if concluded and concluded[0] != said[0]:
        return [concluded[0]], "the concluding sentence"
    for start, end in reversed(said):
        if _JUDGES.search(text, start, end) and '"' not in text[start:end]:
            continue  # "so this is an accurate translation": what is said of the answer
        lead = SO.match(text, start, end)
        if lead and lead.end() < end and (start, end) != said[0]:
            supposed = _SUPPOSED.match(text, lead.end(), end)
            return [(supposed.end() if supposed else lead.end(), end)], "the concluding sentence"
    if len(said) > 1 and _only_denies(text[slice(*said[0])]):
        start, end = said[1]
        if not _only_denies(text[start:end]) and len(text[start:end].split()) <= 8:
            return [said[1]], "behind what is denied"
    items = [
        span for span in said if _ITEM.match(text, *span) and len(text[slice(*span)].split()) < 8
    ]
    if len(items) > 1 and items[0] == said[0] and not asked.numeric:
        return items, "a list"
    names = [span for span in said if _NAME_ALONE.fullmatch(text, *span)]
    if 1 < len(said) == len(names) <= 4:
        if len({fold(text[slice(*span)]) for span in names}) > 1:
            return names, "names alone"
    for start, end in said[1:]:
        if re.match(
            r"\W*(?:wait|actually|correction|no,|sorry,|scratch that)\b", text[start:end], re.I
        ):
            back = _taken_back(text, said[0][1])
            return ([back], "behind a correction") if back is not None else ([], "")
    return [said[0]], "the first statement"


_SUPPOSED = re.compile(
    r"(?:if (?:we|you|one|i) (?:were to |compare)|(?:based on|given|considering|according to)\b)"
    r"[^,\n]*,\s*",
    re.I,
)


def _classed(statement: str, asked: Asked) -> bool:
    """Whether a statement classes something in a word that the question does not know."""
    label = LABEL.match(statement)
    if label is None or not _CLASS.fullmatch(label["name"]):
        return False
    named = fold(statement[label.end() :])
    return len(named.split()) <= 2 and f" {named} " not in f" {fold(asked.input)} "


_CLASS = re.compile(r"(?:my\s+)?classification(?:\s+decision)?", re.I)
_JUDGES = re.compile(
    r"\b(?:is|are) (?:an? )?(?:\w+,? (?:and )?)?(?:valid|accurate|correct|appropriate|reliable)\b",
    re.I,
)
_OF_THE_TASK = re.compile(
    r"\W*(?:this (?:task|translation|classification|prediction|question)|you can classify)\b", re.I
)
_SCORE_WORD = re.compile(r"\b(?:confidence|certainty)\b", re.I)
_THEN_SCORE = re.compile(r",?\s+(?:and\s+)?(?:the|my|its)\s+(?:confidence|certainty)\b", re.I)
_CALL = re.compile(r"\W*[A-Za-z_][\w.]*\(")
_GIVES = re.compile(r"(?:=|\b(?:is|equals|have|of|gives|get))\s*[-$]?\d", re.I)
_ITS_SCORE = re.compile(r"\bconfidence\b[^.\n]{0,60}?(?:\bis|\bof|:)\s*(?P<score>[\d.]*\d)", re.I)


def _is_score(text: str, span: Span) -> bool:
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
    if not text[: span[0]].strip() and re.fullmatch(r"10|\d?\.\d+|\d", alone):
        return True
    scores = {match["score"] for match in _ITS_SCORE.finditer(text, span[1])}
    return piece.rstrip(".") in scores


def _explained(text: str) -> list[Span]:
    """What stands behind “Explanation:” on its line: all that a text says beside its score."""
    found = []
    for start, end in statements(text):
        label = LABEL.match(text, start, end)
        if label and _REASONS.search(label["name"]) and text[label.end() : end].strip():
            found.append((label.end(), end))
    return found


def _outside_reasons(text: str) -> list[Span]:
    """The statements of a text but for the items of a list of reasons."""
    found = []
    reasons = False
    for start, end in statements(text):
        piece = text[start:end].strip()
        if reasons and _ITEM.match(piece) and not SO.match(piece):
            continue
        if piece:
            reasons = (
                piece.endswith(":")
                and _REASONS.search(piece) is not None
                or (reasons and not piece.endswith(":"))
            )
        found.append((start, end))
    return found


_REASONS = re.compile(r"\b(?:reasons?|reasoning|explanation|justification|analysis)\b", re.I)
_NAME_ALONE = re.compile(r"\s*(?!Not\b)[A-Z][\w'-]+(?: [A-Z][\w'-]+)?\.\s*")


def _only_denies(clause: str) -> bool:
    """Whether a clause says only what is not so: “Rome is not the capital”, “Not Bergen”."""
    return bool(
        re.search(r"\b(?:not|never)\b|n't\b", clause)
        and not UNDECIDED.search(clause)
        and not re.search(r"\b(?:but|instead|rather)\b|[,;\"?]", clause)
    )


_NUMBER = re.compile(r"^\d{1,2}[.)]\s+(?=\D)")
_SCORE_ITEM = re.compile(
    r"\W*(?:\d{1,2}[.)]\s+)?\W*(?:the\s+)?(?:main\s+)?(?:confidence|certainty|reasons?)\b", re.I
)
_ITEM = re.compile(r"\s*(?:[-•*+]|\d{1,2}[.)])\s+\S")


def _listing(text: str) -> Span | None:
    """The span of a text that is nothing but short lines or bullets: a list is one statement."""
    lines = [line for line in text.splitlines() if line.strip() and not _HEADING.fullmatch(line)]
    if len(lines) < 2:
        return None
    short = all(len(line.split()) <= 3 and not re.search(r"[:.,!?;]\s*$|:", line) for line in lines)
    if not short and not all(_ITEM.match(line) for line in lines):
        return None
    if any(_SCORE_ITEM.match(line) for line in lines):
        return None  # an answer, its score and its reasons, numbered
    return (len(text) - len(text.lstrip()), len(text.rstrip()))


def _marked(text: str, raw: str, asked: Asked) -> list[tuple[Span, int, str]]:
    found: list[tuple[Span, int, str]] = []
    for start, end, _ in box_spans(raw):
        if not of_the_score(text, start):
            found.append(((start, end), 5, "in the box"))
    for start, end, _ in machine_fields(raw):
        found.append(((start, end), 5, "in the answer field"))
    for match in markers(text):
        begin = max(text.rfind(c, 0, match.start()) for c in ".\n!?;") + 1
        if OTHERS_ERROR.search(text, begin, match.end()):
            continue
        if _CONCLUSION_THAT.match(match.group()):
            continue
        if SCORE_OF.search(text, begin, match.start()) or VERDICT.match(text, match.end()):
            continue
        if _SCORE_WORD.search(match.group()):
            continue  # "the result is new, so the confidence score is"
        end = sentence_end(text, match.end())
        clause = text[match.end() : end]
        score = _THEN_SCORE.search(clause)
        if asked.numeric and score:
            end = match.end() + score.start()
            clause = clause[: score.start()]
        if asked.numeric and (not answers_in(clause) or _CALL.match(clause)):
            continue  # "the result is the sum of both", "result = add(2, 3)"
        if text[match.end() : end].strip(" \t\n:.*\"'"):
            rank = 3 if SO.match(text, begin) else 2  # what is concluded beats what was noted
            rank = (
                4
                if "final" in text[max(begin, match.start() - 6) : match.start()].lower()
                else rank
            )
            rank = 5 if "final" in match.group().lower() else rank
            rule = f'behind "{" ".join(match.group().split())}"'
            found.append(((match.end(), end), rank, rule))
    return sorted(found)


def of_the_score(text: str, start: int) -> bool:
    """Whether what begins at ``start`` is the score of an answer: “confidence: 0.9” in a box."""
    before = text[max(0, start - 120) : start].rstrip(" \\[($\n:*").rstrip()
    last = re.split(r"[.!?](?:\s|$)|\n\s*\n", before)[-1]
    return SCORE_OF.search(re.sub(r"\s+(?:is|are|of|as)$", "", last)) is not None


def _taken_back(text: str, start: int) -> Span | None:
    """The last statement behind a correction that follows ``start``, or None."""
    last = None
    for match in CORRECTION.finditer(text, start):
        begin = max(text.rfind(c, 0, match.start()) for c in ".\n!?;") + 1
        if not OTHERS_ERROR.search(text, begin, match.start() + 1):
            last = match
    if last is None:
        return None
    behind = [s for s in statements(text[last.start() :])]
    for a, b in reversed(behind):
        a, b = a + last.start(), b + last.start()
        piece = text[a:b]
        lead = re.match(
            r"\W*(?:(?:wait|actually|correction|no|sorry|oops|hmm|scratch that|"
            r"rather)\b[\s,:;.-]*)+",
            piece,
            re.I,
        )
        at = a + (lead.end() if lead else 0)
        rest = text[at:b]
        if not rest.strip(" .!?,:") or DENIAL.search(rest) or rest.strip().endswith("?"):
            continue
        if re.search(r"\b(?:mistake|error|wrong|check|correct that)\b", rest) and not re.search(
            r"\bis\b|=", rest
        ):
            continue
        return at, b
    return None


def _beside(text: str, span: Span, asked: Asked) -> bool:
    """Whether a statement is beside the task: a greeting, a question, a remark on oneself."""
    piece = _NUMBER.sub("", text[slice(*span)].strip())
    if piece.endswith("?") and not asked.questions or not re.search(r"\w", piece):
        return True
    if _HEADING.fullmatch(piece) or _CONFIDENCE.match(piece):
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
