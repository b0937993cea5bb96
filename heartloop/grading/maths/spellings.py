r"""Spellings with one meaning, brought to one form before an answer is parsed.

Mark-up (colours, HTML), fractions by ``\over``, alignment environments, unit prefixes, dates of
repeating decimals, thousands separators by locale.
"""

from __future__ import annotations

import html
import re
import unicodedata
from fractions import Fraction

from heartloop.grading.maths.words import spoken_number

_TAG = re.compile(
    r"</?(?:b|i|em|strong|span|u|p|div|code|mark|font|tt|small|big|center|a|s)(?:\s[^<>]*)?/?>",
    re.I,
)
_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{1,6});")
_COLOUR = re.compile(
    r"\\(?:textcolor|color|colorbox|fcolorbox|mathcolor)\s*(?:\[[^\]]*\])?\{[^{}]*\}|"
    r"\\color\s+[a-z]+\s"
)
_NICE = re.compile(r"\\(?:nicefrac|sfrac|xfrac|flatfrac|rfrac)(?![a-zA-Z])")
_OVER = re.compile(r"\\over(?![a-zA-Z])")
_ALIGNED = re.compile(
    r"\\begin\{(?P<env>aligned|align\*?|gathered|gather\*?|split|equation\*?|eqnarray\*?|"
    r"multline\*?)\}"
    r"(?P<body>.*?)\\end\{(?P=env)\}",
    re.S,
)
_SYSTEM = re.compile(r"\\begin\{cases\}(?P<body>[^&]*?)\\end\{cases\}", re.S)
_ARRAY_SYSTEM = re.compile(
    r"\\left\s*\\\{\s*\\begin\{array\}\s*\{[^{}]*\}(.*?)\\end\{array\}\s*\\right\s*\.", re.S
)
_TEXT_MOD = re.compile(r"(?:\(\s*)?\\(?:text|mathrm|textrm)\s*\{\s*\(?\s*mod(?:ulo)?\s*\}")
_TEXT_LABEL = re.compile(
    r"^\s*\$*\\(?:text|textbf|mathrm)\s*\{\s*(?:(?:the|final|correct)\s+)*(?:answer|result|"
    r"solution)\s*"
    r"(?:is|:|=)?\s*:?\s*\}\s*[:=]?",
    re.I,
)
_MICRO_SIGN = re.compile(r"(?<=[\d\s])[\u03bc\u00b5](?=[mgsAVFLHNJWCTK](?![A-Za-z]))")
_TEMPERATURE = re.compile(
    r"(?:\^\s*\{?\s*\\circ\s*\}?|\u00b0|\u00ba)\s*(?:\\(?:text|"
    r"mathrm)\s*\{\s*)?([CF])(?![A-Za-z])\s*\}?"
)
_TH = re.compile(
    r"(?<=\d)\s*\^\s*\{?\s*\\(?:text|mathrm|textrm|rm)\s*\{\s*(?:st|nd|rd|th)\s*\}\s*\}?"
)
_PRIMES = re.compile(r"\s*\^\s*(?:\{\s*((?:\\prime\s*){1,3})\}|(\\prime)(?![a-zA-Z]))")
_TIMES = re.compile(
    r"(?<=[\d.])\s*[xX]\s*(?=10\s*(?:\^|\*\*|[\u2070\u00b9\u00b2\u00b3\u2074-\u2079\u207b]))"
)
_MICRO = re.compile(
    r"(?<=[\d\s}])\\mu\s*(?:\\(?:text|mathrm)\s*\{\s*([mgsAVFLHNJWCTK])\s*\}|"
    r"([mgsAVFLHNJWCTK])(?![A-Za-z]))"
)
_REPEATED = re.compile(
    r"(?<!\d)(\d{0,40})\.(\d{0,40}?)(\d{1,6}?)\3*\s*(?:\\text\s*\{)?\s*(?:repeating|"
    r"recurring)\s*\}?",
    re.I,
)
_BRACKETED_CYCLE = re.compile(r"(?<![\d.])(\d{1,40})\.(\d{0,40})\((\d{1,20})\)(?!\s*[\d(^])")
_TEXT_AND = re.compile(r"\\text\s*\{([^{}]*?)\b(and|or)\b([^{}]*?)\}")
_MINUS_WORD = re.compile(r"\b(?:minus|negative)\s+(?=\d|\\?infin?ty\b|infinity\b)", re.I)
_OUT_OF = re.compile(r"(?<![\d.,])(\d{1,12})\s+out\s+of\s+(\d{1,12})(?![\d.,])", re.I)
_PER_CENT = re.compile(r"\bper\s+cent\b", re.I)
_DONE = re.compile(r"^[\s\u2713\u2714\u2705\u2611]+|[\s\u2713\u2714\u2705\u2611]+$")  # check marks
_STRAY_POINT = re.compile(r"(?<=\d)\.(?=\s*/)")


_ARABIC = {start + i: str(i) for start in (0x660, 0x6F0, 0x966) for i in range(10)}
"""Arabic, Persian and Devanagari digits."""
_STRUCK = re.compile(r"~~[^~\n]{1,200}~~")
_N_OVER = re.compile(r"(?<![\d.,])(\d{1,12})\s+over\s+(\d{1,12})(?![\d.,])", re.I)
_OHM = re.compile(
    r"(?<=\d)\s*(?:\\(?:text|mathrm)\s*\{\s*)?([mkMG])\s*\}?\s*(?:\\Omega(?![a-zA-Z])|[\u03a9\u2126])"
)
_BARRED = re.compile(r"(?:\d[\u0304\u0305])+")
_CALLED = re.compile(r"(?:np\.|sympy\.)?(?:[mM]atrix|array)\s*\(\s*(\[.*\])\s*\)", re.S)
_REALS_BUT = re.compile(r"(\u211d|\\mathbb\s*\{?\s*R\s*\}?|\bR)\s*\\\s*\\?\{([^{}\\]*)\\?\}")
_NOTE_ANSWER = re.compile(r"\\q?quad\s*\\text\s*\{\s*\(?\s*answer\s*\)?\s*\}", re.I)
"""``x = 17 \\quad \\text{(Answer)}``."""


_OLD = re.compile(r"(?<=\byears) old\b|(?<=\byear) old\b")
_PER = re.compile(r"(?<=\d) per (?=[a-z]{3,})(?!cent\b)")
_HALF_LINE = re.compile(r"(?:\\mathbb\s*\{?\s*R\s*\}?|\u211d)\s*[\^_]\s*\{?\s*([+-])\s*\}?")
"""The positive or the negative numbers."""
_DECIMAL_BRACE = re.compile(r"(?<=\d)\{,\}(?=\d{1,2}(?!\d)|\d{4,}(?!\d))")  # 2{,}72
_CONGRUENT = re.compile(r"\s+(?:is |are )?congruent to\s+(?=[^.]*\bmod)", re.I)
_UNIT_HYPHEN = re.compile(r"(?<=[a-z]{3})-(?=(?:met(?:er|re)|hour|second|pound)s?\b)")
_STACKED = re.compile(
    r"([\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+)\u2044([\u2080-\u2089]+)|"
    r"<sup>(\d+)</sup>\s*[/\u2044]\s*<sub>(\d+)</sub>"
)
_BRACES = re.compile(r"\{\{[-\d./, ]+\}(?:\s*,\s*\{[-\d./, ]+\})*\}")
_CONSTANT = re.compile(r"\+\s*(?:\\text\s*\{\s*)?const(?:ant|\.)?(?:\s*\})?\s*$", re.I)
_TEXT_E = re.compile(r"(?<=\d)\s*\\(?:text|mathrm)\s*\{\s*[eE]\s*\}\s*\{?\s*([-+]?\d+)\s*\}?")
_VECTOR = re.compile(r"\\vec\s*\{?\s*([ijk])(?![a-zA-Z])\s*\}?")


def _stacked(match: re.Match[str]) -> str:
    """A fraction of raised and lowered digits in plain ones."""
    above, below = match[1] or match[3], match[2] or match[4]
    return "/".join(
        "".join(str(unicodedata.digit(char)) for char in part) for part in (above, below)
    )


def spelled(text: str) -> str:
    r"""One spelling for mark-up, ``\over``, alignment, ordinals, minutes and micro units."""
    text = _N_OVER.sub(r"\1/\2", _STRUCK.sub("", text))
    text = _OHM.sub(r" \\text{ \1Omega}", text)
    text = _PER.sub("/", _OLD.sub("", text))
    half = _HALF_LINE.fullmatch(text.strip(" $"))
    text = {"+": "(0,\\infty)", "-": "(-\\infty,0)"}[half[1]] if half else text
    text = _DECIMAL_BRACE.sub(".", text)
    text = _CONGRUENT.sub(r" \\equiv ", text)
    text = _UNIT_HYPHEN.sub(" ", text)
    text = _STACKED.sub(_stacked, text)
    called = _CALLED.fullmatch(text.strip())
    text = called[1] if called else text
    if text.startswith("{{") and _BRACES.fullmatch(text.strip()):
        text = text.replace("{", "[").replace("}", "]")
    text = _CONSTANT.sub("+ C", text)
    if "\\" in text:
        text = _TEXT_E.sub(r"e\1", _VECTOR.sub(r"\\hat{\1}", text))
        text = _NOTE_ANSWER.sub("", _REALS_BUT.sub(r"\1 \\setminus \\{\2\\}", text))
    if "&" in text:
        text = _ENTITY.sub(lambda m: html.unescape(m.group()), text)
    if "<" in text:
        text = _TAG.sub("", text)
    text = _MICRO_SIGN.sub("u", text)
    text = _TEMPERATURE.sub(
        lambda m: r" \text{ celsius}" if m[1] == "C" else r" \text{ fahrenheit}", text
    )
    text = _TIMES.sub(r" \\times ", text)
    if not text.isascii():
        text = _BARRED.sub(lambda m: rf"\overline{{{m.group()[::2]}}}", text)
        text = text.translate(_ARABIC)
        text = _DONE.sub("", text).replace("\u27e8", "(").replace("\u27e9", ")")
    text = _MINUS_WORD.sub("-", text)
    text = _PER_CENT.sub("percent", text)
    text = _OUT_OF.sub(r"\1/\2", text)
    text = _STRAY_POINT.sub("", text)
    if "\\" not in text:
        return _cycles(text)
    text = _COLOUR.sub("", text)
    text = _NICE.sub(r"\\frac", text)
    for _ in range(8):
        match = _OVER.search(text)
        if match is None:
            break
        text = _divided(text, match.start(), match.end())
    text = _ARRAY_SYSTEM.sub(r"\\begin{cases}\1\\end{cases}", text)
    text = _TEXT_MOD.sub(r"(\\mod ", text)
    text = _TEXT_LABEL.sub("", text)
    text = _ALIGNED.sub(_lines, text)
    text = _SYSTEM.sub(_system, text)
    text = _TH.sub("", text)
    if "prime" in text:
        text = _PRIMES.sub(lambda m: "'" * m[0].count("prime"), text)
    text = _MICRO.sub(lambda m: rf" \text{{ u{m[1] or m[2]}}}", text)
    text = re.sub(r"\\langle(?![a-zA-Z])", "(", text)
    text = re.sub(r"\\rangle(?![a-zA-Z])", ")", text)
    text = _TEXT_AND.sub(_spread, text)
    return _cycles(text)


def _divided(text: str, start: int, end: int) -> str:
    r"""``{a \\over b}`` as a fraction: from the brace that is open to where it closes."""
    depth, left = 0, start
    while left > 0 and not (text[left - 1] == "{" and depth == 0):
        left -= 1
        depth += (text[left] == "}") - (text[left] == "{")
    depth, right = 0, end
    while right < len(text) and not (text[right] == "}" and depth == 0):
        depth += (text[right] == "{") - (text[right] == "}")
        right += 1
    fraction = rf"\frac{{{text[left:start]}}}{{{text[end:right]}}}"
    braced = left > 0 and right < len(text)
    return text[: left - braced] + fraction + text[right + braced :]


def _lines(match: re.Match[str]) -> str:
    """Aligned lines: one that begins with a relation goes on from the line before."""
    body = match["body"].replace("&", " ")
    lines = [line.strip() for line in re.split(r"\\\\(?:\[[^\]]*\])?", body) if line.strip()]
    joined = ""
    for line in lines:
        goes_on = re.match(r"=|<|>|\\(?:le|ge|approx|equiv|leq|geq)(?![a-zA-Z])", line)
        joined += (" " if goes_on or not joined else ", ") + line
    return joined


def _system(match: re.Match[str]) -> str:
    """A system of equations without conditions is the list of its lines."""
    lines = [line.strip() for line in re.split(r"\\\\", match["body"]) if line.strip()]
    if len(lines) > 1 and all(line.count("=") == 1 and "text" not in line for line in lines):
        return ", ".join(line.rstrip(",.") for line in lines)
    return match.group()


def _spread(match: re.Match[str]) -> str:
    parts = [rf"\text{{{part}}}" if part.strip(" ,") else "" for part in (match[1], match[3])]
    return rf"{parts[0]} \text{{ {match[2]} }} {parts[1]}"


def _cycles(text: str) -> str:
    """Repeating decimals by a bracket or by the word, as fractions."""
    if "." not in text:
        return text
    if "epeating" in text or "ecurring" in text:
        text = _REPEATED.sub(_cycle, text)
    return text


def _cycle(match: re.Match[str]) -> str:
    whole, fixed, cycle = match[1] or "0", match[2], match[3]
    top = int(whole + fixed + cycle) - int(whole + fixed)
    return rf"\frac{{{top}}}{{{(10 ** len(cycle) - 1) * 10 ** len(fixed)}}}"


# --- further readings -------------------------------------------------------------------

_POINTS = re.compile(r"(?<![\d.,])\d{1,3}(?:\.\d{3}){2,}(?![\d.,])")
_MARKS = re.compile(r"(?<![\w.,'])\d{1,3}(?:(?:'\d{3})+|(?:_\d{3})+)(?![\w'])")
_INDIAN = re.compile(r"(?<![\d.,])\d{1,2}(?:,\d{2})+,\d{3}(?![\d,])")
_SCIENTIFIC = re.compile(r"(?<![A-Za-z\d.])(\d+(?:\.\d*)?|\.\d+)\s?[eE]([-+]?\d{1,4})(?![\d.]*\w)")
_MIXED = re.compile(r"(?<![\d.,/])(\d+)\s+and\s+(\d+)\s*/\s*(\d+)(?![\d.])|(\d+)\s+and\s+(\\frac)")
_RUN = re.compile(r"(?<=[\d}\s)])(?<![A-Za-z\\])[A-Za-z]{2,3}(?![A-Za-z])")


_LONG = re.compile(r"(?<![A-Za-z\\])[A-Za-z]{4,}")


def grouped(text: str) -> str:
    """Numbers whose groups only a thousands separator can make: 1.234.567, 1'234, 12,34,567."""
    for pattern in (_POINTS, _MARKS, _INDIAN):
        text = pattern.sub(lambda m: re.sub(r"\D", "", m.group()), text)
    return text


_SHARE = re.compile(r"(?P<part>[\w-]+)\s+(?:in|out of)\s+(?:every\s+)?(?P<of>[\w-]+)")
_ROWS = re.compile(r"\[\s*[-\d./]+(?:\s+[-\d./]+)*(?:\s*;\s*[-\d./]+(?:\s+[-\d./]+)*)+\s*\]")
_TRANSPOSED = re.compile(r"(?<=[\])])\s*\^\s*\{?\s*(?:T|\\top)\s*\}?$")
_ANGLES = re.compile(r"<[^<>=]*,[^<>=]*>")
_SHORT_SCALE = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(k|K|M|mn|bn|B)")
_SHORT_SCALES = {
    **dict.fromkeys("kK", "10^{3}"), **dict.fromkeys(("M", "mn"), "10^{6}"),
    **dict.fromkeys(("B", "bn"), "10^{9}"),
}  # fmt: skip
"""10k, 1.5M: right behind the digits."""
_RESIDUES = re.compile(
    r"(?P<name>[a-zA-Z]\s*(?:\\equiv|=)\s*)?"
    r"(?P<list>\\pm\s*\d+|-?\d+(?:\s*(?:,\s*(?:or|and)?|or|and|\\text\{\s*(?:or|and)\s*\})\s*-?\d+)+)\s*"
    r"(?P<mod>\(?\s*\\[pb]?mod(?![a-zA-Z]).*)"
)
_REMAINDER = re.compile(r"\bremainder (?:of )?(\d+) (?:when|if|on|upon) divi\w+ by (\d+)\W*$")
_NO_NOUN = re.compile(
    r"(?:hundred|thousand|[mbt]r?illion|dozen|half|of|or|and|to|in|times|more|less|than|plus|minus|by|is|are)\b"
)


def _whole(text: str) -> int | None:
    """A whole number in digits or words."""
    value = Fraction(text) if text.isdecimal() and len(text) < 13 else spoken_number(text)
    return int(value) if value is not None and value.denominator == 1 and value > 0 else None


def _worded_quantity(text: str) -> list[str]:
    """“Ninety degrees”, “five apples” and “eight (8)” with their numbers in digits."""
    if not text[:1].isalpha() or "\\" in text or len(text) > 80:
        return []
    twice = re.fullmatch(r"([a-zA-Z\s-]+)\((\d+)\)", text)
    if twice and spoken_number(twice[1]) == int(twice[2]):
        return [twice[2]]
    words = text.split()
    for count in range(min(len(words) - 1, 8), 0, -1):
        value = spoken_number(" ".join(words[:count]))
        rest = " ".join(words[count:])
        if value is not None and re.fullmatch(r"[a-z]+(?: [a-z]+){0,2}", rest, re.I):
            return [] if _NO_NOUN.match(rest) else [f"{value} {rest}"]
    return []


def variants(text: str) -> list[str]:
    """Other texts that a cleaned answer may stand for, each with its own notation decided."""
    found = []
    if "e" in text or "E" in text:
        found.append(_SCIENTIFIC.sub(lambda m: rf"{m[1]} \times 10^{{{int(m[2])}}}", text))
    if "and" in text:
        found.append(
            _MIXED.sub(lambda m: f"{m[1]} {m[2]}/{m[3]}" if m[1] else f"{m[4]} {m[5]}", text)
        )
    if "(" in text and "." in text:
        found.append(_BRACKETED_CYCLE.sub(_cycle, text))
    if (
        _RUN.search(text)
        and not _LONG.search(text)
        and "\\text" not in text
        and "\\mathrm" not in text
    ):
        found.append(_RUN.sub(lambda m: " ".join(m.group()), text))  # "5ms" as a product
    found.append(re.sub(r"^[^\W\d_][^\W\d_ ]{1,20}\s?:\s?(?=[-+.\d])", "", text))
    if " in " in text or " out of " in text:
        share = _SHARE.fullmatch(text)
        parts = [_whole(share[name]) for name in ("part", "of")] if share else [None]
        if None not in parts:
            found.append("/".join(map(str, parts)))  # 1 in 3
    found += _worded_quantity(text)
    if text[:1] == "[" and _ROWS.fullmatch(text):
        rows = " \\\\ ".join(" & ".join(row.split()) for row in text[1:-1].split(";"))
        found.append(rf"\begin{{pmatrix}} {rows} \end{{pmatrix}}")
    if text[-1:] in "T}p" and _TRANSPOSED.search(text):
        found.append(_TRANSPOSED.sub("", text))  # [3, -1]^T
    if text[:1] == "<" and _ANGLES.fullmatch(text):
        found.append(f"({text[1:-1]})")
    short = _SHORT_SCALE.fullmatch(text)
    if short:
        found.append(rf"{short[1]} \times {_SHORT_SCALES[short[2]]}")
    if "mod" in text:
        residues = _RESIDUES.fullmatch(text)
        if residues:
            name = residues["name"] or ""
            listed = re.sub(r"\\pm\s*(\d+)", r"\1, -\1", residues["list"])
            numbers = re.findall(r"-?\d+", listed)
            found.append(", ".join(f"{name}{number} {residues['mod']}" for number in numbers))
    remainder = _REMAINDER.search(text) if "remainder" in text else None
    if remainder:
        found.append(rf"{remainder[1]} \pmod {{{remainder[2]}}}")
    if " to " in text:
        sides = [spoken_number(side) for side in text.split(" to ")]
        if None not in sides:
            found.append(":".join(map(str, sides)))  # four to seven
    if "to" in text:
        if re.fullmatch(r"\d+(?:\.\d+)?(?:\s+to\s+\d+(?:\.\d+)?)+", text):
            found.append(re.sub(r"\s+to\s+", ":", text))
    return [item for item in dict.fromkeys(found) if item.strip() and item != text]
