"""Pieces of the page: tables, figures and lists, every text escaped, every short word explained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from heartloop.report.glossary import GLOSSARY

e = escape
WORDS = ' class="words"'


def head_cells(heads: Sequence[str], words: Sequence[bool] = ()) -> str:
    """Column heads; those that the glossary knows show their meaning on hover."""
    of_words = [*words, *(False for _ in heads[len(words) :])]
    return "".join(
        f'<th scope="col"{WORDS if w else ""}>{explained(h)}</th>'
        for h, w in zip(heads, of_words, strict=True)
    )


def explained(text: str) -> str:
    """A label, marked up where the glossary has it."""
    meaning = GLOSSARY.get(text) or GLOSSARY.get(text.removesuffix(" %"))
    return f'<abbr title="{e(meaning, quote=True)}">{e(text)}</abbr>' if meaning else e(text)


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    caption: str = "",
    strong: Sequence[int] = (),
) -> str:
    """A table of plain text; on a narrow screen it scrolls, with an edge that shows it.

    Words stand on the left, numbers on the right.

    Args:
        heads: column heads.
        rows: cells.
        caption: what it shows, for everybody.
        strong: numbers of the rows to set in bold.
    """
    rows = [list(row) for row in rows]
    words = [
        any(any(c.isalpha() for c in row[i]) and not row[i][:1].isdigit() for row in rows)
        for i in range(len(heads))
    ]
    body = []
    for i, row in enumerate(rows):
        css = ' class="main"' if i in strong else ""
        cells = "".join(
            f"<td{' class=words' if word else ''}>{e(c)}</td>"
            for c, word in zip(row, words, strict=True)
        )
        body.append(f"<tr{css}>{cells}</tr>")
    name = e(caption or heads[0], quote=True)
    told = f'<p class="note">{e(caption)}</p>' if caption else ""
    return (
        f'{told}<div class="scroll" tabindex="0" role="region" aria-label="{name}">'
        f"<table><thead><tr>{head_cells(heads, words)}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """A table of names and values."""
    body = "".join(
        f'<tr><th scope="row">{explained(k)}</th><td>{e(v)}</td></tr>' for k, v in rows if v
    )
    return f'<table class="facts"><tbody>{body}</tbody></table>'


def figure(svg: str, caption: str, data: str = "") -> str:
    """A plot with its caption and, folded, the numbers it is drawn from."""
    more = folded("the numbers", data)
    return (
        f'<figure><div class="scroll" tabindex="0" role="region" aria-label="plot">{svg}</div>'
        f"<figcaption>{e(caption)}</figcaption>{more}</figure>"
    )


def folded(title: str, body: str) -> str:
    """Something that opens on demand; empty where there is nothing in it."""
    return f"<details><summary>{e(title)}</summary>{body}</details>" if body else ""


def bullets(lines: Iterable[str]) -> str:
    """A list of plain texts."""
    items = "".join(f"<li>{e(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def section(name: str, title: str, *parts: str) -> str:
    """A section with an anchor; empty where it has no part."""
    body = "".join(parts)
    return f'<section id="{e(name)}"><h2>{e(title)}</h2>{body}</section>' if body else ""


def note(text: str) -> str:
    """A paragraph of explanation."""
    return f'<p class="note">{e(text)}</p>'
