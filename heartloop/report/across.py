"""One claim over several models and runs: a forest of each contrast, and what holds over models.

Runs of one model are pooled first, question by question; models answer the same questions, so their
errors are taken together (`heartloop.analysis.meta`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from heartloop.analysis._special import norm_ppf
from heartloop.analysis.contrasts import Sample
from heartloop.analysis.meta import LEAST_MODELS, Pooled, joint_moments, random_effects
from heartloop.analysis.multiplicity import holm
from heartloop.errors import UsageError
from heartloop.report.arms import Entry, Loaded, entries
from heartloop.report.samples import contrast_weights, groups_of, only_tasks, stack
from heartloop.report.writing import p_value, points, span
from heartloop.run.claim import read_claim, same_claim
from heartloop.types import Claim, Contrast


@dataclass(frozen=True, slots=True)
class ModelEffect:
    """A contrast in one model, its runs pooled; shares.

    Attributes:
        model: its name; ``runs``: names of the runs that were pooled.
        estimate, se: on these tasks, for new questions.
        low, high: 95 % interval of this model by itself (normal).
    """

    model: str
    runs: tuple[str, ...]
    estimate: float
    se: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Across:
    """One contrast of a claim over models.

    Attributes:
        unit: task or suite; ``contrast``: what is compared; ``metric``: on which metric.
        models: the forest, in the order of the runs.
        pooled: over models like these; None under four models.
        content: the same for content (right answers in whatever form).
        p_holm: adjusted over the contrasts of its family; 1 without ``pooled``.
        word: ``above``, ``below`` or empty: withheld where content does not go the same way.
        questions: shared by all models and used; ``left_out``: had by some models only.
    """

    unit: str
    contrast: Contrast
    metric: str
    models: tuple[ModelEffect, ...]
    pooled: Pooled | None
    content: Pooled | None
    questions: int
    left_out: int
    p_holm: float = 1.0
    word: str = ""


@dataclass(frozen=True)
class _Answers:
    """One model's values by question, runs and seeds averaged; rows are arms."""

    runs: tuple[str, ...]
    own: dict[tuple[str, str], np.ndarray]
    content: dict[tuple[str, str], np.ndarray]
    cluster: dict[tuple[str, str], str]
    low: dict[str, float]
    high: dict[str, float]


def across(runs: Sequence[Loaded], claim: Claim | None = None) -> tuple[Across, ...]:
    """Every contrast of one claim over the models of one or several runs.

    Pure: reads nothing but what is handed over. The same questions speak as in each run's own
    sentence.

    Args:
        runs: runs of one claim, each read (`heartloop.report.arms.load_run`).
        claim: default the first run's.

    Returns:
        One an arm, control and unit; empty where the claim has no contrasts or nothing is shared.

    Raises:
        UsageError: the runs do not have one claim.
    """
    claim = claim or read_claim(runs[0].manifest)
    for run in runs:
        if not same_claim(claim, read_claim(run.manifest)):
            raise UsageError(
                f"{run.folder.name} and {runs[0].folder.name} have different claims, so there is "
                "no contrast to take together; name the arms: RUN:ARM RUN:ARM"
            )
    wanted = _contrasts(claim)
    found: list[Across] = []
    for unit, tasks in groups_of(runs[0].manifest).items():
        found += _unit(runs, claim, wanted, unit, tasks)
    return _with_words(found, claim)


def _contrasts(claim: Claim) -> list[Contrast]:
    """Every arm and control once: "works" asks again what "plain" asks."""
    kept: dict[tuple[str, tuple[str, ...]], Contrast] = {}
    for family in ("plain", "works", "loop", "arms"):
        for c in claim.contrasts:
            if c.family == family:
                kept.setdefault((c.arm, c.controls), c)
    return list(kept.values())


def _unit(
    runs: Sequence[Loaded],
    claim: Claim,
    wanted: Sequence[Contrast],
    unit: str,
    tasks: Sequence[str],
) -> list[Across]:
    every = [(run, entry) for run in runs for entry in entries(run)]
    have = {e.arm for _, e in every}
    wanted = [c for c in wanted if {c.arm, *c.controls} <= have]
    arms = list(dict.fromkeys(n for c in wanted for n in (c.arm, *c.controls)))
    by_model: dict[str, _Answers] = {}
    for model in dict.fromkeys(e.model for _, e in every):
        answers = _pooled_runs(runs, model, tasks, arms)
        if answers is not None:
            by_model[model] = answers
    if not by_model or not wanted:
        return []
    tables = list(by_model.values())
    shared = [q for q in tables[0].own if all(q in t.own for t in tables[1:])]
    if not shared:
        return []
    left_out = len(set().union(*(t.own for t in tables))) - len(shared)
    names = list(dict.fromkeys(task for task, _ in shared))
    own, content = (
        np.stack([np.stack([getattr(t, what)[q] for q in shared], axis=1) for t in tables])
        for what in ("own", "content")
    )  # (models, arms, questions)
    base = Sample(
        own=own[:, 0],
        content=content[:, 0],
        tasks=np.array([names.index(task) for task, _ in shared]),
        clusters=np.unique([tables[0].cluster[q] for q in shared], return_inverse=True)[1],
        low=np.array([tables[0].low[t] for t in names]),
        high=np.array([tables[0].high[t] for t in names]),
    )
    z = norm_ppf(1 - claim.level / 2)
    metric = " / ".join(dict.fromkeys(claim.metric.get(t, "accuracy") for t in names))
    out = []
    for c in wanted:
        w = np.array(
            contrast_weights(len(arms), arms.index(c.arm), [arms.index(n) for n in c.controls])
        )
        moments = [
            joint_moments(dataclasses.replace(base, own=np.einsum("a,maq->mq", w, x)))
            for x in (own, content)
        ]
        estimates, covariance = moments[0]
        errors = np.sqrt(np.diag(covariance))
        models = tuple(
            ModelEffect(m, t.runs, float(e), float(s), float(e - z * s), float(e + z * s))
            for (m, t), e, s in zip(by_model.items(), estimates, errors, strict=True)
        )
        level = 1 - claim.level
        pooled, soft = (random_effects(*pair, level) for pair in moments)
        out.append(Across(unit, c, metric, models, pooled, soft, len(shared), left_out))
    return out


def _pooled_runs(
    runs: Sequence[Loaded], model: str, tasks: Sequence[str], arms: Sequence[str]
) -> _Answers | None:
    """One model's values by question: the mean over the runs that asked it."""
    sums: list[dict[tuple[str, str], list[np.ndarray]]] = [{}, {}]
    cluster: dict[tuple[str, str], str] = {}
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    names = []
    for run in runs:
        mine = {e.arm: only_tasks(e, tasks) for e in entries(run) if e.model == model}
        chosen = [mine[a] for a in arms if a in mine and mine[a].parts]
        if len(chosen) < len(arms):
            continue
        table = stack(chosen, run.manifest)
        if table is None:
            continue
        found, aligned, spoken = table
        names.append(run.folder.name)
        ids = [q for q, speaks in zip(_ids(chosen[0], aligned), spoken, strict=True) if speaks]
        labels = aligned.clusters[spoken].tolist()
        for i, (question, label) in enumerate(zip(ids, labels, strict=True)):
            cluster[question] = label
            for store, values in zip(sums, (found.own, found.content), strict=True):
                store.setdefault(question, []).append(values[:, i])
        for number, task in enumerate(sorted({task for task, _ in ids})):  # as `sample` codes them
            low[task], high[task] = float(found.low[number]), float(found.high[number])
    if not names:
        return None
    own, content = ({q: np.mean(v, axis=0) for q, v in store.items()} for store in sums)
    return _Answers(tuple(names), own, content, cluster, low, high)


def _ids(entry: Entry, aligned: Any) -> list[tuple[str, str]]:
    return [
        (task, entry.parts[task].questions[int(r)])
        for task, rows in zip(aligned.names, aligned.rows[0], strict=True)
        for r in rows
    ]


def _with_words(found: Sequence[Across], claim: Claim) -> tuple[Across, ...]:
    """Holm within each family (plain prompt, placebo, loop, named arms), and words."""
    out = list(found)
    for family in dict.fromkeys(a.contrast.family for a in found):
        rows = [i for i, a in enumerate(found) if a.contrast.family == family and a.pooled]
        adjusted = holm([p.p for i in rows if (p := found[i].pooled)])
        for i, p in zip(rows, adjusted, strict=True):
            pooled, soft = found[i].pooled, found[i].content
            assert pooled is not None and soft is not None
            word = ""
            follows = soft.low > 0 if pooled.estimate > 0 else soft.high < 0
            if p <= claim.level and follows:
                word = "above" if pooled.estimate > 0 else "below"
            out[i] = dataclasses.replace(found[i], p_holm=float(p), word=word)
    return tuple(out)


# --- As text ------------------------------------------------------------------------------


def sentence_across(found: Sequence[Across]) -> str:
    """What the models come to together, without a full stop; empty for a single model."""
    if not found or len(found[0].models) < 2:
        return ""
    k = len(found[0].models)
    if k < LEAST_MODELS:
        return f"{k} models: a forest and no summary (from {LEAST_MODELS} models on)"
    parts = []
    for a in found:
        if a.word and a.pooled is not None:
            new = a.pooled.predicted
            more = f", a new model within {span(*new)}" if new else ""
            parts.append(
                f"{a.contrast.arm} {a.word} {_control(a)} "
                f"({points(a.pooled.estimate)} {span(a.pooled.low, a.pooled.high)}{more})"
            )
    if not parts:
        parts = ["no contrast is told from 0"]
    return f"over models like these {k}: {'; '.join(parts)}"


def _control(a: Across) -> str:
    if a.contrast.name in ("plain prompt", "placebo"):
        return {"plain prompt": "the plain prompt", "placebo": "its placebo"}[a.contrast.name]
    return " and ".join(a.contrast.controls)


def across_blocks(found: Sequence[Across], make: Callable[..., str]) -> list[str]:
    """The forest as a table, the summary beside it, and what the columns mean."""
    if not found:
        return []
    first, *rest = across_lines(found)
    return [first, make(*across_table(found)), *rest]


def across_table(found: Sequence[Across]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: one a contrast, a column a model, then the summary."""
    models = [m.model for m in found[0].models]
    several = len({a.unit for a in found}) > 1
    summary = found[0].pooled is not None
    heads = ["arm − control", *models]
    if summary:
        heads += ["models like these", "p", "p Holm", "τ", "I²", "a new model", "word"]
    rows = []
    for a in found:
        name = f"{a.unit}: " if several else ""
        cells = [f"{name}{a.contrast.arm} − {', '.join(a.contrast.controls)}"]
        by_model = {m.model: m for m in a.models}
        for model in models:
            m = by_model.get(model)
            cells.append(f"{points(m.estimate)} {span(m.low, m.high)}" if m else "–")
        if summary and (p := a.pooled) is not None:
            cells += [
                f"{points(p.estimate)} {span(p.low, p.high)}", p_value(p.p), p_value(a.p_holm),
                points(p.tau, False), f"{p.i2:.0%}",
                span(*p.predicted) if p.predicted else "–", a.word or "–",
            ]  # fmt: skip
        elif summary:
            cells += ["–"] * 7
        rows.append(cells)
    return heads, rows


def across_lines(found: Sequence[Across]) -> list[str]:
    """What was taken together, and how to read it."""
    first = found[0]
    count = len(first.models)
    pooled_runs = [m for m in first.models if len(m.runs) > 1]
    lines = [
        f"{count} model{'s' * (count > 1)}, {first.questions:,} questions that all have, "
        f"{first.metric}"
        + (f"; {first.left_out:,} that only some have are left out" if first.left_out else "")
        + "".join(f"; {m.model}: {', '.join(m.runs)} pooled" for m in pooled_runs)
    ]
    if first.pooled is not None:
        lines.append(
            "Each model's interval is its own. Models like these: random effects, the errors of "
            "models correlated as joint resampling of the questions has them, Student's t at "
            "models − 1. τ: spread of true effects between models; I²: its share; a new model: "
            "where the effect in a further model of this kind lies. p Holm: over the contrasts "
            "of one family; a word needs content to go the same way."
        )
    elif count > 1:
        lines.append(
            f"Under {LEAST_MODELS} models there is a forest and no summary: how much models differ "
            "cannot be told from so few."
        )
    return lines
