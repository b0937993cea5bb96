"""What `heartloop esc` prints: the headline on one screen, and every table with --verbose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from heartloop.cli._show import width_now
from heartloop.report.writing import estimate, filled

if TYPE_CHECKING:
    from heartloop.analysis.preference import PreferenceReport
    from heartloop.analysis.text_quality import ResponseQuality
    from heartloop.run.preference_bias import Analysis, Difference
    from heartloop.run.response_quality import Ratings

SCREEN, DIFFERENCES = 8, 6  # arms and differences that are shown


def screen(analyses: list[Analysis], differences: list[Difference]) -> None:
    """At most 25 lines of 80 columns: the arms, what chance would give, the differences in B."""
    from heartloop.cli._show import cut, table
    from heartloop.run.preference_bias import notes_of

    several = len({a.of.run for a in analyses}) > 1 or len({a.of.task for a in analyses}) > 1
    models = len({a.of.model for a in analyses}) > 1
    rows = [
        [
            cut(_name(a, several, models), 28),
            f"{a.report.items:,}",
            f"{a.report.unread:,}",
            f"{100 * a.report.accuracy:.1f}",
            f"{100 * a.report.macro:.1f}",
            _interval(a.report.preference.bias, a.report.bias_interval),
        ]
        for a in analyses[:SCREEN]
    ]
    if any(a.of.practice for a in analyses):
        click.secho("PRACTICE SET: heartloop's own items; not ESConv.", fg="yellow")
    click.echo("Q: macro-F1. B: preference bias, 0 where labels come as often as called for.")
    heads = ["arm", "items", "unread", "right %", "Q %", "B, 95 % CI"]
    click.echo(table(heads, rows, right={1, 2, 3, 4}))
    if len(analyses) > SCREEN:
        click.echo(f"and {len(analyses) - SCREEN} more arms: --verbose")
    chance = analyses[0].report.uniform
    click.echo(
        f"random labels: Q {100 * chance.macro:.1f} %, "
        f"B {chance.mean:.2f} [{chance.low:.2f}, {chance.high:.2f}]"
    )
    names = {} if several or models else {a.of.name: a.of.arm for a in analyses}
    found = [
        [
            cut(f"{names.get(d.second, d.second)} − {names.get(d.first, d.first)}", 40),
            estimate(*d.bias.bias[:3], 2),
            f"{d.bias.bias[3]:.3f}",
        ]
        for d in differences[:DIFFERENCES]
    ]
    if found:
        click.echo(table(["difference in B, paired", "points of B", "p"], found, right={1, 2}))
    if len(differences) > DIFFERENCES:
        click.echo(f"and {len(differences) - DIFFERENCES} more: --verbose")
    if found:
        click.echo(f"p: bootstrap over conversations, not corrected for {len(differences)} tests")
    notes = [f"{a.of.arm}: {text}" for a in analyses for text in notes_of(a)]
    for text in notes[:2]:
        click.echo("! " + cut(text, 78))
    if len(notes) > 2:
        click.echo(f"! and {len(notes) - 2} more notes: --verbose")
    click.echo("every label, reference and test: --verbose; pictures: heartloop report")


def print_whole(analyses: list[Analysis], options: dict[str, Any]) -> None:
    from heartloop.run.preference_bias import notes_of

    several = len({a.of.run for a in analyses}) > 1
    models = len({a.of.model for a in analyses}) > 1
    groups: dict[tuple[str, tuple[str, ...]], list[Analysis]] = {}
    for one in analyses:
        groups.setdefault((one.of.task, one.of.labels), []).append(one)
    for (task, labels), group in groups.items():
        if any(a.of.practice for a in group):
            click.secho(f"PRACTICE SET: {task} here is heartloop's own; not ESConv.", fg="yellow")
        click.echo(f"{task}: {group[0].report.items} predictions in "
                   f"{len(set(group[0].of.conversations.tolist()))} conversations\n")  # fmt: skip
        named = [(_name(a, several, models), a) for a in group]
        click.echo(headline([(n, a.report, a.of.errors) for n, a in named]))
        for name, one in named:
            click.echo(f"\n{name}")
            label_table(one.report, one.confusion)
            if options["matrix"] or len(analyses) == 1:
                _matrix(labels, one)
            _drift(one)
        click.echo()
        references([(n, a.report) for n, a in named], labels)
        for name, one in named:
            for note in notes_of(one):
                click.echo(filled(f"note: {name}: {note}", width_now()))


def _prose(text: str) -> None:
    click.echo(filled(text, width_now()))


def print_quality(marks: ResponseQuality, name: str) -> None:
    click.echo()
    _prose(
        f"responses of {name} ({marks.responses}): BLEU-2 {marks.bleu_2:.4f}, "
        f"BLEU-4 {marks.bleu_4:.4f}, ROUGE-L {marks.rouge_l:.4f}, "
        f"Distinct-1 {marks.distinct_1:.4f}, Distinct-2 {marks.distinct_2:.4f}, "
        f"{marks.words:.1f} words"
    )


def print_ratings(ratings: list[Ratings]) -> None:
    from heartloop.cli._show import fitted
    from heartloop.run.response_quality import CRITERIA

    rows = []
    for rated in ratings:
        for judge, means in rated.means.items():
            shown = ["none" if means[c] is None else f"{means[c]:.2f}" for c in CRITERIA]
            rows.append([rated.arm, judge, str(rated.rated - rated.failed[judge]), *shown])
        if rated.agreement:
            cells = []
            for c in CRITERIA:
                found = rated.agreement[c]
                kappa = "κ none" if found.kappa is None else f"κ {found.kappa:.2f}"
                cells.append(f"{kappa}, {100 * found.exact:.0f} % equal")
            rows.append([rated.arm, "agreement", str(rated.agreement[CRITERIA[0]].items), *cells])
    if rows:
        click.echo("\nratings, 1 to 5 (κ: quadratic weights)")
        click.echo(fitted(["arm", "judge", "rated", *CRITERIA], rows, right={2, 3, 4, 5, 6}))


def _name(one: Analysis, several: bool, models: bool) -> str:
    name = one.of.name if several else one.of.arm
    return f"{name} [{one.of.model}]" if models else name


def _interval(value: float, span: tuple[float, float] | None, scale: float = 1.0) -> str:
    shown = f"{value * scale:.2f}"
    return shown if span is None else f"{shown} [{span[0] * scale:.2f}, {span[1] * scale:.2f}]"


def headline(rows: list[tuple[str, PreferenceReport, int]]) -> str:
    from heartloop.cli._show import fitted

    stages = list(rows[0][1].stage_weighted)
    headers = ["", "items", "unread", "error", "accuracy %", "Q %", "weighted F1 %"]
    headers += [f"{stage} wF1 %" for stage in stages]
    headers += ["B", "B adjusted", "r(p, F1)"]
    lines = []
    for name, r, errors in rows:
        correlation = "none" if r.p_f1_correlation is None else f"{r.p_f1_correlation:.2f}"
        marks = [
            name,
            str(r.items),
            str(r.unread),
            str(errors),
            _interval(r.accuracy, r.accuracy_interval, 100),
            _interval(r.macro, r.macro_interval, 100),
            f"{100 * r.weighted:.2f}",
            *(f"{100 * r.stage_weighted.get(stage, float('nan')):.2f}" for stage in stages),
            _interval(r.preference.bias, r.bias_interval),
            f"{r.bias_balanced:.2f}",
            correlation,
        ]
        lines.append(marks)
    return fitted(headers, lines, right=set(range(1, len(headers))))


def label_table(report: PreferenceReport, counts: Any) -> None:
    from heartloop.cli._show import fitted

    items = max(report.items, 1)
    rows = []
    for i, name in enumerate(report.labels):
        span = report.p_interval[i] if report.p_interval else None
        p = report.preference.p[i]
        rows.append(
            [
                name,
                f"{100 * counts[:, i].sum() / items:.1f}",
                f"{100 * counts[i].sum() / items:.1f}",
                _interval(p, span),
                "█" * min(32, round(8 * p)),
                f"{report.f1[i]:.3f}",
            ]
        )
    rows.append(["(unread)", "", f"{100 * report.unread / items:.1f}", "", "", ""])
    headers = ["label", "gold %", "predicted %", "preference p", "8 blocks are p = 1", "F1"]
    click.echo(fitted(headers, rows, right={1, 2, 3, 5}))


def _matrix(labels: tuple[str, ...], one: Analysis) -> None:
    from heartloop.cli._show import fitted

    short = [f"{i + 1}" for i in range(len(labels))]
    rows = [
        [f"{i + 1} {name}" if i < len(labels) else name, *map(str, one.confusion[i].tolist())]
        for i, name in enumerate((*labels, "(unread)"))
    ]
    click.echo("\n" + fitted(["predicted \\ gold", *short], rows, right=set(range(1, 99))))


def _drift(one: Analysis) -> None:
    if one.drift is None:
        return
    bias = " → ".join(f"{b:.2f}" for b in one.drift.bias)
    macro = " → ".join(f"{100 * q:.1f}" for q in one.drift.macro)
    told = one.drift.reinforcement
    click.echo(f"by round: B {bias}; Q % {macro}")
    if told is not None:
        click.echo(f"preferred labels become more preferred: r(p, change of p) = {told:.2f}")


def references(rows: list[tuple[str, PreferenceReport]], labels: tuple[str, ...]) -> None:
    from heartloop.cli._show import fitted
    from heartloop.run.preference_bias import published

    lines = []
    seen = set()
    for _, report in rows:
        for what, found in (("uniform", report.uniform), ("gold-marginal", report.gold_marginal)):
            span = f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"
            line = [f"random, {what} (n = {report.items})", f"{100 * found.macro:.2f}", span]
            lines += [line] if tuple(line) not in seen else []
            seen.add(tuple(line))
    for name, macro, bias in published(labels):
        lines.append([f"published: {name}", f"{macro:.2f}", "" if bias is None else f"{bias:.2f}"])
    click.echo(fitted(["to read it against", "Q %", "B"], lines, right={1, 2}))
    if published(labels):
        _prose(
            "published: Kang et al. 2024 on their own test sets, other items than these; "
            "reference values, not a comparison"
        )


def print_differences(differences: list[Difference]) -> None:
    from heartloop.cli._show import fitted

    def cell(row: tuple[float, float, float, float], scale: float = 1.0) -> str:
        value, low, high, p = row
        return f"{estimate(value * scale, low * scale, high * scale, 2)} p={p:.3f}"

    rows = [
        [
            f"{d.second} − {d.first}",
            str(d.items),
            cell(d.bias.bias),
            cell(d.bias.macro, 100),
            cell(d.bias.accuracy, 100),
            f"{d.accuracy_p:.3f}",
        ]
        for d in differences
    ]
    headers = ["paired difference", "items", "B", "Q, points", "accuracy, points", "p (flips)"]
    click.echo(fitted(headers, rows, right={1, 2, 3, 4, 5}))
    _prose(
        "intervals and p: bootstrap over conversations; p (flips): sign-flip test of accuracy over "
        f"conversations. {len(differences)} comparison(s), not corrected for their number"
    )
