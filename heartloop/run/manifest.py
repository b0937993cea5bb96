"""``manifest.json``: what a run is made of, and whether it is still the same run."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from heartloop import __version__
from heartloop.errors import UsageError
from heartloop.run.claim import claim_dict, planned_claim
from heartloop.run.folder import MANIFEST, RunFolder
from heartloop.run.layout import DataFacts, Manifest
from heartloop.run.load import Prepared, task_facts
from heartloop.run.pins import check_meaning, meaning_of
from heartloop.run.tables import tables_of
from heartloop.run.trust import signature

SCHEMA = 1

# What each field of the manifest means: the source of docs/schema.md.
FIELDS: dict[str, str] = {
    "schema": "version of this layout",
    "run": "the run's name, which is the folder's name",
    "plan": "the resolved plan; `heartloop run --plan manifest.json` repeats it",
    "tasks": "for each task: mode, hashes of its card and verifier, metric bounds, sampling, "
    "and the hash of its question ids in order",
    "data": "for each task: source, sha256, expected sha256, revision, licence, practice or not, "
    "notes",
    "tables": "the user's own small tables: as the plan names them, their copy in the run folder, "
    "and its sha256",
    "claim": "what the run may say, fixed before its first call: treatments, controls, metric, "
    "margin, level, contrasts, and the sha256 of all of it; absent in older folders",
    "meaning": "what the arms mean, with its sha256: every sentence that methods, selectors and "
    "judges say, every parameter of every arm, the selector, and hashes of sample prompts; absent "
    "in older folders",
    "pilot": "the token-only pilot that fixed the draws of `resample`; absent where none was made",
    "gate": "treatments whose claim stood, twins that were asked for them, and twins left out of "
    "the plan; absent where none waits for a claim",
    "imported": "for results of another tool: the tool, the files with their sha256, and what they "
    "did not hold; else absent",
    "made_in": "for a search that was begun in a program of the user's own (a DSPy compile): what "
    "began it, the program's name and the sha256 of its code, signatures and demonstrations; else "
    "absent",
    "reused": "runs whose answers were taken over, and how many; else null",
    "ray": "shards and how many were lost, for runs on Ray",
    "shard": "(index, count) of a sharded run, else null",
    "versions": "heartloop, Python and the packages that decide results",
    "git": "revision of the checkout heartloop ran from, or null",
    "made_here": "signature of the user who made the run over the programs and addresses of its "
    "plan; others' are not executed or asked without a word; null where no key could be kept",
    "sessions": "for each session: started and ended (UTC), seconds, command line, why it stopped",
    "calls": "what the client learnt: whether seeds were sent, servers, concurrency reached",
}

PACKAGES = ("numpy", "httptools", "orjson", "math-verify", "sympy", "litellm", "datasets")


def new_manifest(prepared: Prepared, folder: RunFolder, shard: tuple[int, int] | None) -> Manifest:
    """The manifest of a run that is about to begin."""
    plan = prepared.plan.to_dict()
    manifest: Manifest = {
        "schema": SCHEMA,
        "run": folder.name,
        "plan": plan,
        "tasks": [task_facts(task) for task in prepared.tasks],
        "data": [data_facts(task) for task in prepared.tasks],
        "tables": tables_of(prepared.plan),
        "claim": claim_dict(planned_claim(prepared)),
        "meaning": meaning_of(prepared.plan),
        "shard": list(shard) if shard else None,
        "versions": dict(versions()),
        "git": git_revision(),
        "made_here": signature(plan),
        "sessions": [],
        "calls": {},
    }
    if prepared.made_in is not None:
        manifest["made_in"] = dict(prepared.made_in)
    return manifest


def data_facts(task: Any) -> DataFacts:
    """Where a task's questions came from."""
    data = task.data
    return {
        "task": task.card.name,
        "source": data.source,
        "sha256": data.sha256,
        "expected_sha256": data.expected_sha256,
        "revision": data.revision,
        "questions": len(data.questions),
        "practice": data.practice,
        "licence": task.card.licence,
        "notes": list(data.notes),
    }


@lru_cache(1)  # of what is loaded, whatever is installed beside a run under way
def versions() -> Mapping[str, str]:
    """Versions of what decides results."""
    found = {"heartloop": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


@lru_cache(1)
def git_revision() -> str | None:
    """The commit of the checkout that heartloop runs from, with ``+changes`` where it is dirty."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        head, *dirty = _status(root)
    except (OSError, subprocess.SubprocessError):
        return None
    return head + ("+changes" if dirty else "")


def _status(root: Path) -> list[str]:
    """The commit, and a line for each changed file."""
    asked = ["status", "--porcelain=v2", "--branch", "--untracked-files=no", "--no-ahead-behind"]
    done = subprocess.run(
        ["git", "-C", str(root), *asked], capture_output=True, text=True, timeout=5, check=True
    )
    head, *others = done.stdout.splitlines()
    if head.endswith("(initial)"):
        raise OSError("no commit yet")
    return [head.rpartition(" ")[2], *(line for line in others if line[:1] != "#")]


def check_unchanged(manifest: Manifest, prepared: Prepared) -> None:
    """Refuse to go on with a run whose words, parameters, cards or data have changed.

    Raises:
        UsageError: names the first thing that differs.
    """
    where = f"{manifest['run']}/{MANIFEST}"
    if manifest.get("schema") != SCHEMA:
        raise UsageError(f"{where}: schema {manifest.get('schema')!r}; this version reads {SCHEMA}")
    if manifest.get("made_in") != (prepared.made_in and dict(prepared.made_in)):
        raise UsageError(
            f"{where}: the program changed since the run began; put it back, or name a new folder"
        )
    check_meaning(manifest, prepared.plan, where)
    before = {t["task"]: t for t in manifest["tasks"]}
    for task in prepared.tasks:
        now = task_facts(task)
        old = before.get(now["task"])
        if old is None:
            raise UsageError(f"{where}: task {now['task']} was not in this run; start a new one")
        labels = (
            ("the questions", old["question_ids_sha256"], now["question_ids_sha256"]),
            ("the task card", old["card_sha256"], now["card_sha256"]),
            ("the verifier card", old["verifier_sha256"], now["verifier_sha256"]),
            ("the sampling", old["sampling"], now["sampling"]),
        )
        for label, one, other in labels:
            if one != other:
                raise UsageError(
                    f"{where}: {label} of {now['task']} changed since the run began; put it back, "
                    "or start a new run (--reuse takes over every call that is still the same)"
                )
    sources = {d["task"]: d["sha256"] for d in manifest["data"]}
    for task in prepared.tasks:
        if sources[task.card.name] != task.data.sha256:
            raise UsageError(
                f"{where}: the data of {task.card.name} changed since the run began "
                f"({task.data.source}); point --data at the data it began with"
            )
