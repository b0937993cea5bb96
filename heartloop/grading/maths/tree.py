"""Expression trees: what they are made of, and walks over them.

A tree is a tuple whose first entry says what it is: ``("num", Fraction, places)`` (places: the
decimals it was written with, None for no decimal), ``("sym", name)``, ``("add", …)``,
``("mul", …)``, ``("pow", base, exponent)``, ``("fun", name, …)``, ``("call", name, …)`` (a function
that is not known), ``("pm", a, b)``, ``("mp", a, b)``, ``("pct", a)``, ``("deg", a)``,
``("unit", a, text)``, ``("base", digits, base)``, ``("inf",)``, ``("dots",)``,
``("big", kind, variable, low, high, body)`` (a sum or a product).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

from heartloop.grading.maths.caps import TooLarge

Node = tuple[Any, ...]
CONSTANTS = ("e", "i", "pi")


def num(value: Fraction | int) -> Node:
    """A number that was not written as a decimal."""
    return ("num", Fraction(value), None)


ZERO, ONE, TWO, TEN, MINUS_ONE = map(num, (0, 1, 2, 10, -1))
INFINITY: Node = ("inf",)


def negative(tree: Node) -> Node:
    """Minus a tree."""
    return ("mul", MINUS_ONE, tree)


def difference(first: Node, second: Node) -> Node:
    """One tree minus another."""
    return ("add", first, negative(second))


def children(tree: Node) -> Iterator[Node]:
    """The trees right below a node."""
    return (part for part in tree[1:] if isinstance(part, tuple))


def symbols(tree: Node) -> set[str]:
    """Free symbols of a tree, constants aside."""
    found: set[str] = set()
    bound: set[str] = set()
    stack = [tree]
    while stack:
        node = stack.pop()
        if node[0] == "sym":
            if node[1] not in CONSTANTS:
                found.add(node[1])
            continue
        if node[0] == "big":
            bound.add(node[2])
        stack.extend(children(node))
    return found - bound


def heads(tree: Node) -> set[str]:
    """Kinds of nodes, and names of functions, that occur in a tree."""
    found: set[str] = set()
    stack = [tree]
    while stack:
        node = stack.pop()
        found.add(node[0])
        if node[0] == "fun":
            found.add(node[1])
        stack.extend(children(node))
    return found


def substitute(tree: Node, values: Mapping[str, Node]) -> Node:
    """Replace symbols by trees."""
    if tree[0] == "sym":
        return values.get(tree[1], tree)
    return tuple(substitute(part, values) if isinstance(part, tuple) else part for part in tree)


def at(tree: Node, name: str, value: Fraction | int) -> Node:
    """A tree with a number for one of its symbols."""
    return substitute(tree, {name: num(value)})


def factors(tree: Node) -> list[Node]:
    """The factors of a product, products in it opened; anything else is its own only factor."""
    return [f for part in tree[1:] for f in factors(part)] if tree[0] == "mul" else [tree]


def expand_signs(tree: Node) -> list[Node]:
    """The values of a tree with ±: both signs, linked where ∓ occurs, else independent."""
    count = _count(tree, ("pm", "mp"))
    if count == 0:
        return [tree]
    if count > 4:
        raise TooLarge("too many ± signs")
    choices: Iterable[tuple[int, ...]] = itertools.product((1, -1), repeat=count)
    if _count(tree, ("mp",)):
        choices = [(1,) * count, (-1,) * count]
    return [_choose(tree, iter(choice)) for choice in choices]


def _count(tree: Node, kinds: tuple[str, ...]) -> int:
    return (tree[0] in kinds) + sum(_count(part, kinds) for part in children(tree))


def _choose(tree: Node, signs: Iterator[int]) -> Node:
    if tree[0] in ("pm", "mp"):
        left = _choose(tree[1], signs)
        sign = next(signs) * (1 if tree[0] == "pm" else -1)
        right = _choose(tree[2], signs)
        return ("add", left, right if sign > 0 else negative(right))
    return tuple(_choose(part, signs) if isinstance(part, tuple) else part for part in tree)
