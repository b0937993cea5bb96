"""What a method costs before it runs: calls, tokens, and the draws that match a budget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from heartloop.methods import wordings
from heartloop.methods.loop import Turn, feedback
from heartloop.methods.registry import SPECS, settings
from heartloop.methods.selectors import CHOOSES, SELECTORS
from heartloop.types import Arm, Completion, Message, Mode, Usage

CHARS_PER_TOKEN = 4.0


@dataclass(frozen=True, slots=True)
class TokenAverages:
    """Mean tokens of one call on a task: all that may decide a budget, never an answer.

    Attributes:
        prompt: of the first prompt.
        completion: of an answer, reasoning included.
        visible: of an answer as it is sent back in a history; None says all of it.
        chars_per_token: of the texts that are sent.
        form: characters of the task's answer format, which ends every turn of a loop.
    """

    prompt: float
    completion: float
    visible: float | None = None
    chars_per_token: float = CHARS_PER_TOKEN
    form: float = 0.0

    @classmethod
    def of(
        cls,
        pilot: Iterable[tuple[Sequence[Message], Completion]],
        prompts: Iterable[Sequence[Message]] = (),
    ) -> TokenAverages:
        """From a pilot: first prompts and their completions, of which lengths alone are used.

        What a server counts as completion may not be what is sent back (reasoning is not), so the
        visible part is measured by its characters, at the first prompts' characters a token.

        Args:
            pilot: first prompts and what was answered to them.
            prompts: the first prompts of all questions; their mean length then stands in for that
                of the few in the pilot.

        Raises:
            ValueError: the pilot is empty.
        """
        calls = list(pilot)
        if not calls:
            raise ValueError("a pilot needs at least one call")
        prompt = sum(said.usage.prompt for _, said in calls) / len(calls)
        completion = sum(said.usage.completion for _, said in calls) / len(calls)
        sent = sum(len(m.content) for messages, _ in calls for m in messages) / len(calls)
        rate = sent / prompt if prompt and sent else CHARS_PER_TOKEN
        lengths = [sum(len(m.content) for m in messages) for messages in prompts]
        if lengths:
            prompt = sum(lengths) / len(lengths) / rate
        shown = sum(len(said.text) for _, said in calls) / len(calls) / rate
        return cls(prompt, completion, min(completion, shown) if completion else shown, rate)


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
    least = int(sum(rounds[: _least_rounds(arm, mode)]))
    if selector is not None and mode == "verifier-free" and arm.method not in CHOOSES:
        extra = SELECTORS[selector].calls
        return least + extra(least)[0], most + extra(most)[1]
    return least, most


def first_calls(arm: Arm, mode: Mode) -> int:
    """Calls that a question sends out together at first: those whose prompts hold no answer.

    Raises:
        UsageError: the arm does not validate.
    """
    sure = SPECS[arm.method].shape(settings(arm))[: _least_rounds(arm, mode)]
    steps = (step for steps in sure for step in steps)
    return max(1, int(sum(step.draws for step in steps if not step.answers + step.feedbacks)))


def expected_tokens(arm: Arm, mode: Mode, tokens: TokenAverages) -> tuple[Usage, Usage]:
    """Least and most tokens a question takes under this arm, selectors aside.

    A call's prompt is the first prompt, the earlier answers (without their reasoning, which is
    never sent back) and the feedback in it.

    Raises:
        UsageError: the arm does not validate.
    """
    values = settings(arm)
    spec = SPECS[arm.method]
    words = (_feedback_chars(arm) + _form_chars(arm, tokens)) / tokens.chars_per_token
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
    sure = rounds[: _least_rounds(arm, mode)]
    return Usage(round(sum(p for p, _ in sure)), round(sum(c for _, c in sure))), most


def _least_rounds(arm: Arm, mode: Mode) -> int | None:
    """Rounds that are surely asked for, the first one included; None: all of them."""
    values = settings(arm)
    if SPECS[arm.method].early(values, mode == "oracle"):
        return 1
    return values.get("lost") or None


VOTE = 8.0  # tokens of a selector's short reply: a score, or which of two


def selector_tokens(selector: str, candidates: float, tokens: TokenAverages) -> float:
    """Tokens that a selector uses to choose among so many candidates; 0 where it asks nothing.

    Synthesis reads all of them in one call and writes an answer; self_score reads each in a call of
    its own; a tournament reads two in each of its (at most) 2 (candidates - 1) calls.
    """
    if candidates <= 1:
        return 0.0
    shown = tokens.completion if tokens.visible is None else tokens.visible

    def chars(*texts: str) -> float:
        return sum(map(len, texts)) / tokens.chars_per_token

    each = shown + chars(wordings.CANDIDATE)
    base = tokens.prompt + chars(wordings.CANDIDATES_END)
    if selector == "synthesis":
        said = chars(wordings.SYNTHESIS_HEAD, wordings.SYNTHESIS_TASK)
        return base + said + candidates * each + tokens.completion
    if selector == "self_score":
        said = chars(wordings.SCORE_HEAD, wordings.SCORE_TASK)
        return candidates * (base + said + each + VOTE)
    if selector == "tournament":
        said = chars(wordings.COMPARE_HEAD, wordings.COMPARE_TASK)
        return 2 * (candidates - 1) * (base + said + 2 * each + VOTE)
    return 0.0


def draws_for_equal_tokens(
    arm: Arm, mode: Mode, tokens: TokenAverages, selector: str | None = None
) -> float:
    """The number of independent draws that costs what this arm costs at most.

    Fixed before the run from token averages alone: the k with ``k (p + c) + S(k) = T + S(n)``, T
    the tokens of the arm where nothing stops it early, p and c those of a first prompt and its
    answer, n the arm's candidates and S the selector's own tokens (0 in oracle mode: then
    k = T / (p + c)). The fraction is kept: `resample` gives that share of the questions one more.

    Args:
        arm: the loop.
        mode: in verifier-free mode the selector's calls are counted on both sides.
        tokens: averages of one model on one task.
        selector: its name, in verifier-free mode.

    Raises:
        UsageError: the arm does not validate.
    """
    most = float(expected_tokens(arm, mode, tokens)[1].total)
    one = tokens.prompt + tokens.completion
    if selector is None or mode == "oracle" or arm.method in CHOOSES:
        return max(1.0, round(most / one, 3))
    values = settings(arm)
    candidates = (values.get("rounds", 0) + 1) * values.get("candidates", 1)
    most += selector_tokens(selector, candidates, tokens)
    low, high = 1.0, max(1.0, most / one)
    for _ in range(60):
        middle = (low + high) / 2
        # Draws are whole: a fraction is a mixture of questions with one draw more and one less.
        whole, rest = int(middle), middle % 1
        chosen = (1 - rest) * selector_tokens(selector, whole, tokens)
        chosen += rest * selector_tokens(selector, whole + 1, tokens)
        low, high = (middle, high) if middle * one + chosen < most else (low, middle)
    return max(1.0, round(low, 3))


def _form_chars(arm: Arm, tokens: TokenAverages) -> float:
    last = settings(arm).get("layout") == "form-last"
    return tokens.form + len("\n\n") if tokens.form and last else 0.0


def _feedback_chars(arm: Arm) -> float:
    """Characters of one feedback message: its words and its mean cue."""
    values = {"told_wrong": True, "history": "full", "layout": "form-last", **settings(arm)}
    cues = arm.cues or (None,)
    refused = Turn(1, (), Completion(""), (), wrong=True)
    return sum(len(feedback(values, "", cue, refused)) for cue in cues) / len(cues)
