"""Checks of the installation: packages, disk, clock, GPUs, data, and one real request."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from heartloop import __version__
from heartloop.errors import CallError, HeartloopError
from heartloop.models import ModelOptions, make_model
from heartloop.models.kinds import KINDS
from heartloop.run.folder import runs_dir
from heartloop.types import Address, Message, Request, Sampling

CORE = ("numpy", "click", "rich", "tenacity", "httptools", "orjson", "PyYAML", "math-verify")
EXTRAS = {
    "litellm": "api",
    "datasets": "hub",
    "evaluate": "evaluate",
    "pyarrow": "parquet",
    "aiohttp": "serve",
    "dspy": "dspy",
    "ray": "ray",
}
LEAST_FREE_GB = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: ``ok``, ``absent`` (an option that is not there) or ``broken``."""

    name: str
    state: Literal["ok", "absent", "broken"]
    found: str
    remedy: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def examine(
    model: str,
    base_urls: tuple[str, ...],
    *,
    data_dir: str | None = None,
    runs: str | None = None,
) -> list[Finding]:
    """All checks, in the order in which a user would mend them; none raises."""
    checks: list[Callable[[], list[Finding]]] = [
        _python,
        _core,
        _extras,
        _kinds,
        _gpus,
        lambda: _disk(runs),
        lambda: _data(data_dir),
        _clock,
        lambda: [_request(model, base_urls)],
    ]
    found: list[Finding] = []
    for check in checks:
        try:
            found += check()
        except (HeartloopError, OSError) as error:
            found.append(Finding("check", "broken", str(error)))
    return found


def _python() -> list[Finding]:
    return [Finding("heartloop", "ok", f"{__version__} on Python {platform.python_version()}")]


def _core() -> list[Finding]:
    versions, missing = [], []
    for package in CORE:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            missing.append(package)
    if missing:
        return [Finding("packages", "broken", f"missing: {', '.join(missing)}",
                        "pip install heartloop")]  # fmt: skip
    return [Finding("packages", "ok", ", ".join(versions))]


def _extras() -> list[Finding]:
    found = []
    for package, extra in EXTRAS.items():
        try:
            found.append(Finding(package, "ok", metadata.version(package)))
        except metadata.PackageNotFoundError:
            if importlib.util.find_spec(package):
                found.append(Finding(package, "ok", "installed"))
            else:
                remedy = f"only if you want it: pip install 'heartloop[{extra}]'"
                found.append(Finding(package, "absent", "not installed", remedy))
    return found


def _kinds() -> list[Finding]:
    """What can stand after ``--model`` here."""
    found = []
    for kind in KINDS.values():
        lacking = [name for name in kind.needs if not importlib.util.find_spec(name)]
        name = f"--model {kind.spec}"
        if lacking:
            said = f"{' and '.join(lacking)} not installed"
            found.append(Finding(name, "absent", said, f"only if you want it: {kind.missing}"))
        else:
            found.append(Finding(name, "ok", kind.line))
    return found


def _gpus() -> list[Finding]:
    from heartloop.serving.vllm import visible_gpus

    gpus = visible_gpus()
    if gpus:
        return [Finding("GPUs", "ok", ", ".join(gpus))]
    remedy = "vllm/… then serves on the CPU, slowly; server/… and APIs need no GPU here"
    return [Finding("GPUs", "absent", "none visible", remedy)]


def _disk(runs: str | None) -> list[Finding]:
    place = runs_dir(runs)
    at = place
    while not at.exists():
        at = at.parent if at != at.parent else Path(".")
    if not os.access(at, os.W_OK):
        return [Finding("runs folder", "broken", f"{place} cannot be written",
                        "choose another place with --runs or HEARTLOOP_RUNS")]  # fmt: skip
    free = shutil.disk_usage(at).free / 1e9
    if free < LEAST_FREE_GB:
        remedy = "make room: 100,000 calls take about 0.2 GB"
        return [Finding("disk", "broken", f"{free:.1f} GB free for {place}", remedy)]
    return [Finding("runs folder", "ok", f"{place}, {free:.0f} GB free")]


def _data(data_dir: str | None) -> list[Finding]:
    place = data_dir or os.environ.get("HEARTLOOP_DATA")
    if not place:
        remedy = "real benchmarks: --data DIR or HEARTLOOP_DATA; heartloop data list"
        return [Finding("data folder", "absent", "none given", remedy)]
    if not Path(place).is_dir():
        return [Finding("data folder", "broken", f"{place} is not a folder", "mend --data")]
    held = sorted(p.name for p in Path(place).iterdir() if p.is_dir())
    return [Finding("data folder", "ok", f"{place}: {', '.join(held) or 'empty'}")]


def _clock() -> list[Finding]:
    now = time.time()
    if now < 1_700_000_000:
        return [
            Finding("clock", "broken", time.ctime(now), "set the clock: TLS and run names need it")
        ]
    return [Finding("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now)))]


def _request(spec: str, base_urls: tuple[str, ...]) -> Finding:
    """One real request, with its timing."""
    name = f"model {spec}"
    try:
        return asyncio.run(_ask(name, spec, base_urls))
    except CallError as error:
        return Finding(name, "broken", f"{error.kind}: {error}", _remedy(error))
    except HeartloopError as error:
        return Finding(name, "broken", str(error))


async def _ask(name: str, spec: str, base_urls: tuple[str, ...]) -> Finding:
    started = time.monotonic()
    options = ModelOptions(base_urls=base_urls) if base_urls else ModelOptions()
    model = make_model(spec, options)
    loaded = time.monotonic()
    try:
        completion = await model.complete(
            Request(
                Address("doctor", "1", spec, 0, 0),
                (Message("user", "What is 2 + 3? Put the answer in \\boxed{}."),),
                Sampling(temperature=0.0, max_tokens=64),
            )
        )
    finally:
        await model.close()
    seconds = time.monotonic() - loaded
    usage = completion.usage
    return Finding(
        name,
        "ok",
        f"answered in {seconds:.2f} s (opened in {loaded - started:.2f} s), "
        f"{usage.prompt} + {usage.completion} tokens, finish {completion.finish_reason}: "
        f"{completion.text[:60]!r}",
    )


def _remedy(error: CallError) -> str:
    return {
        "connection": "is the server up, and is --base-url right (it ends in /v1)?",
        "auth": "set the key: HEARTLOOP_API_KEY for server/…, else the provider's own variable",
        "not_found": "heartloop models list --base-url URL shows the names the server knows",
        "server_died": "see the line above; heartloop shows the server's own log while it starts",
    }.get(error.kind, "")
