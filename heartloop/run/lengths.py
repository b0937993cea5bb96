"""How long a task's prompts and answers are: what is typical, and what they can be at most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from heartloop.methods import TokenAverages, render
from heartloop.run import choice_scores
from heartloop.run.pilot import Probe
from heartloop.run.unit import LoadedTask
from heartloop.types import Arm

if TYPE_CHECKING:
    pass


CHARS_PER_TOKEN = 4.0


TYPICAL_COMPLETION = 400  # tokens, where neither a pilot nor a smaller max_tokens says better


OVERHEAD = 500  # tokens a call at most: a chat template's, and a method's own instructions


WORDS_BYTES_PER_TOKEN = 0.8  # of feedback in bounds: the longest phrase is longer than the mean


@dataclass(frozen=True, slots=True)
class Lengths:
    """Mean characters and bytes of a task's first prompts, and of its golds."""

    chars: float
    bytes: float
    gold_bytes: float


def lengths_of(task: LoadedTask) -> Lengths:
    """Of the questions that are asked."""
    questions = task.data.questions
    chars = size = gold = 0
    for question in questions:
        for message in render(question, (), "after_input"):
            chars += len(message.content)
            text = message.content
            size += len(text) if text.isascii() else len(text.encode())
        known = task.data.golds[question.id]
        texts = [*known.answers, *known.params.get("incorrect", ())]
        gold += sum(len(str(text).encode()) + 3 for text in texts)
    n = len(questions)
    return Lengths(chars / n, size / n, gold / n)


def calls_a_question(task: LoadedTask) -> int:
    """First calls of all questions of a task: one each, or one a choice."""
    questions = task.data.questions
    if task.grader.verifier.kind == choice_scores.KIND:
        return sum(len(q.choices) for q in questions)
    return len(questions)


def typical_of(task: LoadedTask, lengths: Lengths, probe: Probe | None) -> TokenAverages:
    """Tokens of a first prompt and its answer: the probe's, else from the prompts' lengths."""
    if probe is not None:
        return probe.tokens
    answer = min(task.sampling.max_tokens or TYPICAL_COMPLETION, TYPICAL_COMPLETION)
    return TokenAverages(lengths.chars / CHARS_PER_TOKEN, float(answer))


def bound_of(task: LoadedTask, lengths: Lengths, arm: Arm) -> TokenAverages | None:
    """Tokens of a first prompt and its answer at most; None without a ``max_tokens``."""
    if task.sampling.max_tokens is None:
        return None
    words = sum(len(s.text.encode()) + 2 for s in arm.stimuli)
    return TokenAverages(
        lengths.bytes + words + OVERHEAD,
        float(task.sampling.max_tokens),
        chars_per_token=WORDS_BYTES_PER_TOKEN,
    )
