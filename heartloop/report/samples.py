"""A run's results as a `Sample`: every arm on its task's own metric, on the questions all have."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from heartloop.analysis import ABSENT
from heartloop.analysis.contrasts import Sample, sample
from heartloop.report.align import Aligned, align, own_metric
from heartloop.report.arms import Entry
from heartloop.run.claim import BIAS_METRIC, metrics_of
from heartloop.run.layout import Manifest


def groups_of(manifest: Manifest) -> dict[str, list[str]]:
    """Suites of two or more tasks, and lone tasks: name -> tasks."""
    found: dict[str, list[str]] = {}
    for task in manifest["tasks"]:
        found.setdefault(task.get("suite") or task["task"], []).append(task["task"])
    return {(name if len(t) > 1 else t[0]): t for name, t in found.items()}


def only_tasks(entry: Entry, tasks: Sequence[str]) -> Entry:
    """An entry without its other tasks."""
    return dataclasses.replace(entry, parts={t: entry.parts[t] for t in tasks if t in entry.parts})


def contrast_weights(arms: int, arm: int, controls: Sequence[int]) -> list[float]:
    """One row of weights for `contrasts`: an arm minus the mean of its controls."""
    row = [0.0] * arms
    row[arm] += 1.0
    for control in controls:
        row[control] -= 1.0 / len(controls)
    return row


def stack(chosen: Sequence[Entry], manifest: Manifest) -> tuple[Sample, Aligned, np.ndarray] | None:
    """Own metric and content of several arms on the questions that all of them have finished.

    Returns:
        The sample, the alignment behind it, and which of its questions are in the sample; None
        where no question is finished by all.
    """
    aligned = align(chosen)
    if aligned is None:
        return None
    tried = np.logical_and.reduce(
        [aligned.stack(i, "outcomes") != ABSENT for i in range(len(chosen))]
    )
    if not tried.any():
        return None
    found = sampled(aligned, range(len(chosen)), tried, manifest)
    return found, aligned, np.asarray(tried.any(axis=1))


def sampled(aligned: Aligned, which: Sequence[int], kept: np.ndarray, manifest: Manifest) -> Sample:
    """Own metric and content of some of the aligned arms, where ``kept``; means over seeds.

    Args:
        aligned: the arms.
        which: their places.
        kept: which answers count, shape (questions, seeds); no arm lacks one of them.
        manifest: of their run.
    """
    own, content = [], []
    for i in which:
        own.append(values(aligned.stack(i, "outcomes"), aligned.stack(i, "scores")))
        content.append(values(aligned.stack(i, "content"), aligned.stack(i, "content_scores")))
    return averaged(aligned, own, content, kept, manifest)


def averaged(
    aligned: Aligned,
    own: Sequence[np.ndarray],
    content: Sequence[np.ndarray] | None,
    kept: np.ndarray,
    manifest: Manifest,
) -> Sample:
    """A sample of tables (questions, seeds), one an arm: means over the seeds that are kept."""
    spoken, count = kept.any(axis=1), np.maximum(kept.sum(axis=1), 1)

    def means(tables: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack([np.where(kept, x, 0).sum(axis=1) / count for x in tables])[:, spoken]

    return sample(
        means(own),
        None if content is None else means(content),
        aligned.tasks[spoken],
        aligned.clusters[spoken],
        bounds_of(manifest),
    )


def values(codes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The metric of each question and seed: the official score, else 1 for a right answer.

    Unscored answers and errors are 0; NaN where nothing was tried.
    """
    return np.asarray(np.where(codes == ABSENT, np.nan, own_metric(codes, scores)))


def metric_words(manifest: Manifest, tasks: Sequence[str]) -> str:
    """The own metric of some tasks in words."""
    known = metrics_of(manifest["tasks"])
    names = dict.fromkeys(known.get(t, "accuracy") for t in tasks)
    words = " / ".join("right label (B and Q: above)" if n == BIAS_METRIC else n for n in names)
    return f"{words}, mean of {len(tasks)} tasks" if len(tasks) > 1 else words


def bounds_of(manifest: Manifest) -> dict[str, tuple[float, float]]:
    """Task -> (chance, perfect) of normalised metrics."""
    return {
        t["task"]: (t["metric_low"], t["metric_high"])
        for t in manifest["tasks"]
        if t.get("metric") == "normalised"
    }
