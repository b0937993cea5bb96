"""Shards of a run, made apart (`heartloop run --shard i/n`), become one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from heartloop.errors import UsageError
from heartloop.run.folder import MANIFEST, RunFolder
from heartloop.run.layout import Manifest, Summary
from heartloop.run.ray import merge
from heartloop.run.session import write_summary

_OWN = ("limits", "server", "data_dir")  # what may differ from shard to shard


def check_shards(folders: Sequence[RunFolder]) -> None:
    """Refuse folders that are not all shards of one plan, each once.

    Raises:
        UsageError: names the folder that does not fit, or the shards that are missing.
    """
    first = folders[0].manifest
    parts = (first.get("shard") or [0, 0])[1]
    seen: dict[int, str] = {}
    for folder in folders:
        manifest = folder.manifest
        shard = manifest.get("shard")
        if not shard:
            raise UsageError(f"{folder.path}: is no shard; make one with heartloop run --shard i/n")
        index, count = shard
        if count != parts:
            raise UsageError(f"{folder.path}: is one of {count} shards, not {parts}")
        if index in seen:
            raise UsageError(f"{folder.path}: shard {index + 1} again, as {seen[index]} is")
        seen[index] = folder.name
        for name in ("plan", "tasks", "data", "claim", "meaning"):
            if _same(manifest.get(name)) != _same(first.get(name)):
                why = f"its {name} is not that of"
                drawn = {**manifest["plan"], "draws": first["plan"]["draws"]}
                if name == "plan" and _same(drawn) == _same(first["plan"]):
                    why = "its pilot gave resample other draws than that of"
                raise UsageError(
                    f"{folder.path}: {why} {folders[0].path}; the others take the plan of the "
                    f"first: heartloop run --plan {folders[0].path / MANIFEST} --shard …"
                )
        if not manifest["sessions"] or not manifest["sessions"][-1].get("ended"):
            raise UsageError(f"{folder.path}: is not ended; heartloop resume {folder.path}")
    missing = sorted(set(range(parts)) - set(seen))
    if missing:
        told = ", ".join(f"{i + 1}/{parts}" for i in missing)
        raise UsageError(f"shards {told} are missing; name all of them")


def merge_shards(folders: Sequence[RunFolder], into: RunFolder, command: str) -> Summary:
    """Make one run folder of its shards; returns the summary.

    Args:
        folders: as `check_shards` lets through.
        into: a new folder.
        command: the command line, for the manifest.
    """
    manifests = [folder.manifest for folder in folders]
    stopped = next((why for m in manifests if (why := m["sessions"][-1].get("stopped"))), None)
    sessions = [session for manifest in manifests for session in manifest["sessions"]]
    sessions.append({**sessions[-1], "wall_s": 0.0, "command": command, "stopped": stopped})
    manifest: Manifest = {
        **manifests[0],
        "run": into.name,
        "shard": None,
        "sessions": sessions,
        "calls": {"shards": {f.name: f.manifest["calls"] for f in folders}},
    }
    into.write_manifest(manifest)
    merge(into, [folder.path for folder in folders])
    return write_summary(into, manifest, stopped=stopped)


def _same(value: Any) -> Any:
    if isinstance(value, Mapping) and "arms" in value:
        return {k: v for k, v in value.items() if k not in _OWN}
    return value
