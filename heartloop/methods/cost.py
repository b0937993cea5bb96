"""What a method costs before it runs: calls, tokens, and the draws that match a budget."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from heartloop.methods.loop import feedback
from heartloop.methods.registry import SPECS, settings
from heartloop.methods.selectors import SELECTORS
from heartloop.types import Arm, Mode, Usage

CHARS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class TokenAverages:
    """Mean tokens of one call on a task: all that may decide a budget, never an answer.

    Attributes:
        prompt: of the first prompt.
        completion: of an answer, reasoning included.
        visible: of an answer as it is sent back in a history; None says all of it.
        feedback: of a method's own user message; None counts it from its characters.
    """

    prompt: float
    completion: float
    visible: float | None = None
    feedback: float | None = None

    @classmethod
    def of(cls, first_answers: Iterable[Usage]) -> TokenAverages:
        """From a pilot: the usages of answers to first prompts, and nothing else of them.

        Raises:
            ValueError: there are none.
        """
        usages = list(first_answers)
        if not usages:
            raise ValueError("no usage to average over")
        return cls(
            sum(usage.prompt for usage in usages) / len(usages),
            sum(usage.completion for usage in usages) / len(usages),
            sum(usage.completion - usage.reasoning for usage in usages) / len(usages),
        )


def expected_calls(arm: Arm, mode: Mode, selector: str | None = None) -> tuple[int, int]:
    """Least and most calls a question takes under this arm.

    Args:
        arm: the arm.
        mode: in oracle mode a method may stop early.
        selector: the selector of a verifier-free run; its own calls are added.

    Raises:
        UsageError: the arm does not validate.
    """
    values = settings(arm)
    spec = SPECS[arm.method]
    rounds = [sum(step.draws for step in steps) for steps in spec.shape(values)]
    # A fractional number of draws is rounded up at most and down at least.
    most = -int(-sum(rounds) // 1)
    least = int(rounds[0]) if spec.early(values, mode == "oracle") else int(sum(rounds))
    if selector is not None and mode == "verifier-free":
        extra = SELECTORS[selector].calls
        return least + extra(least)[0], most + extra(most)[1]
    return least, most


def expected_tokens(arm: Arm, mode: Mode, tokens: TokenAverages) -> tuple[Usage, Usage]:
    """Least and most tokens a question takes under this arm, selectors aside.

    A call's prompt is the first prompt, the earlier answers (without their reasoning, which is
    never sent back) and the feedback in it.

    Raises:
        UsageError: the arm does not validate.
    """
    values = settings(arm)
    spec = SPECS[arm.method]
    words = tokens.feedback if tokens.feedback is not None else _feedback_tokens(arm)
    shown = tokens.completion if tokens.visible is None else tokens.visible
    rounds = []
    for steps in spec.shape(values):
        prompt = completion = 0.0
        for step in steps:
            history = step.answers * shown + step.feedbacks * words
            prompt += step.draws * (tokens.prompt + history)
            completion += step.draws * tokens.completion
        rounds.append((prompt, completion))
    most = Usage(round(sum(p for p, _ in rounds)), round(sum(c for _, c in rounds)))
    if not spec.early(values, mode == "oracle"):
        return most, most
    return Usage(round(rounds[0][0]), round(rounds[0][1])), most


def draws_for_equal_tokens(arm: Arm, mode: Mode, tokens: TokenAverages) -> float:
    """The number of independent draws that costs what this arm costs at most.

    Fixed before the run from token averages alone: ``k = T / (p + c)`` with T the tokens of the
    arm where nothing stops it early, p and c those of a first prompt and its answer. The fraction
    is kept: `resample` gives that share of the questions one draw more.

    Raises:
        UsageError: the arm does not validate.
    """
    most = expected_tokens(arm, mode, tokens)[1]
    return max(1.0, round(most.total / (tokens.prompt + tokens.completion), 3))


def _feedback_tokens(arm: Arm) -> float:
    """Tokens of one feedback message, from the characters of its words and its mean cue."""
    values = {"told_wrong": True, "history": "full", **settings(arm)}
    cues = arm.cues or (None,)
    sizes = [len(feedback(values, cue, wrong=True)) for cue in cues]
    return sum(sizes) / len(sizes) / CHARS_PER_TOKEN
