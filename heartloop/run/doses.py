"""Dose and response of a run: outcomes by the intensity of what was said, feeling by feeling."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from heartloop.analysis.dose import slope_over
from heartloop.analysis.frames import Mean, mean_over
from heartloop.calls import Journal
from heartloop.data.items import TaskData
from heartloop.errors import UsageError
from heartloop.run.folder import VERDICTS, RunFolder
from heartloop.run.framed import BASE, folded
from heartloop.run.predictions import run_data
from heartloop.run.summary import final_line
from heartloop.run.verdicts import read_traces
from heartloop.style.toxic import toxic_words

OUTCOMES: dict[str, str] = {
    "right": "share of right answers, of all that were asked",
    "content": "the same by content",
    "form": "share of contents in the form that was asked for, of those that are right",
    "agrees": "share of answers that are the person's own wrong one, where one was proposed",
    "toxic": "share of answers with a word of abuse",
    "words": "words of an answer",
}


@dataclass(frozen=True, slots=True)
class Dose:
    """One outcome of one feeling on one task with one model.

    Attributes:
        task, model, feeling, outcome: what it is of.
        doses: intensities, 0 (the plain prompt) first.
        means: of the outcome at each of them, over items.
        slope: per step of intensity among those that were said (1 and up), each item its own
            control: what any sentence does is no part of it.
        said: mean over the intensities that were said, minus the plain prompt.
        items: independent ones.

    The intervals of slope and said hold for all feelings of the outcome together (Bonferroni).
    """

    task: str
    model: str
    feeling: str
    outcome: str
    doses: tuple[int, ...]
    means: tuple[float, ...]
    slope: Mean
    said: Mean
    items: int


def load_doses(folder: RunFolder, *, data_dir: str | None = None) -> list[Dose]:
    """The slope of every outcome on the intensity of every feeling that a run graded.

    Raises:
        UsageError: no feeling in two intensities (the plain prompt is one), or nothing finished.
    """
    manifest = folder.manifest
    plan = manifest["plan"]
    doses = _doses(plan["arms"])
    if not doses:
        raise UsageError(
            f"{folder.path}: no feeling was said in two intensities; say a graded family: "
            "--stimuli intensity"
        )
    modes = {t["task"]: t["mode"] for t in manifest["tasks"]}
    wrong = _proposed(folder, plan, data_dir)
    values: dict[tuple[str, str], dict[str, dict[str, dict[str, list[float]]]]] = {}
    arms = {name for by in doses.values() for name in by.values()}
    journal = Journal.open(folder.path, read_only=True)
    try:
        for trace in read_traces(folder.path / VERDICTS):
            first = trace[0]
            if first["arm"] not in arms:
                continue
            final = final_line(trace, modes[first["task"]])
            said = journal.get(final["key"]) if final["key"] else None
            found = _outcomes(
                final, said.text if said else None, wrong.get((first["task"], first["question"]))
            )
            item = first["cluster"] or first["question"]
            into = values.setdefault((first["task"], first["model"]), {})
            for outcome, value in found.items():
                cell = into.setdefault(outcome, {}).setdefault(first["arm"], {})
                cell.setdefault(item, []).append(value)
    finally:
        journal.close()
    if not values:
        raise UsageError(f"{folder.path}: no question of a graded arm is finished yet")
    level = 1 - 0.05 / len(doses)
    return [
        _dose(key, feeling, outcome, by_dose, values[key][outcome], level)
        for key in values
        for outcome in OUTCOMES
        if outcome in values[key]
        for feeling, by_dose in doses.items()
    ]


def _doses(arms: Sequence[Mapping[str, Any]]) -> dict[str, dict[int, str]]:
    """Feeling → intensity → arm; 0 is the plain prompt."""
    plain = next((arm["name"] for arm in arms if arm["role"] == "none"), None)
    found: dict[str, dict[int, str]] = {}
    for arm in arms:
        said = arm["stimuli"]
        if len(said) == 1 and said[0].get("intensity") and arm["role"] == "treatment":
            by = found.setdefault(said[0].get("feeling") or said[0]["set"], {})
            by.setdefault(int(said[0]["intensity"]), arm["name"])
    for by in found.values():
        if plain is not None:
            by[0] = plain
    return {name: dict(sorted(by.items())) for name, by in found.items() if len(by) > 1}


def _proposed(
    folder: RunFolder, plan: Mapping[str, Any], data_dir: str | None
) -> dict[tuple[str, str], str]:
    """What a person wrongly proposed, by task and question; empty without such a column."""
    found: dict[tuple[str, str], str] = {}
    for facts in folder.manifest["tasks"]:
        if not facts.get("frames"):
            continue
        data: TaskData = run_data(folder, task=facts["task"], data_dir=data_dir)[facts["task"]]
        column = str(data.card.options.get("toward", ""))
        for question in data.questions:
            if column in question.meta and question.meta["frame"] != BASE:
                found[facts["task"], question.id] = folded(str(question.meta[column]))
    return found


def _outcomes(line: Mapping[str, Any], text: str | None, wrong: str | None) -> dict[str, float]:
    found = {
        "right": float(line["outcome"] == "correct"),
        "content": float(line["content"]["outcome"] == "correct"),
    }
    if line["form"] is not None:
        found["form"] = float(line["form"])
    if wrong is not None:
        answer = line["answer"]
        found["agrees"] = float(answer is not None and folded(answer) == wrong)
    if text is not None:
        found["toxic"] = float(toxic_words(text) > 0)
        found["words"] = float(len(text.split()))
    return found


def _dose(
    key: tuple[str, str],
    feeling: str,
    outcome: str,
    by_dose: Mapping[int, str],
    cells: Mapping[str, Mapping[str, list[float]]],
    level: float,
) -> Dose:
    items = list(dict.fromkeys(i for arm in by_dose.values() for i in cells.get(arm, {})))
    table = np.full((len(items), len(by_dose)), np.nan)
    for j, arm in enumerate(by_dose.values()):
        for i, item in enumerate(items):
            if got := cells.get(arm, {}).get(item):
                table[i, j] = float(np.mean(got))
    doses = np.array(list(by_dose))
    told = table[:, doses > 0]
    slope = slope_over(doses[doses > 0], told, level)
    plain = table[:, doses == 0].mean(axis=1) if (doses == 0).any() else np.full(len(items), np.nan)
    said = mean_over(told.mean(axis=1) - plain, level)
    means = tuple(mean_over(column).value for column in table.T)
    return Dose(*key, feeling, outcome, tuple(by_dose), means, slope, said, max(slope.n, said.n))


def dose_dict(found: Dose) -> dict[str, Any]:
    """One slope as plain data; what is not finite becomes None."""
    plain = asdict(found)
    plain["means"] = [_finite(v) for v in found.means]
    for name, mean in (("slope", found.slope), ("said", found.said)):
        plain[name] = {part: _finite(v) for part, v in asdict(mean).items()}
    return plain


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
