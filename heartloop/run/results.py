"""A run's verdicts as arrays: what ``compare``, ``power --pilot``, ``report`` and ``esc`` read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from heartloop.analysis import ABSENT, CODES
from heartloop.errors import UsageError
from heartloop.run.folder import VERDICTS, RunFolder
from heartloop.run.summary import final_line, lenient_outcome, planned_rounds
from heartloop.run.verdicts import read_traces

INT8 = np.dtype(np.int8)
INT64 = np.dtype(np.int64)


@dataclass(frozen=True, slots=True)
class ArmResults:
    """One arm of one run on one task, with one model.

    Attributes:
        run, task, model, arm: where it comes from; ``method``, ``role``, ``stimulus``: its plan.
        questions: ids, in the data's order; ``clusters``: what dependent questions share.
        seeds: run seeds, the columns of every (n, seeds) array.
        outcomes: int8 (n, seeds), codes of `heartloop.analysis`; ABSENT where nothing was run.
        lenient: the same under the lenient reading.
        scores: float (n, seeds), NaN where the verifier gives no score.
        rounds: int8 (n, seeds, rounds + 1): outcome of the round's first candidate, ABSENT where
            the round was not asked (oracle loops stop at the first right answer).
        round_tokens: int64 (n, seeds, rounds + 1): tokens the trace had used after that round.
        draws: int8 (n, seeds, draws): outcomes of the draws of round 0.
        draw_tokens: int64 (n, seeds, draws): tokens of each of these draws.
        classes: object (n, seeds, rounds + 1): extracted answers by round, None where none.
        tokens, calls: int64 (n, seeds): of the whole trace; ``seconds``: float (n, seeds).
        cap_hits: int64 (n, seeds): answers cut by max_tokens.
    """

    run: str
    task: str
    model: str
    arm: str
    method: str
    role: str
    stimulus: str | None
    mode: str
    questions: tuple[str, ...]
    clusters: tuple[str, ...]
    seeds: tuple[int, ...]
    outcomes: np.ndarray
    lenient: np.ndarray
    scores: np.ndarray
    rounds: np.ndarray
    round_tokens: np.ndarray
    draws: np.ndarray
    draw_tokens: np.ndarray
    classes: np.ndarray
    tokens: np.ndarray
    calls: np.ndarray
    seconds: np.ndarray
    cap_hits: np.ndarray

    @property
    def label(self) -> str:
        """``run:arm`` for tables."""
        return f"{self.run}:{self.arm}"


def load_results(folder: RunFolder) -> list[ArmResults]:
    """Every arm × task × model of a run, in the plan's order; one pass over the verdicts.

    Raises:
        UsageError: the run has no verdicts yet.
    """
    manifest = folder.manifest
    plan = manifest["plan"]
    arms = {arm["name"]: arm for arm in plan["arms"]}
    modes = {task["task"]: task["mode"] for task in manifest["tasks"]}
    seeds = {seed: i for i, seed in enumerate(plan["seeds"])}
    groups: dict[tuple[str, str, str], list[list[dict[str, Any]]]] = {}
    for trace in read_traces(folder.path / VERDICTS):
        slim = [_slim(line) for line in trace]
        first = trace[0]
        groups.setdefault((first["task"], first["model"], first["arm"]), []).append(slim)
    if not groups:
        raise UsageError(f"{folder.path}: no question is finished yet")
    order = [(t, m, a) for t in modes for m in plan["models"] for a in arms]
    return [
        _arrays(folder.name, key, groups[key], arms[key[2]], modes[key[0]], seeds)
        for key in order
        if key in groups
    ]


KEEP = (
    "question", "index", "cluster", "seed", "round", "draw", "purpose", "outcome", "answer",
    "score", "lenient", "selected", "last", "finish_reason", "tokens", "calls", "usage",
    "started", "finished",
)  # fmt: skip


def _slim(line: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: line[name] for name in KEEP}
    kept["lenient"] = {"outcome": line["lenient"]["outcome"]}
    return kept


def _arrays(
    run: str,
    key: tuple[str, str, str],
    traces: Sequence[Sequence[Mapping[str, Any]]],
    arm: Mapping[str, Any],
    mode: Any,
    seeds: Mapping[int, int],
) -> ArmResults:
    found: dict[str, tuple[int, str]] = {}
    for trace in traces:
        line = trace[0]
        found[line["question"]] = (line["index"], line["cluster"] or line["question"])
    questions = sorted(found, key=lambda q: found[q][0])
    row = {q: i for i, q in enumerate(questions)}
    n, s = len(questions), len(seeds)
    r = planned_rounds(arm) + 1
    d = max(
        sum(line["round"] == 0 and line["purpose"] == "answer" for line in trace)
        for trace in traces
    )
    d = max(d, 1)
    outcomes = np.full((n, s), ABSENT, INT8)
    lenient = np.full((n, s), ABSENT, INT8)
    scores = np.full((n, s), np.nan)
    rounds = np.full((n, s, r), ABSENT, INT8)
    round_tokens = np.zeros((n, s, r), INT64)
    draws = np.full((n, s, d), ABSENT, INT8)
    draw_tokens = np.zeros((n, s, d), INT64)
    classes = np.full((n, s, r), None, object)
    tokens, calls, cap_hits = (np.zeros((n, s), INT64) for _ in range(3))
    seconds = np.zeros((n, s))
    for trace in traces:
        i, j = row[trace[0]["question"]], seeds[trace[0]["seed"]]
        final = final_line(trace, mode)
        outcomes[i, j] = CODES[final["outcome"]]
        lenient[i, j] = CODES[lenient_outcome(trace, mode)]
        if final["score"] is not None:
            scores[i, j] = final["score"]
        last = trace[-1]
        tokens[i, j] = _total(last["usage"])
        calls[i, j] = last["calls"]
        times = [(x["started"], x["finished"]) for x in trace if x["started"]]
        if times:
            seconds[i, j] = sum(b - a for a, b in times)
        cap_hits[i, j] = sum(x["finish_reason"] == "length" for x in trace)
        for line in trace:
            if line["purpose"] != "answer":
                continue
            if line["round"] == 0 and line["draw"] < d:
                draws[i, j, line["draw"]] = CODES[line["outcome"]]
                draw_tokens[i, j, line["draw"]] = _total(line["tokens"])
            if line["round"] < r:
                here = CODES[line["outcome"]]
                # In oracle mode any right candidate of the round counts, else its first one.
                if rounds[i, j, line["round"]] == ABSENT or (mode == "oracle" and here == 1):
                    rounds[i, j, line["round"]] = here
                    classes[i, j, line["round"]] = line["answer"]
                round_tokens[i, j, line["round"]] = _total(line["usage"])
    return ArmResults(
        run=run,
        task=key[0],
        model=key[1],
        arm=key[2],
        method=arm["method"],
        role=arm["role"],
        stimulus="+".join(f"{x['set']}:{x['id']}" for x in arm["stimuli"]) or None,
        mode=mode,
        questions=tuple(questions),
        clusters=tuple(found[q][1] for q in questions),
        seeds=tuple(seeds),
        outcomes=outcomes,
        lenient=lenient,
        scores=scores,
        rounds=rounds,
        round_tokens=round_tokens,
        draws=draws,
        draw_tokens=draw_tokens,
        classes=classes,
        tokens=tokens,
        calls=calls,
        seconds=seconds,
        cap_hits=cap_hits,
    )


def _total(usage: Mapping[str, int]) -> int:
    return usage["prompt"] + usage["completion"]
