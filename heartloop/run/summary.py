"""``summary.json`` from ``verdicts.jsonl``: counts by arm, in one pass and constant memory."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from heartloop.grading.judge import label_of
from heartloop.run.doubtful import Doubtful
from heartloop.run.judged import judged_figures
from heartloop.run.layout import ArmRow, Manifest, Paid, RoundFigures, SuiteRow, Summary
from heartloop.run.panel import Pairs, count_pairs, panel_rows
from heartloop.run.repeats import Draw, first_answers, repeat_figures
from heartloop.run.selection import Selection
from heartloop.run.sums import Sum
from heartloop.types import CAP_HITS, Mode

# What each field means: the source of docs/schema.md. `arms[].x` is a field of a row of arms.
FIELDS: dict[str, str] = {
    "run": "name of the run",
    "tasks": "names of the tasks",
    "models": "names of the models",
    "data": "for each task: source, sha256, expected_sha256, revision, questions, practice, "
    "licence, notes",
    "arms": "one row an arm × task × model",
    "arms[].task": "task name",
    "arms[].model": "model name",
    "arms[].arm": "arm name",
    "arms[].method": "method of the arm",
    "arms[].stimulus": "names of its stimuli joined by +, or null",
    "arms[].repeats": "pass@k, pass^k (`all`), maj@k and best@k by k, each with its 95 % interval, "
    "and the spread over questions and draws; null where the questions have no several fair draws",
    "arms[].role": "`treatment`, or what it controls for",
    "arms[].mode": "`oracle` or `verifier-free`",
    "arms[].n": "questions",
    "arms[].trials": "questions × seeds that are finished",
    "arms[].accuracy": "correct / trials under the strict reading",
    "arms[].accuracy_of_scored": "correct / (correct + incorrect)",
    "arms[].accuracy_content": "correct / trials under the content reading",
    "arms[].content_flips": "trials that are right under one reading only",
    "arms[].score": "mean score of metrics with partial credit, unscored answers as 0; or null",
    "arms[].normalised": "100 × (metric − low) / (high − low), the task's bounds",
    "arms[].correct": "trials whose outcome is correct: in oracle mode if any attempt is, in "
    "verifier-free mode if the answer handed in is",
    "arms[].incorrect": "trials whose outcome is incorrect",
    "arms[].unscored": "trials that are unscored, by reason",
    "arms[].error": "trials that ended in an error",
    "arms[].own": "the task's own metric: the mean score, else the accuracy; from chance (0) to "
    "perfect (1) where the metric is normalised",
    "arms[].rounds": "round, accuracy (oracle: solved up to this round; verifier-free: first "
    "candidate of the round, or the last one before), own (the same on the own metric), "
    "asked (trials that had this round), answered (share of these in which a reply holds an "
    "answer, right or wrong, by the task's own metric or (not cut) by content)",
    "arms[].calls": "calls the arm would make alone, shared ones included",
    "arms[].tokens": "prompt, completion, reasoning, cached tokens the arm would use alone",
    "arms[].cost": "US dollars the arm would cost alone, where known",
    "arms[].attempts": "candidates that were answered",
    "arms[].cap_hits": "answers cut by max_tokens, or probably cut",
    "arms[].fitted": "answers asked with a smaller max_tokens than planned, since the model's "
    "context has no room for more",
    "arms[].fitted_short": "those of them that got less than the model's one cap, since their "
    "prompt was long",
    "arms[].left_out": "answers asked without a field that the server does not take, by field",
    "arms[].judged": "what a judge's labels add up to (SimpleQA: correct given attempted and F; "
    "TruthfulQA: true, informative, both), else null",
    "arms[].selection": "verifier-free: traces with several candidates, and the shares of them "
    "where the first, the one handed in, any candidate is right; else null",
    "panel": "for each pair of judges of a panel: task, axis, judges, n, share of equal labels, "
    "Cohen's kappa",
    "suites": "for suites of two or more tasks: mean of normalised scores and accuracies, and the "
    "accuracy pooled over items",
    "paid": "calls, tokens and dollars of the journal, each call once; `selecting`: calls and "
    "tokens of selectors among them",
    "wall_s": "seconds of all sessions",
    "stopped": "why it stopped early, or null",
    "doubtful": "tasks where more than 2 % of the answers counted wrong hold the right one: "
    "how many were counted wrong, how many hold it, three examples",
    "errors": "calls that were never answered, by class: count and the most frequent message",
    "warnings": "what a reader should know before believing a number",
}


SCORED = ("correct", "incorrect")


@dataclass(slots=True)
class Cell:
    """Running counts of one arm × task × model."""

    outcomes: Counter[str] = field(default_factory=Counter)
    unscored: Counter[str] = field(default_factory=Counter)
    content_correct: int = 0
    flips: int = 0  # questions whose outcome differs between the strict and the content reading
    questions: set[str] = field(default_factory=set)
    trials: int = 0
    first_right: Counter[int] = field(default_factory=Counter)  # oracle: solved first in round r
    asked: Counter[int] = field(default_factory=Counter)
    answered: Counter[int] = field(default_factory=Counter)
    right_in: Counter[int] = field(default_factory=Counter)  # verifier-free: right at round r
    worth_in: list[Sum] = field(default_factory=list)  # own metric at round r
    score: Sum = field(default_factory=Sum)
    scored: int = 0
    calls: int = 0
    tokens: Counter[str] = field(default_factory=Counter)
    cap_hits: int = 0
    fitted: Counter[int] = field(default_factory=Counter)  # max_tokens sent instead of planned
    left_out: Counter[str] = field(default_factory=Counter)  # fields the server does not take
    attempts: int = 0
    cost: Sum | None = None
    labels: Counter[str] = field(default_factory=Counter)  # what a judge said
    draws: dict[str, list[Draw]] | None = field(default_factory=dict)
    """Independent answers by question, equal ones as one object; None: one of them has a single."""
    seeds: dict[str, list[int]] = field(default_factory=dict)
    """Of a plan of several: the run seed of each of these answers."""
    known: dict[Draw, Draw] = field(default_factory=dict)

    def add(
        self,
        trace: Sequence[Mapping[str, Any]],
        final: Mapping[str, Any],
        mode: Mode,
        rounds: int,
        seeds: int,
    ) -> None:
        """Count one trace of a plan of so many seeds; ``final`` is the line that decides it."""
        self.trials += 1
        self._keep(final, first_answers(trace), seeds)
        self.questions.add(sys.intern(final["question"]))  # once for all arms
        self.outcomes[final["outcome"]] += 1
        if final["outcome"] == "unscored":
            self.unscored[final["reason"] or "unparsed"] += 1
        content = str(content_line(trace, mode)["content"]["outcome"])
        self.content_correct += content == "correct"
        self.flips += (content == "correct") != (final["outcome"] == "correct")
        if final["score"] is not None:
            self.score.add(float(final["score"]))
            self.scored += 1
        self._count_rounds(trace, mode, rounds)
        if said := label_of(final["detail"]):
            self.labels.update(f"{axis}:{label}" for axis, label in said.items())
            if said.get("truthful") == said.get("informative") == "yes":
                self.labels["both"] += 1
        last = trace[-1]
        self.calls += last["calls"]
        for kind, count in last["usage"].items():
            self.tokens[kind] += count
        if last["cost"] is not None:
            self.cost = self.cost or Sum()
            self.cost.add(last["cost"])
        for line in trace:
            self.attempts += line["key"] is not None
            self.cap_hits += line["finish_reason"] in CAP_HITS
            for name, value in (line.get("sent") or {}).items():
                if name == "max_tokens":
                    self.fitted[int(value)] += 1
                elif value is None:
                    self.left_out[name] += 1

    def _keep(self, line: Mapping[str, Any], answers: Sequence[Draw], seeds: int) -> None:
        """Keep answers that may be compared with others to the same question."""
        if seeds == 1 and len(answers) < 2:
            self.draws = None
            self.known.clear()
        if self.draws is not None:
            same = [self.known.setdefault(answer, answer) for answer in answers]
            question = line["question"]
            self.draws.setdefault(question, []).extend(same)
            if seeds > 1:
                self.seeds.setdefault(question, []).extend([line["seed"]] * len(same))

    def drawn(self) -> dict[str, list[Draw]]:
        """The answers that were kept, in an order that is not that of the lines."""
        found = {}
        for question, answers in sorted((self.draws or {}).items()):
            seeds = self.seeds.get(question, ())
            order = sorted(range(len(answers)), key=seeds.__getitem__) if seeds else ()
            found[question] = [answers[i] for i in order] if seeds else answers
        return found

    def _count_rounds(self, trace: Sequence[Mapping[str, Any]], mode: Mode, rounds: int) -> None:
        oracle = mode == "oracle"
        asked: set[int] = set()
        answered: set[int] = set()
        right: list[int] = []
        candidates: dict[int, list[Mapping[str, Any]]] = {}  # of which one counts for its round
        for line in trace:
            r, outcome = line["round"], line["outcome"]
            if outcome == "correct":
                right.append(r)
            if line["purpose"] != "answer":
                continue
            asked.add(r)
            if outcome in SCORED or (
                line["content"]["outcome"] in SCORED and line["finish_reason"] != "length"
            ):
                answered.add(r)
            if oracle or line["draw"] == 0:
                candidates.setdefault(r, []).append(line)
        for r in asked:
            self.asked[r] += 1
        for r in answered:
            self.answered[r] += 1
        if oracle and right:
            self.first_right[min(right)] += 1
        while len(self.worth_in) <= rounds:
            self.worth_in.append(Sum())
        worth, solved, current = 0.0, False, False
        for r in range(rounds + 1):
            here = candidates.get(r)
            if here and not (oracle and solved):
                line = next((x for x in here if x["outcome"] == "correct"), here[0])
                solved = line["outcome"] == "correct"
                worth = float(solved) if line["score"] is None else float(line["score"])
            self.worth_in[r].add(worth)
            if not oracle:
                current = here[0]["outcome"] == "correct" if here else current
                self.right_in[r] += current


def final_line(trace: Sequence[Mapping[str, Any]], mode: Mode) -> Mapping[str, Any]:
    """The line that decides a question: a right one in oracle mode, else the one handed in."""
    if len(trace) == 1:
        return trace[0]
    if mode == "oracle":
        for line in trace:
            if line["outcome"] == "correct":
                return line
    return next((line for line in trace if line["selected"]), trace[-1])


def content_line(trace: Sequence[Mapping[str, Any]], mode: Mode) -> Mapping[str, Any]:
    """The line that decides a question under the content reading of the same texts."""
    if len(trace) == 1:
        return trace[0]
    if mode == "oracle":
        for line in trace:
            if line["content"]["outcome"] == "correct":
                return line
        return trace[-1]
    return next((line for line in trace if line["selected"]), trace[-1])


def summarize(
    traces: Iterable[Sequence[Mapping[str, Any]]],
    manifest: Manifest,
    *,
    run: str,
    paid: Paid,
    wall_s: float,
    stopped: str | None,
) -> Summary:
    """The summary of a run; its keys are documented in `SUMMARY_FIELDS`.

    Args:
        traces: lists of verdict lines, one list a trace.
        manifest: the run's manifest.
        run: the run's name.
        paid: calls and tokens of the journal, each call once.
        wall_s: seconds of all sessions of this run.
        stopped: why it stopped early, or None.
    """
    plan = manifest["plan"]
    methods = {arm["name"]: arm for arm in plan["arms"]}
    modes: Mapping[str, Mode] = {t["task"]: t["mode"] for t in manifest["tasks"]}
    metrics = {t["task"]: t for t in manifest["tasks"]}
    rounds = {name: planned_rounds(arm) for name, arm in methods.items()}
    cells: dict[tuple[str, str, str], Cell] = {}
    doubtful = Doubtful()
    pairs: Pairs = {}
    chosen = Selection()
    for trace in traces:
        first = trace[0]
        mode = modes[first["task"]]
        final = final_line(trace, mode)
        doubtful.add(final)
        count_pairs(pairs, final["task"], final["detail"])
        key = (first["task"], first["model"], first["arm"])
        cell = cells.get(key)
        if cell is None:
            cell = cells[key] = Cell()
        cell.add(trace, final, mode, rounds.get(first["arm"], 0), len(plan["seeds"]))
        # The turns of a dialogue are no candidates for one answer: nothing is chosen from them.
        if mode != "oracle" and methods[first["arm"]]["method"] != "dialogue":
            chosen.add(trace)
    rows: list[ArmRow] = []
    for task in (t["task"] for t in manifest["tasks"]):
        for model in plan["models"]:
            ours = [cell for key, cell in cells.items() if key[:2] == (task, model)]
            cap = max((value for cell in ours for value in cell.fitted), default=0)
            for arm in plan["arms"]:
                cell = cells.get((task, model, arm["name"]), Cell())
                if not cell.trials and stopped is None:
                    continue
                row = _row(
                    cell, task, model, arm, modes[task], rounds[arm["name"]], metrics[task], cap
                )
                rows.append({**row, "selection": chosen.of((task, model, arm["name"]))})
    return {
        "run": run,
        "tasks": [t["task"] for t in manifest["tasks"]],
        "models": list(plan["models"]),
        "data": manifest["data"],
        "arms": rows,
        "panel": panel_rows(pairs),
        "suites": suite_rows(rows, manifest),
        "paid": paid,
        "wall_s": round(wall_s, 3),
        "stopped": stopped,
        "doubtful": doubtful.summary(),
    }


def planned_rounds(arm: Mapping[str, Any]) -> int:
    """Feedback rounds an arm may take: 0 for single-turn methods."""
    from heartloop.methods import PARAMS, SPECS

    spec = SPECS.get(arm["method"])
    if spec is None or "rounds" not in spec.params:
        return 0
    default = spec.defaults.get("rounds", PARAMS["rounds"].default)
    return int(arm.get("params", {}).get("rounds", default))


def _row(
    cell: Cell,
    task: str,
    model: str,
    arm: Mapping[str, Any],
    mode: Mode,
    rounds: int,
    metric: Mapping[str, Any],
    cap: int = 0,
) -> ArmRow:
    trials = cell.trials
    correct = cell.outcomes["correct"]
    scored = correct + cell.outcomes["incorrect"]
    score = cell.score.total / trials if cell.scored else None
    low, high = metric.get("metric_low", 0.0), metric.get("metric_high", 1.0)
    raw = score if score is not None else (correct / trials if trials else None)
    normalised = metric.get("metric") == "normalised"

    def scaled(value: float) -> float:
        return (value - low) / (high - low) if normalised else value

    by_round: list[RoundFigures] = []
    solved = 0
    for r in range(rounds + 1):
        solved = solved + cell.first_right[r] if mode == "oracle" else cell.right_in[r]
        accuracy = solved / trials if trials else None
        asked = cell.asked[r]
        answered = cell.answered[r] / asked if asked else None
        own = scaled(cell.worth_in[r].total / trials) if trials else None
        by_round.append(
            {"round": r, "accuracy": accuracy, "own": own, "asked": asked, "answered": answered}
        )
    return {
        "task": task,
        "model": model,
        "arm": arm["name"],
        "method": arm["method"],
        "stimulus": "+".join(f"{s['set']}:{s['id']}" for s in arm["stimuli"]) or None,
        "role": arm["role"],
        "mode": mode,
        "n": len(cell.questions),
        "trials": trials,
        "accuracy": correct / trials if trials else None,
        "accuracy_of_scored": correct / scored if scored else None,
        "accuracy_content": cell.content_correct / trials if trials else None,
        "content_flips": cell.flips,
        "score": score,
        "normalised": None if raw is None else 100.0 * (raw - low) / (high - low),
        "own": None if raw is None else scaled(raw),
        "correct": correct,
        "incorrect": cell.outcomes["incorrect"],
        "unscored": dict(sorted(cell.unscored.items())),
        "error": cell.outcomes["error"],
        "rounds": by_round,
        "calls": cell.calls,
        "tokens": {k: cell.tokens[k] for k in ("prompt", "completion", "reasoning", "cached")},
        "cost": None if cell.cost is None else cell.cost.total,
        "attempts": cell.attempts,
        "cap_hits": cell.cap_hits,
        "fitted": cell.fitted.total(),
        "fitted_short": cell.fitted.total() - cell.fitted[cap],
        "left_out": dict(sorted(cell.left_out.items())),
        "judged": judged_figures(cell.labels),
        "repeats": repeat_figures(cell.drawn(), _all_drawn(arm, mode)),
    }


def _all_drawn(arm: Mapping[str, Any], mode: Mode) -> bool:
    """Whether an arm asks for all of its first answers, whatever comes of them."""
    early = arm["method"] == "adaptive"
    stop = arm.get("params", {}).get("stop", "never")
    return not early and not (mode == "oracle" and arm["method"] == "resample" and stop != "never")


def suite_rows(rows: Sequence[Mapping[str, Any]], manifest: Manifest) -> list[SuiteRow]:
    """Unweighted mean over the tasks of each suite, and the accuracy pooled over its items."""
    members = {t["task"]: t.get("suite") for t in manifest["tasks"]}
    items = {t["task"]: t["items"] for t in manifest["tasks"]}
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        suite = members.get(row["task"])
        if suite and row["trials"]:
            groups.setdefault((suite, row["model"], row["arm"]), []).append(row)
    found: list[SuiteRow] = []
    for (suite, model, arm), group in groups.items():
        if len(group) < 2:
            continue
        trials = sum(row["trials"] for row in group)
        weights = [items[row["task"]] for row in group]
        pooled = sum(w * row["accuracy"] for w, row in zip(weights, group, strict=True))
        found.append(
            {
                "suite": suite,
                "model": model,
                "arm": arm,
                "tasks": len(group),
                "normalised": sum(row["normalised"] for row in group) / len(group),
                "accuracy": sum(row["accuracy"] for row in group) / len(group),
                "accuracy_pooled": pooled / sum(weights),
                "score_pooled": _pooled_score(group, weights),
                "items": sum(weights),
                "trials": trials,
            }
        )
    return found


def _pooled_score(group: Sequence[Mapping[str, Any]], weights: Sequence[int]) -> float:
    """Mean official score over the items of a suite; accuracy where a task has no score."""
    scores = [row["accuracy"] if row["score"] is None else row["score"] for row in group]
    return float(sum(w * s for w, s in zip(weights, scores, strict=True)) / sum(weights))
