"""The first prompt of a question: its parts, and where a stimulus goes among them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial

from heartloop.types import Message, Placement, Question, Stimulus

_ANSWER_PREFIX = re.compile(r"\n[^\n]{1,24}:[ \t]*\Z")


OLDER_COMMA = "\b, "
"""The comma of runs from before the claim block: it took the place of a full stop."""


def join(text: str, joiner: str, addition: str) -> str:
    """Put ``addition`` after ``text`` so that the two never run together.

    The joiner stands as it is, behind whatever mark ends the text. After a comma the addition goes
    on in lower case, as EP01 does in its paper ("…is positive or negative., write your answer…").
    A joiner without white space gets a space behind it.
    """
    if not text or not addition:
        return text or addition
    if joiner == OLDER_COMMA:
        if text[-1] in ".?!:;,":
            return text[:-1] + ", " + addition if text[-1] == "." else f"{text} {addition}"
        return f"{text}, {addition}"
    if joiner.strip() == ",":
        addition = _lower_first(addition)
    if not joiner[-1:].isspace() and not (not joiner and text[-1].isspace()):
        joiner += " "
    return text + joiner + addition


def _lower_first(text: str) -> str:
    """The first letter in lower case, but for "I" and words in capitals."""
    word = re.split(r"[\s\W]", text, maxsplit=1)[0]
    return text if word == "I" or word[1:2].isupper() else text[0].lower() + text[1:]


def phrase(stimuli: Sequence[Stimulus]) -> str:
    """The stimuli as one text, each joined to the one before it by its own joiner."""
    text = ""
    for stimulus in stimuli:
        text = join(text, stimulus.joiner, stimulus.text)
    return text


def render(
    question: Question,
    stimuli: Sequence[Stimulus] = (),
    placement: Placement = "after_instruction",
    *,
    notes: Sequence[str] = (),
) -> tuple[Message, ...]:
    """The messages of round 0: system, history, and one user message of the question's parts.

    Demonstrations stand in that message, or (``question.shots_as`` is ``turns``) in front of it as
    pairs of a user's and an assistant's turn, before the question's own history; the instruction
    and its stimulus then open the first of them and are not repeated.

    The parts are instruction, demonstrations, input and answer format, those that are not empty
    joined by ``question.separator``. A stimulus goes

    - ``after_instruction``: behind the instruction, before the demonstrations (the published
      placement). Without an instruction it stands in the instruction's place, as a part of its
      own: behind the input it could follow a bare ``A:`` and be read as the answer.
    - ``after_input``: behind the input, before the answer format; a last line of the input that
      is a bare prefix of the answer (``A:``) stays last.
    - ``before``: in front of everything, a space before the instruction.
    - ``system``: behind the task's system message, or as the system message.

    Args:
        question: what is asked.
        stimuli: the arm's phrases, in order; none leaves the prompt as the task has it.
        placement: where they go.
        notes: further paragraphs of a method's own (`cot`, `knowledge`), after the input.
    """
    words = phrase(stimuli)
    joiner = stimuli[0].joiner if stimuli else " "
    instruction, body, system = question.instruction, question.input, question.system or ""
    if words and placement == "before":
        instruction = join(words, " ", instruction)
    elif words and placement == "after_instruction":
        instruction = join(instruction, joiner, words)
    elif words and placement == "after_input":
        body = _before_prefix(body, lambda text: join(text, joiner, words))
    elif words:
        system = join(system, joiner, words)
    for note in notes:
        body = _before_prefix(body, partial(_paragraph, addition=note))
    head = (Message("system", system),) if system else ()
    turns: list[Message] = []
    shown = tuple(demo.text for demo in question.demos)
    if question.shots_as == "turns":
        for demo in question.demos:
            asked = _message(question, instruction, demo.input)
            turns += [asked, Message("assistant", demo.output)]
            instruction = ""
        shown = ()
    return (*head, *turns, *question.history, _message(question, instruction, *shown, body))


def _message(question: Question, *parts: str) -> Message:
    """A user's turn; a task's own leading line breaks go where nothing stands before them."""
    content = question.separator.join(part for part in (*parts, question.answer_format) if part)
    return Message("user", content if parts[0] or not question.demos else content.lstrip("\n"))


def append_to_last(messages: tuple[Message, ...], text: str) -> tuple[Message, ...]:
    """The same conversation with a further paragraph at the end of its last message."""
    last = messages[-1]
    return (*messages[:-1], Message(last.role, _paragraph(last.content, text)))


def _paragraph(text: str, addition: str) -> str:
    return f"{text}\n\n{addition}" if text else addition


def _before_prefix(body: str, change: Callable[[str], str]) -> str:
    """Change a text in front of its last line where that line only announces the answer."""
    found = _ANSWER_PREFIX.search(body)
    if found is None or found.start() == 0:
        return change(body)
    return change(body[: found.start()]) + body[found.start() :]
