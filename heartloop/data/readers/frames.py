"""One item in several frames: a card's templates, or a table's column that names the frame.

The frames of an item ask the same thing in other words and have the same gold. They are one
cluster: nothing may count them as independent questions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from heartloop.cards.task import TaskCard
from heartloop.data.items import Item
from heartloop.data.rows import Row
from heartloop.errors import DataError

FRAME, ITEM = "frame", "item"  # roles of columns, and keys of a question's meta


def framed_cards(card: TaskCard) -> dict[str, TaskCard]:
    """Frame → the card that asks in it; the card itself under an empty name without frames."""
    if not card.frames:
        return {"": card}
    return {
        name: replace(card, prompt=replace(card.prompt, input=template), frames={})
        for name, template in card.frames.items()
    }


def settle_frames(card: TaskCard, rows: Sequence[Row], fields: Mapping[str, str]) -> dict[str, str]:
    """The columns of a table, those of frame and item only where they make it a framed one.

    What rows of one item share is their ``item``, ``cluster``, or an ``id`` that stands once a
    frame. A column named ``frame`` without any of them is another thing and stays unused.

    Raises:
        DataError: the card names a frame column, but nothing says which rows are one item; or the
            card has templates of its own, too.
    """
    found = dict(fields)
    if FRAME not in found:
        if ITEM not in card.fields:
            found.pop(ITEM, None)
        return found
    if card.frames:
        if FRAME in card.fields:
            raise DataError(f"{card.path}: frames: the rows have frames already; take one out")
        return {role: name for role, name in found.items() if role not in (FRAME, ITEM)}
    if ITEM in found:
        return found
    if "id" in found:
        ids = Counter(str(row.data.get(found["id"])) for row in rows)
        if max(ids.values()) > 1:
            found[ITEM] = found.pop("id")
            return found
    if "cluster" in found:
        return {**found, ITEM: found["cluster"]}
    if FRAME in card.fields:
        raise rows[0].error(
            ITEM,
            "is missing: name the column that the frames of one item share, `fields: {item: …}`",
        )
    return {role: name for role, name in found.items() if role != FRAME}


def in_frame(item: Item, row: Row, fields: Mapping[str, str], frame: str) -> Item:
    """An item as one frame of its cluster; itself where the table has no frames.

    Raises:
        DataError: an empty frame or item cell.
    """
    key, given = item.question.id, ""
    if not frame and FRAME in fields:
        frame = row.filled(fields[FRAME]).strip()
        given = key if "id" in fields else ""
        key = row.filled(fields[ITEM]).strip()
    if not frame:
        return item
    name = given or f"{key}@{frame}"
    meta = {**item.question.meta, ITEM: key, FRAME: frame}
    if FRAME in fields:
        meta["raw_input"] = key  # no frame of an item is shown as a demonstration of another
    question = replace(item.question, id=name, cluster=item.question.cluster or key, meta=meta)
    return replace(item, question=question, gold=replace(item.gold, question=name))


def check_frames(items: Sequence[Item], where: str) -> list[str]:
    """Notes on items whose frames differ in their gold or are not all there.

    Raises:
        DataError: two frames of one item have different golds.
    """
    golds: dict[str, Item] = {}
    frames: dict[str, set[str]] = {}
    for item in items:
        meta = item.question.meta
        if FRAME not in meta:
            continue
        first = golds.setdefault(meta[ITEM], item)
        if first.gold.answers != item.gold.answers:
            raise DataError(
                f'{where}: item {meta[ITEM]}: answer: frames "{first.question.meta[FRAME]}" and '
                f'"{meta[FRAME]}" have different ones; a frame keeps what is right'
            )
        frames.setdefault(meta[ITEM], set()).add(meta[FRAME])
    every = set().union(*frames.values()) if frames else set()
    lacking = sum(found != every for found in frames.values())
    return [f"{lacking} of {len(frames)} items lack a frame that others have"] if lacking else []
