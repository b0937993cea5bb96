"""`StimulusOptimizer`: a DSPy teleprompter that finds the stimulus worth using, or none."""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import dspy
from dspy.teleprompt import Teleprompter
from dspy.utils.usage_tracker import UsageTracker

from heartloop.cards import parse_stimuli
from heartloop.errors import HeartloopError, UsageError
from heartloop.integrations.dspy.bridge import example
from heartloop.integrations.dspy.loop import identity
from heartloop.integrations.dspy.stimulus import recall, remember, with_stimulus, without_stimulus
from heartloop.optimize.arms import placebo_for
from heartloop.optimize.planning import least_evaluations, plan_search
from heartloop.optimize.racing import race
from heartloop.optimize.results import (
    Evaluation,
    Goal,
    RaceOptions,
    RaceResult,
    RaceState,
    Strategy,
)
from heartloop.types import Placement, Stimulus

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
        num_threads: int = 8,
        state: str | Path | None = None,
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
            budget_calls: cap on runs of the program on one example.
            budget_tokens: cap on tokens.
            seed: of the order of the examples.
            num_threads: examples at work at once.
            state: a file that the search is kept in, so that a stopped one goes on.
            task: stands in the addresses of the calls, beside the example's ``id``.
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
        self.num_threads, self.task = num_threads, task
        self.state = None if state is None else Path(state)

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
            UsageError: too few examples, an unknown stimulus, or the state of another search.
        """
        bare = without_stimulus(student)
        arms = self._arms()
        programs = [bare] + [
            with_stimulus(bare, arm, placement=self.placement, predictors=self.predictors)
            for arm in list(arms.values())[1:]
        ]
        examples = [*trainset, *(valset or [])]
        result = _run(self._search(programs, list(arms), examples, len(trainset)))
        if result.chosen is None:
            best = bare
        else:
            best = programs[list(arms).index(result.chosen)]
        best = best.deepcopy()
        plain = json.loads(json.dumps(result.to_dict()))
        remember(best, "search", plain)
        return best

    def _arms(self) -> dict[str, tuple[Stimulus, ...]]:
        """Arms by name, "none" first, then the placebo."""
        given = self.stimuli
        listed = [given] if isinstance(given, str) else given
        groups = [arm for one in listed for arm in _arms_of(one)]
        if not groups:
            raise UsageError("stimuli: none given")
        arms: dict[str, tuple[Stimulus, ...]] = {"none": ()}
        placebo = placebo_for(groups)
        if placebo is not None:
            arms["placebo"] = (placebo,)
        for group in groups:
            arms["+".join(stimulus.name for stimulus in group)] = group
        return arms

    async def _search(
        self,
        programs: Sequence[dspy.Module],
        names: Sequence[str],
        examples: Sequence[dspy.Example],
        search: int,
    ) -> RaceResult:
        loop = asyncio.get_running_loop()
        pool = ThreadPoolExecutor(self.num_threads, thread_name_prefix="heartloop-search")

        def one(arm: int, index: int) -> tuple[float | None, int]:
            return self._score(programs[arm], examples[index])

        async def evaluate(arm: int, questions: Sequence[int]) -> Evaluation:
            jobs = [
                loop.run_in_executor(pool, contextvars.copy_context().run, one, arm, index)
                for index in questions
            ]
            done = await asyncio.gather(*jobs)
            tokens = sum(used for _, used in done)
            n = len(done)
            # DSPy does not say which answers came from its cache but for their missing tokens.
            return Evaluation([score for score, _ in done], n, tokens, n, tokens)

        state = None
        if self.state is not None and self.state.exists():
            try:
                state = RaceState.from_json(self.state.read_text(encoding="utf-8"))
            except ValueError as error:
                raise UsageError(f"{self.state}: {error}; remove the file") from error
        budget = self.options.budget_calls
        least = least_evaluations(plan_search(len(names) - 1, questions=len(examples)))
        if state is None and budget is not None and budget < least:
            pool.shutdown()
            raise UsageError(
                f"StimulusOptimizer: budget_calls={budget}: a first look at {len(names)} arms and "
                f"a short test take at least {least}; nothing was asked"
            )
        try:
            return await race(
                names,
                evaluate,
                len(examples),
                self.options,
                state=state,
                save=self._save if self.state is not None else None,
                search=search if search < len(examples) else None,
            )
        except ValueError as error:
            raise UsageError(f"StimulusOptimizer: {error}") from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _score(self, program: dspy.Module, given: dspy.Example) -> tuple[float | None, int]:
        """Metric and tokens of one example; None where the program failed on it."""
        inputs = given.inputs()
        question = str(given.get("id", "") or identity(dict(inputs)))
        outer = dspy.settings.usage_tracker
        tracker = UsageTracker()
        with dspy.context(usage_tracker=tracker):
            try:
                with example(self.task, question):
                    prediction = program(**inputs)
                score: float | None = float(self.metric(given, prediction))
            except HeartloopError:
                raise
            except Exception as error:
                if not _failed_call(error):
                    raise
                score = None
        tokens = 0
        for model, used in tracker.get_total_tokens().items():
            tokens += int(used.get("total_tokens") or 0)
            if outer is not None:
                outer.add_usage(model, used)
        return score, tokens

    def _save(self, state: RaceState) -> None:
        assert self.state is not None
        temporary = self.state.with_name(self.state.name + ".tmp")
        temporary.write_text(state.to_json(), encoding="utf-8")
        temporary.replace(self.state)


def search_of(program: dspy.Module) -> dict[str, Any] | None:
    """The search a program came from, as `RaceResult.to_dict` has it; None for others.

    It is kept where DSPy saves it, so it survives ``save`` and ``load``.
    """
    found: dict[str, Any] | None = recall(program, "search")
    return found


def _failed_call(error: Exception) -> bool:
    """Whether an error is of the model or its answer, not of the metric or the program's code."""
    modules = {type(one).__module__.partition(".")[0] for one in _chain(error)}
    return bool(modules & {"dspy", "litellm", "openai"}) or "Adapter" in type(error).__name__


def _chain(error: BaseException | None) -> list[BaseException]:
    chain = []
    while error is not None:
        chain.append(error)
        error = error.__cause__
    return chain


def _run(coroutine: Any) -> Any:
    """Run a coroutine to its end, also where an event loop is running already (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
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


def _arms_of(one: str | Stimulus | Sequence[Stimulus]) -> list[tuple[Stimulus, ...]]:
    if isinstance(one, str):
        return parse_stimuli(one)
    return [(one,) if isinstance(one, Stimulus) else tuple(one)]
