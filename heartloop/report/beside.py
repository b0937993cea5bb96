"""What stands beside a claim: other figures of judged tasks, several draws, where the spread sits.

None of it carries a word. Every figure has an interval.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from heartloop.analysis import ABSENT, CORRECT
from heartloop.analysis.meta import Pooled, joint_moments, random_effects
from heartloop.analysis.ratios import Ratio, ratios
from heartloop.analysis.spread import Spread, spread
from heartloop.report.align import align
from heartloop.report.arms import Entry, Loaded, entries, wordings_of
from heartloop.report.html import table as html_table
from heartloop.report.samples import groups_of, only_tasks, stack, values
from heartloop.report.writing import points, span
from heartloop.run.folder import VERDICTS
from heartloop.run.repeats import NAMES, repeat_lines
from heartloop.types import Claim

Make = Callable[..., str]


@dataclass(frozen=True, slots=True)
class JudgedFigure:
    """One figure of a judged task in one arm: F, true, informative and others.

    Attributes:
        task, model, arm: where; ``name``: which figure.
        ratio: its value and its difference to the plain prompt, with intervals.
    """

    task: str
    model: str
    arm: str
    name: str
    ratio: Ratio


@dataclass(frozen=True, slots=True)
class ArmSpread:
    """Where the spread of one arm on one task or suite sits.

    Attributes:
        unit, model, arm: where; ``spread``: its parts.
    """

    unit: str
    model: str
    arm: str
    spread: Spread


@dataclass(frozen=True, slots=True)
class Wordings:
    """How far the wordings of one class differ in what they do, beyond noise.

    Attributes:
        unit, model: where; ``label``: the set, or the stimulus that is paraphrased.
        arms: the wordings.
        pooled: their effects against the plain prompt as a random sample: ``tau`` is the spread.
    """

    unit: str
    model: str
    label: str
    arms: tuple[str, ...]
    pooled: Pooled


@dataclass(frozen=True, slots=True)
class Beside:
    """Everything beside the claim of one run.

    Attributes:
        judged: figures of judged tasks; ``repeats``: table rows of several independent answers.
        spreads: variance components of arms; ``wordings``: of classes of stimuli.
    """

    judged: tuple[JudgedFigure, ...]
    repeats: tuple[tuple[str, ...], ...]
    spreads: tuple[ArmSpread, ...]
    wordings: tuple[Wordings, ...]


def beside(run: Loaded, claim: Claim) -> Beside:
    """All of it, from the verdicts of a run."""
    found = entries(run)
    rows = _summary_rows(run)
    return Beside(
        judged=tuple(_judged(run, claim)),
        repeats=tuple(tuple(row) for row in repeat_lines(rows)),
        spreads=tuple(_spreads(run, claim, found)),
        wordings=tuple(_wordings(run, claim, found)),
    )


def _summary_rows(run: Loaded) -> Sequence[Mapping[str, Any]]:
    return run.summary["arms"] if run.summary else ()


def speaks_alone(run: Loaded) -> bool:
    """Whether an arm has figures of its own: several answers a question, or judged labels."""
    rows = _summary_rows(run)
    return bool(repeat_lines(rows)) or any(row.get("judged") for row in rows)


# --- Figures of judged tasks --------------------------------------------------------------


def _simpleqa(said: Mapping[str, str]) -> dict[str, tuple[float, float]]:
    right, wrong = said.get("label") == "CORRECT", said.get("label") == "INCORRECT"
    return {
        "correct given attempted": (right, right or wrong),
        "F": (2 * right, 1 + (right or wrong)),
        "attempted": (right or wrong, 1),
    }


def _truthful(said: Mapping[str, str]) -> dict[str, tuple[float, float]]:
    true, informative = said.get("truthful") == "yes", said.get("informative") == "yes"
    return {"true": (true, 1), "informative": (informative, 1)}


def _judged(run: Loaded, claim: Claim) -> list[JudgedFigure]:
    """F and correct given attempted, or true and informative, each with its interval."""
    from heartloop.grading.judge import label_of
    from heartloop.run.summary import final_line
    from heartloop.run.verdicts import read_traces

    modes = {t["task"]: t["mode"] for t in run.manifest["tasks"]}
    if not any(row.get("judged") for row in _summary_rows(run)):
        return []
    labels: dict[tuple[str, str], dict[str, dict[str, list[dict[str, str]]]]] = {}
    clusters: dict[tuple[str, str], str] = {}
    for trace in read_traces(run.folder.path / VERDICTS):
        final = final_line(trace, modes[trace[0]["task"]])
        said = label_of(final["detail"])
        if not ("label" in said or "truthful" in said):
            continue
        by_arm = labels.setdefault((final["task"], final["model"]), {})
        by_arm.setdefault(final["arm"], {}).setdefault(final["question"], []).append(said)
        clusters[final["task"], final["question"]] = final["cluster"] or final["question"]
    found = []
    for (task, model), by_arm in labels.items():
        arms = list(by_arm)
        shared = [q for q in by_arm[arms[0]] if all(q in by_arm[a] for a in arms)]
        if len(shared) < 2:
            continue
        figures = _simpleqa if "label" in by_arm[arms[0]][shared[0]][0] else _truthful
        none = next((n for c in claim.controls.values() for n in c.get("none", ())), arms[0])
        control = arms.index(none) if none in arms else 0
        parts = [[[figures(said) for said in by_arm[a][q]] for q in shared] for a in arms]
        for name in parts[0][0][0]:
            sums = np.array(
                [[np.sum([p[name] for p in draws], axis=0) for draws in row] for row in parts],
                dtype=float,
            )  # (arms, questions, 2)
            groups = [clusters[task, q] for q in shared]
            for arm, ratio in zip(
                arms, ratios(sums[..., 0], sums[..., 1], control, groups), strict=True
            ):
                found.append(JudgedFigure(task, model, arm, name, ratio))
    return found


# --- Where the spread sits ----------------------------------------------------------------


def _spreads(run: Loaded, claim: Claim, found: Sequence[Entry]) -> list[ArmSpread]:
    """Variance components of every arm with several draws, else of the plain prompt alone."""
    plain = {n for c in claim.controls.values() for n in c.get("none", ())}
    out = []
    for unit, tasks in groups_of(run.manifest).items():
        for entry in found:
            one = only_tasks(entry, tasks)
            if not one.parts:
                continue
            table = _draws(one)
            if table is None:
                continue
            several = table[0].shape[1] > 1
            if not several and entry.arm not in plain and len(found) > 1:
                continue
            if not several and len(one.parts) < 2:
                continue  # nothing to tell apart
            parts = spread(*table)
            if parts is not None:
                out.append(ArmSpread(unit, entry.model, entry.arm, parts))
    return out


def _draws(entry: Entry) -> tuple[np.ndarray, np.ndarray] | None:
    """Values of an arm, (questions, draws), and the task of each question."""
    aligned = align([entry])
    if aligned is None:
        return None
    codes = aligned.stack(0, "outcomes")
    own = values(codes, aligned.stack(0, "scores"))
    if len(widths := {p.draws.shape[2] for p in entry.parts.values()}) == 1 and max(widths) > 1:
        draws = aligned.stack(0, "draws")
        if not (draws == ABSENT).any():
            own = (draws == CORRECT).astype(float).reshape(len(draws), -1)
    keep = ~np.isnan(own).any(axis=1)
    return (own[keep], aligned.tasks[keep]) if keep.sum() > 1 else None


def _wordings(run: Loaded, claim: Claim, found: Sequence[Entry]) -> list[Wordings]:
    """Spread between wordings of one class, from four of them on."""
    out = []
    for unit, tasks in groups_of(run.manifest).items():
        for model in dict.fromkeys(e.model for e in found):
            mine = {e.arm: only_tasks(e, tasks) for e in found if e.model == model}
            none = next(
                (n for c in claim.controls.values() for n in c.get("none", ()) if n in mine), None
            )
            treated = [mine[a] for a in claim.treatments if a in mine and mine[a].parts]
            if none is None or not mine[none].parts:
                continue
            for label, members in wordings_of(treated).items():
                table = stack([mine[none], *members], run.manifest)
                if table is None:
                    continue
                base = table[0].own
                gains = dataclasses.replace(table[0], own=base[1:] - base[0])
                pooled = random_effects(*joint_moments(gains))
                if pooled is not None:
                    names = tuple(m.arm for m in members)
                    out.append(Wordings(unit, model, label, names, pooled))
    return out


# --- As tables ----------------------------------------------------------------------------


def tables(found: Beside) -> list[tuple[str, list[str], list[list[str]]]]:
    """Caption, header and rows of every table that has any."""
    out: list[tuple[str, list[str], list[list[str]]]] = []
    if found.judged:
        out.append((
            "Other figures of judged tasks, 95 % intervals over questions (bootstrap); no words",
            ["figure", "arm", "%", "95 % CI", "− none", "95 % CI"],
            [
                [f"{j.task}: {j.name}", _arm(j.arm, j.model, found), points(j.ratio.value, False),
                 _limits(j.ratio.low, j.ratio.high, False), points(j.ratio.difference),
                 _limits(j.ratio.difference_low, j.ratio.difference_high)]
                for j in found.judged
            ],
        ))  # fmt: skip
    if found.repeats:
        out.append((
            "Several independent answers: right at least once, each time, by vote (95 % CI)",
            ["arm", "k", *(f"{name} %" for name in NAMES.values())],
            [list(row) for row in found.repeats],
        ))  # fmt: skip
    if found.spreads:
        out.append((
            "Where the spread sits: standard deviations in points between tasks, questions of a "
            "task and draws of a question, and the standard error of the mean that more questions "
            "(more draws) would shrink",
            ["arm", "tasks", "questions", "draws", "s.e. questions", "s.e. draws", "n"],
            [
                [f"{s.unit}: {_arm(s.arm, s.model, found)}", points(s.spread.tasks, False),
                 points(s.spread.questions, False), points(s.spread.draws, False),
                 points(s.spread.se_questions, False), points(s.spread.se_draws, False),
                 " × ".join(f"{c:,}" for c in s.spread.count)]
                for s in found.spreads
            ],
        ))  # fmt: skip
    if found.wordings:
        out.append((
            "Wordings of one class as a sample: mean effect against the plain prompt, and how far "
            "true effects differ from wording to wording (τ)",
            ["class", "wordings", "mean", "95 % CI", "τ", "I²", "a new wording"],
            [
                [f"{w.unit}: {w.label}", str(len(w.arms)), points(w.pooled.estimate),
                 span(w.pooled.low, w.pooled.high), points(w.pooled.tau, False),
                 f"{w.pooled.i2:.0%}", span(*w.pooled.predicted) if w.pooled.predicted else "–"]
                for w in found.wordings
            ],
        ))  # fmt: skip
    return out


def _arm(arm: str, model: str, found: Beside) -> str:
    models = {j.model for j in found.judged} | {s.model for s in found.spreads}
    return f"{arm} [{model}]" if len(models) > 1 else arm


def _limits(low: float | None, high: float | None, sign: bool = True) -> str:
    return "–" if low is None else f"[{points(low, sign)}, {points(high, sign)}]"


def blocks(found: Beside, make: Make) -> list[str]:
    """What ``compare`` prints of it."""
    return [f"{caption}\n{make(heads, rows)}" for caption, heads, rows in tables(found)]


def beside_section(run: Loaded, claim: Claim) -> str:
    """What the report's page shows of it; empty where there is nothing."""
    found = beside(run, claim)
    return "".join(
        html_table(heads, rows, caption=caption)
        for caption, heads, rows in tables(found)
        if rows and heads[1] != "k"  # the page has its own table of several answers
    )
