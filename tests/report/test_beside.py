"""Figures beside the claim: several draws, where the spread sits, wordings."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic_run import make_run, phrase

from heartloop.errors import UsageError
from heartloop.report.arms import load_run
from heartloop.report.beside import beside_section
from heartloop.report.study import compare_specs
from heartloop.report.tables import render
from heartloop.run.claim import read_claim
from heartloop.types import Arm


def test_a_single_arm_with_several_draws_is_shown_by_itself(tmp_path: Path) -> None:
    arm = Arm("resample", "resample", params={"draws": 4, "stop": "never"}, role="resample")
    run = make_run(tmp_path / "a", arms=(arm,), mode="verifier-free", rates={"resample": 0.5})
    text = render(compare_specs(["a"], tmp_path))
    assert "pass@k" in text and "maj@k" in text
    assert "draws of a question" in text
    spread = compare_specs(["a"], tmp_path).beside.spreads[0]  # type: ignore[union-attr]
    assert spread.spread.count == (1, 40, 4)
    assert spread.spread.draws == pytest.approx(0.5, abs=0.06)
    loaded = load_run(run)
    assert "draws of a question" in beside_section(loaded, read_claim(loaded.manifest))
    seeds = make_run(tmp_path / "b", arms=(Arm("single", role="none"),), seeds=(0, 1, 2))
    assert "pass@k" in render(compare_specs([seeds.name], tmp_path))
    make_run(tmp_path / "c", arms=(Arm("single", role="none"),))
    with pytest.raises(UsageError, match="single arm"):
        compare_specs(["c"], tmp_path)


def test_wordings_of_a_class_are_a_sample_with_a_spread(tmp_path: Path) -> None:
    arms = (Arm("none", role="none"), *(Arm(f"S{i}", stimuli=(phrase(f"S{i}"),)) for i in range(5)))
    rates = {"none": 0.5, **{f"S{i}": 0.2 + 0.15 * i for i in range(5)}}
    make_run(tmp_path / "a", arms=arms, mode="verifier-free", rates=rates, questions=400)
    found = compare_specs(["a"], tmp_path)
    assert found.beside is not None
    (wordings,) = found.beside.wordings
    assert wordings.label == "synthetic"
    assert wordings.pooled.tau == pytest.approx(0.24, abs=0.06)  # sd of 20, 35, 50, 65, 80
    assert "a new wording" in render(found)
