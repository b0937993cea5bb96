"""A run's decisions by item and frame: what ``heartloop frames`` and the report read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from heartloop.analysis import ABSENT, CODES
from heartloop.analysis.frames import FrameEffect, frame_effects
from heartloop.calls import Journal
from heartloop.data.items import TaskData
from heartloop.errors import UsageError
from heartloop.run.folder import VERDICTS, RunFolder
from heartloop.run.predictions import run_data
from heartloop.run.summary import final_line
from heartloop.run.verdicts import read_traces

BASE = "neutral"


@dataclass(frozen=True, slots=True)
class Framed:
    """One arm × model of a run on one framed task.

    Attributes:
        run, task, model, arm, role: where it comes from.
        items: keys; frames: names, the base first; domains: one an item, empty where none.
        decisions: object (items, frames, seeds): what was decided, folded; None where nothing was.
        right: int8, same shape, codes of `heartloop.analysis`.
        toward: bool, same shape, or None where the card names no kind (``options.toward``).
        kind: what ``toward`` counts, in the card's word.
        confidence: float, same shape, 0 to 1, NaN where none was stated.
        practice: heartloop's own practice rows.
    """

    run: str
    task: str
    model: str
    arm: str
    role: str
    items: tuple[str, ...]
    frames: tuple[str, ...]
    domains: tuple[str, ...]
    decisions: np.ndarray
    right: np.ndarray
    toward: np.ndarray | None
    kind: str
    confidence: np.ndarray
    practice: bool = False

    def only(self, domain: str) -> Framed:
        """The items of one domain."""
        rows = np.array([d == domain for d in self.domains])
        plain = {name: getattr(self, name) for name in self.__slots__}
        plain.update(
            items=tuple(i for i, kept in zip(self.items, rows, strict=True) if kept),
            domains=tuple(d for d in self.domains if d == domain),
            decisions=self.decisions[rows],
            right=self.right[rows],
            toward=None if self.toward is None else self.toward[rows],
            confidence=self.confidence[rows],
        )
        return Framed(**plain)


def load_framed(
    folder: RunFolder,
    *,
    task: str | None = None,
    base: str | None = None,
    data_dir: str | None = None,
) -> list[Framed]:
    """Every arm × model of a run on its framed tasks.

    Args:
        folder: a run folder, finished or not.
        task: only this task.
        base: the frame that the others are held against; default ``neutral``, else the first.
        data_dir: where the data are now, if they moved.

    Raises:
        UsageError: no framed task, no such frame, or data that are not those of the run.
    """
    manifest = folder.manifest
    tasks: dict[str, TaskData] = {}
    for facts in manifest["tasks"]:
        if facts.get("frames") and task in (None, facts["task"]):
            tasks.update(run_data(folder, task=facts["task"], data_dir=data_dir))
    if not tasks:
        raise UsageError(
            f"{folder.path}: none of its tasks asks its items in frames; such are decisions, "
            "claims and hints, and see docs/frames.md for your own"
        )
    plan = manifest["plan"]
    arms = {arm["name"]: arm["role"] for arm in plan["arms"]}
    seeds = {seed: i for i, seed in enumerate(plan["seeds"])}
    modes = {t["task"]: t["mode"] for t in manifest["tasks"]}
    sheets: dict[tuple[str, str, str], _Sheet] = {}
    journal = Journal.open(folder.path, read_only=True)
    try:
        for trace in read_traces(folder.path / VERDICTS):
            first = trace[0]
            if first["task"] not in tasks or first["arm"] not in arms:
                continue
            key = (first["task"], first["model"], first["arm"])
            if key not in sheets:
                sheets[key] = _Sheet(tasks[key[0]], len(seeds), base)
            final = final_line(trace, modes[key[0]])
            said = journal.get(final["key"]) if final["key"] else None
            sheets[key].add(final, seeds[first["seed"]], said.text if said else "")
    finally:
        journal.close()
    if not sheets:
        raise UsageError(f"{folder.path}: no question of a framed task is finished yet")
    order = [(t, m, a) for t in tasks for m in plan["models"] for a in arms]
    return [sheets[k].framed(folder.name, k, arms[k[2]]) for k in order if k in sheets]


class _Sheet:
    """Collects one arm × model."""

    def __init__(self, data: TaskData, seeds: int, base: str | None) -> None:
        metas = [q.meta for q in data.questions]
        frames = list(dict.fromkeys(str(m["frame"]) for m in metas))
        if base is not None and base not in frames:
            raise UsageError(
                f"--base {base}: {data.card.name} has no such frame; it has {', '.join(frames)}"
            )
        first = base or (BASE if BASE in frames else frames[0])
        self.frames = [first, *(f for f in frames if f != first)]
        self.items = list(dict.fromkeys(str(m["item"]) for m in metas))
        domains = {str(m["item"]): str(m.get("domain", "")) for m in metas}
        self.domains = [domains[item] for item in self.items]
        self.data = data
        self.kind = str(data.card.options.get("toward", ""))
        self.wanted = {q.id: folded(str(q.meta.get(self.kind, self.kind))) for q in data.questions}
        row = {item: i for i, item in enumerate(self.items)}
        column = {frame: i for i, frame in enumerate(self.frames)}
        self.place = {
            q.id: (row[str(q.meta["item"])], column[str(q.meta["frame"])]) for q in data.questions
        }
        shape = (len(self.items), len(self.frames), seeds)
        self.decisions = np.full(shape, None, object)
        self.right = np.full(shape, ABSENT, np.int8)
        self.toward = np.zeros(shape, bool)
        self.confidence = np.full(shape, np.nan)

    def add(self, line: Mapping[str, Any], seed: int, text: str) -> None:
        if line["question"] not in self.place:
            return
        at = (*self.place[line["question"]], seed)
        self.right[at] = CODES[line["outcome"]]
        answer = line["answer"] if line["outcome"] in ("correct", "incorrect") else None
        if answer is not None:
            self.decisions[at] = folded(answer)
            self.toward[at] = folded(answer) == self.wanted[line["question"]]
        stated = stated_confidence(text)
        if stated is not None:
            self.confidence[at] = stated

    def framed(self, run: str, key: tuple[str, str, str], role: str) -> Framed:
        return Framed(
            run=run,
            task=key[0],
            model=key[1],
            arm=key[2],
            role=role,
            items=tuple(self.items),
            frames=tuple(self.frames),
            domains=tuple(self.domains),
            decisions=self.decisions,
            right=self.right,
            toward=self.toward if self.kind else None,
            kind=self.kind,
            confidence=self.confidence,
            practice=self.data.practice,
        )


def folded(answer: str) -> str:
    """An answer by which two are the same decision: letters and digits, numbers by their value."""
    text = " ".join(answer.casefold().split()).strip(" .*_'\"$")
    try:
        return f"{float(text.replace(',', '')):.12g}"
    except ValueError:
        return " ".join(re.findall(r"\w+", text))


_STATED = re.compile(
    r"\bconfiden(?:ce|t)\b[\s*_]*(?:score|level|rating)?[\s*_]*(?:is|of|at)?[\s*_:=(]*"
    r"(\d+(?:\.\d+)?|\.\d+)\s*(%|percent\b|per cent\b|(?:/|out of)\s*(\d+))?",
    re.IGNORECASE,
)


def stated_confidence(text: str) -> float | None:
    """The confidence that a text states last, 0 to 1; None where none is, or none can be read.

    ``85``, ``85 %``, ``.85``, ``8/10``. A bare 1 may be of 1 or of 100: it is not read.
    """
    found = None
    for match in _STATED.finditer(text):
        value, unit, of = float(match[1]), match[2], match[3]
        if of:
            value = value / float(of) if float(of) else 2.0
        elif unit or value > 1:
            value /= 100
        elif match[1] == "1":
            continue
        if value <= 1:
            found = value
    return found


@dataclass(frozen=True, slots=True)
class FrameTable:
    """The effects of one arm × model, of all items and by domain.

    Attributes:
        of: what was analysed; effects: of all items; domains: domain → effects, where there are
            at least two domains.
    """

    of: Framed
    effects: tuple[FrameEffect, ...]
    domains: Mapping[str, tuple[FrameEffect, ...]]


def frame_tables(
    found: Sequence[Framed], *, margin: float = 0.03, draws: int = 4000
) -> list[FrameTable]:
    """The effects of every arm but those that ask again.

    What flips without any frame is seen from the ``again`` arm of the plain prompt, else from the
    run's seeds.
    """
    tables = []
    for one in found:
        if one.role == "again":
            continue
        alike = [o for o in found if (o.task, o.model) == (one.task, one.model)]
        anew = next((o.decisions for o in alike if o.role == "again"), None)
        if one.role != "none" or anew is None:  # `again` is the plain prompt once more
            several = one.decisions.shape[2] > 1
            anew = np.roll(one.decisions, -1, axis=2) if several else None
        names = list(dict.fromkeys(one.domains))
        parts = {n: _effects(one.only(n), None, margin, draws) for n in names if len(names) > 1}
        tables.append(FrameTable(one, _effects(one, anew, margin, draws), parts))
    return tables


def _effects(
    one: Framed, anew: np.ndarray | None, margin: float, draws: int
) -> tuple[FrameEffect, ...]:
    return frame_effects(
        one.decisions,
        one.right,
        one.frames,
        toward=one.toward,
        confidence=one.confidence,
        again=anew,
        margin=margin,
        draws=draws,
    )


def table_dict(found: FrameTable) -> dict[str, Any]:
    """One arm's effects as plain data."""
    one = found.of
    return {
        "task": one.task,
        "model": one.model,
        "arm": one.arm,
        "items": len(one.items),
        "base": one.frames[0],
        "toward": one.kind or None,
        "frames": [effect_dict(effect) for effect in found.effects],
        "domains": {n: [effect_dict(e) for e in part] for n, part in found.domains.items()},
    }


def effect_dict(effect: FrameEffect) -> dict[str, Any]:
    """One effect as plain data; what is not finite becomes None."""
    plain = asdict(effect)
    for name in ("right", "toward"):
        shift = getattr(effect, name)
        if shift is not None:
            plain[name]["verdict"] = shift.verdict
    return {name: _finite(value) for name, value in plain.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
