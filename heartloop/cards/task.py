"""Task cards: what may be asked, where the data come from and how answers are judged."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from heartloop.cards._yaml import Table
from heartloop.cards.find import find_card, list_cards, load_root, member_keys
from heartloop.network import ALLOW
from heartloop.types import Sampling

FAMILIES = (
    "custom",
    "bigbench",
    "bbh",
    "instruction_induction",
    "olympiad",
    "simpleqa",
    "truthfulqa",
    "esconv",
    "hub",
    "practice",
)
_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
_FRAME = re.compile(r"\w[\w-]*")
_SHA256 = re.compile("[0-9a-f]{64}|")
FORMATS = ("jsonl", "json", "csv", "parquet", "bigbench", "bbh", "instruction_induction")
_BY_SUFFIX = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".json": "json"}


@dataclass(frozen=True, slots=True)
class Hub:
    """Where a data set stands on the Hugging Face hub.

    Attributes:
        path: ``owner/name``; config, split: as ``datasets.load_dataset`` takes them.
        revision: the pinned commit, or None where it is resolved and recorded at first fetch.
        file: one file of the repository to read instead of the data set's own builder.
        gated: what the user must accept, and where; empty where access is free.
        fields: field mapping where hub rows differ from the local file's.
    """

    path: str
    config: str | None = None
    split: str = "test"
    revision: str | None = None
    file: str = ""
    gated: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a task's rows come from.

    Attributes:
        local: paths relative to the data folder (or to the card, for a workspace's own data).
        format: how the files are laid out.
        hashes: expected sha256 of the local files, in their order; empty where none is known.
        url: where the same files can be fetched, in their order: a fixed commit each.
        hub: the hub data set, or None.
        also: the first local file as its authors publish it, taken where that one is absent.
        practice: name of the generated practice set, or empty.
    """

    local: tuple[str, ...] = ()
    format: str = "jsonl"
    hashes: tuple[str, ...] = ()
    url: tuple[str, ...] = ()
    hub: Hub | None = None
    also: tuple[str, ...] = ()
    practice: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """How a row becomes a Question; templates name row fields in braces.

    Attributes:
        system: system message, or None.
        instruction, answer_format, separator: as in Question.
        input: template of the item.
        demo: template of one demonstration.
        own: the card says how it is asked; nothing is added to such a prompt.
    """

    system: str | None = None
    instruction: str = ""
    input: str = "{question}"
    answer_format: str = ""
    separator: str = "\n\n"
    demo: str = ""
    own: bool = False


@dataclass(frozen=True, slots=True)
class TaskCard:
    """A task, or a suite of tasks.

    Attributes:
        name: full name, ``bigbench/snarks``; path: its file; sha256: hash of the card's bytes.
        family: which reader of ``heartloop.data`` builds the questions.
        suite: name of the suite that it is a member of, or empty.
        members: full names of a suite's tasks; empty for a task.
        aggregate: how a suite's tasks become one figure: ``mean`` of tasks or ``pooled`` items.
        fields: what the reader needs → the row's field, ``{question: problem}``.
        sampling: the same for every arm.
        verifier: name of the verifier card; params: laid over the verifier's own.
        metric: what is printed beside accuracy, ``accuracy`` where nothing else is.
        chance: expected score of guessing, in [0, 1]; None where the items say it or it is 0.
        baselines: trivial baselines worth printing (``echo``, ``majority``, ``chance`` …).
        cluster: row field that items which are not independent share; empty for none.
        options: whatever else the family's reader needs.
        frames: frame → template of the item (in place of ``prompt.input``): each row is asked
            once in every frame; empty where a row is one question.
        chosen: why a verifier that the card left open (``auto``) is the one it is.
    """

    name: str
    path: Path
    sha256: str
    title: str = ""
    description: str = ""
    family: str = "custom"
    suite: str = ""
    members: tuple[str, ...] = ()
    aggregate: str = "mean"
    source: Source = Source()
    licence: str = ""
    citation: str = ""
    url: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    prompt: Prompt = Prompt()
    sampling: Sampling = Sampling()
    verifier: str = "exact"
    params: Mapping[str, Any] = field(default_factory=dict)
    metric: str = "accuracy"
    chance: float | None = None
    baselines: tuple[str, ...] = ()
    cluster: str = ""
    notes: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    frames: Mapping[str, str] = field(default_factory=dict)
    chosen: str = ""


def load_task(name: str) -> TaskCard:
    """Load a task or suite by name, or by the path of its card.

    Raises:
        UsageError: no such card.
        CardError: the card does not validate; names file, line and field.
    """
    ref = find_card("tasks", name)
    document = load_root("tasks", ref)
    table = Table(document.root)
    declared: str = table.string("name", ref.name)
    if ref.origin != "file" and declared != ref.name:
        raise table.error("name", f'"{declared}" differs from "{ref.name}"; make them the same')
    members = _members(table, declared, document.root)
    family = table.one_of("family", FAMILIES, "custom")
    card = TaskCard(
        name=declared,
        path=ref.path,
        sha256=document.sha256,
        title=table.string("title", ""),
        description=table.string("description", ""),
        family=family,
        suite=table.string("suite", ref.name.rpartition("/")[0] if ref.member else ""),
        members=members,
        aggregate=table.one_of("aggregate", ("mean", "pooled"), "mean"),
        source=_source(table),
        licence=table.string("licence", ""),
        citation=table.string("citation", ""),
        url=table.string("url", ""),
        fields=table.string_map("fields", {}),
        prompt=_prompt(table),
        sampling=_sampling(table),
        verifier=table.string("verifier", "auto" if family == "custom" else "exact"),
        params=table.mapping("params", {}),
        metric=table.string("metric", "accuracy"),
        chance=table.number("chance", None, least=0.0, most=1.0),
        baselines=table.strings("baselines", ()),
        cluster=table.string("cluster", ""),
        notes=table.string("notes", ""),
        options=table.mapping("options", {}),
        frames=_frames(table, family),
    )
    table.finish()
    source = card.source
    if not members and not (source.local or source.hub or source.practice):
        raise table.error("source", "says no place to read from; give local, hub or practice")
    return card


def _frames(table: Table, family: str) -> Mapping[str, str]:
    frames: dict[str, str] = table.string_map("frames", {})
    if frames and family not in ("custom", "hub"):
        raise table.error("frames", f"are not read for family {family}; use family: custom")
    if len(frames) == 1:
        raise table.error("frames", "holds one; an item in frames needs at least two")
    for name in frames:
        if not _FRAME.fullmatch(name):
            raise table.error("frames", f'"{name[:30]}": name a frame by letters, digits, _ and -')
    return frames


def _members(table: Table, name: str, root: Any) -> tuple[str, ...]:
    keys = member_keys(root)
    if keys:
        table.table("members")
        return tuple(f"{name}/{key}" for key in keys)
    patterns = table.strings("members", ())
    known = [ref.name for ref in list_cards("tasks")] if patterns else []
    found: list[str] = []
    for pattern in patterns:
        hits = [n for n in known if fnmatch.fnmatchcase(n, pattern) and n != name]
        if not hits:
            raise table.error("members", f'"{pattern}" matches no task card')
        found.extend(hit for hit in hits if hit not in found)
    return tuple(found)


def _source(table: Table) -> Source:
    inner = table.table("source", None)
    if inner is None:
        return Source()
    local = inner.strings("local", ())
    suffix = Path(local[0]).suffix.lower() if local else ""
    source = Source(
        local=local,
        format=inner.one_of("format", FORMATS, _BY_SUFFIX.get(suffix, "jsonl")),
        hashes=inner.strings("sha256", ()),
        url=inner.strings("url", ()),
        hub=_hub(inner),
        also=inner.strings("also", ()),
        practice=inner.string("practice", ""),
    )
    inner.finish()
    for name, found in (("sha256", source.hashes), ("url", source.url)):
        if len(found) > len(source.local):
            raise inner.error(name, "names more files than source.local; give one for each")
    for name in (*source.local, *source.also):
        if not _stays_inside(name):
            raise inner.error(
                "local", f'"{name}" leaves the folder it is looked for in; name a file inside it'
            )
    for url in source.url:
        if not url.lower().startswith(("http://", "https://")):
            raise inner.error("url", f'"{url[:100]}" is no http or https address')
    for digest in source.hashes:
        if not _SHA256.fullmatch(digest):
            raise inner.error("sha256", f'"{digest[:20]}" is no SHA-256; give 64 hex digits')
    return source


def _stays_inside(name: str) -> bool:
    """Whether a relative path, as any system reads it, stays within its folder."""
    parts = re.split(r"[\\/]", name)
    rooted = PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor
    return bool(name.strip()) and not rooted and ".." not in parts and "\0" not in name


def _hub(table: Table) -> Hub | None:
    inner = table.table("hub", None)
    if inner is None:
        return None
    hub = Hub(
        path=inner.text("path"),
        config=inner.string("config", None),
        split=inner.string("split", "test"),
        revision=inner.string("revision", None),
        file=inner.string("file", ""),
        gated=inner.string("gated", ""),
        fields=inner.string_map("fields", {}),
    )
    inner.finish()
    if not _HUB_NAME.fullmatch(hub.path) and not os.environ.get(ALLOW):
        raise inner.error(
            "path",
            f'"{hub.path[:100]}" is no data set of the hub; write OWNER/NAME '
            f"(a folder of your own: {ALLOW}=1)",
        )
    return hub


def _prompt(table: Table) -> Prompt:
    inner = table.table("prompt", None)
    if inner is None:
        return Prompt()
    prompt = Prompt(
        system=inner.string("system", None),
        instruction=inner.string("instruction", ""),
        input=inner.string("input", "{question}"),
        answer_format=inner.string("answer_format", ""),
        separator=inner.string("separator", "\n\n"),
        demo=inner.string("demo", ""),
        own=True,
    )
    inner.finish()
    return prompt


def _sampling(table: Table) -> Sampling:
    inner = table.table("sampling", None)
    if inner is None:
        return Sampling()
    sampling = Sampling(
        temperature=inner.number("temperature", None, least=0.0),
        max_tokens=inner.integer("max_tokens", None, least=1),
        top_p=inner.number("top_p", None, least=0.0, most=1.0),
        stop=inner.strings("stop", ()),
        response_format=inner.mapping("response_format", {}) or None,
    )
    inner.finish()
    return sampling
