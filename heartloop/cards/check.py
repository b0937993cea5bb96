"""Checking a card beyond its syntax: what it refers to, and whether its controls control."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from heartloop.cards._yaml import shown
from heartloop.cards.find import Kind, find_card
from heartloop.cards.stimulus import StimulusSet, load_stimuli
from heartloop.cards.task import load_task
from heartloop.cards.verifier import VerifierCard, load_verifier
from heartloop.cards.wording import affect_words, demands, length_gap, verdicts
from heartloop.errors import CardError, UsageError
from heartloop.types import Stimulus

MATCH = 0.15  # a control's words and characters lie within 15 % of its original's
CUE_WORDS = (5, 25)  # length of a HEART cue in words


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in one card.

    Attributes:
        name: the card's name; file: its path as printed.
        errors: it cannot be used. warnings: it can, but something it claims is doubtful.
    """

    name: str
    file: str
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the card can be used."""
        return not self.errors


def check_card(
    kind: Kind, name: str, *, steps: Callable[[VerifierCard], None] | None = None
) -> Checked:
    """Check a card by name or path, its members, and the cards it refers to.

    Args:
        kind: ``stimuli``, ``tasks`` or ``verifiers``.
        name: name or path.
        steps: raises UsageError where a verifier card names an extractor that does not exist;
            the extractors live on a floor above this one.

    Raises:
        UsageError: there is no such card.
    """
    try:
        ref = find_card(kind, name)
    except CardError as error:
        return Checked(name, name, (str(error),))
    errors: list[str] = []
    warnings: list[str] = []
    try:
        if kind == "stimuli":
            chosen = load_stimuli(name)
            for stimulus in chosen.stimuli:
                warnings += [f"{stimulus.id}: {line}" for line in _doubts(stimulus, chosen)]
        elif kind == "verifiers":
            verifier = load_verifier(name)
            if steps is not None:
                steps(verifier)
        else:
            errors += _task_errors(name)
    except UsageError as error:
        errors.append(str(error))
    return Checked(ref.name, shown(ref.path), tuple(errors), tuple(warnings))


def _task_errors(name: str) -> list[str]:
    """What is wrong with a task or the members of a suite; the same fault once, with a count."""
    card = load_task(name)
    faults: dict[str, list[str]] = {}
    for member in card.members or (name,):
        try:
            one = load_task(member)
            if one.verifier != "auto":  # auto: chosen from the rows
                load_verifier(one.verifier)
        except CardError as error:
            faults.setdefault(str(error), []).append(member)
        except UsageError as error:
            faults.setdefault(f"{shown(card.path)}: verifier: {error}", []).append(member)
    return [
        error if len(members) == 1 else f"{error} ({len(members)} members, first {members[0]})"
        for error, members in faults.items()
    ]


def _doubts(stimulus: Stimulus, card: StimulusSet) -> Iterator[str]:
    """Claims of a stimulus that its own words do not bear out."""
    text = stimulus.text
    original = _original(stimulus, card)
    if stimulus.of and original is None:
        yield f'of: there is no stimulus "{stimulus.of}"'
    if original is not None and stimulus.kind in ("placebo", "distractor", "affect-only"):
        gap = length_gap(text, original.text)
        if gap > MATCH:
            yield f"length differs from {original.name} by {gap:.0%} (at most {MATCH:.0%})"
    allowed = set(affect_words(original.text)) if original is not None else set()
    if stimulus.kind in ("placebo", "distractor", "neutral"):
        yield from _found("words of feeling", affect_words(text))
    elif stimulus.kind == "demand-only":
        yield from _found("words of feeling", [w for w in affect_words(text) if w not in allowed])
    asked = demands(text)
    if stimulus.kind in ("placebo", "distractor") and original and "?" in original.text:
        asked = [sign for sign in asked if sign != "?"]  # a question is matched by a question
    if stimulus.kind in ("placebo", "distractor", "neutral", "affect-only") or stimulus.emotion:
        yield from _found("a demand", asked)
    if stimulus.kind in ("placebo", "neutral") or stimulus.emotion:
        yield from _found("a verdict on the answer", verdicts(text))
    if stimulus.emotion:
        count = len(text.split())
        if not CUE_WORDS[0] <= count <= CUE_WORDS[1]:
            yield f"{count} words; a cue has {CUE_WORDS[0]} to {CUE_WORDS[1]}"


def _found(what: str, signs: list[str]) -> Iterator[str]:
    if signs:
        yield f"may hold {what}: {', '.join(signs)}"


def _original(stimulus: Stimulus, card: StimulusSet) -> Stimulus | None:
    set_name, _, id = stimulus.of.rpartition(":")
    if not set_name:
        return None
    try:
        return (card if set_name == card.name else load_stimuli(set_name)).get(id)
    except UsageError:
        return None
