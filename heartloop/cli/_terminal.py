"""Foreign words on a terminal: control characters are shown as escapes, wherever they come from.

Answers, error messages of servers, names of models and cards are other people's words. Everything
that is printed goes through the two streams of `shown_streams`, so no place can forget it.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from typing import Any

# Control characters but line break and tab; the two line separators; what turns the direction of
# writing, which can make a text read as another; half surrogates, which no terminal can show.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_COLOUR = re.compile("\x1b\\[(?:0|1|2|3[1-7]|9[1-7])m")  # what our own colours are made of


def visible(text: str) -> str:
    r"""A text with control characters written out, ``\u001b`` for escape, as JSON has them.

    Plain colours stay; black, hidden and moving text does not.
    """
    if not _CONTROL.search(text):
        return text
    parts, at = [], 0
    for colour in _COLOUR.finditer(text):
        parts += [_CONTROL.sub(_escape, text[at : colour.start()]), colour.group()]
        at = colour.end()
    return "".join([*parts, _CONTROL.sub(_escape, text[at:])])


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found.group()):04x}"


class Shown:
    """A text stream that shows control characters as escapes.

    Messages (standard error) are cleaned of secrets here once more, whatever printed them; results
    are not, since answers are what was measured.
    """

    def __init__(self, stream: Any, *, messages: bool = False) -> None:
        """Wrap a stream; ``plain`` is the stream itself, for what draws on the screen."""
        self.plain = stream
        self.messages = messages

    def write(self, text: str) -> int:
        """Write a text."""
        if self.messages and len(text) > 1:
            from heartloop.secrets import clean

            text = clean(text)
        return int(self.plain.write(visible(text)) or 0)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)


def plain(stream: Any) -> Any:
    """The stream below a `Shown`."""
    return getattr(stream, "plain", stream)


@contextlib.contextmanager
def shown_streams() -> Iterator[None]:
    """Standard output and error with control characters shown, while the block lasts."""
    before = sys.stdout, sys.stderr
    out, err = Shown(before[0]), Shown(before[1], messages=True)
    sys.stdout, sys.stderr = out, err  # type: ignore[assignment]
    try:
        yield
    finally:
        if sys.stdout is out:
            sys.stdout = before[0]
        if sys.stderr is err:
            sys.stderr = before[1]
