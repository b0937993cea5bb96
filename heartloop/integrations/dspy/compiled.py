"""A program, its examples and its metric as a plan that heartloop's search works on.

A compile is then a search like any other: journal, caps, verdicts, claim and summary in a run
folder. Only the names cannot be opened again from the folder alone, which its manifest says
(``made_in``).
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dspy

from heartloop.cards import TaskCard
from heartloop.cards.verifier import VerifierCard
from heartloop.data import TaskData
from heartloop.data.items import Item, Items
from heartloop.errors import HeartloopError, UsageError
from heartloop.grading import Grader
from heartloop.integrations.dspy.lm_model import LmModel
from heartloop.integrations.dspy.loop import identity
from heartloop.integrations.dspy.method import (
    Predicted,
    Solver,
    answer_of,
    in_thread,
    method_of,
    of_a_call,
)
from heartloop.methods.registry import METHODS, SPECS, register
from heartloop.run.load import Prepared
from heartloop.run.plan import Plan
from heartloop.run.unit import LoadedTask
from heartloop.types import Arm, Completion, Gold, Graded, Question, Verdict

BY = "StimulusOptimizer.compile"
_UNPARSED = Verdict("unscored", "unparsed", None, None, "the program could not read the answer")


class MetricGrader(Grader):
    """Grades what a program returned by the metric of its author, which sees the whole example."""

    def __init__(self, metric: Callable[..., Any], examples: Mapping[str, dspy.Example]) -> None:
        name = getattr(metric, "__name__", type(metric).__name__)
        digest = _sha256(_source(metric if inspect.isfunction(metric) else type(metric)))
        super().__init__(VerifierCard(name, Path(name), digest, "metric", title=f"metric {name}"))
        self.metric, self.examples = metric, examples

    async def grade(self, question: Question, gold: Gold, completion: Completion) -> Graded:
        """Ask the metric; what the program could not read has no score.

        Raises:
            HeartloopError: the metric has a bug, or gives something else than a share.
        """
        if not isinstance(completion, Predicted):
            return Graded(_UNPARSED, _UNPARSED)
        example = self.examples[question.id]

        def judged() -> Any:
            return self.metric(example, completion.prediction)

        name = self.verifier.name
        try:
            said = await in_thread(completion.context, judged)
            score = float(said)
        except HeartloopError:
            raise
        except Exception as error:
            if of_a_call(error):  # a metric that asks a model itself
                failed = Verdict("unscored", "judge_failed", None, None, f"{name}: {error}"[:200])
                return Graded(failed, failed)
            raise HeartloopError(
                f"metric {name}, example {question.id}: {type(error).__name__}: {error}"
            ) from error
        if not 0.0 <= score <= 1.0:
            raise UsageError(
                f"metric {name}: {said!r} is not between 0 and 1; divide it by its maximum"
            )
        verdict = Verdict(
            "correct" if score == 1.0 else "incorrect",
            None,
            completion.text,
            score,
            f"{name} gives {score:g}",
        )
        return Graded(verdict, verdict)


def prepare_program(
    program: dspy.Module,
    metric: Callable[..., Any],
    examples: Sequence[dspy.Example],
    arms: Sequence[Arm],
    lm: LmModel,
    *,
    task: str,
    predictors: Sequence[str] | None,
    limits: Mapping[str, Any],
) -> Prepared:
    """The plan of a compile, ready for `heartloop.optimize.search.search`.

    Args:
        program: without any stimulus.
        metric: ``metric(example, prediction)``, a share.
        examples: those to search on first, then those that are held out.
        arms: their methods are filled in here; "none" is the first.
        lm: asks.
        task: name in addresses and tables.
        predictors: names of those that wear the stimuli; None for all.
        limits: of the plan.

    Raises:
        UsageError: a stimulus, placement or predictor that the program cannot wear.
    """
    named: dict[str, dspy.Example] = {}
    for example in examples:
        id = base = str(example.get("id", "") or identity(dict(example.inputs())))
        number = 1
        while id in named:  # the same inputs again are a question of their own
            number += 1
            id = f"{base}#{number}"
        named[id] = example
    questions = [
        Question(
            id,
            task,
            index,
            "\n".join(f"{name}: {value}" for name, value in example.inputs().items()),
        )
        for index, (id, example) in enumerate(named.items())
    ]
    labels = {
        id: tuple(str(value) for name, value in example.labels().items() if name != "id")
        for id, example in named.items()
    }
    items = [Item(question, Gold(question.id, labels[question.id])) for question in questions]
    solver = Solver(
        program,
        lambda question: dict(named[question.id].inputs()),
        answer_of,
        None if predictors is None else tuple(predictors),
    )
    name, digest = type(program).__name__, program_sha256(program)
    method = f"dspy-{name}@{digest[:8]}"
    SPECS.pop(method, None)
    METHODS.pop(method, None)  # of an earlier compile: its examples were others
    register(method, summary=f"the DSPy program {name}")(method_of(solver))
    made = tuple(dataclasses.replace(arm, method=method) for arm in arms)
    for arm in made:
        solver.wearing(arm)
    grader = MetricGrader(metric, named)
    text = json.dumps([[q.id, q.input, labels[q.id]] for q in questions])
    source = "examples handed to compile"
    card = TaskCard(task, Path(source), _sha256(text), title=name, verifier=grader.verifier.name)
    data = TaskData(card, Items.of(items), source, card.sha256, total=len(questions))
    plan = Plan(tasks=(task,), models=(lm.name,), arms=made, mode="oracle", limits=dict(limits))
    return Prepared(
        plan,
        [LoadedTask(card, data, grader, lm.sampling, "oracle")],
        models={lm.name: lm},
        made_in={"by": BY, "program": name, "sha256": digest},
    )


def program_sha256(program: dspy.Module) -> str:
    """What a program is: code of its modules, signatures, demonstrations, plain attributes.

    ``stage`` is left out: DSPy draws it anew for every predictor.
    """
    parts = [json.dumps(program.dump_state(), sort_keys=True, default=repr)]
    for path, module in program.named_sub_modules():
        plain = {
            name: value
            for name, value in sorted(vars(module).items())
            if isinstance(value, (str, int, float, bool, tuple, type(None))) and name != "stage"
        }
        parts.append(f"{path} {_source(type(module))} {plain!r}")
    return _sha256(re.sub(r" at 0x[0-9a-f]+", "", "\0".join(parts)))


def _source(thing: Any) -> str:
    """Source of a function or a class; its name where there is none, or where DSPy ships it."""
    name = f"{thing.__module__}.{thing.__qualname__}"
    if thing.__module__.partition(".")[0] == "dspy":
        return name
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):
        return name


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
