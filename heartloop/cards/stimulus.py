"""Stimulus cards: phrases with an identity, and the syntax that picks them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heartloop.cards._yaml import Table, suggest
from heartloop.cards.find import SUFFIXES, find_card, list_cards, load_root
from heartloop.errors import CardError, UsageError
from heartloop.types import PLACEMENTS, Placement, Stimulus

VALENCES = ("positive", "negative", "critical", "encouraging", "neutral")
DEMANDS = ("none", "verification", "persistence", "format", "format + reasons", "reasoning")
EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
STIMULUS_KINDS = (
    "stimulus",
    "placebo",
    "demand-only",
    "affect-only",
    "shuffled",
    "paraphrase",
    "distractor",
    "neutral",
    "cot",
)
CONTROL_SETS = ("controls", "paraphrases", "neutral-varied")
_ID = re.compile(r"[A-Za-z][\w.-]*")


@dataclass(frozen=True, slots=True)
class StimulusSet:
    """A card of stimuli.

    Attributes:
        name: ``emotionprompt``.
        path: its file; sha256: hash of the file's bytes.
        stimuli: in the card's order; ids are unique.
        title, description, source, licence, url, notes: for people.
        reconstructed: the source did not publish its phrases; these are our own.
        tables: numbers a schedule reads, such as the valence-arousal-dominance points of
            ``heart``: ``{table: {row: [numbers]}}``.
    """

    name: str
    path: Path
    sha256: str
    stimuli: tuple[Stimulus, ...]
    title: str = ""
    description: str = ""
    source: str = ""
    licence: str = ""
    url: str = ""
    notes: str = ""
    reconstructed: bool = False
    tables: Mapping[str, Mapping[str, tuple[float, ...]]] = field(default_factory=dict)

    def get(self, id: str) -> Stimulus:
        """The stimulus of that id.

        Raises:
            UsageError: no such id in this set.
        """
        for stimulus in self.stimuli:
            if stimulus.id == id:
                return stimulus
        hint = suggest(id, self.ids)
        raise UsageError(
            f'no stimulus "{id}" in {self.name}{hint}; `heartloop stimuli show {self.name}` '
            "lists its ids"
        )

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids in the card's order."""
        return tuple(stimulus.id for stimulus in self.stimuli)


def text_sha256(text: str) -> str:
    """Identity of a stimulus text: hex SHA-256 of its UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def load_stimuli(name: str) -> StimulusSet:
    """Load a set of stimuli by name or by the path of its card.

    Raises:
        UsageError: no such card.
        CardError: the card does not validate; names file, line and field.
    """
    ref = find_card("stimuli", name)
    document = load_root("stimuli", ref)
    table = Table(document.root)
    set_name = _declared_name(table, ref.name, ref.origin)
    defaults = table.table("defaults", None)
    shared = _shared(defaults, Stimulus("", set_name, "", "")) if defaults else None
    if defaults:
        defaults.finish()
    stimuli: list[Stimulus] = []
    seen: dict[str, str] = {}
    for row in table.tables("stimuli"):
        stimulus = _stimulus(row, shared or Stimulus("", set_name, "", ""))
        if stimulus.id in seen:
            raise row.error("id", f'"{stimulus.id}" stands twice; give each stimulus its own id')
        seen[stimulus.id] = stimulus.text
        stimuli.append(stimulus)
    if not stimuli:
        raise table.error("stimuli", "is empty; a set needs at least one stimulus")
    result = StimulusSet(
        name=set_name,
        path=ref.path,
        sha256=document.sha256,
        stimuli=tuple(stimuli),
        title=table.string("title", ""),
        description=table.string("description", ""),
        source=table.string("source", ""),
        licence=table.string("licence", ""),
        url=table.string("url", ""),
        notes=table.string("notes", ""),
        reconstructed=table.boolean("reconstructed", False),
        tables=_tables(table),
    )
    table.finish()
    return result


def _declared_name(table: Table, found: str, origin: str) -> str:
    declared: str = table.string("name", found)
    if origin != "file" and declared != found:
        raise table.error(
            "name", f'"{declared}" differs from the file\'s own name "{found}"; make them the same'
        )
    return declared


def _shared(table: Table, base: Stimulus) -> Stimulus:
    """Fields a set's ``defaults`` and each stimulus have in common, laid over ``base``."""
    placement: Placement = table.one_of("placement", PLACEMENTS, base.placement)  # type: ignore[assignment]
    return Stimulus(
        id=base.id,
        set=base.set,
        text=base.text,
        sha256=base.sha256,
        source=table.string("source", base.source),
        theory=table.string("theory", base.theory),
        valence=table.one_of("valence", VALENCES, base.valence),
        demand=table.one_of("demand", DEMANDS, base.demand),
        emotion=table.one_of("emotion", ("", *EMOTIONS), base.emotion),
        joiner=table.string("joiner", base.joiner),
        placement=placement,
        of=table.string("of", base.of),
        kind=table.one_of("kind", STIMULUS_KINDS, base.kind),
        feeling=table.string("feeling", base.feeling),
        intensity=table.integer("intensity", base.intensity, least=0),
    )


def _stimulus(row: Table, base: Stimulus) -> Stimulus:
    id = row.text("id")
    if not _ID.fullmatch(id):
        raise row.error("id", f'"{id}" must be letters, digits, "-", "_" or ".", a letter first')
    text = row.text("text")
    if text != text.strip():
        raise row.error("text", "begins or ends with white space; trim it (use |- for blocks)")
    digest = text_sha256(text)
    pinned = row.string("sha256", digest)
    if pinned != digest:
        raise row.error("sha256", f"the text has {digest}; restore the text or pin the new hash")
    shared = _shared(row, base)
    row.finish()
    return Stimulus(
        **{
            **{name: getattr(shared, name) for name in Stimulus.__dataclass_fields__},
            "id": id,
            "text": text,
            "sha256": digest,
        }
    )


def _tables(table: Table) -> dict[str, dict[str, tuple[float, ...]]]:
    outer = table.table("tables", None)
    result: dict[str, dict[str, tuple[float, ...]]] = {}
    for name in outer.entries if outer else ():
        inner = outer.table(name) if outer else None
        rows: dict[str, tuple[float, ...]] = {}
        for row in inner.entries if inner else ():
            values: Any = inner.raw(row) if inner else None
            if not isinstance(values, list) or not all(
                isinstance(v, (int, float)) and not isinstance(v, bool) for v in values
            ):
                raise inner.error(row, "must be a list of numbers")  # type: ignore[union-attr]
            rows[row] = tuple(float(v) for v in values)
        result[name] = rows
    return result


def own_words(text: str) -> Stimulus:
    """A stimulus of the user's own, as a plain phrase: set ``own``, its id from its first words."""
    words = re.findall(r"[^\W_]+", text.casefold())
    return Stimulus("-".join(words[:4]) or "phrase", "own", text, text_sha256(text))


def _is_phrase(spec: str) -> bool:
    """Whether a spec is words to say and no name: names hold no spaces."""
    parts = re.split(r"[,+]", spec)
    return not spec.endswith(SUFFIXES) and any(len(part.split()) > 1 for part in parts)


def parse_stimuli(spec: str | Sequence[str]) -> list[tuple[Stimulus, ...]]:
    """Read what ``--stimuli`` says: one tuple an arm, in the order written.

    Separated by commas: ``SET`` (an arm for each of its stimuli), ``SET:ID``, a bare ``ID``
    (of the set named just before it, else of the only set that has it), a path to a card file
    (also ``FILE.yaml:ID``), and combinations ``EP02+EP07``, whose parts are joined in one
    prompt. An arm named twice is kept once. A text with spaces in it is a phrase of the user's
    own (``"My job depends on it."``); several specs or phrases may come as a list.

    Raises:
        UsageError: a set or id that does not exist or is ambiguous; suggests the nearest.
        CardError: a card that does not validate.
    """
    if not isinstance(spec, str):
        found_in = [arm for one in spec for arm in parse_stimuli(one)]
        return list(dict.fromkeys(found_in))
    if _is_phrase(spec):
        return [(own_words(spec.strip()),)]
    arms: list[tuple[Stimulus, ...]] = []
    current: StimulusSet | None = None
    for item in (part.strip() for part in spec.split(",")):
        if not item:
            raise UsageError(f'--stimuli "{spec}": an empty entry; remove the extra comma')
        if "+" in item and not item.endswith(SUFFIXES):
            parts: list[Stimulus] = []
            for word in (piece.strip() for piece in item.split("+")):
                stimuli, current = _lookup(word, current)
                if len(stimuli) != 1:
                    raise UsageError(
                        f'--stimuli "{item}": "{word}" is a whole set; a combination joins single '
                        "stimuli, such as EP02+EP07"
                    )
                parts.extend(stimuli)
            found = [tuple(parts)]
        else:
            stimuli, current = _lookup(item, current)
            found = [(stimulus,) for stimulus in stimuli]
        arms.extend(arm for arm in found if arm not in arms)
    return arms


def _lookup(word: str, current: StimulusSet | None) -> tuple[list[Stimulus], StimulusSet]:
    """One word of the syntax → its stimuli, and the set that bare ids refer to from here on."""
    if not word:
        raise UsageError("--stimuli: a combination has an empty part; write it as EP02+EP07")
    if ":" in word:
        set_name, _, id = word.rpartition(":")
        chosen = load_stimuli(set_name)
        return [chosen.get(id)], chosen
    if current is not None and word in current.ids:
        return [current.get(word)], current
    names = [ref.name for ref in list_cards("stimuli")]
    if word in names or word.endswith(SUFFIXES):
        chosen = load_stimuli(word)
        return list(chosen.stimuli), chosen
    return _by_id(word, names)


def _by_id(word: str, names: list[str]) -> tuple[list[Stimulus], StimulusSet]:
    """Find a bare id over all sets."""
    sets: list[StimulusSet] = []
    for name in names:
        try:
            sets.append(load_stimuli(name))
        except CardError:
            continue  # a broken card elsewhere must not stop a lookup that does not need it
    holders = [chosen for chosen in sets if word in chosen.ids]
    if len(holders) == 1:
        return [holders[0].get(word)], holders[0]
    if holders:
        raise UsageError(
            f'stimulus "{word}" stands in {", ".join(h.name for h in holders)}; write '
            f"{holders[0].name}:{word}"
        )
    if word.startswith("chosen-"):
        raise UsageError(
            f'no card "{word}" in stimuli/: a search writes it there where it chose a stimulus; '
            "where its answer was none of them there is none"
        )
    known = [*names, *(id for chosen in sets for id in chosen.ids)]
    raise UsageError(
        f'unknown stimulus or set "{word}"{suggest(word, known)}; '
        "`heartloop stimuli list` shows all"
    )


def controls_of(
    stimulus: Stimulus, kind: str, sets: Iterable[str] = CONTROL_SETS
) -> list[Stimulus]:
    """The stimuli that control for another one, or reword it.

    Args:
        stimulus: the published or own stimulus, or a HEART cue.
        kind: ``placebo``, ``demand-only``, ``affect-only``, ``shuffled``, ``paraphrase``,
            ``distractor`` or ``neutral``.
        sets: cards to look in; a stimulus's own set is looked through as well.

    Returns:
        Those whose ``of`` names the stimulus, in card order; empty where there are none.
    """
    names = list(dict.fromkeys([*sets, stimulus.set]))
    found: list[Stimulus] = []
    for name in names:
        try:
            chosen = load_stimuli(name)
        except CardError:
            raise
        except UsageError:
            continue  # the stimulus came from a file outside of the workspace
        found += [one for one in chosen.stimuli if one.of == stimulus.name and one.kind == kind]
    return found
