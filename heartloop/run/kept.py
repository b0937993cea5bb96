"""Finished units that a resumed run need not go through again: their verdicts stand there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from heartloop.calls import Journal
from heartloop.methods import settings
from heartloop.run.layout import Manifest
from heartloop.run.load import Prepared
from heartloop.run.manifest import git_revision, versions
from heartloop.run.runner import Live
from heartloop.run.summary import final_line
from heartloop.run.unit import Units

_BETTER_NEXT_TIME = ("undecided", "judge_failed")


class Kept:
    """What earlier sessions finished: its verdicts stay, or its answers are only graded again.

    They stay where the same program would only repeat them, word for word.

    Attributes:
        stay: units whose verdicts stay.
        again: units whose answers have only to be graded again.
        any_order: the units may be gone through in any order: nothing learns or decides on the way.
        live: counts of those that stay, to be gone on with.
    """

    def __init__(self, prepared: Prepared, manifest: Manifest, journal: Journal) -> None:
        """Look at nothing yet.

        Args:
            prepared: the plan with its tasks.
            manifest: of the run that is gone on with.
            journal: holds the answers that verdicts rest on.
        """
        self.live = Live()
        self._journal = journal
        self.stay = Units()
        self.again = Units()
        plan = prepared.plan
        same = manifest["versions"] == versions() and manifest["git"] == git_revision()
        same = same and not str(manifest["git"]).endswith("+changes")
        # What decides wants to see every line in order.
        plain = "search" not in manifest and plan.stop_when is None
        self._tasks = {task.card.name: task for task in prepared.tasks}
        # A verifier without a file is a package's, of which no version is pinned.
        self._pinned = {
            name for name, task in self._tasks.items() if task.grader.verifier.path.is_file()
        }
        self._questions = {name: set(task.data.ids) for name, task in self._tasks.items()}
        # A bandit learns from what it goes through.
        learners = {arm.name for arm in plan.arms if settings(arm).get("schedule") == "bandit"}
        self.any_order = plain and not learners
        self._same = same and plain
        self._arms = {arm.name for arm in plan.arms} - learners
        self._models, self._seeds = set(plan.models), set(plan.seeds)

    def take(self, trace: Sequence[dict[str, Any]]) -> bool:
        """Whether the lines of a trace stay as they are; counts it if so."""
        first = trace[0]
        task = self._tasks.get(first["task"])
        unit = (first["task"], first["question"], first["model"], first["seed"], first["arm"])
        if (
            task is None
            or first["arm"] not in self._arms
            or first["model"] not in self._models
            or first["seed"] not in self._seeds
            or first["question"] not in self._questions[first["task"]]
        ):
            return False
        for line in trace:
            if not self._settled(line):
                return False
        if not self._same or first["task"] not in self._pinned:
            self.again.add(*unit)
            return False
        if not self.stay.add(*unit):
            return False
        final = first if len(trace) == 1 else final_line(trace, task.mode)
        self.live.count(first["arm"], trace, final)
        return True

    def _settled(self, line: Mapping[str, Any]) -> bool:
        """Whether a candidate has its answer in the journal, and a verdict that stays."""
        return (
            line["key"] is not None
            and line["key"] in self._journal
            and line["outcome"] != "error"
            and line["reason"] not in _BETTER_NEXT_TIME
            and line["content"]["reason"] not in _BETTER_NEXT_TIME
        )
