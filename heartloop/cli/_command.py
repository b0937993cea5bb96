"""A command whose help prints its options in groups."""

from __future__ import annotations

from typing import Any

import click


class GroupedCommand(click.Command):
    """Prints the options that stand in a group under the group's title, the others last."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, group by group."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                title = getattr(param, "group", "Other options")
                groups.setdefault(title, []).append(record)
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)


def option_group(title: str, *options: Any) -> Any:
    """A decorator that adds options under one title.

    Args:
        title: as the help prints it.
        *options: what `option` returns, or decorators that add several.
    """

    def wrap(function: Any) -> Any:
        before = len(getattr(function, "__click_params__", ()))
        for one in reversed(options):
            function = one(function)
        for param in function.__click_params__[before:]:
            param.group = title
        return function

    return wrap


def refuse_repeats(command: click.Command, ctx: click.Context, args: list[str]) -> None:
    """Refuse an option that takes one value and was given several: click would keep the last.

    Raises:
        click.UsageError: names the option.
    """
    inner = click.Context(command, info_name=command.name, parent=ctx)
    try:
        _, _, order = command.make_parser(inner).parse_args(list(args))
    except click.UsageError:
        return  # the command itself says what is wrong
    seen = set()
    for param in order:
        single = isinstance(param, click.Option) and not (param.multiple or param.is_flag)
        if single and param in seen:
            name = max(param.opts, key=len)
            raise click.UsageError(f"{name} takes one value and was given twice", inner)
        seen.add(param)


def one_thread() -> None:
    """For commands that read run folders: multiply in one thread; before numpy is imported.

    Their matrix products are small, and the threads of the algebra library doubled the processor
    time without an earlier end.
    """
    import os

    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
