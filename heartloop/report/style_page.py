"""The style of a run's answers as a section of the page."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from heartloop.errors import HeartloopError
from heartloop.report.arms import Loaded
from heartloop.report.arrived import Arrived, arrived, lines
from heartloop.report.html import e, note, table
from heartloop.report.search import is_search
from heartloop.report.style import Style, read_texts, style
from heartloop.report.style_text import apart, apart_head, carried, levels
from heartloop.run.claim import read_claim


@dataclass(frozen=True, slots=True)
class Words:
    """What the words of a run did to its answers, one entry a model."""

    styles: tuple[Style, ...] = ()
    checks: tuple[tuple[Arrived, ...], ...] = ()


def words_of(run: Loaded) -> Words:
    """Read a run's answers once, for the section and for the check beside its claim.

    Empty for searches, whose arms answered different questions, and where the journal does not
    hold the answers.
    """
    if is_search(run):
        return Words()
    claim = read_claim(run.manifest)
    with suppress(HeartloopError):
        every = list(read_texts(run.folder, journal=run.journal).values())
        return Words(
            tuple(style(texts, claim, run.manifest) for texts in every),
            tuple(tuple(arrived(texts, claim)) for texts in every),
        )
    return Words()


def section(words: Words) -> str:
    """The section's body; empty where there is nothing to show."""
    out = []
    for one in words.styles:
        if not one.answers:
            continue
        out.append(
            note(
                f"{one.model}: {one.answers:,} answers, read by rules (heartloop style; what each "
                "measure means, and how well it is read: docs/style.md). Descriptive: a band holds "
                "over all arms and rounds of its measure; there are no tests and no words."
            )
        )
        out.append(table(*levels(one)))
        if one.contrasts:
            rows = [list(row) for row in apart(one)]
            out.append(table(["arm − control", apart_head(one)], rows))
        heads, rows = carried(one)
        if rows:
            out.append(table(heads, rows))
    return "".join(out)


def check(words: Words) -> str:
    """Whether the words arrived, for the claim's part of the page."""
    said = [line for each in words.checks for line in lines(each)]
    return arrived_list(said)


def arrived_list(said: Sequence[str]) -> str:
    """The check as a list."""
    items = "".join(f"<li>{e(line)}</li>" for line in said)
    return f"<p>Did the words arrive?</p><ul>{items}</ul>" if said else ""
