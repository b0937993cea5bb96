"""The answers that a run's arms handed in, as the samples that other tools' writers take."""

from __future__ import annotations

import contextlib
from pathlib import Path

from heartloop.calls import Journal
from heartloop.errors import HeartloopError, UsageError
from heartloop.integrations.brought import Brought, Sample
from heartloop.run.folder import VERDICTS, RunFolder
from heartloop.run.load import tasks_at_hand
from heartloop.run.summary import final_line
from heartloop.run.verdicts import read_traces
from heartloop.types import Message, Usage


def handed_in(folder: RunFolder, data_dir: str | None = None) -> Brought:
    """One sample for each question, arm, model and seed: its prompt, answer, score and gold.

    Golds are those of the data, where these are at hand; nothing is fetched. Scores are the
    task's own metric.

    Args:
        folder: the run.
        data_dir: where the data are now, if they moved.

    Raises:
        UsageError: the run has no verdicts.
    """
    manifest = folder.manifest
    modes = {t["task"]: t["mode"] for t in manifest["tasks"]}
    metrics = {t["task"]: t["metric"] or "accuracy" for t in manifest["tasks"]}
    golds = {
        (task.card.name, id): gold.answers
        for task in tasks_at_hand(folder, data_dir)
        for id, gold in task.data.golds.items()
    }
    found = Brought("heartloop", files=[folder.path / VERDICTS])
    with contextlib.closing(Journal.open(folder.path, read_only=True)) as journal:
        for trace in read_traces(folder.path / VERDICTS):
            line = final_line(trace, modes[trace[0]["task"]])
            record, messages = None, tuple[Message, ...]()
            if line["key"]:
                with contextlib.suppress(HeartloopError):
                    record = journal.record(line["key"])
                    messages = journal.messages_of(line["key"])
            score = line["score"]
            if score is None and line["outcome"] != "error":
                score = float(line["outcome"] == "correct")
            answers = golds.get((line["task"], line["question"]))
            found.samples.append(
                Sample(
                    line["task"],
                    line["question"],
                    line["model"],
                    line["arm"],
                    score,
                    seed=line["seed"],
                    messages=messages,
                    text=record["text"] if record else None,
                    extracted=line["answer"],
                    gold="\n".join(answers) if answers else None,
                    metric=metrics[line["task"]],
                    usage=Usage(line["tokens"]["prompt"], line["tokens"]["completion"]),
                    finish_reason=line["finish_reason"],
                    started=line["started"],
                    finished=line["finished"],
                    error=line["error"],
                )
            )
    if not golds:
        found.notes.append("the data are not where the run found them: expected answers are empty")
    return found


def check_folder(folder: Path) -> None:
    """Refuse to write into a folder that holds something.

    Raises:
        UsageError: it does.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"-o {folder}: is not empty; name a new folder")
