"""What `compare` prints: aligned tables, or Markdown, that can be pasted into a paper."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from heartloop.report.answered import answered_table
from heartloop.report.arrived import lines as arrived_lines
from heartloop.report.claim_tables import blocks as claim_blocks
from heartloop.report.shapes import Best, EqualSpending, Row, Study
from heartloop.report.writing import markdown_table, p_value, points, span, text_table


def render(study: Study, markdown: bool = False) -> str:
    """Everything that ``compare`` prints."""
    make = markdown_table if markdown else text_table
    level = f"{study.level:.0%}"
    blocks = []
    if study.forced:
        blocks.append("FORCED: the runs differ, so this is no clean comparison: "
                      + "; ".join(study.forced))  # fmt: skip
    blocks += [f"note: {note}" for note in study.notes]
    rows = study.rows
    if study.claim is not None:
        blocks += claim_blocks(study.findings, study.claim, make)
        blocks += [make(*answered_table(each)) for each in study.answered]
        if study.arrived:
            blocks.append("\n".join(["Did the words arrive?", *arrived_lines(study.arrived)]))
    if study.across:
        from heartloop.report.across import across_blocks, sentence_across

        blocks += [text for text in (sentence_across(study.across),) if text]
        blocks += across_blocks(study.across, make)
    blocks += [f"POST HOC, no word is said: {text}" for text in study.post_hoc]
    if study.beside is not None:
        from heartloop.report.beside import blocks as beside_blocks

        blocks += beside_blocks(study.beside, make)
    if not rows:
        return _join(blocks)
    heads = ["arm − control", "n", "arm %", "control %", "diff", f"{level} CI", "p", "p Holm",
             "p BH", f"TOST ±{100 * study.margin:g}", *_last(study)]  # fmt: skip
    blocks.append(make(heads, [[*_main(r), *_word(r, study)] for r in rows]))
    heads = ["arm − control", "pairs", "b/c", "McNemar exact", "mid-p", "permutation", "mid-p",
             "bootstrap CI", "h"]  # fmt: skip
    blocks.append(make(heads, [_tests(r) for r in rows]))
    heads = ["arm − control", "of scored", f"{level} CI", "p", "content", "p", "unscored %",
             "error %", "tokens/question", "calls/question"]  # fmt: skip
    blocks.append(make(heads, [_readings(r) for r in rows]))
    blocks += _equal(study, make)
    suites = [r for r in rows if r.comparison.suite is not None]
    if suites:
        heads = ["mean over tasks", "tasks", "diff", f"{level} CI (tasks like these)", "p",
                 "CI (these tasks)"]  # fmt: skip
        blocks.append(make(heads, [_suite(r) for r in suites]))
    if study.classes:
        heads = ["stimulus class − control", "wordings", "groups", "diff", f"{level} CI", "p"]
        lines = [
            [f"{c.label} − {c.control}{_in(c.model, study)}", str(c.effect.wordings),
             f"{c.effect.groups} {c.unit}", points(c.effect.estimate),
             span(c.effect.low, c.effect.high), p_value(c.effect.p)]
            for c in study.classes
        ]  # fmt: skip
        blocks.append(make(heads, lines))
    for best in study.best:
        blocks.append(_best(best, study))
    blocks.append(_legend(study))
    warnings = [f"{r.arm} − {r.control}: {n}" for r in rows for n in r.notes]
    warnings += [
        f"{r.arm} − {r.control}: own metric and content lead to different conclusions "
        f"({points(r.comparison.difference)}, p {p_value(r.comparison.p)}; content "
        f"{points(r.content_difference)}, p {p_value(r.content_p)})"
        for r in rows
        if r.flips
    ]
    grouped: dict[str, list[str]] = {}
    for line in warnings:
        head, _, tail = line.partition(": ")
        grouped.setdefault(tail, []).append(head)
    for tail, heads in grouped.items():
        who = f"all {len(rows)} rows" if len(heads) == len(rows) > 1 else ", ".join(heads)
        blocks.append(f"note: {who}: {tail}")
    return _join(blocks)


def _join(blocks: Sequence[str]) -> str:
    out: list[str] = []
    for before, block in zip(["", *blocks], blocks, strict=False):
        if out and not (before.startswith("note:") and block.startswith("note:")):
            out.append("")
        out.append(block)
    return "\n".join(out)


def _in(model: str, study: Study) -> str:
    return f" [{model}]" if len({r.model for r in study.rows}) > 1 else ""


def _name(row: Row) -> str:
    return f"{row.arm} − {row.control}"


def _main(row: Row) -> list[str]:
    c = row.comparison
    return [
        _name(row), f"{c.questions:,}" + (f"×{c.seeds}" if c.seeds > 1 else ""),
        points(c.a.of_all.estimate, False), points(c.b.of_all.estimate, False),
        points(c.difference), span(c.low, c.high), p_value(c.p), p_value(c.p_holm),
        p_value(c.p_bh), p_value(c.equivalence.p),
    ]  # fmt: skip


def _last(study: Study) -> list[str]:
    """The last column: a word for runs compared as wholes, else none or the adjusted interval."""
    if any(r.picked for r in study.rows):
        return ["own metric, adjusted for the pick"]
    return [] if study.claim is not None or study.post_hoc else ["word"]


def _word(row: Row, study: Study) -> list[str]:
    if any(r.picked for r in study.rows):
        return [f"{span(row.picked_low, row.picked_high)} of {row.picked}" if row.picked else "–"]
    return [] if study.claim is not None or study.post_hoc else [row.comparison.verdict]


def _tests(row: Row) -> list[str]:
    c = row.comparison
    exact, mid = (c.mcnemar.p, c.mcnemar.mid_p) if c.mcnemar else (None, None)
    return [
        _name(row), f"{c.table.n:,}", f"{c.table.only_a}/{c.table.only_b}", p_value(exact),
        p_value(mid), p_value(c.permutation.p), p_value(c.permutation.mid_p),
        span(c.bootstrap.low, c.bootstrap.high), f"{c.cohens_h:+.2f}".replace("-", "−"),
    ]  # fmt: skip


def _readings(row: Row) -> list[str]:
    c, s = row.comparison, row.comparison.of_scored
    return [
        _name(row), points(s.difference), span(s.low, s.high) if s.pairs else "–",
        p_value(s.p) if s.pairs else "–", points(row.content_difference), p_value(row.content_p),
        f"{points(c.a.unscored_rate, False)} / {points(c.b.unscored_rate, False)}",
        f"{points(c.a.error_rate, False)} / {points(c.b.error_rate, False)}",
        f"{row.tokens_arm:,.0f} / {row.tokens_control:,.0f}",
        f"{row.calls_arm:.1f} / {row.calls_control:.1f}",
    ]  # fmt: skip


def _equal(study: Study, make: Callable[..., str]) -> list[str]:
    rows = [(r, equal) for r in study.rows for equal in r.equal]
    return [make(equal_heads(study), [equal_cells(*row) for row in rows])] if rows else []


def equal_heads(study: Study) -> list[str]:
    """Columns of the table of equal spending."""
    return ["at equal", "arm − control", "cut", "spent a question", "ratio", "arm %", "control %",
            "diff", f"{study.level:.0%} CI", "p", "arm ahead from"]  # fmt: skip


def equal_cells(row: Row, equal: EqualSpending) -> list[str]:
    """One line of that table."""
    c = equal.comparison

    def amount(value: float) -> str:
        return f"${value:.6f}" if equal.unit == "dollars" else f"{value:,.0f}"

    ahead = "–"
    if equal.break_even is not None:
        budget = equal.break_even.budget
        ahead = "nowhere" if budget is None else f"{budget:,.0f} tokens"
    return [
        equal.unit, _name(row), "–" if equal.cap is None else f"{equal.cut} at {amount(equal.cap)}",
        f"{amount(equal.spent_arm)} / {amount(equal.spent_control)}",
        "–" if equal.ratio is None else f"{equal.ratio:.2f}",
        points(c.a.of_all.estimate, False), points(c.b.of_all.estimate, False),
        points(c.difference), span(c.low, c.high), p_value(c.p), ahead,
    ]  # fmt: skip


def _suite(row: Row) -> list[str]:
    s = row.comparison.suite
    assert s is not None
    return [
        _name(row), str(s.tasks), points(s.estimate), span(s.low, s.high), p_value(s.p),
        span(s.low_fixed, s.high_fixed),
    ]  # fmt: skip


def _best(best: Best, study: Study) -> str:
    b = best.best
    text = (
        f"best of {len(best.arms)} against {best.control}{_in(best.model, study)}: {best.name}, "
        f"{points(b.selected_maximum)} points on the very questions that chose it (selected "
        f"maximum, biased upwards; no-effect arms would show {points(b.noise_maximum)}). Chosen on "
        f"one half and measured on the other: {points(b.held_out.gain)} "
        f"{span(b.held_out.low, b.held_out.high)}; cross-fitted over questions: "
        f"{points(b.cross_fitted.gain)} {span(b.cross_fitted.low, b.cross_fitted.high)}"
    )
    if b.over_tasks is not None:
        text += (
            f"; chosen on other tasks: {points(b.over_tasks.gain)} "
            f"{span(b.over_tasks.low, b.over_tasks.high)} (a maximum for each task would show "
            f"{points(b.per_task_maximum)})"
        )
    return text


def _legend(study: Study) -> str:
    n = len(study.rows)
    tests = {r.comparison.test for r in study.rows}
    family = f"Holm and BH over {n} comparisons" if n > 1 else "one comparison, nothing adjusted"
    return (
        "Details, accuracy: differences in points, arm minus control, paired by question; unscored "
        "answers and errors count as not right unless 'of scored'. "
        f"p: two-sided mid-p, {' or '.join(sorted(tests))}; {family}. CI: score "
        "interval, cluster-robust. TOST: p of equivalence within "
        f"±{100 * study.margin:g} points. b/c: right in the arm only / in the control only. "
        f"Bootstrap: {study.draws:,} draws over clusters."
    )
