"""An option alone in an unusual place: printed by code, or left over behind those denied."""

from __future__ import annotations

from heartloop import regex as re
from heartloop.grading.content.options import Options, Settled, lone_letter

PRINTED = re.compile(
    r"\s*(?:python|js|bash)?\s*(?:print|console\.log|echo|puts)\b\s*\(?\s*"
    r"(?P<mark>[\"'])(?P<said>[^\"'\n]+)(?P=mark)\s*\)?;?\s*"
)
"""“print("B")” and nothing else."""
_DENIED_FIRST = re.compile(
    r"\W*(?:(?:and |or )?(?:not|neither|nor)\s+(?P<item>[^.,;\n]{1,40}?)"
    r"(?:,?\s+but\s+|\s*[.,;]\s*|\s+(?=(?:nor|and not|or not)\b)))+",
    re.I,
)
_DENIED_ITEM = re.compile(
    r"\b(?:not|neither|nor)\s+([^.,;\n]{1,40}?)(?=\s*[.,;]|\s+(?:nor|and|or|but)\b)", re.I
)


def left_over(plain: str, options: Options) -> Settled | None:
    """“Not A, not B. C.”: the option alone behind others that are denied."""
    first = _DENIED_FIRST.match(plain)
    if first is None:
        return None

    def alone(clause: str) -> int | None:
        words = clause.strip(" .!()")
        if options.letters and lone_letter(words):
            at = "ABCDEFGHIJKLMNOPQRSTUVWXYZ".find(words.upper())
            return at if 0 <= at < len(options.choices) else None
        return options.exactly(words)

    index = alone(plain[first.end() :])
    denied = {alone(item[1]) for item in _DENIED_ITEM.finditer(plain, 0, first.end())}
    if index is None or None in denied or index in denied:
        return None
    return Settled("words", index, (first.end(), len(plain.rstrip())), "behind what is denied")
