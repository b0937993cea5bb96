"""Results of lm-evaluation-harness (``--log_samples``): read into a run, and written from one.

Reading ``samples_TASK_*.jsonl`` and the ``results_*.json`` beside them needs no package; the fields
are those that ``lm_eval.loggers.EvaluationTracker`` saves. Writing goes through that class itself:
``pip install 'heartloop[lm-eval]'``.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from heartloop.errors import UsageError, absent_part
from heartloop.integrations.brought import Brought, Sample, score_of
from heartloop.run.files import read_json
from heartloop.types import Message, Usage

_SAMPLES = re.compile(r"samples_(?P<task>.+)_(?P<when>\d{4}-\d\d-\d\dT[\d.:-]+)\.jsonl")


def read_lm_eval(
    source: Path, arm: str, *, metric: str | None = None, filter: str | None = None
) -> Brought:
    """What one output folder of lm-eval holds, as the samples of one arm.

    Of several evaluations of a task by one model the newest is taken. Questions are paired by the
    harness's own document hash.

    Args:
        source: the ``--output_path``, or a folder inside it.
        arm: the name of the arm.
        metric: which of the task's metrics; None takes the first it lists.
        filter: which of the task's answer filters; None takes the first.

    Raises:
        UsageError: no samples there, damaged ones, or no such metric or filter.
    """
    files = sorted(source.rglob("samples_*.jsonl")) if source.is_dir() else [source]
    newest: dict[tuple[Path, str], tuple[str, Path]] = {}
    older = 0
    for file in files:
        match = _SAMPLES.fullmatch(file.name)
        if match is None:
            raise UsageError(f"{file}: not a samples_TASK_DATE.jsonl of lm-eval")
        place = (file.parent, match["task"])
        older += place in newest
        newest[place] = max(newest.get(place, ("", file)), (match["when"], file))
    if not newest:
        raise UsageError(f"{source}: no samples_*.jsonl there; run lm_eval with --log_samples")
    found = Brought("lm-eval")
    if older:
        found.notes.append(f"{arm}: {older} older evaluations were left out")
    for (folder, task), (when, file) in newest.items():
        results = _results(folder, when)
        found.tool = f"lm-eval {results.get('lm_eval_version') or '(version unknown)'}"
        found.files.append(file)
        model = str(results.get("model_name") or folder.name)
        found.samples += _read(file, task, model, arm, metric, filter, found.notes)
    found.notes.append("lm-eval keeps neither tokens nor times of an answer")
    return found


def _results(folder: Path, when: str) -> Mapping[str, Any]:
    """The results file of the same evaluation; empty where it is gone."""
    file = folder / f"results_{when}.json"
    value = read_json(file) if file.exists() else {}
    return value if isinstance(value, Mapping) else {}


def _read(
    file: Path,
    task: str,
    model: str,
    arm: str,
    metric: str | None,
    filter: str | None,
    notes: list[str],
) -> Iterator[Sample]:
    seen: set[str] = set()
    filters: dict[str, None] = {}
    repeated = 0
    for number, raw in enumerate(file.read_bytes().splitlines(), start=1):
        where = f"{file}:{number}"
        try:
            line = orjson.loads(raw)
            filters[line.get("filter", "none")] = None
            chosen = filter or next(iter(filters))
            if line.get("filter", "none") != chosen:
                continue
            names = [metric] if metric else _metrics(line)
            name = next((n for n in names if n in line), None)
            if name is None:
                there = ", ".join(_metrics(line)) or "none with a number"
                raise UsageError(f"{where}: metric {metric or '(any)'}: there are {there}")
            answers = _answers(line)
            id = str(line.get("doc_hash") or line["doc_id"])[:16]
            if id in seen:
                id, repeated = f"{id}-{line['doc_id']}", repeated + 1
            seen.add(id)
            read = line.get("filtered_resps") or []
            yield Sample(
                task,
                id,
                model,
                arm,
                score_of(line[name], f"{where}: {name}"),
                messages=_messages(line),
                text=answers[0] if answers else None,
                extracted=str(read[0]) if answers and read else None,
                gold=str(line.get("target")),
                metric=name,
                usage=Usage(),
                finish_reason="stop" if answers else None,
            )
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            if isinstance(error, UsageError):
                raise
            raise UsageError(f"{where}: not a sample of lm-eval ({error!r})") from error
    if filter is not None and filter not in filters:
        raise UsageError(f"--filter {filter}: {file.name} has {', '.join(filters)}")
    if len(filters) > 1:
        rest = ", ".join(f for f in filters if f != (filter or next(iter(filters))))
        notes.append(
            f"{task}: answers as the filter {filter or next(iter(filters))} reads them; "
            f"--filter chooses {rest}"
        )
    if repeated:
        notes.append(f"{task}: {repeated} documents are there twice")


def _metrics(line: Mapping[str, Any]) -> list[str]:
    return [
        name
        for name in line.get("metrics") or [n for n in line if n not in _FIELDS]
        if isinstance(line.get(name), (int, float))
    ]


_FIELDS = frozenset(
    "doc_id doc target arguments resps filtered_resps filter metrics doc_hash prompt_hash "
    "target_hash".split()
)


def _answers(line: Mapping[str, Any]) -> list[str]:
    """The texts that were generated; none for log-likelihoods, whose second argument is a text."""
    asked = _arguments(line)
    if len(asked) < 2 or not isinstance(asked[1], Mapping):
        return []
    return [answer for group in line.get("resps") or [] for answer in group]


def _arguments(line: Mapping[str, Any]) -> Sequence[Any]:
    """What the first request of a sample was made of: prompt, then settings or continuation."""
    arguments = line.get("arguments") or [[]]
    first = next(iter(arguments.values())) if isinstance(arguments, Mapping) else arguments[0]
    return list(first.values()) if isinstance(first, Mapping) else list(first)


def _messages(line: Mapping[str, Any]) -> tuple[Message, ...]:
    """The prompt: a conversation where the chat template was left to the server, else one text."""
    prompt = next(iter(_arguments(line)), None)
    if isinstance(prompt, list):
        prompt = prompt[0] if prompt else None
    if not isinstance(prompt, str):
        return ()
    try:
        turns = orjson.loads(prompt)
        return tuple(Message(turn["role"], turn["content"]) for turn in turns)
    except (ValueError, KeyError, TypeError):
        return (Message("user", prompt),)


# --- Out -----------------------------------------------------------------------------------


def write_lm_eval(found: Brought, target: Path) -> int:
    """Write samples as output folders of lm-eval: ``TARGET/ARM/MODEL/samples_TASK_DATE.jsonl``.

    Args:
        found: what a run handed in (`heartloop.integrations.handed_in`).
        target: a folder; made if it is not there.

    Returns:
        How many samples were written.

    Raises:
        UsageError: the package is not installed.
    """
    try:
        from lm_eval.loggers.evaluation_tracker import EvaluationTracker
    except ImportError as error:
        raise UsageError(absent_part("--to lm-eval", "lm_eval", "lm-eval")) from error
    logging.getLogger("lm_eval").setLevel(logging.WARNING)
    groups: dict[tuple[str, str], dict[str, list[Sample]]] = {}
    for sample in found.samples:
        tasks = groups.setdefault((sample.arm, sample.model), {})
        tasks.setdefault(sample.task, []).append(sample)
    for (arm, model), tasks in groups.items():
        tracker = EvaluationTracker(output_path=str(target / arm))
        tracker.general_config_tracker.log_experiment_args(
            "heartloop", {"model": model}, None, None, False
        )
        lines = {
            task.replace("/", "_"): [_sample_line(i, s) for i, s in enumerate(mine)]
            for task, mine in tasks.items()
        }
        results = {
            "results": {task: _mean(task, mine) for task, mine in lines.items()},
            "configs": {task: {"task": task, "metadata": {"arm": arm}} for task in lines},
            "n-samples": {
                task: {"original": len(mine), "effective": len(mine)}
                for task, mine in lines.items()
            },
        }
        tracker.save_results_aggregated(results=results, samples=lines)
        for task, mine in lines.items():
            tracker.save_results_samples(task_name=task, samples=mine)
    return len(found.samples)


def _sample_line(number: int, sample: Sample) -> dict[str, Any]:
    prompt = orjson.dumps([{"role": m.role, "content": m.content} for m in sample.messages])
    document = {"id": sample.question, "seed": sample.seed}
    return {
        "doc_id": number,
        "doc": document,
        "target": sample.gold or "",
        "arguments": [(prompt.decode(), {})],
        "resps": [[sample.text or ""]],
        "filtered_resps": [sample.extracted or ""],
        "filter": "none",
        "metrics": [sample.metric],
        "doc_hash": _hash(orjson.dumps(document)),
        "prompt_hash": _hash(prompt),
        "target_hash": _hash((sample.gold or "").encode()),
        sample.metric: sample.score or 0.0,
    }


def _mean(task: str, lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    name = lines[0]["metrics"][0]
    return {"alias": task, f"{name},none": sum(line[name] for line in lines) / len(lines)}


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
