"""Results of other tools as a run folder: verdicts, and answers where they are there.

Every importer gives `Sample`s; one writer makes of them a folder that ``compare``, ``report``,
``style`` and ``export`` read like any other. Nothing is graded anew: a verdict is the other tool's
score. What the other tool did not say is left empty, and the folder's manifest names it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from heartloop.calls import Journal
from heartloop.calls.keys import call_key
from heartloop.data.sources import file_sha256
from heartloop.errors import UsageError
from heartloop.run.claim import claim_dict, claim_of
from heartloop.run.files import swapped
from heartloop.run.folder import VERDICTS, RunFolder
from heartloop.run.layout import DataFacts, Manifest, Summary, TaskFacts
from heartloop.run.load import question_hash
from heartloop.run.manifest import SCHEMA, versions
from heartloop.run.plan import Plan
from heartloop.run.session import now, write_summary
from heartloop.run.trust import signature
from heartloop.run.verdicts import usage_dict
from heartloop.types import Address, Arm, Completion, Message, Outcome, Request, Usage

NAMED = "named"
"""Role of an imported arm: neither treatment nor control, so it can only be above or below."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One graded answer of another tool.

    Attributes:
        task, question, model, arm, seed: where it stands; ``seed`` is the repeat (epoch).
        score: in [0, 1]; None where the tool gave none.
        messages: what was asked; empty where the tool did not keep it.
        text: the answer; None where it was not kept (log-likelihood tasks have none).
        extracted: what the tool read in the answer.
        gold: the expected answer, for the line that explains the verdict.
        metric: the name of the score.
        usage: tokens, zero where unknown.
        finish_reason, started, finished, error: as in ``verdicts.jsonl``.
    """

    task: str
    question: str
    model: str
    arm: str
    score: float | None
    seed: int = 0
    messages: tuple[Message, ...] = ()
    text: str | None = None
    extracted: str | None = None
    gold: str | None = None
    metric: str = "accuracy"
    usage: Usage = Usage()
    finish_reason: str | None = None
    started: float | None = None
    finished: float | None = None
    error: str | None = None

    @property
    def place(self) -> tuple[str, str, str, str, int]:
        """What must be unique in a run."""
        return self.model, self.arm, self.task, self.question, self.seed


@dataclass(slots=True)
class Brought:
    """What an importer found.

    Attributes:
        tool: its name and version, as far as the files say.
        samples: in the tool's order.
        files: what was read.
        notes: what the files did not hold, and what was chosen, in words.
    """

    tool: str
    samples: list[Sample] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def question_id(text: str) -> str:
    """An id for a question without one: the same text has the same id in every import."""
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:16]


def score_of(value: Any, where: str) -> float | None:
    """A tool's score as a number in [0, 1]; None for an empty one.

    Raises:
        UsageError: it is no score; ``where`` names file, place and column.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        word = value.strip().lower()
        if word in WORDS:
            return WORDS[word]
        try:
            value = float(word)
        except ValueError:
            raise UsageError(
                f"{where}: {value!r} is no score; use numbers from 0 to 1 or true and false"
            ) from None
    if not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise UsageError(f"{where}: {value!r} is not between 0 and 1; divide it by its maximum")
    return float(value)


WORDS = {
    **dict.fromkeys(("true", "yes", "correct", "right", "pass", "passed", "c"), 1.0),
    **dict.fromkeys(("false", "no", "incorrect", "wrong", "fail", "failed", "i"), 0.0),
}
"""Words of other tools for right and wrong; ``C`` and ``I`` are Inspect's."""


def write_run(found: Brought, folder: RunFolder, command: str = "") -> Summary:
    """Write what was found as a run, and return its summary.

    Args:
        found: samples of at least one arm.
        folder: a new folder.
        command: the command line, for the manifest.

    Raises:
        UsageError: nothing was found, or two samples have one place.
        JournalError: the folder cannot be written.
    """
    samples = _checked(found.samples)
    tasks = list(dict.fromkeys(s.task for s in samples))
    arms = tuple(Arm(name, role=NAMED) for name in dict.fromkeys(s.arm for s in samples))
    questions = {t: list(dict.fromkeys(s.question for s in samples if s.task == t)) for t in tasks}
    metrics = {s.task: s.metric for s in samples}
    plan = Plan(
        tasks=tuple(tasks),
        models=tuple(dict.fromkeys(s.model for s in samples)),
        arms=arms,
        seeds=tuple(sorted({s.seed for s in samples})),
        mode="verifier-free",
        order="listed",
    )
    begun = now()
    files = [{"file": file.name, "sha256": file_sha256(file)} for file in found.files]
    manifest: Manifest = {
        "schema": SCHEMA,
        "run": folder.name,
        "plan": plan.to_dict(),
        "tasks": [_task(t, questions[t], metrics[t], found.tool) for t in tasks],
        "data": [_data(t, questions[t], found) for t in tasks],
        "tables": {},
        "claim": claim_dict(claim_of(arms, metrics, fixed=False)),
        "shard": None,
        "versions": dict(versions()),
        "git": None,
        "made_here": signature(plan.to_dict()),
        "imported": {"tool": found.tool, "files": files, "notes": found.notes},
        "sessions": [
            {"started": begun, "ended": begun, "wall_s": 0.0, "command": command, "stopped": None}
        ],
        "calls": {},
        "reused": None,
    }
    folder.write_manifest(manifest)
    order = {t: {q: i for i, q in enumerate(questions[t])} for t in tasks}
    samples.sort(key=lambda s: (tasks.index(s.task), order[s.task][s.question]))
    with Journal.open(folder.path) as journal, swapped(folder.path / VERDICTS) as file:
        for sample in samples:
            key = _keep(journal, sample)
            file.write(orjson.dumps(_line(sample, order[sample.task], key)) + b"\n")
    return write_summary(folder, manifest, stopped=None)


def _checked(samples: Sequence[Sample]) -> list[Sample]:
    if not samples:
        raise UsageError("nothing to import: no graded answer was found")
    count = Counter(s.place for s in samples)
    twice = [place for place, n in count.items() if n > 1]
    if twice:
        model, arm, task, question, seed = twice[0]
        raise UsageError(
            f"{len(twice)} answers are there twice, the first: task {task}, question {question}, "
            f"arm {arm}, model {model}, repeat {seed}; name the arms apart, or give the questions "
            "ids of their own"
        )
    return list(samples)


def _task(name: str, questions: Sequence[str], metric: str, tool: str) -> TaskFacts:
    # There is no card: what a task is, is the tool that graded it and the name of its score.
    card = hashlib.sha256(f"{tool.split()[0]}\n{name}\n{metric}".encode()).hexdigest()
    return {
        "task": name,
        "suite": None,
        "mode": "verifier-free",
        "card_sha256": card,
        "verifier": tool,
        "verifier_sha256": card,
        "metric": metric,
        "metric_low": 0.0,
        "metric_high": 1.0,
        "chance": None,
        "sampling": {},
        "shots": 0,
        "shots_as": "text",
        "questions": len(questions),
        "items": len(questions),
        "question_ids_sha256": question_hash(questions),
        "licence": "",
        "citation": "",
        "private": False,
    }


def _data(task: str, questions: Sequence[str], found: Brought) -> DataFacts:
    return {
        "task": task,
        "source": f"imported from {found.tool}",
        "sha256": question_hash(sorted(questions)),
        "expected_sha256": None,
        "revision": None,
        "questions": len(questions),
        "practice": False,
        "licence": "",
        "notes": list(found.notes),
    }


def _keep(journal: Journal, sample: Sample) -> str | None:
    """Write the answer into the journal; returns its key."""
    if sample.text is None:
        return None
    place = Address(sample.task, sample.question, sample.model, 0, 0, sample.seed)
    request = Request(place, sample.messages or (Message("user", ""),), arm=sample.arm)
    # Two arms may have been asked the same words; their answers are still two.
    request = replace(request, address=replace(place, question=f"{sample.arm}:{place.question}"))
    key = call_key(request)
    journal.append(
        replace(request, address=place),
        Completion(
            sample.text,
            sample.finish_reason or "stop",
            sample.usage,
            key=key,
            started=sample.started or 0.0,
            finished=sample.finished or 0.0,
        ),
    )
    return key


def _line(sample: Sample, order: Mapping[str, int], key: str | None) -> dict[str, Any]:
    outcome: Outcome = "unscored"
    if sample.error is not None:
        outcome = "error"
    elif sample.score is not None:
        outcome = "correct" if sample.score == 1 else "incorrect"
    told = "no score" if sample.score is None else f"{sample.metric} {sample.score:g}"
    verdict = {
        "outcome": outcome,
        "reason": "undecided" if outcome == "unscored" else None,
        "answer": sample.extracted,
        "score": sample.score,
        "detail": told if sample.gold is None else f"{told}; expected {sample.gold[:200]}",
    }
    return {
        "task": sample.task,
        "question": sample.question,
        "index": order[sample.question],
        "cluster": None,
        "model": sample.model,
        "seed": sample.seed,
        "arm": sample.arm,
        "round": 0,
        "draw": 0,
        "purpose": "answer",
        "key": key,
        "cue": "",
        **verdict,
        "content": verdict,
        "form": None,
        "selected": True,
        "last": True,
        "finish_reason": sample.finish_reason,
        "tokens": usage_dict(sample.usage),
        "calls": 1,
        "usage": usage_dict(sample.usage),
        "cost": None,
        "error": sample.error,
        "started": sample.started,
        "finished": sample.finished,
        "checked": None,
        "notes": {},
    }


def arm_names(given: Sequence[str], sources: Sequence[Path]) -> list[str]:
    """The names of the arms: those given, else the names of files and folders.

    Raises:
        UsageError: not one name a source, or a name twice.
    """
    names = list(given) or [source.resolve().name.removesuffix(".eval") for source in sources]
    if len(names) != len(sources):
        raise UsageError(
            f"--arm was given {len(names)} times for {len(sources)} sources; name every one"
        )
    twice = [name for name, n in Counter(names).items() if n > 1]
    if twice:
        raise UsageError(f"two arms are named {twice[0]}; give each a name with --arm")
    return names


def together(found: Sequence[Brought]) -> Brought:
    """Several sources as one, with what does not pair in its notes.

    Raises:
        UsageError: nothing was found, or the arms were asked of different models.
    """
    samples = [sample for one in found for sample in one.samples]
    models: dict[str, set[str]] = {}
    for s in samples:
        models.setdefault(s.arm, set()).add(s.model)
    if len({frozenset(asked) for asked in models.values()}) > 1:
        told = "; ".join(f"{arm}: {', '.join(sorted(m))}" for arm, m in models.items())
        raise UsageError(
            f"the arms were asked of different models ({told}); import each model by itself, with "
            "the same names of arms, and compare the runs: heartloop compare RUN RUN"
        )
    notes = [note for one in found for note in one.notes]
    notes.append("content stands for the tool's own score; whether a form was kept is not known")
    return Brought(
        tool=" + ".join(dict.fromkeys(one.tool for one in found)),
        samples=samples,
        files=[file for one in found for file in one.files],
        notes=list(dict.fromkeys([*notes, *_unpaired(samples)])),
    )


def _unpaired(samples: Iterable[Sample]) -> list[str]:
    """Questions that some arms have and others lack, in words."""
    have: dict[tuple[str, str], set[str]] = {}
    for s in samples:
        have.setdefault((s.task, s.arm), set()).add(s.question)
    notes = []
    for task in dict.fromkeys(task for task, _ in have):
        sets = {arm: ids for (of, arm), ids in have.items() if of == task}
        every = set.union(*sets.values())
        for arm, ids in sets.items():
            if len(ids) < len(every):
                notes.append(f"{task}: {arm} lacks {len(every - ids)} of {len(every)} questions")
    return notes
