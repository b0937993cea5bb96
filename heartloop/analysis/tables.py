"""Comparisons as a table to paste: plain text, Markdown or LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from heartloop.analysis.compare import Comparison, Comparisons

Format = Literal["plain", "markdown", "latex"]

HEADERS = (
    "arm", "n", "accuracy", "control", "difference", "95 % interval", "p", "p exact", "p Holm", "h",
    "equivalence p", "of scored", "unscored + error", "verdict",
)  # fmt: skip


def p_text(p: float) -> str:
    """A p-value as papers print it: ``.034``, ``< .001``, ``1.00``."""
    if p < 0.001:
        return "< .001"
    return f"{p:.3f}".lstrip("0") if p < 0.9995 else "1.00"


def comparison_row(name: str, found: Comparison) -> list[str]:
    """Cells of one comparison, in points, in the order of :data:`HEADERS`."""

    def percent(share: float | None) -> str:
        return "" if share is None else f"{100 * share:.1f}"

    scored = found.of_scored.difference
    lost = found.a.unscored_rate + found.a.error_rate
    return [
        name,
        f"{found.questions:,}" + (f" × {found.seeds}" if found.seeds > 1 else ""),
        percent(found.a.of_all.estimate),
        percent(found.b.of_all.estimate),
        f"{100 * found.difference:+.1f}",
        f"{100 * found.low:+.1f} to {100 * found.high:+.1f}",
        p_text(found.p),
        p_text(found.p_exact),
        p_text(found.p_holm),
        f"{found.cohens_h:+.2f}",
        p_text(found.equivalence.p),
        "" if scored is None else f"{100 * scored:+.1f}",
        f"{100 * lost:.1f} %",
        found.verdict,
    ]


def comparison_table(found: Comparisons, style: Format = "plain") -> str:
    """All arms against the control.

    Args:
        found: from ``compare_many``.
        style: ``plain``, ``markdown`` or ``latex`` (a ``tabular`` for the booktabs package).

    Raises:
        ValueError: another style.
    """
    rows = [comparison_row(name, one) for name, one in found.arms.items()]
    level = next(iter(found.arms.values())).level if found.arms else 0.95
    headers = [h.replace("95 %", f"{level:.0%}".replace("%", " %")) for h in HEADERS]
    if style == "plain":
        return _plain(headers, rows)
    if style == "markdown":
        lines = [headers, ["---"] * len(headers), *rows]
        return "\n".join("| " + " | ".join(_cell(c) for c in line) + " |" for line in lines)
    if style == "latex":
        return _latex(headers, rows)
    raise ValueError(f"style {style!r}: choose plain, markdown or latex")


def _plain(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in [headers, *rows]) for i in range(len(headers))]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if i in (0, len(headers) - 1) else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [headers, *rows]
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": "$<$", ">": "$>$", "×": r"$\times$", "+": "$+$", "\n": " ",
}  # fmt: skip


def _escape(text: str) -> str:
    """Text for LaTeX; a leading minus becomes a minus sign."""
    out = "".join(_SPECIAL.get(c, c) for c in text)
    return (
        out.replace(" to -", r" to $-$")
        if not out.startswith("-")
        else ("$-$" + out[1:].replace(" to -", r" to $-$"))
    )


def _latex(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    columns = "l" + "r" * (len(headers) - 2) + "l"
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    lines.append(" & ".join(_escape(h) for h in headers) + r" \\")
    lines.append(r"\midrule")
    lines += [" & ".join(_escape(cell) for cell in row) + r" \\" for row in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])
