r"""A small parser for mathematical answers: LaTeX or plain text → an expression tree.

The tree is made of tuples: ``("num", Fraction, places)``, ``("sym", name)``, ``("add", …)``,
``("mul", …)``, ``("pow", base, exponent)``, ``("fun", name, …)``, ``("call", name, …)`` (an unknown
function), ``("pm", a, b)``, ``("pct", a)``, ``("deg", a)``, ``("unit", a, text)``,
``("base", digits, base)``, ``("inf",)``, ``("dots",)``, ``("big", kind, variable, low, high, …)``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from heartloop.grading.maths.caps import MAX_NESTING, MAX_NODES, TooLarge, Unreadable
from heartloop.grading.maths.tokens import CALLED
from heartloop.grading.maths.tree import MINUS_ONE, TEN, ZERO, Node
from heartloop.grading.maths.units import known

_DENIALS = {"not", "wrong", "incorrect", "never", "isn't"}
_UNFINISHED = {"of", "the", "is", "are", "a", "an", "to", "than"}


class Parser:
    """Recursive descent over tokens; see the module for the tree it builds.

    The grammar without LaTeX's commands and functions: `latex_commands.Reader` adds them.
    """

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.nodes = 0

    # --- helpers -----------------------------------------------------------------------

    def peek(self, offset: int = 0) -> tuple[str, str]:
        """The token at the cursor, or ``("end", "")``."""
        i = self.at + offset
        return self.tokens[i] if i < len(self.tokens) else ("end", "")

    def take(self, kind: str, value: str) -> bool:
        """Step over a token if it is the next one."""
        if self.peek() == (kind, value):
            self.at += 1
            return True
        return False

    def expect(self, kind: str, value: str) -> None:
        """Step over a token that must come next."""
        if not self.take(kind, value):
            raise Unreadable(f"{value!r} expected")

    def node(self, *parts: Any) -> Node:
        """Make a node and count it."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise TooLarge("too many terms")
        return parts

    def enter(self) -> None:
        """Go one level deeper."""
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise TooLarge(f"nested deeper than {MAX_NESTING}")

    def leave(self) -> None:
        """Come back one level."""
        self.depth -= 1

    # --- grammar -----------------------------------------------------------------------

    def whole(self) -> Node:
        """Parse everything."""
        tree = self.sum()
        if self.at < len(self.tokens):
            raise Unreadable(f"{self.peek()[1]!r} is not understood")
        return tree

    def sum(self) -> Node:
        """Terms joined by signs."""
        self.enter()
        terms: list[Node] = []
        sign: str | None = None
        if self.peek()[0] in ("op", "cmd") and self.peek()[1] in ("+", "-", "pm", "mp"):
            sign = self.tokens[self.at][1]
            self.at += 1
        tree = self._signed(sign, self.product())
        while self.peek() in (("op", "+"), ("op", "-"), ("cmd", "pm"), ("cmd", "mp")):
            sign = self.tokens[self.at][1]
            self.at += 1
            double = None
            if self.peek() in (("op", "+"), ("op", "-")):  # "3 + -2"
                double = self.tokens[self.at][1]
                self.at += 1
            right = self.product()
            if double == "-":
                right = self.node("mul", MINUS_ONE, right)
            if sign in ("pm", "mp"):
                tree = self.node(sign, tree, right)
            else:
                terms = [tree] if not terms else terms
                terms.append(self._signed(sign, right))
                tree = self.node("add", *terms) if len(terms) == 2 else ("add", *terms)
            if sign in ("pm", "mp"):
                terms = []
        self.leave()
        return tree

    def _signed(self, sign: str | None, tree: Node) -> Node:
        if sign == "-":
            if tree[0] == "num":
                return self.node("num", -tree[1], tree[2])
            return self.node("mul", MINUS_ONE, tree)
        if sign in ("pm", "mp"):
            return self.node(sign, ZERO, tree)
        return tree

    def product(self) -> Node:
        """Factors, written with or without a sign between them."""
        factors = [self.factor()]
        while True:
            kind, value = self.peek()
            if (kind, value) in (("op", "*"), ("cmd", "times"), ("cmd", "cdot"), ("cmd", "ast")):
                self.at += 1
                if self.take("op", "*"):  # x**2
                    base = factors.pop()
                    factors.append(self.node("pow", base, self.signed_factor()))
                else:
                    factors.append(self.signed_factor())
            elif (kind, value) == ("op", "/") and self.peek(1)[0] == "text":
                self._annotation(factors)  # 15/hour
            elif (kind, value) in (("op", "/"), ("cmd", "div"), ("op", ":")):
                self.at += 1
                below = self.signed_factor()
                if below[0] == "pct" and below[1][0] == "num":  # 8/3% are eight thirds of a percent
                    over = self.node("pow", below[1], MINUS_ONE)
                    factors = [self.node("pct", self.node("mul", *factors, over))]
                else:
                    factors.append(self.node("pow", below, MINUS_ONE))
            elif (kind, value) in (("cmd", "bmod"), ("cmd", "mod"), ("cmd", "pmod")):
                raise Unreadable("a congruence")
            elif kind == "text":
                self._annotation(factors)
            elif self._starts_factor(kind, value):
                factors.append(self.factor())
            else:
                break
        return factors[0] if len(factors) == 1 else self.node("mul", *factors)

    def _annotation(self, factors: list[Node]) -> None:
        """Words behind a quantity, as one unit: ``kg m/s^2``, ``per hour``, ``apples``."""
        words: list[str] = []
        while True:
            kind, value = self.peek()
            if kind == "text" or words and self._unit_letter(0):
                words.append(value.strip())
                self.at += 1
            elif (kind, value) in (("op", "/"), ("cmd", "cdot"), ("op", "*"), ("cmd", "times")):
                if self.peek(1)[0] != "text" and not self._unit_letter(1):
                    break
                words.append("/" if value == "/" else "*")
                self.at += 1
            elif (kind, value) == ("op", "^") and words:
                start = self.at
                self.at += 1
                power = self.argument(power=True)
                if power[0] == "mul" and power[1] == MINUS_ONE and power[2][0] == "num":
                    power = ("num", -power[2][1], None)
                if power[0] != "num" or power[1].denominator != 1:
                    self.at = start
                    break
                words[-1] += f"^{power[1]}"
            else:
                break
        said = " ".join(words).lower().split()
        if said[-1:] and said[-1] in _UNFINISHED or _DENIALS & set(said):
            raise Unreadable("words")  # "9 is wrong", "9 is the number of"
        factors[-1:] = [self.node("unit", factors[-1], " ".join(words))]

    def _unit_letter(self, offset: int) -> bool:
        kind, value = self.peek(offset)
        return kind in ("sym", "cmd") and (len(value) == 1 or value == "Omega") and known(value)

    def _starts_factor(self, kind: str, value: str) -> bool:
        if kind in ("num", "sym", "fun"):
            return True
        if kind == "op":
            return value in "([{"  # a bar may close an absolute value: handled in atom()
        if kind == "cmd":
            return value not in _CLOSERS
        return False

    def signed_factor(self) -> Node:
        """A factor with a sign of its own."""
        sign = None
        if self.peek() in (("op", "-"), ("op", "+"), ("cmd", "pm")):
            sign = self.tokens[self.at][1]
            self.at += 1
        return self._signed(sign, self.factor())

    def factor(self) -> Node:
        """An atom with what follows it."""
        self.enter()
        tree = self.atom()
        tree = self.postfix(tree)
        self.leave()
        return tree

    def postfix(self, tree: Node) -> Node:
        """Powers, factorials, percent, degrees and primes behind an atom."""
        while True:
            kind, value = self.peek()
            if (kind, value) == ("op", "^"):
                self.at += 1
                if self._degree_mark():
                    tree = self._degrees(tree)
                elif self.peek()[0] == "text" or self._is_text_group():
                    word = self._text_group()
                    if word in ("th", "st", "nd", "rd"):
                        continue
                    if word in ("o", "circ"):
                        tree = self._degrees(tree)
                        continue
                    raise Unreadable(f"exponent {word!r}")
                elif self._primes():
                    tree = self.node("fun", "prime", tree)
                else:
                    tree = self._raised(tree, self.argument(power=True))
            elif (kind, value) == ("op", "!"):
                self.at += 1
                if self.take("op", "!"):
                    tree = self.node("fun", "factorial2", tree)
                else:
                    tree = self.node("fun", "factorial", tree)
            elif (kind, value) == ("op", "%"):
                self.at += 1
                tree = self.node("pct", tree)
            elif (kind, value) == ("op", "'"):
                self.at += 1
                tree = self.node("fun", "prime", tree)
            elif (kind, value) == ("op", "_") and tree[0] == "pow" and tree[1][0] == "sym":
                # v^2_0 is the square of v_0
                tree = self.node("pow", ("sym", self._subscripted(tree[1][1])), tree[2])
            elif (kind, value) == ("op", "_"):
                raise Unreadable("a subscript")
            else:
                return tree

    def _raised(self, tree: Node, power: Node) -> Node:
        """A power; ``C_5^2`` is the number of choices of 2 out of 5."""
        if tree[0] == "sym" and tree[1][:2] == "C_" and tree[1][2:].isdigit() and _is_whole(power):
            if 0 <= power[1] <= int(tree[1][2:]) <= 1000:
                top = ("num", Fraction(int(tree[1][2:])), None)
                return self.node("fun", "binom", top, power)
        return self.node("pow", tree, power)

    def _degree_mark(self) -> bool:
        if self.take("cmd", "circ"):
            return True
        if (
            self.peek() == ("op", "{")
            and self.peek(1) == ("cmd", "circ")
            and self.peek(2)[1] == "}"
        ):
            self.at += 3
            return True
        return False

    def _degrees(self, tree: Node) -> Node:
        """Degrees, with minutes and seconds where they follow: 60°42'."""
        for share in (60, 3600):
            if self.peek()[0] == "num" and self.peek(1) == ("op", "'"):
                value = Fraction(self.peek()[1]) / share
                self.at += 2
                if share == 3600:
                    self.take("op", "'")
                tree = self.node("add", tree, ("num", value, None))
            else:
                break
        return self.node("deg", tree)

    def _is_text_group(self) -> bool:
        return (
            self.peek() == ("op", "{") and self.peek(1)[0] == "text" and self.peek(2) == ("op", "}")
        )

    def _text_group(self) -> str:
        if self.peek() == ("op", "{"):
            word = self.peek(1)[1]
            self.at += 3
        else:
            word = self.peek()[1]
            self.at += 1
        return word.strip()

    def _primes(self) -> bool:
        start = self.at
        braces = self.take("op", "{")
        count = 0
        while self.take("cmd", "prime"):
            count += 1
        if count and (not braces or self.take("op", "}")):
            return True
        self.at = start
        return False

    def argument(self, power: bool = False) -> Node:
        r"""One LaTeX argument: a group, or a single token (``\frac12``, ``x^2``)."""
        if self.peek() == ("op", "{"):
            self.at += 1
            tree = self.sum()
            self.expect("op", "}")
            return tree
        kind, value = self.peek()
        if kind == "num":
            # \frac94 is 9/4, x^23 in plain text is x to the 23
            if not power and len(value) > 1 and "." not in value:
                self.tokens[self.at : self.at + 1] = [("num", digit) for digit in value]
                value = value[0]
            self.at += 1
            return self.number(value)
        if (kind, value) in (("op", "-"), ("op", "+")):
            return self.signed_factor()
        if power and (kind, value) == ("op", "("):
            return self.atom()
        return self.atom()

    def number(self, value: str) -> Node:
        """A number node with the decimals it was written with."""
        places = len(value.split(".")[1]) if "." in value else None
        return self.node("num", Fraction(value), places)

    def atom(self) -> Node:
        """The smallest whole thing."""
        kind, value = self.peek()
        if kind == "end":
            raise Unreadable("something is missing")
        self.at += 1
        if kind == "num":
            return self._number_atom(value)
        if kind == "sym":
            return self._symbol(value)
        if kind == "fun":
            return self._function(value)
        if kind == "text":
            if self.peek() == ("op", "_"):  # \text{Area}_{ABC}: a name
                return self._symbol(value.strip())
            raise Unreadable("words")
        if kind == "op":
            return self._bracket(value)
        return self._command(value)

    def _number_atom(self, value: str) -> Node:
        if self.peek() == ("op", "_"):  # a number in another base
            self.at += 1
            base = self.argument()
            if base[0] == "num" and base[1].denominator == 1 and 2 <= base[1] <= 36:
                return self.node("base", value, int(base[1]))
            raise Unreadable("a subscript on a number")
        whole = self.number(value)
        if "." not in value and self.peek() == ("cmd", "frac"):  # a mixed number
            start = self.at
            self.at += 1
            top, bottom = self.argument(), self.argument()
            if _is_whole(top) and _is_whole(bottom) and 0 < top[1] < bottom[1]:
                return self.node("num", whole[1] + top[1] / bottom[1], None)
            self.at = start
        elif (
            "." not in value
            and self.peek()[0] == "num"
            and self.peek(1) == ("op", "/")
            and self.peek(2)[0] == "num"
            and all("." not in self.peek(i)[1] for i in (0, 2))
        ):
            top_n, bottom_n = int(self.peek()[1]), int(self.peek(2)[1])
            if 0 < top_n < bottom_n:
                self.at += 3
                return self.node("num", whole[1] + Fraction(top_n, bottom_n), None)
        if self.peek()[0] == "num":
            raise Unreadable("two numbers side by side")
        exponent = self._e_notation()
        if exponent is not None:
            return self.node("mul", whole, ("pow", TEN, ("num", Fraction(exponent), None)))
        return whole

    def _e_notation(self) -> int | None:
        """``1.5e-3`` and ``2E5``: an e right behind a number and before a whole number."""
        if self.peek() not in (("sym", "e"), ("sym", "E")):
            return None
        offset, sign = 1, 1
        if self.peek(1) in (("op", "-"), ("op", "+")):
            sign = -1 if self.peek(1)[1] == "-" else 1
            offset = 2
        elif self.peek()[1] == "e" and self.peek(1)[0] != "num":
            return None
        kind, value = self.peek(offset)
        if kind != "num" or "." in value or len(value) > 4:
            return None
        if sign == 1 and offset == 2 and self.peek()[1] == "e":
            return None  # "2e+1" is 2·e + 1 in an answer
        if sign == -1 and self.peek()[1] == "e" and len(value) < 2:
            # "3e-2" is 3·e − 2 more often than 0.03 in exact answers
            return None
        self.at += offset + 1
        return sign * int(value)

    def _symbol(self, name: str) -> Node:
        name = self._subscripted(name)
        while self.peek() == ("op", "'"):
            self.at += 1
            name += "'"
        if name.rstrip("'") in CALLED and self.peek() == ("op", "("):
            return self._call(name)
        return self.node("sym", name)

    def _call(self, name: str) -> Node:
        self.expect("op", "(")
        arguments = [self.sum()]
        while self.take("op", ","):
            arguments.append(self.sum())
        self.expect("op", ")")
        return self.node("call", name, *arguments)

    def _subscripted(self, name: str) -> str:
        while self.peek() == ("op", "_"):
            self.at += 1
            name += "_" + self._raw_argument()
        return name

    def _raw_argument(self) -> str:
        """A subscript or index as text: its tokens without braces and spaces."""
        if self.peek() != ("op", "{"):
            kind, value = self.peek()
            if kind == "end":
                raise Unreadable("a subscript is missing")
            self.at += 1
            return value.strip()
        depth = 0
        parts: list[str] = []
        while True:
            kind, value = self.peek()
            if kind == "end":
                raise Unreadable("a brace is missing")
            self.at += 1
            if (kind, value) == ("op", "{"):
                depth += 1
            elif (kind, value) == ("op", "}"):
                depth -= 1
                if depth == 0:
                    return "".join(parts)
            else:
                parts.append(value.strip())

    def _bracket(self, value: str) -> Node:
        if value in "([{":
            closers = {"(": ")", "[": "]", "{": "}"}
            tree = self.sum()
            if value == "{" and self.peek()[0] == "text":
                factors = [tree]
                self._annotation(factors)
                tree = factors[0]
            self.expect("op", closers[value])
            return tree
        if value == "|":
            tree = self.sum()
            self.expect("op", "|")
            return self.node("fun", "abs", tree)
        raise Unreadable(f"{value!r} is not understood")

    # The commands are in a module of their own, whose `latex_commands.Reader` is the one that is
    # made: grammar and commands need each other.
    def _command(self, value: str) -> Node:
        raise NotImplementedError

    def _function(self, name: str) -> Node:
        raise NotImplementedError


_CLOSERS = {
    "rfloor", "rceil", "}", "|", "\\", "&", "le", "ge", "ne", "in", "notin", "cup", "cap", "approx",
    "to", "pm", "mp", "times", "cdot", "ast", "div", "mod", "bmod", "pmod", "rangle", "setminus",
    "end", "quad", "qquad", "equiv", "sim", "cong", "iff", "land", "lor", "subset", "subseteq",
    "forall", "exists", "perp", "parallel", "circ", "prime", "colon",
}  # fmt: skip


def _is_whole(tree: Node) -> bool:
    return bool(tree[0] == "num" and tree[1].denominator == 1 and tree[2] is None)
