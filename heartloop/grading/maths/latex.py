r"""A small parser for mathematical answers: LaTeX or plain text → an expression tree (`tree`).

Recursive descent: a sum is made of products, a product of factors, a factor is an atom with what
stands behind it (powers, signs of percent and degree). `latex_commands` reads LaTeX's commands and
functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from heartloop.grading.maths.caps import Unreadable
from heartloop.grading.maths.cursor import CLOSING, Cursor, Token
from heartloop.grading.maths.tokens import CALLED
from heartloop.grading.maths.tree import MINUS_ONE, TEN, ZERO, Node, num
from heartloop.grading.maths.units import known

_DENIALS = {"not", "wrong", "incorrect", "never", "isn't"}
_UNFINISHED = {"of", "the", "is", "are", "a", "an", "to", "than"}
_PLUS_MINUS = (("op", "+"), ("op", "-"))
_SIGNS = (*_PLUS_MINUS, ("cmd", "pm"), ("cmd", "mp"))
_TIMES = (("op", "*"), ("cmd", "times"), ("cmd", "cdot"), ("cmd", "ast"))
_OVER = (("op", "/"), ("cmd", "div"), ("op", ":"))
_CLOSERS = {
    "rfloor", "rceil", "}", "|", "pm", "mp", "times", "cdot", "ast", "div", "quad", "qquad",
}  # fmt: skip
"""Commands that end a product; one that is not known ends the reading."""
_EXPONENT = re.compile(r"E[-+]?\d{1,4}|e\d{1,4}|e-\d{2,4}")
"""``1.5E-3``, ``2e5``; but ``2e+1`` is 2·e + 1 and ``3e-2`` is 3·e − 2 more often than 0.03."""


Command = Callable[["Parser", str], Node]


class Parser(Cursor):
    """The grammar; every method steps over what it reads and returns its tree."""

    def __init__(self, tokens: list[Token], command: Command, function: Command) -> None:
        """Begin at the first token.

        Args:
            tokens: the answer's.
            command: parses what follows a LaTeX command, given the parser and its name.
            function: the same for a function.
        """
        super().__init__(tokens)
        self._command = command
        self._function = function

    # --- sums and products -------------------------------------------------------------

    def sum(self) -> Node:
        """Terms joined by signs."""
        self.enter()
        terms = [self.signed(self.take(*_SIGNS), self.product())]
        while sign := self.take(*_SIGNS):
            right = self.signed(self.take(*_PLUS_MINUS), self.product())  # "3 + -2"
            if sign in ("pm", "mp"):
                terms = [self.node(sign, self.joined("add", terms), right)]
            else:
                terms.append(self.signed(sign, right))
        self.leave()
        return self.joined("add", terms)

    def signed(self, sign: str, tree: Node) -> Node:
        """A tree with a sign in front of it (or none)."""
        if sign == "-":
            if tree[0] == "num":
                return self.node("num", -tree[1], tree[2])
            return self.node("mul", MINUS_ONE, tree)
        return self.node(sign, ZERO, tree) if sign in ("pm", "mp") else tree

    def product(self) -> Node:
        """Factors, written with or without a sign between them."""
        factors = [self.factor()]
        while True:
            if self.peek()[0] == "text" or self.peek() == ("op", "/") and self.peek(1)[0] == "text":
                factors[-1] = self._with_unit(factors[-1])  # 15 apples, 15/hour
            elif self.starts_factor():
                factors.append(self.factor())
            elif self.take(*_TIMES):
                if self.take(("op", "*")):  # x**2
                    factors[-1] = self.node("pow", factors[-1], self.signed_factor())
                else:
                    factors.append(self.signed_factor())
            elif self.take(*_OVER):
                below = self.signed_factor()
                if below[0] == "pct" and below[1][0] == "num":  # 8/3% are eight thirds of a percent
                    over = self.node("pow", below[1], MINUS_ONE)
                    factors = [self.node("pct", self.node("mul", *factors, over))]
                else:
                    factors.append(self.node("pow", below, MINUS_ONE))
            else:
                return self.joined("mul", factors)

    def starts_factor(self) -> bool:
        """Whether a factor may follow without a sign; a bar may close an absolute value."""
        kind, value = self.peek()
        if kind == "op":
            return value in CLOSING
        return kind in ("num", "sym", "fun") or kind == "cmd" and value not in _CLOSERS

    def _with_unit(self, tree: Node) -> Node:
        """A quantity with the words behind it as one unit: ``kg m/s^2``, ``per hour``."""
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
            elif self.take(("op", "^")):
                power = self.argument(power=True)
                if power[0] != "num" or power[1].denominator != 1:
                    raise Unreadable("a power of a unit")
                words[-1] += f"^{power[1]}"
            else:
                break
        said = " ".join(words).lower().split()
        if said[-1:] and said[-1] in _UNFINISHED or _DENIALS & set(said):
            raise Unreadable("words")  # "9 is wrong", "9 is the number of"
        return self.node("unit", tree, " ".join(words))

    def _unit_letter(self, offset: int) -> bool:
        kind, value = self.peek(offset)
        return kind in ("sym", "cmd") and (len(value) == 1 or value == "Omega") and known(value)

    def signed_factor(self) -> Node:
        """A factor with a sign of its own."""
        return self.signed(self.take(*_PLUS_MINUS, ("cmd", "pm")), self.factor())

    def factor(self) -> Node:
        """An atom with what follows it."""
        self.enter()
        tree = self.postfix(self.atom())
        self.leave()
        return tree

    # --- behind an atom ----------------------------------------------------------------

    def postfix(self, tree: Node) -> Node:
        """Powers, factorials, percent, degrees and primes behind an atom."""
        while self.peek()[0] == "op":
            if self.take(("op", "^")):
                tree = self._marked(tree) or self._raised(tree, self.argument(power=True))
            elif self.take(("op", "!")):
                name = "factorial2" if self.take(("op", "!")) else "factorial"
                tree = self.node("fun", name, tree)
            elif self.take(("op", "%")):
                tree = self.node("pct", tree)
            elif self.take(("op", "'")):
                tree = self.node("fun", "prime", tree)
            elif self.peek() == ("op", "_"):
                if tree[0] != "pow" or tree[1][0] != "sym":
                    raise Unreadable("a subscript")
                # v^2_0 is the square of v_0
                tree = self.node("pow", ("sym", self._subscripted(tree[1][1])), tree[2])
            else:
                break
        return tree

    def _raised(self, tree: Node, power: Node) -> Node:
        """A power; ``C_5^2`` is the number of choices of 2 out of 5."""
        if tree[0] == "sym" and tree[1][:2] == "C_" and tree[1][2:].isdigit() and _is_whole(power):
            if 0 <= power[1] <= int(tree[1][2:]) <= 1000:
                return self.node("fun", "binom", num(int(tree[1][2:])), power)
        return self.node("pow", tree, power)

    def _marked(self, tree: Node) -> Node | None:
        r"""With ``\circ`` or ``\text{th}`` as its exponent, else None."""
        start = self.at
        braces = self.take(("op", "{"))
        word = self.step()[1].strip() if self.peek()[0] == "text" else ""
        degrees = word in ("o", "circ") or self.take(("cmd", "circ"))
        if not (word or degrees) or braces and not self.take(("op", "}")):
            self.at = start
            return None
        if degrees:
            return self._degrees(tree)
        if word not in ("th", "st", "nd", "rd"):
            raise Unreadable(f"exponent {word!r}")
        return tree

    def _degrees(self, tree: Node) -> Node:
        """Degrees, with minutes and seconds where they follow: 60°42'."""
        for share in (60, 3600):
            if self.peek()[0] != "num" or self.peek(1) != ("op", "'"):
                break
            value = Fraction(self.step()[1]) / share
            self.at += 1
            if share == 3600:
                self.take(("op", "'"))
            tree = self.node("add", tree, num(value))
        return self.node("deg", tree)

    def argument(self, power: bool = False) -> Node:
        r"""One LaTeX argument: a group, or a single token (``\frac12``, ``x^2``)."""
        if self.take(("op", "{")):
            tree = self.sum()
            self.expect("op", "}")
            return tree
        kind, value = self.peek()
        if kind == "num":
            # \frac94 is 9/4, x^23 in plain text is x to the 23
            if not power and len(value) > 1 and "." not in value:
                self.tokens[self.at : self.at + 1] = [("num", digit) for digit in value]
            return self._number(self.step()[1])
        if (kind, value) in _PLUS_MINUS:
            return self.signed_factor()
        return self.atom()

    # --- atoms -------------------------------------------------------------------------

    def atom(self) -> Node:
        """The smallest whole thing."""
        kind, value = self.step()
        if kind == "num":
            return self._number_atom(value)
        if kind == "sym":
            return self.symbol(value)
        if kind == "fun":
            return self._function(self, value)
        if kind == "cmd":
            return self._command(self, value)
        if kind == "op":
            return self._bracket(value)
        if self.peek() == ("op", "_"):  # \text{Area}_{ABC}: a name
            return self.symbol(value.strip())
        raise Unreadable("words")

    def _number(self, value: str) -> Node:
        """A number node with the decimals it was written with."""
        places = len(value.split(".")[1]) if "." in value else None
        return self.node("num", Fraction(value), places)

    def _number_atom(self, value: str) -> Node:
        if self.take(("op", "_")):  # a number in another base
            base = self.argument()
            if base[0] == "num" and base[1].denominator == 1 and 2 <= base[1] <= 36:
                return self.node("base", value, int(base[1]))
            raise Unreadable("a subscript on a number")
        whole = self._number(value)
        part = self._proper_fraction() if "." not in value else None
        if part is not None:  # a mixed number
            return self.node("num", whole[1] + part, None)
        if self.peek()[0] == "num":
            raise Unreadable("two numbers side by side")
        signed = self.peek(1) in _PLUS_MINUS
        exponent = "".join(self.peek(i)[1] for i in range(3 if signed else 2))
        if not _EXPONENT.fullmatch(exponent):
            return whole
        self.at += 3 if signed else 2
        return self.node("mul", whole, ("pow", TEN, num(int(exponent[1:]))))

    def _proper_fraction(self) -> Fraction | None:
        r"""``\frac12`` or ``1/2``, read only where it is less than one."""
        start = self.at
        if self.take(("cmd", "frac")):
            top, bottom = self.argument(), self.argument()
            if _is_whole(top) and _is_whole(bottom) and 0 < top[1] < bottom[1]:
                return Fraction(top[1] / bottom[1])
        elif [self.peek(i)[0] for i in (0, 2)] == ["num"] * 2 and self.peek(1) == ("op", "/"):
            above, below = self.peek(0)[1], self.peek(2)[1]
            if "." not in above + below and 0 < int(above) < int(below):
                self.at += 3
                return Fraction(int(above), int(below))
        self.at = start
        return None

    def symbol(self, name: str) -> Node:
        """A name with its subscripts and primes; a function's name with its arguments."""
        name = self._subscripted(name)
        while self.take(("op", "'")):
            name += "'"
        if name.rstrip("'") in CALLED and self.take(("op", "(")):
            return self.node("call", name, *self.arguments(")"))
        return self.node("sym", name)

    def arguments(self, closing: str) -> list[Node]:
        """Sums between commas, up to the bracket that closes them."""
        found = [self.sum()]
        while self.take(("op", ",")):
            found.append(self.sum())
        self.expect("op", closing)
        return found

    def _subscripted(self, name: str) -> str:
        while self.take(("op", "_")):
            name += "_" + self.raw_argument()
        return name

    def _bracket(self, value: str) -> Node:
        if value in CLOSING:
            tree = self.sum()
            self.expect("op", CLOSING[value])
            return tree
        if value == "|":
            tree = self.sum()
            self.expect("op", "|")
            return self.node("fun", "abs", tree)
        raise Unreadable(f"{value!r} is not understood")


def _is_whole(tree: Node) -> bool:
    return bool(tree[0] == "num" and tree[1].denominator == 1 and tree[2] is None)
