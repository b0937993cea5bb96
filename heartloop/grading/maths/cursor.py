"""A cursor over the tokens of an answer, which counts what the parser builds."""

from __future__ import annotations

from typing import Any

from heartloop.grading.maths.caps import MAX_NESTING, MAX_NODES, TooLarge, Unreadable
from heartloop.grading.maths.tree import Node

Token = tuple[str, str]
_END = ("end", "")
CLOSING = {"(": ")", "[": "]", "{": "}"}


class Cursor:
    """Steps over tokens; nodes and nesting are capped.

    Attributes:
        tokens: (kind, value) pairs, as `tokens.tokenize` makes them, and some ``("end", "")``.
        at: the index of the next token.
    """

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = [*tokens, _END, _END, _END]
        self.at = 0
        self._depth = 0
        self._nodes = 0

    def peek(self, offset: int = 0) -> Token:
        """The token at the cursor, or up to two behind it."""
        return self.tokens[self.at + offset]

    def step(self) -> Token:
        """Step over the next token.

        Raises:
            Unreadable: there is none.
        """
        found = self.tokens[self.at]
        if found == _END:
            raise Unreadable("something is missing")
        self.at += 1
        return found

    def take(self, *tokens: Token) -> str:
        """Step over the next token if it is one of these: its value, else an empty text."""
        found = self.tokens[self.at]
        if found not in tokens:
            return ""
        self.at += 1
        return found[1]

    def expect(self, kind: str, value: str) -> None:
        """Step over a token that must come next."""
        if not self.take((kind, value)):
            raise Unreadable(f"{value!r} expected")

    def raw_argument(self) -> str:
        """A subscript or index as text: its tokens without braces and spaces."""
        if not self.take(("op", "{")):
            return self.step()[1].strip()
        depth = 1
        parts: list[str] = []
        while depth:
            token = self.step()
            if token == ("op", "{"):
                depth += 1
            elif token == ("op", "}"):
                depth -= 1
            else:
                parts.append(token[1].strip())
        return "".join(parts)

    def node(self, *parts: Any) -> Node:
        """Make a node and count it."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise TooLarge("too many terms")
        return parts

    def joined(self, kind: str, parts: list[Node]) -> Node:
        """A sum or product of several parts; a single part is itself."""
        return parts[0] if len(parts) == 1 else self.node(kind, *parts)

    def enter(self) -> None:
        """Go one level deeper."""
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise TooLarge(f"nested deeper than {MAX_NESTING}")

    def leave(self) -> None:
        """Come back one level."""
        self._depth -= 1
