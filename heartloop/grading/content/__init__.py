"""Content readers: what an answer says, whatever its form.

A reader takes the visible text of an answer and what the model was shown, and gives the statement
that the text commits itself to (or says why it commits itself to none). It never sees which answer
is right. One reader a kind:

- ``text``: a name, a word, a sentence (numbers where the question's answers are numbers);
- ``number``: one number;
- ``choice``: an option, by its letter or its words; ``label``: the same without letters, yes and
  no among them;
- ``list``: the members of a list;
- ``maths``: a formula or value;
- ``whole``: the text as it stands, for rules and judges that read it themselves.
"""

from __future__ import annotations

from collections.abc import Callable

from heartloop.grading.content.choice import read_choice, read_label
from heartloop.grading.content.maths import read_maths
from heartloop.grading.content.reading import Asked, Candidate, Reading, asked_of
from heartloop.grading.content.text import (
    read_list,
    read_number,
    read_text,
    same_number,
    same_text,
)

Reader = Callable[[str, Asked], Reading]

READERS: dict[str, Reader] = {
    "text": read_text,
    "number": read_number,
    "choice": read_choice,
    "label": read_label,
    "list": read_list,
    "maths": read_maths,
    "whole": lambda text, asked: Reading((Candidate(text, (0, len(text)), "the whole text"),)),
}
"""Every reader that a card's ``content`` may name."""

BY_KIND: dict[str, str] = {
    "math": "maths",
    "choice": "choice",
    "choice_text": "choice",
    "label": "label",
    "set": "list",
    "numeric_range": "number",
    "regex": "text",
    "judge": "whole",
    "choice_loglik": "whole",
}
"""The reader of a card that names none, by its kind; ``text`` for the others."""

__all__ = [
    "BY_KIND",
    "READERS",
    "Asked",
    "Candidate",
    "Reader",
    "Reading",
    "asked_of",
    "same_number",
    "same_text",
]
