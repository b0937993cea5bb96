"""What a method costs before it runs: calls, tokens, and the draws that match a budget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from heartloop.methods.loop import Turn, feedback
from heartloop.methods.registry import SPECS, settings
from heartloop.methods.selectors import SELECTORS
from heartloop.types import Arm, Completion, Message, Mode, Trace, Usage

CHARS_PER_TOKEN = 4.0


@dataclass(frozen=True, slots=True)
class TokenAverages:
    """Mean tokens of one call on a task: all that may decide a budget, never an answer.

    Attributes:
        prompt: of the first prompt.
        completion: of an answer, reasoning included.
        visible: of an answer as it is sent back in a history; None says all of it.
        chars_per_token: of the texts that are sent.
    """

    prompt: float
    completion: float
    visible: float | None = None
    chars_per_token: float = CHARS_PER_TOKEN

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
    words = _feedback_chars(arm) / tokens.chars_per_token
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


async def never_right(text: str) -> bool:
    """The `check` of a token-only pilot: no answer is looked at, so no outcome can be used.

    The loop then says what it says after wrong answers and never stops early, so that its calls
    are found again in the journal by the run itself.
    """
    return False


def draws_from_pilot(pilot: Iterable[Trace]) -> float:
    """The number of independent draws that costs what a loop costs at most, from a pilot of it.

    ``k = Σ tokens of the loops / Σ tokens of their first answers``: sharper than
    `draws_for_equal_tokens`, since the server itself counts the histories.

    Args:
        pilot: traces of the loop on some questions, run with `never_right`.

    Raises:
        ValueError: the pilot is empty, or a trace ended before its last round.
    """
    loops = firsts = 0
    for trace in pilot:
        first = trace.attempts[0].completion
        if first is None or trace.notes.get("stopped") not in ("rounds", "lost"):
            raise ValueError(f"pilot: {trace.question} did not go through all of its rounds")
        loops += trace.usage.total
        firsts += first.usage.total
    if not firsts:
        raise ValueError("a pilot needs at least one trace")
    return max(1.0, round(loops / firsts, 3))


def _feedback_chars(arm: Arm) -> float:
    """Characters of one feedback message: its words and its mean cue."""
    values = {"told_wrong": True, "history": "full", "layout": "form-last", **settings(arm)}
    cues = arm.cues or (None,)
    refused = Turn(1, (), Completion(""), (), wrong=True)
    return sum(len(feedback(values, "", cue, refused)) for cue in cues) / len(cues)
