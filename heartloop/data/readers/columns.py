"""Which column of a table holds what: by the card, by its name, or by the shape of a group."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from heartloop.cards.task import TaskCard
from heartloop.data.readers.frames import settle_frames
from heartloop.data.rows import Row

# Roles, and the names under which public data sets have them, in order of preference.
NAMES: dict[str, tuple[str, ...]] = {
    "question": (
        "question", "prompt", "problem", "query", "question_stem", "ctx", "input", "instruction",
    ),
    "answer": (
        "answer", "answers", "answerkey", "answers_spans", "correct_answer", "correct_answers",
        "correct_option", "correct_choice", "correct", "target", "expected", "label", "gold",
        "ground_truth", "reference", "output", "best_answer", "solution",
    ),
    "choices": ("choices", "options", "endings"),
    "context": ("context", "passage", "paragraph"),
    "messages": ("messages", "conversations"),
    "system": ("system",),
    "id": ("id",),
    "cluster": ("cluster",),
    "demo": ("demo",),
    "frame": ("frame",),
    "item": ("item",),
}  # fmt: skip
_OPTION = re.compile(r"(|options?|opt|op|choices?|answer|ending|alternative|sol)_?([a-z]|\d\d?)")
_WRONG = re.compile(r"(distractor|wrong|incorrect)(_?answer|_?option)?_?([a-z]|\d\d?)?")
_TASK_AND_INPUT = ("input", "instruction")
_LABEL = 3  # words; a longer context is something to read
_PICTURE = re.compile(
    r"(image|img|picture|photo|figure|screenshot|audio|video)s?(_?(path|url|file|bytes|id))?_?\d*"
)


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of a table are.

    Attributes:
        fields: role → column; a role without a column is absent.
        options: columns that hold a choice each, in order.
        wrong: columns that hold wrong choices; the right one is the answer.
        first: the number in the name of the first option column, or None.
        notes: columns that were taken by another name than their role's.
    """

    fields: Mapping[str, str]
    options: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    first: int | None = None
    notes: tuple[str, ...] = ()

    def unused(self, card: TaskCard, rows: Sequence[Row], slots: Iterable[str]) -> list[str]:
        """Columns that reach neither prompt nor grading nor analysis."""
        options = card.options
        used = {*self.fields.values(), *self.options, *self.wrong, *slots}
        used |= {*(options.get("meta") or ()), *(options.get("where") or {})}
        return [name for name in names_of(rows) if name not in used]

    def further(self, rows: Sequence[Row]) -> tuple[str, ...]:
        """Columns that are neither question, answer nor choices."""
        roles = ("question", "instruction", "answer", "choices", "messages", "demo")
        used = {self.fields.get(role) for role in roles} | {*self.options, *self.wrong}
        return tuple(name for name in names_of(rows) if name not in used)


def fold(name: str) -> str:
    """A column's name without case, blanks and hyphens."""
    return re.sub(r"[\s-]+", "_", name.strip().casefold())


def names_of(rows: Sequence[Row]) -> list[str]:
    """All columns, in the order in which they come up."""
    return list(dict.fromkeys(name for row in rows for name in row.data))


def find_columns(card: TaskCard, rows: Sequence[Row], named: Mapping[str, str]) -> Columns:
    """What the columns are.

    Args:
        card: the task; its ``options.distractors`` name the columns of wrong choices.
        rows: the table's rows.
        named: role → column, as card and hub say it; these are taken at their word.

    Raises:
        DataError: no column for question or answer, or pictures.
    """
    known = names_of(rows)
    folded = {fold(name): name for name in reversed(known)}
    fields = dict(named)
    notes = []
    for role, names in NAMES.items():
        if role in fields:
            continue
        found = next((folded[name] for name in names if name in folded), None)
        if found is None:
            continue
        fields[role] = found
        if fold(found) != role and role in ("question", "answer"):
            notes.append(f"{role} from column {found}")
    if fields.get("question") in _TASK_AND_INPUT and "question" not in named:
        task, text = (folded.get(name, "") for name in _TASK_AND_INPUT[::-1])
        if task and text:  # the instruction of each row and what it is about
            fields |= {"instruction": task, "question": text}
            notes = [n for n in notes if not n.startswith("question ")]
            notes.append(f"question from columns {task} and {text}")
    if "context" in fields and "context" not in named:
        cells = [str(row.data.get(fields["context"]) or "") for row in rows]
        asked = card.family == "custom" and not card.prompt.own
        if asked and any(len(cell.split()) > _LABEL for cell in cells):
            notes.append(f"{fields['context']} stands above its question")
        else:
            del fields["context"]  # a label, or the card says what is asked
    if "messages" in fields and "question" in fields and "question" not in named:
        del fields["messages"]  # a column of turns beside a question is named as not used
    fields = settle_frames(card, rows, fields)
    wrong = tuple(card.options.get("distractors") or ())
    options: tuple[str, ...] = ()
    first = None
    if not wrong and "choices" not in fields:
        taken = set(fields.values())
        wrong = tuple(n for n in known if n not in taken and _WRONG.fullmatch(fold(n)))
        if not wrong:
            options, first = _options([n for n in known if n not in taken])
    _check(rows, fields)
    if card.family == "custom":
        _no_pictures(card, rows, set(fields.values()))
    return Columns(fields, options, wrong, first, tuple(notes))


def _options(names: Sequence[str]) -> tuple[tuple[str, ...], int | None]:
    """The longest group of columns A, B, C … or option1, option2 … there is."""
    groups: dict[tuple[str, bool], dict[int, str]] = {}
    for name in names:
        found = _OPTION.fullmatch(fold(name))
        if found is None or not (found[1] or found[2].isalpha()):
            continue
        digits = found[2].isdigit()
        place = int(found[2]) if digits else ord(found[2]) - ord("a")
        groups.setdefault((found[1], digits), {})[place] = name
    best: list[tuple[int, str]] = []
    for (_, digits), group in groups.items():
        places = sorted(group.items())
        start = places[0][0]
        together = [place for place, _ in places] == list(range(start, start + len(places)))
        if together and start in ((0, 1) if digits else (0,)) and len(places) > max(1, len(best)):
            best = places if digits else [(-1, name) for _, name in places]
    if not best:
        return (), None
    return tuple(name for _, name in best), best[0][0] if best[0][0] >= 0 else None


def _check(rows: Sequence[Row], fields: Mapping[str, str]) -> None:
    chat = "messages" in fields
    for role in ("question", "answer"):
        if role in fields or chat:
            continue
        shown = ", ".join(str(name) for name in list(rows[0].data)[:8]) or "nothing"
        first = "" if fields else "; does the first line name the columns?"
        raise rows[0].error(
            role,
            f"is missing; the row has {shown}{first}; rename the column, or name it in a card: "
            f"`fields: {{{role}: COLUMN}}`",
        )


def _no_pictures(card: TaskCard, rows: Sequence[Row], used: set[str]) -> None:
    kept = card.options.get("where") or {}
    for name in names_of(rows):
        if name in used or name in kept or not _PICTURE.fullmatch(fold(name)):
            continue
        row = next((row for row in rows if row.data.get(name)), None)
        if row is not None:
            raise row.error(
                name,
                "holds a picture, sound or film, which heartloop cannot send: the question would "
                f"be asked without it; drop the column, or keep the rows without one by a card "
                f"with `options: {{where: {{{name}: ''}}}}`",
            )
