"""A search over a plan's arms: through the client, the methods and the graders, into a run folder.

The folder is a run folder like any other (journal, manifest, verdicts, summary), so it can be
reported, compared and re-scored; ``search.json`` holds what the search found.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from heartloop.calls import Client, Journal
from heartloop.errors import HeartloopError, Stopped, UsageError
from heartloop.methods import METHODS, select
from heartloop.optimize.racing import race
from heartloop.optimize.results import Evaluation, RaceOptions, RaceResult, RaceState
from heartloop.run.execute import Prepared, write_summary
from heartloop.run.folder import MANIFEST, VERDICTS, RunFolder, write_json
from heartloop.run.load import attach_judge, close_tasks, make_client
from heartloop.run.manifest import check_unchanged, new_manifest
from heartloop.run.reuse import adopt
from heartloop.run.runner import BoundAsk, LoadedTask, Unit, judged
from heartloop.run.verdicts import VerdictLog, candidate_lines
from heartloop.types import Arm, Completion, Graded, Question

RESULT = "search.json"
STATE = "search_state.json"
MOST_OPEN = 2000  # questions at work at once

Progress = Callable[[Client, int], None]


class _CountingAsk(BoundAsk):
    """Also counts what was paid now: not from the journal, not shared with another arm."""

    paid_calls = 0
    paid_tokens = 0

    async def __call__(self, *args: Any, **more: Any) -> Completion:
        completion = await super().__call__(*args, **more)
        if not completion.shared:
            self.paid_calls += 1
            self.paid_tokens += completion.usage.total
        return completion


class _Field:
    """Scores one arm on some questions: what a race asks of the world."""

    def __init__(
        self,
        prepared: Prepared,
        items: Sequence[tuple[LoadedTask, Question]],
        client: Client,
        log: VerdictLog,
        progress: Progress | None,
    ) -> None:
        self.plan, self.items, self.client = prepared.plan, items, client
        self.log, self.progress = log, progress
        self.stopping = asyncio.Event()
        self.open = asyncio.Semaphore(MOST_OPEN)
        self.done = 0

    async def __call__(self, arm: int, questions: Sequence[int]) -> Evaluation:
        """Run one arm on these questions, all at once within the client's limits."""
        arm_ = self.plan.arms[arm]
        ended = await asyncio.gather(
            *(self._one(arm_, *self.items[q]) for q in questions), return_exceptions=True
        )
        # All are awaited before an error is let through: what was answered is in the journal.
        done = []
        for one in ended:
            if isinstance(one, BaseException):
                raise one
            done.append(one)
        calls, tokens, paid, paid_tokens = (sum(one[i] for _, one in done) for i in range(4))
        return Evaluation([score for score, _ in done], calls, tokens, paid, paid_tokens)

    async def _one(
        self, arm: Arm, task: LoadedTask, question: Question
    ) -> tuple[float | None, tuple[int, int, int, int]]:
        async with self.open:
            gold = task.data.golds[question.id]
            unit = Unit(task, question, gold, arm, self.plan.models[0], self.plan.seeds[0])
            ask = _CountingAsk(self.client, unit, self.stopping)
            grader = task.grader

            async def check(text: str) -> bool:
                return await grader.check(question, gold, Completion(text))

            method = METHODS[arm.method]
            if task.mode == "oracle":
                trace = await method(question, arm, ask, check)
            else:
                trace = await method(question, arm, ask)
                trace = await select(self.plan.selector, trace, question, arm, ask)
            trace = dataclasses.replace(trace, calls=ask.calls, usage=ask.usage, cost=ask.cost)
            graded: list[Graded | None] = []
            for attempt in trace.attempts:
                if attempt.completion is None:
                    graded.append(None)
                    continue
                judged.set((task.card.name, question.id, unit.seed, attempt.round, attempt.draw))
                graded.append(await grader.grade(question, gold, attempt.completion))
            self.log.write(candidate_lines(unit, trace, graded, ask.spent))
            self.done += 1
            if self.progress is not None:
                self.progress(self.client, self.done)
            scores = [_score(one) for one in graded]
            if task.mode == "oracle":
                known = [score for score in scores if score is not None]
                score = max(known) if known else None
            else:
                score = None if trace.selected is None else scores[trace.selected]
            return score, (ask.calls, ask.usage.total, ask.paid_calls, ask.paid_tokens)


def _score(graded: Graded | None) -> float | None:
    """A candidate's score: partial credit where the metric gives it; unscored answers count 0."""
    if graded is None:
        return None
    strict = graded.strict
    if strict.score is not None:
        return float(strict.score)
    return 1.0 if strict.outcome == "correct" else 0.0


async def search(
    prepared: Prepared,
    folder: RunFolder,
    options: RaceOptions,
    *,
    per_task: bool = False,
    command: str = "",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Search in a folder, from the start or from wherever it was interrupted.

    Args:
        prepared: a plan whose arms begin with "none", with its tasks loaded; one model, one seed.
        folder: a new folder, or that of an interrupted search of the same plan.
        options: how to search.
        per_task: a search of its own for every task, each at the whole error rate.
        command: the command line, for the manifest.
        progress: called with the client and the number of finished questions after each.

    Returns:
        What ``search.json`` holds: ``arms``, ``options``, ``searches`` (task or ``all`` to
        `RaceResult.to_dict`), ``stopped`` (why it ended early, or None).

    Raises:
        UsageError: the plan cannot be searched.
        HeartloopError: it cannot go on; what was paid for is in the journal.
    """
    plan = prepared.plan
    if len(plan.models) != 1 or len(plan.seeds) != 1:
        raise UsageError("a search takes one model and one seed")
    manifest_file = folder.path / MANIFEST
    fresh = not manifest_file.exists()
    reused = adopt(folder, plan.reuse, folder.path.parent) if plan.reuse and fresh else None
    journal = Journal.open(folder.path)
    try:
        if fresh:
            manifest = {**new_manifest(prepared, folder, None), "reused": reused}
            manifest["search"] = {**dataclasses.asdict(options), "per_task": per_task}
        else:
            manifest = folder.manifest
            check_unchanged(manifest, prepared)
        session = {"started": _now(), "ended": None, "wall_s": 0.0, "command": command}
        manifest["sessions"].append(session)
        write_json(manifest_file, manifest)
        client, judge = make_client(plan, journal, prepared.tasks)
        if judge is not None:
            attach_judge(prepared.tasks, client, judge)
    except BaseException:
        journal.close()
        raise
    began = time.monotonic()
    stopped: str | None = None
    failure: HeartloopError | None = None
    found: dict[str, RaceResult] = {}
    states = _read_states(folder.path / STATE)
    try:
        log = VerdictLog(folder.path / VERDICTS)
        try:
            for name, items in _searches(prepared, per_task).items():
                field = _Field(prepared, items, client, log, progress)
                state = states.setdefault(name, RaceState())

                def save(_: RaceState) -> None:
                    _write_states(folder.path / STATE, states)

                with _stop_on_signals(field):
                    found[name] = await race(
                        [arm.name for arm in plan.arms],
                        field,
                        [task.card.name for task, _ in items],
                        options,
                        state=state,
                        save=save,
                    )
        except Stopped as error:
            stopped = str(error)
        except ValueError as error:
            raise UsageError(f"search: {error}") from error
        except HeartloopError as error:
            stopped, failure = str(error), error
        finally:
            log.close()
    finally:
        await client.close()
        await close_tasks(prepared.tasks)
        journal.close()
    session.update(ended=_now(), wall_s=round(time.monotonic() - began, 3), stopped=stopped)
    manifest["calls"] = client.facts()
    write_json(manifest_file, manifest)
    write_summary(folder, manifest, stopped=stopped)
    outcome = {
        "run": folder.name,
        "model": plan.models[0],
        "arms": [_arm_facts(arm) for arm in plan.arms],
        "options": manifest["search"],
        "searches": {name: result.to_dict() for name, result in found.items()},
        "stopped": stopped,
    }
    write_json(folder.path / RESULT, outcome)
    if failure is not None:
        raise failure
    return outcome


def _searches(prepared: Prepared, per_task: bool) -> dict[str, list[tuple[LoadedTask, Question]]]:
    """The questions of each search, by its name."""
    whole: dict[str, list[tuple[LoadedTask, Question]]] = {}
    for task in prepared.tasks:
        name = task.card.name if per_task else "all"
        whole.setdefault(name, []).extend((task, question) for question in task.data.questions)
    return whole


def _arm_facts(arm: Arm) -> dict[str, Any]:
    return {
        "name": arm.name,
        "method": arm.method,
        "role": arm.role,
        "stimuli": [stimulus.name for stimulus in arm.stimuli],
        "text": " ".join(stimulus.text for stimulus in arm.stimuli),
        "placement": arm.placement,
        "params": dict(arm.params),
    }


def _read_states(path: Path) -> dict[str, RaceState]:
    """What batches cost when they were asked; the scores come from the journal again."""
    if not path.exists():
        return {}
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: RaceState(fingerprint=one["fingerprint"], costs=one["costs"])
            for name, one in raw.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: not the state of a search; delete it to go on") from error


def _write_states(path: Path, states: dict[str, RaceState]) -> None:
    write_json(
        path, {n: {"fingerprint": s.fingerprint, "costs": s.costs} for n, s in states.items()}
    )


@contextlib.contextmanager
def _stop_on_signals(field: _Field) -> Iterator[None]:
    """First Ctrl-C or SIGTERM: send nothing more; calls in flight are kept."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        field.stopping.set()
        field.client.stop(Stopped("interrupted"))

    handled = []
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(number, stop)
            handled.append(number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
