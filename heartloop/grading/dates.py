"""Calendar dates as people write them."""

from __future__ import annotations

from functools import lru_cache

from heartloop import regex as re

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?:\s*,\s*|\s+)(?P<year>\d{3,4})"
_WRITTEN = tuple(
    re.compile(rf"(?:on\s+)?(?:the\s+)?(?:[a-z]+day\s*,?\s+)?(?:the\s+)?{form}\W*", re.I)
    for form in (
        rf"{_DAY}\.?\s+(?:of\s+)?{_MONTH}(?:{_YEAR})?",
        rf"{_MONTH}\s+(?:the\s+)?{_DAY}(?:{_YEAR})?",
    )
)
_ISO = re.compile(r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})")


@lru_cache(maxsize=4096)
def date_of(text: str) -> tuple[int | None, int, int] | None:
    """Year (None where it is left out), month and day of a text that is a date; None for others.

    Days and months in digits alone (03/04/2020) are read in the order of ISO 8601 only.
    """
    if len(text) > 60 or not any(char.isdigit() for char in text):
        return None
    text = text.strip(" \t\n.,;\"'*")
    found = _ISO.fullmatch(text)
    if found is None:
        found = next(filter(None, (form.fullmatch(text) for form in _WRITTEN)), None)
    if found is None:
        return None
    name = found["month"][:3].lower()
    month = _MONTHS.index(name) + 1 if name in _MONTHS else int(found["month"])
    year, day = found["year"], int(found["day"])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    return (int(year) if year else None, month, day)
