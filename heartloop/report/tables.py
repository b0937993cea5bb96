"""What `compare` prints: aligned tables, or Markdown, that can be pasted into a paper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from heartloop.analysis.compare import Comparison
from heartloop.report.answered import answered_table
from heartloop.report.arrived import lines as arrived_lines
from heartloop.report.claim_tables import blocks as claim_blocks
from heartloop.report.shapes import Best, EqualSpending, Row, Study
from heartloop.report.writing import fitted, markdown_table, p_value, points, span, text_table


def render(study: Study, markdown: bool = False, width: int | None = None) -> str:
    """Everything that ``compare`` prints; plain text within ``width`` columns, where given."""
    make = markdown_table if markdown else partial(text_table, width=width)
    text = _blocks(study, make)
    return text if markdown or width is None else fitted(text, width)


def _blocks(study: Study, make: Callable[..., str]) -> str:
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
    for metric in dict.fromkeys(r.metric for r in rows):
        mine = [r for r in rows if r.metric == metric]
        several = any(r.tasks > 1 for r in mine)
        heads = ["arm − control", "n", "arm %", "control %", "diff", f"{level} CI", "p", "p Holm",
                 "p BH", f"TOST ±{100 * study.margin:g}", "ROPE %"]  # fmt: skip
        heads += ["tasks like these", "p"] if several else []
        lines = [[*_main(r, study), *(_over(r) if several else ()), *_word(r, study)] for r in mine]
        blocks.append(f"own metric: {metric}\n{make([*heads, *_last(study)], lines)}")
    heads = ["arm − control", "content", f"{level} CI", "p", "of scored", f"{level} CI",
             "unscored %", "error %", "tokens/question", "calls/question"]  # fmt: skip
    blocks.append(make(heads, [_readings(r, study) for r in rows]))
    if any(r.counts for r in rows):
        heads = ["right or not", "pairs", "b/c", "McNemar exact", "mid-p", "permutation", "mid-p",
                 "bootstrap CI", "h"]  # fmt: skip
        blocks.append(make(heads, [_tests(r, r.counts, study) for r in rows if r.counts]))
    blocks += _equal(study, make)
    if study.classes:
        heads = ["stimulus class − control", "wordings", "groups", "diff", f"{level} CI", "p"]
        lines = [
            [f"{c.label} − {c.control}{_in(c.model, c.unit, study)}", str(c.effect.wordings),
             f"{c.effect.groups} {c.sample}", points(c.effect.estimate),
             span(c.effect.low, c.effect.high), p_value(c.effect.p)]
            for c in study.classes
        ]  # fmt: skip
        blocks.append(make(heads, lines))
    for best in study.best:
        blocks.append(_best(best, study))
    blocks.append(_legend(study))
    warnings = [f"{_name(r, study)}: {n}" for r in rows for n in r.notes]
    warnings += [
        f"{_name(r, study)}: own metric and content lead to different conclusions" for r in rows
        if r.flips
    ]  # fmt: skip
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


def _in(model: str, unit: str, study: Study) -> str:
    """Model and task, where there are several."""
    words = [model] if len({r.model for r in study.rows}) > 1 else []
    words += [unit] if len({r.unit for r in study.rows}) > 1 else []
    return f" [{', '.join(words)}]" if words else ""


def _name(row: Row, study: Study) -> str:
    several = len({r.unit for r in study.rows}) > 1
    return f"{row.unit}: {row.arm} − {row.control}" if several else f"{row.arm} − {row.control}"


def _main(row: Row, study: Study) -> list[str]:
    d = row.difference
    return [
        _name(row, study), f"{row.questions:,}" + (f"×{row.seeds}" if row.seeds > 1 else ""),
        points(row.own_arm, False), points(row.own_control, False),
        points(d.estimate), span(d.low, d.high), p_value(d.p), p_value(row.compared.p_holm),
        p_value(row.p_bh), p_value(row.compared.p_equal), points(d.within, False),
    ]  # fmt: skip


def _over(row: Row) -> list[str]:
    over = row.difference.over
    return ["–", "–"] if over is None else [span(over.low, over.high), p_value(over.p)]


def _last(study: Study) -> list[str]:
    """The last column: a word for runs compared as wholes, else none or the adjusted interval."""
    if any(r.picked for r in study.rows):
        return ["adjusted for the pick"]
    return [] if study.claim is not None or study.post_hoc else ["word"]


def _word(row: Row, study: Study) -> list[str]:
    if any(r.picked for r in study.rows):
        return [f"{span(row.picked_low, row.picked_high)} of {row.picked}" if row.picked else "–"]
    return [] if study.claim is not None or study.post_hoc else [row.compared.word]


def _tests(row: Row, c: Comparison, study: Study) -> list[str]:
    exact, mid = (c.mcnemar.p, c.mcnemar.mid_p) if c.mcnemar else (None, None)
    return [
        _name(row, study), f"{c.table.n:,}", f"{c.table.only_a}/{c.table.only_b}", p_value(exact),
        p_value(mid), p_value(c.permutation.p), p_value(c.permutation.mid_p),
        span(c.bootstrap.low, c.bootstrap.high), f"{c.cohens_h:+.2f}".replace("-", "−"),
    ]  # fmt: skip


def _readings(row: Row, study: Study) -> list[str]:
    s, c = row.scored, row.content
    a, b = row.lost_arm, row.lost_control
    return [
        _name(row, study), points(c.estimate), span(c.low, c.high), p_value(c.p),
        points(s.estimate) if s else "–", span(s.low, s.high) if s else "–",
        f"{points(a.unscored, False)} / {points(b.unscored, False)}",
        f"{points(a.error, False)} / {points(b.error, False)}",
        f"{row.tokens_arm:,.0f} / {row.tokens_control:,.0f}",
        f"{row.calls_arm:.1f} / {row.calls_control:.1f}",
    ]  # fmt: skip


def _equal(study: Study, make: Callable[..., str]) -> list[str]:
    rows = [(r, equal) for r in study.rows for equal in r.equal]
    return [make(equal_heads(study), [equal_cells(*row, study) for row in rows])] if rows else []


def equal_heads(study: Study) -> list[str]:
    """Columns of the table of equal spending."""
    return ["at equal", "arm − control", "cut", "spent a question", "ratio", "arm %", "control %",
            "diff", f"{study.level:.0%} CI", "p", "arm ahead from"]  # fmt: skip


def equal_cells(row: Row, equal: EqualSpending, study: Study) -> list[str]:
    """One line of that table."""
    d = equal.difference

    def amount(value: float) -> str:
        return f"${value:.6f}" if equal.unit == "dollars" else f"{value:,.0f}"

    ahead = "–"
    if equal.break_even is not None:
        budget = equal.break_even.budget
        ahead = "nowhere" if budget is None else f"{budget:,.0f} tokens"
    return [
        equal.unit, _name(row, study),
        "–" if equal.cap is None else f"{equal.cut} at {amount(equal.cap)}",
        f"{amount(equal.spent_arm)} / {amount(equal.spent_control)}",
        "–" if equal.ratio is None else f"{equal.ratio:.2f}",
        points(equal.own_arm, False), points(equal.own_control, False),
        points(d.estimate), span(d.low, d.high), p_value(d.p), ahead,
    ]  # fmt: skip


def _best(best: Best, study: Study) -> str:
    b = best.best
    text = (
        f"best of {len(best.arms)} against {best.control}{_in(best.model, best.unit, study)}: "
        f"{best.name}, {points(b.selected_maximum)} points on the very questions that chose it "
        f"(selected maximum, biased upwards; no-effect arms would show {points(b.noise_maximum)}). "
        f"Chosen on one half and measured on the other: {points(b.held_out.gain)} "
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
    family = f"Holm (BH) over {n} rows" if n > 1 else "one row, nothing adjusted"
    held = "for all rows at once" if n > 1 else "by itself"
    text = (
        "Details on each task's own metric: differences in points, arm minus control, paired by "
        "question, tasks of a suite weighing the same; unscored answers and errors count as 0 "
        f"unless 'of scored'. p: two-sided mid-p, {study.draws:,} random flips; {family}. CI: "
        f"holds {held}; of scored and tasks like these by themselves. TOST: p of equivalence "
        f"within ±{100 * study.margin:g} points, Holm. ROPE: how likely the difference lies "
        "there, flat prior, not adjusted."
    )
    if any(r.equal for r in study.rows):
        text += (
            " At equal spending an arm that is cut hands in its latest answer, draws their vote, "
            "whatever selector the run had; each interval by itself."
        )
    if any(r.counts for r in study.rows):
        text += (
            " b/c: right in the arm only / in the control only. Bootstrap: over questions, by "
            "itself."
        )
    return text
