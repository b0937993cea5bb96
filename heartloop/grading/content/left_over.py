"""An option alone in an unusual place of a text.

Printed by code, left over behind those denied, counted to ("the second option"), or the only
letter of a sentence in another language.
"""

from __future__ import annotations

from heartloop import regex as re
from heartloop.grading.content.options import Options, Settled, lone_letter, words_of
from heartloop.grading.phrases import DENIAL, UNDECIDED

PRINTED = re.compile(
    r"\s*(?:python|js|bash)?\s*(?:print|console\.log|echo|puts)\b\s*\(?\s*"
    r"(?P<mark>[\"'])(?P<said>[^\"'\n]+)(?P=mark)\s*\)?;?\s*"
)
"""“print("B")” and nothing else."""
_DENIED_FIRST = re.compile(
    r"\W*(?:(?:and |or )?(?:not|neither|nor)\s+(?P<item>[^.,;\n]{1,40}?)"
    r"(?:,?\s+but\s+|\s*[.,;]\s*|\s+(?=(?:nor|and not|or not)\b)))+",
    re.I,
)
_DENIED_ITEM = re.compile(
    r"\b(?:not|neither|nor)\s+([^.,;\n]{1,40}?)(?=\s*[.,;]|\s+(?:nor|and|or|but)\b)", re.I
)


def left_over(plain: str, options: Options) -> Settled | None:
    """“Not A, not B. C.”: the option alone behind others that are denied."""
    first = _DENIED_FIRST.match(plain)
    if first is None:
        return None

    def alone(clause: str) -> int | None:
        words = clause.strip(" .!()")
        if options.letters and lone_letter(words):
            at = "ABCDEFGHIJKLMNOPQRSTUVWXYZ".find(words.upper())
            return at if 0 <= at < len(options.choices) else None
        return options.exactly(words)

    index = alone(plain[first.end() :])
    denied = {alone(item[1]) for item in _DENIED_ITEM.finditer(plain, 0, first.end())}
    if index is None or None in denied or index in denied:
        return None
    return Settled("words", index, (first.end(), len(plain.rstrip())), "behind what is denied")


SETS_OUT = re.compile(r"\W*(?:let me|let us|let's|first,|to (?:decide|answer))", re.I)
_ABROAD = re.compile(
    r"\b(?:antwort|richtig\w*|korrekt\w*|wähle|stimmt|r[ée]ponse|choisis|bonne|option|exacte?|"
    r"respuesta|opci[óo]n|correct[ao]|elijo|resposta|corret[ao]|op[çc][ãa]o|escolho|risposta|"
    r"corrett[ao]|opzione|scelgo|antwoord|juiste?|kies|svar\w*|rätt|riktig\w*|rigtig\w*|väljer|"
    r"velger|odpowied\w*|poprawn\w*|wybieram|odpověď|správn\w*|ответ\w*|вариант\w*|верн\w*|"
    r"правильн\w*|выбираю|відповідь|правильн\w*|cevap|yanıt|doğru|seçiyorum|jawaban\w*|benar|"
    r"vastaus|oikea|válasz|helyes|răspuns\w*|corect|απάντηση|σωστ\w*|đáp án|đúng)\b|"
    r"उत्तर|सही|الإجابة|الصحيحة|الجواب|תשובה|答案|选|選|正解|正确|正確|答え|정답|답",
    re.I,
)
_ABROAD_NOT = re.compile(
    r"\b(?:nicht|kein\w*|falsch\w*|pas|non|no|n[ãa]o|niet|geen|inte|ikke|nie|ne|není|нет|не|ні|"
    r"неверн\w*|неправильн\w*|değil|yanlış|bukan|salah|ei|nem|nu|δεν|không|oder|ou|of|o|or|y|e|"
    r"und|et|and|i|и|veya|atau|eller|lub|nebo)\b|नहीं|ليس|أو|לא|不|没|错|ない|ません|아니|또는|或|または|"
    r"[?¿？]",
    re.I,
)


def abroad(text: str, options: Options) -> Settled | None:
    """The only letter of a short sentence in another language that speaks of the answer.

    A denial or a second option in it leaves it unread.
    """
    if SETS_OUT.match(text):
        return None
    if len(text.split()) > 10 or not _ABROAD.search(text) or _ABROAD_NOT.search(text):
        return None
    letters = [
        (options.letter(match.group()), match.span())
        for match in re.finditer(r"(?<![^\W\d_A-Z\u0900-\uffff])(?<![A-Z'])[A-Z](?![\w'-])", text)
    ]
    if len(letters) != 1 or letters[0][0] is None or options.named(words_of(text)):
        return None
    return Settled("letter", letters[0][0], letters[0][1], "the only letter named")


_NTH = ("first", "second", "third", "fourth", "fifth", "sixth")
_BY_PLACE = re.compile(
    rf"\b(?P<nth>{'|'.join(_NTH)}|last) "
    r"(?:(?:option|choice|answer|alternative)\b|one(?=\W*$))|"
    r"(?:\b(?:option|choice|answer)|^\W*number) (?:(?P<digit>\d{1,2})|"
    r"(?P<word>one|two|three|four|five|six))\b",
    re.I,
)


def by_place(text: str, options: Options) -> Settled | None:
    """“The second option”, “option three”: the only option that a short text counts to."""
    if len(text.split()) > 10 or DENIAL.search(text) or UNDECIDED.search(text):
        return None
    found = list(_BY_PLACE.finditer(text))
    if len(found) != 1 or options.numbers and found[0]["digit"] or text.strip().endswith("?"):
        return None
    if re.search(r"\b(?:or|and|might|maybe|perhaps|could)\b", text, re.I):
        return None
    said = (found[0]["nth"] or found[0]["digit"] or found[0]["word"]).lower()
    words = ("one", "two", "three", "four", "five", "six")
    index = (
        len(options.choices) - 1
        if said == "last"
        else int(said) - 1
        if said.isdigit()
        else (_NTH if said in _NTH else words).index(said)
    )
    if not 0 <= index < len(options.choices) or options.named(words_of(text)):
        return None
    return Settled("words", index, found[0].span(), "counted to")
