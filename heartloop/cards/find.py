"""Finding cards: the user's workspace first, then the cards that ship with heartloop."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from heartloop.cards._yaml import (
    Document,
    Field,
    error_at,
    merge,
    read_document,
    shown,
    substitute,
    suggest,
)
from heartloop.errors import CardError, UsageError

Kind = Literal["stimuli", "tasks", "verifiers"]
KINDS: tuple[Kind, ...] = ("stimuli", "tasks", "verifiers")
SINGULAR: dict[str, str] = {"stimuli": "stimulus set", "tasks": "task", "verifiers": "verifier"}
SUFFIXES = (".yaml", ".yml")
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]*(/[A-Za-z0-9][\w.+-]*)*")


@dataclass(frozen=True, slots=True)
class CardRef:
    """Where a card is.

    Attributes:
        kind: ``stimuli``, ``tasks`` or ``verifiers``.
        name: full name, ``bigbench/snarks``.
        path: the file it stands in.
        origin: ``workspace``, ``shipped`` or ``file`` (named by its path).
        member: the key under ``members`` where several cards share a file, else empty.
    """

    kind: Kind
    name: str
    path: Path
    origin: str
    member: str = ""


def workspace() -> Path:
    """The user's workspace: ``HEARTLOOP_WORKSPACE``, else the current directory.

    Raises:
        UsageError: the variable names no folder.
    """
    named = os.environ.get("HEARTLOOP_WORKSPACE")
    if named and not Path(named).is_dir():
        raise UsageError(f"HEARTLOOP_WORKSPACE: {named} is no folder; mend or unset the variable")
    return Path(named or ".")


def shipped_folder(kind: Kind) -> Path:
    """The folder of shipped cards: inside the wheel, else at the top of the checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "_cards" / kind
    return inside if inside.is_dir() else package.parent / kind


def is_shipped(path: Path) -> bool:
    """Whether a task card came with heartloop; others may be anybody's."""
    return path.resolve().is_relative_to(shipped_folder("tasks").resolve())


def roots(kind: Kind) -> list[tuple[str, Path]]:
    """The folders searched for cards of a kind, as (origin, folder), first match wins."""
    own = workspace() / kind
    shipped = shipped_folder(kind)
    if own.is_dir() and not (shipped.is_dir() and own.samefile(shipped)):
        return [("workspace", own), ("shipped", shipped)]
    return [("shipped", shipped)]


def find_card(kind: Kind, name: str) -> CardRef:
    """Find a card by name or by the path of its file.

    ``bbh/snarks`` is the file ``bbh/snarks.yaml``, else the member ``snarks`` of ``bbh.yaml``.
    The workspace is searched before the shipped cards. A name that ends in ``.yaml`` or
    ``.yml`` is the path of a card file anywhere, ``FILE.yaml/MEMBER`` a member of its suite.

    Raises:
        UsageError: no such card; the message suggests the nearest name.
        CardError: a card file on the way does not parse.
    """
    if name.endswith(SUFFIXES):
        return _by_path(kind, Path(name))
    outside = re.fullmatch(r"(.+\.ya?ml)/([^/]+)", name)
    if outside:
        ref = _by_path(kind, Path(outside[1]))
        if outside[2] not in (keys := member_keys(load_root(kind, ref).root)):
            raise UsageError(
                f'{outside[1]} has no member "{outside[2]}"{suggest(outside[2], keys)}'
            )
        return CardRef(kind, f"{ref.name}/{outside[2]}", ref.path, ref.origin, outside[2])
    if _NAME.fullmatch(name):
        for origin, folder in roots(kind):
            found = _in_folder(kind, name, origin, folder)
            if found is not None:
                return found
    hint = suggest(name, (ref.name for ref in list_cards(kind)))
    raise UsageError(f'unknown {SINGULAR[kind]} "{name}"{hint}; `heartloop {kind} list` shows all')


def _by_path(kind: Kind, path: Path) -> CardRef:
    """A card by its file; one that lies in a searched folder keeps its full name."""
    if not path.is_file():
        raise UsageError(f"{path}: no such card file; check the path")
    for origin, folder in roots(kind):
        if path.resolve().is_relative_to(folder.resolve()):
            name = path.resolve().relative_to(folder.resolve()).with_suffix("").as_posix()
            return CardRef(kind, name, path, origin)
    return CardRef(kind, path.stem, path, "file")


def _in_folder(kind: Kind, name: str, origin: str, folder: Path) -> CardRef | None:
    path = _file(folder, name)
    if path is not None:
        return CardRef(kind, name, path, origin)
    suite, _, member = name.rpartition("/")
    path = _file(folder, suite) if suite else None
    if path is None:
        return None
    keys = member_keys(load_root(kind, CardRef(kind, suite, path, origin)).root)
    return CardRef(kind, name, path, origin, member) if member in keys else None


def _file(folder: Path, name: str) -> Path | None:
    for suffix in SUFFIXES:
        path = folder / f"{name}{suffix}"
        if path.is_file():
            return path
    return None


def list_cards(kind: Kind) -> list[CardRef]:
    """Every card of a kind, workspace before shipped, each name once, sorted by name.

    Members of suites that share a file are listed. A file that does not parse is listed by its
    name, so that `list` and `check` can show what is wrong with it.
    """
    found: dict[str, CardRef] = {}
    for origin, folder in roots(kind):
        for ref in _walk(kind, origin, folder):
            found.setdefault(ref.name, ref)
    return [found[name] for name in sorted(found)]


def _files(kind: Kind, origin: str, folder: Path) -> Iterator[CardRef]:
    """The card files below a folder, unread."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        hidden = any(part[0] in "._" for part in relative.parts)
        if path.suffix not in SUFFIXES or hidden or not path.is_file():
            continue
        yield CardRef(kind, relative.with_suffix("").as_posix(), path, origin)


def _walk(kind: Kind, origin: str, folder: Path) -> Iterator[CardRef]:
    for ref in _files(kind, origin, folder):
        yield ref
        if kind != "tasks":
            continue
        try:
            keys = member_keys(load_root(kind, ref).root)
        except CardError:
            continue
        for key in keys:
            yield CardRef(kind, f"{ref.name}/{key}", ref.path, origin, key)


def member_keys(root: Field) -> list[str]:
    """Names of the members that stand in a suite's own file; empty where there are none."""
    members = root.value.get("members")
    return list(members.value) if members and isinstance(members.value, dict) else []


def load_root(kind: Kind, ref: CardRef) -> Document:
    """Read a card with its ``include:`` chain merged in, and its member laid over it.

    A card may say ``include: NAME``: the named card's fields are taken over, mappings merged
    key by key, anything else replaced. The hash is that of the file's bytes; with includes, that
    of the hex digests of the file and of what it includes, one a line.

    Returns:
        The merged document. For a member of a suite, ``members`` is gone, the member's own
        fields are laid over the suite's, and ``{member}`` stands for its key in every text.
    """
    document = _included(kind, ref.path, ())
    root = document.root
    if not ref.member:
        return document
    members = root.value["members"]
    own = members.value[ref.member]
    if own.value is None:
        own = Field({}, own.file, own.line)
    if not isinstance(own.value, dict):
        raise error_at(own, f"members.{ref.member}", "must be a mapping of fields, or empty")
    suite = {key: field for key, field in root.value.items() if key not in _SUITE_ONLY}
    merged = merge(Field(suite, root.file, own.line), own)
    return Document(substitute(merged, {"member": ref.member}), document.path, document.sha256)


_SUITE_ONLY = ("members", "name", "title", "aggregate", "notes")


def _included(kind: Kind, path: Path, chain: tuple[Path, ...]) -> Document:
    document = read_document(path)
    include = document.root.value.get("include")
    if include is None:
        return document
    chain = (*chain, path.resolve())
    base = _included(kind, _include_path(kind, include, chain), chain)
    own = {key: field for key, field in document.root.value.items() if key != "include"}
    kept = {key: field for key, field in base.root.value.items() if key != "name"}
    line = document.root.line
    root = merge(Field(kept, base.root.file, line), Field(own, document.root.file, line))
    return Document(root, path, _joint_hash(document.sha256, base.sha256))


def _include_path(kind: Kind, include: Field, chain: tuple[Path, ...]) -> Path:
    """The file that ``include`` names; a workspace card may include the shipped one it hides."""
    name = include.value
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise error_at(include, "include", "must be the name of one card, such as bbh")
    candidates = [path for _, folder in roots(kind) if (path := _file(folder, name))]
    for path in candidates:
        if path.resolve() not in chain:
            return path
    if candidates:
        raise error_at(
            include, "include", f"{shown(candidates[0])} includes itself; break the ring"
        )
    files = (ref.name for origin, folder in roots(kind) for ref in _files(kind, origin, folder))
    hint = suggest(name, files)
    raise error_at(include, "include", f'no card "{name}"{hint}; only whole files can be included')


def _joint_hash(*digests: str) -> str:
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
