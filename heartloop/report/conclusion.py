"""The answer in one sentence, with its uncertainty and without more than the run can carry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from heartloop.analysis import ABSENT
from heartloop.errors import UsageError
from heartloop.report.arms import (
    FEELING,
    Entry,
    Loaded,
    controls_of,
    entries,
    is_treatment,
    pairs_within,
)
from heartloop.report.search import is_search, search_sentence
from heartloop.report.shapes import Row, Study
from heartloop.report.study import label_of, provenance, study
from heartloop.report.tables import points, span
from heartloop.run.state import headline

if TYPE_CHECKING:
    from heartloop.analysis.compare import Comparison


def conclude(folder: Path) -> str:
    """The run's conclusion in one sentence; empty where nothing was answered.

    The main comparison is the treatment against its strictest matched control, in an order that
    was fixed before any result (`heartloop.report.arms.STRICT`), on the questions that both have.
    A search (``heartloop optimize``) gives its own answer, from its held-out questions.

    Raises:
        UsageError: the folder is no run or has no verdicts.
    """
    from heartloop.report.arms import load_run
    from heartloop.run.folder import RunFolder

    return conclusion_of(load_run(RunFolder(Path(folder))))


def conclusion_of(run: Loaded, result: Study | None = None) -> str:
    """The same for a run that was read already, from its comparisons where they are at hand."""
    if is_search(run):
        return _prefix(run) + search_sentence(run) + "."
    found = entries(run)
    if result is None:
        try:
            result = study(pairs_within(run), curves=False, draws=200)
        except UsageError:
            result = None  # a single arm
    models = list(dict.fromkeys(e.model for e in found))
    parts = []
    for model in models:
        text = _of_model([e for e in found if e.model == model], result)
        parts.append(f"{model}: {text}" if text and len(models) > 1 else text)
    if not any(parts):
        return ""
    return _prefix(run) + "; ".join(part for part in parts if part) + "."


def _prefix(run: Loaded) -> str:
    words = []
    for text in provenance(run.manifest):
        if text.startswith("PRACTICE"):
            words.append("PRACTICE SET")
        elif text.startswith("SIMULATED"):
            words.append("SIMULATED")
        else:
            words.append("pocket, a tiny embedded model")
    if not run.state.whole:
        words.append(headline(run.state))
    return f"[{'; '.join(words)}] " if words else ""


def _of_model(found: Sequence[Entry], result: Study | None) -> str:
    treatments = [e for e in found if is_treatment(e)]
    lost, asked = _lost(found)
    if not asked:
        return ""
    if lost > asked / 2:
        return (
            f"no conclusion: {lost:,} of {asked:,} answers have no verdict (unscored or errors), "
            "so nothing was measured"
        )
    if not treatments:
        return _alone(found, "no treatment was run")
    controls = [controls_of(e, found) for e in treatments]
    if result is None or not all(controls):
        return _alone(treatments, "no control was run, so nothing can be said about its cause")
    if len(treatments) == 1:
        return _single(treatments[0], controls[0], result)
    return _several(treatments, [c[0] for c in controls], result)


def _lost(found: Sequence[Entry]) -> tuple[int, int]:
    """How many questions ended without a verdict, and how many were asked."""
    tables = [part.outcomes for entry in found for part in entry.parts.values()]
    asked = sum(int((t != ABSENT).sum()) for t in tables)
    return sum(int(((t < 0) & (t != ABSENT)).sum()) for t in tables), asked


def _alone(found: Sequence[Entry], why: str) -> str:
    from heartloop.analysis import accuracy

    shown = []
    for entry in found[:3]:
        right = total = 0
        low = high = None
        for part in entry.parts.values():
            one = accuracy(part.outcomes, part.clusters)
            right, total = right + one.correct, total + one.total
            low, high = one.of_all.low, one.of_all.high
        if not total:
            continue
        text = f"{entry.arm} {100 * right / total:.1f} %"
        if len(entry.parts) == 1 and low is not None and high is not None:
            text += f" [{100 * low:.1f}, {100 * high:.1f}]"
        shown.append(f"{text} of {total:,}")
    if not shown:
        return ""
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return f"{', '.join(shown)}{more}: {why}"


def _row_of(result: Study, arm: Entry, control: Entry) -> Row | None:
    """The comparison of two arms in a study of their run; None where they share no question."""
    names = label_of(arm, False), label_of(control, False)
    return next((r for r in result.rows if (r.arm, r.control) == names), None)


def _single(arm: Entry, controls: Sequence[Entry], result: Study) -> str:
    main = controls[0]
    row = _row_of(result, arm, main)
    assert row is not None
    text = _row(arm, main, row, result)
    # A loop's main control is its compute; whether feeling did it is a second question.
    second = next((c for r in FEELING for c in controls if c.role == r and c is not main), None)
    other = _row_of(result, arm, second) if second is not None else None
    if other is not None and second is not None and main.role not in FEELING:
        c = other.comparison
        text += (
            f"; against the same without feeling ({second.arm}, "
            f"{points(c.b.of_all.estimate, False)} %): {points(c.difference)} "
            f"{span(c.low, c.high)}: {_meaning(c, result.margin)}"
        )
    if len(result.rows) > 1:
        text += f" (verdicts by Holm over {len(result.rows)} comparisons)"
    if row.flips or (other is not None and other.flips):
        text += "; own metric and content disagree about this"
    return text


def _row(arm: Entry, control: Entry, row: Row, result: Study) -> str:
    c = row.comparison
    cost = (
        f" (tokens a question: {row.tokens_arm:,.0f} vs {row.tokens_control:,.0f}; calls: "
        f"{row.calls_arm:.1f} vs {row.calls_control:.1f})"
    )
    how = {
        "resample": f", independent draws{cost}",
        "none": " (nothing added; no matched control was run)",
        "again": " (the same prompt once more; no matched control was run)",
    }.get(control.role, "")
    tasks = f" of {c.suite.tasks} tasks" if c.suite else ""
    seeds = f" × {c.seeds} seeds" if c.seeds > 1 else ""
    return (
        f"{arm.arm} {points(c.a.of_all.estimate, False)} % vs {control.arm} "
        f"{points(c.b.of_all.estimate, False)} %{how}: {points(c.difference)} points "
        f"{span(c.low, c.high)}, 95 % CI, {c.questions:,} questions{tasks}{seeds}: "
        f"{_meaning(c, result.margin, arm.arm)}"
    )


def _meaning(found: Comparison, margin: float, arm: str = "") -> str:
    """What a comparison comes to; with the arm's name in full, without it in short."""
    region = f"±{100 * margin:g} points"
    if found.verdict == "equivalent":
        return f"no difference beyond {region}"
    if found.verdict != "undecided":
        return f"{arm} is {found.verdict}" if arm else found.verdict
    if not arm:
        return "undecided"
    least = found.smallest_detectable
    seen = "too few questions to find any difference" if least is None else (
        f"this run could find about {points(least, False)} points or more"
    )  # fmt: skip
    return f"undecided ({seen}), and that there is none beyond {region} is not shown either"


def _several(treatments: Sequence[Entry], controls: Sequence[Entry], result: Study) -> str:
    found = [_row_of(result, t, c) for t, c in zip(treatments, controls, strict=True)]
    rows = [row for row in found if row is not None]
    better = [r.arm for r in rows if r.comparison.verdict == "better"]
    worse = [r.arm for r in rows if r.comparison.verdict == "worse"]
    same = sum(r.comparison.verdict == "equivalent" for r in rows)
    first = rows[0].comparison
    names = list(dict.fromkeys(c.arm for c in controls))
    against = f"{names[0]} {points(first.b.of_all.estimate, False)} %" if len(names) == 1 else (
        f"their controls ({names[0]} …)"
    )  # fmt: skip
    tasks = f" of {first.suite.tasks} tasks" if first.suite else ""
    text = (
        f"{len(treatments)} arms vs {against}, {first.questions:,} questions{tasks}: "
        f"{_names(better)} better, {_names(worse)} worse (Holm over "
        f"{len(result.rows)} comparisons)"
    )
    if same:
        text += f", {same} equivalent within ±{100 * result.margin:g} points"
    same_control = [
        b for b in result.best if (b.model, b.control) == (controls[0].model, controls[0].arm)
    ]
    if same_control:
        best = same_control[0]
        b = best.best
        text += (
            f"; the best, {best.name}, shows {points(b.selected_maximum)} points on the questions "
            f"that chose it and {points(b.cross_fitted.gain)} "
            f"{span(b.cross_fitted.low, b.cross_fitted.high)} on others (cross-fitted, 95 % CI)"
        )
    if any(r.flips for r in rows):
        text += "; own metric and content disagree about some of this"
    return text


def _names(found: Sequence[str]) -> str:
    if not found:
        return "none"
    shown = ", ".join(found[:4])
    return shown if len(found) <= 4 else f"{shown} and {len(found) - 4} more"
