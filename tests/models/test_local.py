"""Servers found on this machine: asked without a key, listed with their use, used if named."""

from __future__ import annotations

import json

import pytest

from heartloop.cli import main
from heartloop.cli._options import default_model
from heartloop.models import local
from heartloop.models.local import LocalModel, context_of, find_local


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HEARTLOOP_API_KEY", "PLANTEDKEY0005")
    monkeypatch.delenv("HEARTLOOP_MODEL", raising=False)


def port(server):
    return int(server.url.removesuffix("/v1").rpartition(":")[2])


def test_servers_are_found_without_a_key_and_listed_with_their_use(loopback, monkeypatch, capsys):
    vllm = loopback(lambda body: "", listed=[{"id": "a/b", "max_model_len": 2048}])
    llama = loopback(lambda body: "", listed=[{"id": "c", "meta": {"n_ctx_train": 4096}}])
    places = (("vLLM", port(vllm)), ("nobody", 9), ("llama.cpp", port(llama)))
    here = [
        LocalModel("a/b", vllm.url, "vLLM", 2048),
        LocalModel("c", llama.url, "llama.cpp", 4096),
    ]
    assert find_local(places) == here
    assert {key for _, key in [*vllm.looked, *llama.looked]} == {None}
    monkeypatch.setattr(local, "find_local", lambda timeout=1: here)
    with pytest.raises(SystemExit):
        raise SystemExit(main(["models"]))
    shown = capsys.readouterr().out
    assert "2,048" in shown and f"--base-url {llama.url}" in shown and "server/a/b" in shown
    with pytest.raises(SystemExit):
        raise SystemExit(main(["models", "list", "--json"]))
    assert json.loads(capsys.readouterr().out)["default"] == "pocket"


def test_a_found_server_is_used_only_where_the_user_agrees(monkeypatch):
    monkeypatch.setattr(local, "find_local", lambda: [LocalModel("m", "http://x/v1", "vLLM", 1)])
    assert default_model(())[0] == "pocket"
    assert default_model((), ask=True)[0] == "pocket"  # no terminal, so nobody agreed
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for agreed in (True, False):
        monkeypatch.setattr("click.confirm", lambda *_, agreed=agreed, **__: agreed)
        name, urls, _ = default_model((), ask=True)
        expected = ("server/m", ("http://x/v1",)) if agreed else ("pocket", ())
        assert (name, urls) == expected


@pytest.mark.parametrize(
    ("entry", "context"),
    [({"max_model_len": 9}, 9), ({"meta": None}, None), ({"n_ctx": True}, None), ({}, None),
     ({"context_length": "9"}, None), ({"max_context_length": 7, "loaded_context_length": 5}, 5)],
)  # fmt: skip
def test_context_lengths_are_read_where_servers_put_them(entry, context):
    assert context_of(entry) == context
