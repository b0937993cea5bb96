"""A run is scored where its models are not: their packages, servers and keys are not looked for."""

from __future__ import annotations

import json

from heartloop.errors import UsageError
from heartloop.run import clients


def test_a_run_is_scored_without_what_its_model_needs(
    tmp_path, monkeypatch, loopback, heartloop, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ta.csv").write_text("id,question,answer\nq1,2+2?,4\nq2,3+3?,6\n")
    asked = ("--task", "ta.csv", "--rounds", "2", "--controls", "none", "--name", "t", "--yes")
    url = loopback(lambda body: "\\boxed{4}").url
    heartloop("run", *asked, "--verifier", "math", "--model", "server/m", "--base-url", url)
    before = sorted((tmp_path / "runs/t/verdicts.jsonl").read_text().splitlines())

    def missing(name, options=None):
        raise UsageError(f"--model {name}: No module named 'torch'")

    monkeypatch.setattr(clients, "make_model", missing)
    capsys.readouterr()
    heartloop("score", "t", "--json")
    (row,) = json.loads(capsys.readouterr().out)["arms"]
    assert (row["correct"], row["incorrect"], row["error"]) == (1, 1, 0)
    assert sorted((tmp_path / "runs/t/verdicts.jsonl").read_text().splitlines()) == before
