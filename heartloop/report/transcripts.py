"""What models were told and what they said, packed for the page: an index of all, texts of some."""

from __future__ import annotations

import base64
import random
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from heartloop.calls import Journal
from heartloop.errors import UsageError
from heartloop.report.arms import Loaded
from heartloop.run.folder import VERDICTS
from heartloop.run.layout import Manifest

BUDGET = 4_200_000  # characters of base64 in the page, index included
LONGEST = 20_000  # characters kept of one text
LETTER = {"correct": "c", "incorrect": "i", "unscored": "u", "error": "e"}


@dataclass(frozen=True, slots=True)
class Packed:
    """The explorer's data.

    Attributes:
        index, texts: base64 of gzipped JSON.
        traces: traces in the index; ``shown``: those whose texts are in the page.
        hidden: tasks whose texts are left out because they are private.
    """

    index: str
    texts: str
    traces: int
    shown: int
    hidden: tuple[str, ...]


@dataclass(slots=True)
class _Index:
    """Columns of the index, one entry a trace."""

    run: list[int]
    arm: list[int]
    task: list[int]
    question: list[str]
    seed: list[int]
    path: list[str]
    content: list[str]
    picked: list[int]
    text: list[int]
    place: list[tuple[int, int, int]]
    order: list[tuple[int, int, int, int]]

    def sort(self) -> None:
        """Into the order of the data, the arms of a question side by side."""
        found = sorted(range(len(self.order)), key=self.order.__getitem__)
        for name in self.__slots__:
            column = getattr(self, name)
            setattr(self, name, [column[i] for i in found])


def private_tasks(manifest: Manifest) -> set[str]:
    """Tasks whose texts stay out of a page unless asked for: personal conversations."""
    return {
        t["task"]
        for t in manifest["tasks"]
        if t.get("private") or t["task"].split("/")[0].startswith("esconv")
    }


def pack_transcripts(
    runs: Sequence[Loaded], *, show_texts: bool = False, budget: int = BUDGET, seed: int = 0
) -> Packed:
    """Index every trace and pack as many transcripts as fit.

    Whole questions are taken, with all their arms, so that arms can be read side by side; first
    one of every pattern of outcomes, then a second of each, and so on in a seeded random order.

    Args:
        runs: what the page is about.
        show_texts: show texts of private tasks, too.
        budget: characters of base64 that the page may spend.
        seed: of the order.
    """
    index = _Index([], [], [], [], [], [], [], [], [], [], [])
    modes: dict[str, str] = {}
    arms: dict[str, int] = {}
    tasks: dict[str, int] = {}
    several = len(runs) > 1
    hidden: set[str] = set()
    for number, run in enumerate(runs):
        private = set() if show_texts else private_tasks(run.manifest)
        hidden |= private
        models = len(run.manifest["plan"]["models"]) > 1
        modes |= {t["task"]: t["mode"] for t in run.manifest["tasks"]}
        for offset, size, trace in _traces(run.folder.path / VERDICTS):
            first = trace[0]
            name = (f"{run.folder.name}:" if several else "") + first["arm"]
            name += f" [{first['model']}]" if models else ""
            _add(index, number, arms.setdefault(name, len(arms)), tasks, trace)
            open_text = first["task"] not in private
            index.place.append((number, offset, size if open_text else 0))
    index.sort()
    compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
    room = budget * 3 // 4
    # The index goes without its text column first: its size decides what is left for texts.
    room -= int(len(zlib.compress(_index_json(index, arms, tasks, modes), 6)) * 1.1) + 4096
    chunks, shown, used = [compressor.compress(b"[")], 0, 0
    journals = [run.journal for run in runs]
    files = [(run.folder.path / VERDICTS).open("rb") for run in runs]
    try:
        for count, group in enumerate(_order(index, seed)):
            packed = []
            for place in group:
                number, offset, size = index.place[place]
                if not size:
                    continue
                files[number].seek(offset)
                lines = [orjson.loads(line) for line in files[number].read(size).splitlines()]
                packed.append((place, orjson.dumps(_transcript(lines, journals[number]))))
            raw = b"".join((b"," if shown + i else b"") + t for i, (_, t) in enumerate(packed))
            # A question must fit whole, and texts seldom shrink to less than a third.
            if used + len(raw) // 3 > room:
                if used > room - 50_000:
                    break
                continue
            chunks.append(compressor.compress(raw))
            if count % 10 == 9 or len(raw) > 60_000:
                chunks.append(compressor.flush(zlib.Z_SYNC_FLUSH))
                used = sum(map(len, chunks))
            for place, _ in packed:
                index.text[place] = shown
                shown += 1
    finally:
        for file in files:
            file.close()
    chunks += [compressor.compress(b"]"), compressor.flush()]
    body = zlib.compressobj(6, zlib.DEFLATED, 31)
    packed_index = body.compress(_index_json(index, arms, tasks, modes)) + body.flush()
    return Packed(
        base64.b64encode(packed_index).decode(),
        base64.b64encode(b"".join(chunks)).decode(),
        len(index.arm),
        shown,
        tuple(sorted(hidden)),
    )


def _add(
    index: _Index, run: int, arm: int, tasks: dict[str, int], trace: Sequence[Mapping[str, Any]]
) -> None:
    first = trace[0]
    index.run.append(run)
    index.arm.append(arm)
    index.task.append(tasks.setdefault(first["task"], len(tasks)))
    index.question.append(first["question"])
    index.seed.append(first["seed"])
    index.path.append("".join(LETTER[line["outcome"]] for line in trace))
    index.content.append("".join(LETTER[line["content"]["outcome"]] for line in trace))
    picked = next((i for i, line in enumerate(trace) if line["selected"]), len(trace) - 1)
    index.picked.append(picked)
    index.text.append(-1)
    index.order.append((index.task[-1], first["index"], arm, first["seed"]))


def _index_json(
    index: _Index, arms: Mapping[str, int], tasks: Mapping[str, int], modes: Mapping[str, str]
) -> bytes:
    return orjson.dumps(
        {
            "arms": list(arms),
            "tasks": list(tasks),
            "mode": [modes.get(task, "oracle") for task in tasks],
            "arm": index.arm,
            "task": index.task,
            "question": index.question,
            "seed": index.seed if any(index.seed) else [],
            "path": index.path,
            "content": [
                "" if soft == strict else soft
                for soft, strict in zip(index.content, index.path, strict=True)
            ],
            "picked": index.picked,
            "text": index.text,
        }
    )


def _traces(path: Path) -> Iterator[tuple[int, int, list[dict[str, Any]]]]:
    """Offset, size and lines of every trace."""
    if not path.exists():
        raise UsageError(f"{path} is absent; rebuild it: heartloop score {path.parent}")
    start = offset = 0
    trace: list[dict[str, Any]] = []
    with path.open("rb") as file:
        for raw in file:
            try:
                line = orjson.loads(raw)
            except ValueError:
                return  # torn by a crash; read_traces has refused damage in the middle
            trace.append(line)
            offset += len(raw)
            if line["last"]:
                yield start, offset - start, trace
                start, trace = offset, []


def _order(index: _Index, seed: int) -> list[list[int]]:
    """Questions as lists of their traces: rare patterns of outcomes first, the rest at random."""
    groups: dict[tuple[int, str], list[int]] = {}
    for i, (task, question) in enumerate(zip(index.task, index.question, strict=True)):
        groups.setdefault((task, question), []).append(i)
    seen: dict[Any, int] = {}
    ranked = []
    items = list(groups.values())
    random.Random(seed).shuffle(items)
    for order, group in enumerate(items):
        pattern = tuple((index.arm[i], index.path[i], index.content[i]) for i in group)
        rank = seen[pattern] = seen.get(pattern, -1) + 1
        ranked.append((rank, order, group))
    ranked.sort(key=lambda item: item[:2])
    return [group for _, _, group in ranked]


def _cut(text: str | None) -> str | None:
    if text is None or len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}\n… [{len(text) - LONGEST:,} more characters are in calls.jsonl]"


def _transcript(trace: Sequence[Mapping[str, Any]], journal: Journal) -> list[dict[str, Any]]:
    """The steps of a trace with their texts."""
    steps = []
    for line in trace:
        record = journal.record(line["key"]) if line["key"] else None
        step: dict[str, Any] = {
            "r": line["round"],
            "d": line["draw"],
            "cue": line["cue"],
            "o": LETTER[line["outcome"]],
            "why": line["reason"] or "",
            "a": _cut(line["answer"]),
            "det": _cut(line["detail"]),
            "fin": line["finish_reason"] or "",
            "tok": line["tokens"]["prompt"] + line["tokens"]["completion"],
        }
        soft = line["content"]
        if (soft["outcome"], soft["answer"]) != (line["outcome"], line["answer"]):
            step["lo"], step["lwhy"] = LETTER[soft["outcome"]], soft["reason"] or ""
            step["la"], step["ldet"] = _cut(soft["answer"]), _cut(soft["detail"])
        if line["selected"]:
            step["sel"] = 1
        if line["purpose"] != "answer":
            step["for"] = line["purpose"]
        if line["error"]:
            step["err"] = line["error"]
        if record is not None:
            step["ask"] = [[m["role"], _cut(m["content"])] for m in record["request"]["messages"]]
            step["on"] = int(bool(record["request"].get("extends")))
            step["t"] = _cut(record["text"])
            if record["reasoning"]:
                step["think"] = _cut(record["reasoning"])
        steps.append(step)
    return steps
