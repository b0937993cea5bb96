"""The readings of one statement, from the widest to the barest."""

from __future__ import annotations

from heartloop import regex as re
from heartloop.grading.content.reading import Asked, Candidate, Span, fold
from heartloop.grading.content.sentences import sentence_meant
from heartloop.grading.phrases import (
    ANSWER_LABEL,
    DENIAL,
    LABEL,
    NO_ANSWER_LABEL,
    OTHERS_ERROR,
    UNDECIDED,
)

_BEHIND = (
    r"because|since|as\b|for\b|which|who|whom|whose|where|when|that is|that's|given|due|"
    r"so\b|though|although|formerly|previously|also (?:known|called)|"
    r"not\b|rather|instead|i think|i believe|i guess|based|according|meaning|being|making|"
    r"considering|"
    r"after|it\b|its\b|they\b|this\b|he\b|she\b|in (?:this|my|the)|with (?:a |"
    r"an )?(?:confidence|probability|certainty|score)|"
    r"by the way|of course|obviously|naturally|certainly|for sure|rather than|from (?:the|a|an)\b|"
    r"[a-z]{3,}ing (?:an?|the|its?|that|them|to|more|\w+ly)\b|"
    r"weil|denn|da\b|parce|car\b|porque|(?:the|a|an) [\w' -]{1,40}? (?:of|in|"
    r"that|which|who|from|for|on|at|by|with)\b"
)
_EXPLAINED = re.compile(
    rf"\s*(?:,\s*(?={_BEHIND})|\s+(?=because\b|rather than\b|instead of\b|since\b|"
    rf"as (?:it|he|she|they|the|this|an?)\b|"
    rf"due to\b|with (?:\w+ )?(?:confidence|certainty)\b)|,\s+and\s+(?=there (?:is|are)\b)|"
    rf",?\s+and\s+(?=(?:has\s+|with\s+)?(?:the|my|its|an?)\s+(?:confidence|certainty)\b)|"
    rf";\s+(?=(?:{_BEHIND})|\S+(?:\s+\S+)?\s+(?:is|are|was|lies|has|does|"
    rf"means)\b)|\s+-+\s+(?!\d)|"
    rf"\s*\((?!\s*(?:or|and|also|alternatively)\b)(?!\s*not\s+(?-i:[^A-Z]))[^()]*\)\s*(?:$|(?=[,.;]))|\s*:\s)",
    re.I,
)
_SCORE = re.compile(
    r"[\s,;:|/(\[-]*(?:(?:and\s+)?(?:(?:has|with)\s+)?(?:(?:an?|the|my)\s+)?(?:confidence|certainty|probability|score|"
    r"conf)\w*(?:\s+(?:score|level|of))*\s*[:=]?\s*)?"
    r"(?:is\s+)?(?:[01](?:\.\d+)?|\.\d+|\d{1,3}(?:\.\d+)?\s?%)(?:\s*/\s*1(?:\.0)?)?\s*"
    r"(?:confiden\w+|sure|certain\w*)?[\s)\].]*$",
    re.I,
)
_COPULA = re.compile(
    r"(?:(?<![\w'])(?:is|are|was|were|equals?|(?<!no )means?|would be|will be|becomes?|be|makes?|"
    r"gives?|reads?|has|results? in|turns? into|"
    r"translates? (?:in)?to \w+ as|describes?|translates? (?:in)?to|comes to|stands for|refers to|"
    r"ist|lautet|heißt|est|es|son|sont)(?![\w'])"
    r"(?:\s+(?:also|simply|just|clearly|indeed|actually|definitely|therefore|thus|"
    r"called|named|spelled|equal to|given by|"
    r"as follows|in \w+ is))*"
    r"|(?<![<>=!])=(?!=)|->|→|⇒|=>|(?<!不)是|は|"
    r"\b(?:it|that|this)'?s(?: (?:called|named))?)\s*:?\s*",
    re.I,
)
_COMPARED = re.compile(
    r"^(?:the\s+)?(?:clearly |much |far |definitely |generally |usually |typically |also |"
    r"probably |likely )*(?:"
    r"(?:(?P<degree>[a-z]{2,}(?:er|est))|more \w+|most \w+|less \w+)(?: \w+){0,2}(?:$|\s*\bthan\b|"
    r"\s+(?:of|in|between|among)\b)|"
    r"(?:correct|right|best|final|most likely|chosen|only)(?: \w+){0,2}"
    r"(?:$|\s(?=because\b|since\b))|answer\b|cause\b|"
    r"effect\b|one\b|solution\b|"
    r"(?:a|the) (?:cause|reason|answer|larger|bigger|smaller)\b)",
    re.I,
)
_DESCRIBED = re.compile(r"\s*(?:the|a|an)\s+[\w' -]+", re.I)
_DATED = re.compile(
    r"\s+(?:in|on|since|until|around)\s+(?:(?:[A-Z][a-z]+\s+)?(?:\d{1,2},?\s+)?\d{4}|"
    r"the (?:(?:early|mid|late)[ -])?(?:\d{1,2}(?:st|nd|rd|th) century|\d{4}s))\W*$"
)
_APPOSITION = re.compile(r"(?<=[\w\"'*)]),\s+(?:the|an?)\s+[\w' -]{1,40}\W*$")
_IN_IT = re.compile(
    r"\s+in (?:this|the)(?: given| first| second)? (?:sentences?|text|passage|context|question)\W*$"
)
_DID_IT = re.compile(
    r"(?P<who>\S+(?:\s+\S+){0,3})\s+(?:did|\w+(?:ed|ote|ew|ade|ilt|ung|ound)\s+(?:it|them|this|that)"
    r"(?:\s+(?:in|around|on)\s+(?:[A-Z]\w+\s+)?\d{4})?)\W*$"
)
_THAT = re.compile(r"(?<![\w'])(?:is|was) that\s+(?=\w+ \w)", re.I)
"""“The cause is that there was a storm”."""
_NOT_BUT = re.compile(r"not\s+[\w' -]{1,40}?,?\s+but\s+(?:rather\s+)?", re.I)
_PASSIVE = re.compile(
    r"(?:\w+(?:ed|en|wn|rn|ound|ade|ilt|ung|old|uilt|et))\s+(?:in|by|on|at|from|as|of|to|after|near)\s+",
    re.I,
)
"""“was written by”, “is located in”: what stands behind it is what was asked for."""
_POINTING = re.compile(
    r"\W*(?:the|it|this|that|there|here|what|which|one|both|he|she|they|answer|these|those)\b", re.I
)
_QUOTED_IN = re.compile(r"\s*[\"'“]([^\"”\n]{1,60})[\"'”] in [A-Z][a-z]+\W*$")
"""“translates to "casa" in Spanish”."""
_THIS = re.compile(r"\W*(?:this|that|these|those) \w+\W*$", re.I)
"""“This sentence”: it points to an answer and is none."""
_ADVERB = re.compile(
    r"\W*(?:(?:definitely|probably|clearly|obviously|certainly|surely|likely|most likely|"
    r"maybe|perhaps|"
    r"additionally|furthermore|moreover|we know that|it is (?:clear|known) that|"
    r"possibly|no(?=,)|sorry(?=,)|well|yes|yeah|sure|ok|okay|so|"
    r"i think|i guess|i believe)\b[\s,:.-]*)+",
    re.I,
)
_SAYING = re.compile(
    r"^\W*(?:(?:yes|no|well|sorry|sure|okay|ok|so|then|therefore|thus|hence|clearly|obviously|"
    r"definitely)\b[\s,.:;-]*)*"
    r"(?:i(?:'d| would| will|'ll| am| must|'m)?\s+(?:\w+ly\s+)?(?:say|think|believe|guess|"
    r"meant|mean|choose|chose|pick|answer|select|"
    r"go with|go for|conclude|suggest|recommend|"
    r"(?:classify|rate|label|describe) [^.\n]{0,60}? as(?= )|(?:sure|certain|confident|positive))"
    r"(?:\s+(?:that|about|of))?\s*(?:the answer is\s+|it'?s\s+|it is\s+)?)",
    re.I,
)
_KIND = re.compile(
    r"^(?:the\s+)?(?:(?:correct|right|given|plural|english|french|spanish|german|opposite|"
    r"same)\s+)*"
    r"(?:word|letter|number|noun|verb|adjective|sentence|phrase|name|term|answer|animal|"
    r"city|country|label|"
    r"category|color|colour|form|option|choice|result|value|statement)\s+(?=[\"'\w])",
    re.I,
)
_QUOTED = re.compile(r"\"([^\"\n]{1,500})\"|(?<![\w])'([^'\n]{1,500})'(?!\w)")


def readings(text: str, span: Span, asked: Asked, rule: str) -> list[Candidate]:
    """Readings of one statement: whole, without its label, its explanation, its frame.

    Every reading stands for the whole statement, so a list ("Paris or Rome"), another name
    ("New York") or a denial ("not Paris") never loses the part that makes it another answer.
    """
    start, end = span
    found: list[Candidate] = []
    seen: set[str] = set()

    def add(a: int, b: int, how: str) -> None:
        piece = text[a:b]
        lead = re.match(r"(?:[\s\"',:;!(\[*]|\.(?!\d)|-(?!\d))*", piece)
        a += lead.end() if lead else 0
        words = text[a:b].rstrip(" \t\n.,:;!?*")
        words = words.rstrip("\"'") if words.count('"') % 2 or words.count("'") % 2 else words
        if words[-1:] in ")]" and words.count("(") < words.count(")"):
            words = words.rstrip(")]")
        key = fold(words)
        if not key or key in seen:
            return
        seen.add(key)
        found.append(Candidate(words, (a, a + len(words)), how))

    def trims(a: int, b: int, how: str) -> None:
        add(a, b, how)
        score = _SCORE.search(text[a:b])
        if (
            score
            and score.start() > 0
            and (re.search(r"[,;:(|%]|\d?\.\d|conf|cert|prob", score.group(), re.I))
        ):
            add(a, a + score.start(), f"{how}, without its score")
            b = a + score.start()
        cut = _outside(_EXPLAINED, text, a, b)
        if cut is not None and cut > a:
            add(a, cut, f"{how}, without what explains it")
            b = cut
        for pattern, why in (
            (_DATED, "its date"),
            (_APPOSITION, "its apposition"),
            (_IN_IT, "where it stands"),
        ):
            beside = pattern.search(text, a, b)
            head = text[a : beside.start()] if beside else ""
            if beside and head.strip() and "," not in head and not _DESCRIBED.match(head):
                add(a, beside.start(), f"{how}, without {why}")
        quoted = _QUOTED.match(text[a:b].lstrip())
        kind = _KIND.match(text[a:b])
        if kind:
            add(a + kind.end(), b, f"{how}, without its kind")
        elif quoted and not text[a:b].lstrip()[quoted.end() :].strip(" .,!"):
            lead = len(text[a:b]) - len(text[a:b].lstrip())
            add(a + lead + 1, a + lead + quoted.end() - 1, f"{how}, quoted")

    a, b = start, end
    if rule == "a list":
        add(a, b, rule)
        return found
    now = _NOW.search(text, a, b)
    a = now.end() if now else a
    number = re.match(r"\s*\d{1,2}[.)]\s+(?=\D)", text[a:b])
    a += number.end() if number else 0
    trims(a, b, rule)
    for own in ("its own label", "a label behind its label"):  # "Translation: Spanish: …"
        label = LABEL.match(text, a, b)
        if not label or not text[label.end() : b].strip() or _denied_label(label["name"]):
            break
        a = label.end()
        trims(a, b, f"{rule}, behind {own}")
    adverb = _ADVERB.match(text[a:b])
    if adverb and text[a + adverb.end() : b].strip(" .!"):
        a += adverb.end()
        trims(a, b, f"{rule}, as it is said")
    degree = _DEGREE.fullmatch(text, a, b)
    if degree:
        add(*degree.span("said"), f"{rule}, its degree aside")
    saying = _SAYING.match(text[a:b])
    if saying and saying.end() and a + saying.end() < b and saying.group().strip():
        a += saying.end()
        trims(a, b, f"{rule}, as it is said")
    _framed(text, a, b, asked, rule, trims)
    elliptic = _ELLIPTIC.search(text, a, b) if rule == "behind what is denied" else None
    if elliptic:
        add(a, elliptic.start(), rule)
    turned = _TURNED.fullmatch(text, a, b)
    if turned and (DENIAL.search(turned["no"]) or _THOUGHT.search(turned["no"])):
        said = turned["yes"]
        if not DENIAL.search(said) and not _HEDGES.search(said):
            trims(*turned.span("yes"), f"{rule}, behind what is denied")
            _framed(text, *turned.span("yes"), asked, rule, trims)
    fresh = _new_words(text, a, b, asked)
    if fresh is not None:
        add(*fresh, f"{rule}, its only words that are not the question's")
    last = _ENDS_QUOTED.search(text, a, b)
    if last and fold(last[1]) not in fold(asked.input):
        add(*last.span(1), f"{rule}, quoted at its end")
    for candidate in list(found):
        referred = sentence_meant(candidate.answer, asked)
        if referred and fold(referred) not in seen:
            seen.add(fold(referred))
            found.append(Candidate(referred, candidate.span, f"{candidate.rule}, by its number"))
    return found


_NOW = re.compile(
    r"[;,.]\s*(?:but\s+|and\s+)?(?:now|today|nowadays|since then),?\s+"
    r"it(?:'s|\s+is|\s+has been)\s+",
    re.I,
)
"""“It was Bergen; today it is Oslo”: what is so now."""
_DEGREE = re.compile(
    r"\W*(?:very|mostly|mainly|clearly|highly|quite|strongly|overwhelmingly|generally|largely)\s+"
    r"(?P<said>[\w-]+)\W*",
    re.I,
)
"""“Mostly positive”: a label and its degree."""
_ELLIPTIC = re.compile(r"\s+(?:is|was|are)[.!\s]*$")
_TURNED = re.compile(
    r"(?P<no>[^;\n]{3,80}?)"
    r"(?:;\s*|,?\s+but\s+(?:rather\s+)?|,\s+(?=(?:it|that)(?:'s| is)\b))"
    r"(?P<yes>[^;\n]{2,80}?)(?:\s+(?:is|was|are))?[.!\s]*"
)
"""“Rome is not the capital; Oslo is”, “Many think of Bergen, but the capital is Oslo”."""
_HEDGES = re.compile(r"\b(?:or|either|both)\b", re.I)
_THOUGHT = re.compile(
    r"\b(?:many|some|most|people|first)\b.*\b(?:think|thought|say|said|guess)", re.I
)
_PLAIN = set(
    "the a an is are was were be been it its it's that that's this there of in on at by for to as "
    "with has have had who which what called named city country one".split()
)
_WORD = re.compile(r"[\w'’-]+")


def _new_words(text: str, a: int, b: int, asked: Asked) -> Span | None:
    """The one run of words that a statement adds to those of the question.

    “William Shakespeare wrote Hamlet” to “Who wrote Hamlet?”. None where the statement denies or
    hedges, adds words in more than one place, or says nothing of the question's.
    """
    clause = text[a:b]
    if not asked.question or len(clause) > 200 or re.search(r"\?|\b(?:or|if|whether)\b", clause):
        return None
    if DENIAL.search(clause) or UNDECIDED.search(clause) or OTHERS_ERROR.search(clause):
        return None
    known = {fold(word).removesuffix("'s") for word in _WORD.findall(asked.question)}
    words = [
        (word.span(), fold(word.group()).removesuffix(" s")) for word in _WORD.finditer(clause)
    ]
    fresh = [i for i, (_, word) in enumerate(words) if word not in known and word not in _PLAIN]
    said = sum(word in known and word not in _PLAIN for _, word in words)
    if not fresh or not said or len(fresh) == len(words):
        return None
    first, last = fresh[0], fresh[-1]
    inside = [word for _, word in words[first : last + 1]]
    if len(inside) > 5 or any(word in known for word in inside):
        return None
    return a + words[first][0][0], a + words[last][0][1]


_ENDS_QUOTED = re.compile(r"\b(?:is|as|be|to|into|becomes|would be)\s*:?\s*\"([^\"\n]+)\"?\W*\Z")


def _denied_label(name: str) -> bool:
    return (
        bool(NO_ANSWER_LABEL.search(name))
        and not ANSWER_LABEL.search(name)
        or bool(re.search(r"\b(?:not|wrong|incorrect|false|except|instead)\b", name, re.I))
    )


def _framed(text: str, a: int, b: int, asked: Asked, rule: str, trims: object) -> None:
    """“The plural is X”, “X is larger than Y”, one quoted span that is not the question's."""
    assert callable(trims)
    piece = text[a:b]
    quotes = [m.span() for m in _QUOTED.finditer(piece)]
    cut = _outside(_EXPLAINED, text, a, b)
    stop = (cut - a) if cut is not None and cut > a else len(piece)
    copulas = [
        m
        for m in _COPULA.finditer(piece)
        if m.end() < len(piece) and not any(x < m.start() < y for x, y in quotes)
    ]
    early = [m for m in copulas if m.start() < stop] or copulas
    if early:
        first, last = early[0], early[-1]
        before = _unquoted(piece[: last.start()])
        if DENIAL.search(before) or UNDECIDED.search(piece) or OTHERS_ERROR.search(piece):
            return
        predicate = piece[last.end() :]
        bare = predicate.strip(" .!*")
        compared = _COMPARED.match(bare)
        if compared:
            if (
                first is last
                and last.start() > 0
                and not re.search(r"\b(?:if|whether)\b", before, re.I)
                and not _THIS.match(before)
            ):
                trims(a, a + last.start(), f"{rule}, of which it is said")
            if not (compared["degree"] and compared.end() == len(bare) and " than" not in bare):
                return  # else "Denver" and "the writer" may be names as well as comparatives
        if (
            re.search(r"\b(?:and|but|while|whereas|or)\b", piece[first.end() : last.start()])
            and first is not last
        ):
            return  # two claims in one sentence
        if re.match(
            r"(?:\w+\s+)?(?:one|some|part) of\b|(?:a )?(?:possible|possibility|candidate|option)\b",
            predicate,
            re.I,
        ):
            return
        trims(a + last.end(), b, f"{rule}, behind “{last.group().strip()}”")
        quoted = _QUOTED_IN.match(predicate)
        if quoted:
            at = a + last.end()
            trims(at + quoted.start(1), at + quoted.end(1), f"{rule}, quoted")
        stated = _THAT.search(piece)
        if stated:
            trims(a + stated.end(), b, f"{rule}, behind “that”")
        contrast = _NOT_BUT.match(predicate)
        if contrast:
            trims(a + last.end() + contrast.end(), b, f"{rule}, behind “but”")
        passive = _PASSIVE.match(predicate)
        if passive:
            said = f"{last.group()}{passive.group()}".strip()
            trims(a + last.end() + passive.end(), b, f"{rule}, behind “{said}”")
        if first is last and _DESCRIBED.match(predicate) and not DENIAL.search(predicate):
            subject = piece[: last.start()]
            if 0 < len(subject.split()) <= 5 and not _POINTING.match(subject):
                trims(a, a + last.start(), f"{rule}, of which it is said")
        return
    if DENIAL.search(_unquoted(piece)) or UNDECIDED.search(piece):
        return
    did = _DID_IT.match(piece)
    if did:
        trims(a, a + did.end("who"), f"{rule}, of which it is said")
        return
    shown = fold(asked.input)
    fresh = [m for m in _QUOTED.finditer(piece) if f" {fold(m[1] or m[2])} " not in f" {shown} "]
    if len(fresh) == 1:
        trims(a + fresh[0].start() + 1, a + fresh[0].end() - 1, f"{rule}, quoted")


def _outside(pattern: re.Pattern[str], text: str, a: int, b: int) -> int | None:
    """Where a pattern first matches in ``text[a:b]`` outside of quotes and behind its head."""
    piece = text[a:b]
    quotes = [m.span() for m in _QUOTED.finditer(piece)]
    for match in pattern.finditer(piece):
        if (
            match.start() > 0
            and piece[: match.start()].strip(" \"'(")
            and not any(x <= match.start() < y for x, y in quotes)
        ):
            return a + match.start()
    return None


def _unquoted(text: str) -> str:
    return _QUOTED.sub(" ", text)
