"""``verdicts.jsonl``: one line a graded candidate, the lines of one trace side by side."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from heartloop.errors import JournalError, UsageError
from heartloop.types import Graded, Trace, Usage, Verdict

if TYPE_CHECKING:
    from heartloop.run.unit import Unit

# What each field of a line means: the source of docs/schema.md.
FIELDS: dict[str, str] = {
    "task": "task name",
    "question": "question id",
    "index": "0-based row of the question in the task's data",
    "cluster": "what dependent questions share, or null",
    "model": "model spec",
    "seed": "run seed",
    "arm": "arm name",
    "round": "round of the candidate, 0 for the first answer",
    "draw": "draw within the round",
    "purpose": "`answer`, or `synthesis` for an answer merged from candidates",
    "key": "key of the call in `calls.jsonl`, null after an error",
    "cue": "name of the phrase that led to the candidate, empty in round 0",
    "outcome": "`correct`, `incorrect`, `unscored` or `error` (strict reading)",
    "reason": "why unscored, else null",
    "answer": "what the strict chain extracted, or null",
    "score": "score in [0, 1] of metrics with partial credit, or null",
    "detail": "one line: what was compared, and how",
    "content": "outcome, reason, answer, score and detail of the content reading",
    "form": "whether the asked form was kept: true or false where content is right, else null",
    "selected": "the answer that the arm hands in",
    "last": "the last candidate of its trace",
    "finish_reason": "`stop`, `length` or the server's own word; null after an error",
    "tokens": "prompt, completion, reasoning and cached tokens of the candidate's call",
    "calls": "calls the trace had made when this candidate came; all of them on the last line",
    "usage": "tokens the trace had used when this candidate came; all of them on the last line",
    "cost": "US dollars of the trace, on its last line, where known",
    "error": "class of the call's error, else null",
    "started": "Unix seconds (UTC) when the call began",
    "finished": "Unix seconds (UTC) when the answer came",
    "checked": "what the oracle said during the loop, null where it was not asked",
    "notes": "facts of the method for diagnostics, on the last line",
}


class VerdictLog:
    """Appends the lines of finished traces; rebuilt from the journal on resume."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("wb", buffering=1 << 16)
        except OSError as error:
            raise JournalError(f"cannot write {path}: {error.strerror}") from error

    def write(self, lines: Sequence[dict[str, Any]]) -> None:
        """Append one trace."""
        try:
            self._file.write(b"".join(orjson.dumps(line, default=str) + b"\n" for line in lines))
        except OSError as error:
            raise JournalError(f"cannot write {self._path}: {error.strerror}") from error

    def close(self) -> None:
        """Flush to disk."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise JournalError(f"cannot write {self._path}: {error.strerror}") from error
        finally:
            with contextlib.suppress(OSError):  # what is still buffered has nowhere to go
                self._file.close()


def candidate_lines(
    unit: Unit,
    trace: Trace,
    graded: Sequence[Graded | None],
    spent: Mapping[str, tuple[int, Usage]],
) -> list[dict[str, Any]]:
    """The lines of one trace, in the order of its attempts."""
    lines = []
    end = len(trace.attempts) - 1
    for i, (attempt, judged) in enumerate(zip(trace.attempts, graded, strict=True)):
        completion = attempt.completion
        calls, usage = (trace.calls, trace.usage)
        if i < end and completion is not None:
            calls, usage = spent.get(completion.key, (calls, usage))
        line: dict[str, Any] = {
            "task": unit.task.card.name,
            "question": unit.question.id,
            "index": unit.question.index,
            "cluster": unit.question.cluster,
            "model": unit.model,
            "seed": unit.seed,
            "arm": unit.arm.name,
            "round": attempt.round,
            "draw": attempt.draw,
            "purpose": attempt.purpose,
            "key": completion.key if completion else None,
            "cue": attempt.cue,
            **(verdict_dict(judged.own) if judged else _error_verdict()),
            "content": verdict_dict(judged.content) if judged else _error_verdict(),
            "form": judged.form if judged else None,
            "selected": i == trace.selected,
            "last": i == end,
            "finish_reason": completion.finish_reason if completion else None,
            "tokens": usage_dict(completion.usage if completion else Usage()),
            "calls": calls,
            "usage": usage_dict(usage),
            "cost": trace.cost if i == end else None,
            "error": attempt.error,
            "started": completion.started if completion else None,
            "finished": completion.finished if completion else None,
            "checked": attempt.checked,
            "notes": dict(trace.notes) if i == end else None,
        }
        lines.append(line)
    return lines


def verdict_dict(verdict: Verdict) -> dict[str, Any]:
    """A verdict as plain data."""
    return {
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "answer": verdict.answer,
        "score": verdict.score,
        "detail": verdict.detail,
    }


def _error_verdict() -> dict[str, Any]:
    return {"outcome": "error", "reason": None, "answer": None, "score": None, "detail": ""}


def usage_dict(usage: Usage) -> dict[str, int]:
    """Usage as plain data."""
    return {
        "prompt": usage.prompt,
        "completion": usage.completion,
        "reasoning": usage.reasoning,
        "cached": usage.cached,
    }


def read_traces(path: Path) -> Iterator[list[dict[str, Any]]]:
    """The traces of a verdicts file, one after the other, in constant memory.

    Raises:
        UsageError: the file is absent or a line is damaged; ``score`` rebuilds it.
    """
    if not path.exists():
        raise UsageError(f"{path} is absent; rebuild it: heartloop score {path.parent}")
    trace: list[dict[str, Any]] = []
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                line = orjson.loads(raw)
            except ValueError:
                if not raw.endswith(b"\n"):
                    return  # torn by a crash; the trace is not finished
                raise UsageError(
                    f"{path}:{number}: damaged line; rebuild it: heartloop score {path.parent}"
                ) from None
            if "lenient" in line:  # folders from before content and form
                line["content"] = line.pop("lenient")
                right = line["content"]["outcome"] == "correct"
                line["form"] = line["outcome"] == "correct" if right else None
            trace.append(line)
            if line["last"]:
                yield trace
                trace = []
