"""Where a task's data are: the folder given, the cache, a practice set, or yet to be fetched."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from heartloop.cards.task import TaskCard
from heartloop.data.items import Raw
from heartloop.data.rows import memory_rows, read_rows
from heartloop.errors import DataError

HUB_ROWS = "rows.jsonl"
HUB_META = "meta.json"
_COMMIT = re.compile("/([0-9a-f]{40})/")


@dataclass(frozen=True, slots=True)
class Located:
    """The records of a task and their identity.

    Attributes:
        raw: for the reader.
        kind: ``data`` (the folder given), ``card`` (beside the card), ``cache``, ``hub`` (rows
            fetched from the hub, in the cache), ``file`` (a table named by itself) or
            ``practice``.
        sha256: of the first file, or of the rows.
        expected_sha256: what it should be, or empty.
        revision: the commit that the data are of: the hub's, or, for a file with the expected
            hash, the one in the card's URL.
        files: sha256 by path.
        notes: what differs from what the card promises.
    """

    raw: Raw
    kind: str
    sha256: str
    expected_sha256: str = ""
    revision: str | None = None
    files: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def cache_folder() -> Path:
    """The user's data cache: ``HEARTLOOP_CACHE``, else ``~/.cache/heartloop/data``."""
    own = os.environ.get("HEARTLOOP_CACHE")
    return Path(own) if own else Path.home() / ".cache" / "heartloop" / "data"


def hub_folder(card: TaskCard) -> Path:
    """Where rows of the card's hub data set are cached; tasks that share a data set share it."""
    hub = card.source.hub
    assert hub is not None
    parts = (hub.path, hub.config or "default", hub.split, hub.revision or "unpinned")
    names = ["".join(c if c.isalnum() or c in ".-_" else "_" for c in part) for part in parts]
    return cache_folder() / "hub" / "-".join(name.strip(".") or "_" for name in names)


def data_roots(card: TaskCard, data_dir: str | Path | None) -> Iterator[tuple[str, Path]]:
    """The folders that may hold the card's local files, as (kind, folder), in order.

    A table named by itself (an absolute path) is looked for nowhere else.

    Raises:
        DataError: the folder that was given is not there.
    """
    if card.source.local and os.path.isabs(card.source.local[0]):
        yield "file", Path("/")
        return
    given = data_dir if data_dir is not None else os.environ.get("HEARTLOOP_DATA") or None
    if given is not None:
        folder = Path(given)
        if not folder.is_dir():
            option = "--data" if data_dir is not None else "HEARTLOOP_DATA"
            raise DataError(f"{option}: {folder} is no folder; give the folder that holds the data")
        yield "data", folder
    yield "card", card.path.parent
    yield "cache", cache_folder()


def inside(folder: Path, name: str, card: TaskCard) -> Path:
    """A file within a folder, links resolved.

    Raises:
        DataError: the name, or a link on the way, leads out of the folder.
    """
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise DataError(
            f"{card.path}: source.local: {name} leads out of {folder}; put the file itself there, "
            "or name its folder by --data"
        )
    return path


def whereabouts(card: TaskCard, data_dir: str | Path | None = None) -> tuple[str, str]:
    """Where a task's data are, without reading them.

    Returns:
        (kind, place): kind as in Located, or ``absent`` with the place to fetch from (``url``,
        ``hub NAME``) or an empty place.

    Raises:
        DataError: the folder given is not there.
    """
    source = card.source
    roots = list(data_roots(card, data_dir))
    for kind, folder in roots:
        for name in (*source.local[:1], *source.also):
            if (folder / name).is_file():
                return kind, str(folder / name)
    if source.hub is not None and (hub_folder(card) / HUB_META).is_file():
        return "hub", str(hub_folder(card) / HUB_ROWS)
    if source.url:
        return "absent", source.url[0]
    return "absent", f"hub {source.hub.path}" if source.hub is not None else ""


def locate(card: TaskCard, data_dir: str | Path | None = None) -> Located | None:
    """Find a task's data on this machine, in the order: folder given, card, cache, hub rows.

    Args:
        card: a task, no suite.
        data_dir: the folder given; None takes ``HEARTLOOP_DATA``.

    Returns:
        What was found, hashed; None where nothing is on this machine.

    Raises:
        DataError: the folder given is not there, or a file cannot be read.
    """
    source = card.source
    notes: list[str] = []
    if source.local:
        for kind, folder in data_roots(card, data_dir):
            # A folder that the user names may link elsewhere; one that came with a card may not.
            held = kind in ("card", "cache")
            place = partial(inside, folder, card=card) if held else folder.joinpath
            paths = tuple(place(name) for name in source.local)
            given = next((place(n) for n in source.also if (folder / n).is_file()), None)
            if given is not None and not paths[0].is_file():
                plain = replace(source, hashes=(), url=())
                return _from_files(replace(card, source=plain), kind, (given, *paths[1:]), notes)
            if not paths[0].is_file():
                if kind == "data":
                    notes.append(f"{paths[0]} is absent; looked further")
                continue
            return _from_files(card, kind, paths, notes)
    elif data_dir is not None:
        list(data_roots(card, data_dir))  # a wrong folder is an error for every task
    if source.hub is not None and (hub_folder(card) / HUB_META).is_file():
        return _from_hub(card, notes)
    return None


def locate_practice(card: TaskCard) -> Located:
    """The generated practice set that stands in for a task's data.

    Raises:
        DataError: there is none for this task.
    """
    from heartloop import practice

    name = card.source.practice
    if not name:
        known = ", ".join(practice.NAMES)
        raise DataError(
            f"{card.name}: has no practice set; leave --practice out to ask its own data "
            f"(there are sets for {known})"
        )
    try:
        rows, digest = practice.rows(name), practice.sha256(name)
    except KeyError as error:
        raise DataError(f"{card.path}: source.practice: {error.args[0]}") from error
    shown = f"practice set {name}"
    note = f"practice set: {name} is generated by heartloop; its figures say nothing of {card.name}"
    raw = Raw(shown, rows=tuple(memory_rows(rows, shown)))
    return Located(raw, "practice", digest, notes=(note,))


def absent(card: TaskCard, reason: str = "") -> DataError:
    """The error for data that are nowhere: says every way to get them."""
    source = card.source
    ways = []
    if source.local:
        ways.append(f"give the folder that holds {source.local[0]} by --data or HEARTLOOP_DATA")
    if source.hub is not None and source.hub.gated:
        ways.append(f"{source.hub.gated} (`heartloop data get {card.name}`)")
    elif source.hub is not None or source.url:
        ways.append(f"fetch it once with `heartloop data get {card.name}`")
    if source.practice:
        ways.append("try the practice set with --practice")
    why = f" ({reason})" if reason else ""
    return DataError(f"{card.name}: no data on this machine{why}: {', or '.join(ways)}")


def _from_files(card: TaskCard, kind: str, paths: tuple[Path, ...], notes: list[str]) -> Located:
    files: dict[str, str] = {}
    hashes: list[str] = []
    for place, path in enumerate(paths):
        if not path.is_file():
            hashes.append("")
            continue
        digest = file_sha256(path)
        hashes.append(digest)
        files[str(path)] = digest
        wanted = card.source.hashes[place] if place < len(card.source.hashes) else ""
        if wanted and digest != wanted:
            notes.append(
                f"warning: {path} differs from the file the card was written for "
                f"(sha256 {digest[:12]}…, expected {wanted[:12]}…)"
            )
    raw = Raw(str(paths[0]), tuple(p if p.is_file() else None for p in paths))
    expected = card.source.hashes[0] if card.source.hashes else ""
    found = _COMMIT.search(card.source.url[0]) if card.source.url else None
    revision = found[1] if found and hashes[0] == expected else None
    return Located(raw, kind, hashes[0], expected, revision, files, tuple(notes))


def _from_hub(card: TaskCard, notes: list[str]) -> Located:
    folder = hub_folder(card)
    hub = card.source.hub
    assert hub is not None
    path = folder / HUB_ROWS
    if not path.is_file():
        raise DataError(f"{folder}: is incomplete; run `heartloop data get {card.name}`")
    try:
        meta: dict[str, Any] = json.loads((folder / HUB_META).read_text(encoding="utf-8"))
        revision = meta.get("revision")
    except (OSError, ValueError, RecursionError, AttributeError) as error:
        raise DataError(
            f"{folder / HUB_META}: not readable; run `heartloop data get {card.name}`"
        ) from error
    digest = file_sha256(path)
    expected = str(meta.get("sha256") or "")
    if expected and digest != expected:
        notes.append(f"warning: {path} was changed after it was fetched")
    if hub.revision is None:
        notes.append(f"the hub revision is not pinned: {revision or 'unknown'}, not verified")
    at = f"@{revision[:12]}" if revision else ""
    shown = f"hub {hub.path}{'/' + hub.config if hub.config else ''}{at}, split {hub.split}"
    raw = Raw(shown, rows=tuple(read_rows(path, "jsonl")), hub=True)
    return Located(raw, "hub", digest, expected, revision, {str(path): digest}, tuple(notes))


def file_sha256(path: Path) -> str:
    """Hex digest of a file.

    Raises:
        DataError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check its rights") from error
    return digest.hexdigest()
