"""``heartloop tasks``, ``stimuli``, ``verifiers`` and ``init``: cards on the screen."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from heartloop.cards import CardRef, TaskCard, VerifierCard
    from heartloop.cards.find import Kind
    from heartloop.data import TaskData

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
_WIDE = 72  # texts are cut at this width in lists, never in `show`


@click.group("tasks", short_help="List, show and check task cards.")
def tasks_group() -> None:
    """Tasks: what may be asked. A card is a YAML file in tasks/ of your workspace.

    \b
    heartloop tasks list             suites folded into one line
    heartloop tasks list bbh         the members of a suite
    heartloop tasks show olympiad    every field, and the trivial baselines
    heartloop tasks check my.yaml    what is wrong with a card, by line and field
    heartloop tasks check my.csv     three prompts as they will be sent, with gold and verifier
    """


@click.group("stimuli", short_help="List, show and check stimulus cards.")
def stimuli_group() -> None:
    """Stimuli: what may be said to a model. A card is a YAML file in stimuli/ of your workspace.

    \b
    heartloop stimuli list
    heartloop stimuli show emotionprompt          one line a stimulus
    heartloop stimuli show emotionprompt:EP02     every field of one
    heartloop stimuli check stimuli/mine.yaml     also: do the controls control?
    """


@click.group("verifiers", short_help="List, show and check verifier cards.")
def verifiers_group() -> None:
    """Verifiers: how an answer is judged. A card is a YAML file in verifiers/ of your workspace.

    \b
    heartloop verifiers list
    heartloop verifiers show math
    heartloop verifiers check verifiers/mine.yaml
    """


def _list_command(kind: Kind) -> Callable[..., None]:
    def command(prefix: str | None, as_json: bool) -> None:
        from heartloop.cards import list_cards
        from heartloop.cards._yaml import suggest
        from heartloop.cards.find import SINGULAR
        from heartloop.errors import UsageError

        refs = list_cards(kind)
        if prefix:
            chosen = [r for r in refs if r.name == prefix or r.name.startswith(f"{prefix}/")]
            if not chosen:
                hint = suggest(prefix, (ref.name for ref in refs))
                raise UsageError(f'no {SINGULAR[kind]} named "{prefix}" or below it{hint}')
            refs = chosen
        rows = [_row(kind, ref) for ref in refs]
        if as_json:
            _print_json(rows)
            return
        if not prefix:
            rows = [row for row in rows if not row["suite"]]
        _print_list(kind, rows)

    return command


def _row(kind: Kind, ref: CardRef) -> dict[str, Any]:
    """One line of a list; a card that does not validate is shown with what is wrong."""
    from heartloop.cards import load_stimuli, load_task, load_verifier
    from heartloop.cards._yaml import shown
    from heartloop.errors import UsageError

    row: dict[str, Any] = {
        "name": ref.name,
        "title": "",
        "origin": ref.origin,
        "file": shown(ref.path),
        "suite": "",
    }
    try:
        if kind == "stimuli":
            chosen = load_stimuli(ref.name)
            row |= {"title": chosen.title, "stimuli": len(chosen.stimuli)}
            row["reconstructed"] = chosen.reconstructed
        elif kind == "tasks":
            card = load_task(ref.name)
            row |= {"title": card.title, "family": card.family, "verifier": card.verifier}
            row |= {
                "members": len(card.members),
                "suite": ref.member and ref.name.rpartition("/")[0],
            }
        else:
            verifier = load_verifier(ref.name)
            row |= {"title": verifier.title or verifier.description, "kind": verifier.kind}
    except UsageError as error:
        row["error"] = str(error)
    return row


def _print_list(kind: Kind, rows: list[dict[str, Any]]) -> None:
    from heartloop.cli._show import table

    third = {"stimuli": "stimuli", "tasks": "verifier", "verifiers": "kind"}[kind]
    cells = []
    for row in rows:
        if "error" in row:
            cells.append([row["name"], row["origin"], "", _cut(f"BROKEN: {row['error']}")])
            continue
        detail = f"{row['members']} tasks" if row.get("members") else str(row[third])
        cells.append([row["name"], row["origin"], detail, _cut(row["title"])])
    if not cells:
        click.echo(f"no {kind} yet; `heartloop init` makes a workspace with examples")
        return
    click.echo(table(["name", "from", "size" if kind == "stimuli" else third, "title"], cells))


def _check_command(kind: Kind) -> Callable[..., int]:
    def command(files: tuple[str, ...], as_json: bool) -> int:
        from heartloop.cards import list_cards
        from heartloop.cards.check import check_card
        from heartloop.data.files import SUFFIXES

        names = files or tuple(ref.name for ref in list_cards(kind) if not ref.member)
        no_card = (*SUFFIXES, *(Path(n).suffix.lower() for n in names if Path(n).is_file()))
        tables = [
            n
            for n in names
            if kind == "tasks"
            and (suffix := Path(n).suffix.lower()) in no_card
            and suffix not in ("", ".yaml", ".yml")
        ]
        cards = [name for name in names if name not in tables]
        results = [check_card(kind, name, steps=_check_steps) for name in cards]
        if as_json:
            _print_json(
                [
                    {
                        "name": found.name,
                        "file": found.file,
                        "ok": found.ok,
                        "errors": list(found.errors),
                        "warnings": list(found.warnings),
                    }
                    for found in results
                ]
            )
        else:
            for found in results:
                for line in found.errors:
                    click.echo(f"error: {line}", err=True)
                for line in found.warnings:
                    click.echo(f"warning: {found.file}: {line}", err=True)
                if found.ok:
                    click.echo(f"ok: {found.name} ({found.file})")
            if kind == "tasks" and files:
                from heartloop.cli._prompts import show_prompts

                for name in (*tables, *(found.file for found in results if found.ok)):
                    show_prompts(str(name))
        return 0 if all(found.ok for found in results) else 2

    return command


def _check_steps(card: VerifierCard) -> None:
    from heartloop.cards._yaml import shown
    from heartloop.grading.extract import check_steps

    check_steps((*card.strict, *card.form), shown(card.path))


def _show_stimuli(name: str, as_json: bool) -> None:
    from heartloop.cards import find_card, load_stimuli, parse_stimuli
    from heartloop.cli._show import table
    from heartloop.errors import CardError, UsageError

    try:
        find_card("stimuli", name)
    except CardError:
        raise
    except UsageError:
        chosen = parse_stimuli(name)  # SET:ID, a bare id, or its own error with a suggestion
        rows = [_plain(stimulus) for arm in chosen for stimulus in arm]
        if as_json:
            _print_json(rows[0] if len(rows) == 1 else rows)
            return
        for row in rows:
            _print_fields(row)
        return
    card = load_stimuli(name)
    plain = _plain(card)
    if as_json:
        _print_json(plain)
        return
    stimuli = plain.pop("stimuli")
    _print_fields(plain)
    click.echo()
    columns = [
        key
        for key in ("valence", "emotion", "kind", "demand")
        if len({row[key] for row in stimuli}) > 1 or key == "demand"
    ]
    rows_ = [[row["id"], *(row[key] for key in columns), row["text"]] for row in stimuli]
    click.echo(table(["id", *columns, "text"], rows_))


def _show_task(name: str, as_json: bool, data: str | None = None) -> None:
    from heartloop.cards import load_task
    from heartloop.data import resolve_tasks
    from heartloop.data.files import SUFFIXES

    # A table, or tasks with their numbers changed, have no card of their own.
    made = "~" in name or Path(name).suffix.lower() in SUFFIXES
    cards = resolve_tasks(name, data_dir=data) if made else [load_task(name)]
    shown = []
    for card in cards:
        plain = _plain(card)
        if not card.members:
            plain["data"] = _data(card, data)
        shown.append(plain)
    if as_json:
        _print_json(shown if len(shown) > 1 else shown[0])
        return
    for number, plain in enumerate(shown):
        if number:
            click.echo()
        _print_fields(plain)


def _data(card: TaskCard, folder: str | None) -> dict[str, Any]:
    """The task's data on this machine and what trivial answers score on them, or why not."""
    from heartloop.data import load_data
    from heartloop.errors import HeartloopError

    try:
        data = load_data(card, data_dir=folder, download=False)
    except HeartloopError as error:
        return {"absent": str(error)}
    found = {"source": data.source, "sha256": data.sha256, "questions": len(data.questions)}
    return {**found, "baselines": _baselines(card, data)}


def _baselines(card: TaskCard, data: TaskData) -> Any:
    """Score of each trivial baseline, on at most 500 questions."""
    import asyncio

    from heartloop.grading import open_grader
    from heartloop.grading.baselines import baselines_for

    async def measure() -> dict[str, float | None]:
        grader = open_grader(data.card.verifier, params=dict(card.params))
        try:
            return await baselines_for(
                data.questions, data.golds, grader, demos=data.demo_answers, limit=500
            )
        finally:
            await grader.close()

    return asyncio.run(measure())


def _show_verifier(name: str, as_json: bool) -> None:
    from heartloop.cards import load_verifier

    plain = _plain(load_verifier(name))
    if as_json:
        _print_json(plain)
    else:
        _print_fields(plain)


def _register() -> None:
    """Give each group its list, show and check."""
    shows = {
        "tasks": (tasks_group, _show_task, "NAME"),
        "stimuli": (stimuli_group, _show_stimuli, "SET|SET:ID|ID"),
        "verifiers": (verifiers_group, _show_verifier, "NAME"),
    }
    kinds: tuple[Kind, ...] = ("tasks", "stimuli", "verifiers")
    for kind in kinds:
        group, show, metavar = shows[kind]
        listing = click.argument("prefix", required=False, metavar="[NAME]")(
            _JSON(_list_command(kind))
        )
        group.command("list", help="List cards, your workspace's before the shipped ones.")(listing)
        showing = click.argument("name", metavar=metavar)(_JSON(show))
        if kind == "tasks":
            showing = click.option(
                "--data", type=click.Path(file_okay=False), help="Folder of local data."
            )(showing)
        group.command("show", help="Show every field of a card.")(showing)
        checking = click.argument("files", nargs=-1, metavar="[FILE|NAME]…")(
            _JSON(_check_command(kind))
        )
        group.command("check", help="Check cards; without a name, all of them.")(checking)


@click.command("init", short_help="Make a workspace with example cards.")
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path))
@_JSON
def init_command(folder: Path, as_json: bool) -> None:
    """Make a workspace: stimuli/, tasks/, verifiers/ and runs/ with an example card in each.

    Nothing that exists is overwritten.
    """
    from heartloop.cli.init import make_workspace

    written = make_workspace(folder)
    if as_json:
        _print_json({"workspace": str(folder), "written": [str(path) for path in written]})
        return
    for path in written:
        click.echo(f"wrote {path}")
    there = "" if str(folder) == "." else f"cd {folder} && "
    click.echo(f"next: {there}heartloop run --task example --stimuli example --model pocket")


def _plain(value: Any) -> Any:
    """Dataclasses, tuples and paths as JSON data."""
    from dataclasses import fields, is_dataclass

    from heartloop.cards._yaml import shown

    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return shown(value) if isinstance(value, Path) else value


def _print_fields(plain: dict[str, Any], prefix: str = "") -> None:
    """One ``field: value`` a line; nested fields are dotted, what is empty is left out."""
    for name, value in plain.items():
        if value in (None, "", [], {}) or isinstance(value, bool) and not value:
            continue
        if isinstance(value, dict):
            _print_fields(value, f"{prefix}{name}.")
            continue
        if isinstance(value, list):
            value = ", ".join(v if isinstance(v, str) else json.dumps(v) for v in value)
        elif isinstance(value, bool):
            value = "yes"
        elif isinstance(value, str) and ("\n" in value or value != value.strip()):
            value = json.dumps(value, ensure_ascii=False)
        click.echo(f"{click.style(prefix + name, bold=True)}: {value}")


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDE else line[: _WIDE - 1] + "…"


_register()
