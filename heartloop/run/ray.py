"""``--ray``: shards of the questions as actors on a Ray cluster, merged by concatenation.

Every shard is an ordinary run in ``RUN/shards/NNNN`` with its own journal, client and limits, so
that a lost actor is started again and goes on where its journal ends. The run folder must be
reachable under the same path from every node (a shared file system, or one machine).
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from heartloop.calls import Journal
from heartloop.errors import HeartloopError, UsageError
from heartloop.models.kinds import kind_of
from heartloop.run.execute import execute
from heartloop.run.folder import CALLS, MANIFEST, VERDICTS, RunFolder, read_json
from heartloop.run.layout import Summary
from heartloop.run.load import Prepared, prepare
from heartloop.run.manifest import new_manifest
from heartloop.run.pilot import fix_draws, needs_pilot
from heartloop.run.pins import meaning_of
from heartloop.run.plan import Plan, plan_from_dict
from heartloop.run.runner import Runner
from heartloop.run.session import open_client, write_summary

SHARDS = "shards"
PILOT = "pilot"
TAKEN_OVER = "shards-merged"
MOST_LOSSES = 5
DIVIDED = ("rpm", "tpm", "max_total_tokens", "max_usd")
POLL_SECONDS = 0.5

Tell = Callable[[str], None]


def execute_on_ray(
    prepared: Prepared,
    folder: RunFolder,
    *,
    address: str,
    shards: int | None = None,
    command: str = "",
    tell: Tell | None = None,
) -> Summary:
    """Run a plan as shards on a Ray cluster and merge them into one run folder.

    Args:
        prepared: what `prepare` returned.
        folder: a new folder, or that of an interrupted Ray run (its shards go on).
        address: a Ray address, or ``auto``.
        shards: how many; default one for each of the cluster's GPUs where the model needs them,
            else one a node.
        command: the command line, for the manifest.
        tell: takes a line of progress every few seconds.

    Raises:
        UsageError: Ray is not installed, or the address does not answer.
        HeartloopError: a shard failed, or was lost too often.
    """
    ray = _connect(address)
    # A shard cannot tell which claims stand, so the arms that wait for one are not asked.
    before = len(prepared.plan.arms)
    ungated = tuple(arm for arm in prepared.plan.arms if not arm.gated)
    prepared = dataclasses.replace(prepared, plan=dataclasses.replace(prepared.plan, arms=ungated))
    if tell and len(ungated) < before:
        tell(
            f"note: {before - len(ungated)} demand-only twins that wait for a claim are not asked "
            "on Ray, so words and what they ask for are not told apart; --controls full asks all"
        )
    plan = prepared.plan
    gpus = _gpus_a_shard(plan)
    manifest_file = folder.path / MANIFEST
    if (folder.path / TAKEN_OVER).exists():
        raise UsageError(
            f"{folder.path}: a single process has taken this run over; resume it without --ray"
        )
    if manifest_file.exists():
        manifest = folder.manifest
        count = int(manifest["ray"]["shards"])
    else:
        count = shards or _default_shards(ray, gpus)
        manifest = new_manifest(prepared, folder, None)
        manifest["ray"] = {"shards": count, "lost": 0}
        folder.write_manifest(manifest)
    started = time.monotonic()
    paths = [folder.path / SHARDS / f"{i:04d}" for i in range(count)]
    for path in paths:
        path.mkdir(parents=True, exist_ok=True)
    actor = _actor_class(ray, gpus)
    try:
        if needs_pilot(plan):
            plan, manifest["pilot"] = _pilot(ray, plan, gpus, folder.path / SHARDS / PILOT)
            manifest["plan"], manifest["meaning"] = plan.to_dict(), meaning_of(plan)
            folder.write_manifest(manifest)
            for path in paths:
                shutil.copyfile(folder.path / SHARDS / PILOT / CALLS, path / CALLS)
        plain = _absolute(_share_of(plan, count)).to_dict()
        stopped, lost = _drive(ray, actor, plain, paths, prepared.units, tell)
    finally:
        ray.shutdown()
    merge(folder, paths)
    manifest["ray"]["lost"] += lost
    manifest["sessions"].append(
        {
            "started": read_json(paths[0] / MANIFEST)["sessions"][-1]["started"],
            "ended": None,
            "wall_s": round(time.monotonic() - started, 3),
            "command": command,
            "stopped": stopped,
        }
    )
    folder.write_manifest(manifest)
    return write_summary(folder, manifest, stopped=stopped)


def _pilot(ray: Any, plan: Plan, gpus: int, path: Path) -> tuple[Plan, dict[str, Any]]:
    """Fix the draws of `resample` once for all shards, on a node of the cluster."""
    path.mkdir(parents=True, exist_ok=True)
    task = ray.remote(num_cpus=1, num_gpus=gpus)(pilot_in)
    try:
        plain, facts = ray.get(task.remote(_absolute(plan).to_dict(), str(path.resolve())))
    except ray.exceptions.RayTaskError as error:
        raise HeartloopError(f"pilot: {str(error).strip().splitlines()[-1]}") from error
    draws = plan_from_dict(plain, "pilot")
    return dataclasses.replace(plan, draws=draws.draws, match=draws.match), facts


def pilot_in(plain: Mapping[str, Any], path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run the token-only pilot of a plan with its journal in a folder."""

    async def work() -> tuple[dict[str, Any], dict[str, Any]]:
        prepared = await asyncio.to_thread(prepare, plan_from_dict(plain, "pilot"))
        with Journal.open(path) as journal:
            async with open_client(prepared, journal) as client:
                plan, facts = await fix_draws(prepared, client)
        return plan.to_dict(), facts

    return asyncio.run(work())


def take_over(folder: RunFolder) -> None:
    """Make an interrupted Ray run an ordinary one: its shards' journals become its journal."""
    shards = folder.path / SHARDS
    if shards.is_dir():
        merge(folder, sorted(p for p in shards.iterdir() if p.is_dir()))
        shards.rename(folder.path / TAKEN_OVER)


def merge(folder: RunFolder, paths: list[Path]) -> None:
    """Concatenate the shards' journals and verdicts into the run folder, atomically."""
    for name in (CALLS, VERDICTS):
        temporary = folder.path / f".{name}.tmp"
        with temporary.open("wb") as out:
            for path in paths:
                if (path / name).exists():
                    with (path / name).open("rb") as shard:
                        shutil.copyfileobj(shard, out)
        temporary.replace(folder.path / name)


def _connect(address: str) -> Any:
    try:
        import ray
    except ImportError:
        raise UsageError("--ray: Ray is not installed; pip install 'heartloop[ray]'") from None
    if ray.is_initialized():
        return ray
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UsageError(
            f"--ray {address}: no Ray cluster answers there ({str(error).splitlines()[0]}); "
            "start one: ray start --head"
        ) from error
    return ray


def _gpus_a_shard(plan: Plan) -> int:
    if any((kind := kind_of(model)) and kind.gpus for model in plan.models):
        return int(plan.server.get("tensor_parallel", 1))
    return 0


def _default_shards(ray: Any, gpus: int) -> int:
    resources = ray.cluster_resources()
    if gpus and resources.get("GPU"):
        return max(1, int(resources["GPU"]) // gpus)
    return max(1, sum(1 for node in ray.nodes() if node["Alive"]))


def _share_of(plan: Plan, count: int) -> Plan:
    """A shard's part of every limit that is meant for the whole run."""
    limits = dict(plan.limits)
    for name in DIVIDED:
        if limits.get(name):
            share = limits[name] / count
            limits[name] = max(1, int(share)) if name == "max_total_tokens" else share
    if isinstance(limits.get("concurrency"), int):
        limits["concurrency"] = max(1, limits["concurrency"] // count)
    return dataclasses.replace(plan, limits=limits)


def _absolute(plan: Plan) -> Plan:
    """Paths that mean the same in an actor's own working directory."""
    tasks = tuple(str(Path(t).resolve()) if Path(t).is_file() else t for t in plan.tasks)
    data = str(Path(plan.data_dir).resolve()) if plan.data_dir else None
    models = tuple(_absolute_model(model) for model in plan.models)
    return dataclasses.replace(plan, tasks=tasks, data_dir=data, models=models)


def _absolute_model(model: str) -> str:
    kind, slash, rest = model.partition("/")
    if kind in ("replay", "vllm", "hf") and Path(rest).exists():
        return f"{kind}/{Path(rest).resolve()}"
    return model


class Shard:
    """The actor: one shard of a run."""

    def __init__(self, plain: Mapping[str, Any], path: str, index: int, count: int) -> None:
        self._plan = plan_from_dict(plain, "ray shard")
        self._folder = RunFolder(Path(path))
        self._shard = (index, count)
        self._runner: Runner | None = None

    async def run(self) -> dict[str, Any]:
        """Work on the shard until it is done; returns why it stopped, or None."""
        import contextlib

        @contextlib.contextmanager
        def watch(runner: Runner, _client: Any) -> Any:
            self._runner = runner
            yield

        prepared = await asyncio.to_thread(prepare, self._plan)
        try:
            summary = await execute(
                prepared, self._folder, watch=watch, shard=self._shard, signals=False
            )
        except HeartloopError as error:
            return {"stopped": str(error), "failed": True}
        return {"stopped": summary["stopped"], "failed": False}

    async def progress(self) -> tuple[int, int]:
        """Units done and errors so far."""
        if self._runner is None:
            return 0, 0
        return self._runner.live.done, self._runner.live.errors


def _actor_class(ray: Any, gpus: int) -> Any:
    return ray.remote(num_cpus=1, num_gpus=gpus, max_concurrency=2)(Shard)


def _drive(
    ray: Any, actor: Any, plain: Mapping[str, Any], paths: list[Path], total: int, tell: Tell | None
) -> tuple[str | None, int]:
    """Start every shard, start lost ones again, and wait; returns why it stopped, and losses."""
    count = len(paths)
    actors: dict[int, Any] = {}
    running: dict[Any, int] = {}
    losses = dict.fromkeys(range(count), 0)
    done = dict.fromkeys(range(count), (0, 0))
    stopped: str | None = None
    failed: str | None = None

    def start(i: int) -> None:
        actors[i] = actor.remote(plain, str(paths[i].resolve()), i, count)
        running[actors[i].run.remote()] = i

    for i in range(count):
        start(i)
    told = time.monotonic()
    while running:
        ready, _ = ray.wait(list(running), timeout=POLL_SECONDS)
        for reference in ready:
            i = running.pop(reference)
            try:
                result = ray.get(reference)
            except (ray.exceptions.RayActorError, ray.exceptions.RayTaskError) as error:
                losses[i] += 1
                if losses[i] > MOST_LOSSES or isinstance(error, ray.exceptions.RayTaskError):
                    raise HeartloopError(
                        f"shard {i}: {str(error).strip().splitlines()[-1]}"
                    ) from error
                if tell:
                    tell(f"shard {i} was lost; starting it again from its journal")
                start(i)
                continue
            stopped = stopped or result["stopped"]
            if result["failed"]:
                failed = failed or result["stopped"]
            ray.kill(actors.pop(i))
        if tell and time.monotonic() - told > 5:
            told = time.monotonic()
            for i, one in actors.items():
                asked, _ = ray.wait([one.progress.remote()], timeout=1)
                if asked:
                    try:
                        done[i] = ray.get(asked[0])
                    except ray.exceptions.RayActorError:
                        continue
            finished = sum(d for d, _ in done.values())
            tell(f"{finished}/{total} done on {len(actors)} of {count} shards")
    if failed is not None and stopped is not None:
        raise HeartloopError(failed)
    return stopped, sum(losses.values())
