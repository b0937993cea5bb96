"""Extractors: the marked places of a text where an answer stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from heartloop import regex as re
from heartloop.grading.phrases import CORRECTION, FOREIGN, OTHERS_ERROR, markers

# --- marked answers ----------------------------------------------------------------------

_BOX = re.compile(r"\\(?:begin)?(?:boxed|fbox|framebox)\b\s*|\\boxed(?=\d)")
_BRACE = re.compile(r"\\.|[{}]", re.S)
"""A brace, or what stands behind a backslash and is none."""
_SIMPLE_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?:\{(?P<in>.{1,2000})\}|(?P<bare>\d{1,50}))", re.S)
_GLUE = re.compile(
    r"(?:\s|\\[,;:! ]|\\q?quad|\\text(?:rm|bf|it)?\s*\{[^{}]{0,40}\}|\\(?:text)?rm|and|or|"
    r"[,;&.$~]|\\\(|\\\)|\\\[|\\\])*",
    re.I,
)


def _closing_braces(text: str, start: int) -> dict[int, int]:
    """Index of every opening brace from ``start`` → index just behind the one that closes it."""
    closing: dict[int, int] = {}
    stack: list[int] = []
    for mark in _BRACE.finditer(text, start):
        if mark.group() == "{":
            stack.append(mark.start())
        elif mark.group() == "}" and stack:
            closing[stack.pop()] = mark.end()
    return closing


@lru_cache(maxsize=16)  # own metric, content and form look at one text
def _boxes(text: str) -> list[tuple[int, int, int, str]]:
    """Outer boxes of a text, in order: start of the mark, start and end of the content, content."""
    spans: list[tuple[int, int, int, str]] = []
    marks = list(_BOX.finditer(text))
    closing = _closing_braces(text, marks[0].start()) if marks else {}
    for match in marks:
        at = match.end()
        if at < len(text) and text[at] == "[":  # \framebox[width]{…}
            close = text.find("]", at)
            at = close + 1 if 0 <= close < at + 40 else at
        if at < len(text) and text[at] == "{":
            end = closing.get(at, -1)
            if end > 0 and text[at + 1 : end - 1].strip():
                spans.append((match.start(), at + 1, end - 1, text[at + 1 : end - 1].strip()))
        elif at < len(text) and not text[at].isspace():
            word = re.match(r"[-+]?[\d.,]*\d|[A-Za-z]\b", text[at:])
            if word:
                spans.append((match.start(), at, at + word.end(), word.group()))
    # a box in a box (\boxed{\boxed{7}}) is one answer: keep the outer one
    outer: list[tuple[int, int, int, str]] = []
    for span in spans:
        if not outer or span[0] >= outer[-1][2]:
            outer.append(span)
    return outer


def box_spans(text: str) -> list[tuple[int, int, str]]:
    """Contents of all boxes, in order: start, end, content."""
    return [(a, b, content) for _, a, b, content in _boxes(text)] if "box" in text else []


def boxed(text: str) -> str | None:
    r"""Content of the last ``\boxed``, with the boxes right beside it: ``\boxed{1}, \boxed{2}``."""
    if "box" not in text:
        return None
    outer = _boxes(text)
    if not outer:
        return None
    group = [outer[-1]]
    for span in reversed(outer[:-1]):
        gap = text[span[2] : group[0][0]].lstrip("}")
        if len(gap) > 60 or not _GLUE.fullmatch(gap):
            break
        group.insert(0, span)
    answers = [answer for *_, answer in group]
    if len(set(answers)) == 1:  # "\boxed{4}. \boxed{4}": said twice, not two values
        answers = answers[:1]
    answer = ", ".join(answers)
    for _ in range(3):  # a box in the box
        inner = _SIMPLE_BOX.fullmatch(answer)
        if inner is None:
            break
        answer = (inner["in"] or inner["bare"]).strip()
    return answer


_SENTENCE_END = re.compile(
    r"。|(?<!\d)\.(?=\s|$|\*|\"|<)|(?<=\d)\.(?=\s+\D|\s*$|\*|\"|<)|[!?](?=\s|$)(?!\s*[=+\-*/])|\n"
)
ENVIRONMENT = re.compile(
    r"\$\$(?P<a>[^$]{1,2000}?)\$\$|\\\[(?P<b>.{1,2000}?)\\\]|\\\((?P<c>.{1,2000}?)\\\)|"
    r"(?<!\\)\$(?P<d>(?:\\.|[^$\\]){1,2000}?)(?<!\\)\$",
    re.S,
)
_LEADING = re.compile(
    r"[\s:=*_`>–—]*(?:-\s+)?(?:\"|“|')?\s*(?:(?:therefore|thus|simply|just)\b|:)?\s*[:*_`]*\s*",
    re.I,
)


_NOT_THAT = re.compile(
    r"(?<=[\d$}]),\s+(?:(?:and )?not\s+[-$\\\d][^,;]{0,40}|"
    r"(?:because|since|which (?:is|are|was|makes|means)(?! (?:not|wrong|incorrect)))\b[^$\\]*)$"
)
"""“8, not 6”, “22, because two were left out”, “84, which is more than 80”."""
_COPULA = re.compile(r"(?<=[\d$}])(?:입니다|이다|です|だ)$")
_EMPTY_BOX = re.compile(r"\\boxed\s*\{\s*\}")
_MATHS = re.compile(r"[\d\\$]|\b[a-zA-Z]\b")


def _clause(text: str, start: int) -> tuple[str, bool]:
    """The clause that begins at ``start``: up to the end of its sentence, maths kept whole."""
    lead = _LEADING.match(text, start)
    at = lead.end() if lead else start
    tail = text[at : at + 2000]
    spans = [match.span() for match in ENVIRONMENT.finditer(tail)]
    spans += _brace_spans(tail) if "{" in tail else []
    end = len(tail)
    closed = False
    for stop in _SENTENCE_END.finditer(tail):
        if any(a < stop.start() < b for a, b in spans):
            continue
        if not tail[: stop.start()].strip():
            continue
        end, closed = stop.start(), stop.end() < len(tail) or stop.group() in ".!?\n。"
        break
    clause = tail[:end].strip().strip("*_`").strip()
    clause = clause if clause.isascii() else _COPULA.sub("", clause)
    hope = clause.find("I hope it is correct")
    if hope > 0:
        clause = clause[:hope].strip().rstrip(".").strip()
    clause = _NOT_THAT.sub("", clause)
    return clause, closed


def _brace_spans(text: str) -> list[tuple[int, int]]:
    spans, stack = [], []
    for brace in re.finditer("[{}]", text):
        if brace.group() == "{":
            stack.append(brace.start())
        elif stack:
            spans.append((stack.pop(), brace.start()))
    return spans


def after(text: str, marker: str) -> tuple[str, bool] | None:
    """The clause behind the last occurrence of a marker, whatever its case."""
    at = text.lower().rfind(marker.lower())
    if at < 0 or not marker:
        return None
    clause, closed = _clause(text, at + len(marker))
    return (clause, closed) if clause else None


_FINAL = re.compile(
    r"final\s{1,20}(?:answer|result|solution)s?\b(?:[\s*_`]{0,20}(?:is|are|equals|would be)\b|"
    r"[\s*_`]{0,20}[:=]|[\s*_`]{0,20}\n(?=[\s*_`]{0,20}[$\\\d]))[\s*_:`]{0,20}|"
    r"(?:^|\n)[ \t]{0,9}#{1,6}[ \t*]{1,9}(?:answer|result|solution)[ \t*_:]{0,9}\n"
    r"(?=[\s*_`]{0,20}[$\\\d+-])[\s*_`]{0,20}",
    re.I,
)
_ANSWER_IS = re.compile(
    r"\b(?:answer|result|solution)s?\b(?:\s{1,5}(?:to|for|of)\s[^.\n:]{1,80}?)?"
    r"(?:[\s*_`]{0,20}(?:is|are|equals|would be|must be|will be|should be|was)\b"
    r"(?!\s+(?:that|because|not\b))"
    r"(?:\s{1,5}(?:therefore|thus|then|simply|equal to|given by))?|[\s*_`]{0,20}[:=](?!=))"
    r"[\s*_:`]{0,20}",
    re.I,
)
_ANSWER_LABEL = re.compile(r"(?:^|\n)[ \t*_#>`]{0,20}(?:answer|ans|a)[ \t]?[:=][\s*_`]{0,20}", re.I)


def _after_last(text: str, patterns: Iterable[re.Pattern[str]]) -> tuple[str, bool] | None:
    for pattern in patterns:
        matches = list(pattern.finditer(text))
        for match in reversed(matches[-4:]):
            clause, closed = _clause(text, match.end())
            if clause and not clause.lower().startswith(("i hope", "please")):
                return clause, closed
    return None


def final_answer(text: str) -> tuple[str, bool] | None:
    """The clause behind the last “final answer is”."""
    return _after_last(text, (_FINAL,))


_RUN_ON = re.compile(
    r"<\|(?:im_start|im_end|endoftext|eot_id|start_header_id|user)\|?>?|"
    r"\n[ \t]{0,20}(?:#{1,6}[ \t]?)?(?:Question|Problem|Human|User|Exercise|Q)"
    r"[ \t]?\d{0,4}[ \t]?[:.](?=\s)"
)
_ASKS = re.compile(
    r"\n[ \t]*(?!(?:but|wait|hmm|however|so|now|is|are|did|does|should|why|ok|okay|then|"
    r"alternatively|and|or|also|therefore|thus|hence|because|since|next|first|finally)\b)"
    r"(?P<asked>[A-Z$\\][^\n?]{25,600}\?)",
    re.I,
)
_ASKING = re.compile(
    r"\b(?:what (?:is|are|was)|how (?:many|much|long|far|old)|which|find|compute)\b", re.I
)
_ONESELF = re.compile(r"\b(?:I|we|us|our|my|let's|let us)\b")


def own_part(text: str, marks: Sequence[re.Match[str]]) -> str:
    """The text up to where, after a conclusion, it goes on with a problem of its own.

    Models without an end token pose themselves new problems. A new problem begins at a chat mark
    or a “Question:” line, or at a line behind a conclusion that asks something (“…, what is the
    sum of …?”) without speaking of itself (“we”, “I”) or doubting (“but”, “wait”).

    Args:
        text: of the answer.
        marks: of its conclusions; without any nothing is left out.
    """
    if not marks:
        return text
    first = min(mark.end() for mark in marks)
    ends = [match.start() for match in [_RUN_ON.search(text, first)] if match is not None]
    for match in _ASKS.finditer(text, first):
        if _ASKING.search(match["asked"]) and not _ONESELF.search(match["asked"]):
            ends.append(match.start())
            break
    return text[: min(ends)] if ends else text


_NO_VALUE = re.compile(
    r"(?:(?:not |also |in|clearly |indeed )?(?:correct|right|wrong)|as follows|below|above|"
    r"the same|"
    r"given (?:below|above|by the following)|in the form)\b[^\d$\\]*$|[.:;,!?\s]*$",
    re.I,
)
"""Words behind “the answer is” that give no answer."""

_ENV_LABEL = re.compile(
    r"(?P<open>\$\$|\$|\\\[|\\\()\s*(?:\\therefore\s*)?(?:\\(?:text|textbf|textit|mathrm|mathbf|boldsymbol)\s*\{\s*"
    r"(?P<a>(?:(?:the|final|correct)\s+)*(?:answer|result|solution|antwort|"
    r"lösung|ergebnis|réponse|respuesta|resposta|risposta|antwoord|ответ|答案)"
    r"\s*(?:is|:|=)?\s*:?)\s*\}|"
    r"(?P<b>(?:(?:the|final|correct)\s+)*(?:answer|result|solution)\s*(?:is\b|:|=)))\s*[:=]?\s*",
    re.I,
)


def unlabelled(text: str) -> str:
    r"""A label inside of a formula put in front of it: ``\[\text{Answer: } 42\]``."""
    if "$" not in text and "\\[" not in text and "\\(" not in text:
        return text

    def moved(match: re.Match[str]) -> str:
        label = (match["a"] or match["b"]).strip(" :=")
        return f"{label}: {match['open']}"

    return _ENV_LABEL.sub(moved, text)


def _corrected(text: str, start: int) -> tuple[str, bool] | None:
    """What a text says instead, where it takes back the answer before ``start``."""
    if len(text) - start < 6 or CORRECTION.search(text, start) is None:
        return None
    for match in reversed(list(markers(text, start))):
        begin = max(text.rfind(char, 0, match.start()) for char in ".!?\n") + 1
        if OTHERS_ERROR.search(text, begin, match.end()):
            continue
        if not CORRECTION.search(text, start, match.start() + 1):
            continue
        clause, closed = _clause(text, match.end())
        if clause and not clause.lower().startswith(("not ", "wrong", "incorrect")):
            return clause, closed
    restated = [
        match
        for match in _RESTATED.finditer(text, start)
        if not OTHERS_ERROR.search(text, text.rfind("\n", 0, match.start()) + 1, match.end())
    ]
    return (restated[-1]["value"], True) if restated else None


_RESTATED = re.compile(
    r"(?:\b(?:no|correction|sorry|i meant?|rather)\b[\s,:;–—-]{1,5}(?:wait[\s,:;–—-]{1,5})?"
    r"(?:it'?s |it is |that'?s )?|"
    r"\b(?:wrong|mistake|error|incorrect|forgot|overlooked|missed|miscounted|misread)\b"
    r"[^.\n]{0,60}?[.;:,]?\s"
    r"(?:so )?(?:it|that|this|the (?:(?:right|correct|actual|true) \w+|"
    r"sum|total|value|number|count|result))\s"
    r"(?:should (?:be|have been)|must be|is(?: actually)?)\s)"
    r"(?P<value>[-+$€£\\(]{0,3}[\d\\][^\n.!?]{0,60}?(?:\.\d+)?)(?=[.!]?\s*(?:\n|$))",
    re.I,
)
"""An answer taken back in so many words: “no wait, 30”, “a mistake: it should be 30”."""


def conclusion(text: str) -> tuple[str, bool] | None:
    r"""What the text settles on last: its last box, or the clause behind its last “final answer”.

    What follows a problem that the text poses itself is not read (``own_part``). A clause without
    any mathematics, or with an empty box, does not push a box aside.
    """
    finals, boxes = list(_FINAL.finditer(text)), list(_BOX.finditer(text))
    own = unlabelled(own_part(text, (*finals[:1], *boxes[:1])))
    if own != text:
        text, finals, boxes = own, list(_FINAL.finditer(own)), list(_BOX.finditer(own))
    box = boxed(text) if boxes else None
    at_box = boxes[-1].end() if boxes else -1
    final = None
    at_final = -1
    for match in finals[-8:]:
        if box is not None and match.end() < at_box:
            continue  # the box is what it says
        clause, closed = _clause(text, match.end())
        if not clause or _EMPTY_BOX.search(clause) or _NO_VALUE.match(clause):
            continue
        if box is not None and not _MATHS.search(clause):
            continue
        if clause.lower().startswith(("i hope", "please")) or clause.endswith((" is", " is:")):
            continue
        final, at_final = (clause, closed), match.end()
    if box is not None or final is not None:
        corrected = _corrected(text, max(at_box, at_final))
        if corrected is not None:
            return corrected
    if final is not None and (box is None or at_final > at_box):
        return final
    return (box, True) if box is not None else final


_IF = re.compile(r"\bif\b", re.I)


def _supposed(text: str, match: re.Match[str]) -> bool:
    """Whether an answer is one of another question: “if it had asked for …, it would be 9”."""
    if "would be" not in match.group():
        return False
    begin = max(text.rfind(char, 0, match.start()) for char in ".!?\n(") + 1
    return _IF.search(text, begin, match.start()) is not None


def answer_is(text: str) -> tuple[str, bool] | None:
    """The clause behind the last “(final) answer is”, “answer:”, “A:”."""
    text = unlabelled(text)
    best: tuple[int, re.Match[str]] | None = None
    for pattern in (_FINAL, _ANSWER_IS, _ANSWER_LABEL, FOREIGN):
        for match in pattern.finditer(text):
            if _supposed(text, match):
                continue
            if text[match.end() :].strip() and (best is None or match.end() > best[0]):
                best = (match.end(), match)
    if best is None:
        return None
    clause, closed = _clause(text, best[0])
    if not clause or _NO_VALUE.match(clause):
        return None
    return _corrected(text, best[0] + len(clause)) or (clause, closed)
