"""``heartloop serve``: what was found, at work."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import click

from heartloop.cli._command import GroupedCommand, option_group
from heartloop.cli._flags import CAPS, LAUNCH, SERVER

TOKEN = "HEARTLOOP_SERVE_TOKEN"  # noqa: S105

SERVED = option_group(
    "What is served",
    click.option(
        "--model",
        multiple=True,
        metavar="M[,M]",
        help="pocket, server/NAME, vllm/PATH, hf/PATH, replay/FILE or a litellm name.",
    ),
    click.option(
        "--names",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="A serve.yaml with names of your own. Default: serve.yaml here, where there is one.",
    ),
    click.option(
        "--journal",
        type=click.Path(file_okay=False),
        metavar="DIR",
        help="Write every completion down; after a restart the same requests cost nothing.",
    ),
    click.option(
        "--host",
        default="127.0.0.1",
        show_default=True,
        help=f"Address to bind; beyond this machine only with {TOKEN} set.",
    ),
    click.option("--port", type=click.IntRange(0, 65535), default=8321, show_default=True),
    click.option("--json", "as_json", is_flag=True, help="Print url and models as JSON on stdout."),
)


@click.command("serve", cls=GroupedCommand, short_help="Serve a model and its arms.")
@SERVED
@SERVER
@LAUNCH
@CAPS
def serve_command(**flags: Any) -> int:
    """Serve a model and its arms as an OpenAI-compatible API.

    \b
    heartloop serve --model server/NAME --base-url URL
    heartloop serve --model openai/gpt-4o-mini --max-usd 5 --yes
    curl http://127.0.0.1:8321/v1/models

    NAME is the model as it is, NAME+EP02 with a stimulus, NAME+heart and NAME+adaptive with a loop
    or draws that need no verifier; names of your own stand in a serve.yaml (docs/serve.md).
    """
    from heartloop.cli._money import confirm_billed
    from heartloop.cli._options import default_model, plain_plan
    from heartloop.errors import UsageError, absent_part

    try:
        from heartloop.serve.app import Where, serve
    except ModuleNotFoundError as error:
        if error.name != "aiohttp":
            raise
        raise UsageError(absent_part("heartloop serve", "aiohttp", "serve")) from None
    from heartloop.serve.names import Names

    token = (os.environ.get(TOKEN) or "").strip() or None
    where = Where(flags["host"], flags["port"], token)
    file = Path(flags["names"] or "serve.yaml")
    own = file if flags["names"] or file.is_file() else None
    given = [name for spec in flags["model"] for name in spec.split(",") if name]
    urls = flags["base_url"]
    if not given and (own is None or urls):
        name, urls, _ = default_model(tuple(urls), ask=not flags["as_json"])
        given = [name]
    names = Names(list(dict.fromkeys(given)), own)
    plan = plain_plan({**flags, "base_url": urls}, names.models)
    confirm_billed(names.models, flags["yes"], "what clients ask")

    def ready(url: str) -> None:
        if flags["as_json"]:
            click.echo(json.dumps({"url": url, "models": names.listed()}))
            return
        shown = ", ".join(names.listed())
        click.echo(f"serving {shown}\nat {url} (Ctrl-C ends it)", err=True)

    app = asyncio.run(
        serve(names, plan, where, Path(flags["journal"]) if flags["journal"] else None, ready)
    )
    stats = app.client.stats()
    if not flags["as_json"]:
        click.echo(
            f"{app.requests:,} requests, {app.refused:,} of them refused; {stats.calls:,} calls, "
            f"{stats.tokens:,} tokens paid, {stats.shared:,} from the journal, "
            f"{stats.cancelled:,} cancelled",
            err=True,
        )
    return 0
