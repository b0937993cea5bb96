"""Bracket structure of an answer: depth, splitting outside of brackets, outer wrappers, names."""

from __future__ import annotations

import re

from heartloop.grading.maths.caps import MAX_NESTING, TooLarge
from heartloop.grading.maths.clean import strip_ends

_OPEN = "([{"
_CLOSE = ")]}"
_NAME = re.compile(
    r"^(?:\\(?:[a-zA-Z]+)|[A-Za-z])(?:\s*\{[^{}]*\})?(?:\s*_\s*(?:\{[^{}]*\}|"
    r"\\?[A-Za-z0-9*]+))?(?:\s*\^\s*\{?\s*(?:\*|\\ast|"
    r"')\s*\}?)?(?:\s*_\s*(?:\{[^{}]*\}|\\?[A-Za-z0-9*]+))?'*\s*$"
)
_FUNCTION_NAME = re.compile(
    r"^(?:\\[a-zA-Z]+|[A-Za-z])(?:_(?:\{[^{}]*\}|\w))?'*(?:\^\{?-1\}?)?\s*\(\s*([^()]*)\s*\)\s*$"
)
_ANGLE = re.compile(r"^(?:m?\s*\\(?:angle|triangle)|\|)\s*[A-Za-z_{}0-9 ]+\|?$")
_SEGMENT = re.compile(r"^[A-Z]{2,4}$|^\\(?:overline|overrightarrow|vec)\{?[A-Za-z]+\}?$")
_DELTA = re.compile(r"^\\(?:Delta|delta|angle|triangle)\s*\\?[A-Za-z]+(?:_\w|_\{[^{}]*\})?$")
_RATIO_NAME = re.compile(r"^[A-Za-z]\w*(?:_\{?\w+\}?)?(?::[A-Za-z]\w*(?:_\{?\w+\}?)?)+$")
_DIRECTION = re.compile(r"^S_\{?\\?[a-zA-Z]+|^[A-Z]_\{[^{}]*\}\([^()]*\)$")


def positions(text: str) -> list[int]:
    """Bracket depth at every character (brackets of any kind close one another)."""
    depths = []
    depth = 0
    i = 0
    while i < len(text):
        char = text[i]
        if char == "\\" and text.startswith(("\\{", "\\}"), i):
            depth = depth + 1 if text[i + 1] == "{" else max(0, depth - 1)
            depths += [depth if text[i + 1] == "{" else depth + 1] * 2
            i += 2
            continue
        if char == "\\" and text.startswith("\\begin{", i):
            depth += 1
        elif char == "\\" and text.startswith("\\end{", i):
            depth = max(0, depth - 1)
        if char in _OPEN:
            depth += 1
            if depth > MAX_NESTING:
                raise TooLarge(f"nested deeper than {MAX_NESTING}")
            depths.append(depth)
        elif char in _CLOSE:
            depths.append(depth)
            depth = max(0, depth - 1)
        else:
            depths.append(depth)
        i += 1
    return depths


def split_top(text: str, pattern: re.Pattern[str]) -> tuple[list[str], list[str]]:
    r"""Split at a pattern outside of brackets (and outside of ``\text{…}``).

    Returns:
        The pieces, and the separators between them.
    """
    depths = positions(text)
    pieces, separators = [], []
    start = 0
    for match in pattern.finditer(text):
        if match.start() < start or match.start() >= len(depths):
            continue
        if depths[match.start()] > 0:
            continue
        pieces.append(text[start : match.start()])
        separators.append(match.group())
        start = match.end()
    pieces.append(text[start:])
    return pieces, separators


def unwrap(text: str) -> str:
    r"""Without boxes and outer ``{…}``, ``\text{…}`` around the whole answer."""
    for _ in range(6):
        before = text
        text = strip_ends(text)
        for command in (
            "\\boxed",
            "\\fbox",
            "\\text",
            "\\mathrm",
            "\\ensuremath",
            "\\displaystyle",
            "",
        ):
            if text.startswith(command + "{"):
                at = len(command)
                if _closing(text, at) == len(text) - 1:
                    text = text[at + 1 : -1].strip()
                    break
        if text == before:
            return text
    return text


def _closing(text: str, at: int) -> int:
    depth = 0
    i = at
    while i < len(text):
        if text[i] == "\\":
            i += 2
            continue
        if text[i] == "{":
            depth += 1
        elif text[i] == "}":
            depth -= 1
            if depth == 0:
                return i
        i += 1
    return -1


def closes_at_end(text: str) -> bool:
    """Whether the bracket that opens a text is closed by its last character."""
    depth = 0
    i = 0
    while i < len(text):
        if text[i] == "\\" and text.startswith(("\\{", "\\}"), i):
            depth += 1 if text[i + 1] == "{" else -1
            i += 2
            continue
        if text[i] in _OPEN:
            depth += 1
        elif text[i] in _CLOSE:
            depth -= 1
            if depth == 0:
                return i == len(text) - 1
        i += 1
    return False


def name_of(text: str) -> str | None:
    r"""The name in an assignment: ``x``, ``a_n``, ``f(x)``, ``|AB|``; None where it is no name."""
    bare = re.sub(r"\\(?:text|mathrm)\s*\{([^{}]*)\}", r"\1", text).strip()
    if bare in ("e", "i", "\\pi", "\\infty"):
        return None
    if _NAME.match(bare) and not re.match(
        r"^\\(?:frac|sqrt|sum|prod|int|log|ln|sin|cos|tan|pi)\b", bare
    ):
        return re.sub(r"[\s{}]", "", bare)
    match = _FUNCTION_NAME.match(bare)
    if match and not re.match(r"^\\(?:sin|cos|tan|log|ln|sqrt|exp|arc\w+)\b", bare):
        arguments = match[1].replace(" ", "")
        if re.fullmatch(r"-?\d+(?:,-?\d+)*", arguments):
            return re.sub(r"[\s{}]", "", bare)  # P(3) = 5
        if re.fullmatch(
            r"(?:[A-Za-z](?:_\w)?|\\[a-z]+)(?:,(?:[A-Za-z](?:_\w)?|\\[a-z]+))*", arguments
        ):
            return re.sub(r"[\s{}]", "", bare)
        return None
    if re.fullmatch(r"\|\s*[a-z]\s*\|", bare):
        return None  # the absolute value of an unknown
    if _ANGLE.match(bare) or _SEGMENT.match(bare) or _DIRECTION.match(bare):
        return re.sub(r"[\s{}]", "", bare)
    if _DELTA.match(bare) or _RATIO_NAME.match(bare.replace(" ", "")):
        return re.sub(r"[\s{}]", "", bare)
    return None
