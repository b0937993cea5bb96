"""`StimulusOptimizer`: a DSPy teleprompter that finds the stimulus worth using, or none."""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import dspy
from dspy.teleprompt import Teleprompter

from heartloop.cards import parse_stimuli
from heartloop.errors import Stopped, UsageError
from heartloop.integrations.dspy.compiled import BY, prepare_program
from heartloop.integrations.dspy.lm_model import LmModel
from heartloop.integrations.dspy.stimulus import recall, remember, with_stimulus, without_stimulus
from heartloop.optimize.arms import placebo_for
from heartloop.optimize.planning import least_evaluations, plan_search
from heartloop.optimize.results import Goal, RaceOptions, Strategy
from heartloop.optimize.search import search
from heartloop.run.folder import MANIFEST, RunFolder, new_folder, runs_dir
from heartloop.run.load import Prepared
from heartloop.types import Arm, Placement, Stimulus

P = TypeVar("P", bound=dspy.Module)


class StimulusOptimizer(Teleprompter):  # type: ignore[misc]
    """Race stimuli on paired examples; hand back the program with the winner, or without any.

    "No stimulus" and a placebo always compete, and a winner is put on only if it beats "no
    stimulus" on examples the search never used. Compose it with optimisers of instructions in
    either order: after MIPROv2 or GEPA it works on what they return; before them, keep its winner
    with `compile_with_stimulus`.
    """

    def __init__(
        self,
        metric: Callable[..., Any],
        *,
        stimuli: str | Sequence[str | Stimulus | Sequence[Stimulus]] = "emotionprompt",
        placement: Placement | None = None,
        predictors: Sequence[str] | None = None,
        goal: Goal = "best",
        strategy: Strategy = "halving",
        delta: float = 0.05,
        error: float = 0.05,
        budget_calls: int | None = None,
        budget_tokens: int | None = None,
        max_usd: float | None = None,
        num_threads: int = 8,
        folder: str | Path | None = None,
        task: str = "dspy",
        seed: int = 0,
    ) -> None:
        """Set up; nothing is asked.

        Args:
            metric: ``metric(example, prediction) -> bool or float in [0, 1]``.
            stimuli: as ``--stimuli`` takes them, or a list with an arm each: a name, words of
                your own, a stimulus or several that are joined.
            placement: as for `with_stimulus`.
            predictors: as for `with_stimulus`.
            goal: as in `RaceOptions`.
            strategy: as in `RaceOptions`.
            delta: smallest difference worth finding; 0.05 is 5 points.
            error: share of searches that may end wrong.
            budget_calls: cap on calls that are paid.
            budget_tokens: cap on tokens that are paid.
            max_usd: cap on dollars; the model's price must be known.
            num_threads: calls in flight at once.
            folder: a run folder; named again, the search goes on in it and what is answered is
                free. None makes a new one under ``runs/``.
            task: name of the examples in the run folder.
            seed: of the order of the examples.
        """
        super().__init__()
        self.metric, self.placement, self.predictors = metric, placement, predictors
        self.stimuli = stimuli
        self.options = RaceOptions(
            goal=goal,
            strategy=strategy,
            delta=delta,
            error=error,
            budget_calls=budget_calls,
            budget_tokens=budget_tokens,
            seed=seed,
        )
        self.num_threads, self.task, self.max_usd = num_threads, task, max_usd
        self.folder = None if folder is None else Path(folder)

    def compile(
        self,
        student: P,
        *,
        trainset: Sequence[dspy.Example],
        teacher: dspy.Module | None = None,
        valset: Sequence[dspy.Example] | None = None,
        **_: Any,
    ) -> P:
        """Find the stimulus worth using for a program.

        It is a search as ``heartloop optimize`` makes it, in a run folder (`folder`): status,
        report, compare and export read it. Ctrl-C stops it after the calls in flight.

        Args:
            student: the program; it is not changed. A stimulus it carries is taken off first.
            trainset: examples to search on.
            teacher: not used.
            valset: examples for the final estimate; without it a part of ``trainset`` is set
                aside, as large as the plan needs.

        Returns:
            A program of the same type; `search_of` tells how it was found, also after save and
            load.

        Raises:
            UsageError: too few examples, an unknown stimulus, no one language model, or the
                folder holds something else.
            Stopped: interrupted, or a cap was reached before there was an answer.
        """
        bare = without_stimulus(student)
        asked = bare.deepcopy()
        lm = LmModel(_the_lm(student), self.num_threads)
        for _, predictor in asked.named_predictors():
            predictor.lm = None  # every call goes through the client
        examples = [*trainset, *(valset or [])]
        caps = {"concurrency": self.num_threads, "max_usd": self.max_usd}
        prepared = prepare_program(
            asked,
            self.metric,
            examples,
            self._arms(),
            lm,
            task=self.task,
            predictors=self.predictors,
            limits={name: cap for name, cap in caps.items() if cap is not None},
        )
        folder = self._open(prepared)
        self.folder = folder.path
        split = len(trainset) if valset else None
        found, arms = _run(search(prepared, folder, self.options, split=split, command=f"{BY}(…)"))
        if found["stopped"]:
            raise Stopped(
                f"{folder.path}: {found['stopped']}; compile again with folder={folder.path} to go "
                "on, what is answered is free"
            )
        result = found["searches"]["all"]
        best = bare
        if result["chosen"] is not None:
            arm = arms[result["chosen"]]
            best = with_stimulus(
                bare, arm.stimuli, placement=arm.placement, predictors=self.predictors
            )
        best = best.deepcopy()
        result["claim"] = found["claims"].get("all")
        remember(best, "search", json.loads(json.dumps(result)))
        return best

    def _open(self, prepared: Prepared) -> RunFolder:
        """The run folder; what cannot be searched is refused before anything is written."""
        arms, questions = len(prepared.plan.arms), prepared.questions
        if questions < 4:
            raise UsageError(
                f"StimulusOptimizer: {questions} examples are too few: a search needs at least 4"
            )
        going_on = self.folder is not None and (self.folder / MANIFEST).exists()
        budget = self.options.budget_calls
        least = least_evaluations(plan_search(arms - 1, questions=questions))
        if not going_on and budget is not None and budget < least:
            raise UsageError(
                f"StimulusOptimizer: budget_calls={budget}: a first look at {arms} arms and "
                f"a short test take at least {least}; nothing was asked"
            )
        if self.folder is None:
            return new_folder(runs_dir(), None, f"search_{self.task}_{prepared.plan.models[0]}")
        if not going_on:
            return new_folder(self.folder.parent, self.folder.name, "search")
        folder = RunFolder(self.folder)
        manifest = folder.manifest
        if manifest.get("made_in", {}).get("by") != BY:
            raise UsageError(f"folder {self.folder}: holds another run; name a new folder")
        before = {arm["name"] for arm in manifest["plan"]["arms"]}
        if before != {arm.name for arm in prepared.plan.arms}:
            raise UsageError(f"folder {self.folder}: its search had other arms; name a new folder")
        return folder

    def _arms(self) -> list[Arm]:
        """The arms, "none" first, then the placebo."""
        given = self.stimuli
        listed = [given] if isinstance(given, str) else given
        groups = [arm for one in listed for arm in _arms_of(one)]
        if not groups:
            raise UsageError("stimuli: none given")
        arms = [Arm("none", role="none")]
        placebo = placebo_for(groups)
        if placebo is not None:
            arms.append(self._arm("placebo", (placebo,), "placebo"))
        arms += [self._arm("+".join(one.name for one in group), group) for group in groups]
        if len({arm.name for arm in arms}) < len(arms):
            raise UsageError("stimuli: two arms have the same name; leave one out")
        return arms

    def _arm(self, name: str, group: tuple[Stimulus, ...], role: str = "treatment") -> Arm:
        place = self.placement or group[0].placement
        return Arm(name, stimuli=group, placement=place, role=role)


def _the_lm(student: dspy.Module) -> Any:
    """The one LM that a program is used with: its predictors' own, else the configured one."""
    used = {id(lm): lm for lm in (p.lm or dspy.settings.lm for _, p in student.named_predictors())}
    if len(used) > 1:
        raise UsageError(
            "StimulusOptimizer: the program's predictors have several language models; a search "
            "asks one: set it with program.set_lm(lm)"
        )
    lm = next(iter(used.values()), dspy.settings.lm)
    if lm is None:
        raise UsageError("StimulusOptimizer: no language model; dspy.configure(lm=…)")
    return lm


def search_of(program: dspy.Module) -> dict[str, Any] | None:
    """The search a program came from, as `RaceResult.to_dict` has it; None for others.

    It is kept where DSPy saves it, so it survives ``save`` and ``load``.
    """
    found: dict[str, Any] | None = recall(program, "search")
    return found


def _run(coroutine: Any) -> Any:
    """Run a coroutine to its end, also where an event loop is running already (a notebook)."""
    if not _in_a_loop():
        return asyncio.run(coroutine)
    context = contextvars.copy_context()
    box: dict[str, Any] = {}

    def work() -> None:
        try:
            box["value"] = context.run(asyncio.run, coroutine)
        except BaseException as error:
            box["error"] = error

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if "error" in box:
        raise box["error"]
    return box["value"]


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _arms_of(one: str | Stimulus | Sequence[Stimulus]) -> list[tuple[Stimulus, ...]]:
    if isinstance(one, str):
        return parse_stimuli(one)
    return [(one,) if isinstance(one, Stimulus) else tuple(one)]
