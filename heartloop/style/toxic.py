"""Words of abuse in a text, by a short list of our own (``toxic.txt``): a count, no classifier."""

from __future__ import annotations

import functools
import re
from pathlib import Path

LIST = Path(__file__).with_name("toxic.txt")


@functools.cache
def _rule() -> re.Pattern[str]:
    lines = LIST.read_text(encoding="utf-8").splitlines()
    words = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    parts = [re.escape(w).replace(r"\*", r"\w*").replace(r"\ ", r"\s+") for w in words]
    return re.compile(rf"\b(?:{'|'.join(parts)})\b", re.IGNORECASE)


def toxic_words(text: str) -> int:
    """How many words and phrases of the list stand in a text."""
    return len(_rule().findall(text))
