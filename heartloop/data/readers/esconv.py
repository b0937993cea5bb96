"""ESConv, emotional support conversations: survey and context in, the next strategy out.

Source: Liu et al., ACL 2021 (arXiv 2106.01144); the task after Kang et al., ACL 2024 (arXiv
2402.13211). Prompts are heartloop's own words; the procedure is in ``esconv_build``.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

from heartloop.analysis.preference import LABELS, STAGES
from heartloop.cards.task import TaskCard
from heartloop.data.items import Item, ItemSet, Raw
from heartloop.data.readers.esconv_build import (
    OTHERS,
    PROCEDURE,
    Conversation,
    Post,
    Slice,
    build,
    normal_label,
    set_hash,
)
from heartloop.data.rows import Row, read_rows
from heartloop.errors import CardError
from heartloop.types import Demo, Gold, Question

FORMS = ("label", "utterance", "json")
_SPEAKERS = {"seeker": True, "usr": True, "user": True, "supporter": False, "sys": False}
_KNOWN = (
    "stage", "form", "show_strategies", "context", "after_seeker", "others", "seed",
    "demonstrations", "mode", "private", "shots", "shots_as",
)  # fmt: skip


def read(card: TaskCard, raw: Raw, shots: int = 0) -> ItemSet:
    """Questions and golds of one stage's set.

    ``options``: ``stage``; ``form`` (``label``, ``utterance``: strategy and utterance, ``json``:
    both as JSON); ``show_strategies`` (of the supporter's turns in the context); ``context``
    ``[least, most]`` turns; ``after_seeker``; ``others`` (largest share); ``seed``;
    ``demonstrations`` (``random``, or ``balanced``: the strategies in turn). Gold params:
    ``utterance``, what the supporter really said. Demonstrations come from spare conversations.

    Raises:
        CardError: an option that does not exist.
        DataError: a row lacks a field or holds a wrong one; names the line and the field.
    """
    options = card.options
    for name in options:
        if name not in _KNOWN:
            raise CardError(f"{card.path}: options.{name}: unknown; known: {', '.join(_KNOWN)}")
    stage = _one_of(card, "stage", tuple(STAGES), "")
    form = _one_of(card, "form", FORMS, "label")
    demonstrations = _one_of(card, "demonstrations", ("random", "balanced"), "random")
    path = raw.path(0)
    rows = read_rows(path, card.source.format) if path is not None else list(raw.rows or ())
    rows, split_note = _authors_split(rows)
    seed = int(options.get("seed", 0))
    built = build(
        [_conversation(row) for row in rows],
        seed=seed,
        context=_context(card),
        others=float(options.get("others", 0.05)),
        after_seeker=bool(options.get("after_seeker", True)),
    )
    chosen = built.sets[stage]
    items = [_item(card, found, i, form) for i, found in enumerate(chosen)]
    pool = [_item(card, found, i, form) for i, found in enumerate(built.spare)]
    counts = Counter(found.label for found in chosen)
    note = (
        f"built from {len(rows)} conversations by procedure {PROCEDURE}, seed {seed}: "
        f"{len(chosen)} turns of {len({s.conversation.id for s in chosen})} conversations, "
        f"{counts[OTHERS]} of them Others ({built.dropped[stage]} dropped); "
        f"sha256 of the set {set_hash(chosen)}"
    )
    return ItemSet(
        items, lambda: pool, notes=(*split_note, note), balanced=demonstrations == "balanced"
    )


def _one_of(card: TaskCard, name: str, allowed: tuple[str, ...], default: str) -> str:
    value = card.options.get(name, default)
    if value not in allowed:
        raise CardError(
            f"{card.path}: options.{name}: {value!r} is none of {', '.join(allowed)}; choose one"
        )
    return str(value)


def _context(card: TaskCard) -> tuple[int, int]:
    value = card.options.get("context", (5, 15))
    good = isinstance(value, (list, tuple)) and len(value) == 2
    if not good or not all(isinstance(v, int) for v in value) or not 1 <= value[0] <= value[1]:
        raise CardError(f"{card.path}: options.context: {value!r}: give [least, most] turns")
    return int(value[0]), int(value[1])


def _authors_split(rows: list[Row]) -> tuple[list[Row], tuple[str, ...]]:
    """Validation and test conversations of the file that the authors publish (``ESConv.json``).

    Their own preparation shuffles the whole file with Python's generator seeded 13 and takes the
    first 15 % as validation, the next 15 % as test set: 195 and 195 of 1,300. A file that names
    its splits, or holds no more than those 390, is taken as it stands.
    """
    if len(rows) <= 390 or "annotation" not in str(rows[0].data.get("dialog")):
        return rows, ()
    if any("split" in row.data for row in rows):
        return rows, ()
    order = list(range(len(rows)))
    random.Random(13).shuffle(order)
    part = int(0.15 * len(rows))
    chosen = [
        Row({**rows[place].data, "split": split, "index": i}, rows[place].where, i)
        for split, start in (("valid", 0), ("test", part))
        for i, place in enumerate(order[start : start + part])
    ]
    note = f"the authors' file of {len(rows)} conversations: their seed-13 split, valid and test"
    return chosen, (note,)


def _conversation(row: Row) -> Conversation:
    data = dict(row.data)
    if "dialog" not in data and isinstance(data.get("text"), str):
        try:  # the hub release keeps a conversation as JSON in one text column
            data = json.loads(data["text"])
        except ValueError as error:
            raise row.error("text", f"is no JSON conversation ({error})") from error
        row = Row(data, row.where, row.number)
    dialog = data.get("dialog")
    if not isinstance(dialog, list) or not dialog:
        raise row.error("dialog", "must be a list of turns with speaker and text")
    posts = tuple(_post(row, i, turn) for i, turn in enumerate(dialog))
    # The hub's validation and test splits, read one behind the other, are the same 390.
    split, index = ("valid", row.number) if row.number < 195 else ("test", row.number - 195)
    name = f"{row.text('split', split)}-{int(row.text('index', index)):03d}"
    survey = (row.text(field, "") for field in ("emotion_type", "problem_type", "situation"))
    emotion, problem, situation = (" ".join(text.split()) for text in survey)
    return Conversation(name, emotion, problem, situation, posts)


def _post(row: Row, place: int, turn: Any) -> Post:
    where = f"dialog[{place}]"
    if not isinstance(turn, dict):
        raise row.error(where, "must be an object with speaker and text")
    speaker = turn.get("speaker")
    if speaker not in _SPEAKERS:
        raise row.error(f"{where}.speaker", f"{speaker!r}: expected seeker or supporter")
    text = turn.get("text", turn.get("content"))
    if not isinstance(text, str):
        raise row.error(f"{where}.text", "is missing; a turn needs its words")
    if _SPEAKERS[speaker]:
        return Post(True, " ".join(text.split()))
    marks = turn.get("annotation")
    named = str(turn.get("strategy") or (marks or {}).get("strategy") or "")
    strategy = normal_label(named)
    if strategy is None:
        raise row.error(
            f"{where}.strategy", f"{named!r} is no strategy; expected one of {', '.join(LABELS)}"
        )
    return Post(False, " ".join(text.split()), strategy)


def _item(card: TaskCard, found: Slice, index: int, form: str) -> Item:
    talk = found.conversation
    shown = card.options.get("show_strategies", True)
    lines = []
    for post in talk.posts[found.start : found.place]:
        mark = f"[{post.strategy}] " if shown and not post.seeker else ""
        lines.append(f"{'Seeker' if post.seeker else 'Supporter'}: {mark}{post.text}")
    survey = f"Emotion: {talk.emotion}\nProblem: {talk.problem}\nSituation: {talk.situation}"
    text = f"{survey}\n\nConversation so far:\n" + "\n".join(lines)
    said = talk.posts[found.place].text
    question = Question(
        id=found.id,
        task=card.name,
        index=index,
        instruction=card.prompt.instruction,
        input=text,
        answer_format=card.prompt.answer_format,
        separator=card.prompt.separator,
        system=card.prompt.system,
        choices=LABELS,
        cluster=talk.id,
        meta={"raw_input": text, "row": found.id, "turns": found.place - found.start},
    )
    answer = f"Strategy: {found.label}"
    if form == "utterance":
        answer += f"\nUtterance: {said}"
    elif form == "json":
        fields = {"strategy": found.label, "utterance": said}
        answer = json.dumps(fields, ensure_ascii=False)
    gold = Gold(found.id, (found.label,), {"utterance": said})
    return Item(question, gold, Demo(text, answer, f"{text}\n\n{answer}"))
