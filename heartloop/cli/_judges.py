"""The flags that name judges, for every command that can ask one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from heartloop.errors import UsageError

if TYPE_CHECKING:
    from heartloop.run.judges import JudgeModel

NAMES = ("judge", "judge_base_url", "judge_key_env", "judge_temperature", "judge_max_tokens")

_OPTIONS = (
    click.option(
        "--judge",
        multiple=True,
        metavar="M[,M]",
        help="The model that judges, for verifiers that need one; several are a panel.",
    ),
    click.option(
        "--judge-base-url",
        multiple=True,
        metavar="URL",
        help="The judge's own server; with a panel one for all, or one for each in order.",
    ),
    click.option(
        "--judge-key-env",
        multiple=True,
        metavar="VAR",
        help="The variable with the key for --judge-base-url. Default HEARTLOOP_JUDGE_API_KEY.",
    ),
    click.option(
        "--judge-temperature", type=click.FloatRange(0), help="Default: its card's, else 0."
    ),
    click.option(
        "--judge-max-tokens",
        type=click.IntRange(1),
        metavar="N",
        help="Room for a judge's thinking and verdict. Default: its card's, else 4096.",
    ),
)


def judge_options(command: Any) -> Any:
    """Add the flags to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def judges_from(flags: Mapping[str, Any]) -> tuple[JudgeModel, ...]:
    """The panel that the flags name; empty without ``--judge``.

    Raises:
        UsageError: flags of a judge without one, or as many URLs or variables as fit no panel.
    """
    from heartloop.run.judges import judges_of

    names = [name.strip() for spec in flags["judge"] for name in spec.split(",") if name.strip()]
    given = [name for name in NAMES if flags[name] not in (None, ())]
    if not names:
        if given:
            raise UsageError(f"--{given[0].replace('_', '-')}: needs --judge, too")
        return ()
    urls = _each("--judge-base-url", flags["judge_base_url"], len(names))
    keys = _each("--judge-key-env", flags["judge_key_env"], len(names))
    sampling = {
        name: flags[f"judge_{name}"]
        for name in ("temperature", "max_tokens")
        if flags[f"judge_{name}"] is not None
    }
    for name, url, key in zip(names, urls, keys, strict=True):
        if key is not None and url is None:
            raise UsageError(
                f"--judge-key-env {key}: is the key for --judge-base-url; {name} has no server of "
                "its own and takes the key of its provider"
            )
    return judges_of(
        [
            {"model": name, "base_url": url, "key_env": key, "sampling": sampling}
            for name, url, key in zip(names, urls, keys, strict=True)
        ],
        "--judge",
    )


def moved_judges(panel: Sequence[JudgeModel], urls: Sequence[str]) -> tuple[JudgeModel, ...]:
    """The panel of a run whose judges' servers have moved.

    Raises:
        UsageError: the run has no judge with a server of its own, or the URLs fit no panel.
    """
    import dataclasses

    from heartloop.models.urls import base_url

    own = [judge for judge in panel if judge.base_url is not None]
    if not own:
        raise UsageError("--judge-base-url: no judge of this run has a server of its own")
    new = iter(_each("--judge-base-url", urls, len(own)))
    return tuple(
        judge
        if judge.base_url is None
        else dataclasses.replace(judge, base_url=str(base_url(str(next(new)), "--judge-base-url")))
        for judge in panel
    )


def _each(option: str, values: Sequence[str], count: int) -> list[str | None]:
    if not values:
        return [None] * count
    if len(values) == 1:
        return [values[0]] * count
    if len(values) != count:
        raise UsageError(f"{option}: {len(values)} for {count} judges; give one, or one for each")
    return list(values)
