"""A DSPy program as the solver of heartloop's tasks: ``--method dspy:FILE.py:program``."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import dspy

from heartloop.errors import CallError, HeartloopError, UsageError
from heartloop.integrations.dspy.bridge import Bridge, Call, Place
from heartloop.integrations.dspy.engine import make_lm, original
from heartloop.integrations.dspy.stimulus import with_stimulus
from heartloop.methods.prompt import phrase
from heartloop.methods.registry import METHODS, register
from heartloop.types import Arm, Ask, Attempt, Check, Completion, Question, Trace, Usage

THREADS = 256  # programs at work at once; each waits for its calls in a thread of its own
_pool: ThreadPoolExecutor | None = None
T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Solver:
    """A program with how a question becomes its inputs and its prediction an answer text.

    Attributes:
        program: the module.
        inputs: from a question to keyword arguments.
        answer: from a prediction to the text that is graded.
        predictors: those that wear an arm's stimuli; None for all.
    """

    program: dspy.Module
    inputs: Callable[[Question], Mapping[str, Any]]
    answer: Callable[[Any], str]
    predictors: tuple[str, ...] | None = None
    _worn: dict[tuple[str, str], dspy.Module] = dataclasses.field(default_factory=dict)

    def wearing(self, arm: Arm) -> dspy.Module:
        """The program with an arm's stimuli on it, made once.

        Raises:
            UsageError: a placement or a predictor that the program does not have.
        """
        if not arm.stimuli:
            return self.program
        known = (phrase(arm.stimuli), arm.placement)
        if known not in self._worn:
            self._worn[known] = with_stimulus(
                self.program, arm.stimuli, placement=arm.placement, predictors=self.predictors
            )
        return self._worn[known]


@dataclasses.dataclass(frozen=True, slots=True)
class Predicted(Completion):
    """A program's answer together with what a metric of its author reads.

    Attributes:
        prediction: what the program returned.
        context: in which it ran: calls made in it go the way that the program's own went.
    """

    prediction: Any = None
    context: contextvars.Context = dataclasses.field(default_factory=contextvars.copy_context)


def register_program(spec: str) -> str:
    """Make a DSPy program a method of its own and return the method's name.

    The file is executed. Its ``program`` (or whatever name the spec gives) is a module, or a
    function without arguments that returns one. Beside it the file may define
    ``inputs(question) -> dict``, which says what the program is called with (else: `inputs_of`),
    and ``answer(prediction) -> str`` (else: the last output field).

    Args:
        spec: ``dspy:FILE.py:program``; the last part may be left out. Also a name that this
            function returned, as a manifest has it.

    Returns:
        The name under which heartloop's registry has it: the spec and a digest of the file.

    Raises:
        UsageError: no such file or name, it does not load, or it is not the file it was.
    """
    spec, _, pinned = spec.partition("@")
    path, name = _split(spec)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    if pinned and pinned != digest:
        raise UsageError(f"{path}: changed since the run was begun; restore it or start a new run")
    module = _load(path)
    program = getattr(module, name, None)
    if program is None:
        raise UsageError(f"{path}: no {name!r} in it; write dspy:{path}:NAME")
    if not isinstance(program, dspy.Module):
        try:
            program = program()
        except Exception as error:
            raise UsageError(f"{path}: {name}() raised {type(error).__name__}: {error}") from error
    if not isinstance(program, dspy.Module):
        raise UsageError(f"{path}: {name} is no dspy.Module, and calling it did not make one")
    named = _parameters(program)
    solver = Solver(
        program,
        getattr(module, "inputs", None) or (lambda question: inputs_of(question, named)),
        getattr(module, "answer", None) or answer_of,
    )
    method = f"dspy:{path}:{name}@{digest}"
    if method not in METHODS:
        register(method, summary=f"the DSPy program {name} of {path.name}")(method_of(solver))
    return method


def _split(spec: str) -> tuple[Path, str]:
    rest = spec.removeprefix("dspy:")
    file, colon, name = rest.rpartition(":")
    if not colon:
        file, name = rest, "program"
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"--method {spec}: no file {file}; write dspy:FILE.py:program")
    return path, name


def _load(path: Path) -> Any:
    known = f"heartloop_dspy_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(known, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[known] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"{path}: {type(error).__name__}: {error}") from error
    return module


def _parameters(program: dspy.Module) -> tuple[str, ...]:
    """Names a program is called with: of its signature, else of its forward."""
    signature = getattr(program, "signature", None)
    if signature is None and len(program.predictors()) == 1:
        signature = program.predictors()[0].signature
    forward = inspect.signature(type(program).forward).parameters.values()
    plain = [p.name for p in forward if p.kind is p.POSITIONAL_OR_KEYWORD][1:]
    if plain:
        return tuple(plain)
    return tuple(signature.input_fields) if signature is not None else ("question",)


def inputs_of(question: Question, names: tuple[str, ...]) -> dict[str, Any]:
    """What a program gets of a question, by the names of its inputs.

    ``instruction``, ``input``, ``choices``, ``demos``, ``answer_format``, ``history`` and
    ``system`` are the question's own parts. Any other name (``question``) gets the whole task as
    text: the parts that no other input takes, joined as heartloop's own prompts join them.
    """
    parts: dict[str, Any] = {
        "instruction": question.instruction,
        "demos": [demo.text for demo in question.demos],
        "input": question.input,
        "answer_format": question.answer_format,
    }
    apart = {
        "choices": list(question.choices),
        "system": question.system or "",
        "history": [f"{m.role}: {m.content}" for m in question.history],
    }
    taken = {name: {**parts, **apart}[name] for name in names if name in {**parts, **apart}}
    rest = [name for name in names if name not in taken]
    if len(rest) > 1:
        raise UsageError(
            f"inputs {', '.join(rest)}: heartloop cannot tell what they are; define "
            "inputs(question) -> dict in the program's file"
        )
    if rest:
        lines = []
        for name, part in parts.items():
            if name not in taken and part:
                lines += part if isinstance(part, list) else [part]
        if question.history and "history" not in taken:
            lines = [*apart["history"], *lines]
        if question.system and "system" not in taken:
            lines = [question.system, *lines]
        taken[rest[0]] = question.separator.join(lines)
    return taken


def answer_of(prediction: Any) -> str:
    """The last output field of a prediction, as text."""
    fields = list(prediction.keys())
    return str(prediction[fields[-1]]) if fields else ""


def method_of(solver: Solver) -> Any:
    """The method that answers with a program."""

    async def solve(question: Question, arm: Arm, ask: Ask, check: Check | None = None) -> Trace:
        """Run the program once on a question; every call it makes goes through ``ask``."""
        return await run_program(solver, question, arm, ask)

    return solve


async def run_program(solver: Solver, question: Question, arm: Arm, ask: Ask) -> Trace:
    """One question under one arm: the program in a thread, its calls on this loop.

    Calls of one program differ in their messages or in their rollout, so they share the
    question's address and still are distinct draws. The arm's stimuli are put on the program, and
    its one attempt is `Predicted` where the program came to its end.
    """

    async def made(call: Call) -> Completion:
        return await ask(
            call.messages, round=call.place.round, draw=call.draw, **dict(call.sampling)
        )

    bridge = Bridge(made, asyncio.get_running_loop(), keep=True)
    program = solver.wearing(arm)
    given = dict(solver.inputs(question))
    lm = make_lm(bridge, "heartloop/task")

    def work() -> tuple[Any, contextvars.Context]:
        place = Place(question.task, question.id)
        with dspy.context(lm=lm, heartloop_place=place, trace=[]):
            return program(**given), contextvars.copy_context()

    failure: Exception | None = None
    text, made_by = "", {}
    try:
        prediction, within = await in_thread(contextvars.copy_context(), work)
        text = solver.answer(prediction)
        made_by = {"prediction": prediction, "context": within}
    except Exception as error:
        failure = original(error)
        if isinstance(bridge.failure, HeartloopError) and not isinstance(bridge.failure, CallError):
            raise bridge.failure from None
        if isinstance(failure, HeartloopError) and not isinstance(failure, CallError):
            raise failure from None
        if not of_a_call(failure):
            raise failure from None  # a bug of the program, which is no answer of the model
    answers = list(bridge.completions)
    notes = {"calls_of_program": len(answers), "stimulus": phrase(arm.stimuli)}
    usage = sum((one.usage for one in answers), Usage())
    if failure is not None and not answers:
        kind = bridge.failure.kind if isinstance(bridge.failure, CallError) else "program"
        attempt = Attempt(0, 0, None, error=kind)
        return Trace(question.id, arm.name, (attempt,), None, 0, usage, None, notes)
    last = answers[-1] if answers else Completion("", finish_reason="stop")
    if failure is not None:
        # It answered, but not in a form the program's adapters read: the raw text is graded.
        notes["program_error"] = f"{type(failure).__name__}: {failure}"[:500]
        text = last.text
    last = dataclasses.replace(last, text=text)
    if made_by:
        fields = {f.name: getattr(last, f.name) for f in dataclasses.fields(Completion)}
        last = Predicted(**fields, **made_by)
    attempt = Attempt(0, 0, last)
    return Trace(question.id, arm.name, (attempt,), 0, len(answers), usage, None, notes)


def of_a_call(error: BaseException) -> bool:
    """Whether an error is of a model or its answer, not of the program's or the metric's code."""
    while True:
        if isinstance(error, HeartloopError) or "Adapter" in type(error).__name__:
            return True
        if type(error).__module__.partition(".")[0] in ("dspy", "litellm", "openai"):
            return True
        if error.__cause__ is None:
            return False
        error = error.__cause__


async def in_thread(context: contextvars.Context, work: Callable[[], T]) -> T:
    """Work of DSPy's, which waits for its calls, in a thread of its own and in a context."""
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(THREADS, thread_name_prefix="heartloop-program")
    return await asyncio.get_running_loop().run_in_executor(_pool, context.run, work)
