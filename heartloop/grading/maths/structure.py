"""Reads the structure of an answer: lists, tuples, sets, intervals, relations, assignments, text.

The readings are described in `answers`, which decides what spelling an answer has first.
"""

from __future__ import annotations

import re
from typing import Any

from heartloop.grading.maths.brackets import closes_at_end, name_of, positions, split_top, unwrap
from heartloop.grading.maths.caps import TooLarge, Unreadable
from heartloop.grading.maths.latex_commands import parse
from heartloop.grading.maths.quantities import clock
from heartloop.grading.maths.remarks import (
    without_condition,
    without_explanation,
    without_label,
    without_lead,
    without_remark,
)
from heartloop.grading.maths.sets_in_words import set_in_words
from heartloop.grading.maths.tree import symbols
from heartloop.grading.maths.words import DOES_NOT_EXIST, fold_words, spoken_number

Reading = tuple[Any, ...]

_WEAK = re.compile(
    r";|\\text\{\s*,?\s*(?:or|OR)\s*,?\s*\}|(?<![a-zA-Z\\])or(?![a-zA-Z])|\\lor(?![a-zA-Z])"
)
_STRONG = re.compile(
    r",|\\text\{\s*,?\s*(?:and|und|y|et|&)\s*,?\s*\}|(?<![a-zA-Z\\])and(?![a-zA-Z])|"
    r"\\land(?![a-zA-Z])|\\q?quad(?![a-zA-Z])|\\\\(?![a-zA-Z])|\n|\\&"
)
_AND = re.compile(r"and|land")
_RELATION = re.compile(
    r"\\(?:le|ge|ne|in|notin|approx|equiv|sim|cong|to|subset|subseteq|iff)(?![a-zA-Z])|=|<|>"
)
_SET_OPERATION = re.compile(
    r"\\(cup|cap|setminus)(?![a-zA-Z])|(?<=[\])}])\s*U\s*(?=[\[({\\])|"
    r"(?:(?<=[})\]])|(?<=\\R)\s?)\s?(?:-|\\)\s*(?=\\\{)"
)
_MATRIX = re.compile(
    r"^\s?(?:\(|\[|\|)?\s?\\begin\{(?P<env>[pbB]?matrix|array|smallmatrix|"
    r"cases)\}(?:\{[^{}]*\})?(?P<body>.*)"
    r"\\end\{(?P=env)\}\s*(?:\)|\]|\|)?\s*(?P<transposed>\^\{?(?:T|\\top)\}?)?\s*$",
    re.S,
)


def read(text: str, depth: int = 0) -> Reading:
    """The most natural reading of cleaned text; text that is no mathematics is ``text``."""
    if depth > 12:
        raise TooLarge("lists nested too deeply")
    text = unwrap(text)
    if not text:
        return ("text", "")
    matrix = _matrix(text, depth)
    if matrix is not None:
        return matrix
    spoken = spoken_number(text)
    if spoken is not None:
        return ("expr", ("num", spoken, None))
    worded = set_in_words(text)
    if worded is not None and worded != text:
        return read(worded, depth + 1)
    text = without_remark(text)
    pieces, separators = split_top(text, _WEAK)
    if len([p for p in pieces if p.strip()]) > 1:
        items = [read(piece, depth + 1) for piece in pieces if piece.strip()]
        kind = "or" if any("or" in s.lower() for s in separators) else "list"
        return _joined(items, kind, text)
    pieces, separators = split_top(text, _STRONG)
    pieces = without_explanation(pieces)
    if len([p for p in pieces if p.strip(" .")]) > 1:
        items = [read(piece, depth + 1) for piece in pieces if piece.strip(" .")]
        return _joined(items, "and" if any(_AND.search(s) for s in separators) else "list", text)
    left = [piece for piece in pieces if piece.strip(" .")]
    return single((left[0] if left else text).strip().strip(",").strip(), depth)


def _joined(items: list[Reading], kind: str, text: str) -> Reading:
    if all(item[0] == "text" for item in items):
        words = fold_words(text)
        if len(words.split()) > 2 * len(items):  # a sentence with commas
            return ("text", words)
    relations = [item for item in items if is_condition(item)]
    if len(relations) == len(items):
        return ("inter" if kind == "and" else "union", items)
    if kind == "or" and any(is_condition(item) for item in items):
        return ("union", items)
    return ("list", items)


def is_condition(item: Reading) -> bool:
    """Whether a reading is an inequality or a membership."""
    if item[0] in ("union", "inter"):
        return all(is_condition(part) for part in item[1])
    return item[0] == "rel" and any(op in ("<", ">", "le", "ge", "ne", "in") for op in item[2])


def single(text: str, depth: int) -> Reading:
    """A piece without top-level commas."""
    text = without_remark(text, condition=True)
    if text in ("\\emptyset", "\\phi", "\\{\\}") or re.fullmatch(
        r"(?:the )?empty set|no (?:real )?solutions?|none", text, re.I
    ):
        return ("empty",)
    if text.startswith("\\{") and text.endswith("\\}") and min(positions(text)[:-2]) > 0:
        return _set(text[2:-2], depth)
    parts, operators = split_top(text, _SET_OPERATION)
    if len(parts) > 1 and all(part.strip() for part in parts):
        return _set_operation(parts, operators, depth)
    seconds = clock(text)
    if seconds is not None:
        return ("time", seconds)
    if DOES_NOT_EXIST.fullmatch(text):
        return ("text", "does not exist")
    if text == "\\R":
        return ("reals",)
    for reader in (_congruence, _relation, _bracketed, _ratio):
        found = reader(text, depth)
        if found is not None:
            return found
    return expression(text, depth)


def _set(inner: str, depth: int) -> Reading:
    for mark in ("|", ":", "\\colon"):
        at = _top_index(inner, mark)
        if at > 0:
            variable = inner[:at].strip()
            condition = read(inner[at + len(mark) :], depth + 1)
            if is_condition(condition) or condition[0] in ("assign", "rel"):
                domain = re.match(r"(.*?)\\in(?![a-zA-Z])(.*)", variable)
                return ("builder", (domain[1] if domain else variable).strip(), condition)
    content = read(inner, depth + 1)
    if content[0] == "list":
        return ("set", content[1])
    return ("set", [content])


def _top_index(text: str, mark: str) -> int:
    depths = positions(text)
    at = text.find(mark)
    while at >= 0:
        if depths[at] == 0:
            return at
        at = text.find(mark, at + 1)
    return -1


def _set_operation(parts: list[str], operators: list[str], depth: int) -> Reading:
    items = [read(part, depth + 1) for part in parts]
    result = items[0]
    # a leading "x \in" belongs to the whole union
    if result[0] == "rel" and result[2] and result[2][-1] == "in":
        sides = list(result[1])
        rest = _fold_sets([sides[-1], *items[1:]], operators)
        return ("rel", [*sides[:-1], rest], result[2])
    return _fold_sets(items, operators)


def _fold_sets(items: list[Reading], operators: list[str]) -> Reading:
    result = items[0]
    for operator, item in zip(operators, items[1:], strict=True):
        if "cup" in operator or "U" in operator:
            parts = [*result[1], item] if result[0] == "union" else [result, item]
            result = ("union", parts)
        elif "cap" in operator:
            result = ("inter", [result, item])
        else:
            result = ("minus", result, item)
    return result


_MODULO = re.compile(
    r"^(?:(?P<name>[^=]*?)\s*(?:=|\\equiv(?![a-zA-Z]))\s*)?(?P<value>[^=]+?)\s*,?\s*\(?\s*"
    r"(?:\\(?:pmod|bmod|mod|pod)(?![a-zA-Z])|\\(?:text|mathrm)\s*\{\s*mod(?:ulo)?\s*\}|"
    r"(?<![a-zA-Z])mod(?:ulo)?(?![a-zA-Z]))"
    r"\s*(?P<modulus>\{[^{}]*\}|[^{}()]+?)\s*\)?$"
)


def _congruence(text: str, depth: int) -> Reading | None:
    r"""``x \\equiv 3 \\pmod 7``: a residue and its modulus."""
    if "mod" not in text:
        return None
    match = _MODULO.match(text)
    if match is None:
        return None
    value = read(match["value"], depth + 1)
    modulus = read(match["modulus"], depth + 1)
    if value[0] != "expr" or modulus[0] != "expr":
        return None
    return ("cong", value[1], modulus[1])


def _relation(text: str, depth: int) -> Reading | None:
    pieces, operators = split_top(text, _RELATION)
    if len(pieces) < 2 or not any(piece.strip() for piece in pieces):
        return None
    names = [op.lstrip("\\").strip() for op in operators]
    if not pieces[0].strip():
        pieces, names = pieces[1:], names[1:]  # "= 5"
        if len(pieces) == 1:
            return single(pieces[0].strip(), depth + 1)
    if names[0] == "to" or "iff" in names:
        return read(pieces[-1], depth + 1)
    # what follows ≈ only repeats the value
    for i, name in enumerate(names):
        if name in ("approx", "sim", "cong") and (i > 0 or not name_of(pieces[0])):
            pieces, names = pieces[: i + 1], names[:i]
            break
    names = ["=" if name in ("approx", "sim", "cong") else name for name in names]
    if not names:
        return read(pieces[0], depth + 1)
    pieces = [without_label(pieces[0]), *pieces[1:]]
    if set(names) == {"="}:
        return _equation(pieces, depth)
    pieces[-1] = without_condition(pieces[-1])
    sides = [read(piece, depth + 1) if piece.strip() else ("text", "") for piece in pieces]
    if any(side == ("text", "") for side in sides):
        return None
    return ("rel", sides, names)


_TEXT = re.compile(r"\\(?:text|mathrm)\s*\{[^{}]*\}")


def _equation(pieces: list[str], depth: int) -> Reading | None:
    pieces = [piece for piece in pieces if piece.strip()]
    if not pieces:
        return None
    if len(pieces) == 1:
        return read(pieces[0], depth + 1)
    pieces[-1] = without_condition(pieces[-1])
    name = name_of(pieces[0])
    if name is not None:
        return ("assign", name, read(pieces[-1], depth + 1))
    if len(pieces) > 2:  # 1 + 1 = 2 = x, or a derivation that ends in its value
        return read(pieces[-1], depth + 1)
    last_name = name_of(pieces[-1])
    left = read(pieces[0], depth + 1)
    if left[0] == "tuple":
        right = read(pieces[1], depth + 1)
        if right[0] in ("tuple", "list"):
            return ("assign", pieces[0].strip(), right)
    if last_name is not None and left[0] == "expr":
        return ("assign", last_name, left)
    if left[0] == "text" and re.search(r"\d", left[1]):
        return ("text", fold_words(" = ".join(pieces)))  # "the maximum is 8 at x" = 5
    right = read(pieces[1], depth + 1)
    if left[0] == "text":
        if (
            len(left[1].split()) > 5
            or "\\" in _TEXT.sub("", pieces[0])
            or re.search(r"\d", left[1])
        ):
            return ("text", fold_words(" ".join(pieces)))
        return ("assign", str(left[1]), right)
    if left[0] == right[0] == "expr" and not symbols(left[1]) | symbols(right[1]):
        return right  # 1/2 + 1 = 3/2: a computation, its value stands last
    return ("rel", [left, right], ["="])


def _bracketed(text: str, depth: int) -> Reading | None:
    if len(text) < 2 or text[0] not in "([" or text[-1] not in ")]":
        if text.startswith(("\\langle",)) and text.endswith("\\rangle"):
            content = read(text[7:-7], depth + 1)
            return ("tuple", "(", ")", content[1]) if content[0] == "list" else None
        if len(text) > 2 and text[0] in "][" and text[-1] in "][" and "," in text:
            content = read(text[1:-1], depth + 1)  # ]0, 1[: the French way
            if content[0] == "list" and len(content[1]) == 2:
                opening = "[" if text[0] == "[" else "("
                closing = "]" if text[-1] == "]" else ")"
                return ("tuple", opening, closing, content[1])
        return None
    if not closes_at_end(text):
        return None
    inner = text[1:-1]
    if split_top(inner, _STRONG)[0][1:] or split_top(inner, re.compile(";"))[0][1:]:
        content = read(inner, depth + 1)
        items = content[1] if content[0] in ("list", "union", "inter") else [content]
        return ("tuple", text[0], text[-1], items)
    if text[0] == "(" and text[-1] == ")":
        content = read(inner, depth + 1)
        return content
    return None


def _ratio(text: str, depth: int) -> Reading | None:
    pieces, _ = split_top(text, re.compile(r":|\\colon(?![a-zA-Z])"))
    if len(pieces) < 2:
        return None
    items = [read(piece, depth + 1) for piece in pieces]
    if all(item[0] == "expr" for item in items):
        return ("ratio", items, re.sub(r"\s", "", text))
    if len(pieces) == 2 and items[0][0] == "text" and pieces[1].strip():
        return ("assign", str(items[0][1]), items[1])
    return None


def _matrix(text: str, depth: int) -> Reading | None:
    match = _MATRIX.match(text)
    if match is None:
        return None
    rows = []
    for line in re.split(r"\\\\(?![a-zA-Z])|\\cr(?![a-zA-Z])|\\\\(?=\\)", match["body"]):
        line = line.replace("\\hline", "").strip()
        if line:
            rows.append([read(cell, depth + 1) for cell in line.split("&")])
    if match["transposed"] and len({len(row) for row in rows}) == 1:
        rows = [list(column) for column in zip(*rows, strict=True)]
    return ("matrix", rows)


_CURRENCY = re.compile(r"^[€£¥₹]|[€£¥₹]$")


def expression(text: str, depth: int) -> Reading:
    """An expression where it parses, else a number in words, else text."""
    text = _CURRENCY.sub("", text).strip()
    for attempt in (text, without_lead(text), without_condition(text)):
        attempt = attempt.strip()
        if not attempt:
            continue
        if re.fullmatch(r"(?:\\text\{\s*)?\(?([A-Z])\)?\s*\}?", attempt):
            letter = re.sub(r"[^A-Z]", "", attempt.replace("\\text", ""))
            return ("expr", ("sym", letter))
        try:
            return ("expr", parse(attempt))
        except Unreadable:
            continue
    ordinal = re.fullmatch(
        r"(-?\d+)\s?(?:\^\s?)?\{?\s?(?:\\text\{\s?)?(?:st|nd|rd|th)\s?\}?\s?\}?"
        r"(?:\s?[a-zA-Z{}\\ ]*)",
        text,
    )
    if ordinal:
        return read(ordinal[1], depth + 1)
    return ("text", fold_words(text))
