r"""LaTeX commands and functions in an answer: fractions, roots, logarithms, sums, brackets."""

from __future__ import annotations

from heartloop.grading.maths.caps import TooLarge, Unreadable
from heartloop.grading.maths.cursor import CLOSING
from heartloop.grading.maths.latex import Parser
from heartloop.grading.maths.tokens import GREEK, INVERSE, tokenize
from heartloop.grading.maths.tree import INFINITY, MINUS_ONE, TEN, TWO, Node

_ACCENTS = {"vec", "overrightarrow", "overline", "bar", "hat", "widehat", "tilde", "dot", "ddot"}
_IGNORED = {"quad", "qquad", "rm", "bf", "it", "hline", "therefore", "because", "angle", "triangle"}
_SETS = {"R": "Reals", "Z": "Integers", "N": "Naturals", "Q": "Rationals", "C": "Complexes"}
_AROUND = {"|": ("abs", "|"), "lfloor": ("floor", "rfloor"), "lceil": ("ceil", "rceil")}


def parse(text: str) -> Node:
    """Parse cleaned text into an expression tree.

    Raises:
        Unreadable: it is no expression.
        TooLarge: a cap was reached.
    """
    parser = Parser(tokenize(text), command, function)
    try:
        tree = parser.sum()
    except RecursionError:
        # Functions of functions nest without any bracket that could be counted.
        raise TooLarge("nested too deeply") from None
    if parser.peek()[0] != "end":
        raise Unreadable(f"{parser.peek()[1]!r} is not understood")
    return tree


def command(parser: Parser, name: str) -> Node:
    """Parse what follows a LaTeX command.

    Raises:
        Unreadable: a command that is no part of an expression.
    """
    if name == "frac":
        top, bottom = parser.argument(), parser.argument()
        return parser.node("mul", top, parser.node("pow", bottom, MINUS_ONE))
    if name == "sqrt":
        return _root(parser)
    if name == "binom":
        return parser.node("fun", "binom", parser.argument(), parser.argument())
    if name == "infty":
        return INFINITY
    if name in _AROUND:
        meaning, closing = _AROUND[name]
        tree = parser.sum()
        parser.expect("cmd", closing)
        return parser.node("fun", meaning, tree)
    if name == "ldots":
        return parser.node("dots")
    if name in ("sum", "prod"):
        return _big(parser, name)
    if name in _ACCENTS:
        return parser.symbol(f"{name}({parser.raw_argument()})")
    if name in ("mathbb", "mathfrak", "mathscr"):
        return parser.symbol(parser.raw_argument())
    if name in _SETS:
        return parser.node("sym", _SETS[name])
    if name in GREEK:
        return parser.symbol(name)
    if name in _IGNORED:
        return parser.factor()
    if name in ("boxed", "fbox"):
        return parser.argument()
    raise Unreadable(f"\\{name} is not understood")


def _root(parser: Parser) -> Node:
    index = TWO
    if parser.take(("op", "[")):
        index = parser.sum()
        parser.expect("op", "]")
    if parser.peek() == ("op", "("):  # sqrt(2) in plain text: the bracket alone is under the root
        body = parser.atom()
    else:
        body = parser.argument(power=True)
    return parser.node("fun", "root", body, index)


def function(parser: Parser, name: str) -> Node:
    r"""Parse a function's index, exponent and argument: ``\sin^2 x``, ``\log_2(x)``."""
    if name == "sqrt":
        return _root(parser)
    index: Node | None = None
    power: Node | None = None
    while sign := parser.take(("op", "_"), ("op", "^")):
        if sign == "_":
            index = parser.argument()
        else:
            power = parser.argument(power=True)
    if name in ("max", "min") and parser.peek()[1] not in ("(", "{", "\\{"):
        raise Unreadable(f"{name} without arguments")
    arguments = _arguments(parser, name)
    if power == MINUS_ONE and name in INVERSE:
        name, power = INVERSE[name], None
    if name == "exp":
        tree = parser.node("pow", ("sym", "e"), arguments[0])
    elif name == "ln" or name == "log" and index is None:
        tree = parser.node("fun", "ln", arguments[0])
    elif name in ("log", "lg"):
        tree = parser.node("fun", "log", arguments[0], TEN if name == "lg" else index)
    else:
        tree = parser.node("fun", name, *arguments)
    return parser.node("pow", tree, power) if power is not None else tree


def _arguments(parser: Parser, name: str) -> list[Node]:
    """In brackets: all of them; without: the product up to the next sign or function."""
    if opening := parser.take(*(("op", bracket) for bracket in CLOSING)):
        return parser.arguments(CLOSING[opening])
    if parser.take(("cmd", "{")):  # \exp \{-5\}
        tree = parser.sum()
        parser.expect("cmd", "}")
        return [tree]
    if parser.peek() in (("op", "-"), ("op", "+")):
        return [parser.signed_factor()]
    factors: list[Node] = []
    while True:
        kind, value = parser.peek()
        if factors and (kind, value) == ("op", "/") and parser.peek(1)[0] == "num":
            parser.at += 1
            factors.append(parser.node("pow", parser.factor(), MINUS_ONE))
        elif _continues(parser, factors):
            factors.append(parser.factor())
        elif factors:
            return [parser.joined("mul", factors)]
        else:
            raise Unreadable(f"{name} without an argument")


def _continues(parser: Parser, factors: list[Node]) -> bool:
    """Whether the next token belongs to the argument that these factors begin."""
    kind, value = parser.peek()
    if kind == "op":  # sin x(…): the bracket is a further factor of the whole
        return value in ("(", "{") and factors[-1][0] != "sym" if factors else value == "|"
    if kind == "fun":
        return not factors
    return parser.starts_factor() and (kind, value) not in (("cmd", "sum"), ("cmd", "prod"))


def _big(parser: Parser, kind: str) -> Node:
    r"""``\sum_{k=a}^{b} body``; other forms are not read."""
    variable = ""
    low: Node | None = None
    high: Node | None = None
    while sign := parser.take(("op", "_"), ("op", "^")):
        if sign == "^":
            high = parser.argument()
            continue
        parser.expect("op", "{")
        token, variable = parser.step()
        if token != "sym" or not parser.take(("op", "=")):
            raise Unreadable("a sum over something else than a range")
        low = parser.sum()
        parser.expect("op", "}")
    body = parser.product()
    if low is None or high is None:
        raise Unreadable("a sum without bounds")
    return parser.node("big", kind, variable, low, high, body)
