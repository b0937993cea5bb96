"""A run's verdicts as arrays: what ``compare``, ``power``, ``report`` and ``esc`` read."""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

import numpy as np

from heartloop.analysis import ABSENT, CODES
from heartloop.errors import UsageError
from heartloop.run.folder import VERDICTS, RunFolder
from heartloop.run.summary import content_line, final_line, planned_rounds
from heartloop.run.verdicts import read_traces
from heartloop.types import CAP_HITS

MOST_TOKENS = 2**53

INT8 = np.dtype(np.int8)
INT64 = np.dtype(np.int64)


@dataclass(frozen=True, slots=True)
class Steps:
    """Every graded candidate of an arm, one entry each, traces side by side in their own order.

    Attributes:
        row: trace of the candidate, question index × seeds + seed column; ``round``, ``draw``.
        code, content: outcome under both readings; ``answer``: what was extracted, or None.
        score: of metrics with partial credit, else NaN.
        tokens, calls: what the trace had used up to and including this candidate's call, and on
            its last candidate everything that the trace used; ``completion``: the part of the
            tokens that was written by the model.
        selected: the candidate handed in; ``merged``: a synthesis of the others.
    """

    row: np.ndarray
    round: np.ndarray
    draw: np.ndarray
    code: np.ndarray
    content: np.ndarray
    score: np.ndarray
    answer: np.ndarray
    tokens: np.ndarray
    calls: np.ndarray
    completion: np.ndarray
    selected: np.ndarray
    merged: np.ndarray


@dataclass(frozen=True, slots=True)
class ArmResults:
    """One arm of one run on one task, with one model.

    Attributes:
        run, task, model, arm: where it comes from; ``method``, ``role``, ``stimulus``: its plan.
        questions: ids, in the data's order; ``clusters``: what dependent questions share.
        seeds: run seeds, the columns of every (n, seeds) array.
        outcomes: int8 (n, seeds), codes of `heartloop.analysis`; ABSENT where nothing was run.
        content: the same under the content reading.
        scores: float (n, seeds), NaN where the verifier gives no score.
        content_scores: the same under the content reading.
        rounds: int8 (n, seeds, rounds + 1): outcome of the round's first candidate, ABSENT where
            the round was not asked (oracle loops stop at the first right answer).
        round_scores: float, same shape: score of that candidate, NaN where there is none.
        round_tokens: int64 (n, seeds, rounds + 1): tokens the trace had used after that round.
        draws: int8 (n, seeds, draws): outcomes of the draws of round 0.
        draw_tokens: int64 (n, seeds, draws): tokens of each of these draws.
        classes: object (n, seeds, rounds + 1): extracted answers by round, None where none.
        tokens, calls: int64 (n, seeds): of the whole trace; ``seconds``: float (n, seeds).
        cap_hits: int64 (n, seeds): answers cut by max_tokens.
        attempts: int64 (n, seeds): answers that came, the base of the share of cap hits.
        cost: float (n, seeds), US dollars, NaN where unknown.
        reasons: object (n, seeds): why an unscored answer has no verdict, else empty.
        keys: object (n, seeds): key of the first answer's call in the journal, or None.
        critical: bool (n, seeds, rounds + 1): a critical cue led to that round's answer.
        steps: every candidate, for curves and selection.
        plan: the arm as the manifest has it: stimuli, cues, parameters.
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
    content: np.ndarray
    scores: np.ndarray
    content_scores: np.ndarray
    rounds: np.ndarray
    round_scores: np.ndarray
    round_tokens: np.ndarray
    draws: np.ndarray
    draw_tokens: np.ndarray
    classes: np.ndarray
    tokens: np.ndarray
    calls: np.ndarray
    seconds: np.ndarray
    cap_hits: np.ndarray
    attempts: np.ndarray
    cost: np.ndarray
    reasons: np.ndarray
    keys: np.ndarray
    critical: np.ndarray
    steps: Steps
    plan: Mapping[str, Any]

    @property
    def label(self) -> str:
        """``run:arm`` for tables."""
        return f"{self.run}:{self.arm}"


class SlimStep(NamedTuple):
    """One graded candidate of a trace."""

    round: int
    draw: int
    code: int
    content: int
    answer: str | None
    tokens: int
    own: int
    calls: int
    cue: str
    selected: bool
    merged: bool
    completion: int
    score: float | None = None
    content_score: float | None = None


_numbers = struct.Struct("<qqbbqqq??qdd")


class PackedSteps(Sequence[SlimStep]):
    """The steps of a trace in a fifth of the memory: numbers as bytes, equal texts once."""

    __slots__ = ("_answers", "_cues", "_packed")

    def __init__(self, steps: Iterable[SlimStep]) -> None:
        """Pack; what has no score is kept as NaN."""
        packed, answers, cues = [], [], []
        for s in steps:
            score = math.nan if s.score is None else s.score
            other = math.nan if s.content_score is None else s.content_score
            packed.append(
                _numbers.pack(
                    *(s.round, s.draw, s.code, s.content, s.tokens, s.own, s.calls),
                    *(s.selected, s.merged, s.completion, score, other),
                )
            )
            answers.append(None if s.answer is None else sys.intern(s.answer))
            cues.append(sys.intern(s.cue))
        self._packed, self._answers, self._cues = b"".join(packed), tuple(answers), tuple(cues)

    def __len__(self) -> int:
        return len(self._answers)

    @overload
    def __getitem__(self, at: int) -> SlimStep: ...
    @overload
    def __getitem__(self, at: slice) -> list[SlimStep]: ...
    def __getitem__(self, at: int | slice) -> SlimStep | list[SlimStep]:
        places = range(len(self))[at]
        return self._step(places) if isinstance(places, int) else [self._step(i) for i in places]

    def __iter__(self) -> Iterator[SlimStep]:
        return map(self._step, range(len(self)))

    def _step(self, place: int) -> SlimStep:
        found = _numbers.unpack_from(self._packed, place * _numbers.size)
        round, draw, code, content, tokens, own, calls, selected, merged, written, *scores = found
        return SlimStep(
            *(round, draw, code, content, self._answers[place], tokens, own, calls),
            *(self._cues[place], selected, merged, written),
            *(None if math.isnan(score) else score for score in scores),
        )


class SlimTrace(NamedTuple):
    """What of a trace's lines the arrays are made of."""

    question: str
    place: int
    turn: int | None
    cluster: str | None
    seed: int
    final: int
    content: int
    score: float | None
    content_score: float | None
    reason: str
    cost: float | None
    seconds: float
    cap_hits: int
    attempts: int
    key: str | None
    steps: Sequence[SlimStep]


Groups = dict[tuple[str, str, str], list[SlimTrace]]
"""(task, model, arm) → its traces, in the order of the file."""


def load_results(folder: RunFolder) -> list[ArmResults]:
    """Every arm × task × model of a run, in the plan's order; one pass over the verdicts.

    Raises:
        UsageError: the run has no verdicts yet.
    """
    return arrays_of(folder, read_groups(folder))


def read_groups(folder: RunFolder, name: str = VERDICTS) -> Groups:
    """The traces of a verdicts file; none where it is another than the run's own and absent.

    Raises:
        UsageError: a task or an arm that the plan does not have; no verdicts at all.
    """
    manifest = folder.manifest
    arms = {arm["name"] for arm in manifest["plan"]["arms"]}
    modes = {task["task"]: task["mode"] for task in manifest["tasks"]}
    path = folder.path / name
    groups: Groups = {}
    if not path.exists() and name != VERDICTS:
        return groups
    for trace in read_traces(path):
        first = trace[0]
        if first["task"] not in modes or (first["arm"] not in arms and "search" not in manifest):
            raise UsageError(
                f"{path}: task {first['task']!r}, arm {first['arm']!r} is not "
                f"of this run's plan; heartloop repair {folder.path}"
            )
        add_trace(groups, trace, modes[first["task"]])
    return groups


def add_trace(groups: Groups, trace: Sequence[Mapping[str, Any]], mode: Any) -> None:
    """Add the lines of one trace, of a task in this mode."""
    first = trace[0]
    key = (first["task"], first["model"], first["arm"])
    groups.setdefault(key, []).append(_slim(trace, mode))


def arrays_of(folder: RunFolder, groups: Groups) -> list[ArmResults]:
    """Traces as arrays, in the plan's order.

    Raises:
        UsageError: there are none.
    """
    if not groups:
        raise UsageError(f"{folder.path}: no question is finished yet")
    manifest = folder.manifest
    plan = manifest["plan"]
    arms = {arm["name"]: arm for arm in plan["arms"]}
    modes = {task["task"]: task["mode"] for task in manifest["tasks"]}
    seeds = {seed: i for i, seed in enumerate(plan["seeds"])}
    order = [(t, m, a) for t in modes for m in plan["models"] for a in arms]
    return [
        _arrays(folder.name, key, groups[key], arms[key[2]], modes[key[0]], seeds)
        for key in order
        if key in groups
    ]


def _slim(trace: Sequence[Mapping[str, Any]], mode: Any) -> SlimTrace:
    first, final = trace[0], final_line(trace, mode)
    steps = PackedSteps(
        SlimStep(
            line["round"],
            line["draw"],
            CODES[line["outcome"]],
            CODES[line["content"]["outcome"]],
            line["answer"],
            _total(line["usage"]),
            _total(line["tokens"]),
            line["calls"],
            line["cue"],
            line["selected"],
            line["purpose"] != "answer",
            min(MOST_TOKENS, line["usage"]["completion"]),
            line["score"],
            line["content"]["score"],
        )
        for line in trace
    )
    return SlimTrace(
        first["question"],
        first["index"],
        first.get("turn"),
        first["cluster"],
        first["seed"],
        CODES[final["outcome"]],
        CODES[content_line(trace, mode)["content"]["outcome"]],
        final["score"],
        content_line(trace, mode)["content"]["score"],
        (final["reason"] or "unparsed") if final["outcome"] == "unscored" else "",
        trace[-1]["cost"],
        sum(line["finished"] - line["started"] for line in trace if line["started"]),
        sum(line["finish_reason"] in CAP_HITS for line in trace),
        sum(line["key"] is not None for line in trace),
        first["key"],
        steps,
    )


def _arrays(
    run: str,
    key: tuple[str, str, str],
    traces: Sequence[SlimTrace],
    arm: Mapping[str, Any],
    mode: Any,
    seeds: Mapping[int, int],
) -> ArmResults:
    found = {trace.question: (trace.place, trace.cluster or trace.question) for trace in traces}
    questions = sorted(found, key=lambda q: found[q][0])
    row = {q: i for i, q in enumerate(questions)}
    n, s = len(questions), len(seeds)
    r = planned_rounds(arm) + 1
    d = max(1, max(sum(x.round == 0 and not x.merged for x in trace.steps) for trace in traces))
    outcomes, content = (np.full((n, s), ABSENT, INT8) for _ in range(2))
    scores, content_scores, cost = (np.full((n, s), np.nan) for _ in range(3))
    rounds = np.full((n, s, r), ABSENT, INT8)
    round_scores = np.full((n, s, r), np.nan)
    round_tokens = np.zeros((n, s, r), INT64)
    critical = np.zeros((n, s, r), bool)
    draws = np.full((n, s, d), ABSENT, INT8)
    draw_tokens = np.zeros((n, s, d), INT64)
    classes = np.full((n, s, r), None, object)
    reasons, keys = np.full((n, s), "", object), np.full((n, s), None, object)
    tokens, calls, cap_hits, attempts = (np.zeros((n, s), INT64) for _ in range(4))
    seconds = np.zeros((n, s))
    hard = {f"{cue['set']}:{cue['id']}" for cue in arm["cues"] if cue["valence"] in CRITICAL}
    for trace in traces:
        i, j = row[trace.question], seeds[trace.seed]
        outcomes[i, j], content[i, j] = trace.final, trace.content
        if trace.score is not None:
            scores[i, j] = trace.score
        if trace.content_score is not None:
            content_scores[i, j] = trace.content_score
        if trace.cost is not None:
            cost[i, j] = trace.cost
        last = trace.steps[-1]
        tokens[i, j], calls[i, j] = last.tokens, last.calls
        seconds[i, j] = trace.seconds
        cap_hits[i, j], attempts[i, j] = trace.cap_hits, trace.attempts
        reasons[i, j], keys[i, j] = trace.reason, trace.key
        for step in trace.steps:
            if step.merged:
                continue
            if step.round == 0 and step.draw < d:
                draws[i, j, step.draw] = step.code
                draw_tokens[i, j, step.draw] = step.own
            if step.round < r:
                # In oracle mode any right candidate of the round counts, else its first one.
                seen = rounds[i, j, step.round]
                if seen == ABSENT or (mode == "oracle" and step.code == 1 and seen != 1):
                    rounds[i, j, step.round] = step.code
                    round_scores[i, j, step.round] = np.nan if step.score is None else step.score
                    classes[i, j, step.round] = step.answer
                    critical[i, j, step.round] = step.cue in hard
                round_tokens[i, j, step.round] = step.tokens
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
        content=content,
        scores=scores,
        content_scores=content_scores,
        rounds=rounds,
        round_scores=round_scores,
        round_tokens=round_tokens,
        draws=draws,
        draw_tokens=draw_tokens,
        classes=classes,
        tokens=tokens,
        calls=calls,
        seconds=seconds,
        cap_hits=cap_hits,
        attempts=attempts,
        cost=cost,
        reasons=reasons,
        keys=keys,
        critical=critical,
        steps=_steps(traces, row, seeds),
        plan=arm,
    )


CRITICAL = ("critical", "negative")


def _steps(traces: Sequence[SlimTrace], row: Mapping[str, int], seeds: Mapping[int, int]) -> Steps:
    width, count = len(seeds), sum(len(trace.steps) for trace in traces)

    def column(kind: Any) -> np.ndarray:
        return np.empty(count, kind)

    found = Steps(
        row=column(INT64),
        round=column(INT64),
        draw=column(INT64),
        code=column(INT8),
        content=column(INT8),
        score=column(float),
        answer=column(object),
        tokens=column(INT64),
        calls=column(INT64),
        completion=column(INT64),
        selected=column(bool),
        merged=column(bool),
    )
    names = [name for name in SlimStep._fields if hasattr(found, name)]
    columns = [(getattr(found, name), SlimStep._fields.index(name)) for name in names]
    at = 0
    for trace in traces:
        end = at + len(trace.steps)
        found.row[at:end] = row[trace.question] * width + seeds[trace.seed]
        values = list(zip(*trace.steps, strict=True))
        for filled, place in columns:
            filled[at:end] = values[place]
        at = end
    return found


def _total(usage: Mapping[str, int]) -> int:
    # Folders written before counts were checked may hold absurd ones, beyond what arrays hold.
    return max(0, min(int(usage["prompt"] + usage["completion"]), MOST_TOKENS))
