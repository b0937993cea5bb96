"""Pieces of the page: tables, figures and lists, every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

e = escape


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    caption: str = "",
    strong: Sequence[int] = (),
) -> str:
    """A table that scrolls sideways on a narrow screen; cells are plain text.

    Args:
        heads: column heads.
        rows: cells.
        caption: what it shows, for everybody.
        strong: numbers of the rows to set in bold.
    """
    head = "".join(f'<th scope="col">{e(h)}</th>' for h in heads)
    body = []
    for i, row in enumerate(rows):
        css = ' class="main"' if i in strong else ""
        body.append(f"<tr{css}>" + "".join(f"<td>{e(c)}</td>" for c in row) + "</tr>")
    name = e(caption or heads[0], quote=True)
    words = f'<p class="note">{e(caption)}</p>' if caption else ""
    return (
        f'{words}<div class="scroll" tabindex="0" role="region" aria-label="{name}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """A table of names and values."""
    body = "".join(f'<tr><th scope="row">{e(k)}</th><td>{e(v)}</td></tr>' for k, v in rows if v)
    return f'<table class="facts"><tbody>{body}</tbody></table>'


def figure(svg: str, caption: str, data: str = "") -> str:
    """A plot with its caption and, folded, the numbers it is drawn from."""
    more = f"<details><summary>the numbers</summary>{data}</details>" if data else ""
    wide = svg.replace('class="plot"', 'class="plot wide"', 1)
    return (
        f'<figure><div class="scroll" tabindex="0" role="region" aria-label="plot">{wide}</div>'
        f"<figcaption>{e(caption)}</figcaption>{more}</figure>"
    )


def section(name: str, title: str, *parts: str) -> str:
    """A section with an anchor; empty where it has no part."""
    body = "".join(parts)
    return f'<section id="{e(name)}"><h2>{e(title)}</h2>{body}</section>' if body else ""


def note(text: str) -> str:
    """A paragraph of explanation."""
    return f'<p class="note">{e(text)}</p>'
