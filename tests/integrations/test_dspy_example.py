"""The worked example of docs/dspy.md runs offline, finds what is planted, and pays once."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

dspy = pytest.importorskip("dspy")

pytestmark = pytest.mark.dspy
ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "docs" / "examples" / "dspy_search.py"


def run(folder, *arguments):
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_finds_the_planted_stimulus_and_a_second_start_is_free(tmp_path, mock_server):
    rows = [{"question": f"Problem {n}: what is it?", "answer": str(n)} for n in range(300)]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    golds = [{"match": f"Problem {n}:", "answer": n} for n in range(300)]
    (tmp_path / "golds.jsonl").write_text("\n".join(map(json.dumps, golds)))
    (tmp_path / "cues.json").write_text(json.dumps({"Embrace challenges": 0.25}))
    url = mock_server(
        "--answers", str(tmp_path / "golds.jsonl"), "--ability", "0.5", "--coupling", "0.8",
        "--cue-ability", str(tmp_path / "cues.json"),
    )  # fmt: skip
    arguments = ["--model", "server/m", "--base-url", url, "--questions", "q.jsonl"]
    said = run(tmp_path, *arguments)
    assert "told: Answer the question. This is very important to my career." in said
    assert "chosen: emotionprompt:EP08" in said and "'first answer'" in said
    paid = int(re.search(r"(\d+) calls paid", said)[1])
    assert paid > 100
    assert (tmp_path / "runs/dspy-search/program.json").exists()
    again = run(tmp_path, *arguments)
    assert "\n0 calls paid" in again
    assert (
        re.search(r"chosen.*\nheld out.*", again)[0] == re.search(r"chosen.*\nheld out.*", said)[0]
    )


def test_the_page_shows_the_example_as_it_is():
    page = (ROOT / "docs" / "dspy.md").read_text()
    for file in re.findall(r"docs/examples/dspy_\w+\.py", page):
        assert (ROOT / file).is_file()
    assert "docs/examples/dspy_search.py" in page
