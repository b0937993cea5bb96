"""The statement that a text commits itself to."""

from __future__ import annotations

from heartloop import regex as re
from heartloop.grading.content.beside import (
    HEADING,
    ITEM,
    SCORED,
    SO,
    VERDICT,
    beside,
    classed,
    explained,
    is_score,
    outside_reasons,
)
from heartloop.grading.content.numbers import answers_in, result_in, values_in, works_out
from heartloop.grading.content.reading import Asked, Span, fold
from heartloop.grading.content.surface import machine_fields, sentence_end, statements
from heartloop.grading.content.wanted import claims_in, wanted_by
from heartloop.grading.marks import box_spans
from heartloop.grading.phrases import (
    ANSWER_LABEL,
    CORRECTION,
    DENIAL,
    LABEL,
    OTHERS_ERROR,
    UNDECIDED,
    markers,
)

SCORE_OF = re.compile(
    r"\b(?:confidence|certainty|probability)\b(?: (?:score|level|value))?"
    r"(?:\s+(?:between|from) [\d.]+ ?(?:and|to|-) ?[\d.]+)?[^.;,\n]{0,60}$",
    re.I,
)
"""What stands in front of the score of an answer: “the confidence score for this answer is”."""
_CONCLUSION_THAT = re.compile(r"conclusions? that\b", re.I)


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
    listed = _scored_number(text) if asked.numeric or asked.numbered else _listing(text)
    if listed is not None:
        return [listed], "a list"
    said = [span for span in outside_reasons(text) if not beside(text, span, asked)]
    if not (asked.numeric or asked.numbered or asked.signs):
        words = [span for span in said if not SCORED.fullmatch(text[slice(*span)].strip())]
        beside_score = explained(text)
        if words and beside_score and beside_score[0] < words[0]:
            words = sorted({*words, *beside_score})
        said = words or beside_score or said
        said = [span for span in said if not classed(text[slice(*span)], asked)] or said
        said = [span for span in said if not _OF_THE_TASK.match(text, *span)] or said
    elif asked.numeric:
        worked = [span for span in statements(text) if works_out(text[slice(*span)], asked.item)]
        if worked and (not said or _no_result(text, said[0], asked)):
            return [worked[-1]], "its own working"
        said = sorted(said + [span for span in explained(text) if answers_in(text[slice(*span)])])
        rest = [span for span in said if not is_score(text, span)]
        totals = [span for span in rest if _TOTAL.search(text, *span)]
        if totals and ITEM.match(text, *said[0]):
            return [totals[-1]], "the total"
        said = rest if any(_GIVES.search(text, *span) for span in rest) else said
    claims = [] if said and _names_one(text, said[0], asked) else claims_in(text, asked)
    if claims:
        taken_back = _taken_back(text, claims[0][1])
        if taken_back is not None:
            return [taken_back], "behind a correction"
        return [claims[0]], "what it says of the thing asked for"
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
        if asked.numeric and len({value for *_, value in answers_in(text[start:end])}) != 1:
            if result_in(text[start:end]) is None:
                continue  # "so 4 and 7 are small", "so they are objects"
        lead = SO.match(text, start, end)
        if lead and lead.end() < end and (start, end) != said[0]:
            supposed = _SUPPOSED.match(text, lead.end(), end)
            return [(supposed.end() if supposed else lead.end(), end)], "the concluding sentence"
    if len(said) > 1 and _only_denies(text[slice(*said[0])]):
        start, end = said[1]
        if not _only_denies(text[start:end]) and len(text[start:end].split()) <= 8:
            return [said[1]], "behind what is denied"
    items = [
        span for span in said if ITEM.match(text, *span) and len(text[slice(*span)].split()) < 8
    ]
    if len(items) > 1 and items[0] == said[0] and not asked.numeric:
        return items, "a list"
    names = [span for span in said if _NAME_ALONE.fullmatch(text, *span)]
    possible = [span for span in said if _POSSIBLE.match(text, *span)]
    if len(possible) > 1:
        return possible, "what may be"
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


_TOTAL = re.compile(
    r"\b(?:total|altogether)\b[^.\n]{0,120}\d|\d[^.\n]{0,120}\b(?:in total|altogether)\b", re.I
)
"""“Adding these together, we get a total of 4”, behind a list that counts one by one."""
_POSSIBLE = re.compile(r"\W*(?:it|this|that|the answer) (?:could|might|may) (?:also )?be\b", re.I)
_NAME_ALONE = re.compile(r"\s*(?!Not\b)[A-Z][\w'-]+(?: [A-Z][\w'-]+)?\.\s*")


def _only_denies(clause: str) -> bool:
    """Whether a clause says only what is not so: “Rome is not the capital”, “Not Bergen”."""
    return bool(
        re.search(r"\b(?:not|never)\b|n't\b", clause)
        and not UNDECIDED.search(clause)
        and not re.search(r"\b(?:but|instead|rather)\b|[,;\"?]", clause)
    )


_SCORE_ITEM = re.compile(
    r"\W*(?:\d{1,2}[.)]\s+)?\W*(?:the\s+)?(?:main\s+)?(?:confidence|certainty|reasons?)\b", re.I
)


def _listing(text: str) -> Span | None:
    """The span of a text that is nothing but short lines or bullets: a list is one statement."""
    lines = [line for line in text.splitlines() if line.strip() and not HEADING.fullmatch(line)]
    if len(lines) < 2:
        return None
    short = all(len(line.split()) <= 3 and not re.search(r"[:.,!?;]\s*$|:", line) for line in lines)
    if not short and not all(ITEM.match(line) for line in lines):
        return None
    scores = [SCORED.fullmatch(line.strip()) is not None for line in lines]
    if any(scores) and not scores[0]:
        return None  # a label and, on the next line, its score
    if any(_SCORE_ITEM.match(line) for line in lines):
        return None  # an answer, its score and its reasons, numbered
    return (len(text) - len(text.lstrip()), len(text.rstrip()))


def _scored_number(text: str) -> Span | None:
    """A number on a line of its own and its score on the next, and nothing else."""
    alone = _NUMBER_AND_SCORE.fullmatch(text)
    return alone.span("said") if alone else _listing(text)


_NUMBER_AND_SCORE = re.compile(r"\s*(?P<said>-?\d+)\s*\n\s*(?:[01]?\.\d+|\d+\s?%)\s*")


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
        if re.search(r"\b(?:mistakes?|errors?|wrong|check|correct that)\b", rest) and not re.search(
            r"\bis\b|=", rest
        ):
            continue
        return at, b
    return None


def _no_result(text: str, span: Span, asked: Asked) -> bool:
    """Whether a statement is a bare score, or prose without a number that the item has not."""
    piece = text[slice(*span)]
    named = {value for *_, value in values_in(piece)}
    given = {value for *_, value in values_in(asked.item)}
    prose = not named or len(piece.split()) > 4 and named <= given and result_in(piece) is None
    return prose or is_score(text, span)


_PRONOUN = re.compile(r"\W*(?:it|this|that|these|they|there|both|we|i)\b", re.I)
_CLASSES = frozenset(
    "yes no true false positive negative neutral correct incorrect valid invalid noun verb "
    "adjective cause effect affirmative response answer classification prediction".split()
)


def _names_one(text: str, span: Span, asked: Asked) -> bool:
    """Whether a statement is nothing but an answer: a name, a quotation, what a label gives."""
    piece = text[slice(*span)].strip()
    label = LABEL.match(piece)
    named = piece[label.end() :] if label else piece
    item, name = fold(asked.item), fold(named)
    if name == item or not name:
        return False
    wanted = wanted_by(asked.instruction)
    if wanted is not None and wanted.name.fullmatch(name) or _PRONOUN.match(named):
        return False  # "Classification: plural", "It is common"
    if (
        _CLASSES.issuperset(name.split())
        and f" {name} " not in f" {item} {fold(asked.instruction)} "
    ):
        return False  # "Output: yes" where a sentence is asked for
    if name in item:
        return True  # a sentence of the item, copied
    quoted = named[:1] in "\"'" and named.rstrip(" .")[-1:] in "\"'"
    if label is None and not quoted and 1 < len(named.split()) and len(item.split()) == 1:
        return False  # "Affirmative response. The plural of "merge" is "merges"."
    return (
        len(named.split()) <= 3
        or quoted
        or label is not None
        and bool(ANSWER_LABEL.search(label["name"]))
    )
