"""The moods of a run's dialogues, turn by turn, and what they did."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from heartloop.analysis.dose import slope_over
from heartloop.analysis.frames import Mean, mean_over
from heartloop.analysis.trajectory import Measures, measures
from heartloop.calls import Journal
from heartloop.errors import UsageError
from heartloop.methods import PARAMS
from heartloop.run.folder import VERDICTS, RunFolder
from heartloop.run.predictions import run_data
from heartloop.run.verdicts import read_traces
from heartloop.style.affect import vad

METHOD = "dialogue"
NAMES = ("coherence", "delay", "recovery", "overshoot", "hysteresis")


@dataclass(frozen=True, slots=True)
class Trajectories:
    """The dialogues of one arm × model on one task; valence, −1 to 1, by turn.

    Attributes:
        task, model, arm: where it comes from; params: of the arm, defaults included.
        scripts: question ids, one a dialogue (several seeds give several dialogues a script).
        states, heard, said: float (dialogues, turns): the state in force, what moved it, and the
            mood of what the model then said; NaN behind the end of a dialogue.
        user: float (dialogues, turns): the mood of the user's turns.
        stretches: first turns of the bad stretch, of the recovery and behind it; None without.
    """

    task: str
    model: str
    arm: str
    params: Mapping[str, Any]
    scripts: tuple[str, ...]
    states: np.ndarray
    heard: np.ndarray
    said: np.ndarray
    user: np.ndarray
    stretches: tuple[int, int, int] | None


@dataclass
class _Rows:
    scripts: list[str] = field(default_factory=list)
    states: list[list[float]] = field(default_factory=list)
    heard: list[list[float]] = field(default_factory=list)
    said: list[list[float]] = field(default_factory=list)
    user: list[list[float]] = field(default_factory=list)
    stretches: tuple[int, int, int] | None = None


def load_trajectories(folder: RunFolder, *, data_dir: str | None = None) -> list[Trajectories]:
    """Every arm × model × task of a run's dialogues, in the plan's order.

    Raises:
        UsageError: no dialogue, none finished, or data that are not those of the run.
    """
    plan = folder.manifest["plan"]
    arms = {arm["name"]: arm for arm in plan["arms"] if arm["method"] == METHOD}
    if not arms:
        raise UsageError(
            f"{folder.path}: no arm of it is a dialogue; run one: "
            "heartloop run --task state25 --method dialogue"
        )
    data = run_data(folder, data_dir=data_dir)
    questions = {(n, q.id): q for n, d in data.items() for q in d.questions}
    moods = {
        key: [vad(turn).valence for turn in (q.input, *(q.meta.get("turns") or ()))]
        for key, q in questions.items()
    }
    found: dict[tuple[str, str, str], _Rows] = {}
    journal = Journal.open(folder.path, read_only=True)
    try:
        for trace in read_traces(folder.path / VERDICTS):
            first, notes = trace[0], trace[-1]["notes"] or {}
            if first["arm"] not in arms or "heard" not in notes:
                continue
            rows = found.setdefault((first["task"], first["model"], first["arm"]), _Rows())
            key = (first["task"], first["question"])
            rows.scripts.append(first["question"])
            rows.states.append([point[0] for point in notes["states"]])
            rows.heard.append([point[0] for point in notes["heard"]])
            rows.user.append(moods[key])
            texts = [journal.get(line["key"]) if line["key"] else None for line in trace]
            rows.said.append([vad(t.text).valence if t else math.nan for t in texts])
            rows.stretches = _stretches(questions[key].meta.get("stretches"))
    finally:
        journal.close()
    if not found:
        raise UsageError(f"{folder.path}: no dialogue is finished yet")
    order = [(t, m, a) for t in data for m in plan["models"] for a in arms]
    return [_made(key, arms[key[2]], found[key]) for key in order if key in found]


def _stretches(named: Any) -> tuple[int, int, int] | None:
    try:
        return int(named["negative"][0]), int(named["recovery"][0]), int(named["recovery"][1])
    except (TypeError, KeyError, IndexError, ValueError):
        return None


def _made(key: tuple[str, str, str], arm: Mapping[str, Any], rows: _Rows) -> Trajectories:
    width = max(map(len, rows.user))

    def matrix(values: Sequence[Sequence[float]]) -> np.ndarray:
        out = np.full((len(values), width), np.nan)
        for i, row in enumerate(values):
            out[i, : len(row)] = row[:width]
        return out

    names = ("dynamics", "told", "hears", "alpha", "mu", "gain")
    params = {n: arm["params"].get(n, PARAMS[n].default) for n in names}
    return Trajectories(
        *key,
        params=params,
        scripts=tuple(rows.scripts),
        states=matrix(rows.states),
        heard=matrix(rows.heard),
        said=matrix(rows.said),
        user=matrix(rows.user),
        stretches=rows.stretches,
    )


@dataclass(frozen=True, slots=True)
class TrajectoryTable:
    """What the dialogues of one arm did.

    Attributes:
        of: the dialogues.
        state, said: measure → mean over scripts, of the state, and of the answers' own mood over
            what moved the state. Recoveries that never came are left out of their mean.
        never: share of dialogues whose state, and whose answers, never recovered.
        dialogues: those that went through all turns.
    """

    of: Trajectories
    state: Mapping[str, Mean]
    said: Mapping[str, Mean]
    never: tuple[float, float]
    dialogues: int


def trajectory_tables(found: Sequence[Trajectories]) -> list[TrajectoryTable]:
    """The measures of every arm whose task has stretches."""
    tables = []
    for one in found:
        if one.stretches is None:
            continue
        whole = [i for i in range(len(one.scripts)) if not np.isnan(one.states[i]).any()]
        state = [measures(one.states[i], one.heard[i], *one.stretches) for i in whole]
        said = [
            measures(one.said[i], one.heard[i], *one.stretches)
            for i in whole
            if not np.isnan(one.said[i]).any()
        ]
        scripts = [one.scripts[i] for i in whole]
        tables.append(
            TrajectoryTable(
                of=one,
                state=_means(state, scripts),
                said=_means(said, scripts[: len(said)]),
                never=(_never(state), _never(said)),
                dialogues=len(whole),
            )
        )
    return tables


def _never(found: Sequence[Measures]) -> float:
    return float(np.mean([math.isinf(m.recovery) for m in found])) if found else math.nan


def _means(found: Sequence[Measures], scripts: Sequence[str]) -> dict[str, Mean]:
    """Means over scripts: the dialogues of one script are averaged first."""
    groups: dict[str, list[Measures]] = {}
    for script, one in zip(scripts, found, strict=True):
        groups.setdefault(script, []).append(one)
    out = {}
    for name in NAMES:
        values = []
        for group in groups.values():
            kept = [v for m in group if math.isfinite(v := getattr(m, name))]
            values.append(float(np.mean(kept)) if kept else math.nan)
        out[name] = mean_over(values)
    return out


def hysteresis_slopes(found: Sequence[Trajectories]) -> list[dict[str, Any]]:
    """Slope of the state's hysteresis on μ, over second-order arms that differ in μ alone."""
    groups: dict[tuple[Any, ...], dict[float, Trajectories]] = {}
    for one in found:
        if one.params["dynamics"] == "second" and one.stretches is not None:
            at = ", ".join(f"{n} {one.params[n]}" for n in ("told", "hears", "gain"))
            groups.setdefault((one.task, one.model, at), {})[float(one.params["mu"])] = one
    out = []
    for key, by_mu in groups.items():
        if len(by_mu) < 2:
            continue
        mus = sorted(by_mu)
        scripts = sorted(set.intersection(*(set(t.scripts) for t in by_mu.values())))
        table = np.full((len(scripts), len(mus)), np.nan)
        for j, mu in enumerate(mus):
            one = by_mu[mu]
            for i, script in enumerate(scripts):
                areas = [
                    measures(one.states[k], one.heard[k], *(one.stretches or (0, 0, 0))).hysteresis
                    for k, name in enumerate(one.scripts)
                    if name == script and not np.isnan(one.states[k]).any()
                ]
                table[i, j] = float(np.mean(areas)) if areas else math.nan
        slope = slope_over(mus, table)
        out.append({"task": key[0], "model": key[1], "at": key[2], "mu": mus, "slope": slope})
    return out


def trajectories_dict(found: Sequence[Trajectories]) -> dict[str, Any]:
    """Everything as plain data; what is not finite becomes None."""
    arms = []
    for table in trajectory_tables(found):
        one = table.of
        arms.append(
            {
                "task": one.task,
                "model": one.model,
                "arm": one.arm,
                "params": dict(one.params),
                "dialogues": table.dialogues,
                "state": {n: _plain(m) for n, m in table.state.items()},
                "said": {n: _plain(m) for n, m in table.said.items()},
                "never_recovered": {
                    "state": _finite(table.never[0]),
                    "said": _finite(table.never[1]),
                },
                "mean": {
                    name: [_finite(v) for v in np.nanmean(getattr(one, name), axis=0)]
                    for name in ("user", "heard", "states", "said")
                },
            }
        )
    slopes = [{**s, "slope": _plain(s["slope"])} for s in hysteresis_slopes(found)]
    return {"arms": arms, "hysteresis_on_mu": slopes}


def _plain(mean: Mean) -> dict[str, Any]:
    return {name: _finite(value) for name, value in asdict(mean).items()}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
