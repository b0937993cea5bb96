"""`HeartLoop`: HEART-style feedback rounds around any DSPy program.

Where `dspy.BestOfN` draws again and `dspy.Refine` asks for advice, a heart loop shows a predictor
its own earlier outputs and says what heartloop's loops say: a verdict or its stand-in, the
reflection instruction, and the cue of the round. Both travel as input fields of the signature, so
they reach the model through any adapter and through the second try in JSON.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import dspy
from dspy.utils.usage_tracker import UsageTracker

from heartloop.cards import load_stimuli
from heartloop.cards.stimulus import own_words
from heartloop.errors import Stopped, UsageError
from heartloop.integrations.dspy.bridge import Place
from heartloop.integrations.dspy.carry import carry, redraw, told
from heartloop.methods.loop import Turn, feedback
from heartloop.methods.params import PARAMS
from heartloop.methods.schedule_names import check_cues
from heartloop.methods.schedules import open_schedule
from heartloop.types import AnswerBy, Arm, Attempt, Completion, Message, Question, Reader, Stimulus

T = TypeVar("T")
Reward = Callable[[Mapping[str, Any], dspy.Prediction], float]
Selector = Callable[[Sequence[dspy.Prediction], Mapping[str, Any]], int]
SELECTORS = ("majority", "last", "first")


@dataclass(frozen=True, slots=True)
class LoopAttempt:
    """One round of a loop.

    Attributes:
        round: 0 is the program as it stands.
        cue: name of the stimulus that led to it; empty in round 0.
        prediction: what came of it; None where the round failed.
        reward: of the reward function; None without one, or after a failure.
        usage: tokens by model, as DSPy counts them (answers from its cache are not counted).
        error: class and message where the round failed.
    """

    round: int
    cue: str
    prediction: dspy.Prediction | None
    reward: float | None
    usage: Mapping[str, Mapping[str, Any]]
    error: str = ""


@dataclass(frozen=True, slots=True)
class LoopTrace:
    """All rounds of one call.

    Attributes:
        attempts: in order.
        chosen: index of the one handed in.
        failures: rounds that raised.
        stopped: ``solved`` (the threshold was reached) or ``rounds``.
        usage: tokens by model over all rounds.
    """

    attempts: tuple[LoopAttempt, ...]
    chosen: int
    failures: int
    stopped: str
    usage: Mapping[str, Mapping[str, Any]]


def loop_trace(prediction: dspy.Prediction) -> LoopTrace | None:
    """How a prediction of a `HeartLoop` came about; None for other predictions."""
    return getattr(prediction, "_heartloop", None)


@dataclass(slots=True)
class _Round:
    """One attempt while the loop is going on: what it said, and per predictor."""

    attempt: LoopAttempt
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    trace: list[Any] = field(default_factory=list)


class HeartLoop(dspy.Module):  # type: ignore[misc]
    """Run a program, then go on for up to ``rounds`` feedback rounds with cues.

    With ``reward_fn`` the loop is told whether an answer was good enough (oracle): it ends at the
    first one that reaches ``threshold`` and hands in the best. Without, it runs all rounds and a
    selector picks (verifier-free); no round is told that it was wrong.
    """

    def __init__(
        self,
        program: dspy.Module,
        rounds: int = 5,
        reward_fn: Reward | None = None,
        threshold: float = 1.0,
        schedule: str | None = None,
        *,
        cues: str | Sequence[Stimulus | str] = "heart",
        history: Literal["full", "last", "none"] = "full",
        selector: str | Selector = "majority",
        answer: str | None = None,
        predictors: Sequence[str] | None = None,
        fail_count: int | None = None,
        seed: int = 0,
    ) -> None:
        """Set up; nothing is asked.

        Args:
            program: what is run each round; it is never changed.
            rounds: feedback rounds after round 0.
            reward_fn: ``reward_fn(inputs, prediction) -> float``, as for Refine.
            threshold: reward at which the loop ends.
            schedule: as `heartloop run --schedule`; not ``bandit``, which learns over questions.
                None takes ``alternate``, and ``random`` for words of your own, which have no side.
            cues: a stimulus card, or stimuli and words of your own, for the schedule to choose
                from.
            history: how many earlier outputs a round is shown: all, the last, or none.
            selector: without ``reward_fn``: ``majority`` over the answer field (ties go to the
                earliest), ``last``, ``first``, or a function of predictions and inputs that
                returns an index.
            answer: output field that answers are compared by; None takes the last one.
            predictors: names of the predictors that hear feedback; None for all.
            fail_count: rounds of one call that may raise before the error is let through; None
                bears any number as long as one round succeeds. Counted afresh for every call.
            seed: of the schedule.

        Raises:
            UsageError: an unknown schedule, card, history, selector or predictor.
        """
        super().__init__()
        if rounds < 0:
            raise UsageError(f"rounds {rounds}: give at least 0")
        if history not in ("full", "last", "none"):
            raise UsageError(f"history {history!r}: use full, last or none")
        if not callable(selector) and selector not in SELECTORS:
            raise UsageError(f"selector {selector!r}: use {', '.join(SELECTORS)} or a function")
        if schedule is None:
            plain = not isinstance(cues, str) and any(isinstance(cue, str) for cue in cues)
            schedule = "random" if plain else "alternate"
        known = [name for name, _ in program.named_predictors()]
        for name in predictors or ():
            if name not in known:
                raise UsageError(f"predictor {name!r}: the program has {', '.join(known)}")
        try:
            values = {name: PARAMS[name].default for name in PARAMS}
            values.update(schedule=PARAMS["schedule"].check(schedule), history=history)
        except ValueError as error:
            raise UsageError(f"schedule {schedule!r}: {error}") from None
        if schedule == "bandit":
            raise UsageError("schedule bandit learns over questions; use heartloop run for it")
        chosen: Sequence[Stimulus]
        if isinstance(cues, str):
            chosen = load_stimuli(cues).stimuli
        else:
            chosen = [own_words(cue) if isinstance(cue, str) else cue for cue in cues]
        self.program = program
        self.rounds, self.threshold, self.fail_count = rounds, threshold, fail_count
        # In a function of its own, so that DSPy does not take a module for a parameter.
        self.reward_fn = None if reward_fn is None else (lambda *given: reward_fn(*given))
        self.selector, self.answer, self.hearing = selector, answer, predictors
        self.values, self.seed = values, seed
        self.arm = Arm("heart", "heart", cues=tuple(chosen))
        check_cues(values, self.arm, "oracle" if reward_fn else "verifier-free")

    def forward(self, **inputs: Any) -> dspy.Prediction:
        """Run the loop on one example."""
        steps = self._steps(inputs)
        said: Any = None
        while True:
            try:
                module, round = steps.send(said)
            except StopIteration as end:
                return end.value
            with self._round(inputs, round) as (tracker, trace):
                try:
                    said = module(**inputs), tracker, trace
                except Stopped:
                    raise
                except Exception as error:
                    said = error, tracker, trace

    async def aforward(self, **inputs: Any) -> dspy.Prediction:
        """The same for async programs."""
        steps = self._steps(inputs)
        said: Any = None
        while True:
            try:
                module, round = steps.send(said)
            except StopIteration as end:
                return end.value
            with self._round(inputs, round) as (tracker, trace):
                try:
                    said = await _awaited(module, inputs), tracker, trace
                except Stopped:
                    raise
                except Exception as error:
                    said = error, tracker, trace

    @contextmanager
    def _round(self, inputs: Mapping[str, Any], round: int) -> Iterator[tuple[Any, list[Any]]]:
        """What a round runs in: its own trace and tracker, and its round in every address."""
        outer = dspy.settings.get("heartloop_place")
        place = outer if isinstance(outer, Place) else Place("dspy", identity(inputs))
        trace: list[Any] = []
        here = Place(place.task, place.question, round)
        tracker = UsageTracker()  # no track_usage: newer DSPy rolls it up, older does not
        with dspy.context(usage_tracker=tracker, trace=trace, heartloop_place=here):
            yield tracker, trace

    def _steps(
        self, inputs: Mapping[str, Any]
    ) -> Generator[tuple[dspy.Module, int], Any, dspy.Prediction]:
        """The loop itself: says what to run next, is sent what came of it."""
        oracle = self.reward_fn is not None
        place = dspy.settings.get("heartloop_place")
        id = place.question if isinstance(place, Place) else identity(inputs)
        ask = _Reading(self.seed)
        schedule = open_schedule(
            self.values, Question(id, "dspy", 0, ""), self.arm, ask, oracle=oracle
        )
        done: list[_Round] = []
        attempts: list[Attempt] = []
        failures, stopped, raised = 0, "rounds", None
        outer = dspy.settings.usage_tracker
        for round in range(self.rounds + 1):
            cue: Stimulus | None = None
            module = self.program
            if round:
                cue = _now(schedule.choose(attempts))
                wrong = oracle and any(one.attempt.reward is not None for one in done)
                # DSPy's own output fields say the form of the answer, after these words.
                now = Turn(round, (), Completion(""), (), wrong)
                words = feedback(self.values, "", cue, now)
                module = self._dressed(done, words, round)
            said, tracker, trace = yield module, round
            usage = tracker.get_total_tokens()
            if outer is not None:
                for model, used in usage.items():
                    outer.add_usage(model, used)
            name = cue.name if cue else ""
            if isinstance(said, Exception):
                failures, raised = failures + 1, said
                note = f"{type(said).__name__}: {said}"
                done.append(_Round(LoopAttempt(round, name, None, None, usage, note)))
                attempts.append(Attempt(round, 0, None, name, error=type(said).__name__))
                if self.fail_count is not None and failures > self.fail_count:
                    raise said
                continue
            # Rewards are outside of the round's failures: a broken reward function is a bug.
            reward = float(self.reward_fn(inputs, said)) if self.reward_fn else None
            one = _Round(LoopAttempt(round, name, said, reward, usage))
            one.outputs, one.trace = self._read(module, trace)
            done.append(one)
            text = str(self._answer(said))
            good = reward is not None and reward >= self.threshold
            attempts.append(
                Attempt(round, 0, Completion(text), name, checked=good if oracle else None)
            )
            if good:
                stopped = "solved"
                break
        answered = [i for i, one in enumerate(done) if one.attempt.prediction is not None]
        if not answered:
            assert raised is not None
            raise raised
        chosen = self._choose(done, answered, inputs)
        if dspy.settings.trace is not None:
            dspy.settings.trace.extend(done[chosen].trace)
        result = done[chosen].attempt.prediction
        assert result is not None
        total = _sum([one.attempt.usage for one in done])
        result.set_lm_usage(total)
        result._heartloop = LoopTrace(
            tuple(one.attempt for one in done), chosen, failures, stopped, total
        )
        return result

    def _choose(
        self, done: Sequence[_Round], answered: list[int], inputs: Mapping[str, Any]
    ) -> int:
        """Index of the attempt to hand in: highest reward, first of equals; else the selector's."""
        if self.reward_fn is not None:
            return max(answered, key=lambda i: (done[i].attempt.reward or 0.0, -i))
        predictions = [done[i].attempt.prediction for i in answered]
        if callable(self.selector):
            return answered[self.selector([p for p in predictions if p is not None], inputs)]
        if self.selector == "last":
            return answered[-1]
        if self.selector == "first":
            return answered[0]
        said = [" ".join(str(self._answer(one)).split()).casefold() for one in predictions]
        counts = Counter(said)
        most = max(counts.values())
        return answered[next(i for i, text in enumerate(said) if counts[text] == most)]

    def _answer(self, prediction: dspy.Prediction | None) -> Any:
        assert prediction is not None
        fields = list(prediction.keys())
        return prediction[self.answer or fields[-1]] if fields else ""

    def _read(
        self, module: dspy.Module, trace: list[Any]
    ) -> tuple[dict[str, dict[str, Any]], list[Any]]:
        """Outputs by predictor name, and the trace in terms of the program's own predictors."""
        names = {id(predictor): name for name, predictor in module.named_predictors()}
        own = dict(self.program.named_predictors())
        outputs: dict[str, dict[str, Any]] = {}
        clean = []
        for predictor, given, prediction in trace:
            name = names.get(id(predictor))
            if name is None:
                clean.append((predictor, given, prediction))
                continue
            carried = getattr(predictor, "carried", {})
            bare = {key: value for key, value in given.items() if key not in carried}
            clean.append((own[name], bare, prediction))
            outputs[name] = dict(prediction)
        return outputs, clean

    def _dressed(self, done: Sequence[_Round], words: str, round: int) -> dspy.Module:
        """A copy of the program whose predictors are shown their attempts and the feedback."""
        copy = self.program.deepcopy()
        for name, predictor in copy.named_predictors():
            if self.hearing is not None and name not in self.hearing:
                continue
            earlier = [one.outputs[name] for one in done if name in one.outputs]
            if self.values["history"] == "last":
                earlier = earlier[-1:]
            carried = {}
            if earlier and self.values["history"] != "none":
                carried["earlier_attempts"] = told(earlier)
            carried["feedback"] = words
            carry(predictor, carried)
            if self.values["history"] == "none":
                redraw(predictor, round)
        return copy


async def _awaited(module: dspy.Module, inputs: Mapping[str, Any]) -> Any:
    """A program's answer; one that has no ``aforward`` works in a thread."""
    if hasattr(module, "aforward"):
        return await module.acall(**inputs)
    return await dspy.asyncify(module)(**inputs)


def identity(inputs: Mapping[str, Any]) -> str:
    """A name for an example without one: a digest of its inputs."""
    text = "\0".join(f"{key}\0{value}" for key, value in sorted(inputs.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _sum(usages: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Numbers added up by model and field; nested details are left out."""
    total: dict[str, dict[str, Any]] = {}
    for usage in usages:
        for model, used in usage.items():
            mine = total.setdefault(model, {})
            for key, value in used.items():
                if isinstance(value, (int, float)):
                    mine[key] = mine.get(key, 0) + value
    return total


class _Reading:
    """What schedules may know of answers here: their text."""

    helper = None
    learner = None

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.reader: Reader = self

    def extract(self, text: str) -> str | None:
        return text.strip() or None

    async def same(self, first: str, second: str) -> bool:
        return " ".join(first.split()).casefold() == " ".join(second.split()).casefold()

    async def answered(self, completion: Completion) -> AnswerBy | None:
        return "own" if completion.text.strip() else None

    async def __call__(
        self,
        messages: tuple[Message, ...],
        *,
        round: int = 0,
        draw: int = 0,
        purpose: str = "answer",
        extends: Completion | None = None,
        **sampling: Any,
    ) -> Completion:
        raise UsageError("a schedule of a HeartLoop cannot ask a model")


def _now(coroutine: Coroutine[Any, Any, T]) -> T:
    """Finish a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    coroutine.close()
    raise RuntimeError("a schedule waited for something")
