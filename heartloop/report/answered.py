"""How the arms answered: what separates them in form, before any word about content.

Read from the texts of the journal by a few documented rules, the same for every arm and task. A
share is of all final answers of an arm on the questions that speak.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from heartloop.report.arms import Entry, Loaded, entries
from heartloop.report.units import Findings
from heartloop.report.writing import points

GAP = 0.05
"""The table is shown where a share differs by more than this from the plain prompt's."""
SHORT = 5  # words of a bare answer
_NUMBER = re.compile(r"[-+−]?\d[\d.,]*\s*%?")
_WORD = re.compile(r"[^\W\d_]{4,}")
COMMON = frozenset(
    "about above after again also been before being both could does doing down each from further "
    "have having here into just more most must once only other over same should some such than "
    "that their them then there these they this those through under until very want what when "
    "where which while whom will with would your yours".split()
)

KINDS = ("bare", "sentence", "about the phrase", "only a number", "cut", "empty")


@dataclass(frozen=True, slots=True)
class Answered:
    """One arm's answers.

    Attributes:
        arm: its name.
        shares: kind -> share of its answers; the kinds exclude one another.
        tokens: median completion tokens.
        answers: how many there are.
    """

    arm: str
    shares: Mapping[str, float]
    tokens: float
    answers: int


def kind_of(text: str, cut: bool, phrase: str = "", question: str = "") -> str:
    """Which kind of answer a text is; the first rule that holds.

    *cut*: it ended at the token limit. *empty*: nothing was said. *only a number*: a number and
    nothing else. *about the phrase*: it repeats two content words of the arm's phrase (four letters
    or more, not in the question; one where the phrase has no more).
    *bare*: at most five words. *sentence*: anything longer.
    """
    said = text.strip()
    if cut:
        return "cut"
    if not said:
        return "empty"
    if _NUMBER.fullmatch(said.rstrip(".")):
        return "only a number"
    if phrase:
        asked = set(_WORD.findall(question.lower()))
        own = set(_WORD.findall(phrase.lower())) - COMMON - asked
        shared = own & set(_WORD.findall(said.lower()))
        if own and len(shared) >= min(2, len(own)):
            return "about the phrase"
    return "bare" if len(said.split()) <= SHORT else "sentence"


def answered(run: Loaded, found: Sequence[Entry]) -> list[Answered]:
    """How each of some arms answered, from the journal's texts; arms without a text are left out.

    Args:
        run: the run.
        found: its arms with one model.
    """
    out = []
    journal = run.journal
    for entry in found:
        phrase = " ".join(s["text"] for s in entry.any.plan["stimuli"])
        counts = dict.fromkeys(KINDS, 0)
        tokens = []
        for part in entry.parts.values():
            for key in part.keys.ravel():
                record = journal.record(key) if key else None
                if record is None or record.get("text") is None:
                    continue
                asked = " ".join(
                    str(m["content"]) for m in record["request"]["messages"]
                ).replace(phrase, " ") if phrase else ""  # fmt: skip
                cut = record.get("finish_reason") == "length"
                counts[kind_of(record["text"], cut, phrase, asked)] += 1
                tokens.append(record["usage"]["completion"])
        total = sum(counts.values())
        if total:
            shares = {kind: n / total for kind, n in counts.items()}
            out.append(Answered(entry.arm, shares, float(median(tokens)), total))
    return out


def differ(rows: Sequence[Answered], base: str | None = None) -> bool:
    """Whether any share differs by more than five points from the plain prompt's (the first's)."""
    if len(rows) < 2:
        return False
    first = next((row for row in rows if row.arm == base), rows[0])
    return any(abs(row.shares[k] - first.shares[k]) > GAP for row in rows for k in KINDS)


def differing(run: Loaded, found: Sequence[Findings]) -> list[tuple[Answered, ...]]:
    """How the arms of single-turn treatments answered, one a model; only where shares differ."""
    out = []
    for one in found:
        if not one.treatments:
            continue
        shown = {arm for unit in one.units for arm in unit.arms}
        mine = [e for e in entries(run) if e.model == one.model and e.arm in shown]
        rows = answered(run, mine)
        if differ(rows, next((e.arm for e in mine if e.role == "none"), None)):
            out.append(tuple(rows))
    return out


def answered_table(rows: Sequence[Answered]) -> tuple[list[str], list[list[str]]]:
    """Header and rows, kinds that nobody used left out."""
    used = [k for k in KINDS if any(row.shares[k] > 0 for row in rows)]
    heads = ["how they answered, %", *used, "median tokens"]
    lines = [
        [row.arm, *(points(row.shares[k], False) for k in used), f"{row.tokens:,.0f}"]
        for row in rows
    ]
    return heads, lines
