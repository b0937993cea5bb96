"""The `evaluate` module: loads from a local path, without the hub, and agrees with the function."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FIXTURES = Path(__file__).parent.parent / "fixtures" / "preference_bias"
CODE = """
import csv, json, sys
import evaluate
from heartloop.integrations.evaluate_metrics import metric_path
rows = list(csv.reader(open(sys.argv[1])))
labels = rows[0][1:]
pairs = [(r[0], g) for r in rows[1:] for g, n in zip(labels, r[1:]) for _ in range(int(n))]
metric = evaluate.load(metric_path("preference_bias"))
predictions, references = zip(*pairs)
found = metric.compute(predictions=predictions, references=references)
talks = [str(i % 130) for i in range(len(pairs))]
again = metric.compute(predictions=["?", *predictions[1:]], references=references,
                       conversations=talks, draws=50)
print(json.dumps([found, again]))
"""


def test_it_loads_from_a_path_offline_and_gives_the_test_vector(tmp_path: Path) -> None:
    env = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "USE_TORCH": "0",
        "USE_TF": "0",
        "HF_HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(FIXTURES / "confusion.csv")],
        capture_output=True, text=True, env=env, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found, again = json.loads(done.stdout.splitlines()[-1])
    expected = json.loads((FIXTURES / "expected.json").read_text())
    labels = next(csv.reader((FIXTURES / "confusion.csv").open()))[1:]
    for name in ("B", "Q", "weighted_f1", "accuracy"):
        assert found[name] == pytest.approx(expected[name], abs=1e-6)
    for name in ("p", "f1"):
        assert [found[name][k] for k in labels] == pytest.approx(expected[name], abs=1e-6)
    assert again["unread"] == 1 and again["intervals"]["B"][0] < again["B"]


def test_an_unknown_metric_is_refused() -> None:
    from heartloop.integrations.evaluate_metrics import metric_path

    with pytest.raises(ValueError, match="preference_bias"):
        metric_path("bleu")
