"""Verifier cards: how an answer is taken out of a text and judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heartloop.cards._yaml import Field, Table, error_at
from heartloop.cards.find import find_card, load_root

VERIFIER_KINDS = (
    "math",
    "choice",
    "choice_text",
    "choice_loglik",
    "exact",
    "set",
    "f1",
    "contains",
    "label",
    "text",
    "regex",
    "numeric_range",
    "ii_exact",
    "ii_f1",
    "ii_set",
    "ii_contains",
    "ii_negativeprompt",
    "mood",
    "patterns",
    "judge",
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an extraction chain: the first step that finds an answer gives it.

    In a card a step is a word (``boxed``) or a word with its argument
    (``{after: "answer is"}``, ``{regex: {pattern: "...", group: 1}}``).

    Attributes:
        name: the extractor's name.
        value: its argument as plain data, or None.
    """

    name: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class VerifierCard:
    """How answers are judged.

    Attributes:
        name, path, sha256: as for every card.
        kind: which comparator of ``heartloop.grading`` decides.
        strict: the extraction chain of the own metric; ``content`` as a step hands the content
            reader's answer to it.
        content: name of the content reader; empty for that of the kind.
        form: a chain that finds the answer only in the form that was asked for; empty where the
            own metric is the measure of form.
        published: the own metric is a published rule that accepts some wrong answers, so content
            is always read apart from it.
        params: for the comparator; a task's and a question's own params are laid over them.
        judge: for ``kind: judge``: prompt, labels, votes and whatever the judge needs.
    """

    name: str
    path: Path
    sha256: str
    kind: str
    title: str = ""
    description: str = ""
    source: str = ""
    strict: tuple[Step, ...] = ()
    content: str = ""
    form: tuple[Step, ...] = ()
    published: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)
    judge: Mapping[str, Any] = field(default_factory=dict)
    notes: str = ""


def load_verifier(name: str) -> VerifierCard:
    """Load a verifier by name or by the path of its card.

    Raises:
        UsageError: no such card.
        CardError: the card does not validate; names file, line and field.
    """
    ref = find_card("verifiers", name)
    document = load_root("verifiers", ref)
    table = Table(document.root)
    declared: str = table.string("name", ref.name)
    if ref.origin != "file" and declared != ref.name:
        raise table.error("name", f'"{declared}" differs from "{ref.name}"; make them the same')
    extract = table.table("extract", None)
    if extract is not None and "lenient" in extract:
        raise extract.error(
            "lenient", "is replaced by `content: READER` beside `kind`; take this line out"
        )
    card = VerifierCard(
        name=declared,
        path=ref.path,
        sha256=document.sha256,
        kind=table.one_of("kind", VERIFIER_KINDS),
        title=table.string("title", ""),
        description=table.string("description", ""),
        source=table.string("source", ""),
        strict=_steps(extract, "strict"),
        content=table.string("content", ""),
        form=_steps(extract, "form"),
        published=table.boolean("published", False),
        params=table.mapping("params", {}),
        judge=table.mapping("judge", {}),
        notes=table.string("notes", ""),
    )
    if extract:
        extract.finish()
    table.finish()
    return card


def _steps(extract: Table | None, name: str) -> tuple[Step, ...]:
    if extract is None:
        return ()
    return tuple(_step(label, item) for label, item in extract.fields(name, ()))


def _step(label: str, item: Field) -> Step:
    value = item.value
    if isinstance(value, str):
        return Step(value)
    if isinstance(value, dict) and len(value) == 1:
        ((name, argument),) = value.items()
        return Step(name, argument.plain())
    raise error_at(item, label, "a step is a word or one `word: argument`")
