"""New stimuli written by a model: asked for, read, held to a card's constraints, with lineage."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from heartloop.cards import wording
from heartloop.types import Completion, Message, Stimulus

Say = Callable[[tuple[Message, ...], int], Awaitable[Completion]]
ALIKE = 0.85  # share of matching characters from which two phrases count as the same
TRIES = 3  # requests a generation may take to fill its places
_LINE = re.compile(r"^\s*(?:\d+[.)]|[-*•])\s*(.+?)\s*$")


@dataclass(frozen=True, slots=True)
class Constraints:
    """What a proposed phrase must be.

    Attributes:
        least, most: words.
        valence: ``positive``, ``negative``, … as a card would say; part of the request.
        demands: whether it may ask for something to be done.
    """

    least: int = 3
    most: int = 25
    valence: str = ""
    demands: bool = False


@dataclass(frozen=True, slots=True)
class Parent:
    """A stimulus of the generation before, with what it gained.

    Attributes:
        stimulus: its words.
        difference: to "none", in [-1, 1], on the questions of its own race.
    """

    stimulus: Stimulus
    difference: float


@dataclass(frozen=True, slots=True)
class Generation:
    """What a model proposed.

    Attributes:
        number: 1 for the first.
        stimuli: accepted; ``of`` names the parents.
        rejected: text and reason of each phrase that was not.
    """

    number: int
    stimuli: tuple[Stimulus, ...]
    rejected: tuple[tuple[str, str], ...]


def refusal(text: str, known: Sequence[str], constraints: Constraints) -> str:
    """Why a phrase is not accepted; empty where it is."""
    count = len(text.split())
    if not constraints.least <= count <= constraints.most:
        return f"{count} words, not {constraints.least} to {constraints.most}"
    if not constraints.demands and (signs := wording.demands(text)):
        return f"asks for something: {signs[0]}"
    if said := wording.verdicts(text):
        return f"speaks of the answer: {said[0]}"
    if re.search(r"\d|\\|[{}<>`\n]", text):
        return "holds numbers or markup"
    plain = " ".join(wording.words(text))
    for other in known:
        against = " ".join(wording.words(other))
        if SequenceMatcher(None, plain, against).ratio() >= ALIKE:
            return f"too like: {other}"
    return ""


def read_phrases(text: str) -> list[str]:
    """The phrases of an answer: numbered or bulleted lines, without quotation marks."""
    found = []
    for line in text.splitlines():
        match = _LINE.match(line)
        if match:
            found.append(match[1].strip().strip("\"'“”‘’*_").strip())
    return [phrase for phrase in found if phrase]


def request(
    parents: Sequence[Parent],
    failures: Sequence[str],
    count: int,
    constraints: Constraints,
) -> tuple[Message, ...]:
    """The prompt that asks for phrases: parents best first, and tasks that went wrong."""
    ranked = sorted(parents, key=lambda one: -one.difference)
    lines = ["Short phrases are put into the prompt of a language model. Some of them and the"]
    lines[0] += " points of accuracy they gained, on other tasks of the same kind:"
    lines += [f"- {one.stimulus.text} ({100 * one.difference:+.0f})" for one in ranked]
    if failures:
        lines += ["", "Tasks that went wrong without a phrase:"]
        lines += [f"- {' '.join(text.split())[:300]}" for text in failures]
    rules = f"Each has {constraints.least} to {constraints.most} words"
    rules += f", a {constraints.valence} tone" if constraints.valence else ""
    if not constraints.demands:
        rules += ", states something and asks for nothing: no request, no question, no command"
    lines += [
        "",
        f"Write {count} new phrases that may do better: combine what the good ones share, keep "
        f"clear of what the bad ones share, and do not repeat any. {rules}, and does not mention "
        "answers, results, or whether something is right. Write one phrase a line, numbered.",
    ]
    return (Message("user", "\n".join(lines)),)


async def propose(
    say: Say,
    parents: Sequence[Parent],
    *,
    count: int,
    number: int,
    model: str,
    known: Sequence[str] = (),
    failures: Sequence[str] = (),
    constraints: Constraints | None = None,
) -> Generation:
    """Ask a model for phrases until ``count`` are accepted or it was asked three times.

    Args:
        say: asks the model; its second argument is the draw.
        parents: of the generation before; crossed in the prompt.
        count: phrases wanted.
        number: of the generation, from 1.
        model: its name, for the source of the stimuli.
        known: further texts that may not come again.
        failures: tasks that went wrong without a stimulus; never their golds.
        constraints: what a phrase must be.

    Returns:
        The accepted stimuli, fewer than ``count`` where the model did not write enough.
    """
    constraints = constraints or Constraints()
    seen = [*known, *(one.stimulus.text for one in parents)]
    names = "+".join(one.stimulus.name for one in parents)
    accepted: list[Stimulus] = []
    rejected: list[tuple[str, str]] = []
    for draw in range(TRIES):
        missing = count - len(accepted)
        if not missing:
            break
        answer = await say(request(parents, failures, count, constraints), draw)
        for text in read_phrases(answer.text):
            if len(accepted) == count:
                break
            reason = refusal(text, seen, constraints)
            if reason:
                rejected.append((text, reason))
                continue
            seen.append(text)
            accepted.append(
                Stimulus(
                    id=f"G{number}P{len(accepted) + 1}",
                    set="proposed",
                    text=text,
                    sha256=hashlib.sha256(text.encode()).hexdigest(),
                    source=f"written by {model} in generation {number} of a search",
                    valence=constraints.valence or "neutral",
                    of=names,
                )
            )
    return Generation(number, tuple(accepted), tuple(rejected))
