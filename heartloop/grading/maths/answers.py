r"""What an answer may mean, by each sensible spelling of its numbers and units.

A reading is a tuple whose first entry says what it is: ``("expr", tree)``, ``("list", items)``,
``("tuple", open, close, items)``, ``("set", items)``, ``("builder", variable, condition)``,
``("union", parts)``, ``("inter", parts)``, ``("minus", a, b)``, ``("rel", sides, operators)``,
``("assign", name, value)``, ``("ratio", items)``, ``("matrix", rows)``, ``("reals",)``,
``("empty",)``, ``("time", seconds)``, ``("text", words)``: `structure` makes them.
"""

from __future__ import annotations

import re
from typing import Any

from heartloop.grading.maths.brackets import name_of, positions, split_top, unwrap
from heartloop.grading.maths.caps import MAX_LENGTH, TooLarge
from heartloop.grading.maths.clean import clean, strip_ends
from heartloop.grading.maths.quantities import compound, in_signs
from heartloop.grading.maths.spellings import grouped, variants
from heartloop.grading.maths.structure import read

Reading = tuple[Any, ...]

_THOUSANDS = re.compile(r"(?<![\d,.])(?!0)\d{1,3}(?:,\d{3})+(?![\d,])")
_SPACED = re.compile(r"(?<![\d.])\d{1,3}(?: \d{3})+(?![\d ])")


def readings(text: str, several: bool = False) -> list[Reading]:
    """All sensible readings of an answer, the most natural first.

    Args:
        text: an answer.
        several: it holds several answers, so that a comma separates them.

    Raises:
        TooLarge: a cap was reached.
    """
    if len(text) > MAX_LENGTH:
        raise TooLarge(f"longer than {MAX_LENGTH} characters")
    stripped = strip_ends(clean(in_signs(text)))
    if stripped.replace(" ", "") in ("{}", "\\{\\}"):
        return [("empty",)]
    cleaned = unwrap(stripped)
    if not cleaned:
        return []
    chain = _approximations(cleaned)
    if len(chain) > 1:
        return [("chain", [read(piece) for piece in chain])]
    if cleaned.lower() == "none":
        return [("empty",), read("0")]
    whole = compound(cleaned)
    if whole is not None:
        return [read(whole)]
    found: list[Reading] = []
    joined = cleaned if several else _THOUSANDS.sub(lambda m: m.group().replace(",", ""), cleaned)
    if joined != cleaned and not _inside_brackets(cleaned):
        found.append(read(joined))
    elif _SPACED.search(cleaned):
        spaced = _SPACED.sub(lambda m: m.group().replace(" ", ""), cleaned)
        found.append(read(spaced))
        found += _decimal_comma(spaced)
    groups = grouped(cleaned)
    if groups != cleaned and not several:
        found.append(read(groups))
    found.append(read(cleaned))
    if several and re.fullmatch(r"-?\d+(?:\.\d+)?(?:\s+-?\d+(?:\.\d+)?)+", cleaned):
        found.append(read(", ".join(cleaned.split())))
    if found[-1][0] == "list" and _derives(found[-1][1]):
        found.append(found[-1][1][-1])
    for variant in variants(cleaned):
        found.append(read(variant))
        found += _decimal_comma(variant)
    if not several:
        found += _decimal_comma(cleaned)
    dotted = re.fullmatch(r"([-+]?\d{1,3}(?:\.\d{3})+),(\d+)", cleaned)
    if dotted:
        found.append(read(dotted[1].replace(".", "") + "." + dotted[2]))
    return found


def _derives(items: list[Reading]) -> bool:
    """Whether a list is a derivation: equations, and the value of a name at its end."""
    return items[-1][0] == "assign" and all(
        item[0] == "rel" and item[2] == ["="] for item in items[:-1]
    )


def _decimal_comma(text: str) -> list[Reading]:
    """``3,65`` as a decimal; not where its decimals are all zero (``-3,0`` are two values)."""
    decimal = re.fullmatch(r"([-+]?\d+),(\d+)(.*)", text, re.S)
    if decimal is None or "," in decimal[3] or not decimal[2].strip("0"):
        return []
    return [read(f"{decimal[1]}.{decimal[2]}{decimal[3]}")]


_APPROX = re.compile(r"\\(?:approx|cong|sim)(?![a-zA-Z])")


def _approximations(text: str) -> list[str]:
    r"""The members of ``a \\approx b``; a name in front of the sign is part of an equation."""
    pieces, _ = split_top(text, _APPROX)
    pieces = [piece.strip() for piece in pieces]
    if len(pieces) < 2 or not all(pieces):
        return [text]
    if name_of(pieces[0]) is not None and pieces[0] not in ("\\pi", "e"):
        return [text]
    return pieces


def _inside_brackets(text: str) -> bool:
    match = _THOUSANDS.search(text)
    return match is not None and positions(text)[match.start()] > 0
