"""What is exported for lm-eval and Inspect is read back with the real packages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from test_brought import command

from heartloop.integrations.inspect_logs import read_inspect
from heartloop.integrations.lm_eval import read_lm_eval

pytestmark = pytest.mark.tools


@pytest.fixture
def run(tmp_path, monkeypatch, loopback):
    """A run over an own table: half of the answers are right, all of them with EP02's words."""
    monkeypatch.chdir(tmp_path)
    rows = [{"question": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(20)]
    Path("sums.jsonl").write_text("\n".join(map(json.dumps, rows)))

    def reply(body):
        told = body["messages"][-1]["content"]
        number = int(re.search(r"What is (\d+)", told)[1])
        right = number % 2 == 0 or "career" in told
        return f"It is \\boxed{{{number + 1 if right else 0}}}"

    url = loopback(reply).url
    flags = ("--stimuli", "EP02", "--controls", "lean", "--model", "server/m", "--base-url", url)
    assert command("run", "--task", "sums.jsonl", *flags, "--name", "r", "--json") == 0
    return tmp_path / "runs/r"


def scores(found):
    return {s.question: (s.score, s.text, s.gold) for s in found.samples}


def test_inspect_opens_what_is_exported(run):
    log = pytest.importorskip("inspect_ai.log")
    assert command("export", "r", "--to", "inspect", "-o", "out") == 0
    listed = {
        Path(info.name).name: info for info in log.list_eval_logs(str(run.parent.parent / "out"))
    }
    assert sorted(listed) == [f"sums-{arm}-server-m.eval" for arm in ("EP02", "again", "none")]
    read = log.read_eval_log("out/sums-none-server-m.eval")
    assert read.status == "success" and len(read.samples) == 20
    assert read.results.scores[0].metrics["mean"].value == 0.5
    first = next(s for s in read.samples if s.target == "3")
    assert first.output.completion == "It is \\boxed{3}" and first.output.usage.output_tokens == 5
    assert [m.role for m in first.messages] == ["user", "assistant"]
    back = read_inspect(Path("out/sums-EP02-server-m.eval"), "EP02")
    assert [s.score for s in back.samples] == [1.0] * 20


def test_lm_eval_writes_what_is_exported_and_it_comes_back_the_same(run):
    pytest.importorskip("lm_eval")
    assert command("export", "r", "--to", "lm-eval", "-o", "out") == 0
    back = {arm: read_lm_eval(Path("out") / arm, arm) for arm in ("none", "EP02")}
    assert sum(s.score for s in back["none"].samples) == 10
    assert sum(s.score for s in back["EP02"].samples) == 20
    results = json.loads(next(Path("out/none").rglob("results_*.json")).read_text())
    assert results["results"]["sums"]["accuracy,none"] == 0.5
    one = next(s for s in back["none"].samples if s.gold == "3")
    assert one.text == "It is \\boxed{3}" and one.messages[-1].content.startswith("What is 2 + 1?")
    assert command("import", "lm-eval", "out/none", "out/EP02", "--name", "back") == 0
