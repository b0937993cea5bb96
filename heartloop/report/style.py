"""What the words did to the answers of a run: every measure of `heartloop.style`, arm by arm.

Read from verdicts and journal alone. Every arm is set against the controls of the run's claim on
the questions that both answered, in the same round; the bands of one measure hold for all arms and
rounds at once. Descriptive: no tests, no words.
"""

from __future__ import annotations

import contextlib
import functools
import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heartloop.analysis.bands import Band, bands
from heartloop.analysis.carry import Slope, carry_over
from heartloop.calls import Journal
from heartloop.errors import UsageError
from heartloop.run.claim import read_claim
from heartloop.run.folder import VERDICTS, RunFolder
from heartloop.run.verdicts import read_traces
from heartloop.style.affect import vad
from heartloop.style.language import language
from heartloop.style.measures import MEASURES, NAMES, Read, measure, read
from heartloop.types import Claim

LAGS = 3
"""Cues of this turn and the two before it are looked for in an answer."""
NOISE = ("again", "placebo")
"""Controls that are shown against the plain prompt, too: how much moves by itself."""
MANY = 8
"""Rounds that are compared one by one; of more three spans are."""
LEAST = 20
"""Under so many pairs of answers that both have a measure, no difference is given."""
_CUE = len(NAMES)  # column of the cue's valence, behind the measures


@dataclass(frozen=True, slots=True)
class Contrast:
    """One arm in one round, or a span of rounds, minus one of its controls, every measure.

    Attributes:
        arm, control: names; ``control`` is the mean of several where there are.
        round, last: of both; a span is the mean of a question's answers in these rounds.
        differences: measure -> band.
    """

    arm: str
    control: str
    round: int
    last: int
    differences: Mapping[str, Band]


@dataclass(frozen=True, slots=True)
class Style:
    """The style of one model's answers in a run.

    Attributes:
        model: its name.
        levels: arm -> round -> measure -> mean over tasks of the mean over questions.
        contrasts: every arm against its controls, round by round.
        carried: arm -> how much of the cue's valence stands in its answers, turn by turn; ``all``
            for single-turn phrases taken together.
        answers: how many answers were read; ``without``: how many have no text in the journal.
    """

    model: str
    levels: Mapping[str, Mapping[int, Mapping[str, float]]]
    contrasts: tuple[Contrast, ...]
    carried: Mapping[str, tuple[Slope, ...]]
    answers: int
    without: int


# --- Reading ------------------------------------------------------------------------------


class Texts:
    """One model's answers as arrays: what every arm said in every round, question by question.

    Attributes:
        tasks, clusters: one label a column; a column is a question under one seed.
    """

    def __init__(self, model: str) -> None:
        self.model = model
        self.tasks: list[str] = []
        self.clusters: list[str] = []
        self.without = 0
        self._columns: dict[tuple[str, str, int], int] = {}
        self._values: dict[tuple[str, int], array[float]] = {}
        self._places: dict[tuple[str, int], array[int]] = {}
        self._same: dict[tuple[str, int], array[int]] = {}

    def add(self, arm: str, line: Mapping[str, Any], values: Sequence[float], same: int) -> None:
        """Add one answer."""
        place = (line["task"], line["question"], line["seed"])
        column = self._columns.get(place)
        if column is None:
            column = self._columns[place] = len(self.tasks)
            self.tasks.append(line["task"])
            self.clusters.append(f"{line['task']}\t{line['cluster'] or line['question']}")
        key = (arm, line["round"])
        self._values.setdefault(key, array("f")).extend(values)
        self._places.setdefault(key, array("q")).append(column)
        self._same.setdefault(key, array("q")).append(same)

    @property
    def answers(self) -> int:
        """How many were read."""
        return sum(map(len, self._places.values()))

    def rounds(self, arm: str) -> list[int]:
        """The rounds in which an arm answered."""
        return sorted(r for name, r in self._places if name == arm)

    @functools.cache  # noqa: B019 - lives as long as the tables it holds
    def table(self, arm: str, number: int) -> NDArray[np.float64]:
        """Measures and the cue's valence, shape (measures + 1, columns); NaN where no answer."""
        out = np.full((_CUE + 1, len(self.tasks)), np.nan)
        key = (arm, number)
        if key in self._values:
            flat = np.frombuffer(self._values[key], np.float32).reshape(-1, _CUE + 1)
            out[:, np.frombuffer(self._places[key], np.int64)] = flat.T
        return out

    def texts(self, arm: str, number: int) -> NDArray[np.float64]:
        """A number for each column's text, equal for equal texts; NaN where there is none."""
        out = np.full(len(self.tasks), np.nan)
        key = (arm, number)
        if key in self._same:
            # 53 bits of a hash: exact as a float, and no two of a million texts share one.
            out[np.frombuffer(self._places[key], np.int64)] = (
                np.frombuffer(self._same[key], np.int64) >> 11
            )
        return out


def read_texts(
    folder: RunFolder, *, patterns: bool = True, journal: Journal | None = None
) -> dict[str, Texts]:
    """Every answer of a run, by model: the first candidate of each round of each trace.

    Args:
        folder: the run.
        patterns: read the patterns, too; the manipulation check does without.
        journal: its journal where it is open already.

    Raises:
        UsageError: there are no verdicts yet, or they are damaged.
        JournalError: the journal is damaged.
    """
    arms = {arm["name"]: arm for arm in folder.manifest["plan"]["arms"]}
    said = {name: " ".join(s["text"] for s in arm["stimuli"]) for name, arm in arms.items()}
    cues = {
        name: {f"{cue['set']}:{cue['id']}": cue["text"] for cue in arm["cues"]}
        for name, arm in arms.items()
    }
    found: dict[str, Texts] = {}
    asked_in: dict[tuple[str, str], str] = {}
    once = functools.lru_cache(maxsize=4096)(functools.partial(read, patterns=patterns))
    mood = functools.lru_cache(maxsize=4096)(lambda text: vad(text).valence)
    with contextlib.ExitStack() as stack:
        if journal is None:
            journal = stack.enter_context(Journal.open(folder.path, read_only=True))
        for trace in read_traces(folder.path / VERDICTS):
            arm = trace[0]["arm"]
            mine = found.setdefault(trace[0]["model"], Texts(trace[0]["model"]))
            before: Read | None = None
            for line in _first_of_each_round(trace):
                record = journal.record(line["key"]) if line["key"] else None
                if record is None or record.get("text") is None:
                    mine.without += 1
                    before = None
                    continue
                place = (line["task"], line["question"])
                if place not in asked_in:
                    asked_in[place] = language(_prompt(record))
                cue = cues.get(arm, {}).get(line["cue"], "") or said.get(arm, "")
                answer = once(record["text"])
                values = measure(
                    answer,
                    tokens=line["tokens"]["completion"] or math.nan,
                    form=line.get("form"),
                    cue=cue,
                    before=before,
                    asked_in=asked_in[place],
                )
                mine.add(arm, line, [*values.values(), mood(cue)], answer.same)
                before = answer
    if not found:
        raise UsageError(f"{folder.path}: no question is finished yet")
    return found


def _prompt(record: Mapping[str, Any]) -> str:
    messages = record["request"].get("messages") or [{"content": ""}]
    return str(messages[-1]["content"])


def _first_of_each_round(trace: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    last = -1
    for line in trace:
        if line["purpose"] == "answer" and line["round"] > last:
            last = line["round"]
            yield line


# --- Comparing ----------------------------------------------------------------------------


def style_of(folder: RunFolder) -> list[Style]:
    """The style of a run's answers, model by model.

    Raises:
        UsageError: as `read_texts`, and a claim that was changed.
    """
    claim = read_claim(folder.manifest)
    return [style(texts, claim, folder.manifest) for texts in read_texts(folder).values()]


def style(texts: Texts, claim: Claim, manifest: Mapping[str, Any]) -> Style:
    """One model's part of `style_of`."""
    arms = [arm["name"] for arm in manifest["plan"]["arms"]]
    planned = pairs(claim, manifest)
    wanted = [
        (arm, controls, span)
        for arm, controls in planned
        for span in spans(shared_rounds(texts, arm, controls))
    ]
    tables = [
        mean_over(
            [
                texts.table(arm, n)[:_CUE] - np.mean([texts.table(c, n)[:_CUE] for c in cs], axis=0)
                for n in span
            ]
        )
        for arm, cs, span in wanted
    ]
    columns: dict[str, list[Band]] = {}
    for i, one in enumerate(MEASURES if tables else ()):
        found = np.stack([table[i] for table in tables])
        found[(~np.isnan(found)).sum(axis=1) < LEAST] = np.nan
        columns[one.name] = bands(
            found,
            None if one.sparse else texts.tasks,
            texts.clusters,
            unit=1.0 if one.share else 0.0,
            level=1 - claim.level,
        )
    return Style(
        model=texts.model,
        levels={
            arm: {n: _levels(texts, arm, n) for n in texts.rounds(arm)}
            for arm in arms
            if texts.rounds(arm)
        },
        contrasts=tuple(
            Contrast(
                arm,
                " and ".join(cs),
                span[0],
                span[-1],
                {name: columns[name][k] for name in NAMES},
            )
            for k, (arm, cs, span) in enumerate(wanted)
        ),
        carried=_carried(texts, planned, claim),
        answers=texts.answers,
        without=texts.without,
    )


def pairs(claim: Claim, manifest: Mapping[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
    """Arms and their controls as the claim has them, then what moves by itself.

    Independent draws are no control of an answer after feedback, so they are left out.
    """
    roles = {arm["name"]: arm["role"] for arm in manifest["plan"]["arms"]}
    found = [(c.arm, c.controls) for c in claim.contrasts]
    none = next((n for n, role in roles.items() if role == "none"), None)
    if none is not None:
        found += [(name, (none,)) for name, role in roles.items() if role in NOISE]
    kept = [
        (arm, controls)
        for arm, controls in found
        if arm not in controls and not any(roles.get(c) == "resample" for c in controls)
    ]
    return list(dict.fromkeys(kept))


def shared_rounds(texts: Texts, arm: str, controls: Sequence[str]) -> list[int]:
    """Rounds that an arm and its controls all have; round 0 of a loop is the same for all."""
    every = [set(texts.rounds(name)) for name in (arm, *controls)]
    shared = sorted(set.intersection(*every))
    return [n for n in shared if n > 0] or shared


def spans(rounds: Sequence[int]) -> list[tuple[int, ...]]:
    """Each round by itself; of more than `MANY` three spans, since so many bands say nothing."""
    if len(rounds) <= MANY:
        return [(n,) for n in rounds]
    return [tuple(part.tolist()) for part in np.array_split(np.array(rounds), 3)]


def mean_over(tables: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Mean of tables of one shape, cell by cell over those that have it; NaN where none has."""
    if len(tables) == 1:
        return tables[0]
    found = np.stack(tables)
    there = ~np.isnan(found)
    count = there.sum(axis=0)
    total = np.where(there, found, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _levels(texts: Texts, arm: str, number: int) -> dict[str, float]:
    """Means as the differences weigh them: over tasks, or over questions for sparse measures."""
    table = texts.table(arm, number)[:_CUE]
    labels, task = np.unique(np.array(texts.tasks), return_inverse=True)
    out = {}
    for one, row in zip(MEASURES, table, strict=True):
        there = ~np.isnan(row)
        groups = np.zeros_like(task) if one.sparse else task
        count = np.bincount(groups[there], minlength=len(labels))
        total = np.bincount(groups[there], row[there], len(labels))
        used = count > 0
        out[one.name] = float((total[used] / count[used]).mean()) if used.any() else math.nan
    return out


def _carried(
    texts: Texts, planned: Sequence[tuple[str, tuple[str, ...]]], claim: Claim
) -> dict[str, tuple[Slope, ...]]:
    """Valence of answers on the valence of cues: single-turn phrases together, loops each."""
    single = [(a, c) for a, c in planned if shared_rounds(texts, a, c) == [0]]
    plain = [(a, c) for a, c in single if a in claim.treatments]
    groups = {"all": plain} if plain else {}
    groups |= {f"{a} − {' and '.join(c)}": [(a, c)] for a, c in planned if (a, c) not in single}
    out = {}
    for name, members in groups.items():
        answers, cues, clusters = [], [], []
        for arm, controls in members:
            rounds = shared_rounds(texts, arm, controls)
            there = {
                n: texts.table(arm, n) - np.mean([texts.table(c, n) for c in controls], axis=0)
                for n in rounds
            }
            for n in rounds:
                answers.append(there[n][NAMES.index("valence")])
                past = [
                    there[n - k][_CUE] if n - k in there else 0 * answers[-1] for k in range(LAGS)
                ]
                cues.append(np.nan_to_num(np.stack(past, axis=1)))
                clusters += texts.clusters
        if answers:
            found = carry_over(np.concatenate(answers), np.concatenate(cues), clusters)
            if found:
                out[name] = tuple(found)
    return out
