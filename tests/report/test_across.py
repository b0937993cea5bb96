"""One claim over several models and runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic_run import make_run, phrase

from heartloop.errors import UsageError
from heartloop.report.across import across, sentence_across
from heartloop.report.arms import load_run
from heartloop.report.study import compare_specs
from heartloop.report.tables import render
from heartloop.run.folder import RunFolder
from heartloop.types import Arm

ARMS = (
    Arm("none", role="none"),
    Arm("P1", stimuli=(phrase("P1", "placebo"),), role="placebo"),
    Arm("P2", stimuli=(phrase("P2", "placebo"),), role="placebo"),
    Arm("S1", stimuli=(phrase("S1"),)),
)


def _run(folder: Path, name: str, gain: float = 0.0, model: str = "", **more: object) -> None:
    rates = {"S1": 0.5 + gain, "none": 0.5, "P1": 0.5, "P2": 0.5}
    text = {"model": f"server/{model or name}", "rates": rates, "questions": 120, **more}
    make_run(folder / name, arms=ARMS, mode="verifier-free", **text)  # type: ignore[arg-type]


def test_five_models_of_one_claim_get_a_summary_and_a_prediction(tmp_path: Path) -> None:
    for i in range(5):
        _run(tmp_path, f"m{i}", 0.3)
    found = compare_specs([f"m{i}" for i in range(5)], tmp_path)
    assert not found.rows
    plain = next(a for a in found.across if a.contrast.family == "plain")
    assert [m.model for m in plain.models] == [f"server/m{i}" for i in range(5)]
    assert plain.pooled is not None and plain.pooled.predicted is not None
    assert plain.word == "above"
    assert 0.2 < plain.pooled.estimate < 0.4
    text = render(found)
    assert "over models like these 5: S1 above the plain prompt" in text
    assert "a new model" in text


def test_three_models_get_a_forest_and_no_summary(tmp_path: Path) -> None:
    for i in range(3):
        _run(tmp_path, f"m{i}", 0.3)
    found = compare_specs(["m0", "m1", "m2"], tmp_path)
    assert all(a.pooled is None and not a.word for a in found.across)
    assert len(found.across[0].models) == 3
    assert sentence_across(found.across).startswith("3 models: a forest and no summary")
    assert "no summary: how much models differ" in render(found)


def test_runs_of_one_model_are_pooled_first(tmp_path: Path) -> None:
    _run(tmp_path, "a", 0.3, model="one")
    _run(tmp_path, "b", 0.3, model="one")
    _run(tmp_path, "c", 0.1, model="two")
    runs = [load_run(RunFolder(tmp_path / n)) for n in "abc"]
    first = across(runs)[0]
    assert [m.runs for m in first.models] == [("a", "b"), ("c",)]
    alone = across(runs[:1])[0].models[0]
    # the same answers twice are one run, not twice as many questions
    assert (first.models[0].estimate, first.models[0].se) == (
        pytest.approx(alone.estimate),
        pytest.approx(alone.se),
    )


def test_other_claims_are_not_taken_together(tmp_path: Path) -> None:
    _run(tmp_path, "a")
    make_run(tmp_path / "b", arms=ARMS[:3] + (Arm("S2", stimuli=(phrase("S2"),)),))
    runs = [load_run(RunFolder(tmp_path / n)) for n in "ab"]
    with pytest.raises(UsageError, match="different claims"):
        across(runs)
