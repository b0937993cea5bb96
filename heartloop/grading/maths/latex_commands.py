r"""LaTeX commands of the answer parser: fractions, roots, functions, sums, brackets."""

from __future__ import annotations

from fractions import Fraction

from heartloop.grading.maths.caps import TooLarge, Unreadable
from heartloop.grading.maths.latex import Parser
from heartloop.grading.maths.tokens import GREEK, INVERSE, tokenize
from heartloop.grading.maths.tree import MINUS_ONE, Node

_ACCENTS = {"vec", "overrightarrow", "overline", "bar", "hat", "widehat", "tilde", "dot", "ddot"}
_IGNORED = {"quad", "qquad", "rm", "bf", "it", "hline", "therefore", "because", "angle", "triangle"}
_SETS = {"R": "Reals", "Z": "Integers", "N": "Naturals", "Q": "Rationals", "C": "Complexes"}


class Reader(Parser):
    """The whole grammar: expressions with LaTeX's commands and functions."""

    def _command(self, value: str) -> Node:
        return command(self, value)

    def _function(self, name: str) -> Node:
        return function(self, name)


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
        return parser.node("inf")
    if name in ("lfloor", "lceil"):
        tree = parser.sum()
        parser.expect("cmd", "rfloor" if name == "lfloor" else "rceil")
        return parser.node("fun", "floor" if name == "lfloor" else "ceil", tree)
    if name == "|":
        tree = parser.sum()
        parser.expect("cmd", "|")
        return parser.node("fun", "abs", tree)
    if name == "ldots":
        return parser.node("dots")
    if name in ("sum", "prod", "int"):
        return _big(parser, name)
    if name in _ACCENTS:
        inner = parser._raw_argument()
        return parser._symbol(f"{name}({inner})")
    if name in ("mathbb", "mathfrak", "mathscr"):
        return parser._symbol(parser._raw_argument())
    if name in _SETS:
        return parser.node("sym", _SETS[name])
    if name in GREEK:
        return parser._symbol(name)
    if name in _IGNORED:
        return parser.factor()
    if name in ("boxed", "fbox"):
        return parser.argument()
    raise Unreadable(f"\\{name} is not understood")


def _root(parser: Parser) -> Node:
    index: Node = ("num", Fraction(2), None)
    if parser.peek() == ("op", "["):
        parser.at += 1
        index = parser.sum()
        parser.expect("op", "]")
    if parser.peek() == ("op", "("):  # sqrt(2) in plain text: the bracket alone is under the root
        body = parser.atom()
    else:
        body = parser.argument(power=parser.peek()[0] == "num")
    return parser.node("fun", "root", body, index)


def function(parser: Parser, name: str) -> Node:
    r"""Parse a function's index, exponent and argument: ``\sin^2 x``, ``\log_2(x)``."""
    if name == "sqrt":
        return _root(parser)
    index: Node | None = None
    power: Node | None = None
    for _ in range(2):
        if parser.peek() == ("op", "_"):
            parser.at += 1
            index = parser.argument(power=False)
        if parser.peek() == ("op", "^"):
            parser.at += 1
            power = parser.argument(power=True)
    if name in ("max", "min") and parser.peek()[1] not in ("(", "{", "\\{"):
        raise Unreadable(f"{name} without arguments")
    arguments = _arguments(parser, name)
    if power == MINUS_ONE and name in INVERSE:
        name, power = INVERSE[name], None
    if name == "exp":
        tree = parser.node("pow", ("sym", "e"), arguments[0])
    elif name == "lg":
        tree = parser.node("fun", "log", arguments[0], ("num", Fraction(10), None))
    elif name == "ln" or (name == "log" and index is None):
        tree = parser.node("fun", "ln", arguments[0])
    elif name == "log":
        assert index is not None
        tree = parser.node("fun", "log", arguments[0], index)
    else:
        tree = parser.node("fun", name, *arguments)
    return parser.node("pow", tree, power) if power is not None else tree


def _arguments(parser: Parser, name: str) -> list[Node]:
    """In brackets: all of them; without: the product up to the next sign or function."""
    if parser.peek() in (("op", "("), ("op", "["), ("op", "{")):
        opening = parser.peek()[1]
        closing = {"(": ")", "[": "]", "{": "}"}[opening]
        parser.at += 1
        arguments = [parser.sum()]
        while parser.take("op", ","):
            arguments.append(parser.sum())
        parser.expect("op", closing)
        if opening != "{" and len(arguments) == 1 and parser.peek() == ("op", "^"):
            # \cos(x)^2 is read as (cos x)^2 by postfix(); nothing to do here
            pass
        return arguments
    if parser.take("cmd", "{"):  # \\exp \\{-5\\}
        tree = parser.sum()
        parser.expect("cmd", "}")
        return [tree]
    factors = []
    if parser.peek() in (("op", "-"), ("op", "+")):
        return [parser.signed_factor()]
    while True:
        kind, value = parser.peek()
        if kind in ("num", "sym") or (
            kind == "cmd"
            and parser._starts_factor(kind, value)
            and value not in ("sum", "prod", "int")
        ):
            factors.append(parser.factor())
        elif kind == "op" and value in "([{" and factors and value != "[":
            if factors[-1][0] == "sym":  # sin x(…): the bracket is a further factor
                break
            factors.append(parser.factor())
        elif kind == "op" and value == "|" and not factors:
            factors.append(parser.factor())
        elif (
            (kind, value) in (("cmd", "cdot"), ("op", "/"))
            and factors
            and parser.peek(1)[0] == "num"
            and value == "/"
        ):
            parser.at += 1
            factors.append(parser.node("pow", parser.factor(), ("num", Fraction(-1), None)))
        elif kind == "fun" and not factors:
            factors.append(parser.factor())
        else:
            break
    if not factors:
        raise Unreadable(f"{name} without an argument")
    return [factors[0] if len(factors) == 1 else parser.node("mul", *factors)]


def _big(parser: Parser, kind: str) -> Node:
    r"""``\sum_{k=a}^{b} body``; other forms are not read."""
    low: Node | None = None
    high: Node | None = None
    variable = ""
    for _ in range(2):
        if parser.take("op", "_"):
            braces = parser.take("op", "{")
            if kind == "int":
                low = parser.sum() if braces else parser.argument()
            else:
                name, value = parser.peek()
                parser.at += 1
                if name != "sym" or not parser.take("op", "="):
                    raise Unreadable("a sum over something else than a range")
                variable = value
                low = parser.sum()
            if braces:
                parser.expect("op", "}")
        if parser.take("op", "^"):
            high = parser.argument()
    body = parser.product()
    if kind == "int":
        raise Unreadable("an integral")
    if low is None or high is None:
        raise Unreadable("a sum without bounds")
    return parser.node("big", kind, variable, low, high, body)


def parse(text: str) -> Node:
    """Parse cleaned text into an expression tree.

    Raises:
        Unreadable: it is no expression.
        TooLarge: a cap was reached.
    """
    try:
        return Reader(tokenize(text)).whole()
    except RecursionError:
        # Functions of functions nest without any bracket that could be counted.
        raise TooLarge("nested too deeply") from None
