"""Selectors: which of a trace's answers is handed in where no verifier is at hand.

A selector sees the question, the answers, the task's gold-free reader, and the model. Those that
do not ask the model need nothing but the journal. What a selector did stands in
``trace.notes["selection"]``.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from heartloop.errors import CallError, UsageError
from heartloop.methods import wordings
from heartloop.methods.prompt import append_to_last, render
from heartloop.methods.recorder import Recorder, gather
from heartloop.methods.registry import SPECS
from heartloop.methods.voting import Classes, classify, decided, pick
from heartloop.types import Arm, Ask, Completion, Message, Question, Trace


@dataclass
class Choice:
    """What a selector works on and what it found.

    Attributes:
        candidates: indices of the attempts that have an answer text, in order.
        texts: their texts; completions: their completions.
        recorder: books the selector's own calls.
        selected: index of the chosen attempt, set by the selector.
        notes: what to know about the choice.
    """

    question: Question
    arm: Arm
    ask: Ask
    candidates: list[int]
    completions: list[Completion]
    recorder: Recorder
    selected: int
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def texts(self) -> list[str]:
        """The candidates' texts."""
        return [completion.text for completion in self.completions]

    @property
    def next_round(self) -> int:
        """The address round of the selector's own calls: behind the last round."""
        return self.recorder.attempts[-1].round + 1

    async def classes(self) -> Classes:
        """The candidates' answers in classes, with their figures noted."""
        answers = [self.ask.reader.extract(text) for text in self.texts]
        found = await classify(answers, self.ask.reader.same)
        self.notes.update(
            classes=[len(members) for members in found.members], unparsed=len(found.unparsed)
        )
        if found.conflicts:
            self.notes["conflicts"] = found.conflicts
        return found


@dataclass(frozen=True, slots=True)
class Selector:
    """What is known of a selector without running it.

    Attributes:
        run: chooses, by setting ``selected`` of a `Choice` with two or more candidates.
        calls: maps the number of candidates to its least and most own calls.
        logprobs: it needs log-probabilities, so that sampling must ask for them.
        summary: one line for people.
    """

    run: Callable[[Choice], Awaitable[None]]
    calls: Callable[[int], tuple[int, int]] = lambda _candidates: (0, 0)
    logprobs: bool = False
    summary: str = ""

    @property
    def asks(self) -> bool:
        """Whether it asks the model, so that the journal alone does not serve it."""
        return self.calls(2)[1] > 0


CHOOSES = ("adaptive", "dialogue")
"""Methods that say themselves which answer they hand in: no selector chooses for them."""


async def select(name: str, trace: Trace, question: Question, arm: Arm, ask: Ask) -> Trace:
    """Choose the answer that the arm hands in.

    With one candidate there is nothing to choose and nothing is asked; `adaptive` arms have chosen
    already and keep their choice. A synthesis is a further attempt; if its call fails, the arm
    hands in that error.

    Args:
        name: of a selector in `SELECTORS`.
        trace: as the method returned it.
        question: its question.
        arm: its arm.
        ask: for selectors that ask the model; the others use its reader only.

    Returns:
        The trace with ``selected``, the selector's own calls booked, and its notes.

    Raises:
        UsageError: no such selector.
    """
    if name not in SELECTORS:
        import difflib

        near = difflib.get_close_matches(name, list(SELECTORS), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"give one of {', '.join(SELECTORS)}"
        raise UsageError(f"selector: no {name!r}; {hint}")
    recorder = Recorder(question, arm, ask)
    recorder.attempts = [a for a in trace.attempts if a.purpose == "answer"]
    if "goes_on" in SPECS[arm.method].params:
        recorder.hand_in = trace.selected
    found = [(i, a.completion) for i, a in enumerate(recorder.attempts) if a.completion]
    if not found or arm.method in CHOOSES:
        return trace if found else dataclasses.replace(trace, selected=None)
    choice = Choice(
        question,
        arm,
        ask,
        [index for index, _ in found],
        [completion for _, completion in found],
        recorder,
        found[0][0],
    )
    if len(found) > 1:
        await SELECTORS[name].run(choice)
    cost = recorder.cost
    return dataclasses.replace(
        trace,
        attempts=tuple(recorder.attempts),
        selected=choice.selected,
        calls=trace.calls + recorder.calls,
        usage=trace.usage + recorder.usage,
        cost=trace.cost if cost is None else (trace.cost or 0.0) + cost,
        notes={**trace.notes, "selection": {"selector": name, **choice.notes}},
    )


# --- From the answers alone ---------------------------------------------------------------


async def _first(choice: Choice) -> None:
    choice.selected = choice.candidates[0]


async def _last(choice: Choice) -> None:
    choice.selected = _last_candidate(choice)


def _last_candidate(choice: Choice) -> int:
    """The answer that the method itself hands in (loops: the last turn with an answer)."""
    handed = choice.recorder.hand_in
    return handed if handed is not None and handed in choice.candidates else choice.candidates[-1]


def _vote(choice: Choice, classes: Classes, weights: Sequence[float], why: str) -> None:
    """Hand in the first answer of the heaviest class; without any class, the last answer."""
    if not classes.members:
        choice.notes["fallback"] = "no answer could be read: the last one"
        choice.selected = choice.candidates[-1]
        return
    totals = [math.fsum(weights[i] for i in members) for members in classes.members]
    place, tied = pick(totals, choice.question, why)
    choice.notes["tied"] = tied
    choice.selected = choice.candidates[classes.members[place][0]]


async def _majority(choice: Choice) -> None:
    _vote(choice, await choice.classes(), [1.0] * len(choice.candidates), "majority")


async def _confidence(choice: Choice) -> None:
    logprobs = [completion.logprob for completion in choice.completions]
    missing = logprobs.count(None)
    if missing == len(logprobs):
        choice.notes["fallback"] = "no log-probabilities: the first one"
        return
    scores = [-math.inf if value is None else value for value in logprobs]
    place, tied = pick(scores, choice.question, "confidence")
    choice.notes.update(tied=tied, missing=missing)
    choice.selected = choice.candidates[place]


async def _weighted(choice: Choice) -> None:
    logprobs = [completion.logprob for completion in choice.completions]
    missing = logprobs.count(None)
    if missing == len(logprobs):
        choice.notes["fallback"] = "no log-probabilities: plain majority"
        weights = [1.0] * len(logprobs)
    else:
        choice.notes["missing"] = missing
        weights = [0.0 if value is None else math.exp(value) for value in logprobs]
    _vote(choice, await choice.classes(), weights, "weighted")


async def _adaptive(choice: Choice) -> None:
    """Read the answers in order and stop as `adaptive` would have; the rest is not looked at."""
    threshold = float(choice.arm.params.get("threshold", 0.95))
    answers = [choice.ask.reader.extract(text) for text in choice.texts]
    for count in range(1, len(answers) + 1):
        classes = await classify(answers[:count], choice.ask.reader.same)
        sizes = [len(members) for members in classes.members]
        if decided(sizes, threshold):
            break
    used = choice.completions[:count]
    choice.notes.update(classes=sizes, unparsed=len(classes.unparsed), draws_used=count)
    choice.notes["tokens_used"] = sum(completion.usage.total for completion in used)
    _vote(choice, classes, [1.0] * count, "adaptive")


# --- With the model's help ----------------------------------------------------------------


def _shown(choice: Choice, head: str, texts: Sequence[str], task: str) -> tuple[Message, ...]:
    """The question, then candidate answers between markers, then what to do with them."""
    blocks = [
        wordings.CANDIDATE.format(number=number, text=text or wordings.EMPTY_ANSWER)
        for number, text in enumerate(texts, start=1)
    ]
    base = render(choice.question, choice.arm.stimuli, choice.arm.placement)
    parts = (head, *blocks, wordings.CANDIDATES_END, task)
    return append_to_last(base, "\n\n".join(parts))


async def _synthesis(choice: Choice) -> None:
    """One generative merge of all candidates by the same model, as HEART's second setting."""
    head = wordings.SYNTHESIS_HEAD.format(count=len(choice.candidates))
    messages = _shown(choice, head, choice.texts, wordings.SYNTHESIS_TASK)
    await choice.recorder.answer(messages, round=choice.next_round, purpose="synthesis")
    choice.selected = len(choice.recorder.attempts) - 1


async def _reply(choice: Choice, messages: tuple[Message, ...], number: int) -> str:
    """One vote of the model; a failed call is no vote, and noted."""
    try:
        said = await choice.recorder.say(
            messages, round=choice.next_round, draw=number, purpose="select"
        )
    except CallError:
        choice.notes["errors"] = choice.notes.get("errors", 0) + 1
        return ""
    return said.text


async def _self_score(choice: Choice) -> None:
    replies = await gather(
        [
            _reply(choice, _shown(choice, wordings.SCORE_HEAD, [text], wordings.SCORE_TASK), i)
            for i, text in enumerate(choice.texts)
        ]
    )
    scores = [read_score(reply) for reply in replies]
    choice.notes["scores"] = scores
    place, tied = pick([-1 if s is None else s for s in scores], choice.question, "self_score")
    choice.notes["tied"] = tied
    choice.selected = choice.candidates[place]


async def _tournament(choice: Choice) -> None:
    """The first answer of every class, one after another, against the best so far.

    Every pair is judged in both orders; only an answer preferred in both replaces the best.
    """
    classes = await choice.classes()
    runners = [members[0] for members in classes.members] or [0]
    best, split = runners[0], 0
    for match, runner in enumerate(runners[1:]):
        pairs = [(best, runner), (runner, best)]
        replies = await gather(
            [
                _reply(
                    choice,
                    _shown(
                        choice,
                        wordings.COMPARE_HEAD,
                        [choice.texts[i] for i in pair],
                        wordings.COMPARE_TASK,
                    ),
                    2 * match + swapped,
                )
                for swapped, pair in enumerate(pairs)
            ]
        )
        straight, swapped = map(read_better, replies)
        if (straight, swapped) == (2, 1):
            best = runner
        elif (straight, swapped) != (1, 2):
            split += 1
    choice.notes.update(matches=len(runners) - 1, split=split)
    choice.selected = choice.candidates[best]


def read_score(text: str) -> int | None:
    """The number of a reply ``Score: NUMBER``, else its only number; in 0 … 100, or None."""
    found = re.findall(r"[Ss]core\W{0,8}(\d{1,3})\b", text) or re.findall(r"\b\d{1,3}\b", text)
    if not found or (len(set(found)) > 1 and not re.search(r"[Ss]core\W{0,8}\d", text)):
        return None
    score = int(found[-1])
    return score if score <= 100 else None


def read_better(text: str) -> int | None:
    """The digit of a reply ``Better: 1`` or ``Better: 2``, else its only digit 1 or 2, or None."""
    found = re.findall(r"[Bb]etter\W{0,8}([12])\b", text) or re.findall(r"\b[12]\b", text)
    if not found or (len(set(found)) > 1 and not re.search(r"[Bb]etter\W{0,8}[12]\b", text)):
        return None
    return int(found[-1])


SELECTORS: dict[str, Selector] = {
    "last": Selector(_last, summary="the last answer"),
    "first": Selector(_first, summary="the first answer"),
    "majority": Selector(_majority, summary="the largest class of equivalent answers"),
    "synthesis": Selector(
        _synthesis,
        lambda n: (int(n > 1), int(n > 1)),
        summary="the model writes one answer from all of them",
    ),
    "self_score": Selector(
        _self_score,
        lambda n: (n, n) if n > 1 else (0, 0),
        summary="the answer to which the model gives the highest chance",
    ),
    "tournament": Selector(
        _tournament,
        lambda n: (0, 2 * (n - 1)),
        summary="pairwise by the same model, each pair in both orders",
    ),
    "confidence": Selector(
        _confidence, logprobs=True, summary="the highest mean log-probability a token"
    ),
    "weighted": Selector(
        _weighted, logprobs=True, summary="majority weighted by exp(mean log-probability)"
    ),
    "adaptive": Selector(
        _adaptive, summary="majority, read in order until a Beta posterior calls it decided"
    ),
}
"""Name → selector."""
