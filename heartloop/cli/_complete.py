"""Shell completion of what stands behind options: tasks, stimuli, verifiers, methods, runs.

Attached to a command when the shell asks, so that commands need not know of it. Names that are
joined by commas are completed one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

ASKED = "_HEARTLOOP_COMPLETE"
"""Variable that the shell sets when it asks."""


def attach(command: click.Command) -> None:
    """Give the parameters of a command, and of its subcommands, what they can be."""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            attach(inner)
    for param in command.params:
        offer = OFFERED.get((type(param), param.name or ""))
        if offer is not None:
            param._custom_shell_complete = _completes(offer)


def _completes(
    offer: Callable[[], Iterable[tuple[str, str]]],
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    def complete(
        ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        try:
            known = list(offer())
        except Exception:  # a shell has no place for messages
            return []
        found = [one for one in known if one[0].startswith(last)]
        return [CompletionItem(before + comma + name, help=line) for name, line in found]

    return complete


def _cards(kind: str) -> Callable[[], Iterable[tuple[str, str]]]:
    def offer() -> Iterable[tuple[str, str]]:
        from heartloop.cards import list_cards

        return ((ref.name, "") for ref in list_cards(kind))  # type: ignore[arg-type]

    return offer


def _methods() -> Iterable[tuple[str, str]]:
    from heartloop.methods import SPECS

    return ((name, spec.summary) for name, spec in SPECS.items())


def _models() -> Iterable[tuple[str, str]]:
    from heartloop.models.kinds import KINDS

    return ((f"{k.name}/" if k.after else k.name, k.line) for k in KINDS.values())


def _runs() -> Iterable[tuple[str, str]]:
    from heartloop.cli._config import runs_folder

    place = runs_folder(None)
    folders = [p for p in place.iterdir() if (p / "manifest.json").exists()]
    newest = sorted(folders, key=lambda p: p.stat().st_mtime, reverse=True)
    return [("last", "the newest run"), *((p.name, "") for p in newest)]


OFFERED: dict[tuple[type, str], Callable[[], Iterable[tuple[str, str]]]] = {
    (click.Option, "task"): _cards("tasks"),
    (click.Option, "stimuli"): _cards("stimuli"),
    (click.Option, "verifier"): _cards("verifiers"),
    (click.Option, "method"): _methods,
    (click.Option, "model"): _models,
    (click.Option, "power_from"): _runs,
    (click.Option, "resumed"): _runs,
    (click.Option, "reuse"): _runs,
    (click.Argument, "run"): _runs,
    (click.Argument, "runs"): _runs,
    (click.Argument, "specs"): _runs,
    (click.Argument, "shards"): _runs,
}
"""Kind and name of a parameter → what it can be, each with a line for people."""
