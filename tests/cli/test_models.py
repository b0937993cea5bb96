"""``heartloop models``: what is here, and what a fetched model still needs."""

from __future__ import annotations

import importlib.util

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
