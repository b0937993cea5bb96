"""Put a stimulus into a DSPy program, and take it off again: through signature instructions.

The instructions are the one place that a stimulus survives in: save and load, deep copies,
`BestOfN` and `Refine`, and the second try in JSON after a chat answer that did not parse. What was
added is remembered in the predictor's ``train`` list, which DSPy saves and never reads, because
attributes of our own would be lost in a JSON file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

import dspy

from heartloop.cards import parse_stimuli
from heartloop.errors import UsageError
from heartloop.methods.prompt import join, phrase
from heartloop.types import Placement, Stimulus

P = TypeVar("P", bound=dspy.Module)
KEY = "heartloop"
PLACES = ("after_instruction", "before", "system")


@dataclass(frozen=True, slots=True)
class Worn:
    """What a predictor carries.

    Attributes:
        names: of the stimuli, ``emotionprompt:EP02``.
        text: the words as they stand in the instructions.
        placement: where they stand.
        before: the instructions without them.
        after: the instructions with them.
    """

    names: tuple[str, ...]
    text: str
    placement: Placement
    before: str
    after: str

    @property
    def said(self) -> str:
        """The words as they stand in ``after``: a joiner with a comma makes them small."""
        size = len(self.text)
        return self.after[:size] if self.placement == "before" else self.after[-size:]


def resolve(stimulus: str | Stimulus | Sequence[Stimulus]) -> tuple[Stimulus, ...]:
    """The stimuli a name, a combination ``EP02+EP07`` or a value stands for.

    Raises:
        UsageError: unknown, or several arms where one is wanted.
    """
    if isinstance(stimulus, Stimulus):
        return (stimulus,)
    if not isinstance(stimulus, str):
        return tuple(stimulus)
    arms = parse_stimuli(stimulus)
    if len(arms) != 1:
        raise UsageError(
            f"stimulus {stimulus!r}: {len(arms)} of them; name one, or join several as EP02+EP07"
        )
    return arms[0]


def with_stimulus(
    program: P,
    stimulus: str | Stimulus | Sequence[Stimulus],
    *,
    placement: Placement | None = None,
    predictors: Sequence[str] | None = None,
) -> P:
    """A copy of a program whose prompts carry a stimulus.

    DSPy's adapters put the instructions into the system message, so ``after_instruction`` and
    ``system`` are the same place, behind them; ``before`` is in front of them. A stimulus the
    program carries already is replaced.

    Args:
        program: any module; it is not changed.
        stimulus: a name (``emotionprompt:EP02``, ``EP02+EP07``), words of your own ("My job
            depends on it."), a card file with an id (``mine.yaml:A1``) or stimuli.
        placement: where it goes; None takes the card's own.
        predictors: names as in ``named_predictors()``; None for all.

    Returns:
        The copy, of the same type.

    Raises:
        UsageError: an unknown stimulus, placement or predictor.
    """
    stimuli = resolve(stimulus)
    if not stimuli:
        raise UsageError("stimulus: empty; use without_stimulus to take one off")
    place = placement or stimuli[0].placement
    if place not in PLACES:
        raise UsageError(
            f"placement {place!r}: a DSPy signature has no such place; use {', '.join(PLACES)}"
        )
    copy = without_stimulus(program)
    named = dict(copy.named_predictors())
    for name in predictors if predictors is not None else named:
        if name not in named:
            raise UsageError(f"predictor {name!r}: the program has {', '.join(named) or 'none'}")
        _wear(named[name], stimuli, place)
    return copy


def _wear(predictor: Any, stimuli: Sequence[Stimulus], place: Placement) -> None:
    before = predictor.signature.instructions
    words = phrase(stimuli)
    after = (
        join(words, " ", before) if place == "before" else join(before, stimuli[0].joiner, words)
    )
    put(predictor, Worn(tuple(s.name for s in stimuli), words, place, before, after))


def put(predictor: Any, worn: Worn) -> None:
    """Write instructions and record of a stimulus into a predictor."""
    predictor.signature = predictor.signature.with_instructions(worn.after)
    _note(predictor, "stimulus", {**asdict(worn), "names": list(worn.names)})


def without_stimulus(program: P, stimulus: str | Stimulus | Sequence[Stimulus] | None = None) -> P:
    """A copy of a program without its stimulus.

    Args:
        program: any module; it is not changed.
        stimulus: words to take off where no record of them is left (an optimiser that resets
            predictors drops the record).

    Returns:
        The copy, of the same type. Where the instructions are as `with_stimulus` left them they
        are as they were before; where an optimiser rewrote them, the words alone are cut out.
    """
    copy = program.deepcopy()
    words = phrase(resolve(stimulus)) if stimulus is not None else ""
    for _, predictor in copy.named_predictors():
        worn = worn_by(predictor)
        now = predictor.signature.instructions
        if worn is not None:
            bare = worn.before if now == worn.after else _cut(now, worn.said)
            predictor.train = [note for note in predictor.train if not _ours(note, "stimulus")]
        else:
            bare = _cut(now, words) if words else now
        if bare != now:
            predictor.signature = predictor.signature.with_instructions(bare)
    return copy


def _cut(instructions: str, words: str) -> str:
    """Instructions without some words, and without the white space that joined them."""
    place = instructions.find(words)
    if place < 0:
        return instructions
    head, tail = instructions[:place], instructions[place + len(words) :]
    return f"{head.rstrip()} {tail.lstrip()}".strip() if tail.strip() else head.rstrip()


def worn_by(predictor: Any) -> Worn | None:
    """What a predictor carries by its record, or None."""
    for note in getattr(predictor, "train", None) or []:
        if _ours(note, "stimulus"):
            value = note[KEY]["stimulus"]
            return Worn(**{**value, "names": tuple(value["names"])})
    return None


def stimulus_of(program: dspy.Module) -> dict[str, Worn]:
    """What the predictors of a program carry, by predictor name; loaded programs included.

    A predictor whose instructions were rewritten without the words carries nothing any more.
    """
    found = {}
    for name, predictor in program.named_predictors():
        worn = worn_by(predictor)
        if worn is not None and worn.said in predictor.signature.instructions:
            found[name] = worn
    return found


def _ours(note: Any, kind: str) -> bool:
    return isinstance(note, dict) and kind in (note.get(KEY) or {})


def _note(predictor: Any, kind: str, value: Any) -> None:
    kept = [note for note in predictor.train if not _ours(note, kind)]
    predictor.train = [*kept, {KEY: {kind: value}}]


def remember(program: dspy.Module, kind: str, value: Any) -> None:
    """Keep plain data with a program so that it survives save and load."""
    for _, predictor in program.named_predictors():
        _note(predictor, kind, value)
        return


def recall(program: dspy.Module, kind: str) -> Any:
    """What `remember` kept, or None."""
    for _, predictor in program.named_predictors():
        for note in getattr(predictor, "train", None) or []:
            if _ours(note, kind):
                return note[KEY][kind]
    return None


def compile_with_stimulus(
    optimizer: Any,
    student: P,
    *,
    keep: Literal["reapply", "frozen"] = "reapply",
    **arguments: Any,
) -> P:
    """Compile a program that carries a stimulus, and keep the stimulus.

    Args:
        optimizer: any DSPy teleprompter.
        student: a program from `with_stimulus`; without a stimulus it is compiled as it is.
        keep: ``reapply``: the optimiser works on the program without the stimulus, whose words
            are put on what it returns, so it can neither reword nor exploit them; ``frozen``: it
            works with the stimulus in place, and afterwards the instructions are what they were,
            words included (demonstrations it chose stay).
        **arguments: for ``optimizer.compile``.

    Returns:
        What the optimiser returns, with the stimulus.

    Raises:
        UsageError: ``keep`` is neither.
    """
    if keep not in ("reapply", "frozen"):
        raise UsageError(f"keep {keep!r}: use reapply or frozen")
    worn = stimulus_of(student)
    start: P = without_stimulus(student) if keep == "reapply" else student
    compiled: P = optimizer.compile(start, **arguments)
    for name, predictor in compiled.named_predictors():
        if name not in worn:
            continue
        one = worn[name]
        if keep == "reapply":
            now = predictor.signature.instructions
            one = _again(one, now)
        put(predictor, one)
    return compiled


def _again(worn: Worn, instructions: str) -> Worn:
    """The same stimulus on other instructions, joined as it was."""
    if worn.placement == "before":
        after = join(worn.text, " ", instructions)
    else:
        joiner = worn.after[len(worn.before.rstrip(".")) : len(worn.after) - len(worn.text)]
        after = join(instructions, "," if "," in joiner else " ", worn.text)
    return Worn(worn.names, worn.text, worn.placement, instructions, after)
