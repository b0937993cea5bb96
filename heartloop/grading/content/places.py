"""The places of a text where it commits itself to an option, each settled by ``Options``."""

from __future__ import annotations

from heartloop import regex as re
from heartloop.grading.content.beside import SCORED, SO, VERDICT
from heartloop.grading.content.options import ASIDE, Kind, Options, Settled, words_of
from heartloop.grading.content.reading import fold
from heartloop.grading.content.statement import SCORE_OF, of_the_score
from heartloop.grading.content.surface import machine_fields, sentence_end, statements
from heartloop.grading.marks import box_spans
from heartloop.grading.phrases import DENIAL, FINAL, is_reported, markers

_SUBJECT = r"(?<![\w'])(?:(?:option|choice|answer|statement|number)\s+)?\(?(?P<letter>[A-Z])\)?"
_PRAISE = (
    r"(?:the\s+|a\s+|my\s+)?(?:most\s+|only\s+|single\s+|one\s+)?(?:correct|right|best|true|answer|"
    r"correct\s+\w+|right\s+\w+|best\s+\w+|final\s+answer|appropriate|accurate|suitable|likely|"
    r"option that|one that|choice that)"
)
_PRAISED = re.compile(
    rf"{_SUBJECT}\s*(?:\([^()\n]{{1,60}}\)\s*)?,?\s+(?:is|must be|has to be|would be|"
    rf"should be|seems(?: to be)?|appears to be)\s+"
    rf"(?:clearly\s+|definitely\s+|therefore\s+|thus\s+|also\s+)?{_PRAISE}(?![\w-])"
)
_CHOSEN = re.compile(
    r"(?:\b(?:i(?:'d|'ll| would| will| have| must|'m| am)?(?: have to)?|we|let me|let us)\s+"
    r"(?:\w+ly\s+)?|\bdecision to |(?:^|(?<=[.!?:\n]))\s*(?:so |please )?)"
    r"(?:going with|going for|choosing|picking|"
    r"choose|chose|pick|picked|select|selected|go with|go for|opt for|vote for|settle on|"
    r"recommend|answer|say|think|believe|suggest|guess|conclude|prefer|"
    r"classify (?:it|this|that|the)\b[^.,\n]{0,60}? as)(?![\w])"
    r"(?:\s+(?:that|is|it'?s|it is|it must be|the answer is))*\s+",
    re.I,
)
_OWN_LABEL = re.compile(
    r"^\W*(?:[a-z]+\s+){0,2}(?:decision|prediction|classification|verdict|choice|selection)"
    r"\s*:(?=\s*\S)",
    re.I | re.M,
)
_IT_IS = re.compile(
    r"(?:^|(?<=[.!?;\n,:])|\b(?P<so>so|thus|therefore|hence|then|and)|"
    r"\b(?:i'm|i am|we are) (?:\w+ly |very |quite )?(?:confident|sure|certain)(?: that)?(?=\s)|"
    r"\b(?:but|(?:but )?on (?:reflection|second thoughts?),?))\s*"
    r"(?:it|this|that|"
    r"the (?:relation|pronoun(?! in)|statement|sentence|word|sentiment)[^.\n]{0,60}?)"
    r"(?:'s| is| must be| has to be| would be)\s+(?:therefore\s+|thus\s+|clearly\s+|"
    r"definitely\s+)?",
    re.I,
)
_NAMED_AS = re.compile(
    r"(?:^|(?<=[.!?;\n,:])|(?<=,[\"']))\s*(?P<so>(?:so|thus|therefore|hence|finally)\b[\s,]*)?"
    r"(?:based on [^,\n]{1,120},\s*|in (?:this|the) [^,\n]{1,60},\s*)?"
    r"(?:(?:we|i|you) (?:can |would |will )?(?:\w+ly )?(?:conclude|say|infer|see) (?:that )?|"
    r"it follows (?:that )?|my \w+ is that )?"
    r"(?:the|this|these|my)\s[^.\n]{3,240}?,?\s"
    r"(?:(?:is|would be|must be|should be)\s*:?|are(?=[ ]))\s+"
    r"(?:indeed |clearly |actually |definitely )?",
    re.I,
)
"""“The humorous edit of "air supply" is …”: any subject, where the predicate is an option alone."""
_THEREFORE = re.compile(
    r"(?:^|(?<=[.!?;\n,:])|\b)(?:so|thus|therefore|hence|consequently|which (?:gives|leaves|"
    r"is))\s*[,:]?\s+"
    r"(?=\(?[A-Z]\)?\s*[.!]?\s*(?:$|\n))",
    re.I,
)


_LEAVES = re.compile(
    r"\b(?:which|that|this|it) leaves(?: us| me)?(?: with)?(?: only| just)?(?: option)?\s+|"
    r"\b(?:only|the (?:only )?remaining) (?:option|choice|one|answer)"
    r"(?: left| remaining| that (?:is left|remains|fits))? (?:is|would be)\s+",
    re.I,
)
_BACK = re.compile(
    r"(?<=[.!?;,…\n:(→])\s*(?:(?:and|or|but|well|hmm+|oh)\b[\s,.…]*)?"
    r"(?:(?:wait|no|actually|correction|edit|sorry|oops|scratch that|rather|"
    r"on second thoughts?|i meant?|i take that back)\b[\s,:;.!–—-]{1,6})+"
    r"(?:(?:it'?s|it is|that'?s|that is|it should be|it must be|i meant?|make that)\s+)?",
    re.I,
)
_ALL_BUT = re.compile(
    r"(?<!not )(?<!Not )\b(?i:only)\s+(?:(?i:option|choice|answer)\s+)?\(?(?P<only>[A-Z])\)?\s+"
    r"(?:works|fits|remains|holds|matches|qualifies|applies|makes sense|is (?:left|correct|right|"
    r"true|possible))\b|"
    r"(?<![\w'])\(?[A-Z]\)? (?:is not|isn't|is wrong|is incorrect)\b[^.\n]{0,30}?[,;] "
    r"(?:but |and )?\(?(?P<other>[A-Z])\)? is(?=\s*(?:[.!]|$))|"
    r"\b(?i:all|every(?:thing|one)?|any(?:thing)?)(?: of)?(?: the)?"
    r"(?: options?| choices?| others?)?\s+(?:but|except(?: for)?|other than)\s+"
    r"(?:option\s+)?\(?(?P<letter>[A-Z])\)?\s+"
    r"(?:is|are|can be|must be)\s+(?:clearly\s+)?"
    r"(?:wrong|incorrect|false|ruled out|excluded|eliminated|impossible)"
)
_CHECKED = re.compile(
    r"(?<![\w'])\(?(?P<letter>[A-Z])\)?"
    r"(?:[^\w\n✓✔✅☑✗✘❌(]{1,4}(?:[^\n.;:()\"✓✔✅☑✗✘❌]{0,80}?[:–—-]\s*)?|\s+(?:is|was)\s+|\s)\(?"
    r"(?:(?P<yes>correct|right|true|yes|[✓✔✅☑])|(?P<no>incorrect|wrong|false|no|[✗✘❌]))"
    r"(?=[\s.;,!)]|$)",
    re.I,
)


def _checked(text: str, options: Options) -> Settled | None:
    """The option marked right where a text goes through several: “A: no. B: yes.”."""
    if options.polar or options.senses:
        return None
    found: dict[int, tuple[bool, tuple[int, int]]] = {}
    for match in _CHECKED.finditer(text):
        index = options.letter(match["letter"]) if match["letter"].isupper() else None
        if index is not None:
            found[index] = (match["yes"] is not None, match.span("letter"))
    right = [(index, span) for index, (yes, span) in found.items() if yes]
    if len(found) < 2 or not right:
        return None
    if len(right) > 1:
        return Settled("hedge", None, (0, len(text)), "the options one by one", 2)
    return Settled("letter", right[0][0], right[0][1], "the only one marked right", 2)


def _last_word(text: str, options: Options) -> Settled | None:
    """A letter alone as the last statement, behind others: “Not A, not B. C.”."""
    spans = statements(text)
    if len(spans) < 2 or options.labelled or not options.letters:
        return None
    start, end = spans[-1]
    if text[start:end].strip() in ("A", "I") and "\n" not in text[spans[-2][1] - 1 : start + 1]:
        return None  # an article: the text breaks off
    if not re.fullmatch(r"[\s\"'*(\[]*[A-Z][\s.!\"'*)\]]*", text[start:end]):
        return None
    settled = options.settle(text, start, end)
    return Settled(settled.kind, settled.index, settled.span, "the last statement", 1)


def places(text: str, raw: str, options: Options) -> list[Settled]:
    """Every place where a text commits itself, in its order."""
    found: list[Settled] = []

    def add(start: int, end: int, rank: int, rule: str, *, firm: bool = True) -> None:
        if not options.numbers and SCORED.fullmatch(text[start:end].strip()):
            return  # a score: no option is a number
        settled = options.settle(text, start, end, firm=firm)
        if options.polar and settled.index is None:
            shown = f" {fold(options.asked.input)} "
            if settled.kind != "hedge" or f" {fold(text[start:end])} " in shown:
                return  # it speaks of something else than yes and no, or quotes the question
        if settled.kind != "empty":
            found.append(Settled(settled.kind, settled.index, settled.span, rule, rank))

    lines = [line for line in text.splitlines() if line.strip()]
    for start, end, _ in box_spans(raw):
        if not of_the_score(text, start):
            add(start, end, 3, "in the box")
    for start, end, _ in machine_fields(raw):
        add(start, end, 3, "in the answer field")
    for match in markers(text):
        end = sentence_end(text, match.end())
        begin = max(text.rfind(".", 0, match.start()), text.rfind("\n", 0, match.start())) + 1
        if is_reported(text, begin, match.start(), match.end()):
            continue
        if match.group().lower().startswith("conclusion that "):
            continue
        if _WOULD_BE.search(match.group()) and _IF.search(text, match.end(), end):
            continue  # "the answer would be yes if it were so"
        if SCORE_OF.search(text, begin, match.start()) or _WHY.search(text, begin, match.start()):
            continue
        if _FIRST_ITEM.match(text, match.end()) and listed(lines, options):
            continue
        if options.exactly(text[match.end() : end]) is None and VERDICT.match(text, match.end()):
            continue
        rank = 3 if FINAL.search(text, max(begin, match.start() - 6), match.end()) else 2
        add(match.end(), end, rank, f'behind "{" ".join(match.group().split())}"')
    for match in _OWN_LABEL.finditer(text):
        add(match.end(), sentence_end(text, match.end()), 2, "behind its own label")
    for pattern, rule, rank in (
        (_CHOSEN, "chosen in words", 1),
        (_LEAVES, "what is left", 2),
        (_BACK, "behind a correction", 2),
    ):
        for match in pattern.finditer(text):
            end = sentence_end(text, match.end())
            settled = options.settle(text, match.end(), end, firm=False)
            if pattern is not _CHOSEN and settled.kind != "letter":
                if options.polar or options.exactly(text[match.end() : end]) is None:
                    continue  # only an option alone is what is left, or what is meant instead
            if settled.kind in ("letter", "words", "hedge"):
                found.append(Settled(settled.kind, settled.index, settled.span, rule, rank))
    for match in _IT_IS.finditer(text):
        end = sentence_end(text, match.end())
        settled = options.settle(text, match.end(), end, firm=False)
        if settled.kind == "words" and not _early(text[match.end() : end], options):
            continue  # "it is complex and lacks any flow that would be valid"
        if settled.kind in ("letter", "words", "hedge"):
            rank = 2 if SO.match(text, _sentence_start(text, match.start() + 1)) else 1
            found.append(Settled(settled.kind, settled.index, settled.span, 'behind "it is"', rank))
    outside: list[Settled] = []
    for match in _NAMED_AS.finditer(text):
        if _IF.search(text, _sentence_start(text, match.start() + 1), match.end()):
            continue
        clause = text[match.end() : sentence_end(text, match.end())]
        if not options.numbers and SCORED.fullmatch(clause.strip()):
            continue
        aside = ASIDE.search(clause) or _SINCE.search(clause)
        clause = clause[: aside.start()] if aside else clause
        index = options.exactly(clause)
        if index is None and not DENIAL.search(clause):
            index = options.exactly(_IS.split(clause)[-1])  # "the one that is like it is X"
        if index is None and options.letters and _LABELLED_OPTION.match(clause):
            settled = options.settle(text, match.end(), match.end() + len(clause), firm=False)
            index = settled.index
        if index is not None:
            span = (match.end(), match.end() + len(clause))
            rank = 2 if match["so"] or _DECIDES.search(match.group()) else 1
            found.append(Settled("words", index, span, "named as such", rank))
        elif (
            _OF_A_CHOICE.search(match.group())
            and _NAME.fullmatch(clause)
            and not VERDICT.match(clause)
        ):
            span = (match.end(), match.end() + len(clause))
            outside.append(Settled("outside", None, span, "named as such"))
    if options.letters:
        for match in _PRAISED.finditer(text):
            begin = max(text.rfind(c, 0, match.start()) for c in ".\n;") + 1
            before = text[begin : match.start()]
            index = options.letter(match["letter"])
            if re.search(
                r"\b(?:if|unless|provided)\b", text[match.end() : sentence_end(text, match.end())]
            ):
                continue
            if DENIAL.search(before) or re.search(
                r"\b(?:if|whether|why|and|or|both|suppose)\W*$", before, re.I
            ):
                index = None
            kind: Kind = "hedge" if index is None else "letter"
            found.append(Settled(kind, index, match.span("letter"), "called right", 1))
        for match in _ALL_BUT.finditer(text):
            which = next(name for name in ("only", "other", "letter") if match[name])
            index = options.letter(match[which])
            if index is not None:
                rule = "all others are called wrong"
                found.append(Settled("letter", index, match.span(which), rule, 2))
        for match in _THEREFORE.finditer(text):
            add(match.end(), sentence_end(text, match.end()), 2, "concluded")
        checked = _checked(text, options)
        if checked is not None:
            return [checked] if not any(item.rank > 2 for item in found) else found
    for one in (_head(text, options), _last_word(text, options), _introduced(text, options)):
        if one is not None and not any(one.span == item.span for item in found):
            found.append(one)
    if not found and not options.letters and not options.polar:
        return outside[-1:]
    return sorted(found, key=lambda item: item.span)


_WHY = re.compile(r"\bwhy\b", re.I)
_WOULD_BE = re.compile(r"\bwould be\b", re.I)
_IF = re.compile(r"\bif\b", re.I)
_OF_A_CHOICE = re.compile(r"\b(?:movie|film|choice|edit|title|option)\b", re.I)
_NAME = re.compile(r"\W*[\w'.&-]+(?: [\w'.&-]+){0,5}\W*")
_FIRST_ITEM = re.compile(r"\s*(?:1[.)]|[-•])\s")
_DECIDES = re.compile(r"\b(?:decision|classification|prediction|verdict|conclusion)\b", re.I)
_SINCE = re.compile(
    r"\s*(?:,\s*)?\b(?:because|since)\b|,\s+which\b|(?<=[\w\"'])\s*\([^()]*\)\W*$", re.I
)
_IS = re.compile(r"\s(?:is|are|would be)\s+")


def _early(clause: str, options: Options) -> bool:
    """Whether an option is named at the head of a clause, as its predicate."""
    words = words_of(_ADVERBS.sub("", clause))
    named = options.named(words)
    return not named or named[0][0] <= 1


_ADVERBS = re.compile(
    r"^\W*(?:(?:indeed|clearly|actually|definitely|certainly|simply|more likely|most likely|likely|"
    r"probably|highly|very|quite|considered|called|classified as|labelled|labeled|a case of|"
    r"an example of|an instance of|the (?:choice|option|answer|movie|statement|one))\b\W*)+",
    re.I,
)


def _introduced(text: str, options: Options) -> Settled | None:
    """An option alone on the line behind a line that ends in a colon, where no other one is."""
    found = []
    if options.polar:
        return None
    for match in _COLON_LINE.finditer(text):
        index = options.exactly(match["line"])
        if index is not None:
            found.append((index, match.span("line")))
    alone = {options.exactly(line) for line in text.splitlines()} - {None}
    if len(found) != 1 or len(alone) != 1:
        return None
    return Settled("words", found[0][0], found[0][1], "alone behind a colon", 1)


_COLON_LINE = re.compile(r":[ \t]*\n\s*(?P<line>[^\n]{2,200})(?=\n|$)")


def _sentence_start(text: str, at: int) -> int:
    return max(text.rfind(char, 0, at) for char in ".!?\n") + 1


_LABELLED_OPTION = re.compile(r"\s*\(?[A-Za-z]\)|\s*[A-Z][.:]\s")


def _head(text: str, options: Options) -> Settled | None:
    """A letter or an option's words as the first statement of a text."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    if listed(lines, options) and options.heading(_MARK.sub("", lines[0])) is not None:
        return None
    if options.letters:
        marks = {m[1] for m in (re.match(r"\s*\(?([A-Z])[).:]\s", line) for line in lines) if m}
        if len(marks) > 1:
            return None  # the options are gone through one by one
    spans = [span for span in statements(text) if not _HEADING.fullmatch(text[slice(*span)])]
    if not options.numbers:
        spans = [span for span in spans if not SCORED.fullmatch(text[slice(*span)].strip())]
    spans = [span for span in spans if not _OF_ME.fullmatch(text, *span)] or spans
    if not spans:
        return None
    start, end = spans[0]
    basis = _BASIS.match(text, start, end)
    start = basis.end() if basis else start
    if (
        options.letters
        and re.fullmatch(r"\s*\(?[A-Za-z][.)]\)?\s*", text[start:end])
        and len(spans) > 1
    ):
        line_end = text.find("\n", end)
        end = len(text) if line_end < 0 else line_end  # "b. 4": the stop belongs to the letter
    if options.labelled is False and _one_by_one(text, spans, options):
        return None
    named = _HEADED.match(text, start)
    if named and options.exactly(named["name"]) is not None:
        index = options.exactly(named["name"])
        return Settled("words", index, named.span("name"), "at the head of the text", 2)
    if text[start:end].rstrip().endswith("?") and not options.asked.questions:
        return None
    settled = options.settle(text, start, end, firm=True)
    if settled.kind in ("letter", "hedge") or settled.kind == "words":
        exact = settled.kind == "letter" or options.exactly(_labelless(text[start:end])) is not None
        if not exact and settled.kind == "words" and not options.polar:
            if not _predicated(text[start:end], settled.index, options):
                return None
        rank = 2 if exact else 1
        return Settled(settled.kind, settled.index, settled.span, "at the head of the text", rank)
    return None


def _one_by_one(text: str, spans: list[tuple[int, int]], options: Options) -> bool:
    """Whether statements speak of one option after the other: “Newton: … Einstein: …”."""
    heads = (re.match(r"\s*([^\n:.]{2,60}):", text[slice(*span)]) for span in spans[:8])
    return len({options.exactly(head[1]) for head in heads if head} - {None}) > 1


def _predicated(clause: str, index: int | None, options: Options) -> bool:
    """Whether a clause speaks of an option, or says it of something, and not only mentions it."""
    words = words_of(clause)
    place = next((at for at, _, which in options.named(words) if which == index), None)
    return place is None or _SAYS.search(words[: max(place - 1, 0)]) is not None


_SAYS = re.compile(
    r"^$|^(?:the |this |my |your |our )?(?:\w+ ){0,2}(?:choice|option|movie|film|statement|answer|"
    r"title|sentence|question|name|word|label|one)(?: of| called| named| is)?$|"
    r"\b(?:is|are|be|was|were|means?|called|named|as|choose|chose|pick|select|recommend|suggest|"
    r"prefer|predict|go with|say|think|believe)(?: \w+){0,3}$"
)


def listed(lines: list[str], options: Options) -> bool:
    """Whether a text goes through the options, one a line or paragraph."""
    if len({options.exactly(line) for line in lines[:8]} - {None}) > 1:
        return True
    if options.letters or options.polar or options.senses:
        return False
    heads = {options.heading(_MARK.sub("", line)) for line in lines}
    return len(heads - {None}) > 1


_MARK = re.compile(r"^\W*(?:\d{1,2}[.)]|(?:choice|option)(?: \d{1,2})?\s*:)?\W*", re.I)


_OF_ME = re.compile(
    r"\W*i(?:'m| am| feel)? (?:\w+ )?(?:confident|sure|certain|happy|glad|ready|sorry|understand)\b"
    r"[^.!?\n\"]{0,40}[.!]?\s*",
    re.I,
)
_BASIS = re.compile(
    r"\W*(?:based on|given|considering|according to)\b[^.\n]*?,[\"']?\s*"
    r"(?=(?:i|we|here|the|it|my|this|there)\b)(?![^.\n]*,\s*(?:i|we|here|the|it|my|this|there)\s)",
    re.I,
)
"""“Based on the list and your choice of Rome, …”: no commitment stands in it."""
_HEADING = re.compile(r"\W*(?:the\s+|my\s+|final\s+|correct\s+)*(?:answer|choice|option)\W*", re.I)
_HEADED = re.compile(r"\s*[\[(\"']*(?P<name>[^\n:.\])\"']{2,60})[\"'\])]*\s*(?:[:.\])\n]|$)")


def _labelless(text: str) -> str:
    return re.sub(r"^\s*(?:[A-Za-z]|choice|answer|option)\s*[:.)]\s*", "", text, flags=re.I)
