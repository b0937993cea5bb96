r"""Spellings with one meaning, brought to one form before an answer is parsed.

Mark-up (colours, HTML), fractions by ``\over``, alignment environments, unit prefixes, dates of
repeating decimals, thousands separators by locale.
"""

from __future__ import annotations

import html
import re
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
_TEXT_MOD = re.compile(r"\\(?:text|mathrm|textrm)\s*\{\s*\(?\s*mod(?:ulo)?\s*\}")
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
_MINUTES = re.compile(r"(?<=\d)\s*\^\s*\{?\s*((?:\\prime\s*){1,2})\}?")
_TIMES = re.compile(r"(?<=[\d.])\s*[xX]\s*(?=10\s*(?:\^|\*\*))")
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


def spelled(text: str) -> str:
    r"""One spelling for mark-up, ``\over``, alignment, ordinals, minutes and micro units."""
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
    if "circ" in text:
        text = _MINUTES.sub(lambda m: "'" * m[1].count("prime"), text)
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
_NO_NOUN = re.compile(r"(?:of|or|and|to|in|times|more|less|than|plus|minus|by|is|are)\b")


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
    if "to" in text:
        if re.fullmatch(r"\d+(?:\.\d+)?(?:\s+to\s+\d+(?:\.\d+)?)+", text):
            found.append(re.sub(r"\s+to\s+", ":", text))
    return [item for item in dict.fromkeys(found) if item.strip() and item != text]
