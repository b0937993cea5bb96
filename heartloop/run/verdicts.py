"""``verdicts.jsonl``: one line a graded candidate, the lines of one trace side by side."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from heartloop.errors import JournalError, UsageError
from heartloop.run.doubtful import held_gold
from heartloop.run.files import room, temporary
from heartloop.types import OUTCOMES, Completion, Graded, Trace, Usage, Verdict

if TYPE_CHECKING:
    from heartloop.run.unit import Unit

# What each field of a line means: the source of docs/schema.md.
FIELDS: dict[str, str] = {
    "task": "task name",
    "question": "question id",
    "index": "0-based row of the question in the task's data",
    "turn": "place of the question in the order of opening, for its model; absent in older folders",
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
    "holds_gold": "gold and answer (shortened) where a short answer that was not counted right "
    "holds the gold as whole words; empty for private tasks; else absent",
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
    "state": "valence, arousal and dominance in force when the candidate was asked for "
    "(`dialogue`, and loops with the schedule `state`), else absent",
    "sent": "what was asked otherwise than planned, as the server wants it: field to what was sent "
    "(`max_tokens` fitted to the context; null: left out); absent where nothing was",
}


FLUSH_SECONDS = 1.0
"""So often at most is what was written made readable, for those who watch a run."""


class VerdictLog:
    """Appends the lines of finished traces; rebuilt from the journal on resume.

    Verdicts that stand there already are never emptied. Where all of them stay, new ones follow in
    the same file; else they are written beside them and take their place as soon as they hold as
    many traces, or not at all.
    """

    def __init__(
        self, path: Path, keep: Callable[[Sequence[dict[str, Any]]], bool] | None = None
    ) -> None:
        """Open the file.

        Args:
            path: of the file.
            keep: says of each trace that stands there whether it is taken over as it is.

        Raises:
            JournalError: it cannot be written.
        """
        self._path = path
        self._flushed = time.monotonic()
        self._target = temporary(path)
        try:
            stays, self._traces, self._before = _take_stock(path, keep)
            if self._before and self._traces == self._before and not path.is_symlink():
                self._target = path
                self._file = path.open("r+b", buffering=1 << 16)
                self._file.truncate(stays[0][1])  # a trace that was not finished
                self._file.seek(-1, os.SEEK_END)
            else:
                self._file = self._target.open("x+b", buffering=1 << 16)
                if stays:
                    _copy(path, stays, self._file)
            if stays and self._file.read() != b"\n":
                self._file.write(b"\n")  # a line that has only lost its newline
            if self._target is not path and self._traces >= self._before:
                self._take_over()
        except OSError as error:
            raise self._failed(error) from error

    def write(self, lines: Sequence[dict[str, Any]]) -> None:
        """Append one trace."""
        try:
            written = [orjson.dumps(line, str, orjson.OPT_APPEND_NEWLINE) for line in lines]
            self._file.write(b"".join(written))
            self._traces += sum(line["last"] for line in lines)
            if time.monotonic() - self._flushed > FLUSH_SECONDS:
                self._file.flush()
                self._flushed = time.monotonic()
            if self._target is not self._path and self._traces >= self._before:
                self._take_over()
        except OSError as error:
            raise self._failed(error) from error

    def flush(self) -> None:
        """Make what was written so far readable."""
        try:
            self._file.flush()
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Flush to disk; verdicts that hold less than those before them are dropped."""
        try:
            if self._target is not self._path and self._traces < self._before:
                self._target.unlink(missing_ok=True)
            else:
                self._file.flush()
                os.fsync(self._file.fileno())
        except OSError as error:
            raise self._failed(error) from error
        finally:
            with contextlib.suppress(OSError):  # what is still buffered has nowhere to go
                self._file.close()

    def _take_over(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        os.replace(self._target, self._path)
        self._target = self._path

    def _failed(self, error: OSError) -> JournalError:
        return JournalError(f"cannot write {self._path}: {error.strerror}{room(error, self._path)}")


def _take_stock(
    path: Path, keep: Callable[[Sequence[dict[str, Any]]], bool] | None
) -> tuple[list[list[int]], int, int]:
    """What stays of a file: its stretches (begin, end in bytes), its traces, and those of all."""
    stretches: list[list[int]] = []
    kept = count = begin = 0
    with contextlib.suppress(UsageError):  # what follows damage counts nothing
        for trace, end in _placed_traces(path) if path.exists() else ():
            count += 1
            if keep is not None and keep(trace):
                kept += 1
                if stretches and stretches[-1][1] == begin:
                    stretches[-1][1] = end
                else:
                    stretches.append([begin, end])
            begin = end
    return stretches, kept, count


def _copy(path: Path, stretches: Sequence[Sequence[int]], to: BinaryIO) -> None:
    """Copy stretches of a file, and stand before the last byte written."""
    with path.open("rb") as file:
        for begin, end in stretches:
            file.seek(begin)
            while piece := file.read(min(end - begin, 1 << 20)):
                begin += len(piece)
                to.write(piece)
    to.seek(-1, os.SEEK_END)


def count_traces(path: Path) -> int:
    """Finished traces of a verdicts file; an absent one and what follows damage count nothing."""
    count = 0
    with contextlib.suppress(UsageError, OSError):
        for _ in read_traces(path):
            count += 1
    return count


def candidate_lines(
    unit: Unit,
    trace: Trace,
    graded: Sequence[Graded | None],
    spent: Mapping[str, tuple[int, Usage]],
) -> list[dict[str, Any]]:
    """The lines of one trace, in the order of its attempts."""
    lines = []
    end = len(trace.attempts) - 1
    question = unit.question
    for i, (attempt, judged) in enumerate(zip(trace.attempts, graded, strict=True)):
        completion = attempt.completion
        calls, usage = (trace.calls, trace.usage)
        if i < end and completion is not None:
            calls, usage = spent.get(completion.key, (calls, usage))
        own = verdict_dict(judged.own) if judged else _error_verdict()
        content = own
        if judged is not None and judged.content is not judged.own:
            content = verdict_dict(judged.content)
        line: dict[str, Any] = {
            "task": unit.task.card.name,
            "question": question.id,
            "index": question.index,
            "turn": unit.turn,
            "cluster": question.cluster,
            "model": unit.model,
            "seed": unit.seed,
            "arm": unit.arm.name,
            "round": attempt.round,
            "draw": attempt.draw,
            "purpose": attempt.purpose,
            "key": completion.key if completion else None,
            "cue": attempt.cue,
            **own,
            "content": content,
            "form": judged.form if judged else None,
            **_held(unit, completion, judged),
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
        if trace.notes and (state := _state(trace.notes, attempt.round)):
            line["state"] = state
        if completion and completion.sent:
            line["sent"] = dict(completion.sent)
        lines.append(line)
    return lines


def _state(notes: Mapping[str, Any], round: int) -> Any:
    """The state in force when a round was asked; None where the method has none."""
    states = notes.get("states") or ()
    place = round - notes.get("state_from", 1)  # a loop's first answer is asked without any
    return states[place] if 0 <= place < len(states) else None


def _held(unit: Unit, completion: Completion | None, judged: Graded | None) -> dict[str, Any]:
    held = held_gold(unit, completion.text, judged) if completion is not None else None
    return {} if held is None else {"holds_gold": held}


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
    return (trace for trace, _ in _placed_traces(path))


def _placed_traces(path: Path) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """As `read_traces`, each trace with the place in the file, in bytes, where it ends."""
    if not path.exists():
        raise UsageError(f"{path} is absent; rebuild it: heartloop score {path.parent}")
    trace: list[dict[str, Any]] = []
    end = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            line, fault = read_line(raw)
            if line is None or fault:
                if not raw.endswith(b"\n"):
                    return  # torn by a crash; the trace is not finished
                raise UsageError(
                    f"{path}:{number}: {fault}; rebuild it: heartloop score {path.parent}"
                )
            trace.append(line)
            end += len(raw)
            if line["last"]:
                yield trace, end
                trace = []


def read_line(raw: bytes) -> tuple[dict[str, Any] | None, str]:
    """One verdict line, and what is wrong with it; empty for a good one."""
    try:
        line = orjson.loads(raw)
    except ValueError:
        return None, "not a verdict line"
    if isinstance(line, dict) and "lenient" in line:  # from before content and form
        line = _with_content(line)
    return line, _fault(line)


def _with_content(line: dict[str, Any]) -> dict[str, Any]:
    line["content"] = line.pop("lenient")
    content = line["content"]
    right = isinstance(content, dict) and content.get("outcome") == "correct"
    line["form"] = line.get("outcome") == "correct" if right else None
    return line


_TEXTS = ("task", "question", "model", "arm", "purpose", "cue")
_COUNTS = ("index", "seed", "round", "draw", "calls")
_TOKENS = tuple(usage_dict(Usage()))
_REALS = ("score", "cost", "started", "finished")
_WORDS = ("answer", "reason", "cluster", "finish_reason", "error")
_texts, _counts, _tokens = itemgetter(*_TEXTS), itemgetter(*_COUNTS), itemgetter(*_TOKENS)


def _fault(line: Any) -> str:
    """What keeps a line from being a verdict, with its field; empty for a good one."""
    if not isinstance(line, dict):
        return "not a verdict line"
    try:
        return _fault_of(line)
    except KeyError as error:
        return f"{error.args[0]} is missing"


def _fault_of(line: dict[str, Any]) -> str:
    try:
        usual = _usual(line)
    except (KeyError, TypeError):
        usual = False
    if not usual:
        fault = _wrong_type(line)
        if fault:
            return fault
    if line["content"].get("outcome") not in OUTCOMES:
        return "content holds no outcome"
    if line["outcome"] not in OUTCOMES:
        return "outcome is no outcome"
    key = line["key"]
    if key is not None and not (type(key) is str and _HEX.fullmatch(key)):
        return "key is no hexadecimal number"
    return ""


def _usual(line: dict[str, Any]) -> bool:
    """Whether the fields of a line have the types that nearly all have: all in one look."""
    spent, used = line["tokens"], line["usage"]
    return (
        type(line["task"]) is type(line["question"]) is type(line["model"]) is str
        and type(line["arm"]) is type(line["purpose"]) is type(line["cue"]) is str
        and type(line["index"]) is type(line["seed"]) is type(line["round"]) is int
        and type(line["draw"]) is type(line["calls"]) is int
        and type(line["started"]) is type(line["finished"]) is float
        and (line["score"] is None or type(line["score"]) is float)
        and (line["cost"] is None or type(line["cost"]) is float)
        and (line["answer"] is None or type(line["answer"]) is str)
        and (line["reason"] is None or type(line["reason"]) is str)
        and (line["cluster"] is None or type(line["cluster"]) is str)
        and type(line["finish_reason"]) is str
        and line["error"] is None
        and type(line["content"]) is dict
        and type(line["selected"]) is type(line["last"]) is bool
        and (line["notes"] is None or type(line["notes"]) is dict)
        and type(spent) is type(used) is dict
        and type(spent["prompt"]) is type(spent["completion"]) is int
        and type(spent["reasoning"]) is type(spent["cached"]) is int
        and type(used["prompt"]) is type(used["completion"]) is int
        and type(used["reasoning"]) is type(used["cached"]) is int
    )


def _wrong_type(line: dict[str, Any]) -> str:
    if {*map(type, _texts(line))} != {str}:
        return f"{next(n for n in _TEXTS if type(line[n]) is not str)} is no text"
    if {*map(type, _counts(line))} != {int}:
        return f"{next(n for n in _COUNTS if type(line[n]) is not int)} is no whole number"
    for name in ("tokens", "usage"):
        spent = line[name]
        if type(spent) is not dict or not spent.keys() >= set(_TOKENS):
            return f"{name} holds no tokens"
        if {*map(type, _tokens(spent))} != {int}:
            return f"{name} holds no tokens"
    if type(line["content"]) is not dict:
        return "content holds no outcome"
    for name in _REALS:
        if line[name] is not None and type(line[name]) not in (int, float):
            return f"{name} is no number"
    for name in _WORDS:
        if line[name] is not None and type(line[name]) is not str:
            return f"{name} is no text"
    if type(line["selected"]) is not bool or type(line["last"]) is not bool:
        return "selected or last is neither true nor false"
    if line["notes"] is not None and type(line["notes"]) is not dict:
        return "notes is no mapping"
    return ""


_HEX = re.compile(r"(?:[0-9a-f]{2})+")
