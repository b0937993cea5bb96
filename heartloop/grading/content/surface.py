"""A text without its clothes: marks, tags and LaTeX wrappers blanked, places kept."""

from __future__ import annotations

import json
import re
import unicodedata
from functools import lru_cache

from heartloop.grading.content.reading import SAME_SIGN
from heartloop.grading.phrases import without_own_words

_SAME = {key: value for key, value in SAME_SIGN.items() if len(value) == 1}
_SQUARED = {
    base + i: chr(65 + i) for base in (0x1F130, 0x1F150, 0x1F170) for i in range(26)
}  # letters in squares and discs
_INVISIBLE = {0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0xAD}


@lru_cache(maxsize=4096)
def _one(char: str) -> str:
    """One sign for each kind of sign; never a longer text, so that places stay."""
    code = ord(char)
    if code in _SQUARED:
        return _SQUARED[code]
    if code in _SAME:
        return _SAME[code]
    if code in _INVISIBLE:
        return " "
    normal = unicodedata.normalize("NFKC", char)
    return normal if len(normal) == 1 else char


def even(text: str) -> str:
    """The text with full-width signs, letters in discs, quotes and dashes as ASCII writes them."""
    if text.isascii():
        return text
    return "".join(map(_one, text))


_WRAPPER = re.compile(
    r"\\(?:text|mathrm|textbf|mathbf|textit|mathit|textrm|mathsf|texttt|mathtt|operatorname|boxed|"
    r"fbox|emph|underline|bf|rm|displaystyle|left|right|quad|qquad)\b\s*(?=\{|\s|\\|[^A-Za-z]|$)|"
    r"\\[()\[\],;:! ]|"
    r"</?(?:[A-Za-z][\w-]{1,20}|[a-z])(?:\s[^<>\n]{0,80})?/?>|\*{1,3}|`{1,3}(?:json|"
    r"text|python)?|"
    r"~~[^~\n]{1,200}~~|(?<!\\)\$|[{}]|"
    r"(?<!\w)_{1,3}(?=\w)|(?<=\w)_{1,3}(?!\w)|^[ \t]*(?:#{1,6}|>)(?=\s)",
    re.M,
)


def said_over_and_over(text: str) -> str:
    """A text that ends in the same words over and over, with four of the repeats instead of all.

    A model that fell into a loop fills its token limit with them; rules that look at every place
    of a text would take seconds. What is kept is a prefix that ends as the text does, so that every
    span in it is one of the text. Repeats of up to 200 characters, eight times or more, are found.
    """
    size = len(text)
    if size < 1000:
        return text
    for period in range(1, min(200, size // 8) + 1):
        if text[-7 * period :] == text[-8 * period : -period]:
            start = size - 8 * period
            while start and text[start - 1] == text[start - 1 + period]:
                start -= 1
            return text[: start + (size - start) % period + 4 * period]
    return text


def bare(text: str) -> str:
    """An even text whose markdown, tags and LaTeX wrappers are blanks; its length is the same.

    What is struck out is blank, too.
    """
    text = even(without_own_words(text))
    if not _DRESSED.search(text):
        return text
    return _WRAPPER.sub(lambda found: " " * len(found.group()), text)


_DRESSED = re.compile(r"[\\<*`${}_#>~]")

_END = re.compile(
    r"(?:(?<![\d.])[.](?=\s|$|[\"')])|(?<=\d)(?<!^\d)(?<!^\d\d)(?<!\n\d)(?<!\n\d\d)[.](?=\s+\D|"
    r"\s*$|[\"')])|\.{3}(?=\s+(?:no|wait|actually|hmm|sorry)\b)|[!?。！？](?=\s|$|[\"')]|\w))"
    r"(?!\s?[\"']\s+[a-z])|\n"  # the sentence goes on behind what it quotes
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|St|Prof|Jr|Sr|vs|etc|No|approx|e\.g|i\.e|[A-Z]))$"
)


def statements(text: str) -> list[tuple[int, int]]:
    """Where the statements of a bare text stand: its sentences and lines, blank ones left out."""
    found: list[tuple[int, int]] = []
    start = 0
    for stop in _END.finditer(text):
        if stop.group() == "." and _ABBREVIATION.search(
            text, max(0, stop.start() - 8), stop.start()
        ):
            continue
        if text[start : stop.start()].strip():
            found.append((start, stop.end()))
        start = stop.end()
    if text[start:].strip():
        found.append((start, len(text)))
    return found


def sentence_end(text: str, start: int) -> int:
    """Where the statement that begins at ``start`` ends, leading blank lines aside."""
    lead = re.compile(r"\s*").match(text, start)
    at = lead.end() if lead else start
    for stop in _END.finditer(text, at):
        if stop.group() == "." and _ABBREVIATION.search(
            text, max(at, stop.start() - 8), stop.start()
        ):
            continue
        return stop.start()
    return len(text)


_TAG = re.compile(
    r"<(?P<tag>(?:final[_-]?)?(?:answer|result|solution|choice|option|"
    r"output))>(?P<in>.{0,4000}?)</(?P=tag)>",
    re.I | re.S,
)
_KEYS = re.compile(
    r"(?:final_?|correct_?|best_?|your_?)?(?:answer|choice|option|label|letter|result|"
    r"solution|output|"
    r"prediction|selected|response)(?:_?(?:letter|choice|option|text|value))?",
    re.I,
)


def machine_fields(text: str) -> list[tuple[int, int, str]]:
    """What stands in answer tags and in answer fields of JSON objects: start, end, content."""
    found = []
    if "</" in text:
        found += [(m.start("in"), m.end("in"), m["in"]) for m in _TAG.finditer(text)]
    if "{" in text and ":" in text:
        found += _json_fields(text)
    return sorted(found)


_LOOSE_FIELD = re.compile(
    r"\{\s*['\"]?(?P<name>\w+)['\"]?\s*:\s*(?P<mark>['\"])(?P<said>[^'\"\n{}]+)(?P=mark)\s*[,}]"
)


def _json_fields(text: str) -> list[tuple[int, int, str]]:
    decoder = json.JSONDecoder()
    found = []
    at, tries = text.find("{"), 0
    while at >= 0 and tries < 50:
        tries += 1
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            loose = _LOOSE_FIELD.match(text, at)
            if loose and _KEYS.fullmatch(loose["name"]):
                found.append((*loose.span("said"), loose["said"]))
            at = text.find("{", at + 1)
            continue
        if isinstance(value, dict):
            for name, content in value.items():
                if _KEYS.fullmatch(str(name)) and content is not None:
                    said = content if isinstance(content, str) else json.dumps(content)
                    place = text.rfind(said, at, end)
                    place = place if place >= 0 else at
                    found.append((place, place + len(said), said))
                    break
        at = text.find("{", end)
    return found
