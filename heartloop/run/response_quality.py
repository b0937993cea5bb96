"""What a run's answers say beside their strategy: response quality, and ratings by judge models."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from heartloop.analysis.text_quality import Agreement, ResponseQuality, agreement
from heartloop.analysis.text_quality import response_quality as score_texts
from heartloop.calls import Client, Journal, Limits
from heartloop.data import TaskData
from heartloop.errors import UsageError
from heartloop.grading import Grader, open_grader
from heartloop.grading.extract import json_field
from heartloop.grading.judge import Judge, label_of
from heartloop.run.ask import judge_ask
from heartloop.run.clients import judge_model
from heartloop.run.folder import MANIFEST, RunFolder
from heartloop.run.judges import JudgeModel, judge_sampling, names_of
from heartloop.run.plan import plan_from_dict
from heartloop.run.predictions import Key, Predictions, run_data
from heartloop.types import Completion, Question

CRITERIA = ("acceptance", "effectiveness", "sensitivity", "alignment")
JUDGE = "esc_judge"
_MARKED = re.compile(r"\butterance[\s*_]*:[\s*_]*(?P<said>\S.*)\Z", re.I | re.S)
_STRATEGY = re.compile(r"^[\s>*_#-]*(?:strategy[\s*_]*:[^\n]*|\[[^\]\n]+\])[ \t]*\n?", re.I)


def utterance_of(text: str) -> str:
    """What an answer says to the seeker, without its strategy; empty where it says nothing."""
    said = json_field(text, "utterance")
    if said is not None:
        return said.strip()
    found = _MARKED.search(text)
    if found:
        return found["said"].strip().strip('"')
    return _STRATEGY.sub("", text.strip(), count=1).strip()


def utterances(folder: RunFolder, found: Predictions) -> list[str]:
    """The utterances of the answers that an arm handed in, in the order of its rows."""
    with Journal.open(folder.path, read_only=True) as journal:
        answers = [journal.get(key) if key else None for key in found.call_keys]
    return [utterance_of(answer.text) if answer is not None else "" for answer in answers]


def references(
    folder: RunFolder, found: Predictions, data_dir: str | None = None
) -> list[str] | None:
    """What the supporters really said, by row; None where the task's golds do not say."""
    data = run_data(folder, data_dir=data_dir)
    said = [data[t].golds[q].params.get("utterance") for t, q, _ in found.keys]
    return None if any(text is None for text in said) else [str(text) for text in said]


def response_quality(
    folder: RunFolder, found: Predictions, *, data_dir: str | None = None
) -> ResponseQuality:
    """Response quality of one arm beside what the supporters really said.

    Raises:
        UsageError: the task has no utterances, the arm's answers hold none, or the extra is not
            installed.
    """
    gold = references(folder, found, data_dir)
    if gold is None:
        raise UsageError(f"{found.task}: its golds are no utterances; --quality is for ESConv")
    texts = utterances(folder, found)
    if not any(texts):
        raise UsageError(
            f"{found.name}: the answers name a strategy and say nothing; ask for utterances with "
            "--task esconv_utterance"
        )
    return score_texts(texts, gold)


@dataclass(frozen=True, slots=True)
class Ratings:
    """Ratings of one arm's responses.

    Attributes:
        arm: ``run:arm``.
        means: judge → criterion → mean rating, 1 to 5; None where nothing was rated.
        failed: judge → responses without a rating.
        rated: responses.
        agreement: criterion → agreement of the first two judges; empty with one judge.
    """

    arm: str
    means: Mapping[str, Mapping[str, float | None]]
    failed: Mapping[str, int]
    rated: int
    agreement: Mapping[str, Agreement]


async def rate(
    folder: RunFolder,
    found: Sequence[Predictions],
    judges: Sequence[JudgeModel],
    *,
    data_dir: str | None = None,
) -> list[Ratings]:
    """Have judge models rate the responses that arms handed in.

    The calls land in the run's own journal: a judge that has rated an answer is not asked again,
    and nothing leaves the run folder but the requests to the judges.

    Args:
        folder: the run of all ``found``.
        found: arms of that run.
        judges: each at its own address; two for agreement.
        data_dir: where the data are now, if they moved.

    Raises:
        UsageError: data that are not those of the run.
        JournalError: the run folder is in use.
    """
    plan = plan_from_dict(folder.manifest["plan"], str(folder.path / MANIFEST))
    data = run_data(folder, data_dir=data_dir)
    questions = {(name, q.id): q for name, task in data.items() for q in task.questions}
    names = names_of(judges, ())
    limits = Limits(concurrency=plan.limits.get("concurrency", "auto"))
    by_judge: list[dict[str, list[dict[str, int] | None]]] = []
    texts = {arm.name: utterances(folder, arm) for arm in found}
    with Journal.open(folder.path) as journal:
        client = Client(
            {name: judge_model(plan, judge) for name, judge in zip(names, judges, strict=True)},
            journal,
            limits=limits,
        )
        card = open_grader(JUDGE).judge_spec().sampling
        try:
            for name, judge in zip(names, judges, strict=True):
                ask = judge_ask(client, name, judge_sampling(judge, card))
                grader = open_grader(JUDGE, judge_ask=[Judge(name, ask)])
                by_judge.append(
                    {
                        arm.name: await asyncio.gather(
                            *(
                                _rate_one(grader, data, questions, key, text)
                                for key, text in zip(arm.keys, texts[arm.name], strict=True)
                            )
                        )
                        for arm in found
                    }
                )
                await grader.close()
        finally:
            await client.close()
    return [_ratings(arm.name, names, [rated[arm.name] for rated in by_judge]) for arm in found]


async def _rate_one(
    grader: Grader,
    data: Mapping[str, TaskData],
    questions: Mapping[tuple[str, str], Question],
    key: Key,
    text: str,
) -> dict[str, int] | None:
    if not text:
        return None
    task, name, _ = key
    graded = await grader.grade(questions[task, name], data[task].golds[name], Completion(text))
    return ratings_of(graded.own.detail)


def ratings_of(detail: str) -> dict[str, int] | None:
    """The ratings in a judge's verdict, or None where it gave none."""
    labels = label_of(detail)
    try:
        return {criterion: int(labels[criterion]) for criterion in CRITERIA}
    except (KeyError, ValueError):
        return None


def _ratings(
    arm: str, judges: Sequence[str], rows: Sequence[Sequence[dict[str, int] | None]]
) -> Ratings:
    means: dict[str, dict[str, float | None]] = {}
    for judge, rated in zip(judges, rows, strict=True):
        given = [row for row in rated if row is not None]
        means[judge] = {
            c: sum(row[c] for row in given) / len(given) if given else None for c in CRITERIA
        }
    shared: dict[str, Agreement] = {}
    if len(rows) > 1:
        pairs = [(a, b) for a, b in zip(rows[0], rows[1], strict=True) if a and b]
        for c in CRITERIA:
            shared[c] = agreement([a[c] for a, _ in pairs], [b[c] for _, b in pairs])
    failed = {j: sum(row is None for row in rated) for j, rated in zip(judges, rows, strict=True)}
    return Ratings(arm, means, failed, len(rows[0]) if rows else 0, shared)
