"""Which questions of a run may speak: all of a whole one, and of a stopped one a fair part.

Questions that finish first are the short and easy ones, and where an arm stops when it is right,
the finished ones are the solved ones. So a stopped run speaks by the order of opening, never by
what happens to be finished.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from heartloop.analysis import CORRECT, INCORRECT
from heartloop.run.folder import UNFINISHED, RunFolder
from heartloop.run.layout import Manifest
from heartloop.run.results import ArmResults, Groups, SlimStep, SlimTrace, arrays_of, read_groups
from heartloop.types import RunState

PREFIX = 10
"""A finished first part speaks only if it is so many times longer than what was open."""

Asked = tuple[str, str]
"""Task and question."""


def who_speaks(ended: np.ndarray, spent: np.ndarray | None = None) -> tuple[int, float | None]:
    """How many of the opened questions speak, from the first on, and at which budget.

    All where all have ended. Else the finished first part, if it is at least ten times as long as
    what follows it. Else, where arms stop when they are right (``spent`` is given), a stage that is
    complete: b is the largest number of tokens that every arm has spent, unless it had ended, on
    the first ten elevenths of the questions, and the longest first part with that b speaks, all
    arms compared at b.

    Args:
        ended: whether an arm has finished a question, shape (arms, questions), the questions in
            the order of opening.
        spent: tokens of an arm on a question so far, same shape; None where no arm stops early.

    Returns:
        Number of questions, 0 where nothing may be said, and b, None where nothing is cut.
    """
    n = ended.shape[1]
    done = ended.all(axis=0)
    prefix = n if done.all() else int(np.argmin(done))
    if prefix >= PREFIX * (n - prefix):
        return prefix, None
    if spent is None:
        return 0, None
    least = np.where(ended, math.inf, spent).min(axis=0)
    start = math.ceil(n * PREFIX / (PREFIX + 1))
    b = float(least[:start].min())
    if b <= 0:
        return 0, None
    behind = least[start:] < b
    return start + (int(np.argmax(behind)) if behind.any() else n - start), b


@dataclass(frozen=True, slots=True)
class Stage:
    """What is exactly known of an arm that was cut: its first answers.

    Attributes:
        answers: how many every question has, unless it was solved by then.
        right: share of questions that are right within them.
    """

    answers: int
    right: float


@dataclass(frozen=True, slots=True)
class Speaking:
    """What of one model's part of a stopped run may speak.

    Attributes:
        questions: how many speak.
        left_out: task → questions that were opened and do not speak.
        budget: tokens at which all arms are compared; None where nothing is cut.
        stages: arm that was cut → its last complete stage.
        ended: arm → on how many of all opened questions it had ended.
        opened: how many questions were opened.
        why: why nothing is said; empty where something is.
    """

    questions: int
    left_out: Mapping[str, int]
    budget: float | None
    stages: Mapping[str, Stage] = field(default_factory=dict)
    ended: Mapping[str, int] = field(default_factory=dict)
    opened: int = 0
    why: str = ""


def load_speaking(
    folder: RunFolder, state: RunState, groups: Groups | None = None
) -> tuple[list[ArmResults], dict[str, Speaking]]:
    """The results that may speak, and for each model of a stopped run which they are.

    Where nothing of a model may speak, its finished questions stay in the results, for tables.

    Args:
        folder: the run.
        state: what it is.
        groups: the traces of its verdicts where they were read already.

    Raises:
        UsageError: no question is finished yet.
    """
    manifest = folder.manifest
    groups = groups or read_groups(folder)
    if state.state == "whole" or "search" in manifest or not groups:
        return arrays_of(folder, groups), {}
    begun = read_groups(folder, UNFINISHED)
    found: dict[str, Speaking] = {}
    waiting = {arm["name"] for arm in manifest["plan"]["arms"] if arm.get("gated")}
    opened = _opened(folder)
    for model in dict.fromkeys(key[1] for key in groups):
        mine = {k: v for k, v in groups.items() if k[1] == model}
        open_ = {k: v for k, v in begun.items() if k[1] == model}
        speaking, chosen = _of_model(manifest, mine, open_, waiting, opened.get(model, set()))
        found[model] = speaking
        if not speaking.why:
            groups = {k: v for k, v in groups.items() if k[1] != model} | chosen
    return arrays_of(folder, groups), found


def _opened(folder: RunFolder) -> dict[str, set[Asked]]:
    """Model → questions that the journal holds any call of."""
    from heartloop.calls import journal_records

    found: dict[str, set[Asked]] = {}
    for record in journal_records(folder.path):
        address = record["address"]
        asked = (address["task"], address["question"])
        found.setdefault(address["model"], set()).add(asked)
    return found


def _of_model(
    manifest: Manifest,
    groups: Groups,
    begun: Groups,
    waiting: set[str],
    journal: set[Asked],
) -> tuple[Speaking, Groups]:
    seeds = len(manifest["plan"]["seeds"])
    arms = [
        name
        for name in (arm["name"] for arm in manifest["plan"]["arms"])
        if name not in waiting and any(key[2] == name for key in (*groups, *begun))
    ]
    order = _order(manifest, groups, begun, journal)
    place = {asked: i for i, asked in enumerate(order)}
    ended = np.zeros((len(arms), len(order)), int)
    spent = np.full((len(arms), len(order)), math.inf)
    for kind, part in (("ended", groups), ("open", begun)):
        for (task, _, arm), traces in part.items():
            if arm not in arms:
                continue
            a = arms.index(arm)
            for trace in traces:
                at = place[task, trace.question]
                if kind == "ended":
                    ended[a, at] += 1
                else:
                    spent[a, at] = min(spent[a, at], trace.steps[-1].tokens)
    whole = ended >= seeds
    spent[np.isinf(spent) & ~whole] = 0
    oracle = all(task["mode"] == "oracle" for task in manifest["tasks"])
    count, budget = who_speaks(whole, spent if oracle and begun else None)
    tasks = [task["task"] for task in manifest["tasks"]]
    speaks = set(order[:count])
    left = {t: sum(task == t for task, _ in order[count:]) for t in tasks}
    shares = {arm: int(whole[i].sum()) for i, arm in enumerate(arms)}
    if not count:
        return Speaking(0, left, None, ended=shares, opened=len(order),
                        why=_why(whole, oracle and not begun)), groups  # fmt: skip
    chosen: Groups = {}
    for part in (groups, begun) if budget is not None else (groups,):
        for key, traces in part.items():
            if kept := [t for t in traces if (key[0], t.question) in speaks]:
                chosen.setdefault(key, []).extend(kept)
    stages: dict[str, Stage] = {}
    if budget is not None:
        for arm in dict.fromkeys(key[2] for key in begun):
            cut = [
                t
                for k, v in begun.items()
                if k[2] == arm
                for t in v
                if (k[0], t.question) in speaks
            ]
            every = [t for k, v in chosen.items() if k[2] == arm for t in v]
            if cut:
                k = min(len(t.steps) for t in cut)
                right = [any(s.code == CORRECT for s in t.steps[:k]) for t in every]
                stages[arm] = Stage(k, sum(right) / len(right))
        chosen = {key: [_cut(t, budget) for t in traces] for key, traces in chosen.items()}
    return Speaking(count, left, budget, stages, shares, len(order)), chosen


def _why(whole: np.ndarray, unread: bool) -> str:
    n = whole.shape[1]
    done = whole.all(axis=0)
    prefix = n if done.all() else int(np.argmin(done))
    text = (
        f"of {n:,} questions that were opened only the first {prefix:,} are finished by "
        "every arm: those that finish first are the short and easy ones, so nothing is said"
    )
    if unread:
        text += " (heartloop score RUN reads what the open ones had answered)"
    return text


def _order(manifest: Manifest, groups: Groups, begun: Groups, journal: set[Asked]) -> list[Asked]:
    """Opened questions in the order of opening; lines from before turns in the data's own order.

    A turn without any verdict was opened, too: one of the questions that only the journal has.
    """
    tasks = {task["task"]: i for i, task in enumerate(manifest["tasks"])}
    rank: dict[Asked, tuple[int, int]] = {}
    for part in (groups, begun):
        for (task, _, _), traces in part.items():
            for trace in traces:
                known = (0, trace.turn) if trace.turn is not None else (tasks[task], trace.place)
                rank[task, trace.question] = known
    unknown = sorted((a for a in journal if a not in rank and a[0] in tasks), reverse=True)
    order: list[Asked] = []
    turns = all(t.turn is not None for part in (groups, begun) for x in part.values() for t in x)
    for asked in sorted(rank, key=lambda a: rank[a]):
        while turns and len(order) < rank[asked][1]:
            order.append(unknown.pop() if unknown else ("", f"turn {len(order)}"))
        order.append(asked)
    return order + unknown[::-1]


def _cut(trace: SlimTrace, budget: float) -> SlimTrace:
    """A trace of an oracle loop as it stood when it had spent at most so many tokens."""
    steps = [step for step in trace.steps if step.tokens <= budget]
    if not steps:  # no answer was in yet
        steps = [SlimStep(0, 0, INCORRECT, INCORRECT, None, 0, 0, 0, "", True, False, 0)]

    own = next((step for step in steps if step.code == CORRECT), steps[-1])
    read = next((step for step in steps if step.content == CORRECT), steps[-1])
    return trace._replace(
        final=own.code,
        content=read.content,
        score=own.score,
        content_score=read.content_score,
        cost=None,
        cap_hits=min(trace.cap_hits, len(steps)),
        attempts=min(trace.attempts, len(steps)),
        steps=steps,
    )
