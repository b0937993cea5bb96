"""The words by which a text commits itself, denies, doubts, corrects itself or declines."""

from __future__ import annotations

from collections.abc import Iterator

from heartloop import regex as re

# --- introducing an answer --------------------------------------------------------------

_ENGLISH = r"answers?|ans|results?|solutions?|conclusion|final decision"
_ADJECTIVES = (
    r"correct|right|best|final|most \w+|my|chosen|selected|appropriate|closest|likely|remaining|"
    r"recommended|negated|rewritten|transformed|translated|resulting"
)
_PICK = (
    rf"(?:(?:{_ADJECTIVES})\s+)+"
    r"(?:choice|option|pick|selection|statement|letter|one|response|sentence|label|word|category|question|movie|film|title|"
    r"recommendation|suggestion)"
)
_FOREIGN = (
    r"antwort|richtig(?=\s+(?:ist|wäre))|lösung|ergebnis|réponse|résultat|respuesta|"
    r"solución|resultado|resposta|solução|risposta|soluzione|risultato|antwoord|oplossing|svar(?:et)?|vastaus|odpowied[źz]|odpověď|"
    r"odpoveď|odgovor|ответ|решение|відповідь|отговор|cevap|yanıt|jawaban|đáp án|câu trả lời|"
    r"kết quả|απάντηση|válasz|răspuns(?:ul)?|उत्तर|الإجابة|الجواب|תשובה"
)
_ADJECTIVE = r"(?:\s+(?:correct[aeo]?|corret[ao]|corrett[ao]|exact[aeo]?|final[eo]?|finale))?"
_CJK = (
    r"(?:最终|最終|正确|正確|正しい)?(?:的)?"
    r"(?:答案|结果|結果|回答|正解|答え|解答|选项|選項|选择)|정답|답변|답"
)
_COPULA = (
    r"is|are|was|would be|must be|should be|will be|has to be|equals?|ist|lautet|sind|wäre|est|"
    r"es|é|è|são|sono|son|är|er|jest|je|это|является|adalah|là|είναι|este|है|هي|هو"
    r"(?:\s+(?:donc|also|dus|quindi|entonces|portanto|somit|nun|então|dunque))?"
)
_CJK_COPULA = r"[应應]?[该該]?[是为為选選]|は|が|은|는"
_FILL = (
    r"(?:\s*(?:therefore|thus|then|hence|simply|clearly|definitely|just|only|"
    r"given by|also|indeed|most likely|likely|probably|certainly|obviously|"
    r"(?:option|choice|letter|number|statement)(?=[\s:(*]))\b)*"
)
MARKER = re.compile(
    rf"(?:(?<![^\W_])(?:{_ENGLISH}|{_PICK}|(?:{_FOREIGN}){_ADJECTIVE})(?![\w])(?:\s+here\b)?"
    rf"(?:\s+(?:to|for|of|in|on|that|which)\s"
    rf"(?:\"[^\"\n]{{0,200}}\"|(?!\b(?:where|because|although)\b|, which)"
    rf"(?:[^.\n:=\"]|\.(?=\d))){{1,80}}?)?"
    rf"(?:\s*(?:\([^()\n]{{1,20}}\))?\s*:|\s*=(?!=)>?|\s*(?:→|->|⇒)|\s+(?:{_COPULA})(?![\w'])\s*:?){_FILL}"
    rf"|(?:{_CJK})\s*(?:{_CJK_COPULA}|:|=)\s*:?|[选選][择擇]?\s*(?=\(?[A-Z])"
    r"|(?<![\w])(?:final\s+)?answer\s+-+\s+|\b(?:give|choose) (?:you )?the answer (?=\"))\s*",
    re.I,
)
"""Behind it stands the answer: “the answer is”, “Lösung:”, “答案是”."""

_ROOTS = sorted(
    {
        word[0]
        for word in (
            re.match(r"my|[a-z]{3,}(?!\?)", w)
            for w in f"{_ENGLISH}|{_ADJECTIVES}|{_FOREIGN}".split("|")
        )
        if word is not None
    },
    key=len,
)


def markers(text: str, start: int = 0) -> Iterator[re.Match[str]]:
    """Where ``MARKER`` stands in a text; one that holds none of its words is not searched."""
    low = text.lower()
    if text.isascii() and not any(root in low for root in _ROOTS):
        return iter(())
    found = MARKER.finditer(text, start)
    if not any(f"{word} answer" in low for word in _NOT_NOW):
        return found
    return (match for match in found if not _SHOWN.search(text, 0, match.start()))


_NOT_NOW = ("short", "given", "first", "initial", "earlier", "previous", "original")
_SHOWN = re.compile(rf"\b(?:{'|'.join(_NOT_NOW)})\s$", re.I)
"""“The short answer is …”: what the question showed; “my first answer was …”: what it gave up."""


FOREIGN = re.compile(
    rf"(?:(?<![\w])(?:{_FOREIGN}){_ADJECTIVE}(?![\w])(?:\s*[:：]|\s*=(?!=)|"
    rf"\s+(?:{_COPULA})(?![\w'])\s*:?)"
    rf"|(?:{_CJK})\s*(?:{_CJK_COPULA}|[:：]|=)\s*[:：]?)[\s*_]*",
    re.I,
)
"""The markers of other languages alone: “Lösung:”, “答案是”."""

FINAL = re.compile(r"\bfinal\b|最终|最終", re.I)

LABEL = re.compile(
    r"\s*(?P<name>[^\W\d_][\w '\"/#.-]{0,60}?(?:\([^()\n]{1,40}\))?)\s*:(?![/=])(?!\d\d\b)\s*", re.U
)
"""A label of its own at the head of a line: “Output:”, “Translation to French:”."""

NO_ANSWER_LABEL = re.compile(
    r"\b(?:not|no|wrong|incorrect|false|input|question|problem|instruction|except|original|"
    r"confidence|score|reason(?:s|ing)?|explanation|note|example|because|rationale|given|task|"
    r"probability|certainty|step|hint)\b",
    re.I,
)
ANSWER_LABEL = re.compile(
    r"\b(?:answer|output|result|solution|response|translation|final|label|"
    r"sentiment|category|choice|class|verdict|prediction)\b",
    re.I,
)

# --- taking it back ---------------------------------------------------------------------

DENIAL = re.compile(
    r"\b(?:not|never|neither|nor|no longer|none|nothing|without|cannot|except|excluding|"
    r"ruled? out|anything but|all but|everything but|far from|rather than|instead of|other than|"
    r"by no means|in no way|doubt(?:s|ful)?|"
    r"unlikely|wrong|incorrect|false(?= answer)|impossible|exclude[sd]?|"
    r"eliminate[sd]?|"
    r"reject(?:s|ed)?|nicht|kein\w*|pas|jamais|нет|не|nunca|"
    r"too (?:\w+) to)\b|n't\b|不是|不对|ではない|아니",
    re.I,
)
CORRECTION = re.compile(
    r"\b(?:wait|actually|correction|edit:|to correct|corrected|sorry|"
    r"mistake|mistaken|error|oops|hmm|no,|"
    r"on (?:second thoughts?|reflection)|rather,|scratch that|i was wrong|that is wrong|"
    r"that's wrong|"
    r"that was wrong|is wrong:|incorrect:|let me (?:re|correct|fix|check again)|re-?check\w*|"
    r"checking again|recalculat\w+|revis(?:e|ed|ing)|moment mal|korrektur|erratum|apologi[sz]e)",
    re.I,
)
OTHERS_ERROR = re.compile(
    r"\b(?:common|frequent|typical|easy|tempting|popular)\s+(?:mistake|error|misconception|answer|"
    r"pitfall|trap|guess)|\b(?:one|some|people|students?|many|others|you) "
    r"(?:might|may|could|would|often|wrongly|mistakenly|people)?\s*"
    r"(?:think|say|believe|assume|expect|answer|conclude)|\bif (?:we|you|one|it)\b|"
    r"\bwould have been\b"
    r"|\bit is (?:tempting|wrong|a mistake) to\b|\bnot that the answer\b",
    re.I,
)
"""A sentence that reports an answer without making it its own."""

_CONCEDES = re.compile(
    r"\W*(?:although|though|even though|while|whereas)\b.*,[^,]*$|"
    r".*,\s*(?:but|yet|however|actually|in fact)\b[^,]*$",
    re.I | re.S,
)


def is_reported(text: str, begin: int, start: int, end: int) -> bool:
    """Whether the answer introduced at ``start`` to ``end`` is only what others say.

    “Many say that the answer is B” reports it; “although many say B, the answer is C” does not.
    ``begin`` is where the sentence begins.
    """
    if OTHERS_ERROR.search(text, begin, end) is None:
        return False
    return _CONCEDES.match(text[begin:start]) is None


UNDECIDED = re.compile(
    r"\b(?:don'?t|do not|doesn'?t|can'?t|cannot|can not|couldn'?t|unable to|not able to|"
    r"impossible to|hard to)\s+(?:really\s+)?(?:know|say|tell|determine|answer|decide|choose|help|"
    r"assist|give|provide|comply|find|follow|complete|perform|be (?:determined|answered|known))\b|"
    r"\bi(?:'m| am) (?:not sure|unsure|uncertain|unable)\b|"
    r"\b(?:not enough|insufficient) information\b|\bno idea\b|\bkeine ahnung\b|"
    r"\b(?:could|would|can) you (?:please )?(?:clarify|provide|rephrase|explain)",
    re.I,
)

ASKS_BACK = re.compile(
    r"\b(?:could|can|would) you (?:please )?(?:clarify|provide|rephrase|specify|give me|"
    r"tell me|share)|"
    r"\bplease (?:provide|clarify|specify|share|let me know|give me)\b",
    re.I,
)

REFUSAL = re.compile(
    r"\b(?:i|we) (?:can(?:'|no)?t|can not|cannot|won't|will not|am unable to|am not able to|"
    r"must decline|have to decline|decline|refuse|must refuse|have to refuse|"
    r"am not (?:allowed|permitted) to|'?m unable to|'?m not able to|'?m not (?:allowed|"
    r"permitted) to)"
    r"(?: to)? (?:\w+ly )?(?:help|assist|comply|provide|answer|fulfil|fulfill|do|give|discuss|"
    r"continue|complete|engage|support|generate|create|write|share|choose|select|pick|respond|"
    r"participate|offer|make)\b|"
    r"\bi'm (?:unable|not able|not allowed|not permitted) to\b|"
    r"\bi (?:must|have to) (?:decline|refuse)\b|\bi(?:'d| would) rather not\b|"
    r"\bi decline\b|\bas an ai\b[^.]{0,80}\b(?:can(?:'|no)t|cannot|unable|not able|don't|"
    r"do not|have no)\b",
    re.I,
)
"""It declines the task. Being sorry, afraid or apologetic declines nothing."""


_OWN_WORDS = re.compile(
    r"[^.!?\n]*\bthe (?:final answer in the )?form that was asked for\b[^.!?\n]*[.]?|"
    r"\b(?:your answer|an earlier answer to this) was checked, and it is not correct\.?|"
    r"\bthis has been answered before; please go over it once more\.?|"
    r"\bplease go over your answer once more\.?|"
    r"\blook back at how you reached it\b[^.\n]*\.?|"
    r"\bgo through the steps, the assumptions and the form of the answer\b[^.\n]*\.?|"
    r"\bwork through this in small steps, writing each of them down\b[^.\n]*\.?|"
    r"\b(?:your last reply|an earlier reply to this) (?:was cut off|holds no|came to no)\b"
    r"[^.\n]*\.?",
    re.I,
)
"""What heartloop's loops say to a model (``heartloop.methods.wordings``; a test holds the two
together). A model that echoes it has given no answer."""


def without_own_words(text: str) -> str:
    """A text with heartloop's own sentences blanked out, its length unchanged."""
    if "asked for" not in text and "checked" not in text and "once more" not in text:
        if "the steps" not in text and "reply" not in text:
            return text
    return _OWN_WORDS.sub(lambda found: re.sub(r"\S", " ", found.group()), text)
