"""``heartloop data``: where each task's data come from, whether they are there, fetching them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from heartloop.cards.task import TaskCard

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
_DATA = click.option(
    "--data", "data_dir", metavar="DIR", help="Folder of local data; else HEARTLOOP_DATA."
)


@click.group("data", short_help="Where each task's data is, and how to get it.")
def data_group() -> None:
    """Data: looked for in --data or HEARTLOOP_DATA, beside the card, in the cache, then fetched.

    \b
    heartloop data list              every task: is it there, and where from
    heartloop data where bigbench    each task of a suite: files, sha256, licence
    heartloop data get math500       fetch into HEARTLOOP_CACHE or ~/.cache/heartloop/data
    """


@data_group.command("list")
@_DATA
@_JSON
def list_command(data_dir: str | None, as_json: bool) -> None:
    """Every task and suite, with where its data would come from and whether it is there."""
    from heartloop.cards import list_cards
    from heartloop.data import resolve_tasks
    from heartloop.errors import UsageError

    rows: list[dict[str, Any]] = []
    for ref in list_cards("tasks"):
        if ref.member:
            continue
        try:
            rows.append(_row(ref.name, resolve_tasks(ref.name), data_dir))
        except UsageError as error:
            if data_dir is not None and "--data" in str(error):
                raise
            rows.append({"task": ref.name, "error": str(error)})
    if as_json:
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    from heartloop.cli._show import table

    cells = []
    for row in rows:
        if "error" in row:
            cells.append([row["task"], "BROKEN", row["error"], ""])
            continue
        there = f"{row['present']} of {row['tasks']}" if row["tasks"] > 1 else ""
        state = there or ("yes" if row["present"] else "no")
        cells.append([row["task"], state, row["from"], row["licence"]])
    click.echo(table(["task", "there", "from", "licence"], cells))


@data_group.command("where")
@click.argument("task")
@_DATA
@_JSON
def where_command(task: str, data_dir: str | None, as_json: bool) -> None:
    """Where the data of TASK (a task, suite or list) are, with hashes, revision and licence."""
    from heartloop.data import resolve_tasks

    rows = [_where(card, data_dir) for card in resolve_tasks(task)]
    if as_json:
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for row in rows:
        click.echo(row["task"])
        for name, value in row.items():
            if name != "task" and value not in (None, "", [], {}):
                for item in value if isinstance(value, list) else [value]:
                    click.echo(f"  {name}: {item}")


@data_group.command("get")
@click.argument("task")
@click.option("--again", is_flag=True, help="Fetch even what is in the cache already.")
@_JSON
def get_command(task: str, again: bool, as_json: bool) -> None:
    """Fetch the data of TASK (a task, suite or list) into the cache.

    A pinned file is kept only if its sha256 is the card's. A hub data set without a pinned
    revision is taken as it stands; the revision is recorded beside it.
    """
    from heartloop.data import resolve_tasks
    from heartloop.data.fetch import fetch

    rows = []
    for card in resolve_tasks(task):
        origin = fetch(card, again=again)
        row = _where(card, None, cache_only=True)
        rows.append({**row, "fetched_from": origin})
        if not as_json:
            click.echo(f"{card.name}: {row['place']} from {origin}")
            for note in row["notes"]:
                click.echo(f"  {note}")
    if as_json:
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))


def _row(name: str, cards: list[TaskCard], data_dir: str | None) -> dict[str, Any]:
    from heartloop.data.sources import whereabouts

    found = [whereabouts(card, data_dir) for card in cards]
    present = [kind for kind, _ in found if kind != "absent"]
    kinds = list(dict.fromkeys(kind for kind, _ in found))
    missing = [place for kind, place in found if kind == "absent"]
    text = ", ".join(kind for kind in kinds if kind != "absent")
    if missing:
        first = _short(missing[0])
        fetch = f"{first} (`heartloop data get {name}`)" if first else "no known place"
        text = f"{text}, rest: {fetch}" if text else fetch
    elif len(cards) == 1:
        text = found[0][1]
    gated = next((c.source.hub.gated for c in cards if c.source.hub and c.source.hub.gated), "")
    return {
        "task": name,
        "tasks": len(cards),
        "present": len(present),
        "kind": kinds[0] if len(kinds) == 1 else "mixed",
        "from": text,
        "licence": cards[0].licence,
        "gated": gated,
        "practice": all(card.source.practice for card in cards),
    }


def _short(place: str) -> str:
    return place.split("/")[2] if place.startswith("http") else place


def _where(card: TaskCard, data_dir: str | None, *, cache_only: bool = False) -> dict[str, Any]:
    from heartloop.data.sources import cache_folder, locate, whereabouts

    folder = str(cache_folder()) if cache_only and cache_folder().is_dir() else data_dir
    kind, place = whereabouts(card, folder)
    found = locate(card, folder) if kind != "absent" else None
    hub = card.source.hub
    return {
        "task": card.name,
        "kind": "cache" if cache_only and kind == "data" else kind,
        "place": place,
        "sha256": found.sha256 if found else "",
        "expected_sha256": found.expected_sha256 if found else next(iter(card.source.hashes), ""),
        "matches": bool(found and found.sha256 == found.expected_sha256) if found else None,
        "revision": found.revision if found else None,
        "local": list(card.source.local),
        "url": list(card.source.url),
        "hub": None if hub is None else "/".join(filter(None, [hub.path, hub.config, hub.split])),
        "hub_revision": None if hub is None else hub.revision or "not pinned",
        "gated": hub.gated if hub else "",
        "practice": card.source.practice,
        "licence": card.licence,
        "citation": card.citation,
        "notes": list(found.notes) if found else [],
    }
