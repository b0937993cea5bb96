"""How long a task's prompts and answers are: what is typical, and what they can be at most."""

from __future__ import annotations

from dataclasses import dataclass

from heartloop.data.items import length
from heartloop.methods import TokenAverages, render
from heartloop.run import choice_scores
from heartloop.run.pilot import Probe
from heartloop.run.unit import LoadedTask
from heartloop.types import Arm, Question

CHARS_PER_TOKEN = 4.0


TYPICAL_COMPLETION = 400  # tokens, where neither a pilot nor a smaller max_tokens says better


OVERHEAD = 500  # tokens a call at most: a chat template's, and a method's own instructions


WORDS_BYTES_PER_TOKEN = 0.8  # of feedback in bounds: the longest phrase is longer than the mean


@dataclass(frozen=True, slots=True)
class Lengths:
    """Mean characters and bytes of a task's first prompts."""

    chars: float
    bytes: float


def lengths_of(task: LoadedTask) -> Lengths:
    """Of the questions that are asked."""
    questions = task.data.questions
    own = [slip.size for slip in task.data.items.slips if slip.size is not None]
    n = len(questions)
    shared = (0, 0)
    if len(own) == n:  # what all prompts say is as long as in the first
        whole = _length(questions[0])
        shared = (whole[0] - own[0][0], whole[1] - own[0][1])
    else:
        own = list(map(_length, questions))
    chars, size = map(sum, zip(*own, strict=True))
    return Lengths((n * shared[0] + chars) / n, (n * shared[1] + size) / n)


def _length(question: Question) -> tuple[int, int]:
    return length(*(message.content for message in render(question, (), "after_input")))


def gold_bytes(task: LoadedTask) -> float:
    """Mean bytes of what a judge is told of the golds."""
    golds = task.data.golds.values()
    texts = [[*gold.answers, *gold.params.get("incorrect", ())] for gold in golds]
    return sum(length(str(text))[1] + 3 for told in texts for text in told) / len(texts)


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
