"""Turning the flags of ``run`` into a plan."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from heartloop.cli._config import read_config
from heartloop.cli._judges import judges_from
from heartloop.cli._settings import limits_of, method_params_of, normal_url, sampling_of, server_of
from heartloop.errors import UsageError
from heartloop.run.arms import build_arms
from heartloop.run.doors import open_doors, open_selector, open_verifier
from heartloop.run.execute import Changes
from heartloop.run.folder import RunFolder
from heartloop.run.layout import Manifest
from heartloop.run.plan import Plan, load_plan
from heartloop.run.plan_checks import check_selector
from heartloop.types import Placement


def default_model(
    base_urls: tuple[str, ...], *, ask: bool = False
) -> tuple[str, tuple[str, ...], str]:
    """The model to use without ``--model``: name, base URLs, and why, for the screen.

    A server that merely answers on this machine was named by nobody: it is used only where the
    user agrees to it.

    Args:
        base_urls: of servers that the user named.
        ask: offer a server that was found, on a terminal.

    Raises:
        UsageError: no server answers at a URL that was named.
    """
    config = read_config()
    if config.get("model"):
        urls = base_urls or _urls(config)
        return str(config["model"]), urls, "from the config file"
    if os.environ.get("HEARTLOOP_MODEL"):
        return os.environ["HEARTLOOP_MODEL"], base_urls, "from HEARTLOOP_MODEL"
    for url in base_urls:
        served = served_models(url)
        if served:
            return f"server/{served[0]}", base_urls, f"the server at {url} answered"
    if base_urls:
        raise UsageError(
            f"--base-url {normal_url(base_urls[0])}: no model list at its /models; "
            "is the server up? Name the model with --model server/NAME"
        )
    from heartloop.models.local import find_local

    found = find_local()
    if not found:
        why = "nothing else is configured; a real LLM: --model server/NAME --base-url URL"
        return "pocket", (), why
    first = found[0]
    named = f"--model server/{first.name} --base-url {first.url}"
    if ask and sys.stdin.isatty():
        import click

        keyed = (
            " (with the key in HEARTLOOP_API_KEY)" if os.environ.get("HEARTLOOP_API_KEY") else ""
        )
        question = f"{first.server} answers at {first.url}. Use server/{first.name}{keyed}?"
        if click.confirm(question, err=True):
            return f"server/{first.name}", (first.url,), "agreed to"
    return "pocket", (), f"a server was found and not named; use it with {named}"


def _urls(config: Mapping[str, Any]) -> tuple[str, ...]:
    value = config.get("base_url", ())
    return (value,) if isinstance(value, str) else tuple(value)


def served_models(base_url: str, timeout: float = 0.7, *, key: bool = True) -> list[str]:
    """Names that ``/models`` of a server lists; empty when it does not answer.

    Redirects are not followed: the key would go with them.

    Args:
        base_url: of the server.
        timeout: seconds.
        key: send ``HEARTLOOP_API_KEY``; False for a server that nobody named.
    """
    import json
    import urllib.request

    from heartloop.models.urls import MODELS
    from heartloop.models.urls import base_url as read_url

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    url = read_url(base_url).at(MODELS)
    headers = {}
    if key and os.environ.get("HEARTLOOP_API_KEY", "").strip():
        headers["Authorization"] = f"Bearer {os.environ['HEARTLOOP_API_KEY'].strip()}"
    try:
        opener = urllib.request.build_opener(Stay)
        request = urllib.request.Request(url, headers=headers)
        with opener.open(request, timeout=timeout) as answer:
            listed = json.loads(answer.read(1 << 20))["data"]
        return [str(item["id"]) for item in listed]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def whole_numbers(value: str, option: str) -> tuple[int, ...]:
    """``0,1,2`` as numbers; raises UsageError."""
    try:
        return tuple(dict.fromkeys(int(part) for part in value.split(",")))
    except ValueError:
        raise UsageError(f"{option} {value!r}: expected whole numbers such as 0,1,2") from None


def shard_of_flag(text: str | None) -> tuple[int, int] | None:
    """``2/8`` as (index from 0, count); raises UsageError for anything that is none."""
    if text is None:
        return None
    index, slash, count = text.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise UsageError(f"--shard {text!r}: expected I/N, from 1/N to N/N")
    return int(index) - 1, int(count)


def places_of(text: str | None) -> tuple[Placement, ...]:
    """``before,system`` as placements; raises UsageError for anything that is none."""
    from heartloop.types import PLACEMENTS

    places = []
    for name in dict.fromkeys(filter(None, (text or "").split(","))):
        place = next((known for known in PLACEMENTS if known == name), None)
        if place is None:
            raise UsageError(f"--placement {name!r} is none of {', '.join(PLACEMENTS)}")
        places.append(place)
    return tuple(places)


def make_plan(flags: Mapping[str, Any]) -> tuple[Plan, str]:
    """The plan that the flags of ``run`` ask for, and a line that says which model and why.

    Raises:
        UsageError: flags that contradict one another or name things that do not exist.
    """
    if flags["plan"]:
        return _from_file(flags)
    if not flags["task"]:
        raise UsageError("--task is missing; heartloop tasks list shows what there is")
    config = read_config()
    if flags["model"]:
        named = [name for spec in flags["model"] for name in spec.split(",") if name]
        models, urls, why = tuple(dict.fromkeys(named)), tuple(flags["base_url"]), ""
        if not urls and any(m.startswith("server/") for m in models):
            urls = _urls(config)
    else:
        name, urls, why = default_model(tuple(flags["base_url"]), ask=not flags["as_json"])
        models = (name,)
    selector, verifier = flags["selector"], flags["verifier"]
    if selector:
        selector = open_selector(selector)
        check_selector(selector, "--selector")
    if verifier:
        verifier = open_verifier(verifier)
    if flags["sample"] is not None and flags["limit"] is None:
        raise UsageError("--sample draws the questions of --limit N; give --limit, too")
    method = flags["method"] or ("single" if flags["stimuli"] else "heart")
    mode = flags["mode"]
    practice, note = _practice(flags, config, models)
    tasks, flags = _in_wording(tuple(t for s in flags["task"] for t in s.split(",") if t), flags)
    plan = Plan(
        tasks=tasks,
        models=models,
        arms=build_arms(
            method,
            stimuli=flags["stimuli"],
            controls=flags["controls"],
            mode=mode or "oracle",
            placements=places_of(flags["placement"]),
            params=method_params_of(flags, method),
        ),
        seeds=whole_numbers(flags["seeds"], "--seeds"),
        mode=mode,
        selector=selector or "synthesis",
        limit=flags["limit"],
        sample=flags["sample"],
        shots=flags["shots"],
        shots_as=flags["shots_as"],
        verifier=verifier,
        helper=flags["helper"],
        judge=judges_from(flags),
        sampling=sampling_of(flags),
        data_dir=flags["data"] or config.get("data"),
        practice=practice,
        server=server_of(flags, urls),
        limits=limits_of(flags),
        match=flags["match"],
        stop_when=flags["stop_when"],
        primary=flags["primary"],
        margin=flags["margin"] / 100,
        reuse=tuple(flags["reuse"]),
    )
    line = f"model {', '.join(models)}" + (f" ({why})" if why else "")
    return plan, line + note


def plain_plan(flags: Mapping[str, Any], models: Sequence[str]) -> Plan:
    """A plan without tasks and arms: how models are reached and what may be spent.

    Raises:
        UsageError: flags that cannot be used.
    """
    urls = tuple(flags["base_url"])
    if not urls and any(model.startswith("server/") for model in models):
        urls = _urls(read_config())
    nothing = {"vllm_arg": (), "tensor_parallel": None, "replay_field": (), "extra_body": None}
    server = server_of({**nothing, "request_seeds": "off", **flags}, urls)
    given = {"max_unscored": None, **flags}
    return Plan((), tuple(models), (), server=server, limits=limits_of(given))


def _practice(
    flags: Mapping[str, Any], config: Mapping[str, Any], models: tuple[str, ...]
) -> tuple[bool, str]:
    """Whether the practice sets are used: asked for, or pocket without any data folder."""
    if flags["practice"]:
        return True, ""
    data = flags["data"] or config.get("data") or os.environ.get("HEARTLOOP_DATA")
    if data or models != ("pocket",) or any("." in t for t in flags["task"]):
        return False, ""
    from heartloop.data import resolve_tasks

    if not any(card.source.practice for card in resolve_tasks(",".join(flags["task"]))):
        return False, ""  # a card of the user's own, with its data beside it
    return (
        True,
        "\nno data folder given: pocket works on the PRACTICE SET, not on the real benchmark",
    )


PAPER = "_paper"  # behind the name of a suite: the same tasks in their published wording


def _in_wording(
    tasks: tuple[str, ...], flags: Mapping[str, Any]
) -> tuple[tuple[str, ...], Mapping[str, Any]]:
    """The tasks in the wording that ``--param wording=…`` asks for, and the flags without it.

    Raises:
        UsageError: another wording than ``own`` and ``paper``, or a task without a published one.
    """
    asked = [text for text in flags["param"] if text.partition("=")[0].strip() == "wording"]
    if not asked:
        return tasks, flags
    flags = {**flags, "param": tuple(text for text in flags["param"] if text not in asked)}
    wording = asked[-1].partition("=")[2].strip()
    if wording not in ("own", "paper"):
        raise UsageError(f"--param wording={wording}: expected own or paper")
    if wording == "own":
        return tasks, flags
    from heartloop.cards import list_cards

    known = {card.name for card in list_cards("tasks")}
    found = []
    for task in tasks:
        suite, slash, member = task.partition("/")
        if suite == "bigbench" or suite.endswith(PAPER):
            found.append(task)  # its prompts are the published ones
        elif suite + PAPER in known:
            found.append(suite + PAPER + slash + member)
        else:
            raise UsageError(
                f"--param wording=paper: {task} has no published wording of its own; "
                "instruction_induction has, and bigbench's prompts are the published ones"
            )
    return tuple(found), flags


# Flags that decide what is asked, with their defaults: a plan file says these itself.
_DECIDED: dict[str, Any] = {
    **dict.fromkeys(
        (
            "mode", "stimuli", "method", "placement", "limit", "sample", "shots", "shots_as",
            "verifier",
            "helper", "judge_temperature", "judge_max_tokens", "rounds", "candidates", "schedule",
            "history", "selector",
            "temperature", "max_tokens", "top_p", "reasoning_effort", "extra_body",
            "stop_when", "primary",
            "tensor_parallel",
        )
    ),
    **dict.fromkeys(
        ("task", "model", "param", "reuse", "replay_field", "vllm_arg", "judge", "judge_base_url",
         "judge_key_env"), ()),
    **dict.fromkeys(("practice", "logprobs", "batch"), False),
    "seeds": "0",
    "controls": "matched",
    "match": "tokens",
    "margin": 3.0,
    "request_seeds": "auto",
}  # fmt: skip


def register_methods(
    folder: RunFolder,
    manifest: Manifest,
    *,
    asks: bool,
    named_server: bool = False,
    allow_code: bool = False,
) -> None:
    """Make the DSPy programs that a run used as methods known again.

    Raises:
        UsageError: a program's file has changed since, or the folder is from elsewhere and what
            it would execute or ask was not allowed (`heartloop.run.trust`).
    """
    from heartloop.run.trust import check_received

    check_received(
        folder.path, manifest, asks=asks, named_server=named_server, allow_code=allow_code
    )
    open_doors(manifest["plan"])
    for arm in manifest["plan"]["arms"]:
        if str(arm["method"]).startswith("dspy:"):
            from heartloop.integrations.dspy import register_program

            register_program(arm["method"])


def _from_file(flags: Mapping[str, Any]) -> tuple[Plan, str]:
    """A plan file; only flags that do not change what is asked may stand beside it."""
    plan = load_plan(Path(flags["plan"]))
    for name, default in _DECIDED.items():
        if flags[name] != default and (flags[name] or flags[name] == 0):
            name = f"--{name.replace('_', '-')}"
            if flags["claim_from"]:
                raise UsageError(
                    f"{name} and --claim-from exclude one another: a confirmation takes over the "
                    "plan of its run; leave it out"
                )
            raise UsageError(f"{name} and --plan exclude one another: change the plan file")
    return changes_of(flags).of(plan), f"plan {flags['plan']}; model {', '.join(plan.models)}"


def changes_of(flags: Mapping[str, Any]) -> Changes:
    """What flags change about a plan that says itself what is asked: server, limits, data."""
    server: dict[str, Any] = {}
    if flags["base_url"]:
        server["base_urls"] = [normal_url(url) for url in flags["base_url"]]
    if flags["timeout"]:
        server["total_timeout"] = flags["timeout"]
    limits = limits_of(flags)
    if limits["concurrency"] == "auto":
        limits.pop("concurrency")
    return Changes(limits, server, flags.get("data"), bool(flags.get("as_begun")))
