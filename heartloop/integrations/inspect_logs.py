"""Logs of Inspect (``.eval`` and ``.json``): read into a run, and written from one.

Both ways go through the package's own reader and writer: ``pip install 'heartloop[inspect]'``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from heartloop import __version__
from heartloop.errors import UsageError, absent_part
from heartloop.integrations.brought import Brought, Sample, question_id, score_of
from heartloop.types import Message, Usage

_REASONS = {"max_tokens": "length", "model_length": "length"}
"""Inspect's stop reasons by the words that runs use; the others are the same."""


def _library() -> Any:
    try:
        import inspect_ai
        import inspect_ai.log
    except ImportError as error:
        raise UsageError(absent_part("a log of Inspect", "inspect_ai", "inspect")) from error
    return inspect_ai


def read_inspect(file: Path, arm: str, *, scorer: str | None = None) -> Brought:
    """What one Inspect log holds, as the samples of one arm; epochs are repeats.

    Questions are paired by the log's own sample ids, where these are texts, else by the hash of
    their input: numbers count lines, and two logs may have been made of different lines.

    Args:
        file: an ``.eval`` or ``.json`` log.
        arm: the name of the arm.
        scorer: which of the log's scores; None takes the first.

    Raises:
        UsageError: no log, no samples in it, no such scorer, or a score that is no share.
    """
    library = _library()
    try:
        log = library.log.read_eval_log(str(file))
    except Exception as error:
        raise UsageError(f"{file}: Inspect cannot read it: {error}") from error
    if not log.samples:
        raise UsageError(f"{file}: a log without samples; it says status {log.status!r}")
    found = Brought(f"inspect_ai {log.eval.packages.get('inspect_ai', '(version unknown)')}")
    found.files.append(file)
    if log.status != "success":
        found.notes.append(f"{arm}: the evaluation ended as {log.status!r}")
    found.samples += _samples(log, file, arm, scorer, found.notes)
    return found


def _samples(
    log: Any, file: Path, arm: str, scorer: str | None, notes: list[str]
) -> Iterator[Sample]:
    names = {name: None for sample in log.samples for name in sample.scores or {}}
    if scorer is not None and scorer not in names:
        raise UsageError(f"--scorer {scorer}: {file} has {', '.join(names) or 'none'}")
    chosen = scorer or next(iter(names), None)
    if len(names) > 1:
        rest = ", ".join(name for name in names if name != chosen)
        notes.append(f"{log.eval.task}: scored by {chosen}; --scorer chooses {rest}")
    for sample in log.samples:
        score = (sample.scores or {}).get(chosen)
        output = sample.output
        usage = output.usage if output else None
        reasoning = usage.reasoning_tokens or 0 if usage else 0
        value = getattr(score, "value", None)
        target = sample.target if isinstance(sample.target, str) else "; ".join(sample.target)
        where = f"{file}: sample {sample.id}, score {chosen}"
        reason = output.stop_reason if output and output.choices else None
        yield Sample(
            log.eval.task,
            sample.id if isinstance(sample.id, str) else question_id(_plain(sample.input)),
            log.eval.model,
            arm,
            None if value == "N" else 0.5 if value == "P" else score_of(value, where),
            seed=sample.epoch - 1,
            messages=tuple(_messages(sample)),
            text=output.completion if output and output.choices else None,
            extracted=getattr(score, "answer", None),
            gold=target,
            metric=str(chosen or "accuracy"),
            usage=Usage(usage.input_tokens, usage.output_tokens, reasoning) if usage else Usage(),
            finish_reason=_REASONS.get(reason, reason) if reason else None,
            started=_seconds(sample.started_at),
            finished=_seconds(sample.completed_at),
            error=sample.error.message if sample.error else None,
        )


def _plain(said: Any) -> str:
    return said if isinstance(said, str) else "\n".join(message.text for message in said)


def _messages(sample: Any) -> Iterator[Message]:
    """What was said before the answer that was graded."""
    turns = list(sample.messages)
    while turns and turns[-1].role == "assistant":
        turns.pop()
    for turn in turns:
        if turn.role in ("system", "user", "assistant"):
            yield Message(turn.role, turn.text)


def _seconds(moment: Any) -> float | None:
    if moment is None:
        return None
    return (moment if isinstance(moment, datetime) else datetime.fromisoformat(moment)).timestamp()


# --- Out -----------------------------------------------------------------------------------


def write_inspect(found: Brought, target: Path) -> int:
    """Write samples as Inspect logs, one ``.eval`` a task, model and arm; ``inspect view`` opens.

    Args:
        found: what a run handed in (`heartloop.integrations.handed_in`).
        target: a folder; made if it is not there.

    Returns:
        How many samples were written.

    Raises:
        UsageError: the package is not installed.
    """
    log = _library().log
    groups: dict[tuple[str, str, str], list[Sample]] = {}
    for sample in found.samples:
        groups.setdefault((sample.task, sample.model, sample.arm), []).append(sample)
    target.mkdir(parents=True, exist_ok=True)
    for (task, model, arm), mine in groups.items():
        name = re.sub(r"[^A-Za-z0-9.+-]+", "-", f"{task}_{arm}_{model}")
        begun = min((s.started for s in mine if s.started), default=0.0)
        spec = log.EvalSpec(
            created=_iso(begun),
            task=task,
            task_args={"arm": arm},
            dataset=log.EvalDataset(name=task, samples=len({s.question for s in mine})),
            model=model,
            config=log.EvalConfig(epochs=len({s.seed for s in mine})),
            packages={"heartloop": __version__},
        )
        scored = [s.score for s in mine if s.score is not None]
        mean = log.EvalMetric(name="mean", value=sum(scored) / len(scored) if scored else 0.0)
        results = log.EvalResults(
            total_samples=len(mine),
            completed_samples=sum(s.error is None for s in mine),
            scores=[
                log.EvalScore(name=mine[0].metric, scorer=mine[0].metric, metrics={"mean": mean})
            ],
        )
        made = log.EvalLog(
            status="success", eval=spec, results=results, samples=[_eval_sample(s) for s in mine]
        )
        log.write_eval_log(made, str(target / f"{name}.eval"))
    return len(found.samples)


def _eval_sample(sample: Sample) -> Any:
    from inspect_ai.model import (
        ChatMessageAssistant,
        ChatMessageSystem,
        ChatMessageUser,
        ModelOutput,
        ModelUsage,
    )
    from inspect_ai.scorer import Score

    kinds = {"system": ChatMessageSystem, "user": ChatMessageUser}
    turns: list[Any] = [
        kinds.get(m.role, ChatMessageAssistant)(content=m.content) for m in sample.messages
    ]
    reason = "max_tokens" if sample.finish_reason == "length" else "stop"
    output = ModelOutput.from_content(sample.model, sample.text or "", stop_reason=reason)
    usage = sample.usage
    output.usage = ModelUsage(
        input_tokens=usage.prompt,
        output_tokens=usage.completion,
        total_tokens=usage.prompt + usage.completion,
    )
    value = "N" if sample.score is None else sample.score
    return _library().log.EvalSample(
        id=sample.question,
        epoch=sample.seed + 1,
        input=turns or "",
        target=sample.gold or "",
        messages=[*turns, ChatMessageAssistant(content=sample.text or "", model=sample.model)],
        output=output,
        scores={sample.metric: Score(value=value, answer=sample.extracted)},
        started_at=_iso(sample.started) if sample.started else None,
        completed_at=_iso(sample.finished) if sample.finished else None,
    )


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")
